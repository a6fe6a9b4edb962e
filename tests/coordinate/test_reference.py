"""The references agree: gaps bound the suboptimality, and are 0 where cvxpy says that the optimum is."""

import itertools

import numpy as np
import pytest
import scipy.optimize

from sparsesolve.reference.coordinate import (
    LOSSES,
    Penalty,
    box_gap,
    duality_gap,
    elastic_net_gap,
    group_lasso_gap,
    kkt_residual,
    lasso_gap,
    linear_model,
    logistic_gap,
    multinomial_gap,
    objective,
    poisson_gap,
    svm_dual,
    svm_gap,
)

GROUPS = [np.array([0, 3]), np.array([1]), np.array([2, 4, 5]), np.array([6, 7])]
PENALTIES = {
    "l1": Penalty("l1", 0.05),
    "non-negative l1": Penalty("l1", 0.05, positive=True),
    "elastic net": Penalty("elastic-net", 0.1, 0.3),
    "non-negative elastic net": Penalty("elastic-net", 0.1, 0.3, positive=True),
    "ridge": Penalty("elastic-net", 0.1, 0.0),
    "box": Penalty("box", lower=-0.2, upper=np.linspace(0.05, 0.5, 8)),
    "group": Penalty("group", 0.05, groups=GROUPS, weights=np.array([1.0, 2.0, 0.5, 1.0])),
}
UNPENALISED = {
    "none": Penalty("none"),
    "non-negative": Penalty("none", positive=True),
    "group, one of weight 0": Penalty("group", 0.05, groups=GROUPS, weights=np.array([1.0, 0.0, 1.0, 1.0])),
}
CASES = list(itertools.product(LOSSES, PENALTIES, [False, True], [False, True]))


def problem(loss, weighted, seed=0, n_samples=30):
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n_samples, 8)) + 0.3
    z = X[:, :3] @ [1.0, -0.8, 0.3] + 0.5
    y = {
        "squared": z + rng.standard_normal(n_samples),
        "logistic": np.where(z + 2.0 * rng.standard_normal(n_samples) > 0.0, 1.0, -1.0),
        "poisson": rng.poisson(np.exp(0.5 * z)).astype(np.float64),
        "multinomial": rng.permutation(np.arange(n_samples) % 3),
    }[loss]
    weights = rng.random(n_samples) * (rng.random(n_samples) < 0.8) if weighted else None
    return X, y, weights


@pytest.mark.parametrize(("loss", "name", "fit_intercept", "weighted"), CASES)
def test_gap_and_conditions_at_the_optimum_and_away_from_it(loss, name, fit_intercept, weighted):
    pytest.importorskip("cvxpy")
    X, y, weights = problem(loss, weighted)
    penalty = PENALTIES[name]
    options = {
        "loss": loss,
        "penalty": penalty,
        "sample_weight": weights,
        "fit_intercept": fit_intercept,
    }
    best = linear_model(X, y, **options)
    coef = tidy(best.coef, penalty)
    gap = duality_gap(X, y, coef, best.intercept, **options)
    assert gap.primal == pytest.approx(best.objective, abs=1e-8)
    assert -1e-13 <= gap.relative <= 1e-7
    assert kkt_residual(X, y, coef, best.intercept, **options) <= 1e-4
    rng = np.random.default_rng(1)
    for size in (1e-3, 0.1, 1.0):
        other = tidy(coef + size * rng.standard_normal(coef.size), penalty)
        shift = best.intercept + fit_intercept * size * rng.standard_normal()
        away = duality_gap(X, y, other, shift, **options)
        assert away.primal == pytest.approx(
            objective(X, y, other, shift, loss=loss, penalty=penalty, sample_weight=weights), rel=1e-14
        )
        assert away.dual <= best.objective + 1e-8
        assert away.absolute >= away.primal - best.objective - 1e-8
        assert kkt_residual(X, y, other, shift, **options) > 1e-6


