"""Factors without negative entries: each row's nonnegative least squares by coordinate descent."""

from __future__ import annotations

import numpy as np

from ..backends.jit import reduction_kernel
from ..backends.threads import run_chunks, single_threaded_blas
from ..driver import TICK, Iterate, Solver
from ..random import as_key
from ..result import Status
from .acceleration import Anderson
from .completed import Completed
from .factors import Factors
from .observations import Observations
from .options import Options
from .regressions import Posed, Regressions, pose
from .row_solvers import Sums
from .spectral import spectral_start

#: Passes over a row's unknowns in a half sweep, and where it stops before: its gradient relative to that at the start.
_PASSES, _ENOUGH = 30, 1e-3
_PATIENCE = 8
_SLACK = 1e-3


def by_nonnegative(
    observations: Observations, options: Options, random_state, start: Completed | None = None
) -> Solver:
    """Alternating nonnegative least squares, extrapolated; from the absolute values of the spectral start.

    The problem is not convex in both factors, and not only the gauge is free: another start may find another answer.
    A sweep costs O(entries rank^2 + rows rank^2 passes).
    """
    posed = pose(observations, options.alpha, options.scale_alpha, options.background)
    root = np.sqrt(posed.scale)
    if start is None:
        begun = spectral_start(posed.at_precision(np.float32), options.rank, as_key(random_state))
        A, B = (np.abs(factor) for factor in begun)
    else:
        A, B = (factor / root for factor in start.factors)
    anderson, plain, lowest = Anderson(4, wild=1e3), (A, B), np.inf
    best, waited, extrapolated = np.inf, 0, False
    while True:
        yield TICK
        A, before = nonnegative_half_sweep(posed, A, B, _PASSES)
        B1, after = nonnegative_half_sweep(posed.transposed, B, A, _PASSES)
        objective = after.squares + _ridge(posed.rows, A)
        if extrapolated and not objective <= lowest * (1.0 + _SLACK) + 1e-13 * posed.energy:
            (A, B), extrapolated = plain, False
            anderson.clear()
            continue
        lowest = min(lowest, objective)
        certificate = _share(before.after + after.before, posed)
        if certificate <= options.tol:
            certificate = _measure(posed, A, B)
        constant = posed.energy - posed.rows.energy
        units = posed.scale**2 * posed.weight_scale
        found = Completed(Factors(A * root, B * root))
        yield Iterate(
            found, certificate, (objective + constant) * units, {"change": np.abs(B1 - B).max(initial=0.0)}
        )
        waited = 0 if certificate < 0.9 * best else waited + 1
        best = min(best, certificate)
        if waited >= _PATIENCE and best <= 1e-11:
            return Status.STALLED
        plain = A1, B1 = _balanced(posed, A, B1)
        A, B = (np.maximum(factor, 0.0) for factor in anderson.extrapolate(B, A1, B1))
        extrapolated = len(anderson.history) > 1


def certify_nonnegative(
    observations: Observations,
    factors: Factors,
    alpha: float = 0.0,
    scale_alpha: bool = False,
    background: float = 0.0,
) -> float:
    """How far nonnegative factors are from a stationary point; O(entries rank^2).

    With H_i the Hessian (half of it) of row i's regression and g_i the gradient, zero where it would make a zero
    unknown negative, it is sqrt((sum_ip g_ip^2 / H_ipp + the columns' sum) / sum w M^2).
    """
    posed = pose(observations, alpha, scale_alpha, background)
    root = np.sqrt(posed.scale)
    return _measure(posed, factors.row_factors / root, factors.column_factors / root)


def _measure(posed: Posed, A, B) -> float:
    sums = (
        nonnegative_half_sweep(posed, A, B, 0)[1],
        nonnegative_half_sweep(posed.transposed, B, A, 0)[1],
    )
    return _share(sums[0].before + sums[1].before, posed)


def _share(gradient: float, posed: Posed) -> float:
    return float(np.sqrt(gradient / posed.energy)) if posed.energy > 0.0 else 0.0


