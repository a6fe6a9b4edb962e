"""The E-step, compiled: eigendecompositions, weighted data, variances and moments, on packed arrays.

Everything is packed into flat arrays, so that one signature a dtype serves any number of modes. A product with one
matrix a mode turns the axes by one place with each matrix, and so is one BLAS call a mode on contiguous memory.
"""

from __future__ import annotations

import numpy as np

from ..backends.jit import kernel
from .kernels import kronecker_into

EPS = np.finfo(np.float64).eps


@kernel
def modulus(value):
    """Squared modulus."""
    return value.real * value.real + value.imag * value.imag


@kernel
def decompose(factors, heights, gammas, starts, data, values, images):
    """Eigenvalues p of A_i diag(g_i) A_i^H into `values`, G_i^1/2 A_i^H U_i into `images`; returns U^H y.

    `data` has axes (T, m_1, ..., m_I), what is returned (m_1, ..., m_I, T). `images` has the layout of the A_i, each
    transposed.
    """
    n_modes = heights.size
    tensor = data
    place, row = factors.size, values.size
    for i in range(n_modes - 1, -1, -1):
        m, n = heights[i], starts[i + 1] - starts[i]
        place, row = place - m * n, row - m
        gamma = gammas[starts[i] : starts[i + 1]]
        R = factors[place : place + m * n].reshape((m, n)) * np.sqrt(gamma)
        adjoint = np.ascontiguousarray(R.conj().T)
        p, vectors = np.linalg.eigh(np.dot(R, adjoint))
        U = np.ascontiguousarray(vectors)
        for q in range(m):
            values[row + q] = max(p[q], 0.0)
        images[place : place + m * n] = np.dot(adjoint, U).reshape(m * n)
        turned = np.ascontiguousarray(U.conj().T)
        tensor = np.dot(turned, tensor.reshape((tensor.size // m, m)).T).reshape(tensor.size)
    return tensor


@kernel
def weigh(tensor, values, tops, n_snapshots, noise_variance, inverse):
    """Fill 1 / (s2 + p), weigh the tensor by it in place, and return sums that everything else needs.

    Returns log det S_y, y^H S_y^-1 y, |S_y^-1 y|^2, trace of S_y^-1 and the sum of p / (s2 + p), without the dropped
    dimensions; the second and third summed over snapshots.
    """
    size = kronecker_into(values, 0, tops.size - 1, tops, inverse)
    logs, quadratic, squares, trace, freedom = 0.0, 0.0, 0.0, 0.0, 0.0
    for k in range(size):
        p = inverse[k]
        d = 1.0 / (noise_variance + p)
        inverse[k] = d
        logs += np.log(noise_variance + p)
        trace += d
        freedom += p * d
        for t in range(k * n_snapshots, (k + 1) * n_snapshots):
            power = modulus(tensor[t]) * d
            quadratic += power
            squares += power * d
            tensor[t] = tensor[t] * d
    return logs, quadratic, squares, trace, freedom


@kernel
def turn_back(tensor, matrices, heights, starts):
    """Product of a tensor (m_1, ..., m_I, rest) with one n_i x m_i matrix a mode: (rest, n_1, ..., n_I), flat."""
    place = 0
    for i in range(heights.size):
        m, n = heights[i], starts[i + 1] - starts[i]
        matrix = matrices[place : place + m * n].reshape((n, m))
        place += m * n
        tensor = np.dot(tensor.reshape((m, tensor.size // m)).T, matrix.T).reshape(tensor.size // m * n)
    return tensor


@kernel
def variances(values, images, heights, gammas, starts, noise_variance):
    """Posterior variances, flat; every term is at least 0, see `Posterior.variance_of`."""
    n_modes = heights.size
    wider = np.empty(n_modes, np.int64)
    tops = np.zeros(n_modes + 1, np.int64)
    shares = np.empty(images.size + gammas.size)
    extended = np.zeros(values.size + n_modes)
    place, room, row, size = 0, 0, 0, 1
    for i in range(n_modes):
        m, n = heights[i], starts[i + 1] - starts[i]
        p = values[row : row + m]
        least = m * EPS * p[m - 1]
        complete = m == n and p[0] > least
        width = m if complete else m + 1
        wider[i], tops[i + 1] = width, tops[i] + width
        V = images[place : place + m * n].reshape((n, m))
        share = shares[room : room + n * width].reshape((n, width))
        lengths = np.zeros(m)
        for j in range(n):
            for q in range(m):
                lengths[q] += modulus(V[j, q])
        for q in range(m):
            seen = p[q] > least
            extended[tops[i] + q] = p[q] if seen else 0.0
            lengths[q] = 1.0 / lengths[q] if seen else 0.0
        for j in range(n):
            gamma, left = gammas[starts[i] + j], 1.0
            for q in range(m):
                part = modulus(V[j, q]) * lengths[q]
                share[j, q] = gamma * part
                left -= part
            if not complete:
                share[j, m] = gamma * max(left, 0.0)
        place, room, row, size = place + m * n, room + n * width, row + m, size * width
    core = np.empty(size)
    kronecker_into(extended, 0, n_modes, tops, core)
    for k in range(size):
        core[k] = noise_variance / (noise_variance + core[k])
    return turn_back(core, shares, wider, starts)


@kernel
def moments(tensor, values, images, heights, gammas, starts, n_snapshots, noise_variance):
    """E |x|^2, mean over the snapshots, flat."""
    total = variances(values, images, heights, gammas, starts, noise_variance)
    matrices = np.empty_like(images)
    place = 0
    for i in range(heights.size):
        m = heights[i]
        for j in range(starts[i], starts[i + 1]):
            root = np.sqrt(gammas[j])
            for _ in range(m):
                matrices[place] = images[place] * root
                place += 1
    mean = turn_back(tensor, matrices, heights, starts)
    for t in range(n_snapshots):
        for k in range(total.size):
            total[k] += modulus(mean[t * total.size + k]) / n_snapshots
    return total
