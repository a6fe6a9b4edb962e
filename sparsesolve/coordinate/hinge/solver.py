"""The fast engine of the linear support vector machine."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from typing import NamedTuple

import numpy as np

from ...driver import TICK, Iterate, Solver, drive
from ...random import as_key
from ...result import Result, Status
from ...validation import check_matrix, check_real, check_targets, check_weights
from ..linear_models.options import Options
from ..linear_models.solver import certified_result, identified_at, support_name
from .kernels import sweep
from .problem import HingeProblem, evaluate, pose, refreshed
from .steps import State, is_cheap, search_plane, solve_free

#: Samples that stay together when the order is drawn, in short and long lists: neighbours in memory are read faster,
#: but the better the order is mixed, the fewer sweeps are needed.
_SMALL_BLOCK, _BLOCK = 8, 32
#: Lists shorter than this are shuffled one by one; those shorter than that in small blocks.
_FEW, _MANY = 2000, 6000
_SWEEPS = 30
_DIRECT_STEPS = 50
#: Rounds without a smaller gap, after which nothing more is expected.
_PATIENCE = 12


class HingeSolution(NamedTuple):
    """The answer of a support vector machine.

    Attributes
    ----------
    coef : ndarray of shape (n_features,)
    intercept : float
    objective : float
        Weighted mean of the hinge losses, plus the penalty.
    dual_gap : float
        The certificate: objective minus a lower bound of all objectives, relative to the loss of the best constant.
    support_identified_at : int
        The iteration from which on the support vectors between their bounds were those of the answer.
    dual_point : ndarray of shape (n_samples,)
        The proof: y_i a_i, with 0 <= a_i <= s_i / sum(s), and sum zero if there is an intercept.
    """

    coef: np.ndarray
    intercept: float
    objective: float
    dual_gap: float
    support_identified_at: int
    dual_point: np.ndarray


def solve_hinge(
    X,
    signs,
    *,
    alpha: float,
    sample_weight=None,
    fit_intercept: bool = True,
    options: Options,
    start: tuple | None = None,
    callback: Callable | None = None,
    verbose: bool = False,
    quiet: bool = False,
) -> Result:
    """Minimise ``sum_i s_i max(0, 1 - y_i (x_i'w + c)) / sum(s) + alpha / 2 |w|^2``; c is 0 or costs nothing.

    Parameters
    ----------
    X : ndarray or scipy sparse array of shape (n_samples, n_features)
        Compressed rows, or C order, of float64 are not copied; dense data with an intercept are copied once.
    signs : ndarray of shape (n_samples,)
        The y above: -1 and 1.
    alpha : float
        Above 0.
    sample_weight : ndarray of shape (n_samples,), optional
        The s above.
    fit_intercept : bool, default=True
    options : Options
        Its `tol` bounds the duality gap, relative to the objective at w = 0 with the best constant.
    start : tuple, optional
        Coefficients and intercept, and perhaps a dual point, to start from.
    callback, verbose
        See `sparsesolve.driver.drive`.
    quiet : bool, default=False
        Do not warn if the tolerance is not met.

    Returns
    -------
    Result
        With a `HingeSolution`.

    Raises
    ------
    ValueError
        If alpha is not above 0, or an array has a wrong shape or entries.

    Notes
    -----
    Complexity: one pass over X a sweep, and O(k^3) for k support vectors between their bounds where they are few.

    References
    ----------
    Hsieh, Chang, Lin, Keerthi and Sundararajan, A dual coordinate descent method for large-scale linear SVM, 2008.

    Examples
    --------
    >>> import numpy as np
    >>> from sparsesolve.coordinate.hinge.solver import solve_hinge
    >>> from sparsesolve.coordinate.linear_models.options import check_options
    >>> result = solve_hinge(np.array([[0.0], [2.0]]), np.array([-1.0, 1.0]), alpha=0.1,
    ...                      options=check_options(1e-10, 100, None, "auto"))
    >>> result.converged, result.solution.coef.round(6), round(result.solution.intercept, 6)
    (True, array([1.]), -1.0)
    """
    alpha = _check_alpha(alpha)
    X = check_matrix("X", X)
    signs = _check_signs(signs, X.shape[0])
    problem = pose(X, signs, alpha, check_weights("sample_weight", sample_weight, X.shape[0]), fit_intercept)
    state = _start(problem, start)
    supports: list[int] = []
    outcome = drive(
        _rounds(problem, state, options.tol, supports),
        tol=options.tol,
        max_iter=options.max_iter,
        max_time=options.max_time,
        callback=callback,
        verbose=verbose,
    )
    best = outcome.best.solution
    point = best if best.is_fresh else refreshed(problem, best.v)
    status = _honest(outcome.status, point.gap, options.tol)
    coef, intercept = problem.lift(point.w, point.intercept)
    solution = HingeSolution(
        coef,
        intercept,
        problem.alpha * point.primal,
        point.gap,
        identified_at(supports, _support(problem, point.v)),
        problem.dual_point(point.v),
    )
    return certified_result(solution, status, outcome, options, quiet)


def _check_alpha(alpha) -> float:
    alpha = check_real("alpha", alpha)
    if alpha <= 0.0:
        raise ValueError(
            f"alpha={alpha} must be above 0: without a penalty the hinge loss has no dual; try 1e-6."
        )
    return alpha


def _check_signs(signs, n_samples):
    signs = check_targets("signs", signs, n_samples)
    if signs.ndim != 1 or not np.isin(signs, (-1.0, 1.0)).all():
        raise ValueError("signs must be one-dimensional with entries -1 and 1: encode the classes so.")
    return signs


def _start(problem: HingeProblem, start) -> State:
    """Zero, or the dual point that a start stands for."""
    if start is None:
        sizes = problem.upper - problem.lower
        mean = float(sizes @ problem.signs / sizes.sum()) if problem.fit_intercept else 0.0
        return State(problem, np.zeros(problem.signs.size), np.zeros(problem.samples.shape[0]), mean)
    w, intercept = problem.lower_coef(np.asarray(start[0], dtype=np.float64), float(start[1]))
    if len(start) > 2:
        v = np.clip(start[2][problem.kept] / problem.alpha, problem.lower, problem.upper)
    else:
        at_w = evaluate(problem, np.zeros(problem.signs.size), w)
        wanted = problem.signs * at_w.slopes < 0.0
        v = np.where(wanted, problem.lower + problem.upper, 0.0)
    combination = problem.combination(v, np.flatnonzero(v))
    return State(problem, v, combination, intercept)


def _rounds(problem: HingeProblem, state: State, tol: float, supports: list[int]) -> Solver:
    """Sweeps over the samples that may move, and steps over those between their bounds; a point after each round."""
    if problem.base == 0.0:  # one class and an intercept: the constant is right, and only v = 0 is feasible
        point = refreshed(problem, np.zeros(problem.signs.size))
        supports.append(_support(problem, point.v))
        yield Iterate(point, point.gap, problem.alpha * point.primal, {"free": 0})
        return None
    generator = np.random.Generator(np.random.Philox(key=as_key(0)))
    members = np.arange(problem.signs.size)
    firm, target, least, since = np.inf, 0.1, np.inf, 0
    for round_number in count():
        slow = True
        for _ in range(_SWEEPS):
            violation, members = _one_sweep(problem, state, members, generator, firm)
            firm = max(violation, 1e-15)
            yield TICK
            if violation <= target or members.size == 0:
                slow = False
                break
        free = state.free()
        if free.size and (is_cheap(problem, free.size) or (slow and round_number > 0)):
            for _ in range(_DIRECT_STEPS):
                if solve_free(state):
                    break
                yield TICK
        point = evaluate(problem, state.v, state.w)
        if point.gap <= 10.0 * tol or since > 0:  # what rounding has done to w must not count
            point = refreshed(problem, point.v)
            state.v, state.w = point.v.copy(), point.w.copy()
        supports.append(_support(problem, point.v))
        yield Iterate(point, point.gap, problem.alpha * point.primal, {"free": free.size})
        since = 0 if point.gap < least else since + 1
        if since >= _PATIENCE:
            return Status.STALLED
        if not point.gap > 0.0:
            return None
        least = min(least, point.gap)
        if since > 0 and problem.fit_intercept:
            state.intercept = point.intercept  # far away, the multiplier only crawls
        slopes = point.slopes + (state.intercept - point.intercept)
        members, violation = _candidates(problem, state.v, slopes)
        violation = max(violation, problem.stiffness * abs(float(state.v.sum())))
        target = violation * min(0.5, max(0.02, (tol / point.gap) ** 0.7))
        firm = violation
    return None


def _one_sweep(problem, state, members, generator, firm):
    """A sweep in a random order, the search of the plane, and the multiplier."""
    order = _shuffled(members, generator)
    v, w, intercept = state.moves.old_v, state.moves.old_w, state.intercept
    v[:], w[:] = state.v, state.w
    stayed, state.intercept, violation = sweep(
        problem.samples.parts,
        order,
        order.size,
        state.v,
        state.w,
        state.intercept,
        problem.stiffness,
        problem.squares + problem.stiffness,
        problem.lower,
        problem.upper,
        problem.signs,
        firm,
    )
    search_plane(state, v, w, intercept)
    violation = max(violation, abs(state.update_multiplier()))
    return violation, np.sort(order[:stayed])


def _shuffled(members, generator):
    if members.size < _FEW:
        return generator.permutation(members)
    size = _BLOCK if members.size >= _MANY else _SMALL_BLOCK
    whole = members.size // size * size
    blocks = generator.permutation(members[:whole].reshape(-1, size))
    return np.concatenate([members[whole:], blocks[:, generator.permutation(size)].ravel()])


def _candidates(problem, v, slopes):
    """The samples that may move, and the largest slope among them."""
    at_lower, at_upper = v <= problem.lower, v >= problem.upper
    sizes = np.abs(slopes)
    sizes[at_lower] = np.maximum(0.0, -slopes[at_lower])
    sizes[at_upper] = np.maximum(0.0, slopes[at_upper])
    violation = float(sizes.max())
    settled = (at_lower & (slopes > violation)) | (at_upper & (slopes < -violation))
    return np.flatnonzero(~settled), violation


def _support(problem, v) -> int:
    return support_name((v > problem.lower) & (v < problem.upper))


def _honest(status: Status, gap: float, tol: float) -> Status:
    if gap <= tol:
        return Status.CONVERGED
    return Status.STALLED if status is Status.CONVERGED else status
