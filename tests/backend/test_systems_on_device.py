"""Whole solves with backend="opencl": the same certified answers as on the CPU."""

from types import SimpleNamespace

import numpy as np
import pytest
import scipy.sparse

from sparsesolve import BCDClassifier, BCDRegressor, SinkhornNewtonSparse, entropic_transport
from sparsesolve.exceptions import BackendError
from sparsesolve.transport import PointCloudCost, entropic_transport_batch
from sparsesolve.transport.device import DevicePasses

pytestmark = pytest.mark.usefixtures("device_runtime")


def plane(n=90, m=70, seed=0):
    rng = np.random.default_rng(seed)
    X, Y = rng.random((n, 2)), rng.random((m, 2))
    a, b = rng.random(n) + 0.1, rng.random(m) + 0.1
    return a / a.sum(), b / b.sum(), X, Y


def true_error(result, a, b, C, reg):
    f, g = result.solution.potentials
    plan = np.exp((f[:, None] + g - C) / reg)
    return np.abs(plan.sum(axis=1) - a).sum() + np.abs(plan.sum(axis=0) - b).sum()


@pytest.mark.parametrize(
    ("solver", "reg"), [("auto", 1e-3), ("newton-sparse", 2e-2), ("sinkhorn", 0.1), ("paper", 2e-3)]
)
def test_transport(each_form, solver, reg):
    a, b, X, Y = plane()
    C = ((X[:, None] - Y) ** 2).sum(axis=2)
    density = 0.2 if solver == "paper" else None
    found = entropic_transport(a, b, C, reg, solver=solver, density=density, backend="opencl")
    assert found.converged
    assert found.certificate["marginal_error"] <= 1e-9
    assert true_error(found, a, b, C, reg) <= 1.1e-9
    f, g = found.solution.potentials
    assert found.solution.objective == pytest.approx(a @ f + b @ g - reg, abs=1e-9)
    assert found.backend.name == "opencl"
    assert ("newton-sparse" in found.backend.reason) == (solver == "auto")
    if solver in ("auto", "newton-sparse", "paper"):
        assert found.solution.counts["newton_steps"] > 0 < found.solution.counts["cg_steps"]


def test_points_and_zero_weights():
    a, b, X, Y = plane()
    a[3] = 0.0
    a /= a.sum()
    cost = PointCloudCost(X, Y)
    found = entropic_transport(a, b, cost, 5e-3, backend="opencl")
    assert found.converged
    assert np.isneginf(found.solution.potentials[0][3])
    assert true_error(found, a, b, cost.toarray(), 5e-3) <= 1.1e-9


def test_penalised_marginals():
    a, b, X, Y = plane()
    found = entropic_transport(a, 1.5 * b, PointCloudCost(X, Y), 5e-3, marginal_penalty=0.5, backend="opencl")
    f, g = found.solution.potentials
    plan = np.exp((f[:, None] + g - PointCloudCost(X, Y).toarray()) / 5e-3)
    # The optimality conditions: marginals are the weights times exp(-potential / penalty).
    error = np.abs(plan.sum(axis=1) - a * np.exp(-f / 0.5)).sum()
    error += np.abs(plan.sum(axis=0) - 1.5 * b * np.exp(-g / 0.5)).sum()
    assert found.converged
    assert error <= 1.6e-9


def test_random_assignment_at_small_reg():
    """Plans that are nearly one-to-one: the hardest systems."""
    C = np.random.default_rng(1).random((80, 80))
    a = np.full(80, 1.0 / 80)
    found = entropic_transport(a, a, C, 5e-4, backend="opencl")
    assert found.converged
    assert true_error(found, a, a, C, 5e-4) <= 1.1e-9


