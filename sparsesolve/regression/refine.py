"""Iterative refinement in the original matrix: the step that makes every engine as accurate as a QR factorisation."""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass, replace

import numpy as np

from ..driver import TICK, Iterate
from .certificate import backward_error
from .design import Design
from .factor import NormalFactor

#: Refinement goes on below the tolerance while it still gains, down to this fraction of it.
_REACH = 0.08
_PATIENCE = 2


@dataclass(frozen=True)
class Fit:
    """The state of a fit: unknowns with everything that was measured at them.

    Attributes
    ----------
    design : Design
    Z : ndarray of shape (n_unknowns, n_targets)
        Scaled unknowns.
    factor : NormalFactor
    gradient : ndarray of shape (n_unknowns, n_targets)
    objective, target_norms : ndarray of shape (n_targets,)
    backward_error, scaled_backward_error : ndarray of shape (n_targets,)
        Relative to the matrix as given, and to the matrix with columns of equal norm.
    stage : str
        The engine that found it.
    """

    design: Design
    Z: np.ndarray
    factor: NormalFactor
    gradient: np.ndarray
    objective: np.ndarray
    target_norms: np.ndarray
    backward_error: np.ndarray
    scaled_backward_error: np.ndarray
    stage: str


def measure(design: Design, factor: NormalFactor, Z: np.ndarray, stage: str) -> Iterate:
    """Return the iterate at Z with its backward errors. One pass over A."""
    return iterate_from(design, factor, Z, *design.normal_residual(Z), design.target_norms, stage)


def iterate_from(design, factor, Z, gradient, objective, target_norms, stage) -> Iterate:
    """Return the iterate at Z from what is known of it already."""
    errors = [
        backward_error(factor.root, gradient, objective, Z, target_norms, unscale) / (1 - factor.distortion)
        for unscale in (design.column_scale, np.ones(design.n_unknowns))
    ]
    fit = Fit(design, Z, factor, gradient, objective, target_norms, *errors, stage)
    return Iterate(fit, float(np.max(errors)), float(objective.sum()), {"stage": stage})


Correction = Callable[[Fit], Generator[None, None, np.ndarray]]


def refine(design: Design, first: Iterate, tol: float, correct: Correction) -> Generator[Iterate | None]:
    """Yield `first` and its refinements, until they gain no more.

    Parameters
    ----------
    first : Iterate
        As `measure` makes it.
    tol : float
        The tolerance on the certificate. Refinement goes on below it while that is cheap.
    correct : generator function
        Yields ticks and returns the change of Z for a fit; see `solve_with`.
    """
    best, misses, iterate = np.inf, 0, first
    while True:
        gains = iterate.certificate <= 0.5 * best
        best, misses = min(best, iterate.certificate), 0 if gains else misses + 1
        yield replace(iterate, goes_on=gains and iterate.certificate > _REACH * tol)
        if misses >= _PATIENCE or not np.isfinite(iterate.certificate):
            return
        fit = iterate.solution
        Z = fit.Z + (yield from correct(fit))
        iterate = measure(design, fit.factor, design.shortest(fit.factor, Z), fit.stage)


def refine_from(design, factor, Z, stage, tol, correct) -> Generator[Iterate | None]:
    """Refine from the shortest member of Z + null space; where that does not come to the tolerance, from Z itself.

    Directions that look null may be so only roughly, when singular values come close to rounding.
    """
    yield from refine(design, measure(design, factor, design.shortest(factor, Z), stage), tol, correct)
    if factor.null is not None:
        yield from refine(design, measure(design, replace(factor, null=None), Z, stage), tol, correct)


def solve_with(factor: NormalFactor) -> Correction:
    """The correction N^-1 gradient: it contracts the error by eps times the squared condition that is left."""

    def correct(fit):
        yield TICK
        return factor.solve_normal(fit.gradient)

    return correct
