"""partial_fit sees each row once, and gives the fit of all of them."""

import numpy as np
import pytest
import scipy.sparse

from sparsesolve.regression import SketchedLinearRegression


def in_parts(model, X, y, edges, weights=None):
    for start, stop in zip([0, *edges], [*edges, len(y)], strict=True):
        part = None if weights is None else weights[start:stop]
        model.partial_fit(X[start:stop], y[start:stop], sample_weight=part)
    return model


PARTS = {
    "one": [],
    "two": [5000],
    "uneven": [1, 2, 40, 41, 3000, 8999],
    "even": list(range(1000, 9000, 1000)),
}


@pytest.fixture
def data(rng):
    X = rng.standard_normal((9000, 12)) + 0.3
    return X, X @ np.arange(12.0) + 5.0 + rng.standard_normal(9000)


@pytest.mark.parametrize("edges", PARTS.values(), ids=PARTS)
@pytest.mark.parametrize("solver", ["auto", "sketch-and-solve"])
@pytest.mark.parametrize("fit_intercept", [False, True])
@pytest.mark.parametrize("alpha", [0.0, 10.0])
def test_partial_fit_equals_fit(rng, data, edges, solver, fit_intercept, alpha):
    X, y = data
    weights = rng.uniform(0.0, 2.0, len(y))
    options = {"solver": solver, "fit_intercept": fit_intercept, "alpha": alpha, "random_state": 1}
    whole = SketchedLinearRegression(**options).fit(X, y, sample_weight=weights)
    parts = in_parts(SketchedLinearRegression(**options), X, y, edges, weights)
    np.testing.assert_allclose(parts.coef_, whole.coef_, rtol=1e-9, atol=1e-11)
    np.testing.assert_allclose(parts.intercept_, whole.intercept_, rtol=1e-9, atol=1e-11)
    new = X[:6]
    for mine, theirs in zip(
        parts.predict(new, return_std=True), whole.predict(new, return_std=True), strict=True
    ):
        np.testing.assert_allclose(mine, theirs, rtol=1e-7)
    assert parts.rank_ == whole.rank_


def test_each_call_gives_the_fit_so_far(data):
    X, y = data
    model = SketchedLinearRegression(random_state=0)
    for stop in range(500, 3000, 500):
        model.partial_fit(X[stop - 500 : stop], y[stop - 500 : stop])
        whole = SketchedLinearRegression(random_state=0).fit(X[:stop], y[:stop])
        np.testing.assert_allclose(model.coef_, whole.coef_, rtol=1e-10)


def test_fewer_rows_than_columns_at_first(rng):
    X = rng.integers(-5, 6, (40, 8)).astype(np.float64)
    y = rng.standard_normal(40)
    model = SketchedLinearRegression()
    for k in range(40):
        model.partial_fit(X[k : k + 1], y[k : k + 1])
        whole = SketchedLinearRegression().fit(X[: k + 1], y[: k + 1])
        assert model.rank_ == whole.rank_
        np.testing.assert_allclose(model.coef_, whole.coef_, rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize("solver", ["auto", "sketch-and-solve"])
def test_sparse_parts_and_many_targets(rng, solver):
    X = scipy.sparse.random_array((6000, 9), density=0.3, rng=rng, format="csr")
    Y = rng.standard_normal((6000, 3))
    whole = SketchedLinearRegression(solver=solver, random_state=0).fit(X, Y)
    parts = in_parts(SketchedLinearRegression(solver=solver, random_state=0), X, Y, [700, 4000])
    np.testing.assert_allclose(parts.coef_, whole.coef_, rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("sketch", ["gaussian", "rademacher", "countsketch", "sparse-sign"])
def test_every_sketch_streams(data, sketch):
    X, y = data
    options = {"solver": "sketch-and-solve", "sketch": sketch, "sketch_size": 200, "random_state": 2}
    whole = SketchedLinearRegression(**options).fit(X, y)
    parts = in_parts(SketchedLinearRegression(**options), X, y, [1234, 7000])
    np.testing.assert_allclose(parts.coef_, whole.coef_, rtol=1e-9)


@pytest.mark.parametrize("sketch", ["leverage", "padded-srht"])
def test_sketch_that_needs_all_rows(data, sketch):
    with pytest.raises(ValueError, match="sketch"):
        SketchedLinearRegression(solver="sketch-and-solve", sketch=sketch).partial_fit(*data)


def test_fit_begins_anew(data):
    X, y = data
    model = SketchedLinearRegression(random_state=0).partial_fit(X, y)
    model.fit(X[:4000], y[:4000]).partial_fit(X[4000:], y[4000:])
    only = SketchedLinearRegression(random_state=0).fit(X[4000:], y[4000:])
    np.testing.assert_allclose(model.coef_, only.coef_, rtol=1e-9)


def test_bad_part_changes_nothing(data):
    X, y = data
    model = SketchedLinearRegression(random_state=0).partial_fit(X[:4000], y[:4000])
    before = model.coef_.copy()
    bad = X[4000:].copy()
    bad[7, 3] = np.nan
    with pytest.raises(ValueError, match=r"X\[7, 3\] is NaN"):
        model.partial_fit(bad, y[4000:])
    with pytest.raises(ValueError, match="features"):
        model.partial_fit(X[4000:, :5], y[4000:])
    with pytest.raises(ValueError, match="targets"):
        model.partial_fit(X[4000:], np.column_stack([y, y])[4000:])
    np.testing.assert_array_equal(model.coef_, before)
    model.partial_fit(X[4000:], y[4000:])
    np.testing.assert_allclose(model.coef_, SketchedLinearRegression().fit(X, y).coef_, rtol=1e-9)


def test_scale_of_streams(data):
    X, y = data
    model = in_parts(SketchedLinearRegression(), X * 2.0**400, y * 2.0**-300, [3000])
    whole = SketchedLinearRegression().fit(X, y)
    np.testing.assert_allclose(model.coef_ * 2.0**700, whole.coef_, rtol=1e-9)
    assert model.converged_


def test_a_stream_keeps_little(data):
    import pickle

    X, y = data
    model = in_parts(SketchedLinearRegression(), X, y, [3000])
    assert len(pickle.dumps(model)) < 30_000
    again = pickle.loads(pickle.dumps(model)).partial_fit(X[:10], y[:10])
    np.testing.assert_array_equal(again.coef_, model.partial_fit(X[:10], y[:10]).coef_)
