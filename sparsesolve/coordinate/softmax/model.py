r"""Multinomial regression with a penalty, and the certificate of any of its points.

With predictions :math:`Z = XW + 1c'`, W of shape (p, K), the objective is
:math:`P(W, c) = \sum_i s_i (\log \sum_k e^{Z_{ik}} - Z_{i y_i}) + \sum_u \lambda_u \|W_u\| + \tfrac12 \mu \|W\|^2`. A
unit u is a feature with the sum of absolute values as its norm, or a group of features with the Frobenius norm. With
:math:`e_{y}` the unit vector of a sample's class, every :math:`\Theta` with :math:`\sum_i \Theta_i = 0` (where there
are intercepts) and with all :math:`q_i = e_{y_i} - \Theta_i / s_i` probabilities gives the lower bound

.. math:: D(\Theta) = -\sum_i s_i \sum_k q_{ik} \log q_{ik}
    - \sum_u \frac{\mathrm{dist}(X_u'\Theta, \lambda_u B)^2}{2 \mu} ,

B being the unit ball of the dual norm; without squares the distances must be zero. The dual points used are multiples
of the residuals, :math:`\Theta_i = s_i (e_{y_i} - p_i)`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import scipy.special

from ..linear_models.model import Point
from .kernels import entropy, losses, probabilities, residuals

_INTERCEPT_STEPS = 50


class SoftmaxLoss:
    """What the working sets have to know of the loss: its Hessian in the predictions is at most one half."""

    name = "multinomial"
    curvature_bound: float | None = 0.5
    is_quadratic = False


@dataclass(frozen=True)
class SoftmaxModel:
    """Data and penalties.

    Attributes
    ----------
    X : ndarray in Fortran order, or csc_array, of shape (n, p)
    labels : ndarray of int, shape (n,)
    n_classes : int
    weights : ndarray of shape (n,)
        The s above, positive and at most 1.
    unit_l1 : ndarray of shape (n_units,)
        The lambda above.
    l2 : float
        The mu above.
    starts : ndarray of int, shape (n_units + 1,), or None
        Where each group of columns begins; None where every column is a unit of its own, entry by entry.
    fit_intercept : bool
    """

    X: Any
    labels: np.ndarray
    n_classes: int
    weights: np.ndarray
    unit_l1: np.ndarray
    l2: float
    starts: np.ndarray | None
    fit_intercept: bool

    loss = SoftmaxLoss()

    @cached_property
    def unit_norms(self) -> np.ndarray:
        """Norms of the columns, or Frobenius norms of the groups', centred if there are intercepts."""
        squares = _column_sums(self.X, self.weights, 2)
        if self.fit_intercept:
            centred = squares - _column_sums(self.X, self.weights, 1) ** 2 / self.weights.sum()
            centred[centred <= 1e-13 * squares] = 0.0
            squares = centred
        return np.sqrt(squares if self.starts is None else np.add.reduceat(squares, self.starts[:-1]))

    @cached_property
    def scale(self) -> float:
        """Loss of the best constant prediction: what gaps are relative to."""
        total = self.class_weights.sum()
        if not self.fit_intercept:
            return float(total * np.log(self.n_classes))
        shares = self.class_weights / total
        return max(float(total * scipy.special.entr(shares).sum()), np.finfo(np.float64).tiny)

    @cached_property
    def class_weights(self) -> np.ndarray:
        """Sum of the samples' weights, by class."""
        return np.bincount(self.labels, self.weights, self.n_classes)

    def feasible(self, w: np.ndarray) -> np.ndarray:
        """A copy of w that is zero at constant columns."""
        free = np.repeat(self.unit_norms > 0.0, self.sizes)
        return np.where(free[:, None], w, 0.0)

    def scaled(self, factor: float) -> SoftmaxModel:
        """The same with all penalties times a factor."""
        return replace(self, unit_l1=self.unit_l1 * factor, l2=self.l2 * factor)

    @cached_property
    def sizes(self) -> np.ndarray:
        """Columns of each unit."""
        return np.ones(self.unit_l1.size, int) if self.starts is None else np.diff(self.starts)

    def columns(self, units: np.ndarray) -> np.ndarray:
        """The columns of some units, in their order."""
        if self.starts is None:
            return units
        sizes = self.sizes[units]
        first = np.repeat(self.starts[units] - np.concatenate([[0], np.cumsum(sizes)[:-1]]), sizes)
        return first + np.arange(sizes.sum())

    def restricted(self, units: np.ndarray) -> SoftmaxModel:
        """The same with some units only, whose columns are copied."""
        starts = None if self.starts is None else np.concatenate([[0], np.cumsum(self.sizes[units])])
        return replace(self, X=self.X[:, self.columns(units)], unit_l1=self.unit_l1[units], starts=starts)

    def lengths(self, w: np.ndarray, sizes: np.ndarray | None = None) -> np.ndarray:
        """Dual norms of the units' parts: the largest entry of a feature, the Frobenius norm of a group."""
        if self.starts is None:
            return np.abs(w).max(axis=1, initial=0.0)
        sizes = self.sizes if sizes is None else sizes
        first = np.concatenate([[0], np.cumsum(sizes)[:-1]])
        return np.sqrt(np.add.reduceat((w**2).sum(axis=1), first)) if sizes.size else np.empty(0)

    def penalty_value(self, w: np.ndarray, factor: float = 1.0) -> float:
        """The penalty, its part with a kink times a factor."""
        norms = np.abs(w).sum(axis=1) if self.starts is None else self.lengths(w)
        return float(factor * (self.unit_l1 @ norms)) + 0.5 * self.l2 * float((w**2).sum())

    def loss_value(self, z: np.ndarray) -> float:
        """Weighted sum of the losses at predictions z."""
        return float(self.weights @ losses(z, self.labels))

    def residuals(self, z: np.ndarray) -> np.ndarray:
        """Minus the derivatives of the loss in the predictions: weights times label minus probability."""
        return self.residuals_at(self.probabilities(z))

    @staticmethod
    def probabilities(z: np.ndarray) -> np.ndarray:
        """Of each class, for every sample."""
        p = np.empty_like(z)
        probabilities(z, p)
        return p

    def residuals_at(self, p: np.ndarray) -> np.ndarray:
        """The same, from the probabilities."""
        return residuals(p, self.labels, self.weights)

    def best_intercept(self, z: np.ndarray, intercept: np.ndarray) -> np.ndarray:
        """The intercepts that minimise the loss, of sum zero, where z holds predictions without them (Newton)."""
        theta = self.residuals(z + intercept)
        slope = -theta.sum(axis=0)
        for _ in range(_INTERCEPT_STEPS):
            if np.abs(slope).max() <= 1e-16 * np.abs(theta).sum():
                break
            p = self.probabilities(z + intercept)
            weighted = self.weights[:, None] * p
            hessian = np.diag(weighted.sum(axis=0)) - weighted.T @ p
            hessian += np.full_like(hessian, max(np.trace(hessian), 1e-300) / self.n_classes**2)  # the gauge
            step = np.linalg.lstsq(hessian, -slope, rcond=None)[0]
            while True:
                theta = self.residuals(z + (intercept + step))
                new_slope = -theta.sum(axis=0)
                if np.linalg.norm(new_slope) < np.linalg.norm(slope):
                    break
                step = 0.5 * step
                if np.abs(step).max() <= 1e-17 * (1.0 + np.abs(intercept).max()):
                    return intercept - intercept.mean()
            intercept, slope = intercept + step, new_slope
        return intercept - intercept.mean()

    def evaluate(self, w: np.ndarray, intercept: np.ndarray, units: np.ndarray) -> Point:
        """Everything about w, from scratch: best intercepts, the gradient at some units, and the duality gap."""
        support = np.flatnonzero(w.any(axis=1))
        part = self.X if support.size == w.shape[0] else self.X[:, support]
        z = np.ascontiguousarray(part @ w[support])
        if self.fit_intercept:
            intercept = self.best_intercept(z, intercept)
            z += intercept
        theta = self.residuals(z)
        columns, sizes = self.columns(units), self.sizes[units]
        part = self.X if columns.size > 0.8 * w.shape[0] else self.X[:, columns]
        pulls = part.T @ theta
        pulls = pulls[columns] if part is self.X and columns.size < w.shape[0] else pulls
        pulled = self.lengths(pulls, sizes)
        objective = self.loss_value(z) + self.penalty_value(w)
        l1 = self.unit_l1[units]
        bounded = (l1 > 0.0) & (pulled > 0.0)
        scale = 1.0 if self.l2 > 0.0 else min(1.0, float((l1[bounded] / pulled[bounded]).min(initial=np.inf)))
        gap = objective - self.dual_value(theta, pulls, pulled, l1, scale)
        gap += float(np.abs(theta.sum(axis=0)) @ np.abs(intercept))  # what rounding leaves of the constraint
        gap = max(gap / self.scale, self._free_gradient(pulled, l1, units))
        gap = min(gap, objective / self.scale)  # zero is a lower bound, too
        active = self.lengths(w)[units] > 0.0
        return Point(w, intercept, z, theta, units, pulls, pulled, active, objective, scale, gap)

    def dual_value(self, theta, pulls, pulled, l1, scale) -> float:
        """The lower bound that a multiple of theta gives; `pulls` are X' theta."""
        value = entropy(theta, self.labels, self.weights, scale)
        if self.l2 > 0.0:
            over = np.abs(pulls) - l1[:, None] if self.starts is None else pulled - l1
            value -= float((np.maximum(over, 0.0) ** 2).sum()) / (2.0 * self.l2)
        return value

    def _free_gradient(self, pulled, l1, units) -> float:
        """Largest pull, relative, at a unit that no penalty holds: the dual asks for zero there."""
        free = (l1 == 0.0) & (self.unit_norms[units] > 0.0)
        if self.l2 > 0.0 or not free.any():
            return 0.0
        return float((pulled[free] / self.unit_norms[units][free]).max() / np.sqrt(self.weights.sum()))


def _column_sums(X, weights, power) -> np.ndarray:
    """Weighted sums of the columns, or of their squares."""
    if hasattr(X, "tocsc"):
        powered = X.copy()
        powered.data = powered.data**power
        return powered.T @ weights
    return weights @ X if power == 1 else np.einsum("ij,ij,i->j", X, X, weights, optimize=False)
