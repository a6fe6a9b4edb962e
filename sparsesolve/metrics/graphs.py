"""How far an estimated directed graph is from the true one, and its noise levels from the true ones."""

from __future__ import annotations

import numpy as np

from ..backends.jit import kernel
from ..graphs.equivalence import completed_partially_directed_graph
from ..graphs.order import check_acyclic, check_edges, descendants


def structural_hamming_distance(truth, estimate) -> int:
    """Count the pairs of nodes between which two graphs differ: missing, extra and reversed edges count 1 each.

    Parameters
    ----------
    truth, estimate : array-like of shape (d, d)
        Entry [i, j] is not 0 where there is an edge i -> j. An edge without direction, as in a CPDAG, is not 0 at
        [i, j] and at [j, i]; it differs from either direction by 1.

    Returns
    -------
    int
        From 0 to d (d - 1) / 2.

    Raises
    ------
    ValueError
        If a matrix is not square or not finite, or the shapes differ.

    Examples
    --------
    >>> from sparsesolve.metrics import structural_hamming_distance
    >>> structural_hamming_distance([[0, 1, 1], [0, 0, 0], [0, 0, 0]], [[0, 0, 1], [1, 0, 0], [0, 0, 0]])
    1
    """
    truth, estimate = _pair(check_edges, truth, estimate)
    differ = truth != estimate
    np.fill_diagonal(differ, False)
    return int(np.count_nonzero(np.triu(differ | differ.T)))


def cpdag_hamming_distance(truth, estimate) -> int:
    """Return the structural Hamming distance between the equivalence classes (CPDAGs) of two graphs.

    This is what data can tell when the noise is Gaussian with unequal variances: edges that no data can direct are not
    held against the estimate.

    Parameters
    ----------
    truth, estimate : array-like of shape (d, d)
        Of acyclic graphs: entry [i, j] is not 0 where there is an edge i -> j.

    Returns
    -------
    int

    Raises
    ------
    ValueError
        If a matrix is not square or not finite, the shapes differ, or there is a cycle.

    Examples
    --------
    >>> from sparsesolve.metrics import cpdag_hamming_distance
    >>> cpdag_hamming_distance([[0, 1], [0, 0]], [[0, 0], [1, 0]])
    0
    """
    truth, estimate = _pair(check_acyclic, truth, estimate)
    return structural_hamming_distance(
        completed_partially_directed_graph(truth), completed_partially_directed_graph(estimate)
    )


def structural_intervention_distance(truth, estimate) -> int:
    """Count the ordered pairs (i, j) for which the estimate gets the effect of an intervention at i on j wrong.

    The effect is read from the estimate by adjusting for the parents of i in it; where j is one of them, the estimate
    says that there is none.

    Parameters
    ----------
    truth, estimate : array-like of shape (d, d)
        Of acyclic graphs: entry [i, j] is not 0 where there is an edge i -> j.

    Returns
    -------
    int
        From 0 to d (d - 1).

    Raises
    ------
    ValueError
        If a matrix is not square or not finite, the shapes differ, or there is a cycle.

    Notes
    -----
    O(d^2 + d * number of true edges) after the edges are listed: for each i, one walk finds all nodes that an open path
    leads to which is not directed, and one all effects that an adjusted node lies in the way of.

    References
    ----------
    Peters and Buehlmann, "Structural intervention distance for evaluating causal graphs", Neural Computation 27, 2015.

    Examples
    --------
    >>> from sparsesolve.metrics import structural_intervention_distance
    >>> structural_intervention_distance([[0, 1], [0, 0]], [[0, 0], [1, 0]])
    2
    """
    truth, estimate = _pair(check_acyclic, truth, estimate)
    return int(_count_wrong_effects(truth, estimate, descendants(truth), *_lists(truth), *_lists(truth.T)))


def false_discovery_rate(truth, estimate) -> float:
    """Return the share of the estimated edges that are not in the true graph, or have the other direction there.

    Parameters
    ----------
    truth, estimate : array-like of shape (d, d)
        Entry [i, j] is not 0 where there is an edge i -> j.

    Returns
    -------
    float
        From 0 to 1; 0 for an estimate without edges.

    Raises
    ------
    ValueError
        If a matrix is not square or not finite, or the shapes differ.

    Examples
    --------
    >>> from sparsesolve.metrics import false_discovery_rate
    >>> false_discovery_rate([[0, 1, 0], [0, 0, 0], [0, 0, 0]], [[0, 1, 0], [0, 0, 0], [1, 0, 0]])
    0.5
    """
    truth, estimate = _pair(check_edges, truth, estimate)
    return int(np.count_nonzero(estimate & ~truth)) / max(int(np.count_nonzero(estimate)), 1)


def true_positive_rate(truth, estimate) -> float:
    """Return the share of the true edges that are in the estimated graph with their direction.

    Parameters
    ----------
    truth, estimate : array-like of shape (d, d)
        Entry [i, j] is not 0 where there is an edge i -> j.

    Returns
    -------
    float
        From 0 to 1; 1 for a true graph without edges.

    Raises
    ------
    ValueError
        If a matrix is not square or not finite, or the shapes differ.

    Examples
    --------
    >>> from sparsesolve.metrics import true_positive_rate
    >>> true_positive_rate([[0, 1, 1], [0, 0, 0], [0, 0, 0]], [[0, 1, 0], [0, 0, 0], [1, 0, 0]])
    0.5
    """
    truth, estimate = _pair(check_edges, truth, estimate)
    count = int(np.count_nonzero(truth))
    return int(np.count_nonzero(estimate & truth)) / count if count else 1.0


