"""The proof that a solution is good: a vector of the dual set that is orthogonal to all columns."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.linalg.lapack import dpotrf, dpotrs, dtrtrs

from ...exceptions import NumericalError
from .problem import Problem

EPS = float(np.finfo(np.float64).eps)
#: Where the fit is exact, the gap is measured against this part of loss(b): the residual is rounding.
EXACT = 1e-6


class Fit(NamedTuple):
    """A solution and its proof.

    Attributes
    ----------
    x : ndarray of shape (d,)
    u : ndarray of shape (n,)
        In the dual set; A'u = 0 but for rounding.
    objective : float
        loss(b - A x).
    bound : float
        No x has a smaller loss.
    gap : float
        (objective - bound) / max(objective, 1e-6 loss(b)); at least the machine precision.
    stage : str
        What found the solution.
    sample_size : int
        Rows of the sample that it began with; 0 for none.
    goes_on : bool
        Whether the next fit costs little and will be exact.
    """

    x: np.ndarray
    u: np.ndarray
    objective: float
    bound: float
    gap: float
    stage: str
    sample_size: int = 0
    goes_on: bool = False


class Bound(NamedTuple):
    """A lower bound on the loss, and the dual vector that proves it."""

    u: np.ndarray
    value: float


def lower_bound(problem: Problem, u: np.ndarray, residual: np.ndarray) -> Bound:
    """The bound that a u with A'u near zero proves.

    Parameters
    ----------
    problem : Problem
    u : ndarray of shape (n,)
        Is scaled into the dual set.
    residual : ndarray of shape (n,)
        b - A x at any x: for A'u = 0, u'b and u'residual are the same, and the latter has the smaller rounding errors.

    Returns
    -------
    Bound

    Notes
    -----
    What is left of A'u is charged. For every x' with F(b - A x') <= F(b - A x) =: F, the rows scaled by the roots of
    the weights fulfil ||A (x' - x)||_2 <= k ||A (x' - x)||_p <= c k F, with k = n^(1/2 - 1/p) for p > 2 and else 1, and
    c = 2 / least_slope; hence |u'A (x' - x)| <= c k F ||R^-T A'u||_2.
    """
    scale = problem.loss.gauge(u)
    if not np.isfinite(scale) or scale == 0:
        return Bound(np.zeros_like(u), 0.0)
    u = u / scale
    left = dtrtrs(problem.root, problem.A.adjoint(u), trans=1)[0]
    growth = problem.n_rows ** max(0.0, 0.5 - 1.0 / problem.loss.p)
    reach = 2.0 * growth / problem.loss.least_slope * problem.loss.value(residual)
    return Bound(u, float(u @ residual) - reach * float(np.linalg.norm(left)))


def project(problem: Problem, u: np.ndarray, metric: np.ndarray, factor=None) -> np.ndarray:
    """Return u + metric A y with A'u = 0: the change goes where the metric is large.

    Parameters
    ----------
    problem : Problem
    u, metric : ndarray of shape (n,)
        The metric is at least 0.
    factor : ndarray of shape (d, d), optional
        Triangular factor of A' metric A.

    Returns
    -------
    ndarray of shape (n,)
    """
    factor = triangular_factor(problem.A.gram(metric)) if factor is None else factor
    for _ in range(2):
        u = u - metric * problem.A.apply(solve_factored(factor, problem.A.adjoint(u)))
    return u


def triangular_factor(gram: np.ndarray) -> np.ndarray:
    """An upper triangular R with R'R = gram; where gram is not definite in floating point, a little is added to it."""
    norms = np.sqrt(np.maximum(gram.diagonal(), 0.0))
    norms[norms == 0] = 1.0
    scaled = gram / norms / norms[:, None]
    root, failed = dpotrf(scaled, clean=1)
    shift = 1e-15
    while failed:
        if shift > 1 or not np.all(np.isfinite(scaled)):
            raise NumericalError("Normal equations left the range of floating point: rescale the data.")
        root, failed = dpotrf(scaled + shift * np.eye(len(gram)), clean=1)
        shift *= 100
    return root * norms


def solve_factored(root: np.ndarray, g: np.ndarray) -> np.ndarray:
    """Return (R'R)^-1 g."""
    return dpotrs(root, g)[0]


def fit_of(problem: Problem, x, residual, bound: Bound, stage: str, sample_size: int = 0) -> Fit:
    """Join a solution and a bound."""
    objective = problem.loss.value(residual)
    gap = objective - bound.value
    relative = gap / max(objective, EXACT * problem.size, np.finfo(np.float64).tiny)
    return Fit(x, bound.u, objective, bound.value, max(relative, EPS), stage, sample_size)
