"""The backward error of a least squares solution, and the error bounds that follow from it."""

from __future__ import annotations

import numpy as np
from scipy.linalg import solve_triangular

from .factor import root_svd, stacked_root

_FEW_TARGETS = 8


def backward_error(root, gradient, objective, Z, target_norms, unscale) -> np.ndarray:
    """Karlson-Walden estimate of the backward error, relative to the Frobenius norm of the matrix.

    For a solution x with residual r, and theta = ||A||_F / ||b||,

        mu = theta / sqrt(1 + theta^2 |x|^2) * || (A'A + omega^2 I)^(-1/2) A'r || / ||A||_F ,
        omega^2 = theta^2 |r|^2 / (1 + theta^2 |x|^2) .

    It lies within a factor of sqrt(2) of the size of the smallest change of (A, theta b) that makes x an exact
    solution (Gratton, Jiranek and Titley-Peloquin, SIAM J. Matrix Anal. Appl. 33, 2012).

    Parameters
    ----------
    root : ndarray of shape (n_unknowns, n_unknowns)
        R with R'R the normal matrix of the scaled problem, the ridge rows included.
    gradient, Z : ndarray of shape (n_unknowns, n_targets)
        A'r and x of the scaled problem.
    objective, target_norms : ndarray of shape (n_targets,)
        |r|^2 and |b|.
    unscale : ndarray of shape (n_unknowns,)
        The backward error is that of the matrix R diag(1/unscale), whose solution is diag(unscale) Z.

    Returns
    -------
    ndarray of shape (n_targets,)
    """
    norm = np.linalg.norm(root / unscale)
    norms = np.linalg.norm(unscale[:, None] * Z, axis=0)
    with np.errstate(divide="ignore", invalid="ignore"):
        theta = norm / target_norms
        damping = np.sqrt(objective) / np.sqrt(target_norms**2 / norm**2 + norms**2)
        front = 1.0 / np.sqrt(target_norms**2 / norm**2 + norms**2) / norm
    errors = np.zeros(len(objective))
    active = np.flatnonzero((target_norms > 0) & (objective > 0) & (theta > 0) & np.isfinite(theta))
    lengths = _damped_lengths(root, unscale, gradient[:, active], damping[active])
    errors[active] = front[active] * lengths
    errors[~np.isfinite(gradient).all(axis=0) | ~np.isfinite(objective)] = np.nan
    return errors


def _damped_lengths(root, unscale, G, damping) -> np.ndarray:
    """Return sqrt(g' (R'R + damping^2 diag(unscale)^2)^-1 g) for each column g."""
    if G.shape[1] <= _FEW_TARGETS:
        lengths = np.empty(G.shape[1])
        for k, amount in enumerate(damping):
            damped = stacked_root(root, np.diag(amount * unscale), triangular=True)
            lengths[k] = np.linalg.norm(solve_triangular(damped, G[:, k], trans="T", check_finite=False))
        return lengths
    _, values, right = root_svd(root / unscale)
    return np.linalg.norm(
        (right @ (G / unscale[:, None])) / np.sqrt(values[:, None] ** 2 + damping**2),
        axis=0,
    )


def forward_error_bound(inverse, norm, Z, objective, target_norms, error) -> np.ndarray:
    """First-order bound of the change of each scaled unknown that a backward error can hide (Wedin).

    |dz_i| <= error ||A||_F ( ||e_i' A^+|| (|z| + |b| / ||A||_F) + ||e_i' (A'A)^-1|| |r| )

    Parameters
    ----------
    inverse : ndarray of shape (n_unknowns, rank)
        A matrix B with B B' the pseudo-inverse of the normal matrix.
    norm : float
        ||A||_F.

    Returns
    -------
    ndarray of shape (n_unknowns, n_targets)
    """
    if inverse.shape[1] == 0:
        return np.zeros(Z.shape)  # nothing but zeros: the solution is exact
    pseudo_inverse_rows = np.linalg.norm(inverse, axis=1)[:, None]
    covariance_rows = np.linalg.norm(inverse @ inverse.T, axis=1)[:, None]
    lengths = np.linalg.norm(Z, axis=0) + target_norms / norm
    return error * norm * (pseudo_inverse_rows * lengths + covariance_rows * np.sqrt(objective))
