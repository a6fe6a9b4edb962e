r"""Sparse linear models: cvxpy for every loss and penalty, and duality gaps by plain formulas.

The objective is :math:`P(w, c) = \sum_i s_i \ell(x_i'w + c, y_i) / \sum_i s_i + \Omega(w)`; the intercept c is not
penalised. A gap is P(w, c) minus a lower bound of all objectives: the dual value
:math:`-\sum_i s_i \ell^*(-\theta_i / s_i, y_i) - \Omega^*(X'\theta)` of any :math:`\theta`, whose sum is 0 if there is
an intercept.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from scipy.special import expit, logsumexp, softmax, xlogy


class LinearModelReference(NamedTuple):
    """A solution as cvxpy finds it.

    Attributes
    ----------
    coef : ndarray of shape (n_features,), or (n_classes, n_features) for the multinomial loss
    intercept : float, or ndarray of shape (n_classes,)
        Zero unless asked for.
    objective : float
    """

    coef: np.ndarray
    intercept: float | np.ndarray
    objective: float


class SVMDualReference(NamedTuple):
    """A solution as cvxpy finds it.

    Attributes
    ----------
    dual : ndarray of shape (n_samples,)
        Between 0 and C.
    objective : float
        Of the minimisation, 1/2 a'Ka - sum(a).
    """

    dual: np.ndarray
    objective: float


class Gap(NamedTuple):
    """An objective, a lower bound of all objectives, and the objective of zero coefficients and intercept."""

    primal: float
    dual: float
    start: float

    @property
    def absolute(self) -> float:
        """Largest possible distance to the optimum."""
        return self.primal - self.dual

    @property
    def relative(self) -> float:
        """The same relative to the objective of zero."""
        return self.absolute / self.start if self.start != 0.0 else self.absolute


@dataclass(frozen=True)
class Penalty:
    """A penalty by name: ``alpha`` times the named function, with constraints.

    Parameters
    ----------
    kind : {"none", "l1", "elastic-net", "box", "group"}
        0; sum |w|; l1_ratio sum |w| + (1 - l1_ratio) / 2 sum w^2; 0 for lower <= w <= upper; sum_g weights_g ||w_g||.
    alpha : float
    l1_ratio : float
    positive : bool
        Whether w >= 0 is demanded as well; not for "box" and "group".
    lower, upper : float or array of shape (n_features,)
        For "box".
    groups : list of arrays of column numbers
        For "group".
    weights : array of shape (n_groups,), optional
        Ones unless given.
    """

    kind: str = "l1"
    alpha: float = 1.0
    l1_ratio: float = 0.5
    positive: bool = False
    lower: float | np.ndarray = 0.0
    upper: float | np.ndarray = 1.0
    groups: list = field(default_factory=list)
    weights: np.ndarray | None = None

    def strengths(self) -> tuple[float, float]:
        """The factors of sum |w| and of sum w^2 / 2."""
        ratio = {"l1": 1.0, "elastic-net": self.l1_ratio}.get(self.kind, 0.0)
        square = 1.0 - ratio if self.kind == "elastic-net" else 0.0
        return self.alpha * ratio, self.alpha * square

    def group_strengths(self) -> np.ndarray:
        """The factors of the groups' norms."""
        weights = np.ones(len(self.groups)) if self.weights is None else np.asarray(self.weights)
        return self.alpha * weights

    def value(self, coef) -> float:
        """The penalty; infinite where a constraint is violated."""
        coef = np.asarray(coef, dtype=np.float64)
        if (self.positive and np.any(coef < 0.0)) or (
            self.kind == "box" and np.any((coef < self.lower) | (coef > self.upper))
        ):
            return np.inf
        if self.kind == "group":
            return float(self.group_strengths() @ [np.linalg.norm(coef[..., group]) for group in self.groups])
        l1, l2 = self.strengths()
        return float(l1 * np.abs(coef).sum() + 0.5 * l2 * (coef**2).sum())

    def largest_scale(self, pulls) -> float:
        """The largest t, maybe infinite, for which the conjugate of t times the pulls X'theta is finite."""
        if self.kind == "group":
            sizes = np.array([np.linalg.norm(pulls[..., group]) for group in self.groups])
            limits = self.group_strengths()
        else:
            l1, l2 = self.strengths()
            if l2 > 0.0 or self.kind == "box":
                return np.inf
            sizes = np.ravel(np.maximum(pulls, 0.0) if self.positive else np.abs(pulls))
            limits = np.full(sizes.shape, l1)
        some = sizes > 0.0
        return float((limits[some] / sizes[some]).min(initial=np.inf))

    def conjugate(self, pulls) -> float:
        """The largest of pulls'w minus the penalty, over all w; for scaled pulls."""
        if self.kind == "box":
            return float(np.maximum(self.lower * pulls, self.upper * pulls).sum())
        l1, l2 = self.strengths()
        if l2 == 0.0:
            return 0.0
        sizes = np.maximum(pulls, 0.0) if self.positive else np.abs(pulls)
        return float((np.maximum(sizes - l1, 0.0) ** 2).sum() / (2.0 * l2))

    def distance(self, pulls, coef) -> np.ndarray:
        """Distance of X'theta to the subdifferential at w, one for each coefficient or group."""
        if self.kind == "group":
            pairs = zip(self.groups, self.group_strengths(), strict=True)
            return np.array([_group_distance(pulls[..., g], coef[..., g], limit) for g, limit in pairs])
        if self.kind == "box":
            below, above = coef <= self.lower, coef >= self.upper
            return np.where(
                below & above,
                0.0,
                np.where(
                    below, np.maximum(pulls, 0.0), np.where(above, np.maximum(-pulls, 0.0), np.abs(pulls))
                ),
            )
        l1, l2 = self.strengths()
        outside = np.maximum(pulls - l1, 0.0) if self.positive else np.maximum(np.abs(pulls) - l1, 0.0)
        return np.where(coef == 0.0, outside, np.abs(pulls - l1 * np.sign(coef) - l2 * coef))


