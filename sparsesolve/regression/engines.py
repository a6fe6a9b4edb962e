"""The accurate engines: gram, cqrrt, spir, fossils and direct. Each is a generator for `sparsesolve.driver`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from scipy.linalg import LinAlgError, cholesky

from ..driver import TICK, Iterate
from .design import Design, column_norms
from .factor import NormalFactor, full_rank_factor, root_svd, truncated_factor
from .preview import Preview, solve_rotated, split_root, with_penalty
from .refine import measure, refine, refine_from, solve_with

#: Machine precision: the default tolerance.
EPS = float(np.finfo(np.float64).eps)
# Singular values relative to the largest: below the first, one may be dropped if the backward error allows it;
# below the second, it looks like rounding.
_DROPPABLE = 1e-13
_NOISE = 4 * EPS
# The backward error that dropping may cost, where the value does not look like rounding, and where it does. In the
# latter case a part of b may be lost, too, relative to b: as much is lost in rounding b's rotation.
_HARMLESS, _HARMLESS_ROUNDING = 0.05 * EPS, 0.3 * EPS
_ROTATION = 8 * EPS
_TINY = np.finfo(np.float64).tiny
_STAGNANT = 5


def gram(view: Preview, tol: float) -> Iterator[Iterate | None]:
    """Cholesky factor of the normal matrix, refined in A. Two passes over A and one more for each refinement.

    n d^2 flops in BLAS-3. Good for condition numbers (of the scaled columns) up to 1e7: the refinement contracts
    by eps times the condition number squared.
    """
    design = view.design
    factor, gradient = gram_factor(design, view.Z)
    if factor is None:
        yield _breakdown(view)
        return
    yield TICK
    start = measure(design, factor, view.Z + factor.solve_normal(gradient), "gram")
    yield from refine(design, start, tol, solve_with(factor))


def gram_factor(design: Design, Z: np.ndarray) -> tuple[NormalFactor | None, np.ndarray]:
    """The Cholesky factor of the normal matrix, None where that breaks down, and the gradient at Z. One pass."""
    normal, gradient = design.gram_and_gradient(Z)
    design.require_finite(normal)
    try:
        return full_rank_factor(cholesky(normal, check_finite=False)), gradient
    except LinAlgError:
        return None, gradient


def cqrrt(view: Preview, tol: float) -> Iterator[Iterate | None]:
    """Cholesky QR of the matrix preconditioned by the sketch's factor, refined in A.

    3 n d^2 flops in BLAS-3, two passes and one for each refinement; good for condition numbers up to 1e11, also
    where the rank is deficient with a clear gap. The scheme is randomised-preconditioned Cholesky QR (Melnichenko
    et al., arXiv 2311.08316; without the pivoting).
    """
    design = view.design
    factor = cqrrt_factor(view)
    if factor is None:
        yield _breakdown(view)
        return
    yield TICK
    yield from refine_from(design, factor, view.Z, "cqrrt", tol, solve_with(factor))


def cqrrt_factor(view: Preview) -> NormalFactor | None:
    """The sketch's factor made exact by a Cholesky factorisation; None where that breaks down."""
    # The inverse is explicit: a matrix product runs several times faster than a triangular solve, and its error,
    # eps times the condition number, only slows the refinement.
    inverse = view.factor.to_unknowns(np.eye(view.factor.rank))
    try:
        return view.factor.improved(cholesky(view.design.preconditioned_gram(inverse), check_finite=False))
    except LinAlgError:
        return None


def _breakdown(view: Preview) -> Iterate:
    """The solution of the sketch, kept where a Cholesky factorisation broke down."""
    return measure(view.design, view.factor, view.design.shortest(view.factor, view.Z), "sketch")


def direct(design: Design, tol: float) -> Iterator[Iterate | None]:
    """Householder QR of [A b] by row blocks, refined in A.

    2 n d^2 flops, one pass and one for each refinement; backward stable for every condition and rank. The numerical
    rank is the least one whose minimum-norm solution has a backward error within the tolerance.
    """
    design, root, rotated, residual_norms = direct_root(design)
    yield TICK
    factor = revealed_factor(root, rotated, residual_norms, design.n_rows)
    Z = solve_rotated(factor, root, rotated)
    yield from refine_from(design, factor, Z, "direct", tol, solve_with(factor))


def direct_root(design: Design) -> tuple[Design, np.ndarray, np.ndarray, np.ndarray]:
    """The problem with its columns scaled, its R with the ridge rows, Q'b, and the norms of what is left of b.

    One pass. Householder reflections square no entry, so that the columns need no scaling before.
    """
    width = design.n_unknowns
    design = replace(design, column_scale=np.ones(width))
    root = design.root()
    design.require_finite(root)
    root, rotated, residual_norms = split_root(root, width)
    design = design.scaled_by(column_norms(root))
    return design, *with_penalty(root * design.column_scale, rotated, residual_norms, design.penalty)


