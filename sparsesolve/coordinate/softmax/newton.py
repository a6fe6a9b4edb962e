"""Proximal Newton steps on a working set of a multinomial model.

Sweeps of coordinate descent on a quadratic bound find out what is zero: the Hessian of a sample, diag(p) - pp', is at
most diag(p), which does not couple the classes. Conjugate gradients with the true Hessian then move what is not zero.
"""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np
import scipy.linalg

from ...backends.jit import kernel
from ...operators import as_column_matrix
from ...operators.columns import add_weighted_column, column_dot, column_square
from .kernels import curve
from .model import SoftmaxModel

_CONJUGATE_STEPS = 200
_RIDGE = 1e-10
_DECREASE = 1e-4
#: Conjugate gradient steps after which a Gram matrix is made as the preconditioner, or made anew.
_TOO_MANY = 15
#: Multiplications up to which BLAS does not copy what it multiplies.
_SMALL_PRODUCT = 900_000
#: Times that coefficients which would change sign are stopped at zero, and the others solved for again.
_CROSSINGS = 5
#: Columns up to which the smooth problem's preconditioner is a Cholesky factor.
_FACTORISED = 2000


class SoftmaxInner:
    """Minimises over the support of a point and some more units."""

    most_violators, least_violators, growth = 300, 0, 1.0
    share = 0.1

    def __init__(self, model: SoftmaxModel, target: float):
        self.model, self.target = model, target
        self.rounds, self.sweeps = 12, 2
        self.whole: _Descent | None = None
        if not model.unit_l1.any():
            self.most_violators = model.unit_l1.size

    def sharpen(self):
        """More rounds, and more sweeps in each."""
        self.rounds, self.sweeps = 200, 50

    def minimise(self, point, violators, factor):
        """Return new coefficients, of all columns, and intercepts to start from."""
        model = self.model
        units = np.union1d(point.units[point.active], violators)
        everything = units.size == model.unit_l1.size
        part = model if everything else model.restricted(units)
        columns = slice(None) if everything else model.columns(units)
        if factor > 1.0:
            tol, rounds = 1e-2, 3
        else:
            tol = max(0.1 * min(point.gap, 0.1) if point.gap > 1e-4 else 0.01 * point.gap, 1e-11)
            rounds = self.rounds
        descent = self.whole if everything and self.whole is not None else _Descent(part, factor, self.target)
        if everything and not descent.has_kinks:
            self.whole = descent  # what it has made of the data serves again
        solved, intercept = descent.run(point.w[columns], point.intercept, tol, rounds, self.sweeps)
        w = np.zeros_like(point.w)
        w[columns] = solved
        return w, intercept


