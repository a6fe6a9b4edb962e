"""Sketches with independent entries, made on the fly block by block and applied by BLAS."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass

import numpy as np

from ..random import Stream, fill_normal_rows, fill_sign_rows
from .base import Distribution, Sketch


@dataclass(frozen=True)
class Gaussian(Distribution):
    """Independent normal entries of variance 1 / m: the sketch that theory knows best, and a slow one.

    Cost: m n normals, and 2 m n d flops.

    Examples
    --------
    >>> from sparsesolve.sketch import Gaussian
    >>> Gaussian(4, random_state=0).sample(1000).to_array().shape
    (4, 1000)
    """

    def _sample(self, n_rows, key):
        return GaussianSketch((self.size, n_rows), key)


@dataclass(frozen=True)
class Rademacher(Distribution):
    """Independent entries +-1 / sqrt(m), each with probability 1/2.

    Cost: m n random bits, and 2 m n d flops.

    Examples
    --------
    >>> from sparsesolve.sketch import Rademacher
    >>> abs(Rademacher(4, random_state=0).sample(2).to_array()).tolist()
    [[0.5, 0.5], [0.5, 0.5], [0.5, 0.5], [0.5, 0.5]]
    """

    def _sample(self, n_rows, key):
        return RademacherSketch((self.size, n_rows), key)


class _DenseSketch(Sketch):
    """A sketch whose columns are made when they are needed; each is used for all columns of the data."""

    _takes_sparse = True
    _splits_columns = False

    @abstractmethod
    def _fill(self, first_row: int, out: np.ndarray) -> None:
        """Write the columns first_row, first_row + 1, ... of sqrt(m) S into the rows of `out`."""

    def _columns(self, first_row, n_rows):
        """Yield slices of n_rows rows, and the columns of sqrt(m) S that they meet, written as rows."""
        scratch = np.empty((min(n_rows, self._row_step), self.shape[0]))
        for start in range(0, n_rows, self._row_step):
            part = slice(start, min(start + self._row_step, n_rows))
            columns = scratch[: part.stop - start]
            self._fill(first_row + start, columns)
            yield part, columns

    def _add(self, block, first_row, row_scale, first_column, totals):
        for part, columns in self._columns(first_row, block.shape[0]):
            if row_scale.size:
                columns *= row_scale[part, None]
            totals += (block[part].T @ columns).T

    def _product(self, totals, width):
        return totals / np.sqrt(self.shape[0])

    def _adjoint(self, Y):
        scaled = Y / np.sqrt(self.shape[0])

        def make_rows(first_row, out):
            for part, columns in self._columns(first_row, out.shape[0]):
                np.matmul(columns, scaled, out=out[part])

        return make_rows


class GaussianSketch(_DenseSketch):
    """A sample of `Gaussian`."""

    def _fill(self, first_row, out):
        fill_normal_rows(np.uint64(self.key), int(Stream.GAUSSIAN), first_row, out)


class RademacherSketch(_DenseSketch):
    """A sample of `Rademacher`."""

    def _fill(self, first_row, out):
        fill_sign_rows(np.uint64(self.key), int(Stream.RADEMACHER), first_row, out)
