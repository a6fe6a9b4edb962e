"""Loops over samples and classes."""

import math

import numpy as np

from ...backends.jit import kernel, reduction_kernel


@kernel
def probabilities(z, p):
    """Fill p with the softmax of each row of z."""
    for i in range(z.shape[0]):
        top = z[i, 0]
        for k in range(1, z.shape[1]):
            top = max(top, z[i, k])
        total = 0.0
        for k in range(z.shape[1]):
            p[i, k] = math.exp(z[i, k] - top)
            total += p[i, k]
        for k in range(z.shape[1]):
            p[i, k] /= total


@kernel
def losses(z, labels):
    """Minus the logarithms of the labels' probabilities, exact also where these are nearly 1."""
    out = np.empty(z.shape[0])
    for i in range(z.shape[0]):
        own, top = z[i, labels[i]], 0.0
        for k in range(z.shape[1]):
            top = max(top, z[i, k] - own)
        total = 0.0
        for k in range(z.shape[1]):
            if k != labels[i]:
                total += math.exp(z[i, k] - own - top)
        out[i] = math.log1p(total) if top == 0.0 else top + math.log(total + math.exp(-top))
    return out


@kernel
def residuals(p, labels, weights):
    """Weights times label minus probability; 1 - p of the label is the sum of the others, without cancellation."""
    out = np.empty_like(p)
    for i in range(p.shape[0]):
        others = 0.0
        for k in range(p.shape[1]):
            if k != labels[i]:
                others += p[i, k]
                out[i, k] = -weights[i] * p[i, k]
        out[i, labels[i]] = weights[i] * others
    return out


@kernel
def entropy(theta, labels, weights, scale):
    """Weighted sum of the entropies of ``label - scale * theta / weight``."""
    sum_of_all = 0.0
    for i in range(theta.shape[0]):
        others, value = 0.0, 0.0
        for k in range(theta.shape[1]):
            if k != labels[i]:
                q = max(-scale * theta[i, k] / weights[i], 0.0)
                others += q
                if q > 0.0:
                    value -= q * math.log(q)
        if others < 1.0:
            value -= (1.0 - others) * math.log1p(-others)
        sum_of_all += weights[i] * value
    return sum_of_all


@reduction_kernel
def curve(p, weights, z):
    """Replace each row of z by the loss's Hessian there times it: ``weight (diag(p) - p p') z``."""
    for i in range(z.shape[0]):
        mean = z.dtype.type(0.0)
        for k in range(z.shape[1]):
            mean += p[i, k] * z[i, k]
        for k in range(z.shape[1]):
            z[i, k] = weights[i] * p[i, k] * (z[i, k] - mean)
