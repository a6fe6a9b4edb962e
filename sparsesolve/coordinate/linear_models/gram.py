r"""Quadratics with an l1 term, by their Gram matrix: coordinate descent, extrapolation, and an exact finish.

The problem is :math:`\min_w \tfrac12 w'Gw - c'w + \sum_j \lambda_j |w_j|`, with w at least 0 if asked. G may be in
single precision: the caller sets c so that the error of G multiplies the change of w only, and repeats.
"""

from __future__ import annotations

import numpy as np
from scipy.linalg import lapack

from ...backends.jit import finite_kernel, kernel

#: Sweeps between two extrapolations.
_MEMORY = 5
#: Sweeps before the first exact solve for the present signs, and between two of them; one costs about as much.
_FIRST_BOUT, _BOUT = 3, 25
#: In units of the machine precision.
_RIDGE = 8.0
#: Pivoting is given up where more of the support is wrong, or after so many steps with more and more wrong ones, ...
_HOPELESS, _MOST_INCREASES = 0.5, 2
#: ... or without a new least number of them.
_MOST_IDLE = 4
#: Exact solves in a row that change nothing: in single precision rounding errors of G are all that is left then; in
#: double precision G is nearly singular, and sweeps still bring something.
_FAILURES = 3


def minimise_gram(G, c, threshold, start, positive, tol, max_sweeps, finish):
    """Minimise the quadratic from `start`.

    Parameters
    ----------
    G : ndarray of shape (k, k)
        Symmetric, single or double precision.
    c, threshold, start : ndarray of shape (k,)
    positive : bool
    tol : float
        Largest step of a sweep, in units of threshold over curvature.
    max_sweeps : int
    finish : bool
        Between the sweeps, go towards the exact minimiser for the present signs: ends with the exact answer.

    Returns
    -------
    w : ndarray of shape (k,)
    sweeps : int
    """
    w = start.copy()
    q = np.zeros(w.size)
    add_gram_columns(G, np.flatnonzero(w), w, q)
    # What steps are measured by: the penalty, or, where there is none, the size of the problem.
    largest = max(threshold.max(initial=0.0), 1e-12 * np.abs(c).max(initial=0.0), np.finfo(np.float64).tiny)
    unit = np.where(threshold > 0.0, threshold, largest)
    done, bout, failures = 0, _FIRST_BOUT if finish else max_sweeps, 0
    bouts, next_pivots = 0, 0
    while done < max_sweeps:
        step, sweeps = _descend(G, c, threshold, unit, w, q, positive, min(bout, max_sweeps - done), tol)
        done, bout = done + sweeps, _BOUT
        if step <= tol or not finish:
            break
        if bouts >= next_pivots:
            solved = _pivot(G, c, threshold, w, positive)
            if solved is not None:
                return solved, done
            next_pivots = 2 * bouts + 1
        bouts += 1
        jumped = _jump(G, c, threshold, w, q, positive)
        failures = failures + 1 if jumped is None else 0
        if failures >= _FAILURES:
            if G.dtype == np.float32:
                break
            bout = _BOUT << (failures - _FAILURES + 1)
        if jumped is not None:
            w, q, optimal = jumped
            if optimal:
                break
    return w, done


