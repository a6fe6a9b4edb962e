"""Concomitant lassos along an order in cvxpy and here, side by side.

Finding the order is no convex problem. Given one, CoLiDE's score is: written down in cvxpy as on paper, with the noise
scales as variables, for equal and for unequal noise, and solved by Clarabel. Exits with code 1 if any weight or scale
differs by more than 1e-4.
"""

from __future__ import annotations

import sys
import time

import cvxpy as cp
import numpy as np

from sparsesolve.dag.concomitant import concomitant_lasso, forward_edges
from sparsesolve.datasets import make_linear_sem

TOLERANCE, ALPHA = 1e-4, 0.1


def problem():
    data = make_linear_sem(200, 6, degree=1.5, random_state=0)
    X = (data.X - data.X.mean(axis=0)) / data.X.std()
    return X, forward_edges(data.order)


def convex(noise):
    X, allowed = problem()
    n, d = X.shape
    W = cp.Variable((d, d))
    rest = X - X @ W
    if noise == "equal":
        # sum_j q_j / (2 s) + d s / 2 is least at s = sqrt(mean q), where it is sqrt(d) times the norm over sqrt(n).
        score = np.sqrt(d / n) * cp.norm(rest, "fro")
    else:
        score = sum(cp.norm(rest[:, j]) for j in range(d)) / np.sqrt(n)
    aim = cp.Minimize(score + ALPHA * cp.sum(cp.abs(W)))
    cp.Problem(aim, [W[~allowed] == 0.0]).solve(
        solver=cp.CLARABEL, tol_gap_abs=1e-10, tol_gap_rel=1e-10, tol_feas=1e-10
    )
    left = X - X @ W.value
    scales = np.sqrt((left**2).mean(axis=0))
    if noise == "equal":
        scales = np.full(d, np.sqrt((left**2).mean()))
    return np.vstack([W.value, scales])


def ours(noise):
    X, allowed = problem()
    fit = concomitant_lasso(X.T @ X / len(X), allowed, ALPHA, noise=noise)
    return np.vstack([fit.weights, fit.scales])


def timed(solve, noise):
    start = time.perf_counter()
    answer = solve(noise)
    return answer, time.perf_counter() - start


def main() -> int:
    """Print a table; return 1 if any problem disagrees."""
    failed = False
    print(f"{'problem':16s} {'difference':>11s} {'cvxpy':>9s} {'here':>9s}")
    for noise in ("equal", "unequal"):
        ours(noise)  # compiles
        found, seconds = timed(ours, noise)
        wanted, their_seconds = timed(convex, noise)
        difference = float(np.abs(found - wanted).max())
        print(f"{noise + ' noise':16s} {difference:11.1e} {their_seconds:8.3f}s {seconds:8.4f}s")
        failed |= not difference <= TOLERANCE
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
