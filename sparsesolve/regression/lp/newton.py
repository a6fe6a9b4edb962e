"""Newton's method for 1 < p < inf, along a path of powers (p > 2) or of smoothings (p < 2).

A Newton step for sum_i w_i |r_i|^p is a least squares problem with weights |r_i|^(p - 2), as in iteratively
reweighted least squares; what is different is the length of the step, and that it converges quadratically. Far powers
are reached through nearer ones: at p, the minimiser for p / 2 is a good start (Adil, Peng and Sachdeva, "Fast,
provably convergent IRLS algorithm for p-norm linear regression", NeurIPS 2019). For p < 2 the second derivative is
infinite at zero; (r^2 + e^2)^(p/2) is minimised for falling e.

The linearised gradient after a full step, u = f'(r) - f''(r) A dx, fulfils A'u = 0: each step brings a proof.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from .certificate import Bound, Fit, fit_of, lower_bound, project, solve_factored, triangular_factor
from .problem import Problem

_GROWTH = 1.7
_SHRINK = 0.15
_LEAST_SMOOTHING = 1e-14
# A stage is left when the Newton decrement is this small; the last one goes on.
_STAGE_DECREMENT = 1e-3
_STEPS_IN_STAGE, _LAST_STEPS = 25, 100
_STAGNANT = 4


def newton(problem: Problem, x: np.ndarray, stage: str = "newton", sample_size: int = 0) -> Iterator[Fit]:
    """Fits that get better, from x on.

    Parameters
    ----------
    problem : Problem
        With a `Norm` of 1 < p < inf.
    x : ndarray of shape (d,)

    Yields
    ------
    Fit
        After each step; the best proof so far with each.
    """
    p, weights = problem.loss.p, problem.loss.weights
    best = None
    residual = problem.residual(x)
    least, stagnant = np.inf, 0
    near = sample_size > 0
    for power, smoothing in _path(p, near, _typical(residual)):
        last = power == p and smoothing <= (_LEAST_SMOOTHING if p < 2 else 0.0)
        for _ in range(_LAST_STEPS if last else _STEPS_IN_STAGE):
            scale = max(float(np.abs(residual).max()), np.finfo(float).tiny)
            slope, curvature = _derivatives(residual / scale, power, smoothing)
            metric = weights * curvature
            factor = triangular_factor(problem.A.gram(metric))
            gradient = problem.A.adjoint(weights * slope)
            dx = solve_factored(factor, gradient)
            product = problem.A.apply(dx)
            u = project(problem, weights * (slope - curvature * product), metric, factor)
            bound = lower_bound(problem, u, residual)
            best = bound if best is None or bound.value > best.value else best
            decrement = float(gradient @ dx) / max(float(np.sum(weights * slope * residual / scale)), 1e-300)
            length = _line_search(residual / scale, product, weights, power, smoothing)
            x = x + length * scale * dx
            residual = residual - length * scale * product
            fit = fit_of(problem, x, residual, best, stage, sample_size)
            yield fit
            if decrement <= _STAGE_DECREMENT and not last:
                break
            if last:
                stagnant = 0 if fit.gap < 0.9 * least else stagnant + 1
                least = min(least, fit.gap)
                if stagnant >= _STAGNANT:
                    return
        residual = problem.residual(x)


def _path(p: float, near: bool, typical: float) -> Iterator[tuple[float, float]]:
    """The powers and smoothings of the stages."""
    if p >= 2:
        power = p if near else min(p, 3.0)
        while power < p:
            yield power, 0.0
            power = min(p, _GROWTH * power)
        yield p, 0.0
        return
    smoothing = (0.1 if near else 1.0) * typical
    while smoothing > _LEAST_SMOOTHING:
        yield p, smoothing
        smoothing *= _SHRINK
    yield p, _LEAST_SMOOTHING


def _derivatives(r, p, smoothing):
    """First and second derivatives of (r^2 + e^2)^(p/2) / p."""
    if smoothing == 0:
        size = np.abs(r)
        curvature = size ** (p - 2.0)
        return curvature * r, np.maximum((p - 1.0) * curvature, 1e-30)
    squares = r * r + smoothing**2
    power = squares ** (0.5 * p - 1.0)
    return power * r, power * ((p - 1.0) * r * r + smoothing**2) / squares


def _line_search(r, product, weights, p, smoothing) -> float:
    """The step along r - t product, nearly where the derivative is zero. The full step is tried first."""

    def slope_at(t):
        slope, curvature = _derivatives(r - t * product, p, smoothing)
        return -float(product @ (weights * slope)), float((product * product) @ (weights * curvature))

    begin = slope_at(0.0)[0]
    low, high, t = 0.0, np.inf, 1.0
    for _ in range(40):
        slope, curvature = slope_at(t)
        if abs(slope) <= 0.1 * abs(begin):
            return t
        if slope < 0:
            low = t
        else:
            high = t
        ahead = t - slope / curvature if curvature > 0 else np.inf
        if np.isinf(high):
            t = min(max(ahead, 1.1 * t), 4.0 * t)
        else:
            t = ahead if low < ahead < high and (high - low) < 0.5 * high else 0.5 * (low + high)
    return t


def smoothed_bound(problem: Problem, residual: np.ndarray) -> Bound:
    """A lower bound from the residuals at any x near the minimiser: the linearised gradient of a Newton step."""
    p, weights = problem.loss.p, problem.loss.weights
    scale = max(float(np.abs(residual).max()), np.finfo(float).tiny)
    typical = _typical(residual)
    best = None
    for smoothing in (1.0, 0.1) if p < 2 else (0.0,):
        slope, curvature = _derivatives(residual / scale, p, smoothing * typical)
        u = project(problem, weights * slope, weights * curvature)
        bound = lower_bound(problem, u, residual)
        best = bound if best is None or bound.value > best.value else best
    return best


def _typical(residual: np.ndarray) -> float:
    """The median size of a residual relative to the largest one."""
    sizes = np.abs(residual)
    largest = sizes.max()
    return max(float(np.median(sizes) / largest), 1e-6) if largest > 0 else 1.0
