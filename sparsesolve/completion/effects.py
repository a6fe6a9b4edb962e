"""Factors together with a mean, row and column effects: a factor of ones for each, the other one fitted."""

from __future__ import annotations

from dataclasses import replace
from itertools import count
from typing import NamedTuple

import numpy as np

from ..backends.threads import single_threaded_blas
from ..driver import TICK, Iterate, Solver
from ..random import as_key
from ..result import Status
from .acceleration import Anderson
from .completed import Biases, Completed, errors_at, without
from .factors import Factors
from .joint import JointIterate, Slowness, newton_steps
from .observations import Observations, Side
from .options import Options
from .regressions import Posed, Regressions, pose
from .row_solvers import Sums, choose, gradient_sums, half_sweep, make_solver
from .spectral import spectral_start

_PATIENCE = 5
#: Sweeps for effects alone, before the factors begin.
_FIRST_SWEEPS = 3
# A step of extrapolation may raise the objective by this share before it is taken back.
_SLACK = 1e-3


class Effects(NamedTuple):
    """Factors with effects of their rows, and a common level, all in posed units.

    Attributes
    ----------
    A : ndarray of shape (m, rank)
    own : ndarray of shape (m,)
        Row effects.
    B : ndarray of shape (n, rank)
    other : ndarray of shape (n,)
        Column effects.
    level : float
    """

    A: np.ndarray
    own: np.ndarray
    B: np.ndarray
    other: np.ndarray
    level: float

    @property
    def transposed(self) -> Effects:
        """Rows and columns exchanged."""
        return Effects(self.B, self.other, self.A, self.own, self.level)

    def completed(self, mean: float, scale: float, robust: Observations | None = None) -> Completed:
        """In the data's units."""
        root = np.sqrt(scale)
        biases = Biases(mean + self.level * scale, self.own * scale, self.other * scale)
        return Completed(Factors(self.A * root, self.B * root), biases, robust)


def resume(posed: Posed, start: Completed, mean: float) -> Effects:
    """The effects of a completion, in posed units, `mean` having been taken off the entries."""
    root = np.sqrt(posed.scale)
    A, B = start.factors
    biases = start.biases or Biases(mean, np.zeros(len(A)), np.zeros(len(B)))
    level = (biases.mean - mean) / posed.scale
    return Effects(A / root, biases.rows / posed.scale, B / root, biases.columns / posed.scale, level)


def no_effects(shape: tuple[int, int]) -> Effects:
    """Zeros, and factors without columns."""
    m, n = shape
    return Effects(np.zeros((m, 0)), np.zeros(m), np.zeros((n, 0)), np.zeros(n), 0.0)


def with_factors(effects: Effects, scale: float, rest: Observations, options: Options, key: int) -> Effects:
    """Effects, in units of `scale`, with the spectral start of what they leave."""
    left = pose(rest, options.alpha, options.scale_alpha)
    A, B = spectral_start(left.at_precision(np.float32), options.rank, key)
    root = np.sqrt(left.scale / scale)
    return effects._replace(A=A * root, B=B * root)


def centre(observations: Observations, loss: str = "squared") -> float:
    """What is taken off the entries first: effects are measured, and their ridge scaled, by what remains."""
    if loss == "huber":
        return observations.median(observations.along(values_at))
    total, mass = observations.summed(_weighted_total)
    return float(total / mass)


def values_at(side: Side) -> np.ndarray:
    """The entries."""
    return side.values


def lowered(side: Side, mean: float) -> tuple[np.ndarray, np.ndarray]:
    """The entries with something taken off, and their weights."""
    return side.values - mean, side.weights


def _weighted_total(side: Side) -> tuple[float, float]:
    values, weights = side.values, side.weights
    return ((weights * values).sum(), weights.sum()) if weights.size else (values.sum(), values.size)


