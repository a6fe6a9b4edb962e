"""Kernels of the central path: residual variances and gradient from one product, and Adam's direction."""

from __future__ import annotations

import numpy as np

from ..backends.jit import kernel


@kernel
def fill_residuals(weights, residuals):
    """Write R = I - W."""
    d = weights.shape[0]
    for i in range(d):
        for j in range(d):
            residuals[i, j] = -weights[i, j]
        residuals[i, i] += 1.0


@kernel
def fill_variances(residuals, product, variances):
    """Write the residual variances ``diag(R' C R)``, not below 0, from R and C R."""
    d = residuals.shape[0]
    variances[:] = 0.0
    for i in range(d):
        for j in range(d):
            variances[j] += residuals[i, j] * product[i, j]
    for j in range(d):
        variances[j] = max(variances[j], 0.0)


@kernel
def adam_direction(
    weights, product, scales, inverse, allowed, mu, alpha, betas, step, first, second, direction
):  # fmt: skip
    """Take the subgradient of the stage's objective into the moments, and write the direction of the step.

    Parameters
    ----------
    weights, product, inverse : ndarray of float64, shape (d, d)
        W, C R and ``(s I - W.W)^-T``.
    scales : ndarray of float64, shape (d,)
    allowed : ndarray of bool, shape (d, d)
    mu, alpha : float
    betas : tuple of two float
    step : int
        Number of this step since the moments were zero, from 1.
    first, second, direction : ndarray of float64, shape (d, d)
        Moments, changed, and the direction, overwritten.
    """
    d = weights.shape[0]
    decay, decay2 = betas
    unbias, unbias2 = 1.0 / (1.0 - decay**step), 1.0 / (1.0 - decay2**step)
    for i in range(d):
        for j in range(d):
            gradient = 2.0 * weights[i, j] * inverse[i, j]
            gradient += mu * (alpha * np.sign(weights[i, j]) - product[i, j] / scales[j])
            gradient = gradient if allowed[i, j] else 0.0
            first[i, j] = decay * first[i, j] + (1.0 - decay) * gradient
            second[i, j] = decay2 * second[i, j] + (1.0 - decay2) * gradient * gradient
            direction[i, j] = first[i, j] * unbias / (np.sqrt(second[i, j] * unbias2) + 1e-8)
