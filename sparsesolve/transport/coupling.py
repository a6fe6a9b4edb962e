"""The plan that two potentials stand for: looked at whole, in part, or without ever being made."""

from __future__ import annotations

from functools import cached_property
from typing import NamedTuple

import numpy as np
import scipy.sparse

from . import passes, support
from .costs import Cost
from .problem import Problem
from .scaling import scale_in_place

# Entries of all rows together that `plan` leaves out, relative to the mass.
_LEFT_OUT = 1e-12


class Coupling:
    """The plan P_ij = exp((f_i + g_j - C_ij) / reg), made on demand.

    Parameters
    ----------
    problem : Problem
        With the weights and the cost as they were given.
    f, g : ndarray of shape (n,) and (m,)
        Potentials; -inf where a weight is zero.
    kernel : tuple (K, u, v), optional
        The same plan as diag(u) K diag(v), where an engine had it in memory; used up by the first `dense`.
    """

    def __init__(self, problem: Problem, f: np.ndarray, g: np.ndarray, kernel=None):
        self.problem = problem
        self.f = f
        self.g = g
        self._kernel = kernel

    def __getstate__(self):
        return self.__dict__ | {"_kernel": None}

    def forget_kernel(self) -> None:
        """Let go of the engine's kernel, and of its memory."""
        self._kernel = None

    @property
    def shape(self) -> tuple[int, int]:
        """Numbers of sources and targets."""
        return self.problem.cost.shape

    def dense(self) -> np.ndarray:
        """The plan as a new array of shape (n, m)."""
        kernel, self._kernel = self._kernel, None
        if kernel is not None:
            scale_in_place(*kernel)
            return kernel[0]
        plan = np.empty(self.shape)

        def task(start, stop, _):
            passes.plan_rows(*self._pass, plan[start:stop], start, stop)

        self.problem.cost.each_chunk(task, np.empty(self.shape[1]))
        return self._without_zero_weights(plan)

    @cached_property
    def sparse(self) -> scipy.sparse.csr_array:
        """The plan's entries that matter: what is left out sums to less than 1e-12 of the mass."""
        n, m = self.shape
        limit = _LEFT_OUT * self.problem.mass / (n * m)
        parts = {}

        def task(start, stop, _):
            room = (stop - start) * m + 1
            starts = np.empty(stop - start + 1, np.int64)
            indices, values = np.empty(room, np.uint32), np.empty(room)
            kept = passes.plan_entries(*self._pass, limit, starts, indices, values, start, stop)
            kind = np.int32 if m * n < 2**31 else np.int64
            parts[start] = np.diff(starts), indices[:kept].astype(kind), values[:kept].copy()

        self.problem.cost.each_chunk(task, np.empty(m))
        counts, indices, values = (
            np.concatenate(part) for part in zip(*(parts[s] for s in sorted(parts)), strict=True)
        )
        starts = np.concatenate([[0], np.cumsum(counts)]).astype(indices.dtype)
        return scipy.sparse.csr_array((values, indices, starts), shape=self.shape)

    @cached_property
    def cost(self) -> float:
        """What the plan costs: sum of C_ij P_ij."""
        return self._marginals(self.f, self.g)[2]

    def marginal_error(self) -> float:
        """L1 distance of both marginals from what they should be, relative to the mass."""
        rows, columns, _ = self._marginals(self.f, self.g)
        row_targets, column_targets = self._targets()
        distance = np.abs(rows - row_targets).sum() + np.abs(columns - column_targets).sum()
        return float(distance / self.problem.mass)

    @cached_property
    def dual_gap(self) -> float:
        """Primal value of a feasible plan minus the dual value of the potentials: how far either is from optimal.

        The feasible plan is this one, scaled down where a marginal is too large, and filled up on at most
        n + m - 1 entries where one is too small (Altschuler, Weed and Rigollet 2017, Algorithm 2, with the
        northwest corner rule in place of the product). The gap is then reg times the Kullback-Leibler divergence of
        that plan from this one, which is computed without cancellation. Where the marginals are penalised, every
        plan is feasible, and the gap is the penalty times the divergences of the marginals from their optimal form.
        """
        problem = self.problem
        if np.isfinite(problem.penalty):
            rows, columns, _ = self._marginals(self.f, self.g)
            row_targets, column_targets = self._targets()
            return float(
                problem.penalty * (_divergence(rows, row_targets) + _divergence(columns, column_targets))
            )
        rounded = self._rounding()
        x, y = rounded.row_factors, rounded.column_factors
        scaled = (
            rounded.scaled_rows @ _log(x)
            + (1.0 - x) @ rounded.rows
            + rounded.scaled_columns @ _log(y)
            + (1.0 - y) @ rounded.columns
        )
        i, j, extra = rounded.extra
        log_plan = np.empty(extra.size)
        passes.log_plan_at(self.problem.cost.source, self.f, self.g, problem.reg, i, j, log_plan)
        with np.errstate(under="ignore"):
            before = np.exp(log_plan) * x[i] * y[j]
            after = before + extra
            filled = after * (np.log(after) - log_plan) - extra
            filled -= np.where(before > 0, before * (_log(x)[i] + _log(y)[j]), 0.0)
        return float(problem.reg * max(scaled + filled.sum(), 0.0))

    def rounded(self) -> scipy.sparse.csr_array:
        """A plan with exactly the right marginals, but for rounding, near this one.

        Raises
        ------
        ValueError
            Where the marginals are penalised, so that there are no right ones.
        """
        if np.isfinite(self.problem.penalty):
            raise ValueError(
                "the marginals of an unbalanced plan are not constrained: there is nothing to round to."
            )
        plan = self.sparse
        a, b = self.problem.a, self.problem.b
        plan = scipy.sparse.diags_array(_at_most_one(a, plan.sum(axis=1))) @ plan
        plan = plan @ scipy.sparse.diags_array(_at_most_one(b, plan.sum(axis=0)))
        i, j, extra = _northwest(a - plan.sum(axis=1), b - plan.sum(axis=0))
        return (plan + scipy.sparse.csr_array((extra, (i, j)), shape=self.shape)).tocsr()

    def grad_cost(self) -> scipy.sparse.csr_array:
        """Gradient of `cost` with respect to the cost matrix, on the entries of `sparse`.

        By the implicit function theorem: P * (1 + (alpha_i + beta_j - C_ij) / reg), where (alpha, beta) solves the
        last Newton system with the row and column sums of C * P on the right. (The gradient of the regularised
        value is the plan itself.)
        """
        problem = self.problem
        plan = self.sparse
        kappa = problem.kappa(problem.reg)
        i = np.repeat(np.arange(self.shape[0]), np.diff(plan.indptr))
        j = plan.indices
        costs = self.f[i] + self.g[j] - problem.reg * np.log(plan.data)
        rows, columns = plan.sum(axis=1), plan.sum(axis=0)
        paid = scipy.sparse.csr_array((plan.data * costs, plan.indices, plan.indptr), shape=self.shape)
        used, met = rows > 0, columns > 0
        weights = np.divide(1.0, rows * (1.0 + kappa), out=np.zeros_like(rows), where=used)
        rhs = paid.sum(axis=0) - plan.T @ (weights * paid.sum(axis=1))
        beta = support.solve_newton_system(plan[used][:, met], kappa, rhs[met])
        all_beta = np.zeros(self.shape[1])
        all_beta[met] = beta
        alpha = weights * (paid.sum(axis=1) - plan @ all_beta)
        gradient = plan.data * (1.0 + (alpha[i] + all_beta[j] - costs) / problem.reg)
        return scipy.sparse.csr_array((gradient, plan.indices, plan.indptr), shape=self.shape)

    @property
    def _pass(self):
        return self.problem.cost.source, self.f, self.g, self.problem.reg

    def _targets(self):
        problem = self.problem
        finite = [np.where(np.isneginf(values), 0.0, values) for values in (self.f, self.g)]
        return problem.targets(*finite)

    def _without_zero_weights(self, plan):
        plan[np.isneginf(self.f)] = 0.0
        plan[:, np.isneginf(self.g)] = 0.0
        return plan

    def _marginals(self, f, g):
        n, m = self.shape
        rows, columns = np.empty(n), np.empty(m)

        def task(start, stop, partial):
            return passes.marginals(
                self.problem.cost.source, f, g, self.problem.reg, rows, partial, start, stop
            )

        paid = sum(self.problem.cost.each_chunk(task, columns))
        rows[np.isneginf(self.f)] = 0.0
        columns[np.isneginf(self.g)] = 0.0
        return rows, columns, float(paid)

    def _rounding(self):
        a, b, reg = self.problem.a, self.problem.b, self.problem.reg
        rows, _, _ = self._marginals(self.f, self.g)
        x = _at_most_one(a, rows)
        _, columns, _ = self._marginals(self.f + reg * _log(x), self.g)
        y = _at_most_one(b, columns)
        scaled_rows, scaled_columns, _ = self._marginals(self.f + reg * _log(x), self.g + reg * _log(y))
        extra = _northwest(a - scaled_rows, b - scaled_columns)
        return _Rounding(x, y, rows, columns, scaled_rows, scaled_columns, extra)


