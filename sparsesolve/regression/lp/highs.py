"""The linear programs of p = 1, p = inf and quantiles by HiGHS, through scipy: a second opinion."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import scipy.sparse
from scipy.optimize import linprog

from .certificate import Fit, fit_of, lower_bound
from .problem import Problem


def highs(problem: Problem, x: np.ndarray) -> Iterator[Fit]:
    """One fit by HiGHS, of the dual program: d or d + 1 equations, and a bounded variable for each row.

    The multipliers of the equations are the coefficients.
    """
    transposed = problem.A.values.T
    if np.isinf(problem.loss.p):
        join = scipy.sparse.hstack if problem.A.is_sparse else np.hstack
        stack = scipy.sparse.vstack if problem.A.is_sparse else np.vstack
        equations = stack([join([transposed, -transposed]), np.ones((1, 2 * problem.n_rows))])
        right = np.append(np.zeros(problem.width), 1.0)
        found = linprog(-np.append(problem.b, -problem.b), A_eq=equations, b_eq=right, method="highs")
    else:
        bounds = np.column_stack(problem.loss.bounds())
        right = np.zeros(problem.width)
        found = linprog(-problem.b, A_eq=transposed, b_eq=right, bounds=bounds, method="highs")
    u = np.zeros(problem.n_rows)
    if found.x is not None:
        x = -found.eqlin.marginals[: problem.width]
        u = found.x[: problem.n_rows] - (found.x[problem.n_rows :] if np.isinf(problem.loss.p) else 0.0)
    residual = problem.residual(x)
    yield fit_of(problem, x, residual, lower_bound(problem, u, residual), "highs")
