"""Distributions over sketching matrices, and their samples: what all of them share."""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..backends import select
from ..backends.threads import run_chunks
from ..exceptions import BackendError
from ..operators.rows import RowMatrix, as_row_matrix
from ..random import as_key
from ..validation import check_count, check_matrix

# Private totals of the chunks may take this share of the matrix, so that a sketch needs little memory of its
# own.
_MEMORY_SHARE = 40
_MAX_CHUNKS = 8
# Tasks below which the columns are parted too; parts of rows are slower to read than whole rows.
_ENOUGH_TASKS = 4
# Entries below which threads cost more than they bring.
_SMALL = 1 << 19
# Rows of a copied block hold about so many numbers.
_COPIED_CELLS = 1 << 16
# Steps of rows that are cut from a sparse matrix at once.
_SPARSE_STEPS = 16


@dataclass(frozen=True)
class SizedAndSeeded(ABC):
    """What a distribution over sketching matrices S is told.

    Parameters
    ----------
    size : int
        Rows m of S.
    random_state : None, int, numpy.random.Generator or numpy.random.RandomState
        Seed; None takes a fresh one for each sample.
    """

    size: int
    random_state: Any = None

    def __post_init__(self):
        check_count("size", self.size)


class Distribution(SizedAndSeeded):
    """A distribution over matrices S of shape (size, n_rows) with mean of S'S = I.

    Parameters
    ----------
    size : int
        Rows m of S.
    random_state : None, int, numpy.random.Generator or numpy.random.RandomState
        Seed; None takes a fresh one for each sample.
    """

    def sample(self, rows) -> Sketch:
        """Draw one sketching matrix.

        Parameters
        ----------
        rows : int, or an array or sparse matrix with that many rows
            How many rows are to be sketched.

        Returns
        -------
        Sketch
            Of shape (size, n_rows). Cost: O(size), whatever the number of rows.
        """
        n_rows = check_count("rows", np.shape(rows)[0] if np.ndim(rows) else rows)
        return self._sample(n_rows, as_key(self.random_state))

    @abstractmethod
    def _sample(self, n_rows: int, key: int) -> Sketch: ...


