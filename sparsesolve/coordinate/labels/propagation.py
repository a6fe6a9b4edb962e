"""Label propagation: the values of a graph's unlabelled nodes that make it as smooth as can be."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from ...backends import Choice, select
from ...driver import Iterate, drive
from ...exceptions import warn_caller
from ...operators.forest import as_graph
from ...result import Result, Status
from ...validation import check_count, check_real, check_targets
from . import kernels
from .bounds import BoundedColumn, descend, held_up
from .checks import check_bounds, check_labelled, check_weights
from .reduced_system import WIDTH, Graph, ReducedSystem, column_norms

_EPS = np.finfo(np.float64).eps
# The solver aims a little below the tolerance, so that the residual from scratch holds too.
_AIM = 0.9


class LabelSolution(NamedTuple):
    """The answer of `label_propagation`.

    Attributes
    ----------
    values : ndarray of shape (n_nodes,) or (n_nodes, n_columns)
        The labels, and what was found at all other nodes.
    energy : float
        ``1/2 sum_{i<j} w_ij |v_i - v_j|^2``, over all columns.
    undetermined : ndarray of int64
        Nodes without a path to a labelled node. They have the mean of the labels, within their bounds.
    """

    values: np.ndarray
    energy: float
    undetermined: np.ndarray


def label_propagation(
    weights,
    labelled,
    labels,
    *,
    lower=None,
    upper=None,
    tol=1e-10,
    max_iter=100_000,
    max_time=None,
    callback=None,
    verbose=False,
) -> Result:
    r"""Minimise :math:`1/2 \sum_{i<j} w_{ij} (v_i - v_j)^2` over the values v of unlabelled nodes.

    Without bounds every value is the mean of its neighbours' (a harmonic function), and lies between the least and
    the largest label.

    Parameters
    ----------
    weights : scipy sparse array of shape (n_nodes, n_nodes)
        Symmetric, at least 0. Loops do not matter.
    labelled : array of int, shape (n_labelled,), or of bool, shape (n_nodes,)
        The nodes whose values are known.
    labels : array of shape (n_labelled,) or (n_labelled, n_columns)
        Their values, in the same order; columns are solved side by side.
    lower, upper : float, or array of shape (n_nodes,), optional
        Bounds of the values of unlabelled nodes.
    tol : float, default=1e-10
        Largest residual of a column, relative to its right-hand side: the labels times the weights of their edges to
        unlabelled nodes. With bounds, largest KKT residual: the part of it that no bound holds up.
    max_iter : int, default=100000
        Largest number of steps of conjugate gradients; with bounds, of rounds.
    max_time : float, optional
        Seconds after which no further step begins.
    callback : callable, optional
        Called with each `sparsesolve.driver.Iterate`; a true value stops.
    verbose : bool, default=False
        Log each step on the logger "sparsesolve".

    Returns
    -------
    Result
        ``solution`` is a `LabelSolution`. The certificate holds ``relative_residual``, or ``kkt_residual`` with bounds,
        computed from scratch at the end.

    Raises
    ------
    ValueError
        For weights that are not symmetric or negative, unknown nodes, and other bad arguments.

    Warns
    -----
    UserWarning
        Where some nodes have no path to a label.

    Notes
    -----
    Complexity: one read of the edges for each step; on a lattice with a share s of labels about sqrt(1 / s) steps for
    each digit. Memory: a copy of the unlabelled graph.

    References
    ----------
    Zhu, Ghahramani and Lafferty, "Semi-supervised learning using Gaussian fields and harmonic functions", ICML 2003.
    Nutini, Laradji and Schmidt, JMLR 23(131), 2022, problems D and E.

    Examples
    --------
    >>> import numpy as np
    >>> import scipy.sparse
    >>> from sparsesolve.coordinate import label_propagation
    >>> path = scipy.sparse.diags_array([np.ones(4), np.ones(4)], offsets=[-1, 1], shape=(5, 5)).tocsr()
    >>> result = label_propagation(path, [0, 4], [0.0, 1.0])
    >>> result.solution.values.round(8), result.converged
    (array([0.  , 0.25, 0.5 , 0.75, 1.  ]), True)
    """
    options = check_options(tol, max_iter, max_time)
    posed = pose(weights, labelled, labels, lower, upper)
    result = solve(posed, options, callback, verbose)
    lost = result.solution.undetermined
    if lost.size:
        warnings.warn(undetermined_message(lost), UserWarning, stacklevel=2)
    return result


def undetermined_message(nodes) -> str:
    """What to say of nodes without a path to a label."""
    return (
        f"{nodes.size} nodes, such as node {nodes[0]}, have no path to a labelled node: nothing determines their "
        "values, and they get the mean of the labels. Label a node in each part of the graph, or add neighbours."
    )


class Options(NamedTuple):
    """Checked parameters of a run."""

    tol: float
    max_iter: int
    max_time: float | None
    choice: Choice


def check_options(tol, max_iter, max_time, backend="auto") -> Options:
    """Return the options, or raise a ValueError that names the one that is wrong."""
    return Options(
        check_real("tol", tol, minimum=0),
        check_count("max_iter", max_iter),
        None if max_time is None else check_real("max_time", max_time, minimum=0),
        select(backend),
    )


@dataclass(frozen=True)
class Posed:
    """A checked problem.

    Attributes
    ----------
    graph : Graph
    known : ndarray of bool, shape (n,)
    start : ndarray of shape (n, width)
        Labels at known nodes, their means elsewhere.
    means : ndarray of shape (width,)
    is_vector : bool
        Whether labels came as one column without its own axis.
    lower, upper : ndarray of shape (n,), or None
        Both or neither.
    """

    graph: Graph
    known: np.ndarray
    start: np.ndarray
    means: np.ndarray
    is_vector: bool
    lower: np.ndarray | None
    upper: np.ndarray | None


def pose(weights, labelled, labels, lower=None, upper=None) -> Posed:
    """Check the arguments of `label_propagation`."""
    graph = as_graph("weights", weights)
    n = graph.shape[0]
    check_weights(graph)
    nodes = check_labelled(labelled, n)
    labels = np.asarray(labels)
    if labels.ndim not in (1, 2) or labels.shape[0] != nodes.size:
        raise ValueError(
            f"labels has shape {labels.shape}, but {nodes.size} nodes are labelled: give one label, or row, for each."
        )
    labels = check_targets("labels", labels, nodes.size)
    columns = labels.reshape(nodes.size, -1)
    known = np.zeros(n, np.bool_)
    known[nodes] = True
    start = np.empty((n, columns.shape[1]))
    means = columns.mean(axis=0)
    start[:] = means
    start[nodes] = columns
    low, high = check_bounds(lower, upper, n)
    return Posed(Graph.of(graph, 1.0), known, start, means, labels.ndim == 1, low, high)


def solve(posed: Posed, options: Options, callback=None, verbose=False) -> Result:
    """Solve a checked problem; see `label_propagation`. Does not warn of undetermined nodes."""
    system = ReducedSystem(posed.graph, posed.known)
    values = posed.start.copy()
    free = ~posed.known
    means = posed.means
    right = system.right(values - means) if system.nodes.size else np.zeros((0, values.shape[1]))
    scale = column_norms(right + system.mass[:, None] * means)
    scale[scale == 0.0] = 1.0
    if posed.lower is None or posed.upper is None:
        run = _unbounded(system, right, values, means, scale, options.tol)
    else:
        values[free] = np.clip(values[free], posed.lower[free, None], posed.upper[free, None])
        run = _bounded(posed, system, values, scale, options.tol)
    outcome = drive(
        run,
        tol=options.tol,
        max_iter=options.max_iter,
        max_time=options.max_time,
        callback=callback,
        verbose=verbose,
    )
    residual = _residual(posed, system, values, scale)
    status = _status(outcome.status, residual, options.tol)
    name = "relative_residual" if posed.lower is None else "kkt_residual"
    if status is not Status.CONVERGED:
        warn_caller(f"{status.name}: {name} is {residual:.1e}, above tol={options.tol:.1e}. {status.help}")
    certificate: Mapping[str, float] = {name: residual}
    lost = np.sort(system.undetermined).astype(np.int64)
    solution = LabelSolution(values[:, 0] if posed.is_vector else values, _energy(posed.graph, values), lost)
    return Result(
        solution, status, outcome.n_iter, certificate, outcome.trace, outcome.setup_time, outcome.solve_time,
        options.choice,
    )  # fmt: skip


def _unbounded(system, right, values, means, scale, tol):
    """Conjugate gradients, some columns at a time, on the values less the means of the labels."""
    nodes, width = system.nodes, values.shape[1]
    norms = column_norms(right)
    # Where the means are far from zero, the tolerance is kept in relation to what differs from them.
    aims = np.maximum(_AIM * tol * np.minimum(scale, norms), 0.25 * _EPS * scale)
    relative = norms / scale
    if nodes.size == 0:
        yield Iterate(None, 0.0)
    for first in range(0, width if nodes.size else 0, WIDTH):
        part = slice(first, first + WIDTH)
        block = np.ascontiguousarray(right[:, part])
        x = np.zeros(block.shape)
        steps = system.solve(block, x, aims[part])
        try:
            for norms in steps:
                relative[part] = norms / scale[part]
                goes_on = bool((norms > aims[part]).any()) or first + WIDTH < width
                yield Iterate(None, float(relative.max()), goes_on=goes_on)
        finally:
            steps.close()
            values[nodes, part] = x + means[part]


def _bounded(posed, system, values, scale, tol):
    """Column by column, in place."""
    columns = [np.ascontiguousarray(column) for column in values.T]
    zeros = np.zeros(values.shape[0])
    bounded = [
        BoundedColumn(posed.graph, posed.known, system.nodes, zeros, posed.lower, posed.upper, x)
        for x in columns
    ]
    try:
        return (yield from descend(bounded, scale, tol))
    finally:
        for c, column in enumerate(columns):
            values[:, c] = column


def _residual(posed, system, values, scale) -> float:
    """The certificate, from scratch: the largest column's, computed from differences along the edges."""
    starts, indices, weights, sign, _ = posed.graph
    zeros, wanted = np.zeros(values.shape[0]), np.zeros(values.shape[0], np.bool_)
    wanted[system.nodes] = True
    gradient = np.zeros(values.shape[0])
    worst = 0.0
    for column in range(values.shape[1]):
        x = np.ascontiguousarray(values[:, column])
        kernels.slopes(starts, indices, weights, sign, wanted, zeros, x, gradient)
        excess = gradient if posed.lower is None else held_up(gradient, x, posed.lower, posed.upper)
        norm = float(column_norms(excess[:, None])[0] / scale[column])
        worst = norm if not norm <= worst else worst
    return worst


def _status(status, residual, tol) -> Status:
    """The driver's answer, made to agree with the residual of the values that are returned."""
    if residual <= tol:
        return Status.CONVERGED
    if not np.isfinite(residual):
        return Status.NON_FINITE
    return Status.STALLED if status in (Status.CONVERGED, Status.NON_FINITE) else status


def _energy(graph, values) -> float:
    starts, indices, weights, _, scale = graph
    return 0.25 * scale * kernels.roughness(starts, indices, weights, np.ascontiguousarray(values))
