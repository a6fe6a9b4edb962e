"""The weights along an order for many penalties, and the choice of one by extended BIC."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from .concomitant import concomitant_lasso, forward_edges
from .covariance import natural_units
from .full_regressions import refit


class LassoPath(NamedTuple):
    """Solutions from the largest penalty to the smallest.

    Attributes
    ----------
    alphas : ndarray of shape (n_alphas,)
        Falling.
    adjacencies : ndarray of shape (n_alphas, d, d)
    noise_scales : ndarray of shape (n_alphas, d)
    extended_bic : ndarray of shape (n_alphas,)
        Of least squares on the edges of each: n sum log(residual variance) + edges (log n + 2 log d).
    best : int
        Where it is least.
    """

    alphas: np.ndarray
    adjacencies: np.ndarray
    noise_scales: np.ndarray
    extended_bic: np.ndarray
    best: int


def lasso_path(C: np.ndarray, n: int, order, allowed, noise: str, alphas) -> LassoPath:
    """Solve the concomitant lassos along an order for falling penalties, each from the one before.

    Parameters
    ----------
    C : ndarray of shape (d, d)
    n : int
    order : ndarray of int, shape (d,)
    allowed : ndarray of bool, shape (d, d)
    noise : {"unequal", "equal"}
    alphas : int or array
        How many, from the least without an edge down to a thousandth of it; or which.
    """
    unit = natural_units(C, noise)
    C = C / unit / unit[:, None]
    edges = forward_edges(order, allowed)
    if np.ndim(alphas) == 0:
        deviations = np.sqrt(np.maximum(np.diag(C), np.finfo(float).tiny))
        divisor = np.sqrt(np.mean(deviations**2)) if noise == "equal" else deviations
        largest = float(np.where(edges, np.abs(C) / divisor, 0.0).max(initial=0.0)) or 1.0
        alphas = np.geomspace(largest, 1e-3 * largest, int(alphas))
    alphas = np.sort(np.asarray(alphas, dtype=np.float64))[::-1]
    weights, found, scales, scores = None, [], [], []
    penalty = math.log(n) + 2.0 * math.log(len(C))
    for alpha in alphas:
        fit = concomitant_lasso(C, edges, float(alpha), noise=noise, weights=weights)
        weights = fit.weights
        graph = weights != 0.0
        variances = np.maximum(refit(C, graph)[1], np.finfo(float).tiny)
        if noise == "equal":
            variances = np.full(len(C), variances.mean())
        scores.append(n * float(np.log(variances).sum()) + penalty * float(graph.sum()))
        found.append(weights * unit / unit[:, None])
        scales.append(fit.scales * unit)
    return LassoPath(alphas, np.array(found), np.array(scales), np.array(scores), int(np.argmin(scores)))