def test_the_same_bits_each_time_and_a_warm_start():
    a, b, X, Y = plane()
    C = ((X[:, None] - Y) ** 2).sum(axis=2)
    one, other = (entropic_transport(a, b, C, 1e-3, backend="opencl").solution for _ in range(2))
    assert np.array_equal(one.potentials[0], other.potentials[0])
    warm = entropic_transport(a, b, C, 1e-3, backend="opencl", potentials=one.potentials)
    assert warm.converged
    assert warm.solution.counts["newton_steps"] <= 1


def test_a_plan_whose_entries_are_all_alike_is_cut_to_what_buffers_hold():
    asked = []

    def entries_above(f, g, reg, rows, columns):
        asked.append(float((rows[:, None] + columns).max()))
        assert len(asked) < 100, "it goes on for ever"
        return SimpleNamespace(n_entries=0) if asked[-1] > 0.0 else None

    state = SimpleNamespace(
        f=None, g=None, row_share=np.ones(2), column_share=np.ones(3), pairs=6, dense_passes=0, density=1.0,
        depth=lambda share: 3.0,
    )  # fmt: skip
    DevicePasses(state, SimpleNamespace(entries_above=entries_above)).entries(1.0, 0.1)
    assert asked == sorted(asked)


def test_estimator():
    _, _, X, Y = plane()
    model = SinkhornNewtonSparse(reg=5e-3, backend="opencl").fit(X, Y)
    assert model.converged_
    assert model.result_.backend.name == "opencl"
    assert model.marginal_error_ <= 1e-9
    assert model.transform(X).shape == X.shape


def test_what_has_no_device_form_says_so():
    a, b, X, Y = plane()
    with pytest.raises(BackendError, match="solver='newton-dense' has no OpenCL form.*'newton-sparse'"):
        entropic_transport(a, b, PointCloudCost(X, Y), 0.1, solver="newton-dense", backend="opencl")
    with pytest.raises(BackendError, match="no OpenCL form"):
        entropic_transport_batch(a, b, np.zeros((2, 90, 70)), 0.1, backend="opencl")


@pytest.mark.parametrize("loss", ["squared", "logistic"])
@pytest.mark.parametrize("fit_intercept", [True, False])
def test_linear_models(each_form, loss, fit_intercept):
    rng = np.random.default_rng(5)
    X = scipy.sparse.random_array((300, 120), density=0.1, rng=rng, format="csc")
    z = X[:, :20] @ rng.standard_normal(20) + 0.5
    if loss == "squared":
        model = BCDRegressor(alpha=1e-3, fit_intercept=fit_intercept, tol=1e-9, backend="opencl")
        y = z + 0.1 * rng.standard_normal(300)
    else:
        model = BCDClassifier(alpha=1e-3, fit_intercept=fit_intercept, tol=1e-9, backend="opencl")
        y = np.where(z + 0.3 * rng.standard_normal(300) > np.median(z), 1, -1)
    there = model.fit(X, y)
    assert there.converged_
    assert there.dual_gap_ <= 1e-9
    assert there.result_.backend.name == "opencl"
    # Optimality, from the answer alone: every gradient within alpha, and equal to it on the support.
    w, c = np.ravel(there.coef_), np.ravel(there.intercept_)[0]
    margin = X @ w + c
    slope = margin - y if loss == "squared" else -y / (1.0 + np.exp(y * margin))
    gradient = X.T @ slope / 300
    assert np.abs(gradient).max() <= 1e-3 * (1 + 1e-3)
    assert np.allclose(gradient[w != 0], -1e-3 * np.sign(w[w != 0]), atol=2e-6)
    assert not fit_intercept or abs(slope.mean()) < 1e-6


def test_linear_models_without_a_device_form():
    X, y = np.random.default_rng(6).random((20, 3)), np.arange(20) % 2
    for model, data in (
        (BCDRegressor(backend="opencl"), X),
        (BCDClassifier(loss="hinge", penalty="l2", backend="opencl"), X),
        (BCDClassifier(loss="multinomial", backend="opencl"), scipy.sparse.csc_array(X)),
    ):
        with pytest.raises(BackendError, match="use backend='auto'"):
            model.fit(data, y)
