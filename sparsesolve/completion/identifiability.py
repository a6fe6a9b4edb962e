"""Whether the observed entries can determine a matrix of a rank."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import scipy.sparse.csgraph

from ..backends.jit import kernel
from ..backends.threads import single_threaded_blas
from ..random import as_key
from ..validation import check_count
from .complement import SchurComplement
from .factors import Factors
from .observations import Observations, Side
from .tangent import decompose
from .tangent_entries import Entries

# Inverse iterations, steps of conjugate gradients in each, the shift that makes the matrix definite, and the smallest
# eigenvalue that counts as positive, both relative to the mean diagonal.
_ITERATIONS, _PASSES, _SHIFT, _POSITIVE = 4, 300, 1e-10, 1e-8


class Identifiability(NamedTuple):
    """What is known of whether the entries determine the matrix.

    Attributes
    ----------
    oversampling : float
        Number of entries over the degrees of freedom, rank (m + n - rank).
    poor_rows, poor_columns : int
        Rows and columns with fewer entries than the rank.
    curvature : float
        Smallest eigenvalue at the given factors, but for those of the gauge, of the Gauss-Newton matrix of V with U
        eliminated, both of them orthonormal up to scale; relative to the mean number of entries of a column. NaN
        where it was not asked for. An upper bound, from a few inverse iterations.
    """

    oversampling: float
    poor_rows: int
    poor_columns: int
    curvature: float

    @property
    def possible(self) -> bool:
        """Whether the numbers of entries allow for one answer only."""
        return self.poor_rows == 0 and self.poor_columns == 0 and self.oversampling >= 1.0

    @property
    def holds(self) -> bool:
        """Whether, besides, no direction was found in which the answer could move."""
        return self.possible and not self.curvature <= _POSITIVE


@kernel
def _joined(starts, others, n_columns):
    """For each column the number of a connected part of the graph whose edges are the entries; -1 without entries."""
    n_rows = starts.size - 1
    above = np.arange(n_rows + n_columns)
    used = np.zeros(n_columns, np.bool_)
    for i in range(n_rows):
        for e in range(np.intp(starts[i]), np.intp(starts[i + 1])):
            left, right = i, n_rows + np.intp(others[e])
            used[others[e]] = True
            while above[left] != left:
                above[left] = above[above[left]]
                left = above[left]
            while above[right] != right:
                above[right] = above[above[right]]
                right = above[right]
            if left != right:
                above[right] = left
    out = np.full(n_columns, -1)
    for j in range(n_columns):
        if used[j]:
            part = n_rows + j
            while above[part] != part:
                part = above[part]
            out[j] = part
    return out


def n_parts(observations: Observations) -> int:
    """Into how many parts the matrix falls that share neither rows nor columns; O(entries).

    The factors of each part have a gauge of their own, so that nothing is known of the blocks between two parts.
    """
    n = observations.shape[1]
    pieces = []
    for joined in observations.collected(_joined_columns, arguments=(n,)):
        columns = np.flatnonzero(joined >= 0)
        pieces.append((columns, np.unique(joined[columns], return_inverse=True)[1]))
    # The parts of each piece of the rows, joined in turn by the columns that they share.
    firsts = np.cumsum([n, *(parts.max(initial=-1) + 1 for _, parts in pieces)])
    columns = np.concatenate([columns for columns, _ in pieces])
    parts = np.concatenate([parts + first for (_, parts), first in zip(pieces, firsts, strict=False)])
    edges = scipy.sparse.coo_array((np.ones(columns.size), (columns, parts)), shape=(firsts[-1], firsts[-1]))
    numbers = scipy.sparse.csgraph.connected_components(edges, directed=False)[1]
    return np.unique(numbers[columns]).size


def _joined_columns(side: Side, n_columns: int) -> np.ndarray:
    return _joined(side.starts, side.others, n_columns)


def identifiable(
    observations: Observations, rank: int, factors: Factors | None = None, *, random_state=0
) -> Identifiability:
    """Say whether the observed entries can determine a matrix of a rank.

    Each row and column needs at least `rank` entries, and all together as many as the matrix has degrees of freedom.
    That is not enough. At an answer it can be tested that no other lies near: a matrix that the entries do not
    determine can be moved along a direction that changes none of the observed entries.

    Parameters
    ----------
    observations : Observations
    rank : int
    factors : Factors, optional
        An answer, of that rank, for the test of the curvature.
    random_state : None, int or numpy.random.Generator, default=0
        For the start of the iteration.

    Returns
    -------
    Identifiability

    Raises
    ------
    ValueError
        For a rank below 1, or above min(m, n).

    Notes
    -----
    Complexity: at most 1200 passes over the entries where there is an answer. A flat direction may be missed where the
    answer itself is not an exact fit.

    Examples
    --------
    >>> import numpy as np
    >>> from sparsesolve.completion.factors import Factors
    >>> from sparsesolve.completion.identifiability import identifiable
    >>> from sparsesolve.completion.observations import observe_matrix
    >>> from sparsesolve.datasets.completion import make_low_rank
    >>> data = make_low_rank(60, 50, 2, oversampling=2.0, random_state=0)
    >>> found = identifiable(observe_matrix(data.X), 2, Factors(data.row_factors, data.column_factors))
    >>> found.holds, found.poor_rows, round(found.oversampling, 2)
    (True, 0, 2.0)
    """
    rank = check_count("rank", rank)
    smallest = min(observations.shape)
    if rank > smallest:
        raise ValueError(f"rank={rank} must be at most {smallest}, the smaller side of {observations.shape}.")
    freedom = rank * (sum(observations.shape) - rank)
    poor = [int((side.counts < min(rank, size)).sum()) for side, size in _sides(observations)]
    oversampling = observations.n_entries / freedom
    curvature = math.nan
    if factors is not None:
        curvature = 0.0
        if any(poor) or oversampling < 1.0:
            return Identifiability(oversampling, poor[0], poor[1], curvature)
        with single_threaded_blas():
            curvature = _curvature(observations, rank, factors, np.random.default_rng(as_key(random_state)))
    return Identifiability(oversampling, poor[0], poor[1], curvature)


def _sides(observations: Observations):
    """Each side with the largest number of entries that one of its rows can have."""
    m, n = observations.shape
    return (observations.rows, n), (observations.columns, m)


def _curvature(observations, rank, factors, rng) -> float:
    """Smallest eigenvalue of the Schur complement beside the gauge, by inverse iterations; 0 for a lower rank."""
    state = decompose(factors.row_factors, factors.column_factors)
    if not state.spectrum[rank - 1] > 1e-14 * state.spectrum[0]:
        return 0.0
    if rank == min(observations.shape):
        # Enough entries are all entries: nothing can move.
        return 1.0
    entries = Entries(observations)
    mean = entries.density[1]
    left, right = state.left[:, :rank], state.right[:, :rank]
    grams = entries.linearise(state.truncated(rank)).grams
    shift = np.full(rank, _SHIFT)
    damping = shift * entries.density[0], shift * mean
    complement = SchurComplement(entries, left, right, grams, damping)

    def beside_gauge(vector):
        """Without its part in the directions V M, which move U and V but not their product."""
        return vector - right @ (right.T @ vector / right.shape[0])

    vector = beside_gauge(rng.standard_normal(right.shape))
    image = np.empty_like(vector)
    least = math.inf
    for _ in range(_ITERATIONS):
        size = float(np.linalg.norm(vector))
        if not size > 0.0:
            break
        vector, _ = complement.solve(vector / size, 1e-4, _PASSES)
        vector = beside_gauge(vector)
        complement.packs[1][:, complement.width : complement.width + rank] = vector
        least = min(least, complement.image(image) / float((vector * vector).sum()) / mean)
    return least
