"""CountSketch followed by a Gaussian: one pass at the price of additions, and few dense rows in the end."""

from __future__ import annotations

from dataclasses import dataclass

from ..random import Stream, child_key
from ..validation import check_count
from .base import Distribution, Sketch
from .dense import GaussianSketch
from .sparse import SparseSketch

# Rows of the CountSketch, as a multiple of the final ones, where none are given: their square is what theory wants.
_LEAST_MIDDLE, _MOST_MIDDLE = 16, 1 << 16


@dataclass(frozen=True)
class Multisketch(Distribution):
    """A Gaussian sketch of a CountSketch: S = G C, with C of shape (middle, n) and G of shape (size, middle).

    The CountSketch reads the data once, with one addition for each stored entry, and a Gaussian, which needs no more
    rows than theory's least, shortens what is left. The price of the CountSketch stays: rows that stand out may fall
    together, with probability 1 / middle for a pair.

    Parameters
    ----------
    size : int
    random_state : None, int, numpy.random.Generator or numpy.random.RandomState
    middle : int, optional
        At least `size`; size^2 unless given, but from 16 size to 65536 rows.

    References
    ----------
    Higgins, Boman and Yamazaki, "A high performance GPU CountSketch implementation and its application to
    multisketching and least squares problems", 2025.

    Examples
    --------
    >>> import numpy as np
    >>> from sparsesolve.sketch import Multisketch
    >>> Multisketch(32, random_state=0).sample(5000).apply(np.ones((5000, 3))).shape
    (32, 3)
    """

    middle: int | None = None

    def __post_init__(self):
        super().__post_init__()
        if self.middle is not None and check_count("middle", self.middle) < self.size:
            raise ValueError(
                f"middle={self.middle} must be at least size={self.size}: sketches only shorten."
            )

    def _sample(self, n_rows, key):
        middle = self.middle
        if middle is None:
            middle = max(_LEAST_MIDDLE * self.size, min(self.size**2, _MOST_MIDDLE))
        return MultisketchSketch((self.size, n_rows), key, middle)


class MultisketchSketch(Sketch):
    """A sample of `Multisketch`."""

    _takes_sparse = True

    def __init__(self, shape, key, middle):
        super().__init__(shape, key)
        self.first = SparseSketch((middle, shape[1]), key, 1)
        self.last = GaussianSketch((shape[0], middle), child_key(key, Stream.MULTISKETCH, 0))

    def _sketch(self, A, first_row, row_scale):
        return self.last.apply(self.first._sketch(A, first_row, row_scale), dtype=A.dtype)

    def _add(self, block, first_row, row_scale, first_column, totals):
        raise NotImplementedError("`_sketch` does all")

    def _adjoint(self, Y):
        return self.first._adjoint(self.last.adjoint(Y))
