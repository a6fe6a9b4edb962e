"""Lassos from covariances, solved exactly by a primal active-set method."""

from __future__ import annotations

import numpy as np

from ..backends.jit import kernel
from .regression_kernels import exclude, include
from .scores import FLOOR

_VIOLATION = 1e-11
_STEPS = 20
# The inverse comes from many updates: where columns nearly depend on one another it needs more than one.
_REFINEMENTS = 3


@kernel
def solve_lassos(C, parents, penalties, changing, W, pieces):
    """Minimise ``w'C w / 2 - c_y'w + penalty |w|_1`` for each node y over its allowed parents.

    Parameters
    ----------
    C : ndarray of float64, shape (d, d)
    parents : ndarray of bool, shape (d, d)
        Row y: allowed parents of y.
    penalties : ndarray of float64, shape (d,)
    changing : ndarray of bool, shape (d,)
        Nodes to solve for.
    W : ndarray of float64, shape (d, d)
        Row y: weights of y's parents; the start, overwritten.
    pieces : ndarray of float64, shape (d, 2)
        Overwritten by the residual variance, and ``z'C_AA^-1 z`` with the signs z on the active set A.
    """
    d = C.shape[0]
    inverse, weights, work = np.empty((d, d)), np.empty(d), np.empty(d)
    gradient, target, signs = np.empty(d), np.empty(d), np.empty(d)
    members = np.empty(d, np.int64)
    for y in range(d):
        if changing[y]:
            _solve(
                C, y, parents[y], penalties[y], W[y], pieces[y],
                inverse, weights, work, gradient, target, signs, members,
            )  # fmt: skip


@kernel
def _fill_gradient(C, y, w, members, count, gradient):
    for i in range(gradient.size):
        gradient[i] = -C[y, i]
    for q in range(count):
        weight, row = w[members[q]], C[members[q]]
        for i in range(gradient.size):
            gradient[i] += weight * row[i]


@kernel
def _solve(
    C, y, allowed, penalty, w, pieces, inverse, weights, work, gradient, target, signs, members
):  # fmt: skip
    """One node. Each change of the active set lowers the objective, so that the method ends."""
    d = C.shape[0]
    count = 0
    for i in range(d):
        if w[i] != 0.0:
            if include(C, C[y], members, count, i, inverse, weights, work) < 0.0:
                w[i] = 0.0
            else:
                signs[i] = np.sign(w[i])
                count += 1
    for _ in range(_STEPS * (d + 10)):
        count = _settle(C, y, penalty, w, inverse, weights, target, signs, members, count)
        _fill_gradient(C, y, w, members, count, gradient)
        worst, new = _VIOLATION * penalty, -1
        for i in range(d):
            if allowed[i] and w[i] == 0.0:
                excess = abs(gradient[i]) - penalty - 1e-15 * np.sqrt(C[i, i] * C[y, y])
                if excess > worst:
                    worst, new = excess, i
        if new < 0:
            break
        sign = -np.sign(gradient[new])
        if include(C, C[y], members, count, new, inverse, weights, work) < 0.0:
            # The members determine it: move along the direction that changes no fit, until a member is at zero.
            count = _slide(C, new, sign, w, inverse, weights, signs, members, count)
            if include(C, C[y], members, count, new, inverse, weights, work) < 0.0:
                w[new] = 0.0
                break
        signs[new] = sign
        count += 1
    _describe(C, y, w, inverse, signs, members, count, pieces)


@kernel
def _settle(C, y, penalty, w, inverse, weights, target, signs, members, count):
    """Go to the minimum on the active set with its signs; a weight that would change sign is dropped on the way."""
    while count > 0:
        for q in range(count):
            total = 0.0
            for r in range(count):
                total += inverse[q, r] * signs[members[r]]
            target[q] = weights[q] - penalty * total
        for _ in range(_REFINEMENTS):
            _refine(C, y, penalty, inverse, target, signs, members, count)
        step, drop = 1.0, -1
        for q in range(count):
            i = members[q]
            if target[q] * signs[i] <= 0.0:
                share = w[i] / (w[i] - target[q]) if w[i] != target[q] else 0.0
                if share < step or drop < 0:
                    step, drop = min(step, share), q
        for q in range(count):
            w[members[q]] += step * (target[q] - w[members[q]])
        if drop < 0:
            for q in range(count):
                w[members[q]] = target[q]
            return count
        w[members[drop]] = 0.0
        exclude(members, count, drop, inverse, weights)
        count -= 1
    return count


@kernel
def _refine(C, y, penalty, inverse, target, signs, members, count):
    """One step of iterative refinement of the normal equations' solution."""
    left = np.empty(count)
    for q in range(count):
        total = C[y, members[q]] - penalty * signs[members[q]]
        for r in range(count):
            total -= C[members[q], members[r]] * target[r]
        left[q] = total
    for q in range(count):
        total = 0.0
        for r in range(count):
            total += inverse[q, r] * left[r]
        target[q] += total


@kernel
def _slide(C, new, sign, w, inverse, weights, signs, members, count):
    """Give weight to a node that the members determine, and take it from them, until one of them is at zero."""
    step, drop = np.inf, -1
    shares = np.empty(count)
    for q in range(count):
        total = 0.0
        for r in range(count):
            total += inverse[q, r] * C[members[r], new]
        shares[q] = -sign * total
        if shares[q] * signs[members[q]] < 0.0:
            length = -w[members[q]] / shares[q]
            if length < step:
                step, drop = length, q
    if drop < 0:
        return count
    for q in range(count):
        w[members[q]] += step * shares[q]
    w[members[drop]] = 0.0
    w[new] = step * sign
    exclude(members, count, drop, inverse, weights)
    return count - 1


@kernel
def _describe(C, y, w, inverse, signs, members, count, pieces):
    residual, curvature, bent = C[y, y], 0.0, 0.0
    for q in range(count):
        i = members[q]
        inner, against = 0.0, 0.0
        for r in range(count):
            inner += C[i, members[r]] * w[members[r]]
            against += inverse[q, r] * signs[members[r]]
        residual -= w[i] * C[y, i]
        bent += w[i] * (inner - C[y, i])  # small on its own: the gradient is
        curvature += signs[i] * against
    pieces[0] = max(residual + bent, 0.0)
    pieces[1] = curvature if pieces[0] > FLOOR * C[y, y] else 0.0
