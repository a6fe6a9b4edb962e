"""The same least squares problems in cvxpy and here, side by side.

Each problem is written down in cvxpy as on paper, and solved by Clarabel, a general solver for convex problems. Exits
with code 1 if any coefficient differs by more than 1e-6 of the largest one.
"""

from __future__ import annotations

import sys
import time

import cvxpy as cp
import numpy as np

from sparsesolve import SketchedLinearRegression, lstsq
from sparsesolve.datasets import make_regression_problem
from sparsesolve.reference.regression import least_squares as reference

TOLERANCE = 1e-6


def least_squares():
    A, b, _ = make_regression_problem(4000, 30, condition=100, random_state=0)
    return lambda: reference(A, b).coef, lambda: lstsq(A, b, random_state=0).solution.coef


def ridge_with_intercept():
    A, b, _ = make_regression_problem(4000, 30, condition=100, random_state=1)
    b, alpha = b + 0.5, 0.01

    def theirs():
        answer = reference(A, b, alpha=alpha, fit_intercept=True)
        return np.append(answer.coef, answer.intercept)

    def ours():
        model = SketchedLinearRegression(alpha=alpha, random_state=0).fit(A, b)
        return np.append(model.coef_, model.intercept_)

    return theirs, ours


def weighted():
    A, b, _ = make_regression_problem(4000, 30, condition=100, random_state=2)
    weights = np.random.default_rng(2).exponential(size=4000)

    def ours():
        return lstsq(A, b, sample_weight=weights, random_state=0).solution.coef

    return lambda: reference(A, b, weights=weights).coef, ours


def rank_deficient():
    """Two columns are sums of others: of all solutions, the shortest one is asked for."""
    A, b, _ = make_regression_problem(4000, 30, condition=100, random_state=3)
    A[:, 28], A[:, 29] = A[:, 0] + A[:, 1], A[:, 2] - A[:, 3]

    def theirs():
        # All solutions fulfil A'A x = A'b. In a basis of the row space these are 28 independent conditions.
        rows = np.linalg.svd(A, full_matrices=False)[2][:28]
        x = cp.Variable(30)
        problem = cp.Problem(cp.Minimize(cp.sum_squares(x)), [rows @ (A.T @ A) @ x == rows @ (A.T @ b)])
        problem.solve(solver=cp.CLARABEL, tol_gap_abs=1e-12, tol_gap_rel=1e-12, tol_feas=1e-12)
        return x.value

    return theirs, lambda: lstsq(A, b, random_state=0).solution.coef


def timed(solve):
    """Return the median of three times, after a first call that may compile, and the answer."""
    seconds = []
    for _ in range(4):
        start = time.perf_counter()
        answer = solve()
        seconds.append(time.perf_counter() - start)
    return np.median(seconds[1:]), answer


def main() -> int:
    agree = True
    print(f"{'problem':22s} {'difference':>10s} {'cvxpy':>10s} {'here':>10s}")
    for problem in (least_squares, ridge_with_intercept, weighted, rank_deficient):
        theirs, ours = problem()
        their_time, their_answer = timed(theirs)
        our_time, our_answer = timed(ours)
        difference = np.abs(our_answer - their_answer).max() / np.abs(their_answer).max()
        good = difference <= TOLERANCE
        agree = agree and good
        name = problem.__name__.replace("_", " ")
        verdict = "" if good else f"   above {TOLERANCE:.0e}"
        print(f"{name:22s} {difference:10.1e} {1e3 * their_time:7.1f} ms {1e3 * our_time:7.1f} ms{verdict}")
    return 0 if agree else 1


if __name__ == "__main__":
    sys.exit(main())
