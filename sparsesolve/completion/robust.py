"""Huber's loss: least squares again and again, with weights that fall where an error is large."""

from __future__ import annotations

from itertools import count
from typing import NamedTuple

import numpy as np

from ..driver import TICK, Iterate, Solver
from ..random import as_key
from ..result import Status
from .alternating import certify
from .completed import Completed, errors_of
from .effects import (
    Effects,
    centre,
    half_sweep_effects,
    lightest,
    measure_effects,
    no_effects,
    resume,
    with_factors,
)
from .entries import root_mean_square
from .observations import Observations
from .options import Options
from .regressions import Posed, pose
from .row_solvers import half_sweep, make_solver

#: Huber's constant for 95 % efficiency at normal errors, and what makes a median a standard deviation.
_HUBER, _NORMAL = 1.345, 1.4826
#: Sweeps for effects alone, before the factors begin.
_FIRST_SWEEPS = 10
#: The scale of errors follows their median for so many sweeps, and stays above a floor.
_SCALE_SWEEPS, _FLOOR = 300, 1e-11


class _Reweighted(NamedTuple):
    """The problem with the weights that errors ask for."""

    posed: Posed
    robust: Observations
    scale: float
    losses: np.ndarray
    rmse: float


def by_huber(
    observations: Observations, options: Options, random_state, start: Completed | None = None
) -> Solver:
    """Squares near zero, absolute values beyond: reweighted least squares, one sweep for each set of weights.

    Gross outliers lose their weight. The scale of the errors comes from their median until it settles.
    """
    values, key = observations.rows.values, as_key(random_state)
    mean = centre(observations, "huber") if options.bias else 0.0
    reweigh = _reweigher(observations, options, mean)
    if start is None:
        effects, scale = _effects_alone(observations, options, mean, reweigh, key)
        rest = errors_of(observations, _found(effects, mean, scale, None, True))
        middle = float(np.median(rest))
        spread = _spread(rest - middle, values)
        clipped = observations.with_values(np.clip(rest, middle - 3.0 * spread, middle + 3.0 * spread))
        state = with_factors(effects, scale, clipped, options, key)
    else:
        posed = pose(observations.with_values(values - mean))
        state, scale = resume(posed, start, mean), posed.scale
    found, width = _found(state, mean, scale, None, options.bias), np.inf
    for sweep in count(1):
        yield TICK
        errors = np.abs(errors_of(observations, found))
        now = reweigh(errors, width, sweep <= _SCALE_SWEEPS)
        change = abs(now.scale - width) / now.scale if np.isfinite(width) else np.inf
        width = now.scale
        measure = (
            measure_effects(now.posed, state)
            if options.bias
            else certify(now.robust, found.factors, options.alpha, options.scale_alpha).certificate
        )
        extras = {"rmse": now.rmse, "scale": width}
        objective = float(now.losses.sum())
        yield Iterate(found._replace(robust=now.robust), max(measure, change), objective, extras)
        state = _swept(now.posed, state, options.bias, key, sweep)
        found = _found(state, mean, now.posed.scale, now.robust, options.bias)
    return Status.STALLED


def _reweigher(observations: Observations, options: Options, mean: float):
    """What makes the weighted problem from the errors, the last scale, and whether the scale may still move."""
    side = observations.rows
    own = side.weights if side.weights.size else np.ones(side.values.size)
    floor = _FLOOR * _spread(side.values - np.median(side.values), side.values)

    def reweigh(errors, scale, moves) -> _Reweighted:
        if moves:
            scale = max(_NORMAL * float(np.median(errors)), floor)
        edge = _HUBER * scale
        weights = own * np.minimum(1.0, edge / np.maximum(errors, edge * 1e-300))
        losses = own * np.where(errors <= edge, errors**2, edge * (2.0 * errors - edge))
        rmse = float(np.sqrt(np.average(errors**2, weights=weights)))
        posed = pose(
            observations.with_values(side.values - mean, weights), options.alpha, options.scale_alpha
        )
        return _Reweighted(posed, observations.with_values(side.values, weights), scale, losses, rmse)

    return reweigh


def _effects_alone(observations, options: Options, mean: float, reweigh, key) -> tuple[Effects, float]:
    """Effects without factors, by a few reweighted sweeps; none where the model has none. With their units."""
    scale = pose(observations.with_values(observations.rows.values - mean)).scale
    state = no_effects(observations.shape)
    for sweep in range(_FIRST_SWEEPS if options.bias else 0):
        errors = np.abs(errors_of(observations, _found(state, mean, scale, None, True)))
        state = _swept(reweigh(errors, np.inf, True).posed, state, True, key, sweep)
    return state, scale


def _spread(rest: np.ndarray, values: np.ndarray) -> float:
    """A standard deviation that outliers do not move; above zero where not all values are zero."""
    spread = _NORMAL * float(np.median(np.abs(rest)))
    return spread if spread > 0.0 else root_mean_square(values, np.empty(0))


def _swept(posed: Posed, state: Effects, bias: bool, key: int, sweep: int) -> Effects:
    if bias:
        for turn in (posed, posed.transposed):
            state, _sums = half_sweep_effects(turn, state, "cholesky", key, sweep)
            state = state.transposed
        return lightest(posed, state) if posed.rows.regularised else state
    solver = make_solver("cholesky")
    A, _sums = half_sweep(posed.rows, posed.columns.masses, state.A, state.B, solver)
    B, _sums = half_sweep(posed.columns, posed.rows.masses, state.B, A, solver)
    return state._replace(A=A, B=B)


def _found(state: Effects, mean: float, scale: float, robust, bias: bool) -> Completed:
    found = state.completed(mean, scale, robust)
    return found if bias else found._replace(biases=None)
