"""What the estimators add to the engines: rules, paths, cross-validation, many classes."""

import numpy as np
import pytest
import scipy.sparse
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.linear_model import LassoCV, Ridge
from sklearn.model_selection import KFold
from sklearn.svm import LinearSVC

from sparsesolve import BCDClassifier, BCDClassifierCV, BCDRegressor, BCDRegressorCV
from sparsesolve.datasets.coordinate import make_degenerate_lasso

GROUPS = np.arange(30) // 3


@pytest.fixture
def data(rng):
    X = rng.standard_normal((120, 30))
    return X, X[:, :3] @ [3.0, -2.0, 1.0] + rng.standard_normal(120) + 1.0


@pytest.mark.parametrize(
    "parameters",
    [
        {},
        {"penalty": "elastic-net"},
        {"penalty": "l2"},
        {"penalty": "group", "groups": GROUPS, "group_weights": np.linspace(0.0, 2.0, 10)},
        {"positive": True, "fit_intercept": False},
        {"loss": "poisson"},
    ],
    ids=str,
)
@pytest.mark.parametrize(
    "rules",
    [{"selection": "gsd"}, {"partition": "order", "selection": "random"}, {"update": "prox-newton"}],
    ids=str,
)
@pytest.mark.parametrize("convert", [np.asarray, scipy.sparse.csr_array])
def test_rules_find_the_answer_of_the_fast_engine(data, parameters, rules, convert):
    X, y = data
    y = np.round(np.abs(y)) if parameters.get("loss") == "poisson" else y
    X = 0.3 * X
    expected = BCDRegressor(alpha=0.05, **parameters).fit(X, y)
    model = BCDRegressor(alpha=0.05, max_iter=20_000, random_state=0, **parameters, **rules)
    model.fit(convert(X), y)
    assert model.converged_
    assert model.dual_gap_ <= 1e-10
    assert_allclose(model.coef_, expected.coef_, atol=2e-4)
    assert_allclose(model.intercept_, expected.intercept_, atol=1e-4)
    assert len(model.result_.trace["block_size"]) == model.n_iter_


def test_rules_of_a_classifier(data):
    X, y = data
    labels = y > 1.0
    expected = BCDClassifier(alpha=0.02).fit(X, labels)
    model = BCDClassifier(alpha=0.02, selection="gsq", block_size=3).fit(X, labels)
    assert_allclose(model.coef_, expected.coef_, atol=1e-4)
    with pytest.raises(ValueError, match="two classes"):
        BCDClassifier(selection="gs").fit(X, np.digitize(y, [0.0, 2.0]))


def test_wrong_rules_are_answered_with_the_possible_ones(data):
    with pytest.raises(ValueError, match=r"Possible here: .*'variable'"):
        BCDRegressor(partition="red-black").fit(*data)
    with pytest.raises(ValueError, match="fit_intercept=False"):
        BCDRegressor(positive=True, selection="gs").fit(*data)


def test_ridge(data):
    X, y = data
    expected = Ridge(alpha=0.3 * 120).fit(X, y)
    model = BCDRegressor(penalty="l2", alpha=0.3).fit(X, y)
    assert_allclose(model.coef_, expected.coef_, atol=1e-5)
    assert_allclose(model.intercept_, expected.intercept_, atol=1e-5)


@pytest.mark.parametrize("divisor", [100, 1000, 10_000])
@pytest.mark.parametrize("penalty", ["l1", "group"])
def test_separable_classes_and_a_small_penalty(data, divisor, penalty):
    """The loss is nearly zero at most samples: the dual point must still balance the classes exactly."""
    X, y = data
    labels = X[:, 0] + X[:, 1] > 0.1
    groups = GROUPS if penalty == "group" else None
    largest = BCDClassifier(penalty=penalty, groups=groups).path(X, labels, n_alphas=1).alphas[0]
    model = BCDClassifier(penalty=penalty, groups=groups, alpha=largest / divisor).fit(X, labels)
    assert model.converged_
    theta = model.result_.solution.dual_point
    assert abs(theta.sum()) <= 1e-12 * np.abs(theta).sum()
    shares = theta * np.where(labels, 1.0, -1.0) * y.size
    assert shares.min() >= 0.0
    assert shares.max() <= 1.0


@pytest.mark.parametrize("positive", [False, True])
def test_copies_do_not_enter_together(positive):
    X, y, _ = make_degenerate_lasso(60, 400, n_nonzero=10, random_state=3)
    largest = np.abs(X.T @ y).max() / 60
    model = BCDRegressor(alpha=largest / 100, fit_intercept=False, positive=positive).fit(X, y)
    assert model.converged_
    chosen = X[:, model.coef_ != 0.0]
    chosen = chosen / np.linalg.norm(chosen, axis=0)
    parallel = np.abs(chosen.T @ chosen) - np.eye(chosen.shape[1])
    assert parallel.max() < 1.0 - 1e-9
    assert chosen.shape[1] <= 60


def test_path_of_a_classifier(data):
    X, y = data
    labels = y > 1.0
    path = BCDClassifier().path(X, labels, n_alphas=6, ratio=0.02)
    assert path.coefs.shape == (30, 6)
    assert not path.coefs[:, 0].any()
    assert path.dual_gaps.max() <= 1e-10
    for k in (2, 5):
        single = BCDClassifier(alpha=path.alphas[k]).fit(X, labels)
        assert_allclose(path.coefs[:, k], single.coef_[0], atol=1e-4)
        assert_allclose(path.intercepts[k], single.intercept_[0], atol=1e-4)