def _pivot(G, c, threshold, w, positive):
    """Guess the signs, solve for them, put all that are wrong right, and so on: the exact answer, or None.

    Block principal pivoting (Judice and Pires 1994; Kim and Park 2011, for bounds at zero), here with two signs. It
    need not come to an end, and is given up when the number of wrong ones does not go down.
    """
    signs = np.sign(w)
    # What rounding makes of G w, whose size is that of c.
    slack_allowed = 1e-6 * threshold + 8.0 * np.finfo(G.dtype).eps * np.abs(c).max(initial=0.0)
    last, best, increases, idle = np.inf, np.inf, 0, 0
    while True:
        support = np.flatnonzero(signs)
        solved = (
            _solve(G, support, c[support] - threshold[support] * signs[support]) if support.size else None
        )
        if solved is None:
            return None
        new = np.zeros_like(w)
        new[support] = solved
        slack = _image(G, new) - c
        leaves = (signs != 0.0) & (new * signs <= 0.0)
        pull = -slack if positive else np.abs(slack)
        enters = (signs == 0.0) & (pull > threshold + slack_allowed)
        wrong = np.count_nonzero(leaves) + np.count_nonzero(enters)
        if wrong == 0:
            return new
        increases = increases + 1 if wrong >= last else 0
        idle = 0 if wrong < best else idle + 1
        if wrong > _HOPELESS * support.size or increases == _MOST_INCREASES or idle == _MOST_IDLE:
            return None
        last, best = wrong, min(wrong, best)
        signs[leaves] = 0.0
        signs[enters] = -np.sign(slack[enters])


def _jump(G, c, threshold, w, q, positive):
    """Go towards the exact minimiser for the present signs, as far as it pays; None where it does not.

    Returns the new w, G w, and whether it is optimal.
    """
    support = np.flatnonzero(w)
    if support.size == 0:
        return None
    signs = np.sign(w[support])
    solved = _solve(G, support, c[support] - threshold[support] * signs)
    if solved is None:
        return None
    keeps = solved * signs > 0
    new = np.zeros_like(w)
    new[support[keeps]] = solved[keeps]
    new_q = _image(G, new)
    value = _value(c, threshold, w, q)
    if _value(c, threshold, new, new_q) > value + 1e-12 * abs(value):
        direction = np.zeros_like(w)
        direction[support] = solved - w[support]
        length = _exact_length(c, threshold, w, q, direction, _image(G, direction), positive)
        new = w + length * direction
        new[np.abs(new) <= 1e-14 * np.abs(w)] = 0.0  # it stops where one of them is zero, but for rounding
        new_q = _image(G, new)
        if _value(c, threshold, new, new_q) > value:
            return None
    slack = new_q - c
    inside = (-slack if positive else np.abs(slack)) <= threshold * (1 + 1e-6)
    return new, new_q, bool(keeps.all() and inside.all())


def _image(G, w):
    out = np.zeros(w.size)
    add_gram_columns(G, np.flatnonzero(w), w, out)
    return out


def _exact_length(c, threshold, w, q, direction, image, positive):
    """The minimiser of the objective over w + t direction, 0 <= t <= 1: a piecewise quadratic, piece by piece."""
    moving = direction != 0.0
    with np.errstate(divide="ignore"):
        zeros = np.where(moving & (w * direction < 0.0), -w / np.where(moving, direction, 1.0), np.inf)
    order = np.argsort(zeros)
    curvature = float(direction @ image)
    slope = float((q - c) @ direction + (threshold * np.sign(w)) @ direction)
    if slope >= 0.0 or curvature <= 0.0:
        return 0.0
    for j in order:
        end = min(zeros[j], 1.0)
        if slope + end * curvature >= 0.0:
            return -slope / curvature
        if end >= 1.0:
            return 1.0
        if positive:
            return end
        slope += 2.0 * threshold[j] * abs(direction[j])
        if slope + end * curvature >= 0.0:
            return end
    return 1.0


def _solve(G, support, right_side):
    """Solve on the support by Cholesky in G's precision, refined twice against G; None where that fails.

    A ridge of the size of rounding keeps duplicated columns apart; refinement takes its effect out again.
    """
    factorise, substitute = (
        (lapack.spotrf, lapack.spotrs) if G.dtype == np.float32 else (lapack.dpotrf, lapack.dpotrs)
    )
    part = _gather(G, support)
    part.flat[:: support.size + 1] *= 1.0 + _RIDGE * np.finfo(G.dtype).eps
    factor, info = factorise(part.T, lower=0, overwrite_a=1, clean=0)
    if info != 0:
        return None
    solved = np.zeros(support.size)
    full = np.zeros(G.shape[0])
    remaining = right_side
    for _ in range(3):
        step, _info = substitute(factor, remaining.astype(G.dtype), lower=0)
        solved += step
        full[support] = solved
        product = np.zeros(G.shape[0])
        add_gram_columns(G, support, full, product)
        remaining = right_side - product[support]
    return solved if np.isfinite(solved).all() else None


