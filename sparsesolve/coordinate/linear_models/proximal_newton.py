"""Proximal Newton steps on a working set, without a Gram matrix: for sparse data, and for losses that are no squares.

A few sweeps of coordinate descent on the quadratic model find the signs; conjugate gradients on the columns that are
not zero then solve the same model for these signs; coordinates that would change sign are set to 0.
"""

from __future__ import annotations

import numpy as np

from ...backends.jit import kernel
from ...operators.columns import (
    add_column,
    add_weighted_column,
    column_dot,
    column_square,
    product,
    transposed_product,
)
from .model import LinearModel

_CONJUGATE_STEPS = 200
#: Added to curvatures, relative to the largest: columns that no sample's curvature sees stay where they are.
_RIDGE = 1e-10
_DECREASE = 1e-4


def minimise_working_set(model: LinearModel, w, intercept, factor, tol, max_rounds, sweeps):
    """Minimise over all columns of a (restricted) model.

    Parameters
    ----------
    model : LinearModel
    w : ndarray of shape (k,)
    intercept : float
    factor : float
        Of the l1 penalties; above 1 on the way to them.
    tol : float
        Largest violation of the optimality conditions, relative to the l1 penalties.
    max_rounds : int
    sweeps : int
        Of coordinate descent in each round.

    Returns
    -------
    w : ndarray of shape (k,)
    intercept : float
    rounds : int
    """
    threshold = factor * model.l1
    unit = None
    z = product(model.X, w, np.flatnonzero(w)) + intercept
    value = model.loss_value(z) + model.penalty_value(w, factor)
    for done in range(max_rounds):
        theta = -model.weights * model.loss.derivative(z, model.y)
        curvature = model.weights * model.loss.curvature(z, model.y)
        gradient = model.l2 * w - transposed_product(model.X, theta)
        if unit is None:  # where nothing is penalised, by the size of the first gradient
            largest = max(threshold.max(initial=0.0), 1e-3 * np.abs(gradient).max(initial=0.0))
            unit = np.where(threshold > 0.0, threshold, max(largest, np.finfo(np.float64).tiny))
        violation = float((_violations(gradient, w, threshold, model.positive) / unit).max(initial=0.0))
        if violation <= tol:
            return w, intercept, done
        quadratic = _Quadratic(model, curvature, gradient, -float(theta.sum()), threshold)
        step, shift = quadratic.descend(w, sweeps)
        directions = [(step, shift)]
        support = np.flatnonzero(w + step)
        if support.size:
            refined = quadratic.refine(w, step, shift, support, min(0.2, max(0.1 * violation, 1e-4)))
            directions.insert(0, refined)
        moved = _line_search(model, w, intercept, z, value, gradient, -theta.sum(), factor, directions)
        if moved is None:
            return w, intercept, done
        w, intercept, z, value = moved
    return w, intercept, max_rounds


def _violations(gradient, w, threshold, positive):
    """Distance of minus the gradient from the subdifferential of the penalty, by coordinate."""
    at_zero = np.maximum((-gradient if positive else np.abs(gradient)) - threshold, 0.0)
    return np.where(w != 0.0, np.abs(gradient + threshold * np.sign(w)), at_zero)


class _Quadratic:
    """The model of the objective around a point."""

    def __init__(self, model, curvature, gradient, slope, threshold):
        self.model, self.curvature, self.gradient, self.slope = model, curvature, gradient, slope
        self.threshold = threshold
        self.total = float(curvature.sum()) if model.fit_intercept else 0.0
        squares = (
            model.raw_moments[1]
            if model.loss.is_quadratic
            else _squares(model.X.parts, model.X.shape[1], curvature)
        )
        diagonal = squares + model.l2
        self.ridge = _RIDGE * float(diagonal.max(initial=0.0))
        self.diagonal = diagonal + self.ridge

    def descend(self, w, sweeps):
        """Sweeps of coordinate descent: the step of the coefficients and of the intercept."""
        step = np.zeros_like(w)
        self.response = np.zeros(self.model.X.shape[0])
        shift = _sweeps(
            self.model.X.parts, self.gradient, self.slope, self.diagonal, self.model.l2, self.curvature, self.total,
            self.threshold, w, self.model.positive, step, self.response, sweeps,
        )  # fmt: skip
        return step, shift

    def refine(self, w, step, shift, support, tol):
        """Conjugate gradients for the signs of w + step, from there."""
        model = self.model
        at = w + step
        signs = np.sign(at[support])
        residual = -(
            self.gradient[support]
            + transposed_product(model.X, self.response, support)
            + model.l2[support] * step[support]
            + self.threshold[support] * signs
        )
        residual_shift = -(self.slope + self.response.sum()) if self.total > 0.0 else 0.0
        system = (
            self.curvature, self.total, model.l2[support] + self.ridge, self.diagonal[support], residual,
            residual_shift, tol, _CONJUGATE_STEPS,
        )  # fmt: skip
        if model.X.device is None:
            change, change_shift = _conjugate_gradients(model.X.parts, support, *system)
        else:
            change, change_shift = model.X.select(support).device.solve_gram(*system)
        solved = at[support] + change
        refined = np.zeros_like(w)
        refined[support] = np.where(solved * signs > 0.0, solved, 0.0)
        return refined - w, shift + change_shift


