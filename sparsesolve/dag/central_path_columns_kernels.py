"""One column of a stage of the central path, solved by Newton's method on its active set.

The determinant of ``M = s I - W.W`` is linear in each column of ``W.W``. With the other columns held, and u the
determinant relative to that without column j, ``h = constant - log u`` where ``u = 1 - sum_i p_i w_i^2`` and p is row j
of the inverse of M without column j: convex in w, and infinite at the border of the domain. So column j minimises

    mu (w'C w / 2 - c_j'w) / scale + mu alpha |w|_1 - log(1 - sum_i p_i w_i^2),

a convex function, and the domain is never left.
"""

from __future__ import annotations

import numpy as np

from ..backends.jit import reduction_kernel

_STEPS = 10
_ARMIJO, _LEAST_STEP = 1e-4, 1e-12
_JITTER = 1e-12


@reduction_kernel
def visit_columns(
    C, parents, floors, equal, mu, alpha, precision, reach, W, variances, inverse, order, first, last
):  # fmt: skip
    """Solve for the columns ``order[first:last]``, one after the other; return how many met the bound `reach`.

    Parameters
    ----------
    C : ndarray of float64, shape (d, d)
    parents : ndarray of bool, shape (d, d)
        Row j: whether i -> j may be there.
    floors : ndarray of float64, shape (d,)
    equal : bool
        Whether the noise scales are all the same.
    mu, alpha, precision : float
        Precision is that of the gradient, relative to mu alpha.
    reach : float
        Largest change of a weight; a column that would change more goes only a part of its way.
    W : ndarray of float64, shape (d, d)
        Row j: the weights i -> j; changed.
    variances : ndarray of float64, shape (d,)
        Residual variances, kept up to date.
    inverse : ndarray of float64, shape (d, d)
        Of ``s I - A`` with A[i, j] the square of the weight of i -> j; kept up to date.
    order : ndarray of int64
    first, last : int
    """
    d = C.shape[0]
    p, new, gradient = np.empty(d), np.empty(d), np.empty(d)
    direction, factor, members = np.empty(d), np.empty((d, d)), np.empty(d, np.int64)
    bounded = 0
    for place in range(first, last):
        j = order[place]
        old, row = W[j], inverse[j]
        scale = max(np.sqrt(variances.mean() if equal else variances[j]), floors[j])
        held = 1.0
        for i in range(d):
            held += row[i] * old[i] * old[i]
        for i in range(d):
            new[i] = old[i]
            p[i] = max(row[i], 0.0) / held
        _solve(
            C, j, parents[j], p, mu / scale, mu * alpha, precision,
            new, gradient, direction, factor, members,
        )  # fmt: skip
        longest = 0.0
        for i in range(d):
            longest = max(longest, abs(new[i] - old[i]))
        if longest > reach:
            bounded += 1
            for i in range(d):
                new[i] = old[i] + reach / longest * (new[i] - old[i])
            _fill_gradient(C, j, new, gradient)
        if longest > 0.0 and _follow(inverse, j, old, new, direction, p):
            left = C[j, j]
            for i in range(d):
                left += new[i] * (gradient[i] - C[j, i])
            variances[j] = max(left, 0.0)
            for i in range(d):
                old[i] = new[i]
    return bounded


@reduction_kernel
def _follow(inverse, j, old, new, change, column):
    """Change the inverse as column j of A goes to the squares of `new`; False, and nothing, outside of the domain."""
    d = inverse.shape[0]
    row = inverse[j].copy()
    lost = 0.0
    for i in range(d):
        change[i] = new[i] * new[i] - old[i] * old[i]
        lost += row[i] * change[i]
    if not lost < 1.0:
        return False
    for i in range(d):
        total = 0.0
        for k in range(d):
            total += inverse[i, k] * change[k]
        column[i] = total / (1.0 - lost)
    for i in range(d):
        # Nodes that are not above j stay as they are: all but a few, once the weights are nearly acyclic.
        if column[i] != 0.0:
            share, target = column[i], inverse[i]
            for k in range(d):
                target[k] += share * row[k]
    return True


@reduction_kernel
def _fill_gradient(C, j, w, gradient):
    """Write C w - c_j."""
    d = C.shape[0]
    for i in range(d):
        gradient[i] = -C[j, i]
    for k in range(d):
        if w[k] != 0.0:
            weight, row = w[k], C[k]
            for i in range(d):
                gradient[i] += weight * row[i]


