"""Kronecker sparse Bayesian learning in cvxpy and here, side by side.

Learning the gammas is no convex problem; two of its parts are. For fixed gammas the posterior mean is a weighted ridge
regression, written down with the whole dictionary. And the M-step of EM is convex in the logarithms of the gammas. Both
are solved by cvxpy's own solvers. Exits with code 1 if any number differs by more than 1e-4 of the largest one.
"""

from __future__ import annotations

import sys
import time

import numpy as np

from sparsesolve.datasets import make_kronecker_recovery
from sparsesolve.kronecker.posterior import posterior
from sparsesolve.kronecker.problem import pose
from sparsesolve.kronecker.updates import alternating_step
from sparsesolve.reference import kronecker as reference

TOLERANCE = 1e-4


def problem(is_complex):
    data = make_kronecker_recovery((4, 3, 3), (3, 3, 2), 2, snr_db=15.0, complex=is_complex, random_state=0)
    rng = np.random.default_rng(1)
    gammas = [rng.uniform(0.2, 2.0, factor.shape[1]) for factor in data.factors]
    return data, gammas


def found(data, gammas):
    shape = [factor.shape[0] for factor in data.factors]
    return posterior(pose(data.factors, data.y.reshape(shape), rescale=False), gammas, data.noise_variance)


def mean_real():
    data, gammas = problem(False)
    return (
        lambda: reference.convex_map_estimate(data.factors, data.y, gammas, data.noise_variance),
        lambda: found(data, gammas).mean().ravel(),
    )


def mean_complex():
    data, gammas = problem(True)
    return (
        lambda: reference.convex_map_estimate(data.factors, data.y, gammas, data.noise_variance),
        lambda: found(data, gammas).mean().ravel(),
    )


def m_step():
    """The product is compared: the scale of each factor is free."""
    data, gammas = problem(False)
    moments = found(data, gammas).moments()
    return (
        lambda: reference.kronecker(reference.convex_m_step(moments)),
        lambda: reference.kronecker(alternating_step(moments, gammas, tol=1e-12, cap=10_000)),
    )


def timed(solve):
    start = time.perf_counter()
    answer = solve()
    return answer, time.perf_counter() - start


def main() -> int:
    """Print a table; return 1 if any problem disagrees."""
    failed = False
    print(f"{'problem':16s} {'difference':>11s} {'cvxpy':>9s} {'here':>9s}")
    for make in (mean_real, mean_complex, m_step):
        theirs, ours = make()
        ours()  # compiles
        answer, seconds = timed(ours)
        wanted, their_seconds = timed(theirs)
        difference = float(np.abs(answer - wanted).max() / np.abs(wanted).max())
        print(f"{make.__name__:16s} {difference:11.1e} {their_seconds:8.3f}s {seconds:8.4f}s")
        failed |= not difference <= TOLERANCE
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
