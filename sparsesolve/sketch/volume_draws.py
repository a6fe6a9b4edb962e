"""What all ways of sampling by volume share: the work for one matrix, and the determinantal draw."""

from __future__ import annotations

from abc import ABC, abstractmethod
from functools import cached_property
from typing import Any

import numpy as np

from ..operators.rows import RowMatrix
from ..random import Stream, as_key, child_key, uniforms
from ..validation import check_count
from .row_sampling import RowSample
from .volume_kernels import accept_projection
from .whitening import scored_rows, squared_row_norms, whitening


class VolumeDistribution(ABC):
    """A distribution over sets of rows; `of` does the work that all draws share."""

    random_state: Any

    def sample(self, A) -> RowSample:
        """Draw rows of A.

        Parameters
        ----------
        A : array or scipy sparse array or matrix of shape (n, d)

        Returns
        -------
        RowSample

        Raises
        ------
        ValueError
            For NaN, infinity, or a size that the rank or the number of rows does not allow.
        """
        return self.of(A).draw(0)

    def of(self, A) -> VolumeDraws:
        """Prepare for many draws from one matrix: six passes, then few operations a draw.

        Parameters
        ----------
        A : array or scipy sparse array or matrix of shape (n, d)

        Returns
        -------
        VolumeDraws
            It keeps two numbers a row.
        """
        rows = scored_rows(A)
        return VolumeDraws(self, rows, as_key(self.random_state))

    @abstractmethod
    def _check(self, n_rows: int, rank: int) -> None:
        """Raise a ValueError where there is no such set of rows."""

    @abstractmethod
    def _draw(self, draws: VolumeDraws, key: int) -> RowSample: ...


class VolumeDraws:
    """Independent draws from one matrix.

    Attributes
    ----------
    transform : ndarray of shape (d, rank)
        A times it has orthonormal columns.
    leverage : ndarray of shape (n,)
        Squared lengths of the rows of that.
    """

    def __init__(self, distribution: VolumeDistribution, A: RowMatrix, key: int):
        self.transform = whitening(A)
        self.leverage = squared_row_norms(A, self.transform)
        distribution._check(A.shape[0], self.transform.shape[1])
        self._edges = np.cumsum(self.leverage)
        self._A, self._distribution, self._key = A, distribution, key

    @cached_property
    def basis(self) -> np.ndarray:
        """All rows of A times `transform`, shape (n, rank); made when it is asked for."""
        return self.vectors(slice(None))

    def vectors(self, rows) -> np.ndarray:
        """Some rows of A times `transform`."""
        source: Any = self._A.source
        return source[rows] @ self.transform

    def draw(self, index: int) -> RowSample:
        """Return draw number `index`: a function of the seed and this number."""
        check_count("index", index, minimum=0)
        return self._distribution._draw(self, child_key(self._key, Stream.VOLUME_ROWS, index))

    def projection(self, key: int) -> np.ndarray:
        """As many rows as the rank, distinct, with probability det(basis[rows])^2."""
        rank = self.transform.shape[1]
        taken = np.empty(rank, dtype=np.int64)
        # Proposal number t is a function of the key and t: so more of them can be made where these do not do. Their
        # mean number is the rank times the sum of 1 / k for k up to the rank.
        n_proposals = 16 + int(2 * rank * (1.0 + np.log(rank)))
        while True:
            proposed = self.by_leverage(key, Stream.VOLUME_PROPOSALS, n_proposals)
            chances = uniforms(key, Stream.VOLUME_CHANCES, n_proposals)
            if accept_projection(self.vectors(proposed), chances, taken) == rank:
                return proposed[taken]
            n_proposals *= 2

    def by_leverage(self, key: int, stream: Stream, size: int) -> np.ndarray:
        """Independent rows with probabilities in proportion to leverage."""
        points = uniforms(key, stream, size) * self._edges[-1]
        return np.minimum(np.searchsorted(self._edges, points, side="right"), self._edges.size - 1)
