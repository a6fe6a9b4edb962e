"""Which key a `random_state` stands for, and which stream an object draws from."""

from __future__ import annotations

import secrets
from enum import IntEnum

import numpy as np

from .philox import words


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
    LP_ROWS = 10
    VOLUME_PROPOSALS = 11
    VOLUME_ROWS = 12
    REVERSE_VOLUME = 13
    RESCALED_ROWS = 14
    MULTISKETCH = 15
    VOLUME_CHANCES = 16
    KRONECKER_FACTORS = 20
    KRONECKER_SRHT_ROWS = 21
    SPARSE_PROJECTION = 22
    NODE_PROJECTION = 23
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


def child_key(key: int, stream: Stream, index: int) -> int:
    """Return the 64-bit key of the index-th of many random objects that are made under one key."""
    high, low, _, _ = words(np.uint64(key), int(stream), index, 0)
    return int(high) << 32 | int(low)
