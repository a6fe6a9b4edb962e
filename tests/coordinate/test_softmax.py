"""Multinomial regression: right against cvxpy, certified, and the same however it is asked."""

import cvxpy
import numpy as np
import pytest
import scipy.sparse
import scipy.special
from numpy.testing import assert_allclose

from sparsesolve.coordinate import BCDClassifier

GROUPS = [[0, 3], [1], [2, 4, 5], [6, 7]]
PENALTIES = {
    "l1": {"penalty": "l1"},
    "elastic-net": {"penalty": "elastic-net"},
    "l2": {"penalty": "l2"},
    "group": {"penalty": "group", "groups": GROUPS, "group_weights": [1.0, 0.5, 0.0, 2.0]},
    "none": {"penalty": "none"},
}


@pytest.fixture
def data(rng):
    X = rng.standard_normal((60, 8)) * np.geomspace(0.3, 3.0, 8)
    return X, np.argmax(X[:, :3] + rng.gumbel(size=(60, 3)), axis=1)


def shares(model):
    """Strengths of the absolute values and of the squares."""
    alpha = model.alpha
    return {"l1": (alpha, 0.0), "elastic-net": (alpha / 2, alpha / 2), "l2": (0.0, alpha)}.get(
        model.penalty, (0, 0)
    )


def penalty_value(model, W):
    l1, l2 = shares(model)
    value = l1 * np.abs(W).sum() + 0.5 * l2 * (W**2).sum()
    if model.penalty == "group":
        lengths = [np.linalg.norm(W[:, group]) for group in GROUPS]
        value += model.alpha * np.dot(model.group_weights, lengths)
    return value


def by_cvxpy(model, X, y, weights):
    W, c = cvxpy.Variable((8, 3)), cvxpy.Variable((1, 3))
    Z = X @ W + (np.ones((y.size, 1)) @ c if model.fit_intercept else 0)
    right = cvxpy.sum(cvxpy.multiply(np.eye(3)[y], Z), axis=1)
    l1, l2 = shares(model)
    value = weights @ (cvxpy.log_sum_exp(Z, axis=1) - right)
    value += l1 * cvxpy.sum(cvxpy.abs(W)) + 0.5 * l2 * cvxpy.sum_squares(W)
    if model.penalty == "group":
        lengths = [cvxpy.norm(W[group, :], "fro") for group in GROUPS]
        value += model.alpha * sum(w * length for w, length in zip(model.group_weights, lengths, strict=True))
    problem = cvxpy.Problem(cvxpy.Minimize(value))
    problem.solve(solver="CLARABEL")
    return problem.value


# What cvxpy's solver then returns is still compared, to 1e-7.
@pytest.mark.filterwarnings("ignore:Solution may be inaccurate")
@pytest.mark.parametrize("penalty", PENALTIES)
@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("weighted", [False, True])
def test_optimum_and_certificate(data, rng, penalty, fit_intercept, weighted):
    X, y = data
    weights = rng.integers(0, 3, y.size).astype(float) if weighted else np.ones(y.size)
    model = BCDClassifier(alpha=0.01, fit_intercept=fit_intercept, **PENALTIES[penalty])
    model.fit(X, y, sample_weight=weights)
    weights = weights / weights.sum()
    solution = model.result_.solution
    z = X @ model.coef_.T + model.intercept_
    losses = scipy.special.logsumexp(z, axis=1) - z[np.arange(y.size), y]
    objective = weights @ losses + penalty_value(model, model.coef_)
    assert_allclose(solution.objective, objective, rtol=1e-12)
    assert_allclose(objective, by_cvxpy(model, X, y, weights), atol=1e-7)

    theta, pulls = solution.dual_point, X.T @ solution.dual_point
    q = np.eye(3)[y]
    q[weights > 0] -= theta[weights > 0] / weights[weights > 0, None]
    assert q.min() >= -1e-15
    assert_allclose(q.sum(axis=1), 1.0)
    if fit_intercept:
        assert np.abs(theta.sum(axis=0)).max() <= 1e-12
    dual = weights @ scipy.special.entr(np.maximum(q, 0.0)).sum(axis=1)
    l1, l2 = shares(model)
    if l2 > 0.0:
        dual -= (np.maximum(np.abs(pulls) - l1, 0.0) ** 2).sum() / (2 * l2)
    elif penalty == "group":
        for group, weight in zip(GROUPS, model.group_weights, strict=True):
            assert np.linalg.norm(pulls[group]) <= model.alpha * weight + 1e-9
    else:
        assert np.abs(pulls).max() <= l1 + 1e-9
    assert model.converged_
    assert -1e-12 <= objective - dual <= 1e-9


