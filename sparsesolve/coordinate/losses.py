"""Losses of a linear prediction: everything that the solvers ask of the smooth part, one sample at a time.

A loss of your own needs the five methods and the bound of `Loss`; nothing else in the package has to know it.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np
import scipy.special


class Loss(Protocol):
    """A convex, twice differentiable function of the prediction z and the target y, for every sample.

    Attributes
    ----------
    name : str
    curvature_bound : float or None
        Largest second derivative; None where there is none.
    is_quadratic : bool
        True where the second derivative is constant.
    """

    name: str
    curvature_bound: float | None
    is_quadratic: bool

    def value(self, z: np.ndarray, y: np.ndarray) -> np.ndarray:
        """Losses, one a sample."""

    def derivative(self, z: np.ndarray, y: np.ndarray) -> np.ndarray:
        """First derivatives in z."""

    def curvature(self, z: np.ndarray, y: np.ndarray) -> np.ndarray:
        """Second derivatives in z."""

    def conjugate(self, u: np.ndarray, y: np.ndarray) -> np.ndarray:
        """The largest of ``u z - loss(z, y)`` over z, for the dual; infinity where there is no bound."""

    def check_targets(self, y: np.ndarray) -> None:
        """Raise a ValueError for targets that the loss is not meant for."""


class SquaredLoss:
    """Half the squared error, ``(z - y)^2 / 2``."""

    name = "squared"
    curvature_bound: float | None = 1.0
    is_quadratic = True

    def value(self, z, y):
        """Half the squared residuals."""
        return 0.5 * (z - y) ** 2

    def derivative(self, z, y):
        """Residuals, prediction minus target."""
        return z - y

    def curvature(self, z, y):
        """Ones."""
        return np.ones_like(z)

    def conjugate(self, u, y):
        """``u y + u^2 / 2``."""
        return u * (y + 0.5 * u)

    def check_targets(self, y):
        """Every finite target will do."""


class LogisticLoss:
    """Logistic loss ``log(1 + exp(-y z))`` of labels y in {-1, +1}."""

    name = "logistic"
    curvature_bound: float | None = 0.25
    is_quadratic = False

    def value(self, z, y):
        """Negative log-likelihoods, without overflow."""
        return np.logaddexp(0.0, -y * z)

    def derivative(self, z, y):
        """``-y / (1 + exp(y z))``."""
        return -y * scipy.special.expit(-y * z)

    def curvature(self, z, y):
        """``p (1 - p)`` with p the probability of either label."""
        p = scipy.special.expit(z)
        return p * scipy.special.expit(-z)

    def conjugate(self, u, y):
        """Negative binary entropy of ``-u y``, which lies in [0, 1]; infinity outside."""
        p = -u * y
        inside = (p >= 0.0) & (p <= 1.0)
        p = np.clip(p, 0.0, 1.0)
        return np.where(inside, scipy.special.xlogy(p, p) + scipy.special.xlog1py(1.0 - p, -p), np.inf)

    def check_targets(self, y):
        """Labels must be -1 or +1."""
        if not np.isin(y, (-1.0, 1.0)).all():
            bad = y[~np.isin(y, (-1.0, 1.0))][0]
            raise ValueError(f"y holds {bad}: the logistic loss needs labels -1 and +1.")


class PoissonLoss:
    """Poisson loss ``exp(z) - y z`` of counts y, at least 0, whose logarithm of the mean is z."""

    name = "poisson"
    curvature_bound: float | None = None
    is_quadratic = False

    def value(self, z, y):
        """Negative log-likelihoods, up to log(y!)."""
        with np.errstate(over="ignore"):  # a step that goes too far has an infinite loss, and is not taken
            return np.exp(z) - y * z

    def derivative(self, z, y):
        """Predicted mean minus count."""
        with np.errstate(over="ignore"):
            return np.exp(z) - y

    def curvature(self, z, y):
        """Predicted means."""
        with np.errstate(over="ignore"):
            return np.exp(z)

    def conjugate(self, u, y):
        """``(u + y) log(u + y) - (u + y)``; infinity where u + y is negative."""
        mean = u + y
        inside = mean >= 0.0
        mean = np.maximum(mean, 0.0)
        return np.where(inside, scipy.special.xlogy(mean, mean) - mean, np.inf)

    def check_targets(self, y):
        """Counts must not be negative."""
        if y.min() < 0:
            raise ValueError(f"y holds {y.min()}: the Poisson loss needs targets of at least 0.")


LOSSES: dict[str, Loss] = {loss.name: loss for loss in (SquaredLoss(), LogisticLoss(), PoissonLoss())}
