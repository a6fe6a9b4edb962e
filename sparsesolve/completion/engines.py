"""The ways to complete a matrix, each a generator of iterates for `sparsesolve.driver.drive`."""

from __future__ import annotations

from itertools import count
from typing import NamedTuple

import numpy as np

from ..driver import TICK, Iterate, Solver
from ..random import as_key
from ..result import Status
from .alternating import alternate, certify
from .continuation import recover
from .entries import predictions, root_mean_square, row_numbers
from .factors import Factors
from .observations import Observations
from .options import Options
from .regressions import Posed, pose
from .row_solvers import half_sweep, make_solver
from .spectral import spectral_start

#: Sweeps that alternating minimization gets before an exact fit is looked for by other means.
_SWEEPS = 60
#: A fit whose error is below this share of the entries counts as exact.
_EXACT = 1e-9
#: A completion whose entries are larger than the observed ones, by this factor on average, has run away.
_RUNAWAY = 2.0
#: Huber's constant for 95 % efficiency at normal errors, and what makes a median a standard deviation.
_HUBER, _NORMAL = 1.345, 1.4826
#: The scale of errors follows their median for so many sweeps, and stays above a floor.
_SCALE_SWEEPS, _FLOOR = 300, 1e-11
_PATIENCE = 5


class Biases(NamedTuple):
    """What is added to the product of the factors.

    Attributes
    ----------
    mean : float
    rows : ndarray of shape (m,)
    columns : ndarray of shape (n,)
    """

    mean: float
    rows: np.ndarray
    columns: np.ndarray


class Completed(NamedTuple):
    """An iterate: factors, biases or None, and the entries' weights if they are robust ones."""

    factors: Factors
    biases: Biases | None = None
    robust: Observations | None = None


def by_squares(observations: Observations, options: Options, random_state) -> Solver:
    """Alternating minimization; without a ridge, tangent-space recovery where it does not fit or has run away."""
    size = root_mean_square(observations.rows.values, observations.rows.weights)
    settled = None
    sweeps = alternate(
        observations,
        options.rank,
        alpha=options.alpha,
        scale_alpha=options.scale_alpha,
        inner=options.inner,
        tol=options.tol,
        random_state=random_state,
    )
    n_sweeps = 0
    for iterate in sweeps:
        if iterate is TICK:
            yield TICK
            continue
        n_sweeps += 1
        doubtful = options.alpha == 0.0 and iterate.extras["rmse"] > _EXACT * size
        if doubtful and iterate.certificate <= options.tol and has_run_away(observations, iterate.solution):
            settled = _relabelled(iterate)
            break
        yield _relabelled(iterate)
        if doubtful and n_sweeps >= _SWEEPS:
            break
    else:
        if options.alpha > 0.0:
            return Status.STALLED
    weights = observations.rows.weights
    for iterate in recover(
        observations, options.rank, tol=0.25 * min(options.tol, 1e-8), random_state=random_state
    ):
        if iterate is TICK:
            yield TICK
            continue
        rmse = iterate.certificate * size
        extras = {"rmse": rmse, "change": np.nan}
        if weights.size:  # the residual does not bound the gradient then
            measure = certify(observations, iterate.solution)
            yield Iterate(Completed(iterate.solution), measure.certificate, measure.objective, extras)
        else:
            yield Iterate(Completed(iterate.solution), 4.0 * iterate.certificate, iterate.objective, extras)
    if settled is not None:
        yield settled
    return Status.STALLED


def _relabelled(iterate: Iterate) -> Iterate:
    return Iterate(Completed(iterate.solution), iterate.certificate, iterate.objective, iterate.extras)


def has_run_away(observations: Observations, factors: Factors) -> bool:
    """Whether the completed entries are much larger than the observed ones: a fit without meaning."""
    A, B = factors
    squares = float(((A.T @ A) * (B.T @ B)).sum()) / (A.shape[0] * B.shape[0])
    return squares > (_RUNAWAY * root_mean_square(observations.rows.values, observations.rows.weights)) ** 2


def with_biases(observations: Observations, options: Options, random_state) -> Solver:
    """The same with a mean, row and column effects: a factor of ones for each, the other one fitted.

    Effects have the ridge of the factors, in units of the data's size; the mean has none.
    """
    weights, values = observations.rows.weights, observations.rows.values
    mean = float(np.average(values, weights=weights if weights.size else None))
    posed = pose(observations.with_values(values - mean), options.alpha, options.scale_alpha)
    key, root = as_key(random_state), np.sqrt(posed.scale)
    A, B = spectral_start(posed.at_precision(np.float32), options.rank, key)
    state = _Effects(A, np.zeros(posed.shape[0]), B, np.zeros(posed.shape[1]), 0.0)
    best, waited = np.inf, 0
    for sweep in count(1):
        yield TICK
        state, before = _half_sweep(posed, state, options.inner, key, sweep)
        turned, after = _half_sweep(posed.transposed, state.transposed, options.inner, key, sweep)
        # The second half sweep began with the gradient at this state: it is certified at no cost.
        energy = posed.rows.energy
        certificate = float(np.sqrt((after.before + before.after) / energy)) if energy > 0.0 else 0.0
        rmse = float(np.sqrt(max(after.squares, 0.0) / posed.rows.masses.sum())) * posed.scale
        biases = Biases(mean + state.level * posed.scale, state.own * posed.scale, state.other * posed.scale)
        found = Completed(Factors(state.A * root, state.B * root), biases)
        yield Iterate(found, certificate, np.nan, {"rmse": rmse, "change": np.nan})
        state = turned.transposed
        if posed.rows.regularised:
            state = _lightest(posed, state)
        waited = 0 if certificate < 0.9 * best else waited + 1
        best = min(best, certificate)
        if waited >= _PATIENCE and best < 1e-10:
            return Status.STALLED
    return Status.STALLED


