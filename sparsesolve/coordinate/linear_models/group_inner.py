"""Working sets of groups: exact block descent for squares, the same inside of Newton steps for other losses."""

from __future__ import annotations

import numpy as np

from ...operators.columns import product, transposed_product
from .group_descent import GroupBlocks
from .group_model import GroupModel

_NEWTON_ROUNDS = 6


class GroupInner:
    """Minimises over the support of a point and some more groups."""

    most_violators, least_violators, growth = 50, 0, 1.0
    share = 0.1

    def __init__(self, model: GroupModel):
        self.model = model
        self.dtype: type = np.float32
        self.most_sweeps = 300
        # Columns are divided by their group's typical norm, so that single precision can hold them.
        sizes = np.diff(model.starts)
        norms = model.unit_norms / np.sqrt(sizes)
        self.norms = np.where(norms > 0.0, norms, 1.0)
        self.known = np.full(sizes.size, -1)
        self.blocks = GroupBlocks(model.linear.y.size, self.dtype)

    def sharpen(self):
        """Double precision from now on, and more sweeps."""
        self.dtype, self.most_sweeps = np.float64, 2000
        self.known[:] = -1
        self.blocks = GroupBlocks(self.model.linear.y.size, self.dtype)

    def minimise(self, point, violators, factor):
        """Return new coefficients, of all columns, and an intercept to start from."""
        groups = np.union1d(point.units[point.active], violators)
        pulls = np.zeros(self.model.linear.norms.size)
        pulls[self.model.columns(point.units)] = point.pulls
        tol, sweeps = self._effort(point, violators.size, factor)
        if not self.model.loss.is_quadratic:
            return self._newton(point, groups, pulls, factor, tol, sweeps)
        new = groups[self.known[groups] < 0]
        if new.size:
            self.known[new] = len(self.blocks.first) - 1 + np.arange(new.size)
            self._append(self.blocks, new, self.model.linear.weights)
        return self._step(
            self.blocks, self.known, groups, point.w, pulls, factor, tol, sweeps
        ), point.intercept

    def _effort(self, point, n_violators, factor):
        """How well to solve this round's problem: no better than the choice of the working set deserves."""
        if factor > 1.0:
            return 0.1, 10
        tol = 0.1 * min(point.gap, 1.0) if point.gap > 1e-4 else max(0.02 * point.gap, 1e-12)
        return tol, (40 if n_violators > 0.05 * np.count_nonzero(point.active) else self.most_sweeps)

    def _append(self, blocks, groups, curvature):
        """Columns of some groups, centred, with the samples' curvature in them, and of typical norm 1."""
        linear = self.model.linear
        sizes = np.diff(self.model.starts)[groups]
        columns = self.model.columns(groups)
        scale = np.repeat(1.0 / self.norms[groups], sizes)
        rows = linear.X.scaled_rows(columns, scale, np.float64)
        if linear.fit_intercept:
            rows -= ((rows @ curvature) / curvature.sum())[:, None]
        rows *= np.sqrt(curvature)
        blocks.append(rows, sizes)

    def _step(self, blocks, known, groups, w, pulls, factor, tol, sweeps):
        """Minimise the quadratic model around w over some groups; all others stay."""
        members = np.flatnonzero(known >= 0)
        members = members[np.argsort(known[members])]  # the order of the blocks
        columns = self.model.columns(members)
        norms = np.repeat(self.norms[members], np.diff(self.model.starts)[members])
        threshold = factor * self.model.unit_l1[members] / self.norms[members]
        solved = blocks.descend(
            known[groups], pulls[columns] / norms, w[columns] * norms, threshold, tol, sweeps
        )
        new = w.copy()
        new[columns] = solved / norms
        return new

    def _newton(self, point, groups, pulls, factor, tol, sweeps):
        """Proximal Newton steps with a line search."""
        model, linear = self.model, self.model.linear
        known = np.full(self.known.size, -1)
        known[groups] = np.arange(groups.size)
        columns = model.columns(groups)
        w, intercept, z, theta = point.w, point.intercept, point.z, point.theta
        value = linear.loss_value(z) + model.penalty_value(w, factor)
        for _ in range(_NEWTON_ROUNDS):
            curvature = linear.weights * linear.loss.curvature(z, linear.y)
            curvature = np.maximum(curvature, 1e-12 * curvature.max())
            blocks = GroupBlocks(linear.y.size, self.dtype)
            self._append(blocks, groups, curvature)
            step = self._step(blocks, known, groups, w, pulls, factor, tol, sweeps) - w
            moved = np.flatnonzero(step)
            if moved.size == 0:
                break
            dz = product(linear.X, step, moved)
            if linear.fit_intercept:
                dz -= (curvature @ dz) / curvature.sum()
            predicted = -float(pulls[columns] @ step[columns])
            predicted += model.penalty_value(w + step, factor) - model.penalty_value(w, factor)
            length = _step_length(
                lambda t, w=w, z=z, step=step, dz=dz: (
                    linear.loss_value(z + t * dz) + model.penalty_value(w + t * step, factor)
                ),
                value,
                predicted,
            )
            if length == 0.0:
                break
            w = w + length * step
            z, intercept, theta = linear.predictions(w, intercept)
            new_value = linear.loss_value(z) + model.penalty_value(w, factor)
            done = value - new_value <= max(0.1 * tol * point.gap, 1e-15) * linear.scale
            value = new_value
            if done:
                break
            pulls[columns] = transposed_product(linear.X, theta, columns)
        return w, intercept


def _step_length(value_at, value, predicted) -> float:
    """The first of 1, 1/2, 1/4 ... that decreases the objective enough; 0 if none does."""
    length = 1.0
    for _ in range(40):
        if value_at(length) <= value + 1e-4 * length * min(predicted, 0.0) + 1e-15 * abs(value):
            return length
        length *= 0.5
    return 0.0
