"""The answer scales as the maths says, and CONVERGED is never said with a bad certificate."""

import numpy as np
import pytest

from .estimators import EPS

POWERS = {"tiny": 2.0**-498, "small": 2.0**-40, "large": 2.0**40, "huge": 2.0**498}  # about 1e-150 and 1e150


def certificate_holds(entry, model, X, y):
    assert model.converged_
    assert entry.claimed(model) <= 1.01 * EPS
    assert entry.recomputed(model, X, y) <= 4 * EPS


@pytest.mark.parametrize("power", POWERS.values(), ids=POWERS)
def test_matrix_scale(entry, data, power):
    X, y = data
    model = entry.make(random_state=0).fit(X, y)
    moved = entry.make(random_state=0).fit(X * power, y)
    certificate_holds(entry, moved, X * power, y)
    expected = entry.scaled(entry.answer(model), power, 1.0)
    np.testing.assert_allclose(entry.answer(moved), expected, rtol=entry.accuracy)


@pytest.mark.parametrize("factor", [1e-12, 1e12, 1e-150, 1e150])
def test_target_scale(entry, data, factor):
    X, y = data
    model = entry.make(random_state=0).fit(X, y)
    moved = entry.make(random_state=0).fit(X, y * factor)
    certificate_holds(entry, moved, X, y * factor)
    expected = entry.scaled(entry.answer(model), 1.0, factor)
    np.testing.assert_allclose(entry.answer(moved), expected, rtol=entry.accuracy)


@pytest.mark.parametrize("spread", [6, 12, 100])
@pytest.mark.parametrize("n_rows", [200, 8000])
def test_column_scales(entry, rng, spread, n_rows):
    X, y = entry.problem(rng, n_rows=n_rows)
    factors = 10.0 ** np.linspace(-spread, spread, X.shape[1])
    model = entry.make(random_state=0).fit(X, y)
    moved = entry.make(random_state=0).fit(X * factors, y)
    certificate_holds(entry, moved, X * factors, y)
    expected = entry.scaled(entry.answer(model), factors, 1.0)
    np.testing.assert_allclose(entry.answer(moved), expected, rtol=entry.accuracy)


def test_one_giant_row(entry, data):
    X, y = data
    X[17] *= 1e8
    model = entry.make(random_state=0).fit(X, y)
    certificate_holds(entry, model, X, y)


def test_numbers_out_of_range_are_never_called_a_solution(entry, data):
    X, y = data
    X *= 2.0**1000  # sums of squares of this overflow, and so may those of its sketch
    model = entry.make(random_state=0).fit(X, y)
    if model.converged_:
        assert entry.recomputed(model, X, y) <= 4 * EPS
    assert np.all(np.isfinite(entry.answer(model))) or not model.converged_
