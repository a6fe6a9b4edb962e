"""Recovery of a low-rank matrix from few of its entries: paths of ridges and ranks to an exact fit.

Near the limit, where hardly more entries are known than the matrix has degrees of freedom, descent from the spectral
start ends in a wrong place: it fits the entries by a matrix that is huge elsewhere. A ridge that falls slowly to zero
prevents that, and a few surplus directions, cut away before the ridge is gone, lead around the wrong places. Spread
spectra are taken one direction after the other, under a ridge that acts on directions below the level of the residual
alone. An exact fit is the test of success: the next attempt begins where one ends without it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Generator, Iterator
from functools import partial
from typing import NamedTuple

import numpy as np

from ..driver import TICK, Iterate, Solver
from ..random import as_key
from ..result import Status
from ..validation import check_count, check_real
from .factors import Factors
from .observations import Observations
from .repair import repair
from .tangent import Entries, Linearisation, Ridge, State, decompose, descend, no_ridge

# Stages of a continuation, to within a factor of two: for larger ranks it takes several directions at a time.
_STAGES = 8
# Steps at one strength of a ridge, and the share of the merit below which a step's gain ends them.
_STEPS, _GAIN = 6, 0.005
# Strength at which surplus directions are cut away, as a share of the first.
_CUT = 0.05
# Scale of the ridge on small directions, in units of the mean squared residual when it begins.
_LEVEL = 10.0
# Steps without a ridge: at the last rank, and before it, where a gain of less than 10 % a step is enough.
_LAST_STEPS, _STAGE_STEPS, _STAGE_GAIN = 60, 12, 0.1
# Steps after which a descent that has hardly got on is given up.
_PATIENCE = 12
# Steps of conjugate gradients a step: under the first ridges, and after.
_FEW_PASSES, _MANY_PASSES = 50, 200
# Two attempts whose losses agree so well, at gradients so small, have ended at the same stationary point.
_SAME, _FLAT = 1e-6, 1e-6

_Attempt = Generator[Linearisation | None, None, Linearisation]


def recover(
    observations: Observations,
    rank: int,
    *,
    tol: float = 1e-9,
    exact: bool = True,
    random_state=None,
    start: Factors | None = None,
) -> Solver:
    """Look for the matrix of a rank that fits the observed entries: a generator for `sparsesolve.driver.drive`.

    Parameters
    ----------
    observations : Observations
        Weights are not used: an exact fit is the same for all of them.
    rank : int
        At most min(m, n).
    tol : float, default=1e-9
        What the certificate has to reach.
    exact : bool, default=True
        Whether the entries can be fitted exactly. The certificate then is the norm of the residuals over that of the
        entries, and attempts follow one another until it holds. Otherwise the first attempt runs on to a stationary
        point: the certificate is the norm of the gradient (R B, R'A) over the norms of the entries and of (A, B).
    random_state : None, int or numpy.random.Generator
        For the starts of subspace iterations.
    start : Factors, optional
        Descent from here is the first attempt.

    Yields
    ------
    Iterate
        Its solution is `Factors` of that rank, balanced: A'A = B'B, diagonal. Extras: rank and ridge of the step,
        and the attempt's number. Between them TICK, while more directions than the rank are in use.

    Returns
    -------
    Status
        STALLED, when all attempts have ended without an exact fit, or two of them at the same stationary point.

    Raises
    ------
    ValueError
        For a rank above min(m, n), or a tolerance that is not positive.

    Notes
    -----
    Complexity: a few hundred passes over the entries for each rank up to the last, 8 |Omega| rank multiplications each.

    Examples
    --------
    >>> from sparsesolve.completion.continuation import recover
    >>> from sparsesolve.completion.observations import observe_matrix
    >>> from sparsesolve.datasets.completion import make_low_rank
    >>> from sparsesolve.driver import drive
    >>> data = make_low_rank(60, 50, 2, oversampling=2.0, random_state=0)
    >>> outcome = drive(recover(observe_matrix(data.X), 2, random_state=0), tol=1e-9, max_iter=1000)
    >>> outcome.status.name, outcome.best.certificate < 1e-9
    ('CONVERGED', True)
    """
    rank = check_count("rank", rank)
    tol = check_real("tol", tol, above=0)
    smallest = min(observations.shape)
    if rank > smallest:
        raise ValueError(f"rank={rank} must be at most {smallest}, the smaller side of {observations.shape}.")
    return _recover(observations, rank, tol, exact, np.random.default_rng(as_key(random_state)), start)


def _recover(observations, rank, tol, exact, rng, start) -> Solver:
    values = observations.rows.values
    largest = float(np.abs(values).max(initial=0.0))
    if largest == 0.0:
        nothing = Factors(*(np.zeros((size, rank)) for size in observations.shape))
        yield Iterate(nothing, 0.0, 0.0, {"rank": 0, "ridge": 0.0, "attempt": 0})
        return Status.STALLED
    unit = largest * math.sqrt(float(np.mean((values / largest) ** 2)))
    entries = Entries(observations.with_values(values / unit))
    losses: list[float] = []
    target = tol * tol * entries.total if exact else 0.0
    for number, attempt in enumerate(_attempts(_Search(entries, rank, target, exact, rng), unit, start)):
        ended = yield from _shown(attempt, entries, rank, unit, exact, number)
        if not exact:
            return Status.STALLED
        if ended.loss > target and ended.state.rank == rank:
            ended = yield from _shown(repair(entries, ended, target), entries, rank, unit, exact, number)
        if (
            any(abs(ended.loss - loss) <= _SAME * loss for loss in losses)
            and _gradient(entries, ended) < _FLAT
        ):
            break
        losses.append(ended.loss)
    return Status.STALLED


def _shown(attempt, entries, rank, unit, exact, number):
    """Yield what an attempt passes as iterates; return where it ends."""
    while True:
        try:
            point = next(attempt)
        except StopIteration as end:
            yield _iterate(entries, end.value, rank, unit, exact, number)
            return end.value
        if point is None or point.state.rank > rank or not (exact or _is_last(point, rank)):
            yield TICK
        else:
            yield _iterate(entries, point, rank, unit, exact, number)


def _is_last(point: Linearisation, rank: int) -> bool:
    """Whether a small gradient means anything: at lower ranks, or under a ridge, it does not."""
    return point.state.rank == rank and point.ridge == 0.0


def _attempts(search: _Search, unit: float, start: Factors | None) -> Iterator[_Attempt]:
    """The ways to look for a fit, the cheapest that most often succeed first."""
    if start is not None:
        root = math.sqrt(unit)
        yield search.from_state(decompose(start.row_factors / root, start.column_factors / root))
    yield search.continued(surplus=0, slope=0.5, level=None)
    yield search.continued(surplus=2, slope=0.8, level=_LEVEL)
    yield search.direct(surplus=2, slope=0.8)
    yield search.continued(surplus=2, slope=0.8, level=None)
    yield search.direct(surplus=6, slope=0.9)
    yield search.continued(surplus=4, slope=0.8, level=_LEVEL)
    yield search.direct(surplus=4, slope=0.9)


class _Search(NamedTuple):
    """The ways to look for a fit; each is a generator of the points it passes, that returns the last.

    Attributes
    ----------
    entries : Entries
    rank : int
    target : float
        Loss of an exact fit.
    exact : bool
        Whether there is one; else no attempt is given up.
    rng : numpy.random.Generator
    """

    entries: Entries
    rank: int
    target: float
    exact: bool
    rng: np.random.Generator

    def from_state(self, state: State) -> _Attempt:
        """Descend from a given state."""
        point = self.entries.linearise(state)
        yield point
        return (yield from self.finish(point, 1.0))

    def direct(self, surplus: int, slope: float) -> _Attempt:
        """All directions at once, under a ridge on all of them."""
        values = self.entries.sides[0].values
        point = self.entries.linearise(self.entries.leading(values, self.rank + surplus, self.rng))
        point, _ = yield from self.path(point, 1.0, slope, _CUT, _on_all, _FEW_PASSES)
        point = self.entries.linearise(point.state.truncated(self.rank))
        point, damping = yield from self.path(point, 4 * _CUT, slope, 1e-3, _on_all, _FEW_PASSES)
        return (yield from self.finish(point, damping))

    def continued(self, surplus: int, slope: float, level: float | None) -> _Attempt:
        """One direction after the other, or a few, each time under a ridge on the directions that are still small.

        Small is below `level` times the mean squared residual when the stage begins; for None, below that of the
        moment.
        """
        entries = self.entries
        point: Linearisation | None = None
        step = max(1, self.rank // _STAGES)
        for now in (*range(step, self.rank, step), self.rank):
            residuals = entries.sides[0].values if point is None else point.residuals
            new = now - (0 if point is None else point.state.rank)
            more = entries.leading(residuals, new + surplus, self.rng)
            point = entries.linearise(more if point is None else _joined(point.state, more))
            if surplus:
                point, _ = yield from self.path(
                    point, 1.0, slope, _CUT, self.on_small(point, level), _FEW_PASSES
                )
                point = entries.linearise(point.state.truncated(now))
            first = 4 * _CUT if surplus else 1.0
            small = self.on_small(point, level)
            point, damping = yield from self.path(point, first, min(slope, 0.6), 0.015, small, _MANY_PASSES)
            if point.loss <= self.target:
                break
            if now < self.rank:
                ended = yield from descend(
                    entries,
                    point,
                    no_ridge,
                    damping,
                    max_steps=_STAGE_STEPS,
                    least_gain=_STAGE_GAIN,
                    target=self.target,
                    max_passes=_MANY_PASSES,
                )
                point = ended.point
        return (yield from self.finish(point, damping))

    def on_small(self, point: Linearisation, level: float | None) -> Callable[[float, float], Ridge]:
        """A ridge on small directions."""
        if level is None:
            return lambda strength, loss: Ridge(strength, loss / self.entries.n_entries)
        scale = level * point.loss / self.entries.n_entries
        return lambda strength, loss: Ridge(strength, scale)

    def path(self, point, first, slope, last, ridge, max_passes):
        """Descend under a ridge whose strength falls; returns the point and the damping."""
        damping, strength = 1.0, first
        while strength >= last and point.loss > self.target:
            ended = yield from descend(
                self.entries,
                point,
                partial(ridge, strength),
                damping,
                max_steps=_STEPS,
                least_gain=_GAIN,
                target=self.target,
                max_passes=max_passes,
            )
            point, damping = ended.point, ended.damping
            strength *= slope
        return point, damping

    def finish(self, point, damping) -> _Attempt:
        """Descend without a ridge to the end."""
        if point.loss > self.target:
            ended = yield from descend(
                self.entries,
                point,
                no_ridge,
                damping,
                max_steps=_LAST_STEPS,
                patience=_PATIENCE if self.exact else None,
                target=self.target,
                max_passes=_MANY_PASSES,
            )
            point = ended.point
        return point


def _on_all(strength: float, loss: float) -> Ridge:
    return Ridge(strength)


def _joined(one: State, two: State) -> State:
    """The sum of two, as far as the rank allows."""
    m, n = one.left.shape[0], one.right.shape[0]
    state = decompose(
        np.hstack([one.left * one.spectrum, two.left * two.spectrum]), np.hstack([one.right, two.right])
    )
    return state.truncated(min(m, n, state.rank))


def _gradient(entries: Entries, point: Linearisation) -> float:
    """Norm of (R B, R'A) over the norm of the entries and that of (A, B)."""
    spectrum = point.state.spectrum
    square = sum(float((gradient**2 @ spectrum).sum()) for gradient in point.gradients)
    size = float(spectrum.sum()) * sum(entries.shape)
    return math.sqrt(square / (entries.total * size)) if size > 0.0 else 0.0


def _iterate(entries, point, rank, unit, exact, attempt) -> Iterate:
    state = point.state
    root = np.sqrt(state.spectrum * unit)
    factors = Factors(*(np.zeros((size, rank)) for size in entries.shape))
    factors.row_factors[:, : state.rank] = state.left * root
    factors.column_factors[:, : state.rank] = state.right * root
    certificate = math.sqrt(point.loss / entries.total) if exact else _gradient(entries, point)
    extras = {"rank": state.rank, "ridge": point.ridge, "attempt": attempt}
    return Iterate(factors, certificate, point.loss * unit * unit, extras)
