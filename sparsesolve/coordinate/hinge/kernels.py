"""Sweeps over samples, and the products that other steps need."""

from __future__ import annotations

import numpy as np

from ...backends.jit import kernel, reduction_kernel
from ...operators.columns import add_column, column_dot

#: Of a box's size: what adding a step may miss a bound by.
_ROUNDING = 1e-15


@reduction_kernel
def sweep(parts, members, count, v, w, intercept, stiffness, curvatures, lower, upper, signs, limit):
    """Minimise over each of the first `count` members in turn; those firmly at a bound leave the list.

    Parameters
    ----------
    parts : tuple of ndarray
        The samples, as columns.
    members : ndarray of int
        Samples to visit; those that stay are moved to its front, in the same order.
    count : int
    v, w : ndarray of shape (n,) and (p,)
        Changed in place; w is the sum of v_i x_i.
    intercept, stiffness : float
        The intercept moves by `stiffness` times the change of v: an augmented Lagrangian's penalty.
    curvatures : ndarray of shape (n,)
        Squared norms of samples, plus the stiffness.
    lower, upper : ndarray of shape (n,)
    signs : ndarray of shape (n,)
    limit : float
        A sample at a bound leaves if its slope, towards the outside, is more than this.

    Returns
    -------
    count : int
        How many members stayed.
    intercept : float
    violation : float
        The largest projected slope that was met.
    """
    stayed, violation = 0, 0.0
    for k in range(count):
        i = members[k]
        slope = column_dot(parts, i, w) + intercept - signs[i]
        old = v[i]
        if old == lower[i]:
            if slope > limit:
                continue
            size = max(0.0, -slope)
        elif old == upper[i]:
            if slope < -limit:
                continue
            size = max(0.0, slope)
        else:
            size = abs(slope)
        members[stayed] = i
        stayed += 1
        violation = max(violation, size)
        if size > 0.0:
            new = min(max(old - slope / curvatures[i], lower[i]), upper[i])
            change = new - old
            if change != 0.0:
                v[i] = new
                intercept += stiffness * change
                add_column(parts, i, change, w)
    return stayed, intercept, violation


@reduction_kernel
def conjugate_gradients(parts, members, residual, curvatures, stiffness, n_features, steps, tol):
    """Solve ``(X X' + stiffness) d = residual`` for some samples, in one pass over them a step.

    The step length needs |X'd|^2 alone, so that residual and new direction are found while a row is in cache.

    Returns
    -------
    solution : ndarray of shape (n_members,)
    combination : ndarray of shape (n_features,)
        The sum of solution_i x_i.
    """
    n = members.size
    left = residual.copy()
    scaled = left / curvatures
    solution, combination = np.zeros(n), np.zeros(n_features)
    direction, image, shift = scaled.copy(), np.zeros(n_features), 0.0
    for k in range(n):
        add_column(parts, members[k], direction[k], image)
        shift += direction[k]
    size = np.dot(left, scaled)
    goal = tol * tol * size
    fresh = np.empty(n_features)
    for _ in range(steps):
        curvature = np.dot(image, image) + stiffness * shift * shift
        if not (curvature > 1e-13 * np.dot(direction * curvatures, direction) and size > goal):
            break
        length = size / curvature
        fresh[:] = 0.0
        new_size, new_shift = 0.0, 0.0
        for k in range(n):
            i = members[k]
            solution[k] += length * direction[k]
            left[k] -= length * (column_dot(parts, i, image) + stiffness * shift)
            scaled[k] = left[k] / curvatures[k]
            new_size += left[k] * scaled[k]
            new_shift += scaled[k]
            add_column(parts, i, scaled[k], fresh)
        ratio = new_size / size
        for j in range(n_features):
            combination[j] += length * image[j]
            image[j] = fresh[j] + ratio * image[j]
        for k in range(n):
            direction[k] = scaled[k] + ratio * direction[k]
        shift = new_shift + ratio * shift
        size = new_size
    return solution, combination


@reduction_kernel
def record_move(new, old, moves, last, linear, gram, pull):
    """Put ``new - old`` at place `last` of two moves, and add to their Gram matrix, and to linear'moves."""
    other = 1 - last
    for i in range(new.size):
        move = new[i] - old[i]
        moves[last, i] = move
        gram[last, last] += move * move
        gram[last, other] += move * moves[other, i]
        gram[other, other] += moves[other, i] * moves[other, i]
        pull[last] += linear[i] * move
        pull[other] += linear[i] * moves[other, i]


@reduction_kernel
def record_dual_move(new, old, moves, last, signs, pull):
    """The same for v, whose moves enter by ``signs'moves`` alone."""
    other = 1 - last
    for i in range(new.size):
        move = new[i] - old[i]
        moves[last, i] = move
        pull[last] += signs[i] * move
        pull[other] += signs[i] * moves[other, i]


@kernel
def combine(moves, factors, out):
    """The sum of two moves times their factors."""
    for i in range(out.size):
        out[i] = factors[0] * moves[0, i] + factors[1] * moves[1, i]


@reduction_kernel
def cut_step(parts, v, w, step, w_step, lower, upper, signs):
    """Go to v + step, cut off at the box: changes `step` and `w_step` to what is left of them.

    Returns
    -------
    total, gain : float
        The sum of the step, and how much of y'v - |w|^2 / 2 it gains.
    """
    total, gain = 0.0, 0.0
    for i in range(v.size):
        if step[i] != 0.0:
            wanted = v[i] + step[i]
            new = min(max(wanted, lower[i]), upper[i])
            if new != wanted:
                add_column(parts, i, new - wanted, w_step)
                step[i] = new - v[i]
            total += step[i]
            gain += signs[i] * step[i]
    for j in range(w.size):
        gain -= w_step[j] * (w[j] + 0.5 * w_step[j])
    return total, gain


@kernel
def settle(v, step, lower, upper):
    """Put what has moved and is within rounding of a bound exactly there: bounds are told by equality."""
    for i in range(v.size):
        if step[i] != 0.0:
            near = _ROUNDING * (upper[i] - lower[i])
            if v[i] <= lower[i] + near:
                v[i] = lower[i]
            elif v[i] >= upper[i] - near:
                v[i] = upper[i]
