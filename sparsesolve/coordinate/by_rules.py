"""Linear models by the laboratory's rules, with the certificate of the fast engine."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import scipy.sparse

from ..driver import drive
from ..prox import ElasticNet, GroupL2, NonNegative, Penalty
from ..result import Status
from .engines import InMemory
from .laboratory.descent import Rules, prepare
from .laboratory.linear import LinearProblem
from .linear_models.parameters import check_groups, group_weights, penalty_shares, pose_fit
from .linear_models.solver import certified_result, solution_at
from .losses import Loss

AUTO = "auto"


def rules_of(parameters) -> Rules | None:
    """The rules that an estimator's parameters name; None where all of them are "auto"."""
    names = ("partition", "selection", "update", "block_size")
    given = {name: getattr(parameters, name) for name in names}
    given = {name: value for name, value in given.items() if not (isinstance(value, str) and value == AUTO)}
    return Rules(**given) if given else None


class RuleEngine(InMemory):
    """One number to predict from each sample: block coordinate descent by rules."""

    def __init__(self, X, y, loss: Loss, parameters, sample_weight, rules: Rules):
        self.coef_shape: tuple[int, ...] = (X.shape[1],)
        self._posed = pose_fit(X, y, loss, parameters, sample_weight)
        self._loss, self._parameters, self._y = loss, parameters, y
        weights = np.ones(y.size) if sample_weight is None else sample_weight
        self._weights = weights / weights.sum()
        self._n_features = X.shape[1]
        self._A = _with_ones(X) if parameters.fit_intercept else X
        if parameters.update == AUTO and loss.curvature_bound is None:
            rules = rules._replace(update="prox-newton")
        self._rules = rules._replace(block_size=min(rules.block_size, self._A.shape[1]))

    def largest_alpha(self):
        """The least alpha at which every coefficient is zero."""
        return self._posed.largest_penalty_factor()

    def solve(self, alpha, options, start=None, *, quiet=False, **driving):
        """Fit at one alpha; the trace is the laboratory's, with duality gaps as its certificate."""
        posed = self._posed.scaled(alpha)
        everything = np.flatnonzero(posed.model.unit_norms > 0.0)

        def point_at(x):
            intercept = float(x[-1]) if self._parameters.fit_intercept else 0.0
            w, intercept = posed.lower(x[: self._n_features], intercept)
            return posed.model.evaluate(w, intercept, everything)

        problem = LinearProblem(self._A, self._y, self._loss, self._penalty(alpha), self._weights)
        x0 = None
        if start is not None:
            x0 = np.append(*start) if self._parameters.fit_intercept else start[0]
        run = prepare(
            problem, self._rules, options.tol, self._parameters.random_state, x0,
            lambda state: point_at(state.x).gap,
        )  # fmt: skip
        outcome = drive(
            run.steps(), tol=options.tol, max_iter=options.max_iter, max_time=options.max_time, **driving
        )
        point = point_at(run.x)
        point = replace(point, gap=max(float(point.gap), 0.0))
        status = Status.CONVERGED if point.gap <= options.tol else outcome.status
        return certified_result(solution_at(posed, point, run.changed_at), status, outcome, options, quiet)

    def _penalty(self, alpha: float) -> Penalty:
        """The penalty of the features; the intercept's column, the last, costs nothing."""
        parameters, one_more = self._parameters, bool(self._parameters.fit_intercept)
        groups = check_groups(parameters, self._n_features)
        if groups is not None:
            weights = group_weights(parameters.group_weights, len(groups))
            if one_more:
                groups, weights = [*groups, np.array([self._n_features])], np.append(weights, 0.0)
            return GroupL2(alpha, groups, weights)
        l1, l2 = penalty_shares(parameters)
        if parameters.positive:
            if one_more or l2 > 0.0:
                raise ValueError(
                    "positive=True with a partition, selection or update of your own needs fit_intercept=False and "
                    "penalty='l1' or 'none': change these, or leave the rules at 'auto'."
                )
            return NonNegative(alpha * l1)
        free = np.append(np.ones(self._n_features), 0.0) if one_more else None
        total = l1 + l2
        return ElasticNet(alpha * total, l1 / total if total else 1.0, free)


def _with_ones(X):
    ones = np.ones((X.shape[0], 1))
    return scipy.sparse.hstack([X, ones], format="csc") if scipy.sparse.issparse(X) else np.hstack([X, ones])
