"""How much a step may bring, for every unit: the three generalisations of the greedy score to penalties.

Without a penalty all three are ``G_i^2 / (2 D_i)``, the decrease that a step of length ``|G_i| / D_i`` guarantees.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ...prox import Penalty
from .block_model import above_tangent

_TINY = np.finfo(np.float64).tiny
NONSMOOTH_SCORES = ("s", "r", "q")

Total = Callable[[np.ndarray], np.ndarray]


def scores(
    kind: str, penalty: Penalty, x: np.ndarray, gradient: np.ndarray, curvature: np.ndarray, total: Total
) -> np.ndarray:
    """Scores of the units.

    Units off the kinks get at least the smallest positive number: a block with room for more than what scores takes
    the rest of the support, and not units at a kink that would stay there.

    Parameters
    ----------
    kind : {"s", "r", "q"}
        "s": steepest subgradient. "r": length of the proximal step. "q": decrease of the quadratic model, the one that
        keeps the rate of convergence of the smooth case.
    penalty : Penalty
    x, gradient : ndarray of shape (n,)
    curvature : ndarray of shape (n,)
        D, positive, constant on groups.
    total : callable
        Sums over units an array with one number for each coordinate.

    Returns
    -------
    ndarray of shape (n_units,)
    """
    free = total((~penalty.at_kink(x)).astype(np.float64)) > 0
    return np.maximum(_raw_scores(kind, penalty, x, gradient, curvature, total), _TINY * free)


def _raw_scores(kind, penalty, x, gradient, curvature, total):
    if kind == "s":
        unit_curvature = total(curvature) / total(np.ones_like(curvature))
        return penalty.distance(gradient, x) ** 2 / (2.0 * unit_curvature)
    step = penalty.prox(x - gradient / curvature, 1.0 / curvature) - x
    if kind == "r":
        return total(0.5 * curvature * step**2)
    # D d^2 / 2, and what the penalty lies above its tangent at x + d.
    before, after = penalty.values(x), penalty.values(x + step)
    return total(0.5 * curvature * step**2) + above_tangent(
        before, after, total((gradient + curvature * step) * step)
    )
