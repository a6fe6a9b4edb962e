"""Sparse linear models: every answer is certified by a duality gap that plain numpy computes again."""

import itertools

import numpy as np
import pytest
import scipy.sparse
from numpy.testing import assert_allclose

from sparsesolve import BCDClassifier, BCDRegressor
from sparsesolve.coordinate.losses import LOSSES
from sparsesolve.exceptions import ConvergenceWarning


def dual_gap(
    X, y, loss, coef, intercept, l1, l2=0.0, weights=None, positive=False, fit_intercept=True, groups=None
):
    """Mean loss plus penalty, minus the dual value of the scaled derivatives, relative to the best constant's loss."""
    loss = LOSSES[loss]
    weights = np.ones(y.size) if weights is None else weights
    weights = weights / weights.sum()
    groups = [[j] for j in range(X.shape[1])] if groups is None else groups
    l1 = np.broadcast_to(l1, len(groups))
    z = X @ coef + intercept
    theta = -weights * loss.derivative(z, y)
    if fit_intercept:
        assert abs(theta.sum()) <= 1e-9 * np.abs(theta).sum() + 1e-300
        theta = theta - weights * theta.sum()
    pulls = X.T @ theta
    pulls = np.maximum(pulls, 0.0) if positive else pulls
    sizes = np.array([np.linalg.norm(pulls[group]) for group in groups])
    scale = 1.0
    if l2 == 0.0 and sizes.max(initial=0.0) > 0.0:
        scale = min(1.0, (l1[sizes > 0] / sizes[sizes > 0]).min())
    keep = weights > 0
    conjugate = loss.conjugate(-scale * theta[keep] / weights[keep], y[keep])
    dual = -weights[keep] @ conjugate
    if l2 > 0.0:
        dual -= (np.maximum(sizes - l1, 0.0) ** 2).sum() / (2.0 * l2)
    penalty = sum(strength * np.linalg.norm(coef[group]) for strength, group in zip(l1, groups, strict=True))
    primal = weights @ loss.value(z, y) + penalty + 0.5 * l2 * (coef @ coef)
    constant = np.linspace(-1, 1, 201) * (np.abs(y).max() + 3.0) if fit_intercept else [0.0]
    best = min(weights @ loss.value(np.full(y.size, c), y) for c in constant)
    least = -weights @ loss.conjugate(np.zeros(y.size), y)
    return (primal - dual) / (best - least)


def problem(seed, loss, n_samples, n_features):
    """Columns that are duplicated, negated, zero and constant among others."""
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n_samples, n_features))
    X[:, 3], X[:, 4], X[:, 5], X[:, 6] = X[:, 1], 0.0, 1.0, -X[:, 2]
    z = X[:, :3] @ [1.0, -1.0, 0.5]
    y = {
        "squared": z + rng.standard_normal(n_samples) + 1.0,
        "logistic": np.where(z + 2 * rng.standard_normal(n_samples) > 0, 1.0, -1.0),
        "poisson": rng.poisson(np.exp(0.3 * z)).astype(float),
    }[loss]
    weights = rng.random(n_samples) * (rng.random(n_samples) < 0.8)
    return X, y, weights


def model_for(loss, **parameters):
    return BCDClassifier(**parameters) if loss == "logistic" else BCDRegressor(loss=loss, **parameters)


def largest_alpha(X, y, loss, weights):
    derivative = LOSSES[loss].derivative(np.zeros(y.size), y)
    return np.abs(X.T @ (weights * derivative)).max() / weights.sum()


@pytest.mark.parametrize("loss", ["squared", "logistic", "poisson"])
@pytest.mark.parametrize("shape", [(30, 8), (20, 40), (60, 300)])
@pytest.mark.parametrize("sparse", [False, True], ids=["dense", "sparse"])
def test_gap_of_every_combination(loss, shape, sparse):
    X, y, weights = problem(0, loss, *shape)
    for positive, intercept, share, ridge, weighted in itertools.product(
        (False, True), (False, True), (0.02, 0.2, 1.5), (0.0, 0.1), (False, True)
    ):
        s = weights if weighted else np.ones(y.size)
        alpha = share * largest_alpha(X, y, loss, s)
        total = alpha + ridge
        model = model_for(
            loss,
            penalty="elastic-net",
            alpha=total,
            l1_ratio=alpha / total,
            positive=positive,
            fit_intercept=intercept,
        ).fit(scipy.sparse.csr_array(X) if sparse else X, y, sample_weight=s)
        coef, constant = np.ravel(model.coef_), float(np.ravel(model.intercept_)[0])
        assert model.converged_
        l1 = total * (alpha / total)
        gap = dual_gap(X, y, loss, coef, constant, l1, total - l1 if ridge else 0.0, s, positive, intercept)
        assert -1e-12 <= gap <= 1e-9
        assert model.dual_gap_ <= 1e-10
        assert not positive or coef.min() >= 0.0
        assert intercept or constant == 0.0
        assert_allclose(coef[[4] if not intercept else [4, 5]], 0.0)