def _group_distance(pulls, coef, limit):
    size = np.linalg.norm(coef)
    if size == 0.0:
        return max(float(np.linalg.norm(pulls)) - limit, 0.0)
    return float(np.linalg.norm(pulls - limit * coef / size))


class _Loss(NamedTuple):
    """A loss of one prediction and one target, its derivative, and its conjugate in u with y held."""

    value: Callable
    derivative: Callable
    conjugate: Callable


def _entropy(p):
    """P log p, and 0 for p = 0; what rounding put below 0 counts as 0."""
    p = np.maximum(p, 0.0)
    return xlogy(p, p)


LOSSES = {
    "squared": _Loss(
        lambda z, y: 0.5 * (z - y) ** 2,
        lambda z, y: z - y,
        lambda u, y: 0.5 * u**2 + u * y,
    ),
    "logistic": _Loss(
        lambda z, y: np.logaddexp(0.0, -y * z),
        lambda z, y: -y * expit(-y * z),
        lambda u, y: _entropy(-y * u) + _entropy(1.0 + y * u),
    ),
    "poisson": _Loss(
        lambda z, y: np.exp(z) - y * z,
        lambda z, y: np.exp(z) - y,
        lambda u, y: _entropy(u + y) - (u + y),
    ),
}


def objective(X, y, coef, intercept=0.0, *, loss="squared", penalty, sample_weight=None) -> float:
    """P(w, c), from its definition.

    Parameters
    ----------
    X : array or sparse matrix of shape (n_samples, n_features)
    y : array of shape (n_samples,)
        Numbers; -1 and 1 for the logistic loss; counts for Poisson's.
    coef : array of shape (n_features,)
    intercept : float, default=0.0
    loss : {"squared", "logistic", "poisson"}, default="squared"
    penalty : Penalty
    sample_weight : array of shape (n_samples,), optional

    Returns
    -------
    float
    """
    share = _shares(sample_weight, len(y))
    return float(share @ LOSSES[loss].value(X @ coef + intercept, y) + penalty.value(coef))


