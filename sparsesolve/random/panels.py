"""Rows of signs and of normals, many at once."""

from __future__ import annotations

import numpy as np

from ..backends.jit import kernel
from .philox import words
from .vectors import BLOCK, COUNTERS, write_normals, write_signs, write_words

_ONE = np.uint64(1)


@kernel
def fill_signs(key, stream, i, first, out):
    """Write the signs, +1.0 or -1.0, of places (i, first), (i, first + 1) ...: one bit for each."""
    position = 0
    while position < out.size:
        place = first + position
        block = words(key, stream, i, place // 128)
        bit = place % 128
        stop = min(out.size, position + 128 - bit)
        while position < stop:
            word = block[bit // 32]
            for shift in range(bit % 32, min(32, bit % 32 + stop - position)):
                out[position] = 1.0 - 2.0 * np.float64((word >> np.uint64(shift)) & _ONE)
                position += 1
                bit += 1


@kernel
def fill_sign_panel(key, stream, first, first_block, out):
    """Write signs: ``out[j, k]`` is that of place (first + j, 64 first_block + k); the width is a multiple of 64."""
    width = out.shape[1]
    for j in range(out.shape[0]):
        for block in range(width // BLOCK):
            place = first_block + block
            if block == 0 or place % 2 == 0:  # one counter has the signs of two blocks
                w0, w1, w2, w3 = words(key, stream, first + j, place // 2)
            start = j * width + block * BLOCK
            write_signs(w2 if place % 2 else w0, out, start)
            write_signs(w3 if place % 2 else w1, out, start + 32)


@kernel
def on_cache_line(room, size):
    """The first `size` numbers of an array from a cache line on: a vector across two lines takes twice as long.

    The array has room for a line more.
    """
    line = 64 // room.itemsize
    first = (line - room.ctypes.data // room.itemsize % line) % line
    return room[first : first + size]


@kernel
def fill_normal_panel(key, stream, first, first_block, out):
    """Write standard normals in planar order; the width is a multiple of 64.

    Place (first + j, 64 (first_block + b) + 4 l + c) is in ``out[j, 64 b + 16 c + l]``: see `planar_places`.
    """
    width = out.shape[1]
    drawn = on_cache_line(np.empty(width + 16, np.uint32), width)
    for j in range(out.shape[0]):
        for start in range(0, width, BLOCK):
            write_words(key, stream, first + j, first_block * COUNTERS + start // 4, drawn, start)
        row = out[j]
        for start in range(0, width, BLOCK):
            write_normals(drawn, row, start)


def planar_places(count: int) -> np.ndarray:
    """Where `fill_normal_panel` puts places 0 ... count - 1 of a row, int64."""
    k = np.arange(count)
    return k // BLOCK * BLOCK + k % 4 * COUNTERS + k % BLOCK // 4


@kernel
def fill_sign_rows(key, stream, first, out):
    """Write signs: ``out[j, k]`` is that of place (first + j, k)."""
    panel = np.empty((1, BLOCK), out.dtype)
    for j in range(out.shape[0]):
        for k in range(0, out.shape[1], BLOCK):
            fill_sign_panel(key, stream, first + j, k // BLOCK, panel)
            count = min(BLOCK, out.shape[1] - k)
            for at in range(count):
                out[j, k + at] = panel[0, at]


@kernel
def fill_normal_rows(key, stream, first, out):
    """Write standard normals: ``out[j, k]`` is that of place (first + j, k). Four come from one counter."""
    panel = np.empty((1, BLOCK), out.dtype)
    for j in range(out.shape[0]):
        for k in range(0, out.shape[1], BLOCK):
            fill_normal_panel(key, stream, first + j, k // BLOCK, panel)
            count = min(BLOCK, out.shape[1] - k)
            for at in range(count):
                out[j, k + at] = panel[0, at % 4 * COUNTERS + at // 4]
