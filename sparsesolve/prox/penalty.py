"""What the solvers ask of a penalty, and a base class that asks little of those that are separable."""

from __future__ import annotations

import abc
from collections.abc import Sequence
from typing import NamedTuple, Protocol

import numpy as np


class Pieces(NamedTuple):
    """For each coordinate an interval around x on which the penalty is smooth, and its derivative at x there.

    At a kink it is the side on which the objective falls, or the kink alone where it falls on neither.
    """

    low: np.ndarray
    high: np.ndarray
    slope: np.ndarray


class Penalty(Protocol):
    """A function g(x), the sum of one term for each unit: a coordinate, or a group of them.

    Every method takes `coordinates`, an array of distinct indices whose entries the other arrays hold, all unless
    given. Where there are groups they must be whole groups; results by unit then come in ascending order of the
    groups' numbers.

    Attributes
    ----------
    groups : sequence of ndarray, or None
        The units; None where each coordinate is one.
    is_convex : bool
    has_pieces : bool
        Whether `pieces` can be asked for.
    """

    groups: Sequence[np.ndarray] | None
    is_convex: bool
    has_pieces: bool

    def values(self, x: np.ndarray, coordinates: np.ndarray | None = None) -> np.ndarray:
        """The term of each unit; infinity outside of its domain."""

    def value(self, x: np.ndarray, coordinates: np.ndarray | None = None) -> float:
        """The sum of the terms."""

    def prox(self, v: np.ndarray, step, coordinates: np.ndarray | None = None) -> np.ndarray:
        """The u with the least ``step g(u) + |u - v|^2 / 2``; step >= 0, one number or one a coordinate."""

    def distance(
        self, gradient: np.ndarray, x: np.ndarray, coordinates: np.ndarray | None = None
    ) -> np.ndarray:
        """Distance of -gradient from the subdifferential at x, for each unit."""

    def at_kink(self, x: np.ndarray, coordinates: np.ndarray | None = None) -> np.ndarray:
        """Whether g has more than one subgradient there, for each coordinate."""

    def margin(
        self, gradient: np.ndarray, x: np.ndarray, coordinates: np.ndarray | None = None
    ) -> np.ndarray:
        """How deep -gradient lies inside of the subdifferential, for each unit; infinity where there is no kink."""

    def slope(self, x: np.ndarray, coordinates: np.ndarray | None = None) -> np.ndarray:
        """The derivative for each coordinate; anything at a kink."""

    def hessian(self, x: np.ndarray, coordinates: np.ndarray | None = None) -> np.ndarray:
        """Second derivatives, shape (k, k); anything at a kink."""

    def pieces(self, x: np.ndarray, gradient: np.ndarray, coordinates: np.ndarray | None = None) -> Pieces:
        """Where the penalty is smooth around x."""

    def conjugate(self, u: np.ndarray) -> np.ndarray:
        """The largest of ``u x - g(x)`` over x, for each unit of all; infinity where there is none, NaN if unknown."""

    def reach(self, u: np.ndarray) -> float:
        """The largest s in [0, 1] with a finite conjugate of s u."""


class SeparablePenalty(abc.ABC):
    """Base of penalties with one term for each coordinate.

    A penalty of your own needs `values`, `prox` and `subgradients`; and `curvature` if it is not linear between its
    kinks.
    """

    groups: Sequence[np.ndarray] | None = None
    is_convex: bool = True
    has_pieces: bool = False

    @abc.abstractmethod
    def values(self, x, coordinates=None):
        """The term of each coordinate."""

    @abc.abstractmethod
    def prox(self, v, step, coordinates=None):
        """The u with the least ``step g(u) + |u - v|^2 / 2``."""

    @abc.abstractmethod
    def subgradients(self, x, coordinates=None):
        """The least and the largest subgradient of each coordinate, two arrays."""

    def curvature(self, x, coordinates=None):
        """Second derivatives off the kinks."""
        return np.zeros_like(x)

    def value(self, x, coordinates=None):
        """The sum of the terms."""
        return float(self.values(x, coordinates).sum())

    def distance(self, gradient, x, coordinates=None):
        """Distance of -gradient from the interval of subgradients."""
        low, high = self.subgradients(x, coordinates)
        return np.maximum(np.maximum(gradient + low, -gradient - high), 0.0)

    def at_kink(self, x, coordinates=None):
        """Whether the interval of subgradients is more than a point."""
        low, high = self.subgradients(x, coordinates)
        return low < high

    def margin(self, gradient, x, coordinates=None):
        """Distance of -gradient to the nearer end of the interval, from inside."""
        low, high = self.subgradients(x, coordinates)
        inside = np.maximum(np.minimum(-gradient - low, high + gradient), 0.0)
        return np.where(low < high, inside, np.inf)

    def slope(self, x, coordinates=None):
        """The derivative, zero at kinks."""
        low, high = self.subgradients(x, coordinates)
        return np.where(low < high, 0.0, low)

    def hessian(self, x, coordinates=None):
        """A diagonal matrix of the curvatures."""
        return np.diag(self.curvature(x, coordinates))

    def pieces(self, x, gradient, coordinates=None) -> Pieces:
        """Not known unless a class knows better."""
        raise NotImplementedError(f"{type(self).__name__} does not say where it is smooth.")

    def conjugate(self, u):
        """Not known unless a class knows better."""
        return np.full_like(u, np.nan)

    def reach(self, u):
        """No bound unless a class knows better."""
        return 1.0


class KinkAtZero(SeparablePenalty):
    """Base of even penalties whose one kink is at zero."""

    has_pieces = True

    def pieces(self, x, gradient, coordinates=None):
        """The half-line of x's sign; at zero that on which the objective falls."""
        low, high = self.subgradients(x, coordinates)
        up = (x > 0) | ((x == 0) & (gradient + high < 0))
        down = (x < 0) | ((x == 0) & (gradient + low > 0))
        slope = np.where(up, high, np.where(down, low, 0.0))
        return Pieces(np.where(down, -np.inf, 0.0), np.where(up, np.inf, 0.0), slope)


def select(parameter, coordinates):
    """The entries of a parameter that is one number, or one for each coordinate."""
    return parameter if coordinates is None or np.ndim(parameter) == 0 else parameter[coordinates]


def largest_multiple(sizes, limits) -> float:
    """The largest s in [0, 1] with ``s sizes <= limits``."""
    ratios = np.divide(limits, sizes, out=np.ones_like(sizes), where=sizes > limits)
    return float(ratios.min(initial=1.0))


def within(sizes, limits):
    """Zero where a size is at most its limit, to rounding; infinity elsewhere."""
    return np.where(sizes <= limits * (1.0 + 1e-14), 0.0, np.inf)


def check_strength(name: str, value) -> float:
    """Return a finite number of at least 0; raise a ValueError otherwise."""
    if not (np.ndim(value) == 0 and np.isfinite(value) and value >= 0):
        raise ValueError(f"{name}={value!r} must be a finite number of at least 0.")
    return float(value)


def check_factors(name: str, values):
    """Return a read-only float64 copy of weights of at least 0, or 1.0 for None."""
    if values is None:
        return 1.0
    values = np.array(values, np.float64)
    if values.ndim != 1 or not np.isfinite(values).all() or (values < 0).any():
        raise ValueError(f"{name} must be a one-dimensional array of finite numbers of at least 0.")
    values.flags.writeable = False
    return values