def test_paths_without_an_l1_penalty_need_alphas(data):
    with pytest.raises(ValueError, match="give the alphas"):
        BCDRegressor(penalty="l2").path(*data)
    path = BCDRegressor(penalty="l2").path(*data, alphas=[0.1, 1.0])
    assert_array_equal(path.alphas, [1.0, 0.1])
    with pytest.raises(ValueError, match="alphas"):
        BCDRegressor().path(*data, alphas=[-1.0])


@pytest.mark.parametrize("convert", [np.asarray, scipy.sparse.csc_matrix])
def test_cross_validation_equals_that_of_scikit_learn(data, convert):
    X, y = data
    folds = KFold(4)
    model = BCDRegressorCV(cv=folds, n_alphas=20, ratio=0.01).fit(convert(X), y)
    peer = LassoCV(cv=folds, alphas=model.alphas_, tol=1e-12, max_iter=100_000).fit(X, y)
    assert_allclose(2.0 * model.losses_, peer.mse_path_, rtol=1e-6)
    assert_allclose(model.alpha_, peer.alpha_)
    assert_allclose(model.coef_, peer.coef_, atol=1e-5)
    assert_allclose(model.predict(X), peer.predict(X), atol=1e-5)
    assert model.converged_


def test_cross_validation_knows_weights_and_jobs(data, rng):
    X, y = data
    weights = rng.uniform(0.0, 2.0, y.size)
    one = BCDRegressorCV(cv=3, n_alphas=10).fit(X, y, sample_weight=weights)
    two = BCDRegressorCV(cv=3, n_alphas=10, n_jobs=2).fit(X, y, sample_weight=weights)
    assert_array_equal(one.losses_, two.losses_)
    plain = BCDRegressorCV(cv=3, n_alphas=10).fit(X, y)
    assert not np.allclose(one.losses_, plain.losses_)


def test_one_standard_error_gives_a_simpler_model(data):
    best = BCDRegressorCV(cv=5).fit(*data)
    simple = BCDRegressorCV(cv=5, one_standard_error=True).fit(*data)
    assert simple.alpha_ > best.alpha_
    means = best.losses_.mean(axis=1)
    error = best.losses_[means.argmin()].std(ddof=1) / np.sqrt(5)
    assert means[np.flatnonzero(best.alphas_ == simple.alpha_)[0]] <= means.min() + error


@pytest.mark.parametrize("loss", ["logistic", "multinomial", "hinge"])
@pytest.mark.parametrize("n_classes", [2, 3])
def test_cross_validation_of_a_classifier(data, loss, n_classes):
    X, y = data
    labels = np.array(["low", "middle", "high"])[np.digitize(y, [1.0] if n_classes == 2 else [0.0, 2.0])]
    hinge = loss == "hinge"
    base = BCDClassifier(loss=loss, penalty="l2" if hinge else "l1", tol=1e-8)
    alphas = [0.3, 0.03, 0.01] if hinge else None
    model = BCDClassifierCV(base, alphas=alphas, n_alphas=5, ratio=0.03, cv=3).fit(X, labels)
    assert model.score(X, labels) > 0.75
    assert model.losses_.shape == (3 if hinge else 5, 3)
    assert hasattr(model, "predict_proba") != hinge
    assert set(model.classes_) == set(labels)
    assert model.decision_function(X).shape == ((120,) if n_classes == 2 else (120, 3))
    if not hinge:  # the losses are those of the probabilities
        assert_allclose(model.predict_proba(X).sum(axis=1), 1.0)


def test_an_estimator_of_the_wrong_kind_is_refused(data):
    with pytest.raises(ValueError, match="must be a BCDRegressor"):
        BCDRegressorCV(BCDClassifier()).fit(*data)


def test_hinge_equals_liblinear(data):
    X, y = data
    labels = y > 1.0
    model = BCDClassifier(loss="hinge", penalty="l2", alpha=0.02, fit_intercept=False).fit(X, labels)
    peer = LinearSVC(loss="hinge", C=1.0 / (0.02 * 120), fit_intercept=False, tol=1e-10, max_iter=1_000_000)
    assert_allclose(model.coef_, peer.fit(X, labels).coef_, atol=1e-5)
    assert not hasattr(model, "predict_proba")


def test_hinge_refuses_what_it_does_not_know(data):
    X, y = data
    with pytest.raises(ValueError, match="use penalty='l2'"):
        BCDClassifier(loss="hinge").fit(X, y > 1.0)
    with pytest.raises(ValueError, match="alpha above 0"):
        BCDClassifier(loss="hinge", penalty="l2", alpha=0.0).fit(X, y > 1.0)


def test_warm_start_of_several_classes(data):
    X, y = data
    labels = np.digitize(y, [0.0, 2.0])
    model = BCDClassifier(penalty="l2", alpha=0.05, warm_start=True, tol=1e-8).fit(X, labels)
    assert model.n_iter_ > 1
    model.fit(X, labels)
    assert model.converged_
    assert model.n_iter_ == 1