def _line_search(model, w, intercept, z, value, gradient, slope, factor, directions):
    """The first direction that decreases the objective enough, halved as often as needed; None if there is none."""
    size = model.penalty_value(w, factor)
    for number, (step, shift) in enumerate(directions):
        dz = product(model.X, step, np.flatnonzero(step)) + shift
        new_size = model.penalty_value(w + step, factor)
        predicted = float((gradient - model.l2 * w) @ step) + slope * shift + new_size - size
        length = 1.0
        for _ in range(4 if number + 1 < len(directions) else 40):
            new = w + length * step
            new_value = model.loss_value(z + length * dz) + model.penalty_value(new, factor)
            if new_value <= value + _DECREASE * length * min(predicted, 0.0) + 1e-15 * abs(value):
                return new, intercept + length * shift, z + length * dz, new_value
            length *= 0.5
    return None


@kernel
def _squares(parts, n_columns, weights):
    out = np.empty(n_columns)
    for j in range(n_columns):
        out[j] = column_square(parts, j, weights)
    return out


@kernel
def _sweeps(
    parts, gradient, slope, diagonal, l2, curvature, total, threshold, w, positive, step, response, sweeps
):  # fmt: skip
    """Coordinate descent on the quadratic model; `response` is curvature times (X step + shift), kept up to date."""
    active = np.ones(w.size, np.bool_)
    shift = 0.0
    for _ in range(sweeps):
        for j in range(w.size):
            if not active[j] or diagonal[j] <= 0.0:
                continue
            old, new = w[j] + step[j], 0.0
            slope_here = gradient[j] + l2[j] * step[j] + column_dot(parts, j, response)
            target = diagonal[j] * old - slope_here
            if target > threshold[j]:
                new = (target - threshold[j]) / diagonal[j]
            elif target < -threshold[j] and not positive:
                new = (target + threshold[j]) / diagonal[j]
            elif old == 0.0 and abs(target) < 0.9 * threshold[j]:
                active[j] = False
            if new != old:
                step[j] += new - old
                add_weighted_column(parts, j, new - old, curvature, response)
        if total > 0.0:
            change = -(slope + response.sum()) / total
            shift += change
            for i in range(response.size):
                response[i] += change * curvature[i]
    return shift


@kernel
def _conjugate_gradients(
    parts, support, curvature, total, ridge, diagonal, residual, residual_shift, tol, max_steps
):
    """Solve (X_S' H X_S + ridge) e = residual, with a column of ones for the intercept where total > 0 (Jacobi)."""
    k = support.size
    e, e_shift = np.zeros(k), 0.0
    r, r_shift = residual.copy(), residual_shift
    inverse = 1.0 / diagonal
    inverse_shift = 1.0 / total if total > 0.0 else 0.0
    p, p_shift = inverse * r, inverse_shift * r_shift
    rho = (r * p).sum() + r_shift * p_shift
    first = rho
    image, image_shift = np.empty(k), 0.0
    for _ in range(max_steps):
        if not rho > tol * tol * first or rho == 0.0:
            break
        predictions = np.full(curvature.size, p_shift)
        for a in range(k):
            add_column(parts, support[a], p[a], predictions)
        predictions *= curvature
        for a in range(k):
            image[a] = column_dot(parts, support[a], predictions) + ridge[a] * p[a]
        image_shift = predictions.sum() if total > 0.0 else 0.0
        curve = (p * image).sum() + p_shift * image_shift
        if not curve > 0.0:
            break
        length = rho / curve
        e += length * p
        e_shift += length * p_shift
        r -= length * image
        r_shift -= length * image_shift
        new_rho = (inverse * r * r).sum() + inverse_shift * r_shift * r_shift
        p = inverse * r + (new_rho / rho) * p
        p_shift = inverse_shift * r_shift + (new_rho / rho) * p_shift
        rho = new_rho
    return e, e_shift
