"""A whole iteration, E-step and M-step, compiled: for problems where calls would cost more than arithmetic.

The packed arrays are those of the E-step.
"""

from __future__ import annotations

import numpy as np

from ..backends.jit import kernel
from ..operators.kronecker_kernels import weighted_marginal
from .kernels import alternate, kronecker_into, norm_of, squared_change
from .moment_kernels import EPS, decompose, modulus, moments, weigh

# The M-steps.
ALTERNATE, RANK_ONE, MULTIPLY = 0, 1, 2
# Steps of the power method before a full decomposition, and when it has settled.
_POWER_STEPS, _SETTLED = 60, 4.0 * EPS


@kernel
def leading_vector(gram, vector):
    """Leading eigenvector of a matrix of nonnegative numbers, in place, from a start; nonnegative too."""
    n = vector.size
    size = norm_of(vector)
    if size == 0.0:
        vector[:] = 1.0
        size = np.sqrt(n)
    vector /= size
    for _ in range(_POWER_STEPS):
        image = np.dot(gram, vector)
        size = norm_of(image)
        if size == 0.0:
            return
        image /= size
        change = np.max(np.abs(image - vector))
        vector[:] = image
        if change <= _SETTLED:
            return
    vector[:] = np.abs(np.ascontiguousarray(np.linalg.eigh(gram)[1][:, n - 1]))


@kernel
def approximate(moment, gammas, starts):
    """The SVD-based M-step, see `rank_one_step`; power steps begin with the gammas, which are overwritten."""
    n_modes = starts.size - 1
    rest = moment
    for i in range(n_modes - 1):
        n = starts[i + 1] - starts[i]
        X = rest.reshape((n, rest.size // n))
        left = gammas[starts[i] : starts[i + 1]]
        if n <= X.shape[1]:
            leading_vector(np.dot(X, X.T), left)
            rest = np.dot(left, X)
        else:
            right = np.dot(left, X)
            leading_vector(np.dot(X.T, X), right)
            left[:] = np.dot(X, right)
            size = norm_of(left)
            if size > 0.0:
                left /= size
            rest = right * size
    gammas[starts[n_modes - 1] :] = rest


@kernel
def multiply(tensor, inverse, values, tops, images, heights, gammas, starts, n_snapshots, exponent):
    """Multiplicative steps on all modes at once, in place; see `Posterior.slopes`."""
    n_modes = heights.size
    size = inverse.size
    left, right = np.empty(size), np.empty(size * n_snapshots)
    weighted = np.empty_like(tensor)
    place = 0
    for i in range(n_modes):
        m, n = heights[i], starts[i + 1] - starts[i]
        n_left = kronecker_into(values, 0, i, tops, left)
        n_right = kronecker_into(values, i + 1, n_modes, tops, right)
        trace = np.empty(m)
        weighted_marginal(inverse.reshape((n_left, m, n_right)), left[:n_left], right[:n_right], trace)
        wide = n_right * n_snapshots
        X, Y = tensor.reshape((n_left, m, wide)), weighted.reshape((n_left, m, wide))
        for a in range(n_left):
            for q in range(m):
                for b in range(wide):
                    Y[a, q, b] = (X[a, q, b] * (left[a] * right[b // n_snapshots])).conjugate()
        if wide == 1:
            gram = np.dot(tensor.reshape((n_left, m)).T, weighted.reshape((n_left, m)))
        else:
            gram = np.dot(X[0], Y[0].T)
            for a in range(1, n_left):
                gram += np.dot(X[a], Y[a].T)
        # G^1/2 is in the images: it drops out of the ratio.
        V = images[place : place + m * n].reshape((n, m))
        place += m * n
        B = np.dot(V, gram)
        for j in range(n):
            numerator, denominator = 0.0, 0.0
            for q in range(m):
                numerator += (B[j, q] * np.conj(V[j, q])).real
                denominator += modulus(V[j, q]) * trace[q]
            if gammas[starts[i] + j] > 0.0 and denominator > 0.0:
                ratio = max(numerator, 0.0) / n_snapshots / denominator
                gammas[starts[i] + j] *= np.sqrt(ratio) if exponent == 0.5 else ratio**exponent


@kernel
def equalise(gammas, starts):
    """Give all factors of a Kronecker product the same norm, in place."""
    n_modes = starts.size - 1
    logs = 0.0
    norms = np.empty(n_modes)
    for i in range(n_modes):
        norms[i] = norm_of(gammas[starts[i] : starts[i + 1]])
        if norms[i] == 0.0:
            gammas[:] = 0.0
            return
        logs += np.log(norms[i])
    common = np.exp(logs / n_modes)
    for i in range(n_modes):
        gammas[starts[i] : starts[i + 1]] *= common / norms[i]


@kernel
def advance(
    rule, factors, heights, gammas, starts, data, n_snapshots, noise_variance, rest, dropped, tol, cap, out
):
    """One iteration from `gammas`; the next go to `out`. `tol` is the exponent of multiplicative steps.

    Returns log det S_y without the problem's log volume, the quadratic term, the next noise variance, and the squared
    relative change of the Kronecker product of the gammas.
    """
    n_modes = heights.size
    tops = np.zeros(n_modes + 1, np.int64)
    for i in range(n_modes):
        tops[i + 1] = tops[i] + heights[i]
    values, images = np.empty(tops[n_modes]), np.empty_like(factors)
    inverse = np.empty(data.size // n_snapshots)
    tensor = decompose(factors, heights, gammas, starts, data, values, images)
    logs, quadratic, squares, trace, freedom = weigh(
        tensor, values, tops, n_snapshots, noise_variance, inverse
    )
    out[:] = gammas
    n_measurements = inverse.size + dropped
    if rule == MULTIPLY:
        multiply(tensor, inverse, values, tops, images, heights, out, starts, n_snapshots, tol)
        pull = (squares + rest / noise_variance**2) / n_snapshots
        noise = noise_variance * np.sqrt(pull / (trace + dropped / noise_variance))
    else:
        moment = moments(tensor, values, images, heights, gammas, starts, n_snapshots, noise_variance)
        if rule == ALTERNATE:
            alternate(moment, out, starts, tol, cap)
        else:
            approximate(moment, out, starts)
        residual = (noise_variance**2 * squares + rest) / n_snapshots
        noise = (residual + noise_variance * freedom) / n_measurements
    equalise(out, starts)
    change, norm = squared_change(gammas, out, starts)
    logs += dropped * np.log(noise_variance)
    return logs, quadratic + rest / noise_variance, noise, change / norm if norm > 0.0 else 0.0
