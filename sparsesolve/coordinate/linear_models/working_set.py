"""Working sets: which columns are looked at, at which penalty, and when the answer is certain.

Each round evaluates a point from scratch, in double precision over all columns that may still matter, and then
minimises over the support and the worst violators only. The penalty comes down in stages, as a warm start.
"""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np

from ...driver import Iterate, Solver
from .model import Point

#: The penalties' factor falls to this share of itself from one stage to the next.
_CONTINUATION = 0.3
#: Rounds at the final penalties without a better gap, before the inner solver is sharpened, and then before the end.
_PATIENCE = 4


class Model(Protocol):
    """What working sets ask of a problem; its units are what enters the support as one: columns, or groups."""

    @property
    def unit_norms(self) -> np.ndarray:
        """The columns' norms, or a bound of the largest singular value of a group's columns."""

    @property
    def unit_l1(self) -> np.ndarray:
        """The pull from which on a unit enters the support."""

    @property
    def scale(self) -> float:
        """What gaps are relative to."""

    @property
    def loss(self) -> Any:
        """What says how much the loss of a sample curves at most: its `curvature_bound`."""

    def feasible(self, w: np.ndarray) -> np.ndarray:
        """A copy of w that the solver can start from."""

    def scaled(self, factor: float) -> Model:
        """The same with all penalties times a factor."""

    def evaluate(self, w: np.ndarray, intercept: Any, units: np.ndarray) -> Point:
        """Everything about a point, from scratch."""


class Inner(Protocol):
    """Minimises over the support of a point and some more units.

    Attributes
    ----------
    model : Model
        May be exchanged for one of the same data with other penalties.
    least_violators : int
        A stage of the continuation with fewer is skipped.
    most_violators : int
    growth : float
        So many are taken in at once, or this share of the support if that is more.
    share : float
        Of the certain radius of screening that is used at first.
    """

    model: Any
    least_violators: int
    most_violators: int
    growth: float
    share: float

    def minimise(self, point: Point, violators: np.ndarray, factor: float) -> tuple[np.ndarray, Any]:
        """Return new coefficients, of all columns, and an intercept to start from."""

    def sharpen(self) -> None:
        """Take more care from now on: the gap has stopped shrinking."""


def working_sets(model: Model, inner: Inner, w: np.ndarray, intercept: Any, tol: float) -> Solver:
    """Generate points, until the gap over all units is at most `tol`, or does not shrink any more."""
    everything = np.flatnonzero(model.unit_norms > 0.0)
    point = model.evaluate(w, intercept, everything)
    factor = _largest_factor(model, point)
    best, idle, share = np.inf, 0, inner.share
    while True:
        if point.gap <= tol and point.units.size < everything.size:
            point = model.evaluate(point.w, point.intercept, everything)
            share = min(1.0, 4.0 * share)  # if someone was left out wrongly, the next guess is more careful
        support = int(np.count_nonzero(point.active))
        extras = {"support": support, "screened": everything.size - point.units.size}
        yield Iterate(point, point.gap, point.objective, extras)
        units = point.units[_may_be_nonzero(model, point, share if factor == 1.0 else 1.0)]
        factor = max(1.0, factor * _CONTINUATION)
        violators, scores = _violators(model, point, factor)
        while factor > 1.0 and violators.size < inner.least_violators:
            factor = max(1.0, factor * _CONTINUATION)
            violators, scores = _violators(model, point, factor)
        most = max(inner.most_violators, int(inner.growth * support))
        if violators.size > most:
            violators = violators[np.argpartition(-scores, most - 1)[:most]]
        w, hint = inner.minimise(point, violators, factor)
        point = model.evaluate(w, hint, units)
        if factor == 1.0:
            idle = 0 if point.gap < 0.9 * best else idle + 1
            best = min(best, point.gap)
            if idle == _PATIENCE:
                inner.sharpen()
            elif idle == 2 * _PATIENCE:
                return None


def _largest_factor(model: Model, point: Point) -> float:
    """The factor of the l1 penalties at which no further unit would come in."""
    l1 = model.unit_l1[point.units]
    out = ~point.active & (l1 > 0.0)
    return float((point.sizes[out] / l1[out]).max(initial=0.0))


def _violators(model: Model, point: Point, factor: float):
    """Units at zero that should not be, and by how much, in units of their norms."""
    excess = point.sizes - factor * model.unit_l1[point.units]
    found = (excess > 0.0) & ~point.active
    units = point.units[found]
    return units, excess[found] / model.unit_norms[units]


def _may_be_nonzero(model: Model, point: Point, share: float) -> np.ndarray:
    """A mask of the units that may enter; with share = 1 it is the gap-safe rule (Ndiaye and others 2017).

    The dual is strongly concave: the best dual point lies within sqrt(2 L gap) of any feasible one, where L bounds
    the curvature of the loss. Only a part of that is covered along any one column; whoever was left out wrongly is
    found when all units are looked at in the end.
    """
    bound = model.loss.curvature_bound
    if bound is None or not np.isfinite(point.gap):
        return np.ones(point.units.size, dtype=bool)
    radius = share * np.sqrt(2.0 * bound * max(point.gap, 0.0) * model.scale)
    reach = point.dual_scale * point.sizes + model.unit_norms[point.units] * radius
    return (reach >= model.unit_l1[point.units] * (1.0 - 1e-9)) | point.active
