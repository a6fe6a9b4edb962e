"""Least squares problems of known condition number, residual and coherence."""

from __future__ import annotations

import numpy as np

# How much longer the rows of a coherent matrix are: their leverage scores come close to 1.
_HEAVY = 1e4


def make_regression_problem(
    n_samples: int,
    n_features: int,
    *,
    condition: float = 1e3,
    residual: float = 1.0,
    coherent: bool = False,
    column_scales=None,
    random_state=None,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Make a dense least squares problem min ||A x - b|| with a known solution.

    A = U diag(s) V', with singular values s spaced evenly on a logarithmic scale from 1 down to 1 / condition and
    random orthonormal U and V; b = A x + e with A'e = 0.

    Parameters
    ----------
    n_samples, n_features : int
        Shape of A; n_samples must exceed n_features.
    condition : float, default=1e3
        Ratio of the largest to the smallest singular value of A, before the columns are scaled.
    residual : float, default=1.0
        Norm of e; that of x is 1.
    coherent : bool, default=False
        Whether half as many rows as there are columns have leverage scores close to 1.
    column_scales : array of shape (n_features,), optional
        Factors, none of them 0, that the columns of A are multiplied by, and the entries of x divided by.
    random_state : None, int or numpy.random.Generator

    Returns
    -------
    A : ndarray of shape (n_samples, n_features)
    b : ndarray of shape (n_samples,)
    x : ndarray of shape (n_features,)
        The solution in exact arithmetic, up to rounding errors of A and b of the order of the machine precision.

    Raises
    ------
    ValueError
        If the shape is not tall, condition < 1, residual < 0, or a column scale is 0.

    Notes
    -----
    Complexity: 8 n_samples n_features^2 flops, in matrix products.

    Examples
    --------
    >>> import numpy as np
    >>> from sparsesolve.datasets import make_regression_problem
    >>> A, b, x = make_regression_problem(500, 10, condition=100, random_state=0)
    >>> print(round(np.linalg.cond(A), 6), round(np.linalg.norm(b - A @ x), 6))
    100.0 1.0
    """
    if not n_samples > n_features >= 1:
        raise ValueError(
            f"n_samples={n_samples} must exceed n_features={n_features}, and that must be at least 1."
        )
    if not condition >= 1:
        raise ValueError(f"condition={condition} must be at least 1.")
    if not residual >= 0:
        raise ValueError(f"residual={residual} must be at least 0.")
    rng = np.random.default_rng(random_state)
    basis = rng.standard_normal((n_samples, n_features))
    if coherent:
        basis[rng.choice(n_samples, size=max(1, n_features // 2), replace=False)] *= _HEAVY
    basis = _orthonormal(basis)
    rotation = np.linalg.qr(rng.standard_normal((n_features, n_features)))[0]
    A = basis @ (np.geomspace(1.0, 1.0 / condition, n_features)[:, None] * rotation.T)
    x = rng.standard_normal(n_features)
    x /= np.linalg.norm(x)
    error = rng.standard_normal(n_samples)
    for _ in range(2):  # a second projection removes what rounding left of the first
        error -= basis @ (basis.T @ error)
    b = A @ x + residual / np.linalg.norm(error) * error
    if column_scales is not None:
        scales = np.asarray(column_scales, dtype=np.float64)
        if scales.shape != (n_features,) or not np.all(scales):
            raise ValueError(
                f"column_scales has shape {scales.shape} and {np.sum(scales == 0)} zeros: "
                f"give {n_features} factors other than 0."
            )
        A *= scales
        x /= scales
    return A, b, x


def _orthonormal(basis: np.ndarray) -> np.ndarray:
    """Orthonormalise columns by two rounds of Cholesky QR, faster than Householder's and good to a condition of 1e7."""
    for _ in range(2):
        root = np.linalg.cholesky(basis.T @ basis)
        basis = basis @ np.linalg.inv(root).T
    return basis