def duality_gap(
    X, y, coef, intercept=0.0, *, loss="squared", penalty, sample_weight=None, fit_intercept=False
) -> Gap:
    r"""The gap of any coefficients, with the dual point :math:`\theta_i = -s_i \ell'(z_i, y_i)`, made feasible.

    With an intercept, the dual point is taken at the best one for these coefficients, and projected to the sum 0. It is
    then scaled down until the penalty's conjugate is finite; for the squared loss by the best factor there is.

    Parameters
    ----------
    X, y, coef, intercept, loss, penalty, sample_weight
        As in `objective`.
    fit_intercept : bool, default=False
        Whether the bound has to hold for all intercepts, or for the intercept 0 alone.

    Returns
    -------
    Gap
        With an unpenalised column (penalty "none", alpha = 0, a group of weight 0) the bound is weak, or trivial,
        unless the answer is exact: see `kkt_residual`, or use a "box" that is known to hold the answer.
    """
    y, coef = np.asarray(y, dtype=np.float64), np.asarray(coef, dtype=np.float64)
    share = _shares(sample_weight, y.size)
    functions = LOSSES[loss]
    z = X @ coef
    primal = float(share @ functions.value(z + intercept, y) + penalty.value(coef))
    start = float(share @ functions.value(np.zeros(y.size), y) + penalty.value(np.zeros(coef.shape)))
    theta = -share * functions.derivative(z + intercept, y)
    if fit_intercept:
        theta = _BALANCED[loss](z, y, share)
        theta = theta - share * theta.sum()
    pulls = X.T @ theta
    largest = penalty.largest_scale(pulls)
    used = share > 0.0

    def dual(scale):
        losses = share[used] @ functions.conjugate(-scale * theta[used] / share[used], y[used])
        return float(-losses - penalty.conjugate(scale * pulls))

    scales = [0.0, min(1.0, largest)]
    square = float((theta[used] ** 2 / share[used]).sum())
    if loss == "squared" and square > 0.0:
        # t y'theta - t^2 / 2 sum theta^2 / s, the dual value but for the conjugate, is largest here.
        scales.append(float(np.clip(y @ theta / square, 0.0, largest)))
    return Gap(primal, max(map(dual, scales)), start)


def lasso_gap(X, y, coef, alpha, intercept=0.0, *, positive=False, **options) -> Gap:
    """The gap of 1/2 mean squared error + alpha sum |w|.

    Parameters
    ----------
    X, y, coef, intercept
        As in `objective`.
    alpha : float
    positive : bool, default=False
    **options
        sample_weight and fit_intercept of `duality_gap`.

    Returns
    -------
    Gap
    """
    return duality_gap(X, y, coef, intercept, penalty=Penalty("l1", alpha, positive=positive), **options)


def elastic_net_gap(X, y, coef, alpha, l1_ratio, intercept=0.0, *, positive=False, **options) -> Gap:
    """The gap of 1/2 mean squared error + alpha (l1_ratio sum |w| + (1 - l1_ratio) / 2 sum w^2): see `lasso_gap`."""
    penalty = Penalty("elastic-net", alpha, l1_ratio, positive)
    return duality_gap(X, y, coef, intercept, penalty=penalty, **options)


def group_lasso_gap(X, y, coef, alpha, groups, weights=None, intercept=0.0, **options) -> Gap:
    """The gap of 1/2 mean squared error + alpha sum_g weights_g ||w_g||: see `lasso_gap` and `Penalty`."""
    penalty = Penalty("group", alpha, groups=groups, weights=weights)
    return duality_gap(X, y, coef, intercept, penalty=penalty, **options)