def with_biases(
    observations: Observations, options: Options, random_state, start: Completed | None = None
) -> Solver:
    """Alternating sweeps over factors and effects, extrapolated.

    Effects have the ridge of the factors, in units of the data's size; the mean has none.
    """
    mean = centre(observations)
    posed = pose(observations.mapped(lowered, arguments=(mean,)), options.alpha, options.scale_alpha)
    key = as_key(random_state)
    if start is None:
        alone = _effects_alone(posed, key)
        left = observations.along(errors_at, alone.completed(mean, posed.scale))
        rest = observations.mapped(without, left)
        state = with_factors(alone, posed.scale, rest, options, key)
    else:
        state = resume(posed, start, mean)
    anderson, plain, lowest = Anderson(4), state, np.inf
    best, waited, extrapolated, slowness = np.inf, 0, False, Slowness()
    for sweep in count(1):
        yield TICK
        state, before = half_sweep_effects(posed, state, options.inner, key, sweep)
        turned, after = half_sweep_effects(posed.transposed, state.transposed, options.inner, key, sweep)
        share = _share(posed, state, after)
        if extrapolated and not share <= lowest * (1.0 + _SLACK) + 1e-13:
            state, extrapolated = plain, False
            anderson.clear()
            continue
        lowest = min(lowest, share)
        # The second half sweep began with the gradient at this state: it is certified at no cost.
        certificate = _root_share(after.before + before.after, posed)
        if certificate <= options.tol:
            certificate = measure_effects(posed, state)
        rmse = float(np.sqrt(max(after.squares, 0.0) / posed.rows.masses.sum())) * posed.scale
        objective = share * posed.energy * posed.scale**2 * posed.weight_scale
        yield Iterate(
            state.completed(mean, posed.scale), certificate, objective, {"rmse": rmse, "change": np.nan}
        )
        waited = 0 if certificate < 0.9 * best else waited + 1
        best = min(best, certificate)
        if waited >= _PATIENCE and best < 1e-10:
            break
        if slowness.seen(certificate):
            for found in _newton(posed, state, options.tol):
                yield found if found is TICK else _newton_iterate(found, posed, mean)
            break
        plain = turned.transposed
        if posed.rows.regularised:
            plain = lightest(posed, plain)
        state = _extrapolated(anderson, state, plain)
        extrapolated = len(anderson.history) > 1
    return Status.STALLED


def _effects_alone(posed: Posed, key: int) -> Effects:
    """Effects by a few sweeps without factors."""
    state = no_effects(posed.shape)
    for sweep in range(_FIRST_SWEEPS):
        for turn in (posed, posed.transposed):
            state, _sums = half_sweep_effects(turn, state, "cholesky", key, sweep)
            state = state.transposed
    return state


def half_sweep_effects(posed: Posed, state: Effects, inner, key, sweep) -> tuple[Effects, Sums]:
    """Solve for the rows of A and their effects, the others' factors and effects being given."""
    name = "cholesky" if inner == "auto" else choose(inner, posed.rows, state.A.shape[1] + 1, 2)
    solver = make_solver(name, 2, 1e-3, key, sweep)
    wide_A, sums = half_sweep(*_wide(posed, state), solver)
    return state._replace(A=wide_A[:, :-1], own=wide_A[:, -1]), sums


def measure_effects(posed: Posed, state: Effects) -> float:
    """The certificate of factors and effects, from the gradient alone; O(entries rank).

    As `alternating.certify` measures it, with an effect as one more column of a factor on a column of ones.
    """
    own, other = (
        gradient_sums(*_wide(posed, state)),
        gradient_sums(*_wide(posed.transposed, state.transposed)),
    )
    return _root_share(own.before + other.before, posed)


def _newton(posed: Posed, state: Effects, tol: float):
    """Joint steps on factors that hold the effects: [A, r, 1] and [B, 1, c], the ones held."""
    rank = state.A.shape[1]
    wide_A = np.column_stack([state.A, state.own, np.ones(len(state.A))])
    wide_B = np.column_stack([state.B, np.ones(len(state.B)), state.other])
    places = np.arange(rank + 2)
    shifted = replace(
        posed,
        rows=posed.rows.shifted(np.zeros_like(state.other), state.level),
        columns=posed.columns.shifted(np.zeros_like(state.own), state.level),
    )
    for found in newton_steps(shifted, wide_A, wide_B, places <= rank, places != rank, tol):
        if found is TICK:
            yield TICK
            continue
        A, B, level = found.A, found.B, state.level
        certificate = found.certificate * float(np.sqrt(shifted.energy / posed.energy))
        turned = Effects(A[:, :rank], A[:, rank], B[:, :rank], B[:, rank + 1], level)
        yield turned, found._replace(certificate=certificate)