class _Effects(NamedTuple):
    """Factors with effects of their rows, and a common level."""

    A: np.ndarray
    own: np.ndarray
    B: np.ndarray
    other: np.ndarray
    level: float

    @property
    def transposed(self) -> _Effects:
        return _Effects(self.B, self.other, self.A, self.own, self.level)


def _half_sweep(posed: Posed, state: _Effects, inner, key, sweep):
    """Solve for the rows of A and their effects, the others' factors and effects being given."""
    side = posed.rows.side
    shifted = posed.rows.with_values(side.values - state.other[side.others] - state.level)
    wide_A = np.column_stack([state.A, state.own])
    wide_B = np.column_stack([state.B, np.ones(len(state.B))])
    solver = make_solver("cholesky" if inner == "auto" else inner, 2, 1e-3, key, sweep)
    wide_A, sums = half_sweep(shifted, posed.columns.masses, wide_A, wide_B, solver)
    return state._replace(A=wide_A[:, :-1], own=wide_A[:, -1]), sums


def _lightest(posed: Posed, state: _Effects) -> _Effects:
    """Of all states with the same completion one of smaller ridge: sweeps alone move hardly in these directions."""
    for _ in range(
        2
    ):  # b_j - t with r_i + a_i't, at the best t; then the same with rows and columns exchanged
        penalties, others = posed.rows.penalties, posed.columns.penalties
        A, r, B, c, level = state
        weighted = A * penalties[:, None]
        t = np.linalg.solve(others.sum() * np.eye(A.shape[1]) + A.T @ weighted, others @ B - weighted.T @ r)
        state = _Effects(A, r + A @ t, B - t, c, level).transposed
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
    return _Effects(A @ T, r - shift_r, balanced_B, c - shift_c, level + shift_r + shift_c)


def _power(symmetric, exponent):
    """A power of a positive semidefinite matrix; what is lost to rounding stays zero."""
    values, vectors = np.linalg.eigh(0.5 * (symmetric + symmetric.T))
    kept = values > 1e-14 * values.max(initial=0.0)
    powers = np.zeros_like(values)
    powers[kept] = values[kept] ** exponent
    return (vectors * powers) @ vectors.T


def by_huber(observations: Observations, options: Options, random_state) -> Solver:
    """Squares near zero, absolute values beyond: reweighted least squares, one sweep for each set of weights.

    Gross outliers lose their weight. The scale of the errors comes from their median until it settles.
    """
    side = observations.rows
    own = side.weights if side.weights.size else np.ones(side.values.size)
    middle = float(np.median(side.values))
    spread = _NORMAL * float(np.median(np.abs(side.values - middle)))
    spread = spread if spread > 0.0 else root_mean_square(observations.rows.values, observations.rows.weights)
    clipped = np.clip(side.values, middle - 3.0 * spread, middle + 3.0 * spread)
    posed = pose(observations.with_values(clipped), options.alpha, options.scale_alpha)
    key, root = as_key(random_state), np.sqrt(posed.scale)
    A, B = (factor * root for factor in spectral_start(posed.at_precision(np.float32), options.rank, key))
    scale = np.inf
    solver = make_solver("cholesky")
    for sweep in count():
        yield TICK
        errors = np.abs(side.values - predictions(side, A, B))
        change = 0.0
        if sweep < _SCALE_SWEEPS:
            newer = max(_NORMAL * float(np.median(errors)), _FLOOR * spread)
            change = abs(newer - scale) / newer if np.isfinite(scale) else np.inf
            scale = newer
        edge = _HUBER * scale
        robust = observations.with_values(
            side.values, own * np.minimum(1.0, edge / np.maximum(errors, edge * 1e-300))
        )
        measure = certify(robust, Factors(A, B), options.alpha, options.scale_alpha)
        losses = np.where(errors <= edge, errors**2, edge * (2.0 * errors - edge))
        rmse = float(np.sqrt(np.average(errors**2, weights=robust.rows.weights)))
        yield Iterate(
            Completed(Factors(A, B), None, robust),
            max(measure.certificate, change),
            float(own @ losses),
            {"rmse": rmse, "scale": scale},
        )
        posed = pose(robust, options.alpha, options.scale_alpha)
        root = np.sqrt(posed.scale)
        A, _sums = half_sweep(posed.rows, posed.columns.masses, A / root, B / root, solver)
        B, _sums = half_sweep(posed.columns, posed.rows.masses, B / root, A, solver)
        A, B = A * root, B * root
    return Status.STALLED


def errors_of(observations: Observations, found: Completed) -> np.ndarray:
    """What remains of the observed entries, in the order of the rows."""
    side = observations.rows
    rest = side.values - predictions(side, *found.factors)
    if found.biases is not None:
        rest -= found.biases.mean + found.biases.rows[row_numbers(side)] + found.biases.columns[side.others]
    return rest


ENGINES = {"squared": by_squares, "huber": by_huber}
