"""The step length along a Newton direction, from slopes alone.

The semi-dual is convex, and its slope along the direction falls out of the column sums that every evaluation gives.
Unlike its value, the slope does not lose its digits near the optimum.
"""

import math

from ..backends.jit import kernel
from .elementary import spread

#: Largest change of a potential, in units of reg, at the first trial.
REACH = 6.0
# Range of the changes up to which a few of them may be bent.
_NEAR = 1.5
# What a potential falls at most by its logarithm.
_LARGEST_FALL = -4.0
#: Trials before the direction is given up.
TRIALS = 20


@kernel
def bend(direction, rhs):
    """Replace a falling potential's change x by log(1 + x), unless the slope at the start were less than half then.

    The plan's entries are exponentials of the potentials. Where a change of x asks for 1 + x times the mass of a few
    small entries, as for points that hardly touch the others, the logarithm gives just that, and Newton's method
    itself would approach it by one unit of reg a step. Far from the answer, where many potentials move by several
    units, nothing is changed.
    """
    low, high = spread(direction)
    if high - low > _NEAR:
        return
    straight, bent = 0.0, 0.0
    for j in range(direction.shape[0]):
        straight += rhs[j] * direction[j]
        bent += rhs[j] * _log_step(direction[j])
    if bent < 0.5 * straight:
        return
    for j in range(direction.shape[0]):
        direction[j] = _log_step(direction[j])


@kernel
def _log_step(x):
    if x >= -0.1:
        return x
    return max(math.log1p(x), _LARGEST_FALL) if x > -1.0 else min(x, _LARGEST_FALL)


@kernel
def first_step(low, high):
    """Step that moves the potentials by no more than `REACH` against each other."""
    return min(1.0, REACH / max(high - low, 1e-300))


@kernel
def accepts(step, slope, slope_before, error, error_before, largest):
    """Whether a trial is good enough: it halved the error or the slope, or is as long as it may be and still falls."""
    if error <= 0.5 * error_before or abs(slope) <= -0.5 * slope_before:
        return True
    return slope < 0.0 and step >= largest


@kernel
def next_step(step, slope, slope_before, bracket, largest):
    """Next trial; bracket holds the longest step that was too short, and the shortest that was too long (or 0)."""
    if slope < 0.0:
        bracket[0] = step
        if bracket[1] == 0.0:
            return min(4.0 * step, largest)
    else:
        bracket[1] = step
        if bracket[0] == 0.0:
            return step * max(0.1, min(0.6, slope_before / (slope_before - slope)))
    return 0.5 * (bracket[0] + bracket[1])
