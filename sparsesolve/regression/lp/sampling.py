"""Rows drawn at random, those more often that can pull a fit; and bounds from a fit to a sample."""

from __future__ import annotations

import numpy as np
from scipy.linalg import solve_triangular

from ...random import Stream, uniforms
from .certificate import Bound, lower_bound, solve_factored, triangular_factor
from .problem import Problem

# Part of the probability that is spread evenly.
_UNIFORM = 0.5
# Rows with a small residual: a multiple of what the sample's error bars say, at most, and at least so many a column.
_SAFETY, _MOST_SHARE, _FEWEST = 2.0, 0.5, 4
_TURNS = 4


def spreads(problem: Problem) -> np.ndarray:
    """||a_i R^-1||: how far row i's residual moves with a unit step of x; shape (n,). Cost: 2 n d^2 flops."""
    return problem.A.row_norms(solve_triangular(problem.root, np.eye(problem.width), check_finite=False))


def probabilities(problem: Problem, spread: np.ndarray, residual: np.ndarray | None = None) -> np.ndarray:
    """Probabilities of the rows, in proportion to their root leverage scores (p = 1) or leverage scores (p >= 2).

    Root leverage scores suffice for p < 2, and leverage scores for p near 2 (Woodruff and Yasuda, "Sharper bounds
    for l_p sensitivity sampling", ICML 2023); half of the probability is spread evenly. With residuals of least
    squares, and 2 < p < inf, rows also count by what their residuals add to the sum of powers.
    """
    p, roots = problem.loss.p, problem.loss.roots
    shares = [(roots * spread) ** min(p, 2.0)]
    if residual is not None and 2 < p < np.inf:
        sizes = roots * np.abs(residual)
        shares.append((sizes / max(sizes.max(), np.finfo(float).tiny)) ** p)
    even = 1.0 / len(spread)
    mixed = sum(share / share.sum() if share.sum() > 0 else even for share in shares) / len(shares)
    return _UNIFORM * even + (1.0 - _UNIFORM) * mixed


def draw(chances: np.ndarray, size: int, key: int, turn: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows, each drawn on its own, about `size` of them, and the factors that make sums over them unbiased."""
    inclusion = np.minimum(1.0, size * chances)
    drawn = uniforms((key + turn) % (1 << 64), Stream.LEVERAGE_ROWS, len(chances)) < inclusion
    rows = np.flatnonzero(drawn)
    return rows, 1.0 / inclusion[rows]


def box_bound(problem: Problem, residual: np.ndarray, sample_rows: int) -> Bound:
    """A lower bound for p = 1 from the residuals at the solution of a sample.

    The signs of the residuals are the dual vector but for rows with a small residual: these take up what is missing
    to A'u = 0, in a few turns of clipping and projecting. "Small" is what the sample's error may have turned
    round, and more where that does not suffice; the loss is of second order in the error.

    Parameters
    ----------
    problem : Problem
    residual : ndarray of shape (n,)
    sample_rows : int
        Rows of the sample.

    Returns
    -------
    Bound
    """
    low, high = problem.loss.bounds()
    sizes = np.abs(residual)
    fewest = min(problem.n_rows, _FEWEST * problem.width)
    share = min(_MOST_SHARE, _SAFETY * np.sqrt(problem.width / sample_rows))
    while True:
        count = int(np.clip(share * problem.n_rows, fewest, problem.n_rows)) - 1
        small = max(float(np.partition(sizes, count)[count]), np.finfo(float).tiny)
        near = np.flatnonzero(sizes < small)
        u = np.where(residual > 0, high, low)
        u[near] = 0.0
        part = problem.part(near)
        filled, fits = _fill(part, -problem.A.adjoint(u), residual[near] / small)
        u[near] = filled
        if fits or share >= _MOST_SHARE:
            return lower_bound(problem, u, residual)
        share *= 2.0


def _fill(part: Problem, h: np.ndarray, tilt: np.ndarray) -> tuple[np.ndarray, bool]:
    """A u near the tilted middle of its box with A'u = h, and whether it lies in the box."""
    low, high = part.loss.bounds()
    middle, half = 0.5 * (low + high), 0.5 * (high - low)
    for _ in range(_TURNS):
        # No row is pushed out of its box where the push is at most half of the metric.
        metric = half * (1.0 - tilt * tilt)
        u = middle + half * tilt
        factor = triangular_factor(part.A.gram(metric))
        for _ in range(2):
            u = u + metric * part.A.apply(solve_factored(factor, h - part.A.adjoint(u)))
        if np.all((u >= low) & (u <= high)):
            return u, True
        tilt = np.clip((u - middle) / half, -1.0, 1.0)
    return u, False
