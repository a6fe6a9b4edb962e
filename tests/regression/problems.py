"""Least squares problems with a known condition number and residual."""

import numpy as np


def graded(rng, n_rows, n_columns, condition, residual, spread=0):
    """A of the given condition number, unit solution, and b with a residual of the given norm.

    `spread` scales the columns over that many powers of ten to either side, which no solver should notice.
    """
    U = np.linalg.qr(rng.standard_normal((n_rows, n_columns + 1)))[0]
    V = np.linalg.qr(rng.standard_normal((n_columns, n_columns)))[0]
    values = np.geomspace(1.0, 1.0 / condition, n_columns)
    A = (U[:, :-1] * values) @ V.T
    x = rng.standard_normal(n_columns)
    b = A @ (x / np.linalg.norm(x)) + residual * U[:, -1]
    if spread:
        A = A * 10.0 ** rng.uniform(-spread, spread, n_columns)
    return A, b


def adversary(n_rows, n_columns, spikes, seed):
    """The identity on top of zeros, and a residual in few rows below: sparse sketches fail on it.

    The spikes lie in the lower half, in other blocks of a block sketch than the identity: within one block its
    columns are orthogonal, and the error would be 0. x* = 0, ||A^+|| = ||e|| = 1.
    """
    rng = np.random.default_rng(seed)
    A = np.zeros((n_rows, n_columns))
    A[:n_columns] = np.eye(n_columns)
    b = np.zeros(n_rows)
    half = n_rows // 2
    places = half + rng.choice(n_rows - half, spikes, replace=False)
    b[places] = rng.choice([-1.0, 1.0], spikes) / np.sqrt(spikes)
    return A, b
