"""The median of numbers that lie in partitions: digit after digit, by histograms, exactly."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from .observations import Side
from .partition_steps import Step

_DIGIT = 16
_DIGITS = 64 // _DIGIT


def median(n: int, numbers: Step, collected: Callable) -> float:
    """Of one number for each of n entries; `collected` is that of their partitions."""
    rank, prefix = (n - 1) // 2, 0
    for digit in range(_DIGITS):
        counts = sum(collected(_histogram, numbers, arguments=(prefix, digit)))
        reached = np.cumsum(counts)
        found = int(np.searchsorted(reached, rank, side="right"))
        rank -= int(reached[found - 1]) if found else 0
        prefix = prefix << _DIGIT | found
    low = _number(prefix)
    if n % 2 or rank + 1 < int(counts[found]):
        return low
    return 0.5 * (low + min(collected(_next, numbers, arguments=(low,))))


def _ordered(numbers: np.ndarray) -> np.ndarray:
    """Floats as unsigned integers of the same order."""
    bits = np.ascontiguousarray(numbers + 0.0).view(np.uint64)
    return np.where(bits >> np.uint64(63), ~bits, bits | np.uint64(1 << 63))


def _number(ordered: int) -> float:
    """The way back."""
    bits = ordered - (1 << 63) if ordered >> 63 else ordered ^ ((1 << 64) - 1)
    return float(np.uint64(bits).view(np.float64))


def _histogram(side: Side, numbers: np.ndarray, prefix: int, digit: int) -> np.ndarray:
    """How often the next digit takes each value, among numbers that begin with a prefix."""
    ordered = _ordered(numbers)
    if digit:
        ordered = ordered[ordered >> np.uint64(64 - _DIGIT * digit) == np.uint64(prefix)]
    digits = ordered >> np.uint64(64 - _DIGIT * (digit + 1)) & np.uint64((1 << _DIGIT) - 1)
    return np.bincount(digits.astype(np.int64), minlength=1 << _DIGIT)


def _next(side: Side, numbers: np.ndarray, low: float) -> float:
    """The least number above another one."""
    return float(numbers[numbers > low].min(initial=np.inf))
