"""A sparse matrix on a device, in compressed rows, and where products need it in compressed columns too."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ...backends.jit import kernel
from ...backends.opencl import DeviceArray, DeviceMemoryError, Runtime
from ..compressed_rows import ENTRIES, MOST_CHUNKS, balanced, canonical, check_vector, count_chunks, in_blocks

FILE = "sparse_products.cl"
#: As in the kernels: items of a work group, and entries of a block of rows.
GROUP, TILE = 128, 512
SCALED, WITH_DIAGONAL, OF_DIFFERENCES, OF_REST = 1, 2, 4, 8


@dataclass(frozen=True)
class Part:
    """Rows `row0` to `row0 + n_rows`, in buffers small enough for the device.

    Attributes
    ----------
    row0, n_rows : int
    starts, indices, values : DeviceArray
        `starts` begins at 0.
    bounds : DeviceArray
        Rows of each chunk or block.
    n_groups : int
    n_blocks : int
        Blocks of columns that the entries are sorted by, on a CPU.
    """

    row0: int
    n_rows: int
    starts: DeviceArray
    indices: DeviceArray
    values: DeviceArray
    bounds: DeviceArray
    n_groups: int
    n_blocks: int = 1


class Rows:
    """Compressed rows on a device, cut into parts.

    Parameters
    ----------
    runtime : Runtime
    starts, indices, values : ndarray
        On the host.
    n_columns : int
        So many may be cut into blocks that fit the cache; 0 leaves them as they are.
    """

    def __init__(
        self,
        runtime: Runtime,
        starts: np.ndarray,
        indices: np.ndarray,
        values: np.ndarray,
        n_columns: int = 0,
    ):
        self.runtime, self.real = runtime, 8 * values.dtype.itemsize
        self.parts = []
        # A row's sum depends on its block: parts are cut between blocks.
        blocks = row_blocks(starts) if runtime.form == "gpu" else np.arange(starts.size)
        for first, last in _parts(starts, blocks, values.dtype.itemsize, runtime.device.largest_buffer):
            row0, row1 = int(blocks[first]), int(blocks[last])
            local = (starts[row0 : row1 + 1] - starts[row0]).astype(np.uint32)
            if runtime.form == "gpu":
                bounds = blocks[first : last + 1].astype(np.uint32)
            else:
                bounds = _chunks(local) + np.uint32(row0)
            entries = slice(int(starts[row0]), int(starts[row1]))
            wide = n_columns if runtime.form == "cpu" else 0
            arrays = in_blocks(local, indices[entries], values[entries], wide)
            local_starts, local_indices, local_values, there = map(runtime.input, (*arrays, bounds))
            self.parts.append(
                Part(
                    row0,
                    row1 - row0,
                    local_starts,
                    local_indices,
                    local_values,
                    there,
                    bounds.size - 1,
                    arrays[0].shape[0],
                )
            )

    @classmethod
    def on_device(
        cls, runtime: Runtime, starts: DeviceArray, indices: DeviceArray, values: DeviceArray
    ) -> Rows:
        """Rows that a kernel has made, as one part; `starts` is read once, to balance the work."""
        made = cls.__new__(cls)
        made.runtime, made.real = runtime, 8 * values.dtype.itemsize
        there = starts.read()
        bounds = row_blocks(there).astype(np.uint32) if runtime.form == "gpu" else _chunks(there)
        made.parts = [
            Part(0, starts.shape[0] - 1, starts, indices, values, runtime.input(bounds), bounds.size - 1)
        ]
        return made

    def start(self, x, y, *, x_at=0, at=0, scale=None, diagonal=None, own=None, kind=0) -> None:
        """Put scale (A x) + diagonal own into y; `x_at` and `at` say where x, and y, diagonal and own begin.

        `kind` may be OF_DIFFERENCES or OF_REST, for what the kernels then sum.
        """
        flags = SCALED * (scale is not None) + WITH_DIAGONAL * (diagonal is not None) + kind
        gpu = self.runtime.form == "gpu"
        run = self.runtime.kernel(FILE, "rows_gpu" if gpu else "rows_cpu", REAL=self.real)
        group = GROUP if gpu else 1
        for part in self.parts:
            if part.n_groups:
                blocks = () if gpu else (np.uint32(part.n_rows), np.uint32(part.n_blocks))
                run(
                    (group * part.n_groups,), (group,), part.starts, part.indices, part.values, part.bounds,
                    np.uint32(part.row0), *blocks, np.uint32(flags), x, np.uint32(x_at), x if scale is None else scale,
                    x if diagonal is None else diagonal, x if own is None else own, np.uint32(at), y,
                )  # fmt: skip


class DeviceCSR:
    """A sparse matrix on a device.

    Parameters
    ----------
    runtime : Runtime
    matrix : sparse array or matrix of shape (n, m)
        Made canonical: duplicates are added up, indices sorted. Float32 stays, all else becomes float64.
    in_blocks : bool, default=True
        Whether a CPU may sort the entries by blocks of columns; conjugate gradients in one launch do not know of them.

    Raises
    ------
    ValueError
        For 2**31 entries or more: the kernels count in 32 bits.
    BackendError
        For float64 on a device that has none.

    Attributes
    ----------
    shape : tuple of int
    dtype : dtype
    n_entries : int
    rows : Rows
    columns : Rows or None
        The transpose: on a GPU, where products with it are gathered; a CPU adds them up in one reading of the rows.
    """

    def __init__(self, runtime: Runtime, matrix, in_blocks: bool = True):
        matrix = canonical(matrix)
        if matrix.dtype == np.float64:
            runtime.need_float64()
        self.runtime, self.shape, self.dtype = runtime, matrix.shape, matrix.dtype
        self.n_entries = matrix.nnz
        wide = matrix.shape[1] if in_blocks else 0
        self.rows = Rows(runtime, matrix.indptr, matrix.indices, matrix.data, wide)
        self.columns = None
        if runtime.form == "gpu":
            turned = matrix.tocsc()
            self.columns = Rows(runtime, turned.indptr, turned.indices, turned.data)
        self._set_chunks(matrix.indptr)

    @classmethod
    def on_device(
        cls, runtime: Runtime, shape: tuple[int, int], rows: Rows, columns: Rows | None, starts
    ) -> DeviceCSR:
        """A matrix that kernels have made; `starts` are those of its rows, on the host."""
        made = cls.__new__(cls)
        made.runtime, made.shape, made.rows, made.columns = runtime, shape, rows, columns
        made.dtype = rows.parts[0].values.dtype
        made.n_entries = int(starts[-1])
        made._set_chunks(starts)
        return made

    def _set_chunks(self, starts):
        """Chunks with sums of their own, where a CPU reads the rows once."""
        self.n_chunks = count_chunks(self.n_entries, self.shape[1])
        self.chunks = (
            None if self.runtime.form == "gpu" else self.runtime.input(balanced(starts, self.n_chunks))
        )

    @cached_property
    def ends(self) -> tuple[DeviceArray, DeviceArray]:
        """Bounds of the rows and of the columns, where the whole matrix is one problem."""
        n, m = self.shape
        return self.runtime.input(np.array([0, n], np.uint32)), self.runtime.input(
            np.array([0, m], np.uint32)
        )

    def matvec(self, x: np.ndarray) -> np.ndarray:
        """A x."""
        return self._product(self.rows, x, self.shape)

    def rmatvec(self, x: np.ndarray) -> np.ndarray:
        """A' x."""
        n, m = self.shape
        if self.columns is not None:
            return self._product(self.columns, x, (m, n))
        runtime, out = self.runtime, np.zeros(m, self.dtype)
        if n and m and self.n_entries:
            zeros, y = runtime.zeros(max(n, m), self.dtype), runtime.output(out)
            x = check_vector(x, n, self.dtype)
            both = runtime.input(np.concatenate([x, np.zeros(m, self.dtype)]))
            # The lower half of the Hessian's product, with a diagonal of zeros.
            image, parts = runtime.empty(n, self.dtype), self.new_parts()
            self.start_one_pass("hessian_chunks", parts, np.uint32(n), zeros, both, image)
            self.start_sum(parts, zeros, zeros, y)
            y.read(out)
        return out

    def rest(self, scale: np.ndarray) -> np.ndarray:
        """sum_i a_ij (1 - scale_i a_ij) for every column: what is left of the Schur complement's diagonal."""
        n, m = self.shape
        runtime, out = self.runtime, np.zeros(m, self.dtype)
        if n and m and self.n_entries:
            y, factors = runtime.output(out), runtime.input(check_vector(scale, n, self.dtype))
            if self.columns is not None:
                self.columns.start(factors, y, kind=OF_REST)
            else:
                zeros, parts = runtime.zeros(m, self.dtype), self.new_parts()
                self.start_one_pass("rest_chunks", parts, factors, zeros)
                self.start_sum(parts, zeros, zeros, y)
            y.read(out)
        return out

    def _product(self, side, x, shape):
        out = np.zeros(shape[0], self.dtype)
        x = check_vector(x, shape[1], self.dtype)
        if out.size and x.size:
            y = self.runtime.output(out)
            side.start(self.runtime.input(x), y)
            y.read(out)
        return out

    def new_parts(self) -> DeviceArray:
        """Room for what each chunk has of its own: pairs of an entry of x and a sum."""
        # Without rows no kernel fills them.
        make = self.runtime.empty if self.rows.parts else self.runtime.zeros
        return make((self.n_chunks, self.shape[1], 2), self.dtype)

    def start_one_pass(self, name: str, pairs: DeviceArray, *arguments) -> None:
        """Start a kernel that reads the rows once and leaves its sums in `pairs`; see `start_sum`."""
        run = self.runtime.kernel(FILE, name, REAL=self.rows.real)
        for part in self.rows.parts:
            sizes = (part.row0, part.n_rows, part.n_blocks, self.shape[1], part.row0 == 0)
            run(
                (self.n_chunks,), (1,), part.starts, part.indices, part.values, self.chunks, *map(np.uint32, sizes),
                *arguments, pairs,
            )  # fmt: skip

    def start_sum(self, parts: DeviceArray, diagonal, x, y, at: int = 0) -> None:
        """Start y = diagonal x + the sums of all chunks, from `at` on."""
        m = self.shape[1]
        run = self.runtime.kernel(FILE, "sum_chunks", REAL=self.rows.real)
        run(
            (-(-m // 256),),
            (1,),
            parts,
            diagonal,
            x,
            y,
            np.uint32(at),
            np.uint32(m),
            np.uint32(self.n_chunks),
        )


def row_blocks(starts: np.ndarray) -> np.ndarray:
    """Bounds of the blocks of rows that a work group does: few rows with few entries, or one of any length."""
    bounds = np.zeros(starts.size, np.int64)
    return bounds[: _fill_blocks(starts.astype(np.int64, copy=False), TILE, GROUP, bounds) + 1]


def _chunks(starts):
    return balanced(starts, min(4 * MOST_CHUNKS, 1 + int(starts[-1]) // ENTRIES))


def _parts(starts, blocks, itemsize, largest) -> list[tuple[int, int]]:
    """Ranges of blocks whose arrays fit into buffers."""
    ends, most = starts[blocks], largest // max(itemsize, 4)
    ranges, first = [], 0
    while first < blocks.size - 1:
        last = int(np.searchsorted(ends, ends[first] + most, side="right")) - 1
        last = min(last, int(np.searchsorted(blocks, blocks[first] + largest // 4 - 1, side="right")) - 1)
        if last <= first:
            raise DeviceMemoryError(
                f"row {blocks[first]} has {ends[first + 1] - ends[first]} entries, more than a buffer of {largest} "
                "bytes holds: use backend='numba'."
            )
        ranges.append((first, last))
        first = last
    return ranges


@kernel
def _fill_blocks(starts, tile, group, bounds):
    n = starts.size - 1
    count, first = 0, 0
    while first < n:
        last = first + 1
        while last < n and last - first < group and starts[last + 1] - starts[first] <= tile:
            last += 1
        count += 1
        bounds[count] = last
        first = last
    return count
