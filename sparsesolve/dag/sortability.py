"""How far variances, or shares explained by the other variables, give the order of the nodes away.

Many methods order the nodes by variance, knowingly or not. Where both of these numbers are near 1/2 that cannot help;
where one is near 1, sorting alone does as well, and scaling a column changes the answer.
"""

from __future__ import annotations

import numpy as np

from ..backends.jit import kernel
from ..graphs.order import check_acyclic
from ..validation import check_matrix

#: Variances whose ratio is this near to 1, and shares whose difference is this near to 0, count as equal.
TOLERANCE = 1e-9


def varsortability(adjacency, covariance) -> float:
    """Return the share of directed paths along which the variance grows, from the first node to the last.

    Parameters
    ----------
    adjacency : array-like of shape (d, d)
        Of an acyclic graph: entry [i, j] is not 0 where there is an edge i -> j.
    covariance : array-like of shape (d, d)
        Of the variables; only its diagonal counts.

    Returns
    -------
    float
        From 0 to 1: 1 where sorting by variance finds an order of the graph, 1/2 where it is no better than chance, and
        for a graph without edges.

    Raises
    ------
    ValueError
        For a cycle, or where shapes do not agree.

    Notes
    -----
    Two nodes count once for each length of a directed path between them; equal variances count one half [1]_.
    O(longest path * d * number of edges), in whole rows.

    References
    ----------
    .. [1] Reisach, Seiler and Weichwald, "Beware of the simulated DAG! Causal discovery benchmarks may be easy to
       game", NeurIPS 2021.

    Examples
    --------
    >>> from sparsesolve.dag.sortability import varsortability
    >>> varsortability([[0, 2], [0, 0]], [[1.0, 2.0], [2.0, 5.0]])
    1.0
    """
    edges = check_acyclic("adjacency", adjacency)
    variances = np.diagonal(_covariance(covariance, len(edges)))
    return order_agreement(edges, variances, relative=True)


def r2_sortability(adjacency, covariance) -> float:
    """Return the share of directed paths along which the share explained by all other variables (R2) grows.

    Parameters
    ----------
    adjacency : array-like of shape (d, d)
        Of an acyclic graph: entry [i, j] is not 0 where there is an edge i -> j.
    covariance : array-like of shape (d, d)
        Of the variables, in any units.

    Returns
    -------
    float
        From 0 to 1, as for `varsortability`, but the same for any scales of the variables.

    Raises
    ------
    ValueError
        For a cycle, or where shapes do not agree.

    References
    ----------
    Reisach, Tami, Seiler, Chambaz and Weichwald, "A scale-invariant sorting criterion to find a causal order in
    additive noise models", NeurIPS 2023.

    Examples
    --------
    >>> from sparsesolve.dag.sortability import r2_sortability
    >>> r2_sortability([[0, 2], [0, 0]], [[1.0, 2.0], [2.0, 5.0]])
    0.5
    """
    edges = check_acyclic("adjacency", adjacency)
    return order_agreement(edges, explained_shares(_covariance(covariance, len(edges))), relative=False)


def explained_shares(covariance: np.ndarray) -> np.ndarray:
    """Return the share of each variable's variance that all others explain (R2), shape (d,), from 0 to 1.

    It is 1 - 1 / diag(inverse of the correlations). The eigenvalues of a singular matrix are kept above rounding, so
    that it is near 1 for a variable that others determine; for a constant it is 0.
    """
    variances = np.diagonal(covariance)
    constant = variances <= 0.0
    sizes = np.sqrt(np.where(constant, 1.0, variances))
    correlations = covariance / sizes[:, None] / sizes
    correlations[constant] = correlations[:, constant] = 0.0
    np.fill_diagonal(correlations, 1.0)
    values, vectors = np.linalg.eigh(correlations)
    floor = len(values) * np.finfo(np.float64).eps * values[-1]
    return np.clip(1.0 - 1.0 / (vectors**2 @ (1.0 / np.maximum(values, floor))), 0.0, 1.0)


def order_agreement(edges: np.ndarray, scores: np.ndarray, *, relative: bool) -> float:
    """Return the share of directed paths along which a score of the nodes grows; equal scores count one half.

    Parameters
    ----------
    edges : ndarray of bool, shape (d, d)
        Of an acyclic graph.
    scores : ndarray of shape (d,)
    relative : bool
        Whether scores are compared by their ratio, or by their difference.

    Returns
    -------
    float
        One half for a graph without edges.
    """
    counts = path_lengths(edges)
    first, last = np.nonzero(counts)
    weights = counts[first, last]
    if weights.size == 0:
        return 0.5
    margin = TOLERANCE * np.abs(scores[first]) if relative else TOLERANCE
    growth = scores[last] - scores[first]
    return float(weights @ (0.5 * (growth > margin) + 0.5 * (growth >= -margin)) / weights.sum())


def path_lengths(edges: np.ndarray) -> np.ndarray:
    """Count the different lengths of the directed paths from i to j, for all nodes of an acyclic graph.

    Parameters
    ----------
    edges : ndarray of bool, shape (d, d)

    Returns
    -------
    ndarray of int32, shape (d, d)
    """
    starts = np.concatenate([[0], np.cumsum(np.count_nonzero(edges, axis=1))])
    return _path_lengths(edges, starts, np.nonzero(edges)[1])


def _covariance(covariance, n_nodes):
    covariance = np.asarray(check_matrix("covariance", covariance), dtype=np.float64)
    if covariance.shape != (n_nodes, n_nodes):
        raise ValueError(f"covariance has shape {covariance.shape}, but adjacency has {n_nodes} nodes.")
    return covariance


@kernel
def _path_lengths(edges, starts, children):
    d = edges.shape[0]
    counts = edges.astype(np.int32)
    reached, onward = edges.astype(np.uint8), np.empty((d, d), dtype=np.uint8)
    for _ in range(d):
        some = False
        for i in range(d):
            row = onward[i]
            row[:] = 0
            for place in range(starts[i], starts[i + 1]):
                longer = reached[children[place]]
                for j in range(d):
                    row[j] |= longer[j]
            for j in range(d):
                counts[i, j] += row[j]
                some |= row[j] != 0
        if not some:
            break
        reached, onward = onward, reached
    return counts