def logistic_gap(X, y, coef, alpha, intercept=0.0, *, positive=False, **options) -> Gap:
    """The gap of mean log(1 + exp(-y z)) + alpha sum |w|, y = -1 or 1: see `lasso_gap`."""
    penalty = Penalty("l1", alpha, positive=positive)
    return duality_gap(X, y, coef, intercept, loss="logistic", penalty=penalty, **options)


def poisson_gap(X, y, coef, alpha, intercept=0.0, *, positive=False, **options) -> Gap:
    """The gap of mean exp(z) - y z, and alpha sum |w|, for y >= 0: see `lasso_gap`."""
    penalty = Penalty("l1", alpha, positive=positive)
    return duality_gap(X, y, coef, intercept, loss="poisson", penalty=penalty, **options)


def box_gap(X, y, coef, lower, upper, intercept=0.0, **options) -> Gap:
    """The gap of 1/2 mean squared error over lower <= w <= upper: see `lasso_gap`.

    Non-negative least squares are the box from 0 to any bound that the answer stays away from.
    """
    penalty = Penalty("box", lower=lower, upper=upper)
    return duality_gap(X, y, coef, intercept, penalty=penalty, **options)


def multinomial_gap(X, y, coef, intercept=0.0, *, penalty, sample_weight=None, fit_intercept=False) -> Gap:
    """The gap of mean logsumexp(z) - z_y, z = W x + c, and a penalty.

    Parameters
    ----------
    X : array or sparse matrix of shape (n_samples, n_features)
    y : int array of shape (n_samples,)
        Classes, from 0.
    coef : array of shape (n_classes, n_features)
    intercept : float or array of shape (n_classes,), default=0.0
    penalty : Penalty
        Of all entries of W; groups are of features, with the norm over all classes.
    sample_weight : array of shape (n_samples,), optional
    fit_intercept : bool, default=False
        The columns of the dual point are then projected to the sum 0, so the intercept should be near the best one for
        these coefficients.

    Returns
    -------
    Gap
        Where the projection leaves the simplex, the bound is that of the dual point 0.
    """
    share = _shares(sample_weight, len(y))
    z = X @ coef.T + intercept
    hot = np.eye(coef.shape[0])[y]
    primal = float(share @ (logsumexp(z, axis=1) - z[np.arange(len(y)), y]) + penalty.value(coef))
    start = float(np.log(coef.shape[0]) + penalty.value(np.zeros(coef.shape)))
    points = softmax(z, axis=1)
    if fit_intercept:
        # Probabilities whose means are the classes' shares: rows are mixed with the labels where they are too many.
        points = points + (share @ (hot - points))
        points = points if points.min() >= 0.0 else hot
    theta = share[:, None] * (hot - points)
    pulls = (X.T @ theta).T
    scale = min(1.0, penalty.largest_scale(pulls))
    dual = -share @ _entropy((1.0 - scale) * hot + scale * points).sum(axis=1) - penalty.conjugate(
        scale * pulls
    )
    return Gap(primal, float(dual), start)


def svm_gap(X, y, dual, C, sample_weight=None) -> Gap:
    """The gap of C sum_i s_i max(0, 1 - y_i x_i'w) + ||w||^2 / 2, without an intercept, at w = sum_i a_i y_i x_i.

    Parameters
    ----------
    X : array or sparse matrix of shape (n_samples, n_features)
    y : array of shape (n_samples,)
        -1 and 1.
    dual : array of shape (n_samples,)
        Clipped to 0 and C s_i.
    C : float
    sample_weight : array of shape (n_samples,), optional
        Not normalised; ones unless given.

    Returns
    -------
    Gap
    """
    limit = C * (np.ones(len(y)) if sample_weight is None else np.asarray(sample_weight))
    dual = np.clip(dual, 0.0, limit)
    coef = X.T @ (dual * y)
    hinge = np.maximum(0.0, 1.0 - y * (X @ coef))
    square = 0.5 * float(coef @ coef)
    return Gap(float(limit @ hinge) + square, float(dual.sum()) - square, float(limit.sum()))