def noise_scale_error(truth, estimate) -> float:
    """Return the relative error of estimated noise levels, in the Euclidean norm.

    Parameters
    ----------
    truth, estimate : float or array-like of shape (d,)
        Standard deviations; one number stands for all nodes. The true ones are above 0.

    Returns
    -------
    float

    Raises
    ------
    ValueError
        If the shapes differ, or values are negative or not finite, or all true ones are 0.

    Examples
    --------
    >>> from sparsesolve.metrics import noise_scale_error
    >>> round(noise_scale_error([3.0, 4.0], [3.0, 4.5]), 3)
    0.1
    """
    truth, estimate = np.asarray(truth, dtype=np.float64), np.asarray(estimate, dtype=np.float64)
    if truth.ndim > 1 or estimate.ndim > 1 or (truth.ndim == estimate.ndim and truth.shape != estimate.shape):
        raise ValueError(
            f"estimate has shape {estimate.shape}, but truth has {truth.shape}: one number a node."
        )
    for name, values in (("truth", truth), ("estimate", estimate)):
        if not (np.isfinite(values).all() and (values >= 0).all()):
            raise ValueError(f"{name} holds {values.min()}: standard deviations are finite and at least 0.")
    truth, estimate = np.broadcast_arrays(np.atleast_1d(truth), np.atleast_1d(estimate))
    size = float(np.linalg.norm(truth))
    if size == 0.0:
        raise ValueError("truth is 0 at every node: a relative error needs a noise level above 0.")
    return float(np.linalg.norm(estimate - truth)) / size


def _pair(check, truth, estimate):
    truth = check("truth", truth)
    return truth, check("estimate", estimate, len(truth))


def _lists(edges):
    """Compressed rows: where each node's list starts, and the ends of its edges."""
    starts = np.concatenate([[0], np.cumsum(np.count_nonzero(edges, axis=1))])
    return starts, np.nonzero(edges)[1]


# Ways in which a walk has come to a node: along edges only, and all of them forward; else by its last edge.
_DIRECTED, _FORWARD, _BACKWARD = 0, 1, 2


@kernel
def _count_wrong_effects(truth, estimate, below, child_starts, children, parent_starts, parents):
    d = truth.shape[0]
    seen = np.empty((d, 3), dtype=np.bool_)
    blocked = np.empty(d, dtype=np.bool_)
    stack = np.empty((3 * d, 2), dtype=np.int64)
    wrong = 0
    for i in range(d):
        adjusted = estimate[:, i]
        # Effects of i behind a node on the way, or that node itself, which has an adjusted node below it: adjusting
        # takes part of the effect away.
        blocked[:] = False
        for c in range(d):
            if below[i, c] and not blocked[c]:
                hit = adjusted[c]
                for z in range(d):
                    hit |= below[c, z] and adjusted[z]
                if hit:
                    blocked[c] = True
                    for j in range(d):
                        blocked[j] |= below[c, j]
        _walk(i, adjusted, child_starts, children, parent_starts, parents, seen, stack)
        for j in range(d):
            if j == i:
                continue
            if adjusted[j]:
                wrong += below[i, j]
            else:
                wrong += blocked[j] or seen[j, _FORWARD] or seen[j, _BACKWARD]
    return wrong


@kernel
def _walk(i, adjusted, child_starts, children, parent_starts, parents, seen, stack):
    """Mark where walks from i lead that are open given the adjusted nodes, and never come back to i.

    A collider is open where it is adjusted itself: a walk may go down to an adjusted node and turn there, which stands
    for the path whose collider lies above that node. Walks that begin forward into a cause of j, but are not directed,
    turn at an adjusted node below that cause: those j are blocked already.
    """
    seen[:] = False
    top = 0
    for place in range(child_starts[i], child_starts[i + 1]):
        seen[children[place], _DIRECTED] = True
        stack[top, 0], stack[top, 1] = children[place], _DIRECTED
        top += 1
    for place in range(parent_starts[i], parent_starts[i + 1]):
        seen[parents[place], _BACKWARD] = True
        stack[top, 0], stack[top, 1] = parents[place], _BACKWARD
        top += 1
    while top > 0:
        top -= 1
        node, way = stack[top, 0], stack[top, 1]
        if not adjusted[node]:
            onward = _DIRECTED if way == _DIRECTED else _FORWARD
            for place in range(child_starts[node], child_starts[node + 1]):
                child = children[place]
                if child != i and not seen[child, onward]:
                    seen[child, onward] = True
                    stack[top, 0], stack[top, 1] = child, onward
                    top += 1
        if adjusted[node] != (way == _BACKWARD):
            for place in range(parent_starts[node], parent_starts[node + 1]):
                parent = parents[place]
                if parent != i and not seen[parent, _BACKWARD]:
                    seen[parent, _BACKWARD] = True
                    stack[top, 0], stack[top, 1] = parent, _BACKWARD
                    top += 1