class Sketch(ABC):
    """One sketching matrix S of shape (m, n): a linear map from n rows to m.

    The column of S that meets row i of the data depends on (key, i) alone: blocks, order and threads do not
    change S. A subclass says how a block of rows adds to the totals, and how rows of the adjoint are made.

    Attributes
    ----------
    shape : tuple of (m, n)
    key : int
        The 64-bit key that S is a function of.
    """

    #: Blocks begin at multiples of this row.
    _row_step = 256
    #: Whether sparse rows are taken as they are, not made dense.
    _takes_sparse = False
    #: Whether parts of the columns can be sketched apart, at no cost.
    _splits_columns = True
    #: The name of its kernel, where it has an OpenCL form.
    _kernel: str | None = None

    def __init__(self, shape: tuple[int, int], key: int):
        self.shape = shape
        self.key = key
        #: What backend="auto" stands for in `apply`.
        self.backend = "auto"

    def on(self, backend: str) -> Sketch:
        """Return the same matrix, for which "auto" stands for that backend."""
        other = copy.copy(self)
        other.backend = backend
        return other

    def __repr__(self):
        return f"{type(self).__name__}(shape={self.shape}, key={self.key})"

    def apply(self, A, row_scale=None, backend: str = "auto", dtype=np.float64) -> np.ndarray:
        """Return S diag(row_scale) A, in one pass over A.

        Parameters
        ----------
        A : array or scipy sparse array or matrix of shape (n, d), or array of shape (n,)
            Any layout and real type; what is not `dtype` in C order is converted block by block.
        row_scale : array of shape (n,), optional
            A scale for each row of A.
        backend : {"auto", "numba", "opencl"}
            "auto" takes a GPU where one was measured to win.
        dtype : {numpy.float64, numpy.float32}, default=numpy.float64
            The type of S and of all sums. In float32 S is the same matrix, rounded, and all is about twice as fast.

        Returns
        -------
        ndarray of shape (m, d) or (m,), of type `dtype`
            The same bits for any number of threads.

        Raises
        ------
        ValueError
            For another number of rows, an empty array, or values that are no real numbers.
        BackendError
            For "opencl", where there is no device, or where this sketch has no OpenCL form.
        """
        n_rows = np.shape(A)[0] if np.ndim(A) else 0
        if n_rows != self.shape[1]:
            raise ValueError(f"A has shape {np.shape(A)}, but this sketch is of {self.shape[1]} rows.")
        return self.apply_block(A, 0, row_scale, backend, dtype)

    def apply_block(
        self, A_block, first_row: int, row_scale=None, backend: str = "auto", dtype=np.float64
    ) -> np.ndarray:
        """Return what rows first_row, first_row + 1, ... add to S diag(row_scale) A.

        The sum over the blocks of any partition of the rows is S diag(row_scale) A.

        Parameters
        ----------
        A_block : array or scipy sparse array or matrix of shape (n_block, d), or array of shape (n_block,)
        first_row : int
            Row of the whole that the block begins with.
        row_scale : array of shape (n_block,), optional
        backend, dtype
            As in `apply`.

        Returns
        -------
        ndarray of shape (m, d) or (m,), of type `dtype`
        """
        backend = self.backend if backend == "auto" else backend
        dtype = np.dtype(dtype)
        if dtype not in (np.float64, np.float32):
            raise ValueError(
                f"dtype={dtype} is not a type to compute in: use numpy.float64 or numpy.float32."
            )
        flat = np.ndim(A_block) == 1
        A = check_matrix("A", np.asarray(A_block)[:, None] if flat else A_block, check_finite=False)
        first_row = check_count("first_row", first_row, minimum=0)
        if first_row + A.shape[0] > self.shape[1]:
            raise ValueError(
                f"first_row={first_row}: rows {first_row} to {first_row + A.shape[0]} do not lie in the "
                f"{self.shape[1]} rows of this sketch."
            )
        scale = np.empty(0, dtype)
        if row_scale is not None:
            scale = np.ascontiguousarray(row_scale, dtype=dtype)
            if scale.shape != (A.shape[0],):
                raise ValueError(
                    f"row_scale has shape {scale.shape}, but A has {A.shape[0]} rows: give one a row."
                )
        if backend == "opencl" and self._kernel is None:
            raise BackendError(
                f"{type(self).__name__} has no OpenCL form: use the sketch 'srht', 'padded-srht', 'gaussian' or "
                "'rademacher', or backend='auto'."
            )
        rows = as_row_matrix(A, dtype)
        on_device = select(backend, self._kernel, self._work(rows)).name == "opencl"
        product = (self._device_sketch if on_device else self._sketch)(rows, first_row, scale)
        return product[:, 0] if flat else product

    def _work(self, A: RowMatrix) -> float:
        """The size of the work, in the unit of the kernel."""
        return float(A.n_entries)

    def _device_sketch(self, A: RowMatrix, first_row: int, row_scale: np.ndarray) -> np.ndarray:
        """The sketch by an OpenCL device; only sketches that name a `_kernel` have one."""
        raise NotImplementedError

    def adjoint(self, Y) -> np.ndarray:
        """Return S' Y.

        Parameters
        ----------
        Y : array of shape (m, k) or (m,)

        Returns
        -------
        ndarray of shape (n, k) or (n,), float64
        """
        Y = np.asarray(Y)
        flat = Y.ndim == 1
        Y = check_matrix("Y", Y[:, None] if flat else Y, check_finite=False).astype(
            np.float64, order="C", copy=False
        )
        size, n_rows = self.shape
        if Y.shape[0] != size:
            raise ValueError(f"Y has {Y.shape[0]} rows, but the sketch has {size}.")
        out = np.empty((n_rows, Y.shape[1]))
        make_rows = self._adjoint(Y)
        edges = self._edges(0, n_rows, _MAX_CHUNKS if out.size >= _SMALL else 1)
        run_chunks(lambda i: make_rows(edges[i], out[edges[i] : edges[i + 1]]), len(edges) - 1)
        return out[:, 0] if flat else out

    def to_array(self) -> np.ndarray:
        """Return S as an array of shape (m, n), by m n numbers of memory: for tests and for looking at it."""
        return np.ascontiguousarray(self.adjoint(np.eye(self.shape[0])).T)

    @abstractmethod
    def _add(
        self, block, first_row: int, row_scale: np.ndarray, first_column: int, totals: np.ndarray
    ) -> None:
        """Add S_block diag(row_scale) block to the totals, for as many columns as they have.

        `block` is of the type of the totals: in C order and not writeable, or, where the sketch takes that, a CSR
        array.
        `row_scale` is empty for ones.
        """

    @abstractmethod
    def _adjoint(self, Y):
        """Return a function (first_row, out) that writes rows of S' Y."""

    def _totals(self, width: int, dtype: np.dtype) -> np.ndarray:
        """Zero totals for so many columns, in the form that `_add` wants."""
        return np.zeros((self.shape[0], width), dtype)

    def _product(self, totals: np.ndarray, width: int) -> np.ndarray:
        """Turn full totals into rows of S A, shape (m, width)."""
        return totals

    def _edges(self, first_row: int, n_rows: int, n_chunks: int) -> list[int]:
        """Rows that up to n_chunks chunks of blocks begin with, and the last one's end; no chunk is empty."""
        last_row = first_row + n_rows
        first, last = first_row // self._row_step, -(-last_row // self._row_step)
        inner = {(first + (last - first) * i // n_chunks) * self._row_step for i in range(1, n_chunks)}
        return [first_row, *sorted(edge for edge in inner if first_row < edge < last_row), last_row]

    def _sketch(self, A: RowMatrix, first_row: int, row_scale: np.ndarray) -> np.ndarray:
        edges, cuts = self._plan(A, first_row)
        n_chunks = len(edges) - 1

        def chunk(task):
            panel, row = divmod(task, n_chunks)
            totals = self._totals(cuts[panel + 1] - cuts[panel], A.dtype)
            start, stop = edges[row] - first_row, edges[row + 1] - first_row
            for begin, block in self._blocks(A, start, stop, first_row):
                scale = row_scale[begin : begin + block.shape[0]]
                self._add(block, first_row + begin, scale, cuts[panel], totals)
            return totals

        # The chunks' totals are added in their order, whichever thread made them: so the bits never differ.
        parts = run_chunks(chunk, n_chunks * (len(cuts) - 1))
        out = np.empty((self.shape[0], A.shape[1]), A.dtype)
        for panel in range(len(cuts) - 1):
            totals = parts[panel * n_chunks]
            for part in parts[panel * n_chunks + 1 : (panel + 1) * n_chunks]:
                totals += part
            out[:, cuts[panel] : cuts[panel + 1]] = self._product(totals, cuts[panel + 1] - cuts[panel])
        return out

    def _plan(self, A: RowMatrix, first_row: int) -> tuple[list[int], list[int]]:
        """Row and column edges of the chunks: a function of shapes only."""
        n_rows, n_columns = A.shape
        if n_rows * n_columns < _SMALL:
            return [first_row, first_row + n_rows], [0, n_columns]
        affordable = n_rows // (_MEMORY_SHARE * max(self.shape[0], self._row_step))
        # A power of two, so that two or four threads finish together.
        n_chunks = 1 << (min(_MAX_CHUNKS, max(1, affordable)).bit_length() - 1)
        edges = self._edges(first_row, n_rows, n_chunks)
        # Where memory does not allow for many private totals, the columns are parted too.
        in_place = A.view_rows(0, 1) is not None
        splits = in_place and self._splits_columns
        n_panels = max(1, min(_ENOUGH_TASKS // n_chunks, n_columns // 64)) if splits else 1
        return edges, [n_columns * i // n_panels // 8 * 8 for i in range(n_panels)] + [n_columns]

    def _blocks(self, A: RowMatrix, start: int, stop: int, first_row: int):
        """Blocks of rows start:stop of A, with the row that each begins with."""
        block = A.view_rows(start, stop)
        if block is not None:
            block = block.view()
            block.flags.writeable = False  # one type for the kernels, and a promise
            yield start, block
            return
        keep_sparse = A.is_sparse and self._takes_sparse
        steps = _SPARSE_STEPS if keep_sparse else max(1, _COPIED_CELLS // (self._row_step * A.shape[1]))
        step = steps * self._row_step
        source: Any = A.source
        scratch = np.empty((0 if keep_sparse else min(step, stop - start), A.shape[1]), A.dtype)
        while start < stop:
            end = min(stop, ((first_row + start) // step + 1) * step - first_row)
            if keep_sparse:
                yield start, source[start:end]
            else:
                A.copy_rows(start, end, scratch[: end - start])
                block = scratch[: end - start]
                block.flags.writeable = False
                yield start, block
            start = end
