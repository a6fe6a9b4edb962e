"""Many penalties on the same data, each answer the start of the next."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ...result import Result
from ...validation import check_count, check_real
from .options import Options
from .pose import Posed
from .solver import solve


class PathSolution(NamedTuple):
    """Answers along a path of penalties.

    Attributes
    ----------
    alphas : ndarray of shape (n_alphas,)
        In descending order.
    coefs : ndarray of shape (n_features, n_alphas)
    intercepts : ndarray of shape (n_alphas,)
    dual_gaps : ndarray of shape (n_alphas,)
        The certificates, one an alpha.
    results : list of Result
    """

    alphas: np.ndarray
    coefs: np.ndarray
    intercepts: np.ndarray
    dual_gaps: np.ndarray
    results: list[Result]


def alpha_grid(posed: Posed, alpha: float, n_alphas: int, ratio: float) -> np.ndarray:
    """Alphas from that at which the first coefficient enters down to `ratio` times it, equal steps in the logarithm.

    `posed` has the penalties of `alpha`.
    """
    n_alphas = check_count("n_alphas", n_alphas)
    ratio = check_real("ratio", ratio, above=0, below=1)
    largest = alpha * posed.largest_penalty_factor()
    if not np.isfinite(largest):
        raise ValueError("alphas=None needs an l1 penalty to begin at: give the alphas.")
    if largest == 0.0:  # nothing to fit: every alpha has the same answer
        largest = 1.0
    return largest * np.logspace(0.0, np.log10(ratio), n_alphas)


def solve_path(posed: Posed, alpha: float, alphas: np.ndarray, options: Options) -> PathSolution:
    """Solve for every alpha, largest first; `posed` has the penalties of `alpha`."""
    alphas = np.sort(np.asarray(alphas, dtype=np.float64))[::-1]
    inner, start, results = None, None, []
    for value in alphas:
        here = posed.scaled(value / alpha)
        inner = posed.make_inner(here.model) if inner is None else inner
        result = solve(here, options, start, inner)
        start = (result.solution.coef, result.solution.intercept)
        results.append(result)
    solutions = [result.solution for result in results]
    return PathSolution(
        alphas,
        np.stack([solution.coef for solution in solutions], axis=1),
        np.array([solution.intercept for solution in solutions]),
        np.array([solution.dual_gap for solution in solutions]),
        results,
    )