@pytest.mark.parametrize("loss", ["squared", "logistic", "poisson"])
def test_gap_of_groups(loss, rng):
    for trial in range(8):
        sizes = rng.integers(1, 5, 9)
        labels = rng.permutation(np.repeat(np.arange(9), sizes))
        groups = [np.flatnonzero(labels == label) for label in range(9)]
        X = rng.standard_normal((40, sizes.sum()))
        z = X[:, :2] @ [1.0, -1.0]
        y = {
            "squared": z + rng.standard_normal(40),
            "logistic": np.where(z + rng.standard_normal(40) > 0, 1.0, -1.0),
            "poisson": rng.poisson(np.exp(0.3 * z)).astype(float),
        }[loss]
        strengths = 0.5 + rng.random(9)
        given = labels if trial % 2 else groups
        model = model_for(loss, penalty="group", alpha=0.05, groups=given, group_weights=strengths).fit(X, y)
        coef, constant = np.ravel(model.coef_), float(np.ravel(model.intercept_)[0])
        assert model.converged_
        assert -1e-12 <= dual_gap(X, y, loss, coef, constant, 0.05 * strengths, groups=groups) <= 1e-9
        assert 0 < len(set(labels[coef != 0])) <= 9
        for group in groups:
            assert (coef[group] != 0).all() or (coef[group] == 0).all()


def test_larger_problems_need_few_rounds(rng):
    X = np.asfortranarray(rng.standard_normal((300, 3000)))
    y = X[:, :30] @ rng.standard_normal(30) + rng.standard_normal(300)
    alpha = np.abs(X.T @ y).max() / 300
    for share in (0.1, 0.01):
        model = BCDRegressor(alpha=share * alpha).fit(X, y)
        assert dual_gap(X, y, "squared", model.coef_, model.intercept_, share * alpha) <= 1e-9
        assert model.n_iter_ <= 25
        assert 1 <= model.support_identified_at_ <= model.n_iter_


def test_no_penalty_is_least_squares(rng):
    X = rng.standard_normal((50, 7))
    y = rng.standard_normal(50)
    model = BCDRegressor(penalty="none").fit(X, y)
    expected = np.linalg.lstsq(np.column_stack([X, np.ones(50)]), y, rcond=None)[0]
    assert_allclose(np.append(model.coef_, model.intercept_), expected, rtol=1e-7)


def test_interpolation_is_certified(rng):
    X = rng.standard_normal((10, 30))
    model = BCDRegressor(alpha=0.0).fit(X, rng.standard_normal(10))
    assert model.converged_
    assert model.result_.solution.objective < 1e-10


def test_alpha_at_which_everything_is_zero(rng):
    X, y = rng.standard_normal((40, 12)), rng.standard_normal(40)
    largest = np.abs((X - X.mean(axis=0)).T @ y).max() / 40
    assert not BCDRegressor(alpha=largest * (1 + 1e-12)).fit(X, y).coef_.any()
    assert np.count_nonzero(BCDRegressor(alpha=largest * 0.999).fit(X, y).coef_) == 1
    path = BCDRegressor().path(X, y, n_alphas=5)
    assert_allclose(path.alphas[0], largest, rtol=1e-12)
    assert not path.coefs[:, 0].any()


def test_constant_target(rng):
    model = BCDRegressor(alpha=0.1).fit(rng.standard_normal((20, 5)), np.full(20, 3.0))
    assert_allclose(model.intercept_, 3.0)
    assert not model.coef_.any()
    assert model.converged_


@pytest.mark.parametrize("x", [1e-150, 1e150])
@pytest.mark.parametrize("y_factor", [1e-150, 1.0, 1e150])
def test_extreme_scales(x, y_factor, rng):
    X, y = rng.standard_normal((40, 12)), rng.standard_normal(40)
    model = BCDRegressor(alpha=0.1).fit(X, y)
    scaled = (
        BCDRegressor(alpha=0.1 * x * y_factor).fit(X * x, y * y_factor)
        if abs(np.log10(x * y_factor)) < 300
        else None
    )
    if scaled is not None:
        assert_allclose(scaled.coef_ * x / y_factor, model.coef_, rtol=1e-6, atol=1e-9)


def test_column_scales(rng):
    X, y = rng.standard_normal((60, 30)), rng.standard_normal(60)
    scales = 10.0 ** rng.uniform(-6, 6, 30)
    alpha = 0.05 * np.abs((X * scales).T @ y).max() / 60
    model = BCDRegressor(alpha=alpha).fit(X * scales, y)
    assert model.converged_
    assert dual_gap(X * scales, y, "squared", model.coef_, model.intercept_, alpha) <= 1e-9


