"""From data to a graph, with what can and cannot be said about it."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from ..backends.threads import single_threaded_blas
from ..driver import Outcome, drive
from ..exceptions import AssumptionWarning, warn_caller
from ..graphs import completed_partially_directed_graph, is_acyclic, topological_order
from ..random import as_key
from ..result import Result, Status
from ..streams import Passes
from ..streams.sources import as_row_blocks, is_stream
from ..validation import check_matrix
from .by_order import by_order
from .candidate import Candidate
from .central import along_central_path
from .covariance import Moments, in_common_units, moments_of, moments_of_blocks, pairwise_moments
from .interventions import Contexts, contexts_of
from .options import Options, check_options
from .sortability import r2_sortability, varsortability
from .thresholding import threshold_weights
from .weights import finished, plausible_noise

#: Column variances that differ by less, relatively, look standardised.
_STANDARDISED = 0.02


class DAGSolution(NamedTuple):
    """A directed acyclic graph of linear effects.

    Attributes
    ----------
    adjacency : ndarray of shape (d, d)
        [i, j] is the weight of the edge i -> j, in the data's units.
    intercept : ndarray of shape (d,)
        X is ``intercept + X @ adjacency`` plus noise.
    noise_scale : ndarray of shape (d,)
        Standard deviation of each column's noise; all the same for equal noise.
    order : ndarray of int, shape (d,)
        In which every edge leads forward.
    cpdag : ndarray of bool, shape (d, d)
        What data alone say of the directions, without equal variances: a compelled edge i -> j stands at [i, j] alone,
        a reversible one at [j, i] too.
    noise : str
        "equal" or "unequal".
    method : str
    reason : str
        Why this noise and this method.
    score : float
        BIC in units of twice the log-likelihood, columns in units of their own: smaller is better.
    start_scores : tuple of float
        The best score from each random start: far apart, they tell of a search that depends on luck.
    varsortability, r2_sortability : float
        Share of the found graph's paths along which variances, or shares explained by all others, grow: near 1, sorting
        alone would find much of it.
    n_small, n_cut : int
        Weights below the threshold, and edges above it that were cut because they closed a cycle.
    largest_cut : float
        The strongest of these.
    """

    adjacency: np.ndarray
    intercept: np.ndarray
    noise_scale: np.ndarray
    order: np.ndarray
    cpdag: np.ndarray
    noise: str
    method: str
    reason: str
    score: float
    start_scores: tuple[float, ...]
    varsortability: float
    r2_sortability: float
    n_small: int
    n_cut: int
    largest_cut: float


def estimate_dag(
    X,
    *,
    noise="unequal",
    method="auto",
    inner="auto",
    alpha="auto",
    threshold="auto",
    required=None,
    forbidden=None,
    tiers=None,
    missing="error",
    interventions=None,
    n_starts=2,
    tol=1e-8,
    max_iter=10_000,
    max_time=None,
    random_state=None,
    backend="auto",
    verbose=False,
    callback: Callable | None = None,
) -> Result:
    r"""Estimate the directed acyclic graph behind a linear model X = X W + noise, and the noise of each variable.

    Parameters
    ----------
    X : array of shape (n, d), or row blocks
        For data beyond memory, `sparsesolve.streams.row_blocks` of them, which are read once.
    noise : {"unequal", "equal", "auto"}, default="unequal"
        Whether all variables have noise of one size. "equal" is a strong assumption: it makes all directions known, and
        is wrong once columns were scaled. "auto" compares both by BIC.
    method : {"auto", "order", "central-path"}, default="auto"
        A search over orders with parents by BIC; or the paper's path of penalised problems with a log-determinant for
        acyclicity. "auto" is "order".
    inner : {"auto", "newton", "adam"}, default="auto"
        How the problems of the central path are solved: by Newton's method column by column, or as in the authors'
        code, which is reproduced with ``tol=1e-6``.
    alpha : "auto" or float, default="auto"
        Penalty of the concomitant lassos (the paper's lambda) that give the weights along the order found; "auto" takes
        parents by BIC and least squares, and 0.05 on the central path. It is meant for columns of unit deviation; for
        equal noise, and on the path, for data whose column of least deviation has unit deviation.
    threshold : "auto" or float, default="auto"
        Weights up to this size are set to 0, in the data's units; "auto" is 0.3 on the central path, and 0 else.
    required, forbidden : list of pairs, or array of bool of shape (d, d), optional
        Edges (i, j), for i -> j, that must or must not be there; kept exactly.
    tiers : list of lists, or array of int of shape (d,), optional
        Groups of columns: no edge leads back to an earlier one.
    missing : {"error", "pairwise"}, default="error"
        What NaN is: an error, or a gap; then each covariance comes from the rows that have both columns.
    interventions : array of int, shape (n,), or of bool, shape (n, d), optional
        The column that was set from outside in each row, a negative number for none; or a mask. A column is then
        regressed on the other rows only; edges of columns that were set become directed.
    n_starts : int, default=2
        Random orders that the search starts from.
    tol : float, default=1e-8
        Largest certificate; see Returns.
    max_iter : int, default=10000
        Largest number of passes over the nodes, or of checkpoints of the path.
    max_time : float, optional
        Seconds after which no further step begins.
    random_state : None, int, numpy.random.Generator or RandomState
    backend : {"auto", "numba", "opencl"}, default="auto"
    verbose : bool, default=False
    callback : callable, optional
        Called with each iterate; a true value stops.

    Returns
    -------
    Result
        ``solution`` is a `DAGSolution`. The certificate holds ``kkt_residual``, of the regressions on the parents, or
        of the lassos along the order, or of the path's last problem; and ``cycles``, 0 for an acyclic graph.

    Raises
    ------
    ValueError
        For bad data or parameters; the message names the argument, its value and the mend.

    Warns
    -----
    AssumptionWarning
        For equal noise where all columns have one variance: standardised data say nothing of the order then.

    Notes
    -----
    Only the covariance X'X/n is used. Equal noise: O(d^3) and a search where there are few rows. Unequal noise:
    annealing with cached regressions; the number of steps has no polynomial bound, see the documentation's times.

    References
    ----------
    Saboksayr, Mateos and Tepper, "CoLiDE: concomitant linear DAG estimation", ICLR 2024.

    Examples
    --------
    >>> import numpy as np
    >>> from sparsesolve import estimate_dag
    >>> rng = np.random.default_rng(0)
    >>> smoking = rng.standard_normal(2000)
    >>> tar = 0.8 * smoking + 0.5 * rng.standard_normal(2000)
    >>> risk = 0.6 * tar + rng.standard_normal(2000)
    >>> solution = estimate_dag(np.column_stack([tar, risk, smoking]), random_state=0).solution
    >>> (solution.cpdag | solution.cpdag.T).astype(int).tolist()
    [[0, 1, 1], [1, 0, 0], [1, 0, 0]]
    """
    blocks = as_row_blocks(X) if is_stream(X) else None
    X = check_data(X, missing) if blocks is None else X
    options = check_options(
        X.shape[1] if blocks is None else blocks.n_columns,
        noise=noise,
        method=method,
        inner=inner,
        alpha=alpha,
        threshold=threshold,
        required=required,
        forbidden=forbidden,
        tiers=tiers,
        missing=missing,
        n_starts=n_starts,
        tol=tol,
        max_iter=max_iter,
        max_time=max_time,
        backend=backend,
    )
    if blocks is not None:
        passes = Passes(blocks, "moments")
        result = solve(
            moments_of_blocks(passes, missing, interventions), options, random_state, callback, verbose
        )
        passes.done()
        return result
    moments = pairwise_moments(X) if missing == "pairwise" else moments_of(X)
    contexts = contexts_of(X, interventions, options, moments, missing)
    return solve(moments, options, random_state, callback, verbose, contexts)


def check_data(X, missing: str = "error") -> np.ndarray:
    """X as float64, of at least two rows; NaN only where it stands for a gap."""
    X = np.asarray(check_matrix("X", X, check_finite=missing != "pairwise"))
    if X.dtype.kind not in "fiub":
        raise ValueError(f"X has entries of dtype {X.dtype}: real numbers are needed.")
    X = X.astype(np.float64)
    if missing == "pairwise" and np.isinf(X).any():
        raise ValueError("X has an infinite entry: mend it, or make it NaN.")
    if len(X) < 2:
        raise ValueError(f"X has n_samples=1 row: at least 2 are needed; n_features={X.shape[1]}.")
    return X


@single_threaded_blas()
def solve(
    moments: Moments,
    options: Options,
    random_state=None,
    callback=None,
    verbose=False,
    contexts: Contexts | None = None,
) -> Result:
    """Estimate the graph from the moments of the data."""
    moments = moments if options.noise == "unequal" else in_common_units(moments)
    C, n = moments.covariance, int(moments.n)
    own = None if contexts is None else contexts.own
    key = as_key(random_state)
    limits = {"max_time": options.max_time, "callback": callback, "verbose": verbose}
    if options.noise == "equal":
        _doubt_equal_variances(moments)

    def run(kind: str) -> Outcome:
        engine = along_central_path if options.method == "central-path" else by_order
        iterates = engine(C, n, kind, options, key, own)
        return drive(iterates, tol=options.tol, max_iter=options.max_iter, **limits)

    noise = "equal" if options.noise == "auto" else options.noise
    outcome = run(noise)
    candidate = finished(C, n, outcome.best.solution, noise, options, own)
    n_iter, spent = outcome.n_iter, outcome.setup_time + outcome.solve_time
    reason = f"noise={noise!r} was asked for; method {options.method}"
    if options.noise == "auto":
        noise, reason = plausible_noise(C, n, candidate.graph)
        if noise == "unequal":
            outcome = run(noise)
            candidate = finished(C, n, outcome.best.solution, noise, options, own)
            n_iter, spent = n_iter + outcome.n_iter, spent + outcome.setup_time + outcome.solve_time
    assert candidate.weights is not None
    assert candidate.scales is not None
    cut = threshold_weights(candidate.weights * _ratio(moments), options.threshold)
    adjacency = cut.adjacency
    certificate = {
        "kkt_residual": float(candidate.residual),
        "cycles": 0.0 if is_acyclic(adjacency) else 1.0,
    }
    status = outcome.status
    if certificate["kkt_residual"] <= options.tol and status not in (Status.STOPPED, Status.TIME_LIMIT):
        status = Status.CONVERGED if status is not Status.MAX_ITER else status
    if status is not Status.CONVERGED:
        warn_caller(
            f"{status.name}: the search ended before its end; the KKT residual is {certificate['kkt_residual']:.1e}, "
            f"tol={options.tol:.1e}. {status.help}"
        )
    solution = _solution(moments, candidate, adjacency, cut, noise, reason, options, contexts)
    return Result(
        solution,
        status,
        n_iter,
        certificate,
        outcome.trace,
        outcome.setup_time,
        spent - outcome.setup_time,
        options.choice,
    )


def _ratio(moments: Moments) -> np.ndarray:
    """What brings weights [i, j] for columns over their units to the data's."""
    return moments.units / moments.units[:, None]


def _doubt_equal_variances(moments: Moments) -> None:
    deviations = np.sqrt(np.diag(moments.covariance)) * moments.units
    if deviations.size > 1 and deviations.min() > (1.0 - 0.5 * _STANDARDISED) * deviations.max():
        warn_caller(
            "noise='equal' on columns that all have the same variance: the data seem standardised, and equal noise "
            "then says nothing true of the order. Use noise='unequal', or the data in their own units.",
            AssumptionWarning,
        )


def _solution(
    moments, candidate: Candidate, adjacency, cut, noise, reason, options: Options, contexts
) -> DAGSolution:
    covariance, relative_units = moments.covariance, moments.units / moments.units.max()
    known = _known_directions(adjacency, options, contexts)
    order = candidate.order if options.method == "order" else topological_order(adjacency)
    relative = adjacency / _ratio(moments)
    return DAGSolution(
        adjacency=adjacency,
        intercept=_intercept(moments, adjacency, contexts),
        noise_scale=candidate.scales * moments.units,
        order=np.asarray(order, dtype=np.int64),
        cpdag=completed_partially_directed_graph(adjacency, background=known),
        noise=noise,
        method=options.method,
        reason=reason,
        score=float(candidate.score),
        start_scores=candidate.start_scores,
        varsortability=varsortability(relative, covariance * relative_units * relative_units[:, None]),
        r2_sortability=r2_sortability(relative, covariance),
        n_small=cut.n_small,
        n_cut=len(cut.cut),
        largest_cut=float(cut.largest_cut),
    )


def _intercept(moments: Moments, adjacency, contexts: Contexts | None) -> np.ndarray:
    if contexts is None:
        return moments.mean - moments.mean @ adjacency
    return np.diag(contexts.means) - np.einsum("ji,ij->j", contexts.means, adjacency)


def _known_directions(adjacency, options: Options, contexts: Contexts | None) -> np.ndarray | None:
    """Edges of the graph whose reverse was ruled out beforehand, or by interventions.

    A. Hauser and P. Buhlmann, "Characterization and greedy learning of interventional Markov equivalence classes of
    directed acyclic graphs", JMLR 13 (2012): edges between a column that was set and one that was not are directed.
    """
    if not options.constrained and contexts is None:
        return None
    known = ~options.constraints.allowed.T
    if contexts is not None:
        known = known | contexts.told_apart
    return (adjacency != 0.0) & known
