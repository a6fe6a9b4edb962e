r"""The support vector machine as a quadratic over a box, and the certificate of any of its points.

With one number :math:`v_i = y_i a_i` a sample, :math:`w = \sum_i v_i x_i`, and boxes of size
:math:`U_i = s_i / (\alpha \sum s)`, the objective and its dual are :math:`\alpha` times

.. math:: P(w, c) = \sum_i U_i \max(0, 1 - y_i (x_i'w + c)) + \tfrac12 |w|^2 \ge D(v) = y'v - \tfrac12 |w|^2,

where v lies between 0 and :math:`U_i y_i`, and sums to zero if there is an intercept.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.sparse

from ...operators import as_column_matrix
from ...operators.columns import ColumnMatrix, moments, product, transposed_product
from ..linear_models.pose import power_of_two

#: Stiffness of the intercept, relative to the squared norm of a typical sample: much more of it slows sweeps down.
_STIFFNESS = 0.02
#: A scaled penalty beyond these is taken for these: the answer is zero, or has no penalty, to all digits.
_SMALLEST_PENALTY, _LARGEST_PENALTY = 1e-280, 1e280


@dataclass(frozen=True)
class HingeProblem:
    """Samples of positive weight, in a good range of numbers.

    Attributes
    ----------
    samples : ColumnMatrix of shape (p, n)
        One column a sample; centred if it is dense and there is an intercept.
    signs, lower, upper, squares : ndarray of shape (n,)
        y, the box, and squared norms.
    stiffness : float
        How much the intercept moves with the sum of v; 0 without an intercept.
    base : float
        The value of P at w = 0 with the best constant.
    alpha, x_scale : float
        The penalty of the scaled problem, and what X was divided by.
    offset : ndarray of shape (p,)
        What was subtracted from every sample.
    kept : ndarray of bool, shape (n_samples,)
    """

    samples: ColumnMatrix
    signs: np.ndarray
    lower: np.ndarray
    upper: np.ndarray
    squares: np.ndarray
    stiffness: float
    base: float
    alpha: float
    x_scale: float
    offset: np.ndarray
    kept: np.ndarray

    @property
    def fit_intercept(self) -> bool:
        """Whether there is an intercept."""
        return self.stiffness > 0.0

    def combination(self, v: np.ndarray, members: np.ndarray) -> np.ndarray:
        """The sum of v_i x_i over the members."""
        return product(self.samples, v, members)

    def lift(self, w: np.ndarray, intercept: float) -> tuple[np.ndarray, float]:
        """Coefficients and intercept for the data as they were given."""
        return w / self.x_scale, intercept - float(self.offset @ w)

    def lower_coef(self, coef: np.ndarray, intercept: float) -> tuple[np.ndarray, float]:
        """Coefficients and intercept of this problem."""
        w = coef * self.x_scale
        return w, intercept + float(self.offset @ w)

    def dual_point(self, v: np.ndarray) -> np.ndarray:
        """The dual point y_i a_i of the mean objective, for all samples of the data."""
        full = np.zeros(self.kept.size)
        full[self.kept] = self.alpha * v
        return full


@dataclass(frozen=True)
class Point:
    """A dual point, what is found from it, and the gap between the two; fresh if w was computed from scratch."""

    v: np.ndarray
    w: np.ndarray
    intercept: float
    slopes: np.ndarray
    primal: float
    dual: float
    gap: float
    is_fresh: bool = False


def pose(X, signs, alpha: float, sample_weight, fit_intercept: bool) -> HingeProblem:
    """Drop samples of weight zero, scale what is out of range, centre what is dense."""
    weights = np.ones(signs.size) if sample_weight is None else sample_weight
    kept = weights > 0.0
    if not kept.all():
        X, signs, weights = (
            X[kept] if not scipy.sparse.issparse(X) else X.tocsr()[kept],
            signs[kept],
            weights[kept],
        )
    x_scale = power_of_two(X.data if scipy.sparse.issparse(X) else X)
    if x_scale != 1.0:
        X = X.astype(np.float64) * (1.0 / x_scale)
    with np.errstate(over="ignore", under="ignore"):
        alpha = min(max(alpha / x_scale / x_scale, _SMALLEST_PENALTY), _LARGEST_PENALTY)
    weights = weights / weights.max()
    sizes = weights / weights.sum() / alpha
    offset = np.zeros(X.shape[1])
    if fit_intercept and not scipy.sparse.issparse(X):
        offset = weights @ X / weights.sum()
        X = X - offset
    samples = as_column_matrix(X.T)
    squares = moments(samples, np.ones(samples.shape[0]))[1]
    positive = float(sizes[signs > 0].sum())
    total = float(sizes.sum())
    typical = float(squares.mean())
    return HingeProblem(
        samples,
        signs,
        np.where(signs > 0, 0.0, -sizes),
        np.where(signs > 0, sizes, 0.0),
        squares,
        max(_STIFFNESS * typical, 1.0 / total)
        if fit_intercept
        else 0.0,  # moves of size one are always possible
        2.0 * min(positive, total - positive) if fit_intercept else total,
        alpha,
        x_scale,
        offset,
        kept,
    )


def evaluate(problem: HingeProblem, v: np.ndarray, w: np.ndarray) -> Point:
    """The gap at a point of the box, made feasible first; w is the sum of v_i x_i."""
    if problem.fit_intercept:
        v, w = balanced(problem, v, w)
    else:
        v = v.copy()  # the solver goes on to change its own
    return _certified(problem, v, w.copy(), is_fresh=False)


def _certified(problem, v, w, is_fresh):
    scores = transposed_product(problem.samples, w)
    sizes = problem.upper - problem.lower
    intercept = best_intercept(scores, problem.signs, sizes) if problem.fit_intercept else 0.0
    slopes = scores + (intercept - problem.signs)
    square = 0.5 * float(w @ w)
    primal = float(sizes @ np.maximum(0.0, -problem.signs * slopes)) + square
    dual = float(problem.signs @ v) - square
    gap = max(primal - dual, 0.0)
    return Point(v, w, intercept, slopes, primal, dual, _ratio(gap, problem.base), is_fresh)


def _ratio(gap, base):
    return gap / base if gap > 0.0 and base > 0.0 else gap


def refreshed(problem: HingeProblem, v: np.ndarray) -> Point:
    """The same with everything computed from v alone."""
    if problem.fit_intercept:
        v, _ = balanced(problem, v, np.zeros(problem.samples.shape[0]))
    w = problem.combination(v, np.flatnonzero(v))
    return _certified(problem, v, w, is_fresh=True)


def balanced(problem: HingeProblem, v: np.ndarray, w: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A nearby point of the box whose entries sum to zero, and its w.

    Entries between their bounds move first, in proportion to their room: their slope is nearly zero, so that the dual
    value hardly changes. If that is not enough, the heavier class is scaled down.
    """
    v = v.copy()
    before = v.copy()
    for _ in range(3):  # what rounding left
        excess = float(v.sum())
        if excess == 0.0:
            break
        bound = problem.lower if excess > 0.0 else problem.upper
        free = (v > problem.lower) & (v < problem.upper)
        room = np.where(free, bound - v, 0.0)
        total = float(room.sum())
        if total != 0.0:
            v += min(1.0, -excess / total) * room
            v = np.clip(v, problem.lower, problem.upper)
        excess = float(v.sum())
        heavy = problem.signs == np.sign(excess)
        weight = float(v[heavy].sum())
        if total == 0.0 or abs(excess) > 1e-12 * abs(weight):
            v[heavy] *= 1.0 - min(1.0, excess / weight) if weight != 0.0 else 1.0
    change = v - before
    moved = np.flatnonzero(change)
    return v, w + problem.combination(change, moved)


def best_intercept(scores: np.ndarray, signs: np.ndarray, sizes: np.ndarray) -> float:
    """The minimiser of ``sum_i sizes_i max(0, 1 - signs_i (scores_i + c))``; the middle one if there are many.

    The slope is minus the size of the positive class at first, and grows by sizes_i at c = signs_i - scores_i.
    """
    places = signs - scores
    order = np.argsort(places)
    slopes = np.cumsum(sizes[order])
    target = float(sizes[signs > 0].sum())
    if target == 0.0 or target >= slopes[-1] * (1.0 - 1e-15):  # one class: any c beyond all places
        return float(places.max() if target > 0.0 else places.min())
    tiny = 1e-13 * slopes[-1]
    first = int(np.searchsorted(slopes, target - tiny))
    last = int(np.searchsorted(slopes, target + tiny, side="right"))
    last = min(last, order.size - 1)
    return 0.5 * float(places[order[first]] + places[order[last]])
