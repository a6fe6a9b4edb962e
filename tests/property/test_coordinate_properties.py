"""Laws that hold for every sparse linear model, on drawn problems."""

import numpy as np
import scipy.sparse
from hypothesis import given
from hypothesis import strategies as st

from sparsesolve.coordinate import BCDClassifier, BCDRegressor

seeds = st.integers(0, 2**32 - 1)
#: Gaps at which coefficients agree to about their square root.
CLOSE = 2e-5


@st.composite
def problems(draw):
    """A problem with columns of several scales, more or fewer of them than samples, and a penalty that matters."""
    rng = np.random.default_rng(draw(seeds))
    n_rows, n_columns = draw(st.sampled_from([20, 60])), draw(st.sampled_from([1, 5, 12, 80]))
    X = rng.standard_normal((n_rows, n_columns)) * 10.0 ** rng.uniform(-1, 1, n_columns)
    X += draw(st.sampled_from([0.0, 3.0]))
    y = X @ np.where(rng.random(n_columns) < 0.3, rng.standard_normal(n_columns), 0.0)
    y += (0.1 + y.std()) * rng.standard_normal(n_rows)
    penalty = draw(st.sampled_from(["l1", "elastic-net", "group"]))
    options = {
        "penalty": penalty,
        "fit_intercept": draw(st.booleans()),
        "groups": np.arange(n_columns) // 2 if penalty == "group" else None,
        "tol": 1e-12,
    }
    centred = X - X.mean(axis=0) if options["fit_intercept"] else X
    largest = np.abs(centred.T @ (y - options["fit_intercept"] * y.mean())).max() / n_rows
    options["alpha"] = float(largest) * draw(st.sampled_from([0.03, 0.3]))
    return rng, X, y, options


def fit(options, X, y, weights=None, **more):
    return BCDRegressor(**options | more).fit(X, y, sample_weight=weights)


def same_predictions(one, other, y, factor=1.0, shift=0.0):
    """Predictions are unique, coefficients need not be."""
    scale = np.abs(factor) * (y.std() + np.abs(y).max())
    np.testing.assert_allclose(other, factor * one + shift, atol=CLOSE * scale)


@given(problems(), st.floats(1e-6, 1e6))
def test_scaled_targets_and_penalty(problem, factor):
    _, X, y, options = problem
    one = fit(options, X, y)
    scaled = options | {"alpha": options["alpha"] * factor}
    if options["penalty"] == "elastic-net":  # the squares' strength does not change with y: so keep it
        l1, l2 = options["alpha"] / 2, options["alpha"] / 2
        scaled = options | {"alpha": l1 * factor + l2, "l1_ratio": l1 * factor / (l1 * factor + l2)}
    other = fit(scaled, X, factor * y)
    same_predictions(one.predict(X), other.predict(X), y, factor)


@given(problems())
def test_permuted_and_negated_columns(problem):
    rng, X, y, options = problem
    order, signs = rng.permutation(X.shape[1]), rng.choice([-1.0, 1.0], X.shape[1])
    groups = None if options["groups"] is None else options["groups"][order]
    one = fit(options, X, y)
    other = fit(options, (X * signs)[:, order], y, groups=groups)
    same_predictions(one.predict(X), other.predict((X * signs)[:, order]), y)


@given(problems())
def test_repeated_samples_are_weights(problem):
    rng, X, y, options = problem
    counts = rng.integers(0, 4, y.size)
    counts[:3] = 1
    one = fit(options, X, y, counts)
    other = fit(options, np.repeat(X, counts, axis=0), np.repeat(y, counts))
    np.testing.assert_allclose(
        one.result_.solution.objective, other.result_.solution.objective, rtol=1e-9, atol=1e-12 * y.var()
    )
    same_predictions(one.predict(X)[counts > 0], other.predict(X)[counts > 0], y)


@given(problems())
def test_copied_columns_change_nothing(problem):
    _, X, y, options = problem
    if options["penalty"] != "l1":
        return
    one, other = fit(options, X, y), fit(options, np.hstack([X, -X]), y)
    same_predictions(one.predict(X), other.predict(np.hstack([X, -X])), y)


@given(problems(), st.floats(-1e3, 1e3))
def test_shifted_targets_move_the_intercept(problem, shift):
    _, X, y, options = problem
    options["fit_intercept"] = True
    one, other = fit(options, X, y), fit(options, X, y + shift)
    same_predictions(one.predict(X), other.predict(X), y, 1.0, shift)


@given(problems())
def test_sparse_equals_dense(problem):
    _, X, y, options = problem
    X = np.where(np.abs(X) > np.median(np.abs(X)), X, 0.0)
    one, other = fit(options, X, y), fit(options, scipy.sparse.csr_array(X), y)
    same_predictions(one.predict(X), other.predict(X), y)


@given(problems())
def test_exchanged_labels(problem):
    _, X, y, options = problem
    labels = y > np.median(y)
    options = options | {"alpha": 0.02 * np.abs(X).mean()}
    one, other = BCDClassifier(**options).fit(X, labels), BCDClassifier(**options).fit(X, ~labels)
    np.testing.assert_allclose(one.decision_function(X), -other.decision_function(X), atol=1e-3)


@given(problems())
def test_nothing_enters_at_the_largest_alpha(problem):
    _, X, y, options = problem
    largest = BCDRegressor(**options).path(X, y, n_alphas=1).alphas[0]
    assert not fit(options, X, y, alpha=largest * (1 + 1e-9)).coef_.any()
    assert fit(options, X, y, alpha=largest * 0.99).coef_.any()