@reduction_kernel
def _solve(C, j, allowed, p, weight, penalty, precision, w, gradient, direction, factor, members):
    """Minimise ``weight (w'C w / 2 - c_j'w) + penalty |w|_1 - log(1 - sum_i p_i w_i^2)`` from w.

    Newton's method on the weights that are not zero, with their signs; a weight that would change its sign is dropped.
    At the minimum the zero weight whose gradient is the largest enters, if that is above the penalty.
    """
    d = C.shape[0]
    signs = np.sign(w)
    count = 0
    for i in range(d):
        if w[i] != 0.0:
            members[count] = i
            count += 1
    _fill_gradient(C, j, w, gradient)
    for _ in range(_STEPS):
        u = 1.0
        for q in range(count):
            u -= p[members[q]] * w[members[q]] * w[members[q]]
        worst = 0.0
        for q in range(count):
            i = members[q]
            direction[q] = -(weight * gradient[i] + 2.0 * p[i] * w[i] / u + penalty * signs[i])
            worst = max(worst, abs(direction[q]))
        if worst <= precision * penalty:
            largest, new = penalty * (1.0 + precision), -1
            for i in range(d):
                if allowed[i] and w[i] == 0.0 and weight * abs(gradient[i]) > largest:
                    largest, new = weight * abs(gradient[i]), i
            if new < 0:
                break
            members[count] = new
            signs[new] = -np.sign(gradient[new])
            direction[count] = signs[new] * (largest - penalty)
            count += 1
        slope = _newton(C, p, weight, u, w, members, count, direction, factor)
        if not slope > 0.0:
            break
        before = count
        count, step = _search(C, p, weight, penalty, u, w, signs, gradient, members, count, direction, slope)
        if step == 0.0 and count == before:
            break
        _fill_gradient(C, j, w, gradient)


@reduction_kernel
def _newton(C, p, weight, u, w, members, count, direction, factor):
    """Overwrite the negative gradient by Newton's direction; return the decrease per step, to first order.

    The matrix is ``weight C + 2 diag(p) / u + 4 (p w)(p w)' / u^2``. Columns that others determine get a large pivot,
    so that they stay.
    """
    for q in range(count):
        i, rank_one = members[q], 4.0 * p[members[q]] * w[members[q]] / (u * u)
        for r in range(q + 1):
            k = members[r]
            total = weight * C[i, k] + rank_one * p[k] * w[k]
            for t in range(r):
                total -= factor[q, t] * factor[r, t]
            if r < q:
                factor[q, r] = total / factor[r, r]
            else:
                total += 2.0 * p[i] / u
                least = _JITTER * weight * C[i, i]
                factor[q, q] = np.sqrt(total if total > least else max(weight * C[i, i], 1e-300))
    slope = 0.0
    for q in range(count):
        total = direction[q]
        for t in range(q):
            total -= factor[q, t] * direction[t]
        direction[q] = total / factor[q, q]
        slope += direction[q] * direction[q]
    for q in range(count - 1, -1, -1):
        direction[q] /= factor[q, q]
        share, row = direction[q], factor[q]
        for t in range(q):
            direction[t] -= share * row[t]
    return slope


@reduction_kernel
def _search(C, p, weight, penalty, u, w, signs, gradient, members, count, direction, slope):
    """Go along the direction, not beyond the first change of sign, until the objective falls enough.

    Returns how many members are left, and the step, 0 where there is none.
    """
    longest, drop = 1.0, -1
    linear, curve, cross, square = 0.0, 0.0, 0.0, 0.0
    for q in range(count):
        i = members[q]
        if (w[i] + longest * direction[q]) * signs[i] <= 0.0 and direction[q] * signs[i] < 0.0:
            longest, drop = -w[i] / direction[q], q
        linear += direction[q] * (weight * gradient[i] + penalty * signs[i])
        cross += 2.0 * p[i] * w[i] * direction[q]
        square += p[i] * direction[q] * direction[q]
        total, row = 0.0, C[i]
        for r in range(count):
            total += row[members[r]] * direction[r]
        curve += weight * total * direction[q]
    step = longest
    while step > _LEAST_STEP * longest:
        left = 1.0 - step * (cross + step * square) / u
        if left > 0.0 and step * (linear + 0.5 * step * curve) - np.log(left) <= -_ARMIJO * step * slope:
            break
        step *= 0.5
    if not step > _LEAST_STEP * longest and longest > 0.0:
        return count, 0.0
    for q in range(count):
        w[members[q]] += step * direction[q]
    if drop >= 0 and step == longest:
        w[members[drop]] = 0.0
        for q in range(drop, count - 1):
            members[q] = members[q + 1]
        count -= 1
    return count, step
