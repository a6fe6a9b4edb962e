"""The same transport problems in cvxpy and here, side by side.

Each problem is written down in cvxpy as on paper, and solved by Clarabel, a general solver for convex problems. Exits
with code 1 if any entry of a plan, or the cost of an exact plan, differs by more than 1e-6 of the largest one.
"""

from __future__ import annotations

import sys
import time

import numpy as np

from sparsesolve import SinkhornNewtonSparse, entropic_transport
from sparsesolve.datasets import (
    load_digit_transport,
    make_assignment_problem,
    make_line_transport,
    make_point_clouds,
)
from sparsesolve.reference.transport import entropic_transport as reference

TOLERANCE = 1e-6


def plans(cost, a, b, reg, marginal_penalty=None):
    """The whole plan from both."""

    def theirs():
        return reference(a, b, cost, reg, marginal_penalty).plan

    def ours():
        return entropic_transport(a, b, cost, reg, marginal_penalty=marginal_penalty).solution.dense_plan()

    return theirs, ours


def assignment():
    return plans(*make_assignment_problem(30, random_state=0), reg=0.02)


def points_of_unequal_number():
    clouds = make_point_clouds(30, 18, random_weights=True, random_state=1)
    cost, a, b = clouds.problem()

    def ours():
        scale = ((clouds.X[:, None, :] - clouds.Y) ** 2).sum(axis=2).max()
        model = SinkhornNewtonSparse(reg=0.02 * scale).fit(clouds.X, clouds.Y, a, b)
        return model.result_.solution.dense_plan()

    return lambda: reference(a, b, cost, 0.02).plan, ours


def digits():
    return plans(*load_digit_transport(0, 1, side=5), reg=0.01)


def zero_weights():
    cost, a, b = make_assignment_problem(25, random_state=2)
    a[:8], b[20:] = 0.0, 0.0
    return plans(cost, a / a.sum(), b / b.sum(), reg=0.05)


def unbalanced():
    cost, a, b = make_point_clouds(25, 20, random_weights=True, random_state=3).problem()
    return plans(cost, a, 1.5 * b, reg=0.02, marginal_penalty=0.5)


def exact_limit(cost, a, b, reg):
    """The cost of the exact plan, which that of the entropic one tends to as reg falls."""

    def ours():
        return np.array([entropic_transport(a, b, cost, reg).solution.cost])

    return lambda: np.array([reference(a, b, cost, 0.0).cost]), ours


def exact_assignment():
    return exact_limit(*make_assignment_problem(30, random_state=4), reg=1e-5)


def exact_points():
    problem = make_point_clouds(30, 25, random_weights=True, random_state=5).problem()
    return exact_limit(*problem, reg=1e-5)


def exact_line():
    return exact_limit(*make_line_transport(30, 20, random_state=6), reg=1e-5)


def timed(solve):
    """Return the median of three times, after a first call that may compile, and the answer."""
    seconds = []
    for _ in range(4):
        start = time.perf_counter()
        answer = solve()
        seconds.append(time.perf_counter() - start)
    return np.median(seconds[1:]), answer


PROBLEMS = (
    assignment,
    points_of_unequal_number,
    digits,
    zero_weights,
    unbalanced,
    exact_assignment,
    exact_points,
    exact_line,
)


def main() -> int:
    agree = True
    print(f"{'problem':26s} {'difference':>10s} {'cvxpy':>10s} {'here':>10s}")
    for problem in PROBLEMS:
        theirs, ours = problem()
        their_time, their_answer = timed(theirs)
        our_time, our_answer = timed(ours)
        difference = np.abs(our_answer - their_answer).max() / np.abs(their_answer).max()
        good = difference <= TOLERANCE
        agree = agree and good
        name = problem.__name__.replace("_", " ")
        verdict = "" if good else f"   above {TOLERANCE:.0e}"
        print(f"{name:26s} {difference:10.1e} {1e3 * their_time:7.1f} ms {1e3 * our_time:7.1f} ms{verdict}")
    return 0 if agree else 1


if __name__ == "__main__":
    sys.exit(main())
