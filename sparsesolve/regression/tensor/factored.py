"""The exact fit from singular value decompositions of the factors: for products of many columns."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ...driver import TICK, Iterate, drive
from ...result import Result
from ..options import Options
from ..solution import LeastSquaresSolution, as_result
from .spectrum import Spectrum
from .uncertainty import condition_number, covariance_root, error_bound

_EPS = np.finfo(np.float64).eps
_STAGE = "factored"
_ROUNDS = 5


class _Fit(NamedTuple):
    """Coefficients, intercept last, with what was measured at them."""

    X: np.ndarray
    objective: np.ndarray
    backward_error: np.ndarray


def solve_factored(design, options: Options, choice, target_scale, tol: float, callback, verbose) -> Result:
    """Solve an unweighted problem by the decompositions of the factors, refined in the product.

    The sum of n_k d_k^2 flops, n d_1 for each refinement, and the d^2 numbers of the result's covariance.
    """
    spectrum = Spectrum.of(design.rows.factors, design.intercept, design.alpha)
    norm = _frobenius(design)
    outcome = drive(
        _iterates(design, spectrum, norm, tol),
        tol=tol,
        max_iter=options.max_iter,
        max_time=options.max_time,
        callback=callback,
        verbose=verbose,
    )
    fit = outcome.best.solution
    error = float(fit.backward_error.max())
    lengths = np.linalg.norm(fit.X, axis=0) + design.target_norms / norm
    bound = error_bound(spectrum, norm, lengths, fit.objective, np.maximum(fit.backward_error, _EPS))
    data_part = fit.objective - design.alpha * np.einsum("ij,ij->j", *[fit.X[: design.n_columns]] * 2)
    norms = np.sqrt(np.maximum(data_part, 0.0))
    solution = LeastSquaresSolution(
        coef=fit.X[: design.n_columns] / target_scale,
        rank=spectrum.rank,
        condition_number=condition_number(spectrum),
        coef_error_bound=bound / target_scale,
        intercept=fit.X[design.n_columns] / target_scale if design.intercept else np.zeros(design.n_targets),
        solver=_STAGE,
        sketch_size=0,
        backward_error=error,
        noise_scale=norms / target_scale / np.sqrt(max(1, design.n_rows - spectrum.rank - design.intercept)),
        covariance_root=covariance_root(spectrum),
        residual_norm=norms / target_scale,
    )
    return as_result(outcome, solution, {"backward_error": error}, choice, tol)


def _iterates(design, spectrum, norm, tol):
    width, sums = design.n_columns, design.targets.sum(axis=0)
    Z = spectrum.solve(spectrum.centred(spectrum.values * spectrum.rotated(design.targets), sums))
    X = spectrum.from_basis(Z)
    X = np.vstack([X, spectrum.constant(Z, sums)]) if design.intercept else X
    yield TICK
    best = np.inf
    for _ in range(_ROUNDS):
        gradient, objective = design.normal_residual(X)
        design.require_finite(gradient)
        first = gradient[width] if design.intercept else np.zeros(design.n_targets)
        errors = _backward_error(design, spectrum, norm, X, gradient[:width], first, objective)
        error = float(errors.max())
        gains, best = error <= 0.5 * best, min(best, error)
        yield Iterate(
            _Fit(X, objective, errors),
            error,
            float(objective.sum()),
            {"stage": _STAGE},
            gains and error > 0.1 * tol,
        )
        change = spectrum.solve(spectrum.centred(spectrum.to_basis(gradient[:width]), first))
        moved = spectrum.from_basis(change)
        X = X + (np.vstack([moved, spectrum.constant(change, first)]) if design.intercept else moved)


def _backward_error(design, spectrum, norm, X, gradient, first, objective):
    """Karlson and Walden's estimate, without the damping of the intercept: an upper bound. See `certificate`."""
    target_norms = design.target_norms
    size = np.sqrt(target_norms**2 / norm**2 + np.einsum("ij,ij->j", X, X))
    active = (size > 0) & (objective > 0)
    damping = design.alpha + np.divide(objective, size**2, where=active, out=np.ones_like(size))
    inside = spectrum.to_basis(gradient)
    centred = spectrum.centred(inside, first)
    weighted = centred / (spectrum.values**2 + damping)
    squares = (centred * weighted).sum(axis=0) + first**2 / spectrum.n_rows
    if design.intercept:
        squares += (spectrum.values * spectrum.ones * weighted).sum(axis=0) ** 2 / spectrum.pivot(damping)
    if len(spectrum.values) < design.n_columns:
        lost = gradient - spectrum.from_basis(inside)
        squares += np.einsum("ij,ij->j", lost, lost) / damping
    return np.divide(np.sqrt(squares), size * norm, where=active, out=np.zeros_like(size))


def _frobenius(design) -> float:
    squares = np.prod([np.vdot(factor, factor) for factor in design.rows.factors])
    design.require_finite(squares)
    return float(np.sqrt(squares + design.n_rows * design.intercept + design.alpha * design.n_columns))
