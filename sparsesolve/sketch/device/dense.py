"""Sketches with independent entries on a device."""

from __future__ import annotations

import numpy as np

from ...random.vectors import BLOCK
from .chunks import (
    column_panels,
    for_dense_chunks,
    for_sparse_chunks,
    key_words,
    macros,
    runtime_for,
    sum_parts,
)

FILE = "dense_sketch.cl"
# Rows that a kernel takes at a time are 16 or 64; chunks and parts are multiples of the larger.
_STEP = 64
# Work groups that keep a device busy: tasks of a processor, and tiles of a GPU.
_TASKS = {"cpu": 16, "gpu": 512}
_LEAST_ROWS = {"cpu": _STEP, "gpu": 4 * _STEP}
_TILE = 128


def dense_sketch(A, first_row: int, row_scale, key: int, stream: int, signs: bool, places) -> np.ndarray:
    """Return S diag(row_scale) A, shape (m, d), for S of normals or signs over sqrt(m).

    Parameters
    ----------
    A : RowMatrix
    first_row : int
    row_scale : ndarray of shape (n_rows,) or (0,)
    key, stream : int
    signs : bool
        Signs instead of normals.
    places : ndarray of shape (m,)
        Where S's rows lie in their groups of 64.
    """
    device = runtime_for(A.dtype)
    n_groups = -(-places.size // BLOCK)
    width = n_groups * BLOCK
    part_rows = _part_rows(device.form, A.shape[0], A.shape[1], width)
    n_parts = -(-A.shape[0] // part_rows)
    panel = max(1, min(A.shape[1], device.device.largest_buffer // (n_parts * width * A.dtype.itemsize)))
    panel = max(1, min(panel, device.device.largest_buffer // (_STEP * A.dtype.itemsize)))
    out = np.empty((places.size, A.shape[1]), A.dtype)
    defines = macros(device, A.dtype, **({"SIGNS": 1} if signs else {}))
    if device.form == "gpu":
        defines["WIDTH"] = 128 if min(panel, A.shape[1]) > 64 and A.dtype.itemsize == 4 else 64
    name = "add_sparse" if A.is_sparse else "add_dense"
    start = device.kernel(FILE, name, **defines)

    for columns in column_panels(A.shape[1], panel):
        d = columns.stop - columns.start
        sums = device.zeros((n_parts, d, width), A.dtype)

        def add(first, last, *rows, d=d, sums=sums):
            first_part = first // part_rows
            counts = _groups(
                device.form, A.is_sparse, n_groups, d, -(-last // part_rows) - first_part, defines
            )
            scale = device.input(row_scale[first:last])
            start(
                *counts,
                *rows,
                scale,
                np.uint32(row_scale.size > 0),
                *map(np.uint64, (first_row, first, last, part_rows)),
                *map(np.uint32, (first_part, d, width, stream)),
                *key_words(key),
                sums,
            )

        if A.is_sparse:
            part = A if d == A.shape[1] else type(A)(A.source[:, columns], A.dtype)
            for_sparse_chunks(device, part, _STEP, add)
        else:
            for_dense_chunks(device, A, columns, _STEP, 0, d * A.dtype.itemsize, add)
        factor = 1 / np.sqrt(places.size)
        out[:, columns] = sum_parts(device, FILE, defines, sums, n_parts, places, (1, width), d, factor)
    return out


def entries(first_row: int, n_rows: int, width: int, key: int, stream: int, signs: bool, dtype) -> np.ndarray:
    """Return the numbers themselves, in their own order, shape (n_rows, width): for tests; width is a multiple of 4."""
    dtype = np.dtype(dtype)
    device = runtime_for(dtype)
    defines = macros(device, dtype, **({"SIGNS": 1} if signs else {}))
    if device.form == "gpu":
        defines["WIDTH"] = 64
    out = device.empty((n_rows, width), dtype)
    start = device.kernel(FILE, "write_entries", **defines)
    start(
        (width // 4, n_rows),
        None,
        np.uint64(first_row),
        np.uint32(width),
        np.uint32(stream),
        *key_words(key),
        out,
    )
    return out.read()


def _part_rows(form, n_rows, n_columns, width):
    """Rows of a part: a function of shapes and the form only, so that chunks and threads change no bits."""
    tiles = width // BLOCK if form == "cpu" else -(-width // _TILE) * -(-n_columns // _TILE)
    n_parts = max(1, min(-(-_TASKS[form] // tiles), n_rows // _LEAST_ROWS[form]))
    return -(-n_rows // n_parts // _STEP) * _STEP


def _groups(form, is_sparse, n_groups, d, n_parts, defines):
    """Global and local size."""
    if form == "cpu":
        return (n_groups, n_parts), (1, 1)
    if is_sparse:
        return (n_groups * BLOCK, n_parts), (BLOCK, 1)
    items = 256
    return (-(-n_groups * BLOCK // _TILE) * items, -(-d // defines["WIDTH"]), n_parts), (items, 1, 1)
