"""Products of new factors with coefficients."""

from __future__ import annotations

import numpy as np

from ...operators.kronecker import mode_products

# Numbers that are in hand at once.
_CHUNK_CELLS = 1 << 22


def predict_means(factors: list[np.ndarray], coef: np.ndarray) -> np.ndarray:
    """Return (A_1 (x) A_2 (x) ...) coef'.

    Parameters
    ----------
    factors : list of ndarray of shape (n_k, d_k)
    coef : ndarray of shape (d,) or (n_targets, d)

    Returns
    -------
    ndarray of shape (n,) or (n, n_targets)
    """
    tensor = coef.reshape(-1, *(factor.shape[1] for factor in factors))
    means = mode_products(tensor, factors).reshape(len(tensor), -1)
    return means[0] if coef.ndim == 1 else np.ascontiguousarray(means.T)


def prediction_lengths(factors: list[np.ndarray], root: np.ndarray, intercept: bool) -> np.ndarray:
    """Return the norm of each row of [A 1] root, for the Kronecker product A of the factors.

    Parameters
    ----------
    root : ndarray of shape (d + 1, rank)
    """
    first, *others = factors
    if root.shape[1] == 0:  # nothing but zeros in the fit
        return np.zeros(int(np.prod([len(factor) for factor in factors])))
    constant = (root[-1] * intercept)[:, None]
    core = root[:-1].T.reshape(root.shape[1], *(factor.shape[1] for factor in factors))
    core = mode_products(core, [None, *others])
    step = max(1, _CHUNK_CELLS // max(1, core.size // first.shape[1]))
    parts = []
    for start in range(0, first.shape[0], step):
        made = mode_products(core, [first[start : start + step]] + [None] * len(others))
        made = made.reshape(root.shape[1], -1) + constant
        parts.append(np.sqrt(np.einsum("ij,ij->j", made, made)))
    return np.concatenate(parts)
