r"""A linear model whose columns enter by groups, and the certificate of any of its points.

The objective is :math:`P(w, c) = \sum_i s_i \ell(x_i'w + c, y_i) + \sum_g \lambda_g \|w_g\|_2`. A dual point is
feasible if :math:`\|X_g'\theta\|_2 \le \lambda_g` for every group; all else is as in `LinearModel`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from .model import LinearModel, Point, dual_scale


@dataclass(frozen=True)
class GroupModel:
    r"""Data, groups and penalties.

    Attributes
    ----------
    linear : LinearModel
        The data, with the columns of each group side by side, and no penalty.
    starts : ndarray of int, shape (n_groups + 1,)
        Where each group begins.
    unit_l1 : ndarray of shape (n_groups,)
        :math:`\lambda`, at least 0.
    """

    linear: LinearModel
    starts: np.ndarray
    unit_l1: np.ndarray

    @property
    def loss(self):
        """The loss of a sample."""
        return self.linear.loss

    @property
    def scale(self) -> float:
        """What gaps are relative to."""
        return self.linear.scale

    @property
    def unit_norms(self) -> np.ndarray:
        """Frobenius norms of the groups' columns, centred if there is an intercept."""
        return self.lengths(self.linear.norms)

    def feasible(self, w: np.ndarray) -> np.ndarray:
        """A copy of w that is zero in groups of constant columns."""
        return np.where(np.repeat(self.unit_norms > 0.0, np.diff(self.starts)), w, 0.0)

    def scaled(self, factor: float) -> GroupModel:
        """The same with all penalties times a factor."""
        return replace(self, unit_l1=self.unit_l1 * factor)

    def lengths(self, w: np.ndarray) -> np.ndarray:
        """Norms of the parts of a vector."""
        return np.sqrt(np.add.reduceat(w**2, self.starts[:-1]))

    def columns(self, groups: np.ndarray) -> np.ndarray:
        """The columns of some groups, in their order."""
        sizes = np.diff(self.starts)[groups]
        first = np.repeat(self.starts[groups] - np.concatenate([[0], np.cumsum(sizes)[:-1]]), sizes)
        return first + np.arange(sizes.sum())

    def penalty_value(self, w: np.ndarray, factor: float = 1.0) -> float:
        """The penalty, times a factor."""
        return factor * float(self.unit_l1 @ self.lengths(w))

    def evaluate(self, w: np.ndarray, intercept: float, units: np.ndarray) -> Point:
        """Everything about w, from scratch; see `LinearModel.evaluate`."""
        model = self.linear
        columns = self.columns(units)
        z, intercept, theta, pulls = model.look(w, intercept, columns)
        sizes = np.diff(self.starts)[units]
        first = np.concatenate([[0], np.cumsum(sizes)[:-1]]).astype(np.int64)
        pulled = np.sqrt(np.add.reduceat(pulls**2, first)) if units.size else np.empty(0)
        objective = model.loss_value(z) + self.penalty_value(w)
        l1 = self.unit_l1[units]
        scale = dual_scale(model, theta, pulled, l1, np.zeros_like(l1))
        free = np.repeat(l1 == 0.0, sizes)
        gap = (objective - model.dual_loss(scale * theta)) / model.scale
        gap = max(gap, model.free_gradient(theta, columns[free], pulls[free]))
        gap = min(gap, (objective - model.least) / model.scale)
        active = self.lengths(w)[units] > 0.0
        return Point(w, intercept, z, theta, units, pulls, pulled, active, objective, scale, gap)
