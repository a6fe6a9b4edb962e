"""What is minimised: a function of the residual that grows in proportion with it, and its dual set.

Each loss F is a gauge: F(r) is the largest product u'r over its dual set. Hence F(b - A x) >= u'b for every u of the
set with A'u = 0, whatever x: such a u proves how good an x is.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Norm:
    """F(r) = (sum_i w_i |r_i|^p)^(1/p); the largest of the absolute values for p = inf.

    Attributes
    ----------
    p : float
        At least 1.
    weights : ndarray of shape (n,)
        Above 0.
    """

    p: float
    weights: np.ndarray
    #: F is at least this times the weighted p-norm.
    least_slope = 1.0

    @property
    def roots(self) -> np.ndarray:
        """The scale w^(1/p) that makes a row's residual one of weight one; shape (n,)."""
        return self.weights if self.p == 1 else self.weights ** (1.0 / self.p)

    def value(self, r: np.ndarray) -> float:
        """F(r)."""
        return _norm(r * self.roots, self.p)

    def gauge(self, u: np.ndarray) -> float:
        """The least s such that u / s lies in the dual set."""
        return _norm(u / self.roots, _dual(self.p))

    def attaining(self, r: np.ndarray) -> np.ndarray:
        """A u of the dual set with u'r = F(r)."""
        sizes = np.abs(r * self.roots)
        largest = sizes.max(initial=0.0)
        if largest == 0:
            return np.zeros_like(r)
        if np.isinf(self.p):
            u = np.where(np.arange(len(r)) == sizes.argmax(), np.sign(r), 0.0)
        else:
            u = np.sign(r) * self.roots * (sizes / largest) ** (self.p - 1.0)
        return u / self.gauge(u)

    def bounds(self) -> tuple[np.ndarray, np.ndarray]:
        """The dual set of p = 1: u between these."""
        return -self.weights, self.weights

    def take(self, rows: np.ndarray) -> Norm:
        """The loss of some rows."""
        return Norm(self.p, self.weights[rows])

    def times(self, factors: np.ndarray) -> Norm:
        """The loss with weights times factors."""
        return Norm(self.p, self.weights * factors)


@dataclass(frozen=True)
class Pinball:
    """F(r) = sum_i w_i (quantile max(r_i, 0) + (1 - quantile) max(-r_i, 0))."""

    quantile: float
    weights: np.ndarray
    p = 1.0

    @property
    def least_slope(self) -> float:
        """F is at least this times the weighted sum of absolute values."""
        return min(self.quantile, 1.0 - self.quantile)

    @property
    def roots(self) -> np.ndarray:
        """The scale of each row."""
        return self.weights

    def value(self, r: np.ndarray) -> float:
        """F(r)."""
        return float(np.sum(self.weights * np.maximum(self.quantile * r, (self.quantile - 1.0) * r)))

    def gauge(self, u: np.ndarray) -> float:
        """The least s such that u / s lies in the dual set."""
        low, high = self.bounds()
        return float(np.maximum(u / high, u / low).max(initial=0.0))

    def attaining(self, r: np.ndarray) -> np.ndarray:
        """A u of the dual set with u'r = F(r)."""
        low, high = self.bounds()
        return np.where(r > 0, high, np.where(r < 0, low, 0.0))

    def bounds(self) -> tuple[np.ndarray, np.ndarray]:
        """The dual set: u between these."""
        return (self.quantile - 1.0) * self.weights, self.quantile * self.weights

    def take(self, rows: np.ndarray) -> Pinball:
        """The loss of some rows."""
        return Pinball(self.quantile, self.weights[rows])

    def times(self, factors: np.ndarray) -> Pinball:
        """The loss with weights times factors."""
        return Pinball(self.quantile, self.weights * factors)


def _dual(p: float) -> float:
    if p == 1:
        return np.inf
    return 1.0 if np.isinf(p) else p / (p - 1.0)


def _norm(r: np.ndarray, p: float) -> float:
    """||r||_p without overflow."""
    largest = float(np.abs(r).max(initial=0.0))
    if largest == 0 or np.isinf(p):
        return largest
    if p == 1:
        return float(np.abs(r).sum())
    return largest * float(np.sum((np.abs(r) / largest) ** p)) ** (1.0 / p)
