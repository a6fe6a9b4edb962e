"""Huber's loss: least squares again and again, with weights that fall where an error is large."""

from __future__ import annotations

from itertools import count
from typing import NamedTuple

import numpy as np

from ..driver import TICK, Iterate, Solver
from ..random import as_key
from ..result import Status
from .alternating import certify
from .completed import Completed, errors_at, without
from .effects import (
    Effects,
    centre,
    half_sweep_effects,
    lightest,
    lowered,
    measure_effects,
    no_effects,
    resume,
    values_at,
    with_factors,
)
from .observations import Observations, Side
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
    loss: float
    rmse: float


def by_huber(
    observations: Observations, options: Options, random_state, start: Completed | None = None
) -> Solver:
    """Squares near zero, absolute values beyond: reweighted least squares, one sweep for each set of weights.

    Gross outliers lose their weight. The scale of the errors comes from their median until it settles.
    """
    key = as_key(random_state)
    mean = centre(observations, "huber") if options.bias else 0.0
    reweigh = _reweigher(observations, options, mean)
    if start is None:
        effects, scale = _effects_alone(observations, options, mean, reweigh, key)
        rest = observations.along(errors_at, _found(effects, mean, scale, None, True))
        middle = observations.median(rest)
        rest = observations.mapped(without, rest)
        spread = _spread(rest, middle, observations)
        clipped = rest.mapped(_clipped, arguments=(middle - 3.0 * spread, middle + 3.0 * spread))
        state = with_factors(effects, scale, clipped, options, key)
    else:
        posed = pose(observations.mapped(lowered, arguments=(mean,)))
        state, scale = resume(posed, start, mean), posed.scale
    found, width = _found(state, mean, scale, None, options.bias), np.inf
    for sweep in count(1):
        yield TICK
        now = reweigh(found, width, sweep <= _SCALE_SWEEPS)
        change = abs(now.scale - width) / now.scale if np.isfinite(width) else np.inf
        width = now.scale
        measure = (
            measure_effects(now.posed, state)
            if options.bias
            else certify(now.robust, found.factors, options.alpha, options.scale_alpha).certificate
        )
        extras = {"rmse": now.rmse, "scale": width}
        yield Iterate(found._replace(robust=now.robust), max(measure, change), now.loss, extras)
        state = _swept(now.posed, state, options.bias, key, sweep)
        found = _found(state, mean, now.posed.scale, now.robust, options.bias)
    return Status.STALLED


def _reweigher(observations: Observations, options: Options, mean: float):
    """What makes the weighted problem from an iterate, the last scale, and whether the scale may still move."""
    middle = observations.median(observations.along(values_at))
    floor = _FLOOR * _spread(observations, middle, observations)

    def reweigh(found, scale, moves) -> _Reweighted:
        errors = observations.along(_misses, found)
        if moves:
            scale = max(_NORMAL * observations.median(errors), floor)
        edge = _HUBER * scale
        loss, squares, mass = observations.summed(_losses, errors, arguments=(edge,))
        rmse = float(np.sqrt(squares / mass))
        posed = pose(
            observations.mapped(_robust, errors, arguments=(edge, mean)), options.alpha, options.scale_alpha
        )
        robust = observations.mapped(_robust, errors, arguments=(edge, 0.0))
        return _Reweighted(posed, robust, scale, float(loss), rmse)

    return reweigh


def _misses(side: Side, found: Completed) -> np.ndarray:
    """Sizes of the errors."""
    return np.abs(errors_at(side, found))


def _weights(side: Side, errors: np.ndarray, edge: float) -> np.ndarray:
    """Weights that fall where an error is large."""
    falling = np.minimum(1.0, edge / np.maximum(errors, edge * 1e-300))
    return falling * side.weights if side.weights.size else falling


def _robust(side: Side, errors: np.ndarray, edge: float, mean: float) -> tuple[np.ndarray, np.ndarray]:
    return side.values - mean, _weights(side, errors, edge)


def _losses(side: Side, errors: np.ndarray, edge: float) -> tuple[float, float, float]:
    """The sums of Huber's losses, of reweighted squares of the errors, and of the weights."""
    losses = np.where(errors <= edge, errors**2, edge * (2.0 * errors - edge))
    weights = _weights(side, errors, edge)
    loss = (side.weights * losses).sum() if side.weights.size else losses.sum()
    return loss, (weights * errors**2).sum(), weights.sum()


def _clipped(side: Side, low: float, high: float) -> tuple[np.ndarray, np.ndarray]:
    return np.clip(side.values, low, high), side.weights


def _distances(side: Side, middle: float) -> np.ndarray:
    return np.abs(side.values - middle)


def _effects_alone(observations, options: Options, mean: float, reweigh, key) -> tuple[Effects, float]:
    """Effects without factors, by a few reweighted sweeps; none where the model has none. With their units."""
    scale = observations.mapped(lowered, arguments=(mean,)).sizes.scale
    state = no_effects(observations.shape)
    for sweep in range(_FIRST_SWEEPS if options.bias else 0):
        found = _found(state, mean, scale, None, True)
        state = _swept(reweigh(found, np.inf, True).posed, state, True, key, sweep)
    return state, scale


def _spread(rest: Observations, middle: float, observations: Observations) -> float:
    """A standard deviation that outliers do not move; above zero where not all entries are zero."""
    spread = _NORMAL * rest.median(rest.along(_distances, middle))
    return spread if spread > 0.0 else observations.sizes.root_mean_square


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
