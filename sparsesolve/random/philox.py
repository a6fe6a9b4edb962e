"""The generator: four words from a counter and a key, and numbers from words."""

from __future__ import annotations

import numpy as np

from ..backends.jit import kernel

_MASK = np.uint64(0xFFFFFFFF)
_HALF = np.uint64(32)
_MULTIPLIER_0, _MULTIPLIER_1 = np.uint64(0xD2511F53), np.uint64(0xCD9E8D57)
_WEYL_0, _WEYL_1 = np.uint64(0x9E3779B9), np.uint64(0xBB67AE85)
_FIVE, _SIX = np.uint64(5), np.uint64(6)


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
