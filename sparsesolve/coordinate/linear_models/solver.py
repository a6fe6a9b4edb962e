"""The fast engine: sparse linear models, solved to a certified duality gap."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from ...driver import Iterate, Outcome, Solver, drive
from ...exceptions import warn_caller
from ...result import Result, Status
from .model import Point
from .options import Options
from .pose import Posed
from .working_set import Inner, Model, working_sets


class LinearSolution(NamedTuple):
    """The answer of a sparse linear model.

    Attributes
    ----------
    coef : ndarray of shape (n_features,)
    intercept : float
    objective : float
        Weighted mean of the losses, plus the penalty.
    dual_gap : float
        The certificate: objective minus a lower bound of all objectives, relative to the loss of the best constant.
    support_identified_at : int
        The iteration from which on the support was that of the answer.
    dual_point : ndarray of shape (n_samples,)
        The proof: a feasible point of the dual problem, whose value is that lower bound.
    """

    coef: np.ndarray
    intercept: float
    objective: float
    dual_gap: float
    support_identified_at: int
    dual_point: np.ndarray


def solve(
    posed: Posed,
    options: Options,
    start: tuple[np.ndarray, float] | None = None,
    inner: Inner | None = None,
    callback: Callable | None = None,
    verbose: bool = False,
    quiet: bool = False,
) -> Result:
    """Minimise a posed model from `start` (coefficients, intercept); a quiet one does not warn.

    `inner` may come from an earlier call on the same data: what it has kept of them need not be computed again.
    """
    w, intercept = (np.zeros(posed.order.size), 0.0) if start is None else posed.lower(*start)
    inner = posed.make_inner(posed.model) if inner is None else inner
    inner.model = posed.model
    supports: list[int] = []
    outcome = drive(
        recorded(working_sets(posed.model, inner, posed.model.feasible(w), intercept, options.tol), supports),
        tol=options.tol,
        max_iter=options.max_iter,
        max_time=options.max_time,
        callback=callback,
        verbose=verbose,
    )
    point, status = certain(posed.model, outcome.best, outcome.status, options.tol)
    solution = solution_at(posed, point, identified_at(supports, support_name(point.w)))
    return certified_result(solution, status, outcome, options, quiet)


def certified_result(
    solution, status: Status, outcome: Outcome, options: Options, quiet: bool = False
) -> Result:
    """The result of a solution that has a `dual_gap`; unless quiet, it warns of one that is too large."""
    gap = solution.dual_gap
    if not quiet:
        warn_of_gap(gap, status, options.tol)
    return Result(
        solution,
        status,
        outcome.n_iter,
        {"dual_gap": gap},
        outcome.trace,
        outcome.setup_time,
        outcome.solve_time,
        options.choice,
    )


def warn_of_gap(gap: float, status: Status, tol: float) -> None:
    """Warn of a gap that is too large."""
    if status is not Status.CONVERGED:
        warn_caller(
            f"{status.name}: the relative duality gap is {gap:.1e}, above tol={tol:.1e}. {status.help}"
        )


def solution_at(posed: Posed, point: Point, identified: int) -> LinearSolution:
    """A point of the model as an answer for the data."""
    coef, intercept = posed.lift(point.w, point.intercept)
    dual_point = posed.dual_point(point.dual_scale * point.theta)
    return LinearSolution(
        coef, intercept, posed.objective(point.objective), point.gap, identified, dual_point
    )


def recorded(points: Solver, supports: list[int]) -> Solver:
    """The same points, with their supports noted."""
    for iterate in points:
        if iterate is not None:
            supports.append(support_name(iterate.solution.w))
        yield iterate
    return None


def support_name(w) -> int:
    """A number that tells one support from another."""
    return hash(np.flatnonzero(w).tobytes())


def identified_at(supports: list[int], last: int) -> int:
    """The iteration from which on the support was the last one."""
    changes = [number for number, support in enumerate(supports, 1) if support != last]
    return changes[-1] + 1 if changes else 1


def certain(model: Model, best: Iterate, status: Status, tol: float) -> tuple[Point, Status]:
    """The best point with its gap over all columns: on the way, only those that seemed to matter are looked at."""
    point, everything = best.solution, np.flatnonzero(model.unit_norms > 0.0)
    if point.units.size == everything.size:
        return replace(point, gap=max(float(point.gap), 0.0)), status
    point = model.evaluate(point.w, point.intercept, everything)
    if status is Status.CONVERGED and point.gap > tol:
        status = Status.STALLED
    return replace(point, gap=max(float(point.gap), 0.0)), Status.CONVERGED if point.gap <= tol else status