def entropic_map(cost: Cost, g: np.ndarray, reg: float, points: np.ndarray) -> np.ndarray:
    """Mean of the points, of shape (m, d), that a source of each row of the cost would send its mass to.

    The weights are exp((g_j - cost_ij) / reg): the source's own potential cancels, so that any source will do.
    """
    n, m = cost.shape
    f, means = np.full(n, cost.low), np.empty((n, points.shape[1]))
    ones, rows = np.ones(n), np.empty(n)

    def task(start, stop, columns):
        passes.normalise_rows(cost.source, ones, 0.0, f, g, reg, rows, columns, start, stop)
        weights = np.empty((stop - start, m))
        passes.plan_rows(cost.source, f, g, reg, weights, start, stop)
        means[start:stop] = weights @ points

    cost.each_chunk(task, np.empty(m))
    return means


class _Rounding(NamedTuple):
    """A feasible plan: the old one times factors, and a few extra entries."""

    row_factors: np.ndarray
    column_factors: np.ndarray
    rows: np.ndarray
    columns: np.ndarray
    scaled_rows: np.ndarray
    scaled_columns: np.ndarray
    extra: tuple[np.ndarray, np.ndarray, np.ndarray]


def _at_most_one(target, value):
    return np.divide(target, value, out=np.ones_like(target), where=value > target)


def _log(factors):
    return np.log1p(factors - 1.0)


def _divergence(p, q):
    """Sum of p log(p / q) - p + q, whose terms would cancel where p is near q."""
    excess = np.divide(p - q, q, out=np.zeros_like(q), where=q > 0)
    with np.errstate(divide="ignore", invalid="ignore"):
        terms = np.where(p > 0, (1.0 + excess) * np.log1p(excess) - excess, 1.0)
    return float(q @ terms)


def _northwest(rows, columns):
    """Entries that fill up what rows and columns lack, by the northwest corner rule: no more than n + m - 1."""
    rows, columns = np.maximum(rows, 0.0), np.maximum(columns, 0.0)
    ends = np.union1d(np.cumsum(rows), np.cumsum(columns))
    ends = ends[ends <= min(rows.sum(), columns.sum())]
    lengths = np.diff(ends, prepend=0.0)
    ends, lengths = ends[lengths > 0], lengths[lengths > 0]
    i = np.searchsorted(np.cumsum(rows), ends, side="left").clip(max=rows.size - 1)
    j = np.searchsorted(np.cumsum(columns), ends, side="left").clip(max=columns.size - 1)
    return i, j, lengths
