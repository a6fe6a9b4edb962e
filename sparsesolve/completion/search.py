"""The ways to look for a matrix that fits the entries exactly: paths of ridges, with and without surplus directions."""

from __future__ import annotations

from collections.abc import Callable, Generator
from functools import partial
from typing import NamedTuple

import numpy as np

from .tangent import Ridge, decompose, descend, no_ridge
from .tangent_entries import Entries, Linearisation, State

# Stages of a continuation, to within a factor of two: for larger ranks it takes several directions at a time.
_STAGES = 8
# Steps at one strength of a ridge, and the share of the merit below which a step's gain ends them.
_STEPS, _GAIN = 6, 0.005
# Strength at which surplus directions are cut away, as a share of the first.
_CUT = 0.05
# Scale of a ridge on small directions that stays for a stage, in units of the mean squared residual when it begins.
LEVEL = 10.0
# Steps without a ridge: at the last rank, and before it, where a gain of less than 10 % a step is enough.
_LAST_STEPS, _STAGE_STEPS, _STAGE_GAIN = 60, 12, 0.1
# Steps after which a descent that has hardly got on is given up.
_PATIENCE = 12
# Steps of conjugate gradients a step: under the first ridges, and after.
_FEW_PASSES, _MANY_PASSES = 50, 200
Attempt = Generator[Linearisation | None, None, Linearisation]


class Search(NamedTuple):
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

    def from_state(self, state: State) -> Attempt:
        """Descend from a given state."""
        point = self.entries.linearise(state)
        yield point
        return (yield from self.finish(point, 1.0))

    def direct(self, surplus: int, slope: float) -> Attempt:
        """All directions at once, under a ridge on all of them."""
        values = self.entries.sides[0].values
        point = self.entries.linearise(self.entries.leading(values, self.rank + surplus, self.rng))
        point, _ = yield from self.path(point, 1.0, slope, _CUT, _on_all, _FEW_PASSES)
        point = self.entries.linearise(point.state.truncated(self.rank))
        point, damping = yield from self.path(point, 4 * _CUT, slope, 1e-3, _on_all, _FEW_PASSES)
        return (yield from self.finish(point, damping))

    def continued(self, surplus: int, slope: float, level: float | None) -> Attempt:
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

    def finish(self, point, damping) -> Attempt:
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
