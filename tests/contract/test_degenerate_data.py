"""Data that do not determine the answer: it is finite, and the documented choice."""

import numpy as np
import pytest


def integers(rng, n_rows, n_columns=5):
    """Data whose linear dependences are exact."""
    X = rng.integers(-8, 9, (n_rows, n_columns)).astype(np.float64)
    return X, X @ np.arange(1.0, n_columns + 1) + rng.integers(-3, 4, n_rows)


def constant_column(X):
    X[:, 1] = 3.0


def zero_column(X):
    X[:, 2] = 0.0


def duplicate_column(X):
    X[:, 3] = X[:, 0]


def opposite_column(X):
    X[:, 3] = -4.0 * X[:, 0]


def dependent_columns(X):
    X[:, 4] = X[:, 0] + 2.0 * X[:, 1]
    X[:, 3] = X[:, 0] - X[:, 2]


def all_columns_equal(X):
    X[:] = X[:, :1]


def zero_matrix(X):
    X[:] = 0.0


def zero_rows(X):
    X[: len(X) // 2] = 0.0


CASES = [
    constant_column,
    zero_column,
    duplicate_column,
    opposite_column,
    dependent_columns,
    all_columns_equal,
    zero_matrix,
    zero_rows,
]


@pytest.mark.parametrize("n_rows", [12, 300, 16000])
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.__name__)
def test_documented_choice(entry, rng, case, n_rows):
    X, y = integers(rng, n_rows)
    case(X)
    model = entry.make(random_state=0).fit(X, y)
    expected = entry.chosen(model, X, y)
    assert model.converged_
    np.testing.assert_allclose(entry.answer(model), expected, rtol=1e-8, atol=1e-9)


@pytest.mark.parametrize("shape", [(1, 1), (1, 6), (2, 5), (4, 5), (5, 5), (6, 5), (3, 40)])
def test_few_rows(entry, rng, shape):
    X, y = integers(rng, *shape)
    model = entry.make(random_state=0).fit(X, y)
    assert model.converged_
    np.testing.assert_allclose(entry.answer(model), entry.chosen(model, X, y), rtol=1e-8, atol=1e-9)


@pytest.mark.parametrize("n_rows", [60, 16000])
def test_zero_targets(entry, rng, n_rows):
    X, y = integers(rng, n_rows)
    model = entry.make(random_state=0).fit(X, 0.0 * y)
    assert model.converged_
    np.testing.assert_array_equal(entry.answer(model), 0.0)


@pytest.mark.parametrize("n_rows", [60, 16000])
def test_targets_in_the_range(entry, rng, n_rows):
    X, _ = integers(rng, n_rows)
    model = entry.make(random_state=0).fit(X, X @ np.arange(1.0, 6.0))
    assert model.converged_
    np.testing.assert_allclose(entry.answer(model)[:5], np.arange(1.0, 6.0), rtol=1e-13)


@pytest.mark.parametrize("n_rows", [60, 16000])
def test_zero_weight_is_absence(entry, rng, n_rows):
    X, y = integers(rng, n_rows)
    weights = rng.uniform(0.5, 2.0, n_rows)
    weights[::3] = 0.0
    y[::3] = 1e6  # seen by nobody
    kept = weights > 0
    model = entry.make(random_state=0).fit(X, y, sample_weight=weights)
    expected = entry.make(random_state=0).fit(X[kept], y[kept], sample_weight=weights[kept])
    np.testing.assert_allclose(entry.answer(model), entry.answer(expected), rtol=entry.accuracy)


@pytest.mark.parametrize("n_rows", [60, 16000])
@pytest.mark.parametrize("weight", [1e-12, 7.0, 1e12])
def test_equal_weights_change_nothing(entry, rng, n_rows, weight):
    X, y = integers(rng, n_rows)
    model = entry.make(random_state=0).fit(X, y, sample_weight=np.full(n_rows, weight))
    expected = entry.make(random_state=0).fit(X, y)
    np.testing.assert_allclose(entry.answer(model), entry.answer(expected), rtol=entry.accuracy)


def test_a_single_weighted_row(entry, rng):
    X, y = integers(rng, 50)
    weights = np.zeros(50)
    weights[7] = 2.0
    model = entry.make(random_state=0).fit(X, y, sample_weight=weights)
    np.testing.assert_allclose(X[7] @ entry.answer(model)[:5] + entry.answer(model)[5], y[7], rtol=1e-10)