def tidy(coef, penalty):
    """What an interior point leaves near a bound or at nearly 0, put there."""
    coef = np.where(np.abs(coef) <= 1e-6, 0.0, coef)
    if penalty.positive:
        coef = np.maximum(coef, 0.0)
    if penalty.kind == "box":
        lower, upper = (np.broadcast_to(bound, coef.shape) for bound in (penalty.lower, penalty.upper))
        coef = np.where(coef <= lower + 1e-6, lower, np.where(coef >= upper - 1e-6, upper, coef))
    return coef


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("name", UNPENALISED)
def test_conditions_where_columns_are_free(loss, name):
    pytest.importorskip("cvxpy")
    X, y, weights = problem(loss, True)
    options = {
        "loss": loss,
        "penalty": UNPENALISED[name],
        "sample_weight": weights,
        "fit_intercept": True,
    }
    best = linear_model(X, y, **options)
    coef = tidy(best.coef, UNPENALISED[name])
    assert kkt_residual(X, y, coef, best.intercept, **options) <= 1e-4
    assert duality_gap(X, y, coef, best.intercept, **options).dual <= best.objective + 1e-8


def test_named_gaps_are_the_general_one():
    X, y, weights = problem("squared", True)
    coef = np.linspace(-1.0, 1.0, 8)
    options = {"sample_weight": weights, "fit_intercept": True}
    group = PENALTIES["group"]
    assert lasso_gap(X, y, coef, 0.1, 0.5, **options) == duality_gap(
        X, y, coef, 0.5, penalty=Penalty("l1", 0.1), **options
    )
    assert elastic_net_gap(X, y, coef, 0.1, 0.3, 0.5, **options) == duality_gap(
        X, y, coef, 0.5, penalty=Penalty("elastic-net", 0.1, 0.3), **options
    )
    assert group_lasso_gap(X, y, coef, group.alpha, GROUPS, group.weights, **options) == duality_gap(
        X, y, coef, penalty=group, **options
    )
    for loss, function in (("logistic", logistic_gap), ("poisson", poisson_gap)):
        X, y, weights = problem(loss, True)
        assert function(X, y, coef, 0.1) == duality_gap(X, y, coef, loss=loss, penalty=Penalty("l1", 0.1))


def test_lasso_gap_of_one_column_by_hand():
    # 1/4 (1 - w)^2 + 1/4 (2 - w)^2 + |w| / 4 with columns of ones: the optimum is w = 3/2 - 1/4, ...
    X, y = np.ones((2, 1)), np.array([1.0, 2.0])
    best = 0.25 * 0.25**2 + 0.25 * 0.75**2 + 0.25 * 1.25
    gap = lasso_gap(X, y, np.array([1.25]), 0.25)
    assert gap.primal == pytest.approx(best, rel=1e-15)
    assert gap.dual == pytest.approx(best, rel=1e-15)
    assert gap.start == pytest.approx(1.25, rel=1e-15)
    # ... and at zero the bound is that of the residual y, scaled from the pull 3/2 to 1/4.
    zero = lasso_gap(X, y, np.zeros(1), 0.25)
    t = 0.25 / 1.5
    assert zero.dual == pytest.approx(t * 2.5 - t * t * 1.25, rel=1e-15)


@pytest.mark.parametrize("loss", LOSSES)
def test_zero_is_certified_at_the_largest_alpha_only(loss):
    X, y, _ = problem(loss, False)
    pull = np.abs(X.T @ LOSSES[loss].derivative(np.zeros(len(y)), y)).max() / len(y)
    zero = np.zeros(8)
    assert duality_gap(X, y, zero, loss=loss, penalty=Penalty("l1", pull)).relative <= 1e-14
    assert duality_gap(X, y, zero, loss=loss, penalty=Penalty("l1", 0.5 * pull)).relative >= 1e-3


