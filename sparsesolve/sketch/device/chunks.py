"""Rows of a matrix on their way to a device, and what they add up to on the way back."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from ...backends.opencl import Runtime, runtime
from ...operators.rows import RowMatrix

# Rows that must be converted on the way are converted so many bytes at a time.
_CONVERTED_BYTES = 1 << 25
_GROUP = 256


def runtime_for(dtype: np.dtype) -> Runtime:
    """Return the runtime of the device that computes in this type.

    Raises
    ------
    BackendError
        Where it cannot.
    """
    found = runtime()
    if dtype == np.float64:
        found.need_float64()
    return found


def macros(device: Runtime, dtype: np.dtype, **others) -> dict[str, object]:
    """The macros that the kernels are compiled with."""
    forms = {"CPU_FORM": 1} if device.form == "cpu" else {}
    return {"REAL": 8 * dtype.itemsize, **forms, **others}


def key_words(key: int) -> tuple[np.uint32, np.uint32]:
    """The two words of a key."""
    return np.uint32(key & 0xFFFFFFFF), np.uint32(key >> 32)


def for_dense_chunks(
    device: Runtime, A: RowMatrix, columns: slice, step: int, lead: int, row_bytes: int, task
) -> None:
    """Call ``task(first, last, rows)`` for runs of rows of A, with the rows on the device, in order.

    Parameters
    ----------
    columns : slice
        The columns that are wanted.
    step, lead : int
        Runs begin at row 0, or where ``lead + row`` is a multiple of `step`.
    row_bytes : int
        Bytes that a row takes on the device, all told.
    """
    n_rows = A.shape[0]
    whole = columns == slice(0, A.shape[1])
    in_place = whole and A.view_rows(0, 1) is not None
    width = columns.stop - columns.start
    copied = max(1, _CONVERTED_BYTES // (step * width * A.dtype.itemsize)) * step

    def send(first, last):
        first, last = max(0, first - lead), min(n_rows, last - lead)
        rows = A.view_rows(first, last) if whole else None
        if rows is None:
            rows = np.empty((last - first, width), A.dtype)
            if whole:
                A.copy_rows(first, last, rows)
            else:
                rows[...] = A.source[first:last, columns]
        task(first, last, device.input(rows))

    _in_chunks(device, send, n_rows + lead, n_rows + lead if in_place else copied, row_bytes, step)


def for_sparse_chunks(device: Runtime, A: RowMatrix, step: int, task: Callable) -> None:
    """Call ``task(first, last, starts, columns, values)`` for runs of rows of a CSR matrix, in order.

    Runs begin at multiples of `step`, and have fewer than 2^31 entries.
    """
    matrix: Any = A.source
    edges = np.append(matrix.indptr[:-1:step], matrix.indptr[-1])
    fullest = int(np.diff(edges).max(initial=1))
    row_bytes = max(8, -(-fullest * max(A.dtype.itemsize, 4) // step))

    def send(first, last):
        starts = matrix.indptr[first : last + 1]
        entries = slice(starts[0], starts[-1])
        task(
            first,
            last,
            device.input((starts - starts[0]).astype(np.int32)),
            device.input(matrix.indices[entries].astype(np.int32, copy=False)),
            device.input(matrix.data[entries]),
        )

    _in_chunks(device, send, A.shape[0], max(step, (1 << 30) // fullest * step), row_bytes, step)


def _in_chunks(device, send, n_rows, most, row_bytes, step):
    """`Runtime.in_chunks` for at most so many rows at once, whatever the device holds."""
    for start in range(0, n_rows, most):
        count = min(most, n_rows - start)
        device.in_chunks(partial(_shifted, send, start), count, row_bytes, step)


def _shifted(send, start, first, last):
    send(start + first, start + last)


def sum_parts(device, file, defines, sums, n_parts, places, distances, d, factor) -> np.ndarray:
    """Return the sums over parts, shape (m, d), in the order of the parts.

    Parameters
    ----------
    file, defines
        A kernel file that has ``sum_parts``, and its macros.
    sums : DeviceArray
    places : ndarray of shape (m,)
        Where the rows of the result lie in the sums of a part.
    distances : (int, int)
        Numbers between neighbouring places, and between neighbouring columns.
    factor : float
    """
    size = places.size
    out = device.empty((size, d), sums.dtype)
    start = device.kernel(file, "sum_parts", **defines)
    start(
        (-(-size * d // _GROUP) * _GROUP,),
        (_GROUP,),
        sums,
        device.input(places.astype(np.int32)),
        np.uint32(n_parts),
        np.uint64(sums.nbytes // sums.dtype.itemsize // n_parts),
        np.uint32(distances[0]),
        np.uint32(distances[1]),
        np.uint32(size),
        np.uint32(d),
        sums.dtype.type(factor),
        out,
    )
    return out.read()


def column_panels(n_columns: int, panel: int) -> list[slice]:
    """Slices of at most so many columns."""
    return [slice(first, min(first + panel, n_columns)) for first in range(0, n_columns, panel)]
