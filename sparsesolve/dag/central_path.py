"""The central path of CoLiDE, as published: acyclicity by a log-determinant whose weight grows from stage to stage.

Stage k minimises ``mu_k S(W, scales) + h(W; s_k)`` from the end of the stage before, with the concomitant score S
(`concomitant.objective`) and the acyclicity measure h (`log_determinant`). The scales have a closed form, given W.
At the end the weights are nearly acyclic: `thresholding.threshold_weights` makes a graph of them.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from ..driver import TICK, Iterate, Solver
from ..result import Status
from .central_path_adam import AdamOptions, adam
from .central_path_columns import column_newton
from .central_path_stage import Stage
from .concomitant import scale_floors
from .log_determinant import acyclicity

_WIDER = 0.1


class Schedule(NamedTuple):
    """The stages, and how each is solved; by default as in the authors' code.

    Attributes
    ----------
    mu : tuple of float
        Weight of the score in each stage.
    s : tuple of float
        Bound on the spectral radius of the squared weights in each stage.
    warm_iter, max_iter : int
        Adam's largest number of steps in the stages before the last, and in the last.
    learning_rate : float
        Adam's: about the largest change of a weight in one step.
    betas : tuple of two float
        Adam's decay of the two moments.
    checkpoint : int
        Steps of Adam between two looks at the objective.
    tol : float
        A stage ends once the objective changes by this share of it, or less, between two looks at it.
    """

    mu: tuple[float, ...] = (1.0, 0.1, 0.01, 0.001)
    s: tuple[float, ...] = (1.0, 0.9, 0.8, 0.7)
    warm_iter: int = 20_000
    max_iter: int = 70_000
    learning_rate: float = 3e-4
    betas: tuple[float, float] = (0.99, 0.999)
    checkpoint: int = 1000
    tol: float = 1e-6


class CentralPoint(NamedTuple):
    """A point of the central path.

    Attributes
    ----------
    weights : ndarray of float64, shape (d, d)
        [i, j] is the weight of i -> j.
    scales : ndarray of float64, shape (d,)
        Noise standard deviations; all the same for equal noise.
    """

    weights: np.ndarray
    scales: np.ndarray


DEFAULT_SCHEDULE = Schedule()


def central_path(
    C: np.ndarray,
    *,
    noise: str = "equal",
    alpha: float = 0.05,
    schedule: Schedule = DEFAULT_SCHEDULE,
    inner: str = "auto",
    allowed: np.ndarray | None = None,
    floors: np.ndarray | None = None,
) -> Solver:
    """Follow the central path from zero weights.

    Parameters
    ----------
    C : ndarray of shape (d, d)
        Covariance X'X / n of centred columns, finite.
    noise : {"equal", "unequal"}
        CoLiDE-EV or CoLiDE-NV.
    alpha : float
        Penalty on the weights (lambda in the paper), above 0.
    schedule : Schedule
    inner : {"auto", "adam", "newton"}
        "adam" is the paper's. "newton", which "auto" takes, goes from column to column with Newton's method
        (`central_path_columns`): stages end about as low or lower, in a small part of the time, at weights with exact
        zeros. Both may end in different local minima.
    allowed : ndarray of bool, shape (d, d), optional
        Edges that may be there; all by default. The diagonal never is. Edges cannot be required here.
    floors : ndarray of float64, shape (d,), optional
        Least noise scales, above 0; `scale_floors` by default. For equal noise all the same.

    Yields
    ------
    Iterate or None
        For `drive`, with ``schedule.tol``. An `Iterate` at each checkpoint of Adam, and after each course of Newton's
        method over a stage; its solution is a `CentralPoint`, its objective that of its stage (`stage_objective`). The
        certificate counts the stages that are left, this one as a whole until it can end, plus the least share by which
        the objective changed between two looks at it. Extras: ``stage`` from 0, ``mu``, ``s``, ``h`` at the weights,
        and ``stationarity``, `Stage.residual`.

    Raises
    ------
    ValueError
        For an unknown noise or inner solver, alpha not above 0, or a schedule whose stages do not match.

    Notes
    -----
    Where the weights that a stage begins with lie outside of its domain, its s grows in steps of 0.1. The authors' code
    has no floor for the scales, and leaves the diagonal free; both are mended here. O(d^3) a step of Adam, of which
    there are tens of thousands; O(d parents^3 + d^3) a round of Newton's method over the columns, hundreds of them.

    References
    ----------
    Saboksayr, Mateos and Tepper, "CoLiDE: concomitant linear DAG estimation", ICLR 2024.

    Examples
    --------
    >>> import numpy as np
    >>> from sparsesolve.dag.central_path import central_path
    >>> from sparsesolve.dag.thresholding import threshold_weights
    >>> from sparsesolve.driver import drive
    >>> x = np.random.default_rng(0).standard_normal((500, 2))
    >>> x[:, 1] += 1.5 * x[:, 0]
    >>> best = drive(central_path(x.T @ x / 500), tol=1e-6, max_iter=1000).best
    >>> threshold_weights(best.solution.weights).adjacency.round(1).tolist()
    [[0.0, 1.5], [0.0, 0.0]]
    """
    first = _check(C, noise, alpha, schedule, inner, allowed, floors)
    return _follow(first, schedule, inner)


def _check(C, noise, alpha, schedule, inner, allowed, floors) -> Stage:
    if noise not in ("equal", "unequal"):
        raise ValueError(f'noise={noise!r} is unknown; choose "equal" or "unequal".')
    if inner not in ("auto", "adam", "newton"):
        raise ValueError(f'inner={inner!r} is unknown; choose "auto", "adam" or "newton".')
    if not alpha > 0:
        raise ValueError(f"alpha={alpha} must be above 0.")
    if not 0 < len(schedule.mu) == len(schedule.s):
        raise ValueError(
            f"schedule has {len(schedule.mu)} weights mu and {len(schedule.s)} bounds s: give one of each a stage."
        )
    C = np.array(C, dtype=np.float64, order="C")  # writeable: kernels are compiled for one kind of array
    allowed = np.ones(C.shape, dtype=bool) if allowed is None else np.array(allowed, dtype=bool)
    np.fill_diagonal(allowed, False)
    floors = scale_floors(C, noise) if floors is None else np.array(floors, dtype=np.float64)
    return Stage(C, allowed, floors, noise, float(alpha), schedule.mu[0], schedule.s[0])


def _follow(first: Stage, schedule: Schedule, inner: str) -> Solver:
    weights = np.zeros_like(first.C)
    change = math.inf
    for number, (mu, s) in enumerate(zip(schedule.mu, schedule.s, strict=True)):
        left = len(schedule.mu) - 1 - number
        while acyclicity(weights, s) == math.inf:
            s += _WIDER
        stage = first._replace(mu=float(mu), s=float(s))
        change = 1.0
        for news in _looks(stage, weights, schedule, inner, number, left):
            if news is TICK:
                yield TICK
                continue
            weights, latest, ready = news
            change = min(change, latest)
            scales, objective, h = stage.describe(weights)
            extras = {
                "stage": number,
                "mu": stage.mu,
                "s": stage.s,
                "h": h,
                "stationarity": stage.residual(weights, scales),
            }
            certificate = left + (change if ready else 1.0)
            yield Iterate(CentralPoint(weights, scales), certificate, objective, extras)
    return Status.CONVERGED if change <= schedule.tol else Status.MAX_ITER


def _looks(
    stage: Stage, weights: np.ndarray, schedule: Schedule, inner: str, number: int, left: int
) -> Iterator[tuple[np.ndarray, float, bool] | None]:
    """Yield weights, the relative change of the objective, and whether the stage may end; TICK on the way."""
    if inner != "adam":
        yield from column_newton(stage, weights, schedule.tol, first=number == 0, last=left == 0)
        return
    options = AdamOptions(
        schedule.learning_rate,
        schedule.betas,
        schedule.checkpoint,
        schedule.warm_iter if left else schedule.max_iter,
    )
    before = math.nan
    for found in adam(stage, weights, options):
        if found is None:
            yield TICK
            continue
        value = stage.describe(found)[1]
        change = abs(value - before) / abs(value) if value != before else 0.0
        change, before = (1.0 if math.isnan(change) else change), value
        yield found, change, True
        if change <= schedule.tol:
            return