@pytest.mark.parametrize("penalty", PENALTIES)
def test_sparse_equals_dense(data, penalty):
    X, y = data
    X = np.where(np.abs(X) > 0.3, X, 0.0)
    one = BCDClassifier(alpha=0.02, **PENALTIES[penalty]).fit(X, y)
    other = BCDClassifier(alpha=0.02, **PENALTIES[penalty]).fit(scipy.sparse.csr_array(X), y)
    assert_allclose(other.predict_proba(X), one.predict_proba(X), atol=1e-4)


@pytest.mark.parametrize("penalty", ["l2", "group"])
def test_two_classes_are_the_logistic_model(data, penalty):
    """Both classes take half of the coefficients, whose squares cost half, and whose norms cost 1 / sqrt(2)."""
    X, y = data
    parameters = PENALTIES[penalty]
    factor = 2.0 if penalty == "l2" else np.sqrt(2.0)
    one = BCDClassifier(alpha=0.01, **parameters).fit(X, y > 0)
    two = BCDClassifier(loss="multinomial", alpha=0.01 * factor, **parameters).fit(X, y > 0)
    assert two.coef_.shape == (2, 8)
    assert_allclose(two.coef_[1] - two.coef_[0], one.coef_[0], atol=1e-4)
    assert_allclose(two.decision_function(X), one.decision_function(X), atol=1e-4)
    assert_allclose(two.predict_proba(X), one.predict_proba(X), atol=1e-4)


def test_renamed_classes(data):
    X, y = data
    order = np.array([2, 0, 1])
    one = BCDClassifier(alpha=0.01).fit(X, y)
    other = BCDClassifier(alpha=0.01).fit(X, order[y])
    assert_allclose(other.predict_proba(X)[:, order], one.predict_proba(X), atol=1e-4)


@pytest.mark.parametrize("power", [-300, 0, 300])
def test_scale(data, power):
    X, y = data
    factor = 2.0**power
    expected = BCDClassifier(alpha=0.01).fit(X, y).predict_proba(X)
    model = BCDClassifier(alpha=0.01 * factor).fit(X * factor, y)
    assert model.converged_
    assert_allclose(model.predict_proba(X * factor), expected, atol=1e-4)


def test_separable_classes_and_many_features(rng):
    X = rng.standard_normal((40, 100))
    y = np.argmax(X[:, :5], axis=1)
    path = BCDClassifier().path(X, y, n_alphas=10, ratio=1e-4)
    assert path.coefs.shape == (5, 100, 10)
    assert path.dual_gaps.max() <= 1e-10
    assert not path.coefs[:, :, 0].any()
    assert path.coefs[:, :, 1].any()


def test_copied_constant_and_zero_columns(data):
    X, y = data
    wide = np.hstack([X, X[:, :2], np.ones((60, 1)), np.zeros((60, 1))])
    one, other = BCDClassifier(alpha=0.01).fit(X, y), BCDClassifier(alpha=0.01).fit(wide, y)
    assert_allclose(other.result_.solution.objective, one.result_.solution.objective, rtol=1e-8)
    assert not other.coef_[:, 10:].any()


def test_a_class_without_weight_is_refused(data):
    X, y = data
    with pytest.raises(ValueError, match="class number 2 has no sample of positive weight"):
        BCDClassifier(alpha=0.01).fit(X, y, sample_weight=(y != 2).astype(float))


def test_positive_is_refused(data):
    with pytest.raises(ValueError, match="positive=True is not known to the multinomial loss"):
        BCDClassifier(positive=True).fit(*data)
