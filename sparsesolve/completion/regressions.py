"""The regressions of one side of the matrix, posed once and solved again and again with other factors."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np

from ..backends.jit import reduction_kernel
from .observations import Observations, Side
from .vectors import LANES

_CHUNKS = 64
_ENTRIES = 20_000

#: Takes regressions, arrays along their rows and columns, and small arguments; returns arrays along rows, and sums.
RowFunction = Callable[..., tuple[tuple[np.ndarray, ...], tuple[float, ...]]]


class Ridge:
    """What the ridge of some regressions is, from their penalties."""

    penalties: np.ndarray
    background: float

    @cached_property
    def heaviest(self) -> float:
        """The largest penalty."""
        return float(self.penalties.max())

    @property
    def regularised(self) -> bool:
        """Whether there is a ridge."""
        return self.heaviest > 0.0

    def metric_masses(self, masses: np.ndarray) -> np.ndarray:
        """Weights of the other factor's rows in the Gram matrix that whitens: all alike where a background counts."""
        return masses if self.background == 0.0 else np.ones_like(masses)

    def whole_ridge(self, ridge: np.ndarray, n_others: int) -> tuple[np.ndarray, np.ndarray]:
        """Penalties and ridge in whitened coordinates, in which a background is a ridge like any other."""
        if self.background == 0.0:
            return self.penalties, ridge
        return np.ones_like(self.penalties), self.heaviest * ridge + self.background * n_others