class _Descent:
    """The steps, and what they share."""

    def __init__(self, model: SoftmaxModel, factor: float, target: float):
        self.model, self.factor = model, factor
        self.threshold = np.repeat(factor * model.unit_l1, model.sizes)
        self.has_kinks = bool(self.threshold.any())
        self.target = target
        self._factor: Any = None
        self._steps = 0

    @cached_property
    def columns(self):
        """What the sweeps read."""
        return as_column_matrix(self.model.X).parts

    @cached_property
    def light(self):
        """Dense data in single precision, for conjugate gradients; sparse data as they are."""
        X = self.model.X
        return X if hasattr(X, "tocsc") else np.ascontiguousarray(X, dtype=np.float32)

    @cached_property
    def squares(self):
        """Weighted squares of the columns."""
        return np.einsum("ij,ij,i->j", self.light, self.light, self.model.weights.astype(np.float32))

    def run(self, w, intercept, tol, max_rounds, sweeps):
        """Go on until the optimality conditions are violated by less than `tol`, relative to the penalty."""
        model, unit, first = self.model, None, None
        w = self._settled(w)
        z = model.X @ w + intercept
        value = model.loss_value(z) + model.penalty_value(w, self.factor)
        for _ in range(max_rounds):
            p = model.probabilities(z)
            theta = model.residuals_at(p)
            gradient, slope = model.l2 * w - model.X.T @ theta, -theta.sum(axis=0)
            if unit is None:  # where nothing has a kink, by the size of the first gradient
                least = max(self.threshold.max(initial=0.0), 1e-3 * np.abs(gradient).max(initial=0.0))
                unit = np.where(self.threshold > 0.0, self.threshold, max(least, 1e-300))
            violation = float((np.abs(self._violations(gradient, w)) / unit[:, None]).max(initial=0.0))
            if violation <= tol:
                break
            if not self.has_kinks and self._is_near(gradient, slope):
                break
            step, shift = np.zeros_like(w), np.zeros_like(slope)
            directions = []
            if self.has_kinks:
                step, shift = self._sweep(w, gradient, slope, p, sweeps)
                step = self._settled(w + step) - w
                directions.append((step, shift))
            first = violation if first is None else first
            rough = (
                max(0.1 * min(violation, 1.0), 1e-4)
                if self.has_kinks
                else max(violation / first, 1e-6) ** 0.5
            )
            directions.insert(0, self._refine(w, step, shift, gradient, slope, p, min(0.2, rough)))
            moved = self._search(w, intercept, z, value, gradient, slope, directions)
            if moved is None:
                break
            w, intercept, z, value = moved
            w = self._settled(w)
            value = model.loss_value(z) + model.penalty_value(w, self.factor)
        return w, intercept

    def _settled(self, w):
        """The same probabilities with the least sum of absolute values: each feature less its median over the classes.

        Without it the quadratic model has no minimum where more signs of a feature are of one kind.
        """
        if self.model.starts is not None or self.model.l2 > 0.0 or not self.has_kinks:
            return w
        ranked, n_classes = np.sort(w, axis=1), w.shape[1]
        middle = np.clip(0.0, ranked[:, (n_classes - 1) // 2], ranked[:, n_classes // 2])
        return w - middle[:, None]

    def _is_near(self, gradient, slope):
        """Whether the gap of the whole problem, which squares of the penalty bound, is within the target."""
        l2 = self.model.l2
        free = np.abs(slope).max() if self.model.fit_intercept else 0.0
        bound = float((gradient**2).sum()) / (2.0 * l2) if l2 > 0.0 else np.inf
        return bound <= 0.3 * self.target * self.model.scale and free <= 1e-6 * self.model.scale

    def _violations(self, gradient, w):
        """Minus the gradient's distance from the subdifferential of the penalty, entry by entry."""
        if self.model.starts is None:
            pull = np.where(w != 0.0, gradient + self.threshold[:, None] * np.sign(w), 0.0)
            excess = np.maximum(np.abs(gradient) - self.threshold[:, None], 0.0)
            return np.where(w != 0.0, pull, excess)
        lengths = np.repeat(self.model.lengths(w), self.model.sizes)[:, None]
        sizes = np.repeat(self.model.lengths(gradient), self.model.sizes)[:, None]
        inside = np.maximum(1.0 - self.threshold[:, None] / np.maximum(sizes, 1e-300), 0.0) * gradient
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.where(lengths > 0.0, gradient + self.threshold[:, None] * w / lengths, inside)

    def _sweep(self, w, gradient, slope, p, sweeps):
        """Coordinate descent on the bound: the step of coefficients and intercepts."""
        model = self.model
        curvature = np.ascontiguousarray((model.weights[:, None] * p).T)
        parts = self.columns
        squares = _squares(parts, w.shape[0], curvature) + model.l2
        squares += _RIDGE * squares.max(initial=0.0)
        step = np.zeros_like(w)
        response = np.zeros_like(curvature)
        totals = curvature.sum(axis=1) if model.fit_intercept else np.zeros(w.shape[1])
        starts = np.arange(w.shape[0] + 1) if model.starts is None else model.starts
        shift = _descend(
            parts, starts, model.starts is not None, gradient, slope, squares, model.l2, curvature, totals,
            self.factor * model.unit_l1, w, step, response, sweeps,
        )  # fmt: skip
        return step, shift

    def _refine(self, w, step, shift, gradient, slope, p, tol):
        """Conjugate gradients on what is not zero at w + step, from there, with the penalty's own curvature."""
        model, at = self.model, w + step
        moving = at != 0.0 if self.has_kinks else np.ones(at.shape, bool)
        if self.has_kinks and not self.threshold.all():
            moving |= (self.threshold == 0.0)[:, None]
        kink = _Kink(model, self.threshold, at)
        bend = _Curvature(self.light, p, model.weights)

        def hessian(e, e_shift):
            image, image_shift = bend.times(e, e_shift)
            return (image + model.l2 * e + kink.curvature(e)) * moving, image_shift * model.fit_intercept

        solve = self._preconditioner(p)
        origin = at.copy()
        image, image_shift = np.zeros_like(step), np.zeros_like(shift)
        for _ in range(_CROSSINGS):
            if step.any() or shift.any():
                image, image_shift = hessian(step, shift)
                image = (
                    image - kink.curvature(step)
                ) * moving  # the model's Hessian alone, and the kink's anew
            pull = kink.gradient() + kink.curvature(step - (origin - w))
            residual = -(gradient + pull) * moving - image
            residual_shift = (-slope - image_shift) * model.fit_intercept
            change, change_shift, self._steps = _conjugate_gradients(
                hessian, solve, residual, residual_shift, moving, tol
            )
            step, shift = step + change, shift + change_shift
            if not self.has_kinks or model.starts is not None:
                break
            crossed = (origin != 0.0) & ((w + step) * origin < 0.0)
            if not crossed.any():
                break
            step = np.where(crossed, -w, step)  # who would change sign stops at zero, and the others go on
            moving = moving & ~crossed
        return step, shift

    def _preconditioner(self, p):
        """An approximate inverse of the Hessian, on coefficients of shape (m, K), and on intercepts."""
        model = self.model
        spread = model.weights[:, None] * p * (1.0 - p)
        totals = np.maximum(spread.sum(axis=0), 1e-300)
        A = self.light
        if self.has_kinks or hasattr(A, "tocsc"):
            diagonal = _squared_products(model.X, spread) + model.l2
            inverse = 1.0 / (diagonal + _RIDGE * diagonal.max(initial=0.0) + 1e-300)
            return lambda r, r_shift: (inverse * r, r_shift / totals)
        if self._steps > _TOO_MANY and A.shape[1] <= _FACTORISED:
            matrix = _weighted_gram(A, spread.mean(axis=1))
            ridge = model.l2 + 1e-6 * np.trace(matrix) / A.shape[1] + 1e-30
            matrix[np.diag_indices_from(matrix)] += ridge
            self._factor = scipy.linalg.cho_factor(matrix, overwrite_a=True, check_finite=False)
        if self._factor is not None:
            factor = self._factor
            return lambda r, r_shift: (
                scipy.linalg.cho_solve(factor, r.astype(A.dtype), check_finite=False).astype(np.float64),
                r_shift / totals,
            )
        diagonal = np.outer(self.squares, totals / model.weights.sum()) + model.l2
        inverse = 1.0 / (diagonal + _RIDGE * diagonal.max(initial=0.0) + 1e-300)
        return lambda r, r_shift: (inverse * r, r_shift / totals)

    def _search(self, w, intercept, z, value, gradient, slope, directions):
        """The first direction that decreases the objective enough, halved as often as needed; None if there is none."""
        model, size = self.model, self.model.penalty_value(w, self.factor)
        for number, (step, shift) in enumerate(directions):
            dz = model.X @ step + shift
            growth = model.penalty_value(w + step, self.factor) - size
            predicted = float(((gradient - model.l2 * w) * step).sum() + slope @ shift) + growth
            length = 1.0
            for _ in range(4 if number + 1 < len(directions) else 40):
                new = w + length * step
                new_value = model.loss_value(z + length * dz) + model.penalty_value(new, self.factor)
                if new_value <= value + _DECREASE * length * min(predicted, 0.0) + 1e-15 * abs(value):
                    return new, intercept + length * shift, z + length * dz, new_value
                length *= 0.5
        return None


class _Curvature:
    """The loss's Hessian at given probabilities, times coefficients and intercepts.

    Dense data are read in blocks of samples that stay in the cache for the transposed product, and are small enough for
    BLAS to multiply without copying them.
    """

    def __init__(self, A, p, weights):
        self.A, self.p, self.weights = A, p.astype(A.dtype), weights.astype(A.dtype)
        products = max(A.shape[1] * p.shape[1], 1)
        self.block = A.shape[0] if hasattr(A, "tocsc") else max(_SMALL_PRODUCT // products, 16)

    def times(self, e, e_shift):
        """In double precision, for directions in it."""
        e, e_shift = e.astype(self.A.dtype), e_shift.astype(self.A.dtype)
        image, image_shift = np.zeros_like(e), np.zeros(e_shift.size)
        for first in range(0, self.A.shape[0], self.block):
            rows = slice(first, first + self.block)
            response = np.ascontiguousarray(self.A[rows] @ e)
            response += e_shift
            curve(self.p[rows], self.weights[rows], response)
            image += self.A[rows].T @ response
            image_shift += response.sum(axis=0)
        return image.astype(np.float64), image_shift


class _Kink:
    """Gradient and curvature of the penalty's part with kinks, where it is smooth."""

    def __init__(self, model, threshold, at):
        self.threshold, self.at, self.groups = threshold[:, None], at, model.starts is not None
        if self.groups:
            lengths = np.repeat(model.lengths(at), model.sizes)[:, None]
            self.inverse = np.divide(1.0, lengths, out=np.zeros_like(lengths), where=lengths > 0.0)
            self.first, self.sizes = model.starts[:-1], model.sizes

    def gradient(self):
        """At the point."""
        return self.threshold * (self.at * self.inverse if self.groups else np.sign(self.at))

    def curvature(self, e):
        """Times a direction: zero for absolute values."""
        if not self.groups:
            return 0.0
        unit = self.at * self.inverse
        along = np.repeat(np.add.reduceat((unit * e).sum(axis=1), self.first), self.sizes)[:, None]
        return self.threshold * self.inverse * (e - unit * along)


def _weighted_gram(A, weights):
    """A' diag(weights) A in A's precision."""
    weighted = A * np.sqrt(weights).astype(A.dtype)[:, None]
    return weighted.T @ weighted


def _squared_products(X, spread):
    """Squares of the columns, weighted for each class: shape (m, K)."""
    if hasattr(X, "tocsc"):
        squared = X.copy()
        squared.data = squared.data**2
        return squared.T @ spread
    return (X**2).T @ spread


def _conjugate_gradients(hessian, solve, r, r_shift, moving, tol):
    """Solve the Newton system on the entries that move; stops at a relative residual of `tol`."""
    e, e_shift = np.zeros_like(r), np.zeros_like(r_shift)
    p, p_shift = solve(r, r_shift)
    p = p * moving
    rho = first = float((r * p).sum() + r_shift @ p_shift)
    steps = 0
    while steps < _CONJUGATE_STEPS and rho > tol * tol * first:
        steps += 1
        image, image_shift = hessian(p, p_shift)
        curve = float((p * image).sum() + p_shift @ image_shift)
        if not curve > 0.0:
            break
        length = rho / curve
        e, e_shift = e + length * p, e_shift + length * p_shift
        r, r_shift = r - length * image, r_shift - length * image_shift
        better, better_shift = solve(r, r_shift)
        better = better * moving
        new = float((r * better).sum() + r_shift @ better_shift)
        p, p_shift = better + (new / rho) * p, better_shift + (new / rho) * p_shift
        rho = new
    return e, e_shift, steps


@kernel
def _squares(parts, n_columns, weights):
    out = np.empty((n_columns, weights.shape[0]))
    for j in range(n_columns):
        for k in range(weights.shape[0]):
            out[j, k] = column_square(parts, j, weights[k])
    return out


@kernel
def _descend(
    parts, starts, are_groups, gradient, slope, squares, l2, curvature, totals, l1, w, step, response, sweeps
):  # fmt: skip
    """Sweeps over units; `response` is curvature times (X step + shift) by class, kept up to date."""
    n_classes = w.shape[1]
    active = np.ones(l1.size, np.bool_)
    shift = np.zeros(n_classes)
    largest = 0
    for u in range(l1.size):
        largest = max(largest, starts[u + 1] - starts[u])
    target = np.empty((largest, n_classes))
    for _ in range(sweeps):
        for u in range(l1.size):
            if not active[u]:
                continue
            first, size = starts[u], starts[u + 1] - starts[u]
            bound, was_zero, pull = 0.0, True, 0.0
            for a in range(size):
                j = first + a
                for k in range(n_classes):
                    slope_here = gradient[j, k] + l2 * step[j, k] + column_dot(parts, j, response[k])
                    target[a, k] = slope_here
                    was_zero = was_zero and w[j, k] + step[j, k] == 0.0
                    pull = pull + slope_here * slope_here if are_groups else max(pull, abs(slope_here))
                if are_groups:
                    row = 0.0
                    for k in range(n_classes):
                        row = max(row, squares[j, k])
                    bound += row
            pull = np.sqrt(pull) if are_groups else pull
            if was_zero and pull <= l1[u]:
                if pull < 0.9 * l1[u]:
                    active[u] = False
                continue
            if are_groups:
                length = 0.0
                for a in range(size):
                    for k in range(n_classes):
                        target[a, k] = w[first + a, k] + step[first + a, k] - target[a, k] / bound
                        length += target[a, k] * target[a, k]
                length = np.sqrt(length)
                factor = max(0.0, 1.0 - l1[u] / (bound * length)) if length > 0.0 else 0.0
            for a in range(size):
                j = first + a
                for k in range(n_classes):
                    old = w[j, k] + step[j, k]
                    if are_groups:
                        new = factor * target[a, k]
                    else:
                        wanted = squares[j, k] * old - target[a, k]
                        new = max(abs(wanted) - l1[u], 0.0) / squares[j, k] if squares[j, k] > 0.0 else old
                        new = new if wanted > 0.0 else -new
                    if new != old:
                        step[j, k] += new - old
                        add_weighted_column(parts, j, new - old, curvature[k], response[k])
        for k in range(n_classes):
            if totals[k] > 0.0:
                change = -(slope[k] + response[k].sum()) / totals[k]
                shift[k] += change
                for i in range(response.shape[1]):
                    response[k, i] += change * curvature[k, i]
    return shift
