r"""A linear model with a separable penalty, and the certificate of any of its points.

The objective is :math:`P(w, c) = \sum_i s_i \ell(x_i'w + c, y_i) + \sum_j \lambda_j |w_j| + \tfrac12 \mu_j w_j^2`,
with w at least 0 if asked, and an intercept c that costs nothing. For every :math:`\theta` whose sum is zero (where
there is an intercept), and with :math:`v = X'\theta`,

.. math:: D(\theta) = -\sum_i s_i \ell^*(-\theta_i / s_i) - \sum_j \frac{(|v_j| - \lambda_j)_+^2}{2 \mu_j} \le P(w, c),

where the last terms ask for :math:`|v_j| \le \lambda_j` if :math:`\mu_j = 0`. The dual points used are multiples of
:math:`\theta_i = -s_i \ell'(z_i)`: they cost one product with X.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from ...backends.jit import kernel
from ...operators.columns import ColumnMatrix, moments, product, transposed_product
from ..losses import Loss

#: Columns whose centred norm is less than this times their norm count as constant.
_CONSTANT = 1e-13
_INTERCEPT_STEPS = 50
#: A constant whose loss is so small, relative to that of zero, is as good as perfect.
_NEARLY_PERFECT = 1e-10
_NO_SLOPE = 1e-16


@dataclass(frozen=True)
class LinearModel:
    r"""Data and penalties.

    Attributes
    ----------
    X : ColumnMatrix of shape (n, p)
    y : ndarray of shape (n,)
    weights : ndarray of shape (n,)
        The s above, positive.
    loss : Loss
    l1, l2 : ndarray of shape (p,)
        :math:`\lambda` and :math:`\mu`, at least 0.
    positive : bool
    fit_intercept : bool
    """

    X: ColumnMatrix
    y: np.ndarray
    weights: np.ndarray
    loss: Loss
    l1: np.ndarray
    l2: np.ndarray
    positive: bool
    fit_intercept: bool

    @cached_property
    def means(self) -> np.ndarray:
        """Weighted means of the columns if there is an intercept, else zeros."""
        return self._moments[0]

    @cached_property
    def norms(self) -> np.ndarray:
        """Weighted norms of the columns, centred if there is an intercept; exactly 0 for constant columns then."""
        return self._moments[1]

    @cached_property
    def raw_moments(self) -> tuple[np.ndarray, np.ndarray]:
        """Weighted sums of the columns, and of their squares."""
        return moments(self.X, self.weights)

    @cached_property
    def _moments(self):
        sums, squares = self.raw_moments
        if not self.fit_intercept:
            return np.zeros_like(sums), np.sqrt(squares)
        total = self.weights.sum()
        centred = squares - sums**2 / total
        centred[centred <= _CONSTANT * squares] = 0.0
        return sums / total, np.sqrt(centred)

    def feasible(self, w: np.ndarray) -> np.ndarray:
        """A copy of w that is zero at constant columns, and not negative if that is asked for."""
        return np.where(self.norms > 0.0, np.maximum(w, 0.0) if self.positive else w, 0.0)

    def scaled(self, factor: float) -> LinearModel:
        """The same with all penalties times a factor."""
        model = replace(self, l1=self.l1 * factor, l2=self.l2 * factor)
        for name in ("raw_moments", "_moments", "scale", "_last"):  # the data are the same
            model.__dict__[name] = getattr(self, name)
        return model

    def restricted(self, columns: np.ndarray) -> LinearModel:
        """The same with some columns only, which are copied."""
        model = replace(self, X=self.X.select(columns), l1=self.l1[columns], l2=self.l2[columns])
        model.__dict__["raw_moments"] = tuple(values[columns] for values in self.raw_moments)
        return model

    def loss_value(self, z: np.ndarray) -> float:
        """Weighted sum of the losses at predictions z."""
        return float(self.weights @ self.loss.value(z, self.y))

    def penalty_value(self, w: np.ndarray, factor: float = 1.0) -> float:
        """The penalty, its l1 part times a factor."""
        ridge = 0.5 * float(self.l2 @ w**2) if self._some_have_ridge else 0.0
        return float(factor * (self.l1 @ np.abs(w))) + ridge

    @cached_property
    def scale(self) -> float:
        """Loss of the best constant prediction above the least thinkable: what gaps are relative to."""
        z = np.zeros_like(self.y)
        at_zero = self.loss_value(z) - self.least
        if self.fit_intercept:
            z += self.best_intercept(z, 0.0)
        # With one class, or no count, the best constant is infinite, and its loss whatever its search came to.
        floor = 0.0 if self.loss.is_quadratic else _NEARLY_PERFECT * at_zero
        return max(self.loss_value(z) - self.least, floor, np.finfo(np.float64).tiny)

    @cached_property
    def least(self) -> float:
        """A lower bound of the loss over all predictions."""
        return -float(self.weights @ self.loss.conjugate(np.zeros_like(self.y), self.y))

    def best_intercept(self, z: np.ndarray, intercept: float) -> float:
        """The intercept that minimises the loss, where z holds predictions without one (Newton's method).

        Steps are halved until the slope shrinks: it goes on to shrink where values no longer tell a difference.
        """
        slope, size = self._slope(z + intercept)
        for _ in range(_INTERCEPT_STEPS):
            curvature = float(self.weights @ self.loss.curvature(z + intercept, self.y))
            if abs(slope) <= _NO_SLOPE * size or not curvature > 0.0:
                break
            step = -slope / curvature
            new_slope, size = self._slope(z + (intercept + step))
            while not abs(new_slope) < abs(slope) and abs(step) > 1e-17 * abs(intercept):
                step *= 0.5
                new_slope, size = self._slope(z + (intercept + step))
            if not abs(new_slope) < abs(slope):
                break
            intercept, slope = intercept + step, new_slope
        return intercept

    def _slope(self, z):
        """Derivative of the loss along the intercept, and the sum of its terms' sizes."""
        terms = self.weights * self.loss.derivative(z, self.y)
        return float(terms.sum()), float(np.abs(terms).sum())

    @property
    def unit_norms(self) -> np.ndarray:
        """Norms of what enters the support as one: here, of the columns."""
        return self.norms

    @property
    def unit_l1(self) -> np.ndarray:
        """The correlation from which on a unit enters the support."""
        return self.l1

    def evaluate(self, w: np.ndarray, intercept: float, units: np.ndarray) -> Point:
        """Everything about w, from scratch: its best intercept, the gradient at some columns, and the duality gap."""
        z, intercept, theta, pulls = self.look(w, intercept, units)
        sizes = np.maximum(pulls, 0.0) if self.positive else np.abs(pulls)
        objective = self.loss_value(z) + self.penalty_value(w)
        l1, l2 = _part(self.l1, units), _part(self.l2, units)
        scale = dual_scale(self, theta, sizes, l1, l2)
        dual = self.dual_loss(scale * theta)
        if self._some_have_ridge:
            excess = np.maximum(scale * sizes - l1, 0.0)
            soft = (l2 > 0.0) & (excess > 0.0)
            dual -= 0.5 * float((excess[soft] ** 2) @ (1.0 / l2[soft]))
        gap = max((objective - dual) / self.scale, self.free_gradient(theta, units, pulls))
        gap = min(gap, (objective - self.least) / self.scale)  # theta = 0 is a dual point, too
        active = _part(w, units) != 0.0
        return Point(w, intercept, z, theta, units, pulls, sizes, active, objective, scale, gap)

    def look(self, w, intercept, columns):
        """Predictions, best intercept, dual point, and its products with some columns.

        What was found for all columns is kept until the next time: a path's next penalty begins at the last answer.
        """
        if columns.size <= 0.8 * w.size:  # else all are faster than some
            z, intercept, theta = self.predictions(w, intercept)
            return z, intercept, theta, transposed_product(self.X, theta, columns)
        last = self._last
        if "w" not in last or not np.array_equal(last["w"], w):
            z, intercept, theta = self.predictions(w, intercept)
            last.update(w=w, found=(z, intercept, theta, transposed_product(self.X, theta)))
        z, intercept, theta, pulls = last["found"]
        return z, intercept, theta, _part(pulls, columns)

    @cached_property
    def _last(self) -> dict[str, Any]:
        return {}

    def predictions(self, w, intercept):
        """Predictions at w and its best intercept, that intercept, and the dual point."""
        z = product(self.X, w, np.flatnonzero(w))
        if self.fit_intercept:
            intercept = self.best_intercept(z, intercept)
            z += intercept
        theta = -self.weights * self.loss.derivative(z, self.y)
        if self.fit_intercept:
            _balance(theta)
        return z, intercept, theta

    def dual_loss(self, theta: np.ndarray) -> float:
        """The dual value of theta, without the penalty's part."""
        return -float(self.weights @ self.loss.conjugate(-theta / self.weights, self.y))

    @cached_property
    def _some_have_ridge(self) -> bool:
        return bool(self.l2.any())

    @cached_property
    def _some_are_free(self) -> bool:
        return bool(((self.l1 == 0.0) & (self.l2 == 0.0)).any())

    def free_gradient(self, theta, columns, pulls) -> float:
        """Largest correlation of theta with a column that no penalty holds: the dual asks for zero there."""
        if not self._some_are_free:
            return 0.0
        free = (self.l1[columns] == 0.0) & (self.l2[columns] == 0.0) & (self.norms[columns] > 0.0)
        length = np.sqrt(float((theta**2) @ (1.0 / self.weights)))
        if not free.any() or length <= np.finfo(np.float64).eps * np.sqrt(self.scale):
            return 0.0
        pulls = np.maximum(pulls[free], 0.0) if self.positive else np.abs(pulls[free])
        return float((pulls / self.norms[columns][free]).max() / length)


@dataclass(frozen=True)
class Point:
    """Coefficients with all that is known of them.

    Attributes
    ----------
    w : ndarray of shape (p,), or (p, n_classes)
    intercept : float, or ndarray of shape (n_classes,)
    z : ndarray of shape (n,), or (n, n_classes)
        Predictions.
    theta : ndarray of shape (n,)
        Dual point before scaling.
    units : ndarray of int, shape (k,)
        The columns (or groups) that were looked at; the gap is that of the problem without the others.
    pulls : ndarray
        X' theta at the columns of these units: minus the gradient of the loss.
    sizes : ndarray of shape (k,)
        How strongly each unit is pulled away from zero.
    active : ndarray of bool, shape (k,)
        Which of them are not zero.
    objective : float
    dual_scale : float
        A feasible multiple of theta, the best one or nearly so.
    gap : float
        Objective minus dual value, relative to the model's scale.
    """

    w: np.ndarray
    intercept: Any
    z: np.ndarray
    theta: np.ndarray
    units: np.ndarray
    pulls: np.ndarray
    sizes: np.ndarray
    active: np.ndarray
    objective: float
    dual_scale: float
    gap: float


def dual_scale(model, theta, sizes, l1, l2) -> float:
    """The multiple of theta to take as the dual point: feasible, and the best one for squares."""
    bound = _largest_feasible(sizes, l1, l2)
    square = float((theta**2) @ (1.0 / model.weights))
    if model.loss.is_quadratic and not l2.any() and square > 0.0:
        return min(max(float(theta @ model.y) / square, 0.0), bound)
    return min(1.0, bound)


def _balance(theta: np.ndarray) -> None:
    """Make the sum zero, as the dual asks, by shrinking the entries of one sign, which stays in the dual's domain."""
    positive = theta > 0.0
    above, below = float(theta[positive].sum()), -float(theta[~positive].sum())
    if above > below:
        theta[positive] *= below / above
    elif below > above:
        theta[~positive] *= above / below


def _part(values: np.ndarray, units: np.ndarray) -> np.ndarray:
    """The entries at some units; the array itself where these are all."""
    return values if units.size == values.size else values[units]


@kernel
def _largest_feasible(sizes, l1, l2):
    """The least ratio of l1 to size, where these are positive and no ridge softens the bound."""
    least = np.inf
    for k in range(sizes.size):
        if l2[k] == 0.0 and l1[k] > 0.0 and sizes[k] * least > l1[k]:
            least = l1[k] / sizes[k]
    return least