def revealed_factor(root, rotated, residual_norms, n_rows) -> NormalFactor:
    """The factor of least rank whose solution of root Z = rotated has a backward error of rounding size."""
    left, values, _ = decomposition = root_svd(root)
    sure = int(np.sum(values > _DROPPABLE * values[0]))
    if sure == len(values) and values[0] > 0:
        return full_rank_factor(root)
    most = min(n_rows, int(np.sum(values > 0.01 * EPS * values[0])))
    coordinates = left.T @ rotated
    norm = np.linalg.norm(values)
    target_squares = (coordinates**2).sum(axis=0) + residual_norms**2
    for rank in range(sure, most):
        dropped, lost = values[rank:, None], coordinates[rank:]
        lengths = np.linalg.norm(coordinates[:rank] / values[:rank, None], axis=0)
        size = np.sqrt(target_squares + (norm * lengths) ** 2)
        damping = norm * np.sqrt(residual_norms**2 + (lost**2).sum(axis=0)) / np.maximum(size, _TINY)
        lengths = np.linalg.norm(dropped * lost / np.maximum(np.hypot(dropped, damping), _TINY), axis=0)
        rounding = values[rank] <= _NOISE * values[0]
        unseen = (lost**2).sum(axis=0) <= _ROTATION**2 * target_squares
        harmless = lengths <= (_HARMLESS_ROUNDING if rounding else _HARMLESS) * size
        if np.all(harmless | (rounding & unseen)):
            return truncated_factor(root, decomposition, rank)
    return truncated_factor(root, decomposition, most)


def spir(view: Preview, tol: float) -> Iterator[Iterate | None]:
    """Sketch-and-precondition with iterative refinement; conjugate gradients inside.

    Two or three refinement solves of 10 to 25 passes over A each, whatever the condition number: for many columns,
    or a sparse A. Epperly, Meier and Nakatsukasa, "Fast randomized least-squares solvers can be just as accurate
    and stable as classical direct solvers" (2024).
    """
    yield from _refine_iteratively(view, tol, "spir", _conjugate_gradients)


def fossils(view: Preview, tol: float) -> Iterator[Iterate | None]:
    """As `spir`, with Polyak's heavy ball inside, as its authors publish it; needs a sketch of several d rows."""
    yield from _refine_iteratively(view, tol, "fossils", _heavy_ball)


def _refine_iteratively(view, tol, stage, inner):
    design, factor = view.design, view.factor
    norm = np.linalg.norm(factor.root)

    first = True

    def correct(fit):
        nonlocal first
        right = factor.adjoint(fit.gradient)
        # What rounding allows the first solve to gain, as its authors estimate it; later solves start from there.
        floor = (
            10 * EPS * (norm * np.linalg.norm(fit.Z, axis=0) + 0.04 * view.condition * np.sqrt(fit.objective))
        )
        floor = floor if first else 1e-9 * np.linalg.norm(right, axis=0)
        first = False
        return factor.to_unknowns((yield from inner(view, right, floor)))

    yield from refine_from(design, factor, view.Z, stage, tol, correct)


def _product(view, Y):
    return view.factor.adjoint(view.design.normal_product(view.factor.to_unknowns(Y)))


def _conjugate_gradients(view, right, floor):
    Y = np.zeros_like(right)
    residual, direction = right.copy(), right.copy()
    squares = np.einsum("ij,ij->j", residual, residual)
    started = squares.copy()
    for _ in range(10 * _passes(view)):
        active = squares > (1e-30 * started)
        if not np.any(active):
            break
        product = _product(view, direction)
        curvature = np.einsum("ij,ij->j", direction, product)
        active &= curvature > 0
        step = np.divide(squares, curvature, where=active, out=np.zeros_like(squares))
        Y += step * direction
        residual -= step * product
        if np.all(
            step * np.linalg.norm(direction, axis=0) <= np.maximum(floor, 1e-15 * np.linalg.norm(Y, axis=0))
        ):
            break
        new = np.einsum("ij,ij->j", residual, residual)
        direction = residual + np.divide(new, squares, where=active, out=np.zeros_like(new)) * direction
        squares = new
        yield TICK
    return Y


def _heavy_ball(view, right, floor):
    momentum = min(0.9, view.factor.rank / view.size)
    damping = (1 - momentum) ** 2
    Y, before = np.zeros_like(right), np.zeros_like(right)
    least, stagnant = np.inf, 0
    for _ in range(10 * _passes(view)):
        update = damping * (right - _product(view, Y)) + momentum * (Y - before)
        before, Y = Y, Y + update
        size = np.linalg.norm(update, axis=0)
        stagnant = 0 if size.max() < 0.9 * least else stagnant + 1
        least = min(least, size.max())
        if np.all(size <= np.maximum(floor, 1e-15 * np.linalg.norm(Y, axis=0))) or stagnant >= _STAGNANT:
            break
        yield TICK
    return Y


def _passes(view) -> int:
    """Passes that reach machine precision when the sketch has `size` rows: the error shrinks by sqrt(d / m) each."""
    rate = min(0.95, np.sqrt(view.factor.rank / view.size))
    return int(np.ceil(np.log(EPS) / np.log(max(rate, 1e-3))))
