"""The problem as the engines see it: positive weights of total mass one, and the way back to what was asked."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from ..validation import check_matrix, check_real, check_weights
from . import costs
from .costs import Cost, PointCloudCost
from .elementary import least_and_sum, size_and_dot
from .passes import normalise_rows

# Points are stored as a matrix up to so many pairs: reading costs is faster than computing them again.
_STORED_PAIRS = 1 << 24
# A weight below this share of the mass is left out, and its potential found by one exact step at the end.
_NEGLIGIBLE = 1e-25
# Sums of the weights may differ by what float32 data have.
_SUM_TOLERANCE = 1e-6
_EPS = np.finfo(np.float64).eps


@dataclass(frozen=True)
class Problem:
    """Minimise <C, P> + reg sum(P log P - P) over plans P with marginals a and b, or near them.

    Attributes
    ----------
    cost : Cost
        Of shape (n, m).
    a, b : ndarray of shape (n,) and (m,)
        Positive weights; of sum one where the marginals are constraints.
    reg : float
    penalty : float
        Of the Kullback-Leibler divergence of the marginals; inf where they are constraints.
    """

    cost: Cost
    a: np.ndarray
    b: np.ndarray
    reg: float
    penalty: float = np.inf

    @cached_property
    def mass(self) -> float:
        """What the L1 error is relative to."""
        return float(max(self.a.sum(), self.b.sum()))

    def kappa(self, reg: float) -> float:
        """Ratio reg / penalty."""
        return reg / self.penalty

    @property
    def least_rounding(self) -> float:
        """What `rounding` is at least."""
        return 2.0 * _EPS * self.cost.size / self.reg

    def rounding(self, f: np.ndarray, g: np.ndarray) -> float:
        """Marginal error that rounding of the potentials and costs can make."""
        size = size_and_dot(f, self.a)[0] + size_and_dot(g, self.b)[0] + self.cost.size
        return 2.0 * _EPS * size / self.reg

    def objective(self, f: np.ndarray, g: np.ndarray, plan_mass: float) -> float:
        """The dual value, for a plan of that mass."""
        if np.isinf(self.penalty):
            return size_and_dot(f, self.a)[1] + size_and_dot(g, self.b)[1] - self.reg * plan_mass
        penalised = self.a @ np.expm1(-f / self.penalty) + self.b @ np.expm1(-g / self.penalty)
        return float(-self.penalty * penalised - self.reg * plan_mass)

    def targets(self, f: np.ndarray, g: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Marginals that the plan of these potentials must have."""
        if np.isinf(self.penalty):
            return self.a, self.b
        return self.a * np.exp(-f / self.penalty), self.b * np.exp(-g / self.penalty)


