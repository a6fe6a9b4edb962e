"""Sampling rows by volume: least squares on a few rows whose mean is the solution on all rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..random import Stream, child_key, choose
from ..validation import check_choice, check_count
from .row_sampling import RowSample
from .volume_draws import VolumeDistribution, VolumeDraws
from .volume_kernels import remove_rows


@dataclass(frozen=True)
class ProjectionDPP(VolumeDistribution):
    """The projection determinantal process: r rows T, r the rank, with probability in proportion to det(A_T'A_T).

    Row i is in the set with probability its leverage score, and near rows repel each other. Drawn by the chain rule
    with rejection: n d^2 flops once, then about r^3 log(r) a draw.

    Parameters
    ----------
    random_state : None, int, numpy.random.Generator or numpy.random.RandomState

    References
    ----------
    Hough, Krishnapur, Peres and Virag, "Determinantal processes and independence", 2006. Barthelme, Tremblay and
    Amblard, "A faster sampler for discrete determinantal point processes", AISTATS 2023.

    Examples
    --------
    >>> import numpy as np
    >>> from sparsesolve.sketch import ProjectionDPP
    >>> A = np.vander(np.linspace(-1, 1, 101), 4)
    >>> ProjectionDPP(random_state=0).sample(A).rows.size
    4
    """

    random_state: Any = None

    def _check(self, n_rows, rank):
        _check_rank(rank)

    def _draw(self, draws, key):
        rows = np.sort(draws.projection(key))
        return _unweighted(rows, draws.leverage[rows], draws)


@dataclass(frozen=True)
class VolumeSampling(VolumeDistribution):
    """`size` distinct rows T with probability in proportion to det(A_T'A_T): least squares on them is unbiased.

    The mean of argmin ||A_T x - b_T|| over the draws is argmin ||A x - b||, for every b.

    Parameters
    ----------
    size : int
        At least the rank, at most the number of rows.
    random_state : None, int, numpy.random.Generator or numpy.random.RandomState
    method : {"chain", "reverse"}
        The same distribution. "chain": a draw of `ProjectionDPP`, and other rows uniformly; by Cauchy and Binet this
        is it. After n d^2 flops it costs about r^3 log(r) + size a draw. "reverse": starts with all rows and removes
        one at a time; 4 n d^2 flops a draw.

    References
    ----------
    Derezinski and Warmuth, "Reverse iterative volume sampling for linear regression", JMLR 2018.

    Examples
    --------
    >>> import numpy as np
    >>> from sparsesolve.sketch import VolumeSampling
    >>> A = np.vander(np.linspace(-1, 1, 101), 4)
    >>> draws = VolumeSampling(8, random_state=0).of(A)
    >>> b = np.exp(A[:, 2])
    >>> some = [draws.draw(i).rows for i in range(2000)]
    >>> mean = np.mean([np.linalg.lstsq(A[rows], b[rows])[0] for rows in some], axis=0)
    >>> bool(np.allclose(mean, np.linalg.lstsq(A, b)[0], atol=2e-3))
    True
    """

    size: int
    random_state: Any = None
    method: str = "chain"

    def __post_init__(self):
        check_count("size", self.size)
        check_choice("method", self.method, ("chain", "reverse"))

    def _check(self, n_rows, rank):
        _check_rank(rank, self.size)
        if self.size > n_rows:
            raise ValueError(f"size={self.size} must be at most {n_rows}, the number of rows of A.")

    def _draw(self, draws, key):
        n_rows, rank = draws.leverage.size, draws.transform.shape[1]
        if self.size == n_rows:
            rows = np.arange(n_rows)
        elif self.method == "reverse":
            rows = np.sort(_reverse(draws.basis, self.size, key))
        else:
            rows = _with_others(draws.projection(key), self.size, n_rows, key)
        others = (self.size - rank) / max(n_rows - rank, 1)
        leverage = draws.leverage[rows]
        return _unweighted(rows, leverage + (1.0 - leverage) * others, draws)


@dataclass(frozen=True)
class RescaledVolumeSampling(VolumeDistribution):
    """`size` rows with repetition, by leverage times the volume of rescaled rows: unbiased as well, and stable.

    With leverage scores l, rows T come with probability in proportion to det(B_T'B_T) and the product of their l,
    where B has the rows of A over the roots of l. Also called leveraged volume sampling; for bases of functions, with
    the Christoffel function as weight, generalised volume sampling. Drawn as a set of `ProjectionDPP` and independent
    rows by leverage. The weights are rank / size over l: then the mean of the weighted Gram matrix is A'A, and that of
    the weighted least squares solution is argmin ||A x - b||.

    Parameters
    ----------
    size : int
        At least the rank.
    random_state : None, int, numpy.random.Generator or numpy.random.RandomState
    rounds : int or "most", default=1
        Sets of `ProjectionDPP`, before the independent rows. More of them, up to size / rank, vary less, as rows of a
        set repel each other. The Gram matrix stays unbiased; least squares is known to be so for one round only.

    References
    ----------
    Derezinski, Warmuth and Hsu, "Leveraged volume sampling for linear regression", NeurIPS 2018; "Correcting the bias
    in least squares regression with volume-rescaled sampling", AISTATS 2019. Nouy and Michel, "Weighted
    least-squares approximation with determinantal point processes and generalized volume sampling", 2023.

    Examples
    --------
    >>> import numpy as np
    >>> from sparsesolve.sketch import RescaledVolumeSampling
    >>> A = np.vander(np.linspace(-1, 1, 101), 4)
    >>> drawn = RescaledVolumeSampling(8, random_state=0).sample(A)
    >>> bool(np.isclose((drawn.weights * drawn.probabilities).sum(), 8))
    True
    """

    size: int
    random_state: Any = None
    rounds: int | str = 1

    def __post_init__(self):
        check_count("size", self.size)
        if isinstance(self.rounds, str):
            check_choice("rounds", self.rounds, ("most",))
        else:
            check_count("rounds", self.rounds)

    def _check(self, n_rows, rank):
        _check_rank(rank, self.size)
        if self._rounds(rank) * rank > self.size:
            raise ValueError(
                f"rounds={self.rounds} of {rank} rows, the rank of A, are more than size={self.size}."
            )

    def _rounds(self, rank: int) -> int:
        return self.size // rank if isinstance(self.rounds, str) else self.rounds

    def _draw(self, draws, key):
        n_rows, rank = draws.leverage.size, draws.transform.shape[1]
        rounds = self._rounds(rank)
        sets = [draws.projection(child_key(key, Stream.VOLUME_ROWS, i)) for i in range(rounds)]
        drawn = np.concatenate(
            [*sets, draws.by_leverage(key, Stream.RESCALED_ROWS, self.size - rounds * rank)]
        )
        rows, counts = np.unique(drawn, return_counts=True)
        expected = draws.leverage[rows] * (self.size / rank)
        return RowSample(rows, expected, counts / expected, n_rows, 2.0)


def _check_rank(rank: int, size: int | None = None) -> None:
    if rank == 0:
        raise ValueError("A is zero: no rows of it span anything; give a matrix of rank 1 or more.")
    if size is not None and size < rank:
        raise ValueError(f"size={size} must be at least {rank}, the rank of A: fewer rows have no volume.")


def _unweighted(rows, expected, draws: VolumeDraws) -> RowSample:
    return RowSample(rows, expected, np.ones(rows.size), draws.leverage.size, 2.0)


def _with_others(rows: np.ndarray, size: int, n_rows: int, key: int) -> np.ndarray:
    """Add rows, uniformly from the others, up to `size` rows; return all in ascending order."""
    rows = np.sort(rows)
    others = choose(key, Stream.RESCALED_ROWS, n_rows - rows.size, size - rows.size)
    # Number j of the rows that are left is j plus the number of drawn rows at or before it.
    gaps = rows - np.arange(rows.size)
    return np.sort(np.concatenate([rows, others + np.searchsorted(gaps, others, side="right")]))


def _reverse(basis: np.ndarray, size: int, key: int) -> np.ndarray:
    """Remove rows until `size` are left; the inverse Gram matrix is made anew whenever half of the rows are gone."""
    rows, proposals = np.arange(basis.shape[0]), 0
    while rows.size > size:
        kept = basis[rows]
        inverse, alive = np.linalg.inv(kept.T @ kept), np.ones(rows.size, dtype=np.bool_)
        target, stream = max(size, rows.size // 2), int(Stream.REVERSE_VOLUME)
        proposals = remove_rows(kept, inverse, alive, target, np.uint64(key), stream, proposals)
        rows = rows[alive]
    return rows
