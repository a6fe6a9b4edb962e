"""Samples of the coefficients from their posterior."""

from __future__ import annotations

import numpy as np

from ..operators.kronecker import mode_products, scale_modes
from .posterior import Posterior


def draw(posterior: Posterior, prior_normals: np.ndarray, noise_normals: np.ndarray) -> np.ndarray:
    """Exact samples from the joint posterior, by correcting samples from the prior with simulated data.

    Parameters
    ----------
    posterior : Posterior
    prior_normals : ndarray of shape (S, n_1, ..., n_I)
        Independent, of mean zero and variance one; circular complex where the data are complex.
    noise_normals : ndarray of shape (S, m_1, ..., m_I)
        Likewise, of the shape of `problem.data`.

    Returns
    -------
    ndarray of shape (S, T, n_1, ..., n_I)
        The deviation from the mean is the same for all snapshots of a sample.

    Notes
    -----
    With x from the prior and y' = A x + w, x + E[. | y - y'] has the posterior's mean and covariance. As much work as S
    posterior means; no covariance is formed.
    """
    problem = posterior.problem
    prior = scale_modes(prior_normals, [np.sqrt(gamma) for gamma in posterior.gammas])
    simulated = mode_products(prior, problem.factors)
    simulated += noise_normals * noise_normals.real.dtype.type(np.sqrt(posterior.noise_variance))
    dtype = simulated.dtype
    rotated = mode_products(simulated, [s.vectors.conj().T.astype(dtype) for s in posterior.spectra])
    rotated *= posterior.inverse
    back = [(gamma[:, None] * posterior.image(i)).astype(dtype) for i, gamma in enumerate(posterior.gammas)]
    return (prior - mode_products(rotated, back))[:, None] + posterior.mean()