@dataclass(frozen=True)
class Posed:
    """A problem as it was asked: checked, and with what was left out of it for the engines."""

    full: Problem
    scale: float
    rows: np.ndarray | None
    columns: np.ndarray | None
    points: PointCloudCost | None

    @property
    def is_whole(self) -> bool:
        """Whether the engines see the problem as it was asked."""
        return self.rows is None and self.scale == 1.0

    def is_easy(self, ratio: float, tol: float) -> bool:
        """Whether all weights count, the costs are within so many times reg, and rounding is far below tol."""
        cost, reg = self.full.cost, self.full.reg
        near = cost.high - cost.low <= ratio * reg
        return bool(self.rows is None and near and 10.0 * _EPS * cost.size / reg <= 0.05 * tol)

    def value(self, f: np.ndarray, g: np.ndarray) -> float:
        """The dual value of potentials of the full problem."""
        full, kept_f, kept_g = self.full, np.isfinite(f), np.isfinite(g)
        f, g = f[kept_f], g[kept_g]
        positive = replace(full, a=full.a[kept_f], b=full.b[kept_g])
        return positive.objective(f, g, float(positive.targets(f, g)[0].sum()))

    @property
    def reduced(self) -> Problem:
        """The problem of the weights that are not negligible, with total mass one."""
        full = self.full
        if self.is_whole:
            return full
        scaled = replace(full, a=full.a / self.scale, b=full.b / self.scale)
        if self.rows is None or self.columns is None:
            return scaled
        a, b = scaled.a[self.rows], scaled.b[self.columns]
        if np.isinf(full.penalty):
            a, b = a / a.sum(), b / b.sum()
        if self.points is not None:
            cost = _cost_of_points(self.points.select(self.rows, self.columns))
        else:
            cost = costs.from_matrix(full.cost.source[np.ix_(self.rows, self.columns)])
        return replace(scaled, cost=cost, a=a, b=b)

    def restrict(self, potentials) -> tuple[np.ndarray, np.ndarray]:
        """Potentials of the reduced problem, from those of the full one."""
        f, g = potentials
        f = f - self.full.reg * np.log(self.scale)
        return (f, g) if self.rows is None else (f[self.rows], g[self.columns])

    def lift(self, f: np.ndarray, g: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Potentials of the full problem; -inf where the weight is zero."""
        full = self.full
        if self.is_whole:
            return f, g
        f = f + full.reg * np.log(self.scale)
        if self.rows is None or self.columns is None:
            return f, g
        all_f, all_g = np.full(full.a.shape, -np.inf), np.full(full.b.shape, -np.inf)
        all_f[self.rows], all_g[self.columns] = f, g
        reg, kappa = full.reg, full.kappa(full.reg)
        for i in np.setdiff1d(np.flatnonzero(full.a), self.rows):
            all_f[i] = 0.0
            rows = np.empty(full.a.size)
            normalise_rows(
                full.cost.source, full.a, kappa, all_f, all_g, reg, rows, np.zeros(all_g.size), i, i + 1
            )
        left_out = np.setdiff1d(np.flatnonzero(full.b), self.columns)
        if left_out.size:
            log_sums = full.cost.log_column_sums(all_f, reg)[left_out]
            all_g[left_out] = (reg * np.log(full.b[left_out]) - log_sums) / (1.0 + kappa)
        return all_f, all_g


def pose(a, b, C, reg, marginal_penalty, names=("a", "b", "C")) -> Posed:
    """Check the arguments of a transport problem.

    Raises
    ------
    ValueError
        See `entropic_transport`.
    """
    reg = check_real("reg", reg, above=0)
    penalty = (
        np.inf if marginal_penalty is None else check_real("marginal_penalty", marginal_penalty, above=0)
    )
    points = C if isinstance(C, PointCloudCost) else None
    cost = cost_of(names[2], C)
    a, least_a, mass = _weights(names[0], a, cost.shape[0], f"{cost.shape[0]} rows")
    b, least_b, other = _weights(names[1], b, cost.shape[1], f"{cost.shape[1]} columns")
    scale = 1.0
    if penalty == np.inf:
        if abs(mass - other) > _SUM_TOLERANCE * max(mass, other):
            raise ValueError(
                f"{names[0]} sums to {mass:.9g}, but {names[1]} to {other:.9g}: both need the same mass. Divide each "
                "by its sum, or give a marginal_penalty for unbalanced transport."
            )
        b = b if mass == other else b * (mass / other)
        scale = 1.0 if abs(mass - 1.0) < 1e-12 else mass
    full = Problem(cost, a, b, reg, penalty)
    floor = _NEGLIGIBLE * max(mass, other)
    if min(least_a, least_b) > floor:
        return Posed(full, scale, None, None, points)
    return Posed(full, scale, np.flatnonzero(a > floor), np.flatnonzero(b > floor), points)


def cost_of(name: str, C) -> Cost:
    """The cost that kernels take, of a matrix or of points; with the errors of `check_matrix`."""
    return _cost_of_points(C) if isinstance(C, PointCloudCost) else _cost_of_matrix(name, C)


def check_potentials(potentials, shape) -> tuple[np.ndarray, np.ndarray]:
    """Return starting potentials as float64 arrays; -inf stands for 0."""
    try:
        f, g = (np.array(values, dtype=np.float64) for values in potentials)
    except (TypeError, ValueError) as error:
        raise ValueError("potentials must be a pair (f, g) of arrays of numbers.") from error
    if (f.size, g.size) != shape or f.ndim != 1 or g.ndim != 1:
        raise ValueError(
            f"potentials have shapes {f.shape} and {g.shape}, but the cost has shape {shape}: give one for "
            "each row and one for each column."
        )
    if np.isnan(f).any() or np.isnan(g).any() or np.isposinf(f).any() or np.isposinf(g).any():
        raise ValueError("potentials hold NaN or +inf: give finite numbers, or None to start without.")
    return np.where(np.isneginf(f), 0.0, f), np.where(np.isneginf(g), 0.0, g)


def _weights(name, weights, size, what):
    """Checked weights, the least of them, and their sum."""
    if weights is None:
        raise ValueError(f"{name} is None: give one weight for each of the {what}.")
    weights = np.asarray(weights)
    if weights.shape != (size,):
        raise ValueError(
            f"{name} has shape {weights.shape}, but the cost has {what}: give one weight for each."
        )
    if weights.dtype == np.float64:
        weights = np.require(weights, requirements=("C", "A", "W"))
        least, total = least_and_sum(weights)
        if least >= 0.0 and 0.0 < total < np.inf:
            return weights, least, total
    weights = check_weights(name, weights, size)
    return weights, float(weights.min()), float(weights.sum())


def _cost_of_matrix(name, C):
    C = check_matrix(name, C, check_finite=False)
    if not isinstance(C, np.ndarray):
        raise ValueError(
            f"{name} is a sparse matrix, in which no entry may be missing: give {name}.toarray()."
        )
    C = np.require(C, dtype=np.float64, requirements=("C", "A"))
    if not C.flags.writeable:
        C = C.copy()  # one kernel for all: numba compiles read-only arrays apart
    cost = costs.from_matrix(C)
    if not np.isfinite(cost.low) or not np.isfinite(cost.high):
        check_matrix(name, C)  # names the entry
    return cost


def _cost_of_points(points):
    return costs.of_points(points, stored=points.shape[0] * points.shape[1] <= _STORED_PAIRS)