@dataclass(frozen=True)
class Regressions(Ridge):
    """Every row's regression on the other factor, in one precision.

    Attributes
    ----------
    side : Side
        The entries; values and weights in the precision of the kernels.
    masses : ndarray of float64, shape (n_rows,)
        Sums of weights.
    penalties : ndarray of float64, shape (n_rows,)
        What multiplies the squared length of each row of the factor.
    energies : ndarray of float64, shape (n_rows,)
        Weighted sums of squared values.
    background : float
        Weight with which every entry of the row, observed or not, is drawn to zero besides.
    """

    side: Side
    masses: np.ndarray
    penalties: np.ndarray
    energies: np.ndarray
    background: float = 0.0
    _pieces: dict = field(default_factory=dict, repr=False, compare=False)

    @property
    def dtype(self) -> np.dtype:
        """Of values, weights and arithmetic."""
        return self.side.values.dtype

    @property
    def n_entries(self) -> int:
        """Entries of all rows."""
        return self.side.values.size

    @property
    def n_rows(self) -> int:
        """Regressions."""
        return self.side.n_rows

    def over(self, function: RowFunction, own: tuple = (), others: tuple = (), arguments: tuple = ()):
        """Call ``function(self, *own, *others, *arguments)``: what all work on the entries goes through.

        Parameters
        ----------
        function : callable
            Returns arrays with one row for each row here, and numbers, to be summed over all rows.
        own : tuple of arrays
            With one row for each row here.
        others : tuple of arrays
            With one row for each column.
        arguments : tuple
            Small.
        """
        return function(self, *own, *others, *arguments)

    def shifted(self, effects: np.ndarray, level: float) -> Regressions:
        """The same regressions on what is left of the values without effects of the columns and a level."""
        return self.with_values(self.side.values - effects[self.side.others] - level)

    def at_precision(self, dtype) -> Regressions:
        """The same regressions with values and weights of another type."""
        side = self.side._replace(
            values=self.side.values.astype(dtype), weights=self.side.weights.astype(dtype)
        )
        return replace(self, side=side)

    def with_values(self, values: np.ndarray) -> Regressions:
        """The same regressions on other values."""
        side = self.side._replace(values=values)
        return replace(self, side=side, energies=_energies(side.starts, values, side.weights))

    @cached_property
    def energy(self) -> float:
        """Weighted sum of all squared values."""
        return float(self.energies.sum())

    @cached_property
    def rough_weights(self) -> np.ndarray:
        """The weights in float32."""
        return self.side.weights.astype(np.float32)

    @cached_property
    def empty(self) -> np.ndarray:
        """Rows without an entry."""
        return np.flatnonzero(self.side.counts == 0)

    def chunks(self, least: int, most: int | None = None) -> list[np.ndarray]:
        """Rows with at least `least` and fewer than `most` entries, in order, cut into pieces of like many entries.

        The pieces depend on the data alone, so that sums over them are the same for any number of threads.
        """
        if (least, most) not in self._pieces:
            self._pieces[least, most] = self._cut(least, most)
        return self._pieces[least, most]

    def _cut(self, least, most) -> list[np.ndarray]:
        counts = self.side.counts
        wanted = counts >= least if most is None else (counts >= least) & (counts < most)
        rows = np.flatnonzero(wanted)
        if rows.size == 0:
            return []
        reached = np.cumsum(counts[rows])
        pieces = int(min(_CHUNKS, max(1, reached[-1] // _ENTRIES)))
        cuts = np.searchsorted(reached, reached[-1] * np.arange(1, pieces) / pieces)
        cuts = np.unique(-(-cuts // LANES) * LANES)
        return [piece for piece in np.split(rows.astype(np.uint64), cuts) if piece.size]


@dataclass(frozen=True)
class Posed:
    """Both sides of the problem, with values, weights and factors in units near one.

    The values are divided by `scale`, the weights by `weight_scale`; factors by the square root of `scale`.
    """

    rows: Regressions
    columns: Regressions
    scale: float
    weight_scale: float
    shape: tuple[int, int]

    @property
    def background(self) -> float:
        """Weight with which all entries are drawn to zero besides."""
        return self.rows.background

    @cached_property
    def energy(self) -> float:
        """Weighted sum of the squares of the values as they were given, in these units."""
        if self.background == 0.0:
            return self.rows.energy
        _, (energy,) = self.rows.over(_given_energy, arguments=(self.background,))
        return energy

    @property
    def transposed(self) -> Posed:
        """The same problem with rows and columns exchanged."""
        return replace(self, rows=self.columns, columns=self.rows, shape=self.shape[::-1])

    def at_precision(self, dtype) -> Posed:
        """The same problem with values and weights of another type."""
        return replace(self, rows=self.rows.at_precision(dtype), columns=self.columns.at_precision(dtype))


def pose(
    observations: Observations,
    alpha: float = 0.0,
    scale_alpha: bool = False,
    background: float = 0.0,
    dtype=np.float64,
) -> Posed:
    """Bring the problem to units near one, with values and weights of a type.

    With a background, the weight of zeros at the unobserved entries, w (M - z)^2 is (w - background) (M' - z)^2 +
    background z^2 but for a constant, where M' = w M / (w - background): a weight below the entries' own, and a
    penalty on all of the matrix.

    Raises
    ------
    ValueError
        When nothing was observed.
    """
    if observations.n_entries == 0:
        raise ValueError("M has no observed entry: nothing can be completed from it.")
    if background > 0.0:
        observations = observations.mapped(_above, arguments=(background,))
    sizes = observations.sizes
    scale, weight_scale = sizes.scale, sizes.weight_scale
    how = scale, weight_scale, alpha / scale / weight_scale, scale_alpha, background, dtype
    rows, columns = (side.posed(_pose_side, how) for side in (observations.rows, observations.columns))
    return Posed(rows, columns, scale, weight_scale, observations.shape)


def _above(side: Side, background: float) -> tuple[np.ndarray, np.ndarray]:
    """The entries with the background's share of their weights taken off."""
    weights = side.weights if side.weights.size else np.ones(side.values.size)
    own = weights - background
    return side.values * (weights / own), own


def _given_energy(side: Regressions, background: float):
    values, weights = side.side.values, side.side.weights
    return (), (float(((values * weights) ** 2 / (weights + background)).sum()),)


def _pose_side(side: Side, scale, weight_scale, penalty, by_count, background, dtype) -> Regressions:
    values, weights = side.values / scale, side.weights / weight_scale
    counts = side.counts
    masses = _sums(weights, side.starts) if weights.size else counts.astype(float)
    penalties = penalty * counts if by_count else np.full(side.n_rows, penalty)
    energies = _energies(side.starts, values, weights)
    side = side._replace(values=values.astype(dtype, copy=False), weights=weights.astype(dtype, copy=False))
    return Regressions(side, masses, penalties, energies, background / weight_scale)


@reduction_kernel
def _energies(starts, values, weights):
    """Each row's weighted sum of squared values."""
    out = np.zeros(starts.size - 1)
    for i in range(out.size):
        total = 0.0
        for e in range(np.intp(starts[i]), np.intp(starts[i + 1])):
            square = values[e] * values[e]
            total += square * weights[e] if weights.size > 0 else square
        out[i] = total
    return out


def _sums(weights, starts) -> np.ndarray:
    """Sums over each row's entries; zero for empty rows."""
    out = np.zeros(starts.size - 1)
    filled = np.flatnonzero(np.diff(starts))
    out[filled] = np.add.reduceat(weights, starts[filled].astype(np.intp))
    return out