def _newton_iterate(pair: tuple[Effects, JointIterate], posed: Posed, mean: float) -> Iterate:
    state, found = pair
    extras = {
        "rmse": float(np.sqrt(found.squares / posed.rows.masses.sum())) * posed.scale,
        "change": np.nan,
    }
    objective = found.objective * posed.scale**2 * posed.weight_scale
    return Iterate(state.completed(mean, posed.scale), found.certificate, objective, extras)


def certify_effects(
    observations: Observations, found: Completed, mean: float, alpha: float, scale_alpha: bool
) -> float:
    """The certificate of a completion with effects, from the data and their centre."""
    posed = pose(observations.mapped(lowered, arguments=(mean,)), alpha, scale_alpha)
    return measure_effects(posed, resume(posed, found, mean))


def _wide(posed: Posed, state: Effects) -> tuple[Regressions, np.ndarray, np.ndarray, np.ndarray]:
    """The regressions of factors and effects together: data, metric, start and design."""
    shifted = posed.rows.shifted(state.other, state.level)
    wide_A = np.column_stack([state.A, state.own])
    return shifted, posed.columns.masses, wide_A, np.column_stack([state.B, np.ones(len(state.B))])


def _root_share(gradient: float, posed: Posed) -> float:
    return float(np.sqrt(gradient / posed.energy)) if posed.energy > 0.0 else 0.0


def _share(posed: Posed, state: Effects, after: Sums) -> float:
    """The objective over the data's sum of squares."""
    total = max(after.squares, 0.0)
    for side, factor, effects in ((posed.rows, state.A, state.own), (posed.columns, state.B, state.other)):
        total += float(side.penalties @ (np.einsum("ij,ij->i", factor, factor) + effects**2))
    return total / posed.energy if posed.energy > 0.0 else 0.0


@single_threaded_blas()
def _extrapolated(anderson: Anderson, before: Effects, after: Effects) -> Effects:
    """Extrapolate in the gauge in which the factors turn least; effects and level go with the columns' and rows'."""
    left, _, right = np.linalg.svd(after.B.T @ before.B)
    W = left @ right
    size = np.full((1, after.B.shape[1] + 1), after.level)
    old = np.full((1, after.B.shape[1] + 1), before.level)
    A1 = np.column_stack([after.A @ W, after.own])
    B1 = np.vstack([np.column_stack([after.B @ W, after.other]), size])
    B0 = np.vstack([np.column_stack([before.B, before.other]), old])
    A, B = anderson.extrapolate(B0, A1, B1)
    return Effects(A[:, :-1], A[:, -1], B[:-1, :-1], B[:-1, -1], float(B[-1, -1]))


def lightest(posed: Posed, state: Effects) -> Effects:
    """Of all states with the same completion one of smaller ridge: sweeps alone move hardly in these directions."""
    for _ in range(2):
        # b_j - t with r_i + a_i't, at the best t; then the same with rows and columns exchanged.
        penalties, others = posed.rows.penalties, posed.columns.penalties
        A, r, B, c, level = state
        weighted = A * penalties[:, None]
        t = np.linalg.solve(others.sum() * np.eye(A.shape[1]) + A.T @ weighted, others @ B - weighted.T @ r)
        state = Effects(A, r + A @ t, B - t, c, level).transposed
        posed = posed.transposed
    A, r, B, c, level = state
    shift_r = float(np.average(r, weights=posed.rows.penalties))
    shift_c = float(np.average(c, weights=posed.columns.penalties))
    # A T and B T^-T of equal weighted Gram matrices.
    gram_A, gram_B = (
        F.T @ (p[:, None] * F) for F, p in ((A, posed.rows.penalties), (B, posed.columns.penalties))
    )
    root = _power(gram_A, 0.5)
    inverse = _power(gram_A, -0.5)
    T = inverse @ _power(root @ gram_B @ root, 0.25)
    balanced_B = B @ (root @ _power(root @ gram_B @ root, -0.25))
    return Effects(A @ T, r - shift_r, balanced_B, c - shift_c, level + shift_r + shift_c)


def _power(symmetric, exponent):
    """A power of a positive semidefinite matrix; what is lost to rounding stays zero."""
    values, vectors = np.linalg.eigh(0.5 * (symmetric + symmetric.T))
    kept = values > 1e-14 * values.max(initial=0.0)
    powers = np.zeros_like(values)
    powers[kept] = values[kept] ** exponent
    return (vectors * powers) @ vectors.T
