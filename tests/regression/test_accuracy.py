"""Backward errors over a grid of condition numbers and residuals, against LAPACK's gelsy."""

import warnings

import numpy as np
import pytest
import scipy.linalg

from sparsesolve.datasets import load_nist
from sparsesolve.reference import naive
from sparsesolve.regression import lstsq

from .problems import graded

FLOOR = 2e-17
QUICK = [(1e0, 1e-12), (1e5, 1e-6), (1e8, 1.0), (1e10, 1e-12), (1e12, 1e-3), (1e15, 1.0), (1e15, 1e-12)]
WHOLE = [(10.0**k, residual) for k in range(16) for residual in (1e-12, 1e-9, 1e-6, 1e-3, 1.0)]


@pytest.mark.parametrize("spread", [0, 6], ids=["unscaled", "scaled"])
@pytest.mark.parametrize("shape", [(5000, 16), (1100, 70), (120, 40)])
def test_backward_error_is_at_most_twice_that_of_gelsy(rng, full, shape, spread):
    quick = QUICK[spread // 6 :: 2] if shape[1] == 70 else QUICK
    for condition, residual in WHOLE if full else quick:
        A, b = graded(rng, *shape, condition, residual, spread)
        result = lstsq(A, b, random_state=0)
        peer = scipy.linalg.lstsq(A, b, lapack_driver="gelsy", check_finite=False)[0]
        ours = naive.backward_error(A, b, result.solution.coef)
        theirs = naive.backward_error(A, b, peer)
        where = f"condition {condition:.0e}, residual {residual:.0e}, {result.solution.solver}"
        assert ours <= 2 * max(theirs, FLOOR), where
        assert result.converged, where
        scale = np.linalg.norm(A, axis=0)
        assert naive.backward_error(A / scale, b, result.solution.coef * scale) < 4e-16, where
        assert ours <= 2 * result.certificate["backward_error"] + FLOOR, where


@pytest.mark.parametrize("condition", [1.0, 1e4, 1e6, 1e8])
def test_forward_error_matches_the_condition(rng, condition):
    A, b = graded(rng, 3000, 24, condition, 1e-9)
    exact = naive.minimum_norm_solution(A[:, :24], b) if condition == 1.0 else None
    x = lstsq(A, b, random_state=0).solution.coef
    peer = scipy.linalg.lstsq(A, b, lapack_driver="gelsy")[0] if exact is None else exact
    assert np.linalg.norm(x - peer) <= 100 * 2.2e-16 * condition * np.linalg.norm(peer)


@pytest.mark.parametrize("condition", [1.0, 1e3, 1e6, 1e9])
@pytest.mark.parametrize("solver", ["auto", "gram", "cqrrt", "direct"])
def test_coef_error_bound_holds(rng, condition, solver):
    """Against the solution in rational arithmetic."""
    A, b = graded(rng, 400, 6, condition, 1e-3)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        solution = lstsq(A, b, solver=solver, random_state=0).solution
    exact = naive.minimum_norm_solution(A, b)
    assert np.all(np.abs(solution.coef - exact) <= solution.coef_error_bound)
    if solver != "gram":
        assert np.max(solution.coef_error_bound) <= 1e4 * 2.2e-16 * condition**2


# With wider columns and more than 1e5, rounding decides the smallest singular value of the unscaled matrix.
@pytest.mark.parametrize(("condition", "spread"), [(10.0, 0), (1e5, 0), (1e9, 0), (10.0, 6)])
def test_condition_number(rng, condition, spread):
    A, b = graded(rng, 5000, 20, condition, 1.0, spread)
    values = np.linalg.svd(A, compute_uv=False)
    found = lstsq(A, b, random_state=0).solution.condition_number
    assert found == pytest.approx(values[0] / values[-1], rel=0.05)


def test_condition_number_of_a_wide_factor(rng):
    """Above 128 columns it is estimated by iterations."""
    A, b = graded(rng, 2000, 200, 1e6, 1.0)
    assert lstsq(A, b, random_state=0).solution.condition_number == pytest.approx(1e6, rel=0.1)


@pytest.mark.parametrize(("name", "digits"), [("longley", 11), ("filip", 7)])
def test_nist(name, digits):
    """Digits that agree with the values certified by NIST, the worst over the coefficients."""
    A, y, certified = load_nist(name)
    result = lstsq(A, y)
    error = np.abs(result.solution.coef - certified) / np.abs(certified)
    assert -np.log10(error.max()) >= digits
    assert result.converged
