"""Sparse random sign matrices, drawn entry by entry from a key."""

from __future__ import annotations

import numpy as np
import scipy.sparse

from ..backends.jit import kernel
from ..backends.threads import run_chunks
from ..random import Stream, uniform, words

_CHUNKS = 8
_SIGN = np.uint64(1)


def random_signs(key: int, stream: Stream, shape: tuple[int, int], density: float) -> scipy.sparse.csr_array:
    """Draw a matrix whose entries are +1 and -1, each with half the probability `density`, and 0 else.

    Entry (i, j) depends on (key, stream, i, j) and the density alone: more rows or columns, or other threads, leave it
    as it is.

    Parameters
    ----------
    key : int
    stream : Stream
    shape : tuple of int
        At most 2^32 - 1 columns.
    density : float
        In (0, 1].

    Returns
    -------
    scipy.sparse.csr_array, int8 entries, columns in order

    Notes
    -----
    Work for each entry that is not zero: the gap to the next one is drawn, by inverting the geometric law.
    """
    n_rows, n_columns = shape
    n_chunks = min(_CHUNKS, n_rows)
    edges = [n_rows * k // n_chunks for k in range(n_chunks + 1)]
    rate = 0.0 if density == 1.0 else 1.0 / np.log1p(-density)

    def chunk(k):
        counts = np.zeros(edges[k + 1] - edges[k], dtype=np.int64)
        expected = counts.size * n_columns * density
        room = int(expected + 6.0 * np.sqrt(expected) + 64.0)
        return counts, *_draw_rows(np.uint64(key), int(stream), edges[k], n_columns, rate, room, counts)

    counts, places, signs = (np.concatenate(part) for part in zip(*run_chunks(chunk, n_chunks), strict=True))
    starts = np.concatenate([[0], np.cumsum(counts)])
    index = np.int32 if max(starts[-1], n_columns) < 2**31 else np.int64
    return scipy.sparse.csr_array((signs, places.astype(index), starts.astype(index)), shape=shape)


@kernel
def _draw_rows(key, stream, first, n_columns, rate, room, counts):
    """Places and signs of the nonzeros of rows first, first + 1, ..., one row after the other, and their counts."""
    places, signs = np.empty(room, np.uint32), np.empty(room, np.int8)
    used = 0
    for row in range(counts.size):
        column = -1
        draw = 0
        before = used
        while True:
            high, low, other, _ = words(key, stream, first + row, draw)
            draw += 1
            gap = np.floor(np.log(uniform(high, low)) * rate)
            if gap >= n_columns - 1 - column:
                break
            column += 1 + int(gap)
            if used == room:
                room *= 2
                more_places, more_signs = np.empty(room, np.uint32), np.empty(room, np.int8)
                more_places[:used], more_signs[:used] = places, signs
                places, signs = more_places, more_signs
            places[used] = column
            signs[used] = 1 if other & _SIGN else -1
            used += 1
        counts[row] = used - before
    return places[:used], signs[:used]