def kkt_residual(
    X, y, coef, intercept=0.0, *, loss="squared", penalty, sample_weight=None, fit_intercept=False
) -> float:
    """How far the optimality conditions are from holding, relative to the largest pull X'theta at zero.

    Parameters
    ----------
    X, y, coef, intercept, loss, penalty, sample_weight, fit_intercept
        As in `duality_gap`.

    Returns
    -------
    float
        The largest distance of minus the gradient to the subdifferential, of a coefficient, of a group, or of the
        intercept; infinite where a constraint is violated.
    """
    y, coef = np.asarray(y, dtype=np.float64), np.asarray(coef, dtype=np.float64)
    if not np.isfinite(penalty.value(coef)):
        return np.inf
    share = _shares(sample_weight, y.size)
    theta = -share * LOSSES[loss].derivative(X @ coef + intercept, y)
    residual = float(np.max(penalty.distance(X.T @ theta, coef), initial=0.0))
    if fit_intercept:
        residual = max(residual, abs(float(theta.sum())))
    unit = float(np.abs(X.T @ (share * LOSSES[loss].derivative(np.zeros(y.size), y))).max(initial=0.0))
    return residual / unit if unit > 0.0 else residual


def linear_model(
    X, y, *, loss="squared", penalty, sample_weight=None, fit_intercept=False
) -> LinearModelReference:
    """Minimise P(w, c) with cvxpy and Clarabel.

    Parameters
    ----------
    X : array of shape (n_samples, n_features)
    y : array of shape (n_samples,)
        Numbers; -1 and 1 for "logistic"; counts for "poisson"; classes from 0 for "multinomial".
    loss : {"squared", "logistic", "poisson", "multinomial"}, default="squared"
    penalty : Penalty
    sample_weight : array of shape (n_samples,), optional
    fit_intercept : bool, default=False

    Returns
    -------
    LinearModelReference

    Raises
    ------
    ImportError
        Where cvxpy is not installed.
    RuntimeError
        Where Clarabel does not get near its tolerance, 1e-13.

    Notes
    -----
    Meant for some 50 x 50 entries of ordinary size.
    """
    import cvxpy

    X, y = np.asarray(X, dtype=np.float64), np.asarray(y)
    used = _shares(sample_weight, len(y)) > 0.0
    share = _shares(sample_weight, len(y))[used]
    X, y = X[used], y[used]
    n_classes = int(y.max()) + 1 if loss == "multinomial" else 1
    coef = cvxpy.Variable((X.shape[1], n_classes))
    intercept = cvxpy.Variable((1, n_classes)) if fit_intercept else cvxpy.Constant(np.zeros((1, n_classes)))
    z = X @ coef + np.ones((len(y), 1)) @ intercept
    term, constraints = _convex_penalty(cvxpy, coef, penalty)
    problem = cvxpy.Problem(cvxpy.Minimize(_convex_loss(cvxpy, loss, z, y, share) + term), constraints)
    _solve(cvxpy, problem)
    found, shift = np.asarray(coef.value).T, np.asarray(intercept.value)[0]
    value = float(np.asarray(problem.value))
    if loss == "multinomial":
        return LinearModelReference(found, shift, value)
    return LinearModelReference(found[0], float(shift[0]), value)


def svm_dual(X, y, C, sample_weight=None) -> SVMDualReference:
    """Minimise 1/2 a'Ka - sum(a) for 0 <= a_i <= C s_i with cvxpy and Clarabel; K_ij = y_i y_j x_i'x_j.

    Parameters
    ----------
    X : array of shape (n_samples, n_features)
    y : array of shape (n_samples,)
        -1 and 1.
    C : float
    sample_weight : array of shape (n_samples,), optional

    Returns
    -------
    SVMDualReference

    Raises
    ------
    ImportError, RuntimeError
        As `linear_model`.
    """
    import cvxpy

    limit = C * (np.ones(len(y)) if sample_weight is None else np.asarray(sample_weight))
    dual = cvxpy.Variable(len(y))
    half = np.asarray(X).T @ cvxpy.multiply(np.asarray(y), dual)
    problem = cvxpy.Problem(
        cvxpy.Minimize(0.5 * cvxpy.sum_squares(half) - cvxpy.sum(dual)), [dual >= 0, dual <= limit]
    )
    _solve(cvxpy, problem)
    return SVMDualReference(np.asarray(dual.value), float(np.asarray(problem.value)))


