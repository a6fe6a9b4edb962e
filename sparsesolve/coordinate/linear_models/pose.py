"""From data and parameters to a model in a good range of numbers, and back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import scipy.sparse

from ...operators import as_column_matrix
from ...validation import check_matrix
from ..losses import Loss
from .group_inner import GroupInner
from .group_model import GroupModel
from .inner import choose_inner
from .model import LinearModel
from .working_set import Inner, Model

#: Powers of two within which squares and sums of data neither overflow nor vanish.
_SAFE_EXPONENT = 200
#: The least sum of squares, and one over the largest, that is taken to be in range at once.
_SMALLEST_SQUARE = 2.0 ** (-2 * _SAFE_EXPONENT)


@dataclass(frozen=True)
class Posed:
    """A model, and how its answer is turned into that of the data.

    Attributes
    ----------
    model : LinearModel or GroupModel
    make_inner : callable
        The model to what its working sets are handed to.
    order : ndarray of int, shape (n_features,)
        The model's columns among those of the data.
    x_scale, y_scale : float
        Powers of two that the data were divided by.
    total_weight : float
        What the objective of the model is to be divided by, to be a mean.
    kept : ndarray of bool, shape (n_samples,)
        The samples of positive weight.
    """

    model: Model
    make_inner: Callable[..., Inner]
    order: np.ndarray
    x_scale: float
    y_scale: float
    total_weight: float
    kept: np.ndarray

    def lift(self, w: np.ndarray, intercept: float) -> tuple[np.ndarray, float]:
        """Coefficients and intercept for the data as they were given."""
        coef = np.empty_like(w)
        coef[self.order] = w * (self.y_scale / self.x_scale)
        return coef, intercept * self.y_scale

    def lower(self, coef: np.ndarray, intercept: float) -> tuple[np.ndarray, float]:
        """Coefficients and intercept of the model."""
        return coef[self.order] * (self.x_scale / self.y_scale), intercept / self.y_scale

    def dual_point(self, theta: np.ndarray) -> np.ndarray:
        """A dual point of the mean objective, for all samples of the data as they were given."""
        full = np.zeros(self.kept.size)
        full[self.kept] = theta * (self.y_scale / self.total_weight)
        return full

    def objective(self, value: float) -> float:
        """The mean loss with its penalty, for the data as they were given."""
        return value * self.y_scale**2 / self.total_weight

    def scaled(self, factor: float) -> Posed:
        """The same data with all penalties times a factor."""
        return replace(self, model=self.model.scaled(factor))

    def on_device(self, runtime) -> Posed:
        """The same, with the large products of its sparse matrix on a device."""
        model: Any = self.model
        made = replace(model, X=model.X.on_device(runtime))
        for name in ("raw_moments", "_moments"):  # the data are the same
            made.__dict__[name] = getattr(model, name)
        return replace(self, model=made)

    def largest_penalty_factor(self) -> float:
        """The factor of the penalties from which on every coefficient is zero; infinity if there is no l1 penalty."""
        model = self.model
        units = np.flatnonzero(model.unit_norms > 0.0)
        point = model.evaluate(np.zeros(self.order.size), 0.0, units)
        with np.errstate(divide="ignore", invalid="ignore"):
            ratios = point.sizes / model.unit_l1[units]
        return float(np.nanmax(ratios, initial=0.0))


def pose(X, y, loss: Loss, l1, l2, *, sample_weight=None, positive=False, fit_intercept=True) -> Posed:
    """Drop samples of weight zero, and scale what is out of range.

    The objective is the weighted mean of the losses, plus ``sum_j l1_j |w_j| + l2_j w_j^2 / 2``; l1 and l2 are
    numbers or arrays of shape (n_features,).
    """
    columns = np.ones(X.shape[1])

    def build(matrix, y, weights, x_scale, y_scale):
        total = weights.sum()
        strengths = columns * l1 * (total / x_scale / y_scale), columns * l2 * (total / x_scale**2)
        return LinearModel(matrix, y, weights, loss, *strengths, positive, fit_intercept)

    model, x_scale, y_scale = _in_range(X, y, loss, sample_weight, np.arange(columns.size), build)
    total = float(model.weights.sum())
    return Posed(
        model, choose_inner, np.arange(columns.size), x_scale, y_scale, total, _kept(y, sample_weight)
    )


def pose_groups(X, y, loss: Loss, groups, strengths, *, sample_weight=None, fit_intercept=True) -> Posed:
    """The same for the penalty ``sum_g strengths_g |w_g|``; groups is a list of arrays of column numbers."""
    order = np.concatenate(groups)
    zeros = np.zeros(order.size)

    def build(matrix, y, weights, x_scale, y_scale):
        return LinearModel(matrix, y, weights, loss, zeros, zeros, False, fit_intercept)

    linear, x_scale, y_scale = _in_range(X, y, loss, sample_weight, order, build)
    total = float(linear.weights.sum())
    starts = np.concatenate([[0], np.cumsum([len(group) for group in groups])])
    model = GroupModel(linear, starts, strengths * (total / x_scale / y_scale))
    return Posed(model, GroupInner, order, x_scale, y_scale, total, _kept(y, sample_weight))


def _kept(y, sample_weight):
    return np.ones(y.size, dtype=bool) if sample_weight is None else sample_weight > 0.0


def _in_range(X, y, loss, sample_weight, order, build):
    """A linear model of samples of positive weight, and the powers of two by which X and y were divided.

    The columns' squares, which are needed anyway, say whether X is finite and in range: it is not read twice.
    """
    weights = np.ones(y.size) if sample_weight is None else sample_weight
    if not weights.all():
        check_matrix("X", X)
        kept = _kept(y, weights)
        X, y, weights = X[kept], y[kept], weights[kept]
    weights = weights / weights.max()
    y_scale = power_of_two(y) if loss.is_quadratic else 1.0
    y = y / y_scale
    model = build(_ordered(as_column_matrix(X), order), y, weights, 1.0, y_scale)
    largest = float(model.raw_moments[1].max(initial=0.0))
    if _SMALLEST_SQUARE < largest < 1.0 / _SMALLEST_SQUARE:
        return model, 1.0, y_scale
    check_matrix("X", X)
    x_scale = power_of_two(X.data if scipy.sparse.issparse(X) else X)
    if x_scale == 1.0:
        return model, 1.0, y_scale
    matrix = _ordered(as_column_matrix(X * (1.0 / x_scale)), order)
    return build(matrix, y, weights, x_scale, y_scale), x_scale, y_scale


def _ordered(matrix, order):
    return matrix if np.array_equal(order, np.arange(order.size)) else matrix.select(order)


def power_of_two(values) -> float:
    """The size of the largest entry, as a power of two, if it is far from 1; else 1."""
    largest = max(abs(float(values.max(initial=0.0))), abs(float(values.min(initial=0.0))))
    exponent = int(np.frexp(largest)[1]) if largest > 0.0 else 0
    return float(np.ldexp(1.0, exponent)) if abs(exponent) > _SAFE_EXPONENT else 1.0
