"""Random numbers as functions of a key and a place: the same entry for any order of asking, on any thread.

The generator is Philox4x32-10 (Salmon, Moraes, Dror and Shaw, "Parallel random numbers: as easy as 1, 2, 3",
SC 2011). It maps a 128-bit counter and a 64-bit key to four 32-bit words. Here the counter is (i, k, stream):
a 64-bit index i, a 32-bit index k, and the number of a `Stream`. So entry (i, k) of a random object depends
on (key, stream, i, k) alone. NumPy's global state is never touched.
"""

from __future__ import annotations

import secrets
from enum import IntEnum

import numpy as np

from .backends.jit import kernel


class Stream(IntEnum):
    """One stream for each kind of random object, so that no two kinds share counters under one key."""

    SRHT_ROW_SIGNS = 0
    SRHT_BLOCK_SIGNS = 1
    SRHT_ROWS = 2
    PADDED_SRHT_ROW_SIGNS = 3
    PADDED_SRHT_ROWS = 4
    GAUSSIAN = 5
    RADEMACHER = 6
    SPARSE_SIGN = 7
    LEVERAGE_PROJECTION = 8
    LEVERAGE_ROWS = 9
    NODE_ORDERS = 64


def as_key(random_state) -> int:
    """Return the 64-bit key that a `random_state` stands for.

    Parameters
    ----------
    random_state : None, int, numpy.random.Generator or numpy.random.RandomState
        None draws a fresh key from the operating system; an int in [0, 2^64) is the key; from a generator the
        key is drawn, which advances it.

    Returns
    -------
    int
        In [0, 2^64).

    Raises
    ------
    ValueError
        For anything else.

    Examples
    --------
    >>> from sparsesolve.random import as_key
    >>> as_key(7)
    7
    """
    if random_state is None:
        return secrets.randbits(64)
    if isinstance(random_state, np.random.Generator):
        return int(random_state.integers(1 << 64, dtype=np.uint64))
    if isinstance(random_state, np.random.RandomState):
        high, low = random_state.randint(1 << 32, size=2, dtype=np.uint64)
        return int(high) << 32 | int(low)
    if isinstance(random_state, (int, np.integer)) and not isinstance(random_state, bool):
        if 0 <= random_state < 1 << 64:
            return int(random_state)
        raise ValueError(f"random_state={random_state} must lie in [0, 2**64).")
    raise ValueError(
        f"random_state={random_state!r} is not a seed: use None, an int in [0, 2**64), a "
        "numpy.random.Generator or a numpy.random.RandomState."
    )


_MASK = np.uint64(0xFFFFFFFF)
_HALF = np.uint64(32)
_MULTIPLIER_0, _MULTIPLIER_1 = np.uint64(0xD2511F53), np.uint64(0xCD9E8D57)
_WEYL_0, _WEYL_1 = np.uint64(0x9E3779B9), np.uint64(0xBB67AE85)
_ONE, _FIVE, _SIX = np.uint64(1), np.uint64(5), np.uint64(6)


@kernel
def philox(c0, c1, c2, c3, k0, k1):
    """Philox4x32-10: four words from a counter of four words and a key of two. All are uint64 below 2^32."""
    for _ in range(10):
        product_0 = _MULTIPLIER_0 * c0
        product_1 = _MULTIPLIER_1 * c2
        c0 = (product_1 >> _HALF) ^ c1 ^ k0
        c2 = (product_0 >> _HALF) ^ c3 ^ k1
        c1 = product_1 & _MASK
        c3 = product_0 & _MASK
        k0 = (k0 + _WEYL_0) & _MASK
        k1 = (k1 + _WEYL_1) & _MASK
    return c0, c1, c2, c3


@kernel
def words(key, stream, i, k):
    """Return the four 32-bit words, as uint64, of place (i, k) of a stream; 0 <= i < 2^63, 0 <= k < 2^32."""
    index = np.uint64(i)
    return philox(
        index & _MASK,
        index >> _HALF,
        np.uint64(k),
        np.uint64(stream),
        np.uint64(key) & _MASK,
        np.uint64(key) >> _HALF,
    )


@kernel
def below(word, bound):
    """Map a 32-bit word to 0 .. bound - 1 by the high half of a product; a probability is off by <= 2^-32."""
    return np.int64((word * np.uint64(bound)) >> _HALF)


@kernel
def uniform(high, low):
    """Return a float64 strictly between 0 and 1 from two 32-bit words, 53 bits of them."""
    return ((high >> _FIVE) * 67108864.0 + (low >> _SIX) + 0.5) / 9007199254740992.0


@kernel
def normal_pair(first, second):
    """Return two standard normals from two 32-bit words, by Box and Muller. None is beyond 6.8."""
    radius = np.sqrt(-2.0 * np.log((first + 0.5) / 4294967296.0))
    angle = 2.0 * np.pi * ((second + 0.5) / 4294967296.0)
    return radius * np.cos(angle), radius * np.sin(angle)


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
def fill_sign_rows(key, stream, first, out):
    """Write signs: ``out[j, k]`` is that of place (first + j, k)."""
    for j in range(out.shape[0]):
        fill_signs(key, stream, first + j, 0, out[j])


@kernel
def fill_normal_rows(key, stream, first, out):
    """Write standard normals: ``out[j, k]`` is that of place (first + j, k). Four come from one counter."""
    count = out.shape[1]
    for j in range(out.shape[0]):
        for k in range(0, count, 4):
            w0, w1, w2, w3 = words(key, stream, first + j, k // 4)
            z0, z1 = normal_pair(w0, w1)
            z2, z3 = normal_pair(w2, w3)
            out[j, k] = z0
            if k + 1 < count:
                out[j, k + 1] = z1
            if k + 2 < count:
                out[j, k + 2] = z2
            if k + 3 < count:
                out[j, k + 3] = z3


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
