"""Uniform numbers and subsets."""

from __future__ import annotations

import numpy as np

from ..backends.jit import kernel
from .keys import Stream
from .philox import uniform, words


@kernel
def _fill_uniforms(key, stream, out):
    for i in range(out.size):
        w0, w1, _, _ = words(key, stream, i, 0)
        out[i] = uniform(w0, w1)


def uniforms(key: int, stream: Stream, count: int) -> np.ndarray:
    """Return `count` numbers strictly between 0 and 1, the i-th a function of (key, stream, i)."""
    out = np.empty(count)
    _fill_uniforms(np.uint64(key), int(stream), out)
    return out


def choose(key: int, stream: Stream, population: int, size: int) -> np.ndarray:
    """Return a uniform random subset of range(population), sorted, int64, shape (size,).

    Floyd's algorithm: O(size) time and memory, whatever the population; a subset's probability is off by less
    than size / 2^53, relatively.
    """
    if size == population:
        return np.arange(population)
    chosen: set[int] = set()
    for last, number in zip(
        range(population - size, population), uniforms(key, stream, size).tolist(), strict=True
    ):
        draw = int(number * (last + 1))
        chosen.add(last if draw in chosen else draw)
    return np.array(sorted(chosen), dtype=np.int64)
