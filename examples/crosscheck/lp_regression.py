"""The same l_p and quantile regressions in cvxpy and here, side by side.

Each problem is written down in cvxpy as on paper, and solved by Clarabel, a general solver for convex problems. Exits
with code 1 if any objective differs by more than 1e-7 of its size, or any coefficient by more than 1e-4 of the largest.
The errors are continuous, so that all minimisers are unique.
"""

from __future__ import annotations

import sys
import time

import numpy as np

from sparsesolve.reference.lp_regression import lp_regression as reference
from sparsesolve.regression import lp_regression, quantile_regression

OBJECTIVE_TOLERANCE, TOLERANCE = 1e-7, 1e-4
PROBLEMS = {
    "p = 1": {"p": 1},
    "p = 1.5": {"p": 1.5},
    "p = 2": {"p": 2},
    "p = 3": {"p": 3},
    "p = inf": {"p": np.inf},
    "quantile 0.9": {"quantile": 0.9},
    "p = 1, weighted": {"p": 1, "weighted": True},
    "p = 1.5, weighted": {"p": 1.5, "weighted": True},
}


def data():
    """Heavy-tailed errors around a linear model with a constant."""
    rng = np.random.default_rng(0)
    A = rng.standard_normal((1000, 8))
    return A, A @ rng.standard_normal(8) + 2.0 + rng.standard_t(3, 1000), rng.exponential(size=1000)


def theirs(A, b, weights, p=1.0, quantile=None, weighted=False):
    weights = weights if weighted else None
    answer = reference(A, b, p, quantile=quantile, weights=weights, fit_intercept=True)
    return np.append(answer.coef, answer.intercept), answer.objective


def ours(A, b, weights, p=1.0, quantile=None, weighted=False):
    more = {"sample_weight": weights if weighted else None, "fit_intercept": True, "tol": 1e-10}
    result = (
        lp_regression(A, b, p, **more) if quantile is None else quantile_regression(A, b, quantile, **more)
    )
    return np.append(result.solution.coef, result.solution.intercept), result.solution.objective


def timed(solve):
    """Return the median of three times, after a first call that may compile, and the answer."""
    seconds = []
    for _ in range(4):
        start = time.perf_counter()
        answer = solve()
        seconds.append(time.perf_counter() - start)
    return np.median(seconds[1:]), answer


def main() -> int:
    A, b, weights = data()
    agree = True
    print(f"{'problem':20s} {'objectives':>12s} {'coefficients':>13s} {'cvxpy':>10s} {'here':>10s}")
    for name, parameters in PROBLEMS.items():
        their_time, (their_coef, their_value) = timed(lambda kw=parameters: theirs(A, b, weights, **kw))
        our_time, (our_coef, our_value) = timed(lambda kw=parameters: ours(A, b, weights, **kw))
        value = abs(our_value - their_value) / their_value
        difference = np.abs(our_coef - their_coef).max() / np.abs(their_coef).max()
        good = value <= OBJECTIVE_TOLERANCE and difference <= TOLERANCE
        agree = agree and good
        verdict = "" if good else "   too far"
        times = f"{1e3 * their_time:7.1f} ms {1e3 * our_time:7.1f} ms"
        print(f"{name:20s} {value:12.1e} {difference:13.1e} {times}{verdict}")
    return 0 if agree else 1


if __name__ == "__main__":
    sys.exit(main())
