"""The observed entries in chunks, and what a step needs to know of a matrix of low rank at them."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from ..backends.threads import run_chunks
from . import tangent_kernels as kernels
from .observations import Observations

# Entries of a chunk of rows; chunks are fixed, so that the answer does not depend on the number of threads.
_CHUNK = 1 << 18


class State(NamedTuple):
    """The matrix ``left @ diag(spectrum) @ right.T``.

    Attributes
    ----------
    left : ndarray of shape (m, rank)
        U, with U'U = m I.
    spectrum : ndarray of shape (rank,)
        Falling, at least 0: the singular values over sqrt(m n).
    right : ndarray of shape (n, rank)
        V, with V'V = n I.
    """

    left: np.ndarray
    spectrum: np.ndarray
    right: np.ndarray

    @property
    def rank(self) -> int:
        """Number of singular values."""
        return self.spectrum.size

    def truncated(self, rank: int) -> State:
        """The best matrix of that rank."""
        cut = slice(0, rank)
        return State(self.left[:, cut].copy(), self.spectrum[cut].copy(), self.right[:, cut].copy())


class Linearisation(NamedTuple):
    """What a step needs to know of a state: the residuals, the gradients and the blocks on the diagonal.

    Attributes
    ----------
    state : State
    loss : float
        Sum of squares of the residuals.
    residuals : ndarray of shape (n_entries,)
        Observed minus fitted, by rows.
    gradients : tuple of two ndarray of shape (m, rank) and (n, rank)
        R V and R'U, R being the sparse matrix of the residuals.
    grams : tuple of two ndarray of shape (m, rank, rank) and (n, rank, rank)
    ridge : float
        Strength of the ridge of the step that led here.
    """

    state: State
    loss: float
    residuals: np.ndarray
    gradients: tuple[np.ndarray, np.ndarray]
    grams: tuple[np.ndarray, np.ndarray]
    ridge: float = 0.0


class Entries:
    """Observations cut into fixed chunks of rows and of columns.

    Parameters
    ----------
    observations : Observations
        Weights are not used: an exact fit is the same for all.
    """

    def __init__(self, observations: Observations):
        self.shape = observations.shape
        self.sides = (observations.rows, observations.columns)
        self.n_entries = observations.n_entries
        self.chunks = tuple(_cut(side.starts) for side in self.sides)
        #: Sum of squares of the observed values.
        self.total = float(observations.rows.values @ observations.rows.values)

    @property
    def density(self) -> tuple[float, float]:
        """Mean number of entries of a row, and of a column."""
        return self.n_entries / self.shape[0], self.n_entries / self.shape[1]

    def each(self, side: int, kernel: Callable, *arguments) -> list:
        """Call a kernel on each chunk of a side: 0 for rows, 1 for columns."""
        chunks = self.chunks[side]
        if len(chunks) == 1:
            return [kernel(*chunks[0], *arguments)]
        return run_chunks(lambda index: kernel(*chunks[index], *arguments), len(chunks))

    def residuals(self, state: State) -> tuple[float, np.ndarray, np.ndarray, np.ndarray]:
        """Loss, residuals, gradient and Gram matrices of the rows' side."""
        return self._linearise(0, state.left * state.spectrum, state.right)

    def linearise(self, state: State, half=None) -> Linearisation:
        """All that a step needs; `half` is what `residuals` returned, where it is known."""
        loss, residuals, gradient, gram = self.residuals(state) if half is None else half
        _, _, other_gradient, other_gram = self._linearise(1, state.right * state.spectrum, state.left)
        return Linearisation(state, loss, residuals, (gradient, other_gradient), (gram, other_gram))

    def _linearise(self, index, own, other):
        side, rank = self.sides[index], own.shape[1]
        width = padded(rank)
        residuals = np.empty(side.values.size)
        gradients, grams = np.empty((side.n_rows, rank)), np.empty((side.n_rows, rank, rank))
        sums = self.each(
            index,
            kernels.linearise,
            side.starts,
            side.others,
            side.values,
            packed(own, width, 1),
            packed(other, width, 1),
            (0.0,) * width,
            residuals,
            gradients,
            grams,
        )
        return math.fsum(sums), residuals, gradients, grams

    def leading(self, residuals: np.ndarray, count: int, rng: np.random.Generator) -> State:
        """Leading singular triplets of the residuals, zero elsewhere, over the share of entries observed."""
        m, n = self.shape
        count = min(count, m, n)
        rows, columns = self.sides
        # In the order of the columns: the same entries, moved as the observations were.
        moved = Observations(self.shape, rows, columns).with_values(residuals).columns.values
        basis = rng.standard_normal((n, min(count + 5, m, n)))
        for _ in range(8):
            basis = np.linalg.qr(self._times(0, residuals, basis))[0]
            basis = np.linalg.qr(self._times(1, moved, basis))[0]
        left, values, right = np.linalg.svd(self._times(0, residuals, basis), full_matrices=False)
        share = self.n_entries / (m * n)
        cut = slice(0, count)
        spectrum = values[cut] / (share * math.sqrt(m * n))
        return State(left[:, cut] * math.sqrt(m), spectrum, (basis @ right.T)[:, cut] * math.sqrt(n))

    def _times(self, index, values, dense):
        side = self.sides[index]
        out = np.empty((side.n_rows, dense.shape[1]))
        self.each(index, kernels.times, side.starts, side.others, values, np.ascontiguousarray(dense), out)
        return out


def _cut(starts: np.ndarray) -> list[tuple[int, int]]:
    """Ranges of rows with about `_CHUNK` entries each."""
    starts = starts.astype(np.int64)
    targets = np.arange(0, int(starts[-1]) + 1, _CHUNK)
    bounds = np.unique(np.concatenate([np.searchsorted(starts, targets), [starts.size - 1]]))
    if bounds[0] > 0:
        bounds = np.concatenate([[0], bounds])
    return [(int(a), int(b)) for a, b in itertools.pairwise(bounds)]


def padded(rank: int) -> int:
    """The next length that kernels are compiled for: a multiple of 4, beyond 16 of 8, beyond 64 of 32."""
    step = 4 if rank <= 16 else 8 if rank <= 64 else 32
    return -(-rank // step) * step


def packed(factor: np.ndarray, width: int, vectors: int) -> np.ndarray:
    """An array with room for so many vectors of a width a row, the factor being the first; zeros elsewhere."""
    pack = np.zeros((factor.shape[0], vectors * width))
    pack[:, : factor.shape[1]] = factor
    return pack
