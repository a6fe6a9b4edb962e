"""Sketches with independent entries, made on the fly in the cache, and never stored."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ..backends.threads import run_chunks
from ..random import Stream, fill_normal_panel, fill_sign_panel, planar_places
from ..random.vectors import BLOCK
from .base import Distribution, Sketch
from .panel_kernels import add_dense_rows, add_sparse_rows

# Rows that the adjoint makes at a time.
_ADJOINT_ROWS = 256
_TASKS = 4
# Multiplications below which threads cost more than they bring.
_SMALL = 1 << 21
# Private totals of chunks may take this share of the matrix.
_MEMORY_SHARE = 40


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


class DenseSketch(Sketch):
    """A sketch whose columns are made when they are needed, some at a time, in the cache.

    A panel holds columns of sqrt(m) S as its rows, in the order that they are made in; the places of S's rows in it
    are known. Rows of S come in groups of 64.
    """

    _kernel = "dense-sketch"
    #: The stream of its entries.
    stream: Stream
    #: The function that writes panels.
    _fill: Callable

    @abstractmethod
    def _places(self) -> np.ndarray:
        """Where S's rows lie in a panel of all groups."""

    def _fill_panel(self, first_row, first_group, panel):
        type(self)._fill(np.uint64(self.key), int(self.stream), first_row, first_group, panel)

    def _work(self, A):
        return float(A.n_entries) * self.shape[0]

    def _sketch(self, A, first_row, row_scale):
        n_groups = -(-self.shape[0] // BLOCK)
        edges, parts = self._parts(A, first_row, n_groups)
        n_chunks = len(edges) - 1
        totals = [np.zeros((A.shape[1], BLOCK * n_groups), A.dtype) for _ in range(n_chunks)]
        source = np.uint64(self.key), int(self.stream), self._are_signs()

        def chunk(task):
            part, row = divmod(task, n_chunks)
            groups = slice(parts[part], parts[part + 1])
            own = np.zeros((A.shape[1], BLOCK * (groups.stop - groups.start)), A.dtype)
            start, stop = edges[row] - first_row, edges[row + 1] - first_row
            if A.is_sparse:
                stored = A.source.indptr, A.source.indices, A.source.data
                add_sparse_rows(*source, *stored, start, stop, first_row, row_scale, groups.start, own)
            else:
                for begin, block in self._blocks(A, start, stop, first_row):
                    scale = row_scale[begin : begin + block.shape[0]]
                    add_dense_rows(*source, block, first_row + begin, scale, groups.start, own)
            totals[row][:, groups.start * BLOCK : groups.stop * BLOCK] = own

        run_chunks(chunk, n_chunks * (len(parts) - 1))
        for other in totals[1:]:
            totals[0] += other
        return np.ascontiguousarray(totals[0].T[self._places()]) / A.dtype.type(np.sqrt(self.shape[0]))

    def _device_sketch(self, A, first_row, row_scale):
        from .device.dense import dense_sketch  # loads the OpenCL runtime

        source = self.key, int(self.stream), self._are_signs()
        return dense_sketch(A, first_row, row_scale, *source, self._places())

    def _are_signs(self):
        return self.stream == Stream.RADEMACHER

    def _parts(self, A, first_row, n_groups):
        """Edges of the chunks of rows, and of the parts of the groups: a function of the shapes only."""
        if A.n_entries * self.shape[0] < _SMALL:
            return [first_row, first_row + A.shape[0]], [0, n_groups]
        n_parts = min(_TASKS, n_groups)
        affordable = max(1, A.shape[0] // (_MEMORY_SHARE * self.shape[0]))
        n_chunks = min(affordable, -(-_TASKS // n_parts))
        return self._edges(first_row, A.shape[0], n_chunks), [
            n_groups * k // n_parts for k in range(n_parts + 1)
        ]

    def _add(self, block, first_row, row_scale, first_column, totals):
        raise NotImplementedError("`_sketch` does all")

    def _adjoint(self, Y):
        width = -(-self.shape[0] // BLOCK) * BLOCK
        placed = np.zeros((width, Y.shape[1]))
        placed[self._places()] = Y / np.sqrt(self.shape[0])

        def make_rows(first_row, out):
            panel = np.empty((min(_ADJOINT_ROWS, len(out)), width))
            for start in range(0, len(out), _ADJOINT_ROWS):
                rows = out[start : start + _ADJOINT_ROWS]
                self._fill_panel(first_row + start, 0, panel[: len(rows)])
                np.matmul(panel[: len(rows)], placed, out=rows)

        return make_rows


class GaussianSketch(DenseSketch):
    """A sample of `Gaussian`."""

    stream = Stream.GAUSSIAN
    _fill = fill_normal_panel

    def _places(self):
        return planar_places(self.shape[0])


class RademacherSketch(DenseSketch):
    """A sample of `Rademacher`."""

    stream = Stream.RADEMACHER
    _fill = fill_sign_panel

    def _places(self):
        return np.arange(self.shape[0])