@pytest.mark.parametrize("loss", ["logistic", "poisson"])
def test_one_class_and_no_counts_have_a_finite_gap(loss):
    X, _, weights = problem(loss, True)
    y = np.ones(len(X)) if loss == "logistic" else np.zeros(len(X))
    options = {"loss": loss, "penalty": Penalty("l1", 0.1), "sample_weight": weights, "fit_intercept": True}
    gap = duality_gap(X, y, np.zeros(8), 40.0 if loss == "logistic" else -40.0, **options)
    assert 0.0 <= gap.relative <= 1e-10


@pytest.mark.parametrize("loss", LOSSES)
def test_conjugates_are_the_largest_difference(loss):
    functions = LOSSES[loss]
    z = np.linspace(-40.0, 40.0, 400_001)
    for y, share in itertools.product({"logistic": (-1.0, 1.0)}.get(loss, (0.0, 3.0)), (0.2, 0.7)):
        u = -y * share if loss == "logistic" else share - 0.5 if loss == "squared" else share - y
        largest = np.max(u * z - functions.value(z, y))
        assert functions.conjugate(u, y) == pytest.approx(largest, abs=1e-6)
        step = 1e-6
        slope = (functions.value(1.0 + step, y) - functions.value(1.0 - step, y)) / (2.0 * step)
        assert functions.derivative(1.0, y) == pytest.approx(slope, abs=1e-8)


@pytest.mark.parametrize("name", ["l1", "elastic net", "ridge", "box", "group"])
@pytest.mark.parametrize("fit_intercept", [False, True])
def test_multinomial(name, fit_intercept):
    pytest.importorskip("cvxpy")
    X, y, weights = problem("multinomial", True, n_samples=40)
    penalty = PENALTIES[name]
    options = {"penalty": penalty, "sample_weight": weights, "fit_intercept": fit_intercept}
    best = linear_model(X, y, loss="multinomial", **options)
    assert best.coef.shape == (3, 8)
    coef = tidy(best.coef, penalty)
    gap = multinomial_gap(X, y, coef, best.intercept, **options)
    assert gap.primal == pytest.approx(best.objective, abs=1e-8)
    assert -1e-13 <= gap.relative <= 1e-7
    other = tidy(coef + 0.1 * np.random.default_rng(2).standard_normal(coef.shape), penalty)
    away = multinomial_gap(X, y, other, best.intercept, **options)
    assert away.absolute >= away.primal - best.objective - 1e-8
    assert away.dual <= best.objective + 1e-8


@pytest.mark.parametrize("weighted", [False, True])
def test_svm(weighted):
    pytest.importorskip("cvxpy")
    X, y, weights = problem("logistic", weighted)
    best = svm_dual(X, y, 0.5, weights)
    gap = svm_gap(X, y, best.dual, 0.5, weights)
    assert gap.dual == pytest.approx(-best.objective, rel=1e-7)
    assert -1e-13 <= gap.relative <= 1e-7
    away = svm_gap(X, y, best.dual + 0.1, 0.5, weights)
    assert away.primal >= gap.primal - 1e-8
    assert away.dual <= gap.dual + 1e-8


def test_box_certifies_non_negative_least_squares():
    rng = np.random.default_rng(3)
    X, y = rng.standard_normal((20, 12)), rng.standard_normal(20)
    exact = scipy.optimize.nnls(X, y)[0]
    gap = box_gap(X, y, exact, 0.0, 2.0 * exact.max())
    assert -1e-13 <= gap.relative <= 1e-12
    assert box_gap(X, y, 0.5 * exact, 0.0, 2.0 * exact.max()).absolute >= gap.primal * 1e-3
    assert kkt_residual(X, y, exact, penalty=UNPENALISED["non-negative"]) <= 1e-12


def test_penalties_are_infinite_outside_their_bounds():
    assert PENALTIES["non-negative l1"].value(np.array([-1e-9, 1.0])) == np.inf
    assert PENALTIES["box"].value(np.full(8, 0.3)) == np.inf
    X, y, _ = problem("squared", False)
    assert kkt_residual(X, y, -np.ones(8), penalty=UNPENALISED["non-negative"]) == np.inf
