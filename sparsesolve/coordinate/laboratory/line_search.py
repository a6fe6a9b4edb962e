"""Backtracking along a direction, with interpolation."""

from __future__ import annotations

import math
from collections.abc import Callable

#: Share of the predicted decrease that a step must bring.
_ARMIJO = 1e-10
_TRIALS = 60


def backtrack(change: Callable[[float], float], slope: float, rounding: float) -> float:
    """A t in (0, 1] with ``change(t) <= 1e-10 t slope``, to rounding; 0 where there is none.

    Parameters
    ----------
    change : callable
        t -> F(x + t d) - F(x).
    slope : float
        A negative number that bounds the change of small steps: the directional derivative, or for a penalty the
        gradient's product with d plus the change of the penalty.
    rounding : float
        Error of the changes. Steps whose changes drown in it are taken: near the solution all do, and the directions
        are still good.
    """
    t = 1.0
    if not slope < rounding:
        return 0.0
    for _ in range(_TRIALS):
        reached = change(t)
        if reached <= _ARMIJO * t * slope + rounding:
            return t
        # The parabola with this slope at 0 and this value at t, kept within [t / 10, t / 2].
        excess = reached - slope * t
        guess = -slope * t * t / (2.0 * excess) if math.isfinite(excess) and slope < 0.0 < excess else 0.1 * t
        t = min(max(guess, 0.1 * t), 0.5 * t)
    return 0.0
