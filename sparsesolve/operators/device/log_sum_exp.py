"""A cost on a device: log-sum-exp over its rows and columns, and the entries of a plan that matter."""

from __future__ import annotations

import numpy as np

from ...backends.opencl import DeviceArray, DeviceMemoryError, Runtime
from ..cost_rows import CITYBLOCK, COSINE, EUCLIDEAN, SQEUCLIDEAN
from .matrix import DeviceCSR, Rows

_FILE = "log_sum_exp.cl"
#: As in the kernels.
_ROWS, _COLUMNS, _GROUP, LEVELS = 256, 256, 128, 8
_CODES = {SQEUCLIDEAN: 1, CITYBLOCK: 2, EUCLIDEAN: 3, COSINE: 4}
# Share of the device's memory that a cost may take for good; else its rows are brought there for every pass.
_RESIDENT = 0.7


class DeviceCost:
    """A cost of shape (n, m) on a device.

    Parameters
    ----------
    runtime : Runtime
    cost : ndarray of shape (n, m), or tuple (X, Y.T, metric code)
        Finite, float32 or float64. Points as of `sparsesolve.operators.cost_rows`; their costs are never stored.

    Notes
    -----
    A pass reads the cost once where guesses of the answers are given, or entries of a plan are looked for. Columns
    are summed in chunks of 256 rows, in order: no bit depends on threads or on the size of buffers.
    """

    def __init__(self, runtime: Runtime, cost):
        points = isinstance(cost, tuple)
        source = cost[0] if points else cost
        self.runtime, self.dtype = runtime, source.dtype
        if self.dtype == np.float64:
            runtime.need_float64()
        self.shape = (source.shape[0], cost[1].shape[1]) if points else source.shape
        self._defines = {"REAL": 8 * self.dtype.itemsize, "COST": _CODES[cost[2]] if points else 0}
        self._d = source.shape[1] if points else 0
        self._source = np.ascontiguousarray(source)
        self._targets = runtime.input(cost[1] if points else np.zeros(1, self.dtype))
        row_bytes = max(1, source.shape[1]) * self.dtype.itemsize
        step = runtime.device.largest_buffer // row_bytes // _ROWS * _ROWS
        if step == 0 and self.shape[0] * row_bytes > runtime.device.largest_buffer:
            raise DeviceMemoryError(
                f"{_ROWS} rows of the cost take {_ROWS * row_bytes} bytes, more than the largest buffer of "
                f"{runtime.device}: use backend='numba'."
            )
        step = max(step, _ROWS)
        self._bounds = [(first, min(first + step, self.shape[0])) for first in range(0, self.shape[0], step)]
        self._is_resident = self._source.nbytes <= _RESIDENT * runtime.device.global_bytes
        self._kept: dict[int, DeviceArray] = {}

    def _launch(self, name, make_sizes, *arguments):
        """Start a kernel on the blocks of rows, in order."""
        run = self.runtime.kernel(_FILE, name, **self._defines)
        for first, last in self._bounds:
            global_size, local_size = make_sizes(last - first)
            run(
                global_size, local_size, self._block(first, last), self._targets, np.uint32(self._d), np.uint32(first),
                np.uint32(last - first), np.uint32(self.shape[1]), *arguments,
            )  # fmt: skip
            if not self._is_resident:
                self.runtime.finish()

    def _block(self, first, last):
        if not self._is_resident:
            return self.runtime.input(self._source[first:last])
        if first not in self._kept:
            self._kept[first] = self.runtime.input(self._source[first:last])
        return self._kept[first]

    @property
    def _by_rows(self):
        """Suffix of the kernels that do a row at a time, and their sizes."""
        if self.runtime.form == "gpu":
            return "gpu", lambda n_rows: ((_GROUP * n_rows,), (_GROUP,))
        return "cpu", lambda n_rows: ((n_rows,), (1,))

    def rows(self, g: np.ndarray, reg: float, guess: np.ndarray | None = None) -> np.ndarray:
        """Log sum_j exp((g_j - c_ij) / reg) for every row; see `sparsesolve.operators.log_sum_exp`."""
        n, m = self.shape
        out = np.full(n, -np.inf, self.dtype) if guess is None else np.array(guess, self.dtype)
        if n == 0 or m == 0:
            return np.full(n, -np.inf, self.dtype)
        form, sizes = self._by_rows
        there = self._copy(out)
        self._launch(
            f"rows_{form}",
            sizes,
            self._vector(g, m),
            self.dtype.type(1.0 / reg),
            np.uint32(guess is not None),
            there,
        )
        return there.read()

    def columns(self, f: np.ndarray, reg: float, guess: np.ndarray | None = None) -> np.ndarray:
        """Log sum_i exp((f_i - c_ij) / reg) for every column."""
        n, m = self.shape
        if n == 0 or m == 0:
            return np.full(m, -np.inf, self.dtype)
        chunks = -(-n // _ROWS)
        sums = self.runtime.empty((chunks, m), self.dtype)
        potentials, scale = self._vector(f, n), self.dtype.type(1.0 / reg)
        found = np.full(m, np.nan, self.dtype)
        if guess is not None:
            there = self._copy(np.asarray(guess, self.dtype))
            self._columns_once(potentials, scale, 1, there, sums, sums)
            found = there.read()
        if np.isnan(found).any():
            there = self._copy(found)
            self._columns_once(potentials, scale, 0, there, self.runtime.empty(sums.shape, self.dtype), sums)
            found = there.read()
        return found

    def _columns_once(self, f, scale, shifted, out, largests, sums):
        m, shifted = self.shape[1], np.uint32(shifted)
        if self.runtime.form == "gpu":
            width, local = _padded(m), (_GROUP, 1)
            self._launch(
                "columns_gpu",
                lambda rows: ((width, -(-rows // _ROWS)), local),
                f,
                scale,
                shifted,
                out,
                largests,
                sums,
            )
        else:
            width = -(-m // _COLUMNS)
            self._launch(
                "columns_cpu",
                lambda rows: ((width, -(-rows // _ROWS)), (1, 1)),
                f,
                scale,
                shifted,
                out,
                largests,
                sums,
            )
        merge = self.runtime.kernel(_FILE, "merge_columns", **self._defines)
        merge((_padded(m),), (_GROUP,), np.uint32(m), np.uint32(sums.shape[0]), shifted, largests, sums, out)

    def count_above(self, f: np.ndarray, g: np.ndarray, reg: float, levels: np.ndarray) -> np.ndarray:
        """Numbers of entries whose exponent (f_i + g_j - c_ij) / reg is above each of eight levels."""
        n, m = self.shape
        counts = self.runtime.empty((n, LEVELS), np.uint32)
        self._launch(
            "count_levels", lambda rows: ((_padded(rows),), (_GROUP,)), self._vector(f, n), self._vector(g, m),
            self.dtype.type(1.0 / reg), self._vector(levels, LEVELS), counts,
        )  # fmt: skip
        return counts.read().sum(axis=0, dtype=np.int64)

    def entries_above(
        self, f: np.ndarray, g: np.ndarray, reg: float, row_levels: np.ndarray, column_levels: np.ndarray,
        most: int | None = None,
    ) -> DeviceCSR | None:  # fmt: skip
        """The plan's entries whose exponent is above row_level + column_level, as a matrix on the device.

        They are counted, the counts are added up, and they are written: by rows, and on a GPU by columns too. None
        where there are more than `most`, or than buffers hold.
        """
        runtime, (n, m) = self.runtime, self.shape
        passed = (
            self._vector(f, n), self._vector(g, m), self.dtype.type(1.0 / reg), self._vector(row_levels, n),
            self._vector(column_levels, m),
        )  # fmt: skip
        form, by_rows = self._by_rows
        counts = runtime.empty(n, np.uint32)
        self._launch(f"count_rows_{form}", by_rows, *passed, counts)
        size = int(counts.read().sum(dtype=np.int64))
        room = min(2**31 - 1, runtime.device.largest_buffer // self.dtype.itemsize)
        if size > (room if most is None else min(room, most)):
            return None
        starts = self._scanned(counts, n)
        rows = self._filled(f"fill_rows_{form}", by_rows, passed, starts, starts, size)
        columns = None
        if form == "gpu":
            sizes = ((_padded(m),), (_GROUP,))
            counts = runtime.zeros(m, np.uint32)
            self._launch("count_columns", lambda _: sizes, *passed, counts)
            # Places go on from one block of rows to the next, so that a copy of the starts is used up.
            column_starts, places = self._scanned(counts, m), self._scanned(counts, m)
            columns = self._filled("fill_columns", lambda _: sizes, passed, column_starts, places, size)
        return DeviceCSR.on_device(runtime, self.shape, rows, columns, starts.read())

    def _filled(self, name, sizes, passed, starts, places, size):
        indices, values = self.runtime.empty(size, np.uint32), self.runtime.empty(size, self.dtype)
        self._launch(name, sizes, *passed, places, indices, values)
        return Rows.on_device(self.runtime, starts, indices, values)

    def _scanned(self, counts, n):
        starts = self.runtime.empty(n + 1, np.uint32)
        run = self.runtime.kernel(_FILE, "exclusive_scan", **self._defines)
        run((_GROUP,), (_GROUP,), counts, np.uint32(n), starts)
        return starts

    def _vector(self, values, size):
        values = np.ascontiguousarray(values, self.dtype)
        if values.shape != (size,):
            raise ValueError(
                f"a vector has shape {values.shape}, but the cost {self.shape} needs one of {size}."
            )
        return self.runtime.input(values)

    def _copy(self, values):
        """An array on the device that begins with these values, and may be changed there."""
        return self.runtime.output(np.array(values, self.dtype)) if self.runtime.device.kind == "cpu" else (
            self.runtime.input(values)
        )  # fmt: skip


def _padded(size):
    return -(-size // _GROUP) * _GROUP