def _ridge(side: Regressions, factor) -> float:
    return float(side.penalties @ np.einsum("ij,ij->i", factor, factor))


@single_threaded_blas()
def nonnegative_half_sweep(
    posed: Posed, A, B, passes: int, enough: float = _ENOUGH
) -> tuple[np.ndarray, Sums]:
    """Solve for the rows of A, at least 0, on the factor B; `squares` holds the rows' own ridge and background too.

    Rows without entries become zero where there is a ridge or a background, and else stay.
    """
    side, entries = posed.rows, posed.rows.side
    common = posed.background * (B.T @ B)
    X = np.ascontiguousarray(A, dtype=np.float64).copy()
    B = np.ascontiguousarray(B, dtype=np.float64)
    pieces = side.chunks(1)
    parts = run_chunks(
        lambda number: _nonnegative_rows(
            pieces[number], *entries, side.penalties, common, B, passes, enough, X
        ),
        len(pieces),
    )
    X[side.empty] = 0.0
    squares, before, after = (float(sum(part[place] for part in parts)) for place in range(3))
    return X, Sums(squares + side.energy, before, after)


def _balanced(posed: Posed, A, B) -> tuple[np.ndarray, np.ndarray]:
    """Each component's length shared between its two columns so that the ridge is least, or alike without one."""
    if posed.rows.regularised:
        own, other = (
            np.sqrt(side.penalties @ factor**2) for side, factor in ((posed.rows, A), (posed.columns, B))
        )
    else:
        own, other = np.linalg.norm(A, axis=0), np.linalg.norm(B, axis=0)
    ratio = np.sqrt(np.divide(other, own, out=np.ones_like(own), where=(own > 0.0) & (other > 0.0)))
    return A * ratio, B / ratio


@reduction_kernel
def _nonnegative_rows(rows, starts, others, values, weights, penalties, common, B, passes, enough, A):
    """Coordinate descent on x'Hx - 2 h'x, x >= 0, for each row, from A, in place."""
    rank = B.shape[1]
    H, h, g = np.empty((rank, rank)), np.empty(rank), np.empty(rank)
    squares, before, after = 0.0, 0.0, 0.0
    for k in range(rows.size):
        i = np.intp(rows[k])
        x = A[i]
        for p in range(rank):
            h[p] = 0.0
            for q in range(rank):
                H[p, q] = common[p, q]
            H[p, p] += penalties[i]
        for e in range(np.intp(starts[i]), np.intp(starts[i + 1])):
            b = B[np.intp(others[e])]
            weight = weights[e] if weights.size > 0 else 1.0
            value = weight * values[e]
            for p in range(rank):
                h[p] += value * b[p]
                scaled = weight * b[p]
                for q in range(p + 1):
                    H[p, q] += scaled * b[q]
        for p in range(rank):
            for q in range(p):
                H[q, p] = H[p, q]
        for p in range(rank):
            total = -h[p]
            for q in range(rank):
                total += H[p, q] * x[q]
            g[p] = total
            squares += x[p] * (total - h[p])
        length = _projected(H, x, g)
        before += length
        goal = enough * enough * length
        for _ in range(passes):
            if not length > goal:
                break
            for p in range(rank):
                if H[p, p] > 0.0:
                    new = max(0.0, x[p] - g[p] / H[p, p])
                    step = new - x[p]
                    if step != 0.0:
                        x[p] = new
                        for q in range(rank):
                            g[q] += step * H[p, q]
            length = _projected(H, x, g)
        after += length
    return squares, before, after


@reduction_kernel
def _projected(H, x, g):
    """Squared length of the gradient, in the metric of H's diagonal, but for what the bounds hold back."""
    total = 0.0
    for p in range(x.size):
        if H[p, p] > 0.0 and (x[p] > 0.0 or g[p] < 0.0):
            total += g[p] * g[p] / H[p, p]
    return total