@pytest.mark.parametrize("loss", ["squared", "poisson"])
def test_path_equals_single_fits(loss, rng):
    X = rng.standard_normal((50, 100))
    z = X[:, :4] @ [2.0, -1.0, 1.0, 0.5] + rng.standard_normal(50)
    y = z if loss == "squared" else rng.poisson(np.exp(0.3 * z)).astype(float)
    path = model_for(loss).path(X, y, n_alphas=12, ratio=0.01)
    for k, alpha in enumerate(path.alphas):
        assert path.dual_gaps[k] <= 1e-10
        single = model_for(loss, alpha=alpha).fit(X, y)
        assert_allclose(path.coefs[:, k], np.ravel(single.coef_), atol=1e-4)


def test_warm_start_is_at_the_answer(rng):
    X, y = rng.standard_normal((50, 100)), rng.standard_normal(50)
    model = BCDRegressor(alpha=0.05, warm_start=True).fit(X, y)
    first = model.n_iter_
    assert model.fit(X, y).n_iter_ == 1 < first


def test_layouts_agree(rng):
    X, y = rng.standard_normal((50, 100)) * (rng.random((50, 100)) < 0.3), rng.standard_normal(50)
    expected = BCDRegressor(alpha=0.05).fit(X, y).coef_
    unsorted = scipy.sparse.csc_array(X)
    unsorted.indices = unsorted.indices.astype(np.int64)
    unsorted.indptr = unsorted.indptr.astype(np.int64)
    read_only = X.copy()
    read_only.flags.writeable = False
    for other in (
        np.asfortranarray(X),
        X[::-1][::-1],
        scipy.sparse.coo_array(X),
        unsorted,
        read_only,
        X.astype(">f8"),
    ):
        assert_allclose(BCDRegressor(alpha=0.05).fit(other, y).coef_, expected, atol=1e-6)


def test_budgets_are_told(rng):
    X, y = rng.standard_normal((50, 100)), rng.standard_normal(50)
    with pytest.warns(ConvergenceWarning, match=r"MAX_ITER: the relative duality gap is .*above tol"):
        model = BCDRegressor(alpha=0.01, max_iter=1).fit(X, y)
    assert not model.converged_
    gap = dual_gap(X, y, "squared", model.coef_, model.intercept_, 0.01)
    assert gap > 1e-10
    with pytest.warns(ConvergenceWarning, match="TIME_LIMIT"):
        BCDRegressor(alpha=0.01, max_time=0.0).fit(X, y)
    with pytest.warns(ConvergenceWarning, match="STOPPED"):
        BCDRegressor(alpha=0.01, callback=lambda iterate: True).fit(X, y)


@pytest.mark.parametrize("seed", [1, 4])
@pytest.mark.parametrize("mean", [3.0, 10.0])
def test_columns_of_one_large_mean_and_nearly_as_many_of_them_as_samples(seed, mean):
    """Without an intercept all columns look alike, and few sweeps of a round bring next to nothing."""
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((60, 100)) + mean
    y = X[:, :5] @ rng.standard_normal(5) + 0.1 * rng.standard_normal(60)
    model = BCDRegressor(alpha=1e-3, fit_intercept=False).fit(X, y)
    assert model.converged_
    assert dual_gap(X, y, "squared", model.coef_, 0.0, 1e-3, fit_intercept=False) < 1e-9


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"alpha": -1.0}, r"alpha=-1.0 must be at least 0"),
        ({"l1_ratio": 2.0, "penalty": "elastic-net"}, r"l1_ratio=2.0 must be at most 1"),
        ({"penalty": "l0"}, r"penalty='l0' is not known: use one of 'l1'"),
        ({"penalty": "group"}, r"groups=None, but penalty='group' needs them"),
        ({"penalty": "group", "groups": [0, 1]}, r"groups has 2 labels, but there are 5 features"),
        (
            {"penalty": "group", "groups": [[0, 1], [2, 3]]},
            r"groups must hold every column number from 0 to 4 once",
        ),
        ({"groups": [0] * 5}, r"groups is given, but penalty='l1'"),
        (
            {"penalty": "group", "groups": [0] * 5, "group_weights": [-1.0]},
            r"group_weights must hold 1 finite",
        ),
        ({"loss": "huber"}, r"loss='huber' is not known"),
        ({"tol": -1.0}, r"tol=-1.0"),
        ({"max_iter": 0}, r"max_iter=0"),
    ],
)
def test_bad_parameters(parameters, message, rng):
    with pytest.raises(ValueError, match=message):
        BCDRegressor(**parameters).fit(rng.standard_normal((10, 5)), rng.standard_normal(10))


def test_bad_targets(rng):
    X = rng.standard_normal((10, 5))
    with pytest.raises(ValueError, match="Poisson loss needs targets of at least 0"):
        BCDRegressor(loss="poisson").fit(X, -np.ones(10))
    with pytest.raises(ValueError, match="y holds one class only, 7"):
        BCDClassifier().fit(X, np.full(10, 7))
    with pytest.raises(ValueError, match=r"y\[2\] is NaN"):
        BCDRegressor().fit(X, np.where(np.arange(10) == 2, np.nan, 1.0))
