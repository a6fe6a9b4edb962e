"""Multinomial regression, from data to a result."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import scipy.sparse

from ...driver import drive
from ...result import Result
from ...validation import check_matrix
from ..linear_models.options import Options
from ..linear_models.pose import power_of_two
from ..linear_models.solver import certain, certified_result, identified_at, recorded, support_name
from ..linear_models.working_set import working_sets
from .model import SoftmaxModel
from .newton import SoftmaxInner


class MultinomialSolution(NamedTuple):
    """The answer of a multinomial regression.

    Attributes
    ----------
    coef : ndarray of shape (n_classes, n_features)
    intercept : ndarray of shape (n_classes,)
        Of sum zero.
    objective : float
        Weighted mean of the losses, plus the penalty.
    dual_gap : float
        The certificate: objective minus a lower bound of all objectives, relative to the loss of the best constant.
    support_identified_at : int
        The iteration from which on the features with any nonzero coefficient were those of the answer.
    dual_point : ndarray of shape (n_samples, n_classes)
        The proof: a feasible point of the dual problem, whose value is that lower bound.
    """

    coef: np.ndarray
    intercept: np.ndarray
    objective: float
    dual_gap: float
    support_identified_at: int
    dual_point: np.ndarray


class PosedMultinomial:
    """Data in a good range of numbers, with the penalties of alpha = 1.

    Parameters
    ----------
    X : ndarray or scipy sparse array of shape (n, p)
    labels : ndarray of int, shape (n,)
    n_classes : int
    l1, l2 : float
        Strengths of the absolute values and of half the squares; l1 is not used where there are groups.
    groups : list of ndarray of int, optional
        The columns of each group.
    strengths : ndarray of shape (n_groups,), optional
        Of the groups' norms.
    sample_weight : ndarray of shape (n,), optional
    fit_intercept : bool, default=True
    """

    def __init__(
        self, X, labels, n_classes, *, l1=0.0, l2=0.0, groups=None, strengths=None, sample_weight=None,
        fit_intercept=True,
    ):  # fmt: skip
        check_matrix("X", X)
        weights = np.ones(labels.size) if sample_weight is None else sample_weight
        self.kept = weights > 0.0
        kept = slice(None) if self.kept.all() else self.kept
        X, labels, weights = X[kept], labels[kept], weights[kept] / weights.max()
        self.order = np.arange(X.shape[1]) if groups is None else np.concatenate(groups)
        self.x_scale = power_of_two(X.data if scipy.sparse.issparse(X) else X)
        self.total = float(weights.sum())
        if scipy.sparse.issparse(X):
            X = scipy.sparse.csc_array(X).astype(np.float64)
            X.sum_duplicates()
            X = X if groups is None else X[:, self.order]
        else:
            X = np.asarray(X[:, self.order] if groups is not None else X, dtype=np.float64, order="F")
        X = X if self.x_scale == 1.0 else X * (1.0 / self.x_scale)
        if groups is None:
            starts, unit_l1 = None, np.full(X.shape[1], float(l1))
        else:
            starts = np.concatenate([[0], np.cumsum([len(group) for group in groups])])
            unit_l1 = np.asarray(strengths, dtype=np.float64)
        self.model = SoftmaxModel(
            X, labels, n_classes, weights, unit_l1 * (self.total / self.x_scale), l2 * self.total / self.x_scale**2,
            starts, fit_intercept,
        )  # fmt: skip
        missing = np.flatnonzero(self.model.class_weights == 0.0)
        if fit_intercept and missing.size:
            raise ValueError(
                f"class number {missing[0]} has no sample of positive weight: its intercept would be minus infinity. "
                "Remove the class's samples, or give one of them a weight."
            )

    def largest_factor(self) -> float:
        """The factor of the penalties from which on every coefficient is zero; infinity if there is no l1 part."""
        model = self.model
        units = np.flatnonzero(model.unit_norms > 0.0)
        point = model.evaluate(np.zeros((self.order.size, model.n_classes)), np.zeros(model.n_classes), units)
        with np.errstate(divide="ignore", invalid="ignore"):
            return float(np.nanmax(point.sizes / model.unit_l1[units], initial=0.0))

    def solve(
        self, alpha: float, options: Options, start=None, *, callback=None, verbose=False, quiet=False
    ) -> Result:
        """Minimise with all penalties times alpha, from `start` (coefficients, intercepts); `quiet` does not warn."""
        model = self.model.scaled(alpha)
        w, intercept = np.zeros((self.order.size, model.n_classes)), np.zeros(model.n_classes)
        if start is not None:
            w, intercept = start[0].T[self.order] * self.x_scale, np.array(start[1], dtype=np.float64)
        supports: list[int] = []
        outcome = drive(
            recorded(
                working_sets(
                    model, SoftmaxInner(model, options.tol), model.feasible(w), intercept, options.tol
                ),
                supports,
            ),
            tol=options.tol,
            max_iter=options.max_iter,
            max_time=options.max_time,
            callback=callback,
            verbose=verbose,
        )
        point, status = certain(model, outcome.best, outcome.status, options.tol)
        coef = np.empty((model.n_classes, self.order.size))
        coef[:, self.order] = point.w.T / self.x_scale
        dual_point = np.zeros((self.kept.size, model.n_classes))
        dual_point[self.kept] = point.dual_scale * point.theta / self.total
        solution = MultinomialSolution(
            coef,
            point.intercept,
            point.objective / self.total,
            point.gap,
            identified_at(supports, support_name(point.w)),
            dual_point,
        )
        return certified_result(solution, status, outcome, options, quiet)