def _value(c, threshold, w, q):
    return 0.5 * (w @ q) - c @ w + threshold @ np.abs(w)


@finite_kernel
def add_gram_columns(G, columns, w, out):
    """Add G w to `out`, where w is zero outside of `columns`."""
    for j in columns:
        factor = w[j]
        for i in range(out.size):
            out[i] += factor * G[j, i]


@kernel
def _gather(G, support):
    """The lower triangle of a principal part of G."""
    out = np.empty((support.size, support.size), G.dtype)
    for a in range(support.size):
        for b in range(a + 1):
            out[a, b] = G[support[a], support[b]]
    return out


@finite_kernel
def _descend(G, c, threshold, unit, w, q, positive, max_sweeps, tol):
    """Sweeps over all coordinates, w and q = G w in place.

    Returns the largest scaled step of the last sweep, and the number of sweeps.
    """
    k = w.size
    history_w = np.empty((_MEMORY + 1, k))
    history_q = np.empty((_MEMORY + 1, k))
    history_w[0], history_q[0] = w, q
    kept, sweeps, largest = 0, 0, 0.0
    while sweeps < max_sweeps:
        sweeps += 1
        largest = 0.0
        for j in range(k):
            curvature, old, new = G[j, j], w[j], 0.0
            target = old * curvature - q[j] + c[j]
            if target > threshold[j]:
                new = (target - threshold[j]) / curvature
            elif target < -threshold[j] and not positive:
                new = (target + threshold[j]) / curvature
            if new != old:
                change = new - old
                w[j] = new
                for i in range(k):
                    q[i] += change * G[j, i]
                largest = max(largest, abs(change) * curvature / unit[j])
        if largest <= tol:
            break
        kept += 1
        history_w[kept], history_q[kept] = w, q
        if kept == _MEMORY:
            _extrapolate(history_w, history_q, c, threshold, w, q, positive)
            history_w[0], history_q[0] = w, q
            kept = 0
    return largest, sweeps


@finite_kernel
def extrapolation_weights(history):
    """Weights of sum 1 of the newer iterates, whose combination of steps is shortest (Anderson)."""
    m = history.shape[0] - 1
    products = np.empty((m, m))
    for a in range(m):
        for b in range(a + 1):
            total = 0.0
            for i in range(history.shape[1]):
                total += (history[a + 1, i] - history[a, i]) * (history[b + 1, i] - history[b, i])
            products[a, b] = total
            products[b, a] = total
    trace = 0.0
    for a in range(m):
        trace += products[a, a]
    weights = np.ones(m) / m
    if trace > 0.0:
        for a in range(m):
            products[a, a] += 1e-12 * trace
        weights = np.linalg.solve(products, np.ones(m))
        weights /= weights.sum()
    return weights


@finite_kernel
def _extrapolate(history_w, history_q, c, threshold, w, q, positive):
    """Replace w by the extrapolated iterate where that is better: G w is extrapolated with it, at no cost."""
    weights = extrapolation_weights(history_w)
    k = w.size
    new, new_q = np.zeros(k), np.zeros(k)
    for a in range(weights.size):
        for i in range(k):
            new[i] += weights[a] * history_w[a + 1, i]
            new_q[i] += weights[a] * history_q[a + 1, i]
    value, new_value = 0.0, 0.0
    for i in range(k):
        if positive and new[i] < 0.0:
            return
        value += 0.5 * w[i] * q[i] - c[i] * w[i] + threshold[i] * abs(w[i])
        new_value += 0.5 * new[i] * new_q[i] - c[i] * new[i] + threshold[i] * abs(new[i])
    if new_value < value:
        w[:] = new
        q[:] = new_q