def _shares(sample_weight, n_samples):
    """Weights that sum to 1."""
    weights = np.ones(n_samples) if sample_weight is None else np.asarray(sample_weight, dtype=np.float64)
    return weights / weights.sum()


def _balanced_squared(z, y, share):
    residual = y - z
    return share * (residual - share @ residual)


def _balanced_logistic(z, y, share):
    """With the intercept at which the derivatives' sum is 0, by bisection; 0 if all labels agree."""
    if np.unique(y[share > 0.0]).size < 2:
        return np.zeros(y.size)
    size = np.abs(z).max(initial=0.0) + 100.0
    low, high = -size, size
    for _ in range(200):
        middle = 0.5 * (low + high)
        theta = share * y * expit(-y * (z + middle))
        if theta.sum() > 0.0:
            low = middle
        else:
            high = middle
    return theta


def _balanced_poisson(z, y, share):
    means = np.exp(z - z.max(initial=-np.inf))
    return share * (y - means * (share @ y) / (share @ means))


# The dual point at the best intercept for given predictions without one.
_BALANCED = {"squared": _balanced_squared, "logistic": _balanced_logistic, "poisson": _balanced_poisson}


def _convex_loss(cvxpy, loss, z, y, share):
    if loss == "multinomial":
        hot = np.eye(z.shape[1])[y]
        return share @ (cvxpy.log_sum_exp(z, axis=1) - cvxpy.sum(cvxpy.multiply(hot, z), axis=1))
    z = z[:, 0]
    if loss == "squared":
        return 0.5 * cvxpy.sum_squares(cvxpy.multiply(np.sqrt(share), z - y))
    if loss == "logistic":
        return share @ cvxpy.logistic(cvxpy.multiply(-y, z))
    # Weights inside the exponential: more accurate than small factors of it.
    return cvxpy.sum(cvxpy.exp(z + np.log(share))) - (share * y) @ z


def _convex_penalty(cvxpy, coef, penalty):
    """The penalty, and the constraints; coef has a row for each feature."""
    constraints = [coef >= 0] if penalty.positive else []
    if penalty.kind == "box":
        # Both bounds, of each row.
        lower, upper = (
            np.broadcast_to(bound, coef.shape[0])[:, None] * np.ones(coef.shape)
            for bound in (penalty.lower, penalty.upper)
        )
        return cvxpy.Constant(0.0), [*constraints, coef >= lower, coef <= upper]
    if penalty.kind == "group":
        norms = [cvxpy.norm(coef[group], "fro") for group in penalty.groups]
        return cvxpy.sum(cvxpy.multiply(penalty.group_strengths(), cvxpy.hstack(norms))), constraints
    l1, l2 = penalty.strengths()
    return l1 * cvxpy.sum(cvxpy.abs(coef)) + 0.5 * l2 * cvxpy.sum_squares(coef), constraints


def _solve(cvxpy, problem):
    with warnings.catch_warnings():
        # What is inaccurate beyond use raises below.
        warnings.filterwarnings("ignore", message="Solution may be inaccurate")
        problem.solve(solver=cvxpy.CLARABEL, tol_gap_abs=1e-13, tol_gap_rel=1e-13, tol_feas=1e-13)
    if problem.status not in (cvxpy.OPTIMAL, cvxpy.OPTIMAL_INACCURATE):
        raise RuntimeError(
            f"Clarabel ended with status {problem.status}: scale the columns and targets first."
        )
