"""The certificate is honest: naive code finds the same number, and cvxpy the same answer."""

import warnings

import numpy as np
import pytest

from .estimators import EPS


@pytest.mark.parametrize("n_rows", [60, 8000])
@pytest.mark.parametrize("weighted", [False, True], ids=["plain", "weighted"])
@pytest.mark.parametrize("noise", [1e-9, 1.0])
def test_naive_code_agrees_at_rounding_level(entry, rng, n_rows, weighted, noise):
    X, y = entry.problem(rng, n_rows=n_rows)
    weights = rng.uniform(0.1, 3.0, n_rows) if weighted else None
    model = entry.make(random_state=0).fit(X, noise * y, sample_weight=weights)
    true = entry.recomputed(model, X, noise * y, weights)
    assert model.converged_
    assert true <= 2 * entry.claimed(model) + EPS / 4
    assert entry.claimed(model) <= 1.01 * EPS


@pytest.mark.parametrize("solver_of_sketch", [{}, {"sketch": "gaussian"}, {"sketch": "sparse-sign"}])
@pytest.mark.parametrize("weighted", [False, True], ids=["plain", "weighted"])
def test_naive_code_agrees_within_a_factor_of_two(entry, data, rng, weighted, solver_of_sketch):
    """Far from convergence, where rounding plays no part."""
    X, y = data
    weights = rng.uniform(0.1, 3.0, len(y)) if weighted else None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = entry.make(random_state=0, max_iter=1, **entry.stalls, **solver_of_sketch)
        model.fit(X, y, sample_weight=weights)
    true = entry.recomputed(model, X, y, weights)
    assert true > 1e-6
    assert 0.5 * true <= entry.claimed(model) <= 2.0 * true


@pytest.mark.parametrize("n_rows", [60, 8000])
def test_cvxpy_agrees(entry, rng, n_rows):
    pytest.importorskip("cvxpy")
    X, y = entry.problem(rng, n_rows=n_rows)
    weights = rng.uniform(0.1, 3.0, n_rows)
    model = entry.make(random_state=0).fit(X, y, sample_weight=weights)
    expected = entry.twin(model, X, y, weights)
    assert np.abs(entry.answer(model) - expected).max() <= 1e-6 * np.abs(expected).max()


def test_certificate_is_in_the_result(entry, data):
    model = entry.make(random_state=0).fit(*data)
    assert entry.claimed(model) in model.result_.certificate.values()
    assert model.converged_ == model.result_.converged
