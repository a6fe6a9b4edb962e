"""The contract of `SinkhornNewtonSparse`: what other estimators keep, for one of two point sets."""

import copy
import gc
import logging
import multiprocessing
import os
import pickle
import signal
import threading
import tracemalloc
import warnings
from concurrent.futures import ThreadPoolExecutor

import joblib
import numpy as np
import pytest
from sklearn.base import clone
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks
from threadpoolctl import threadpool_limits

from sparsesolve import SinkhornNewtonSparse, Status
from sparsesolve.exceptions import ConvergenceWarning
from sparsesolve.reference.transport import marginal_error, plan_of

ENGINES = ("auto", "sinkhorn", "newton-dense", "newton-sparse")


class SelfTransport(SinkhornNewtonSparse):
    """Points to themselves. The second argument of `fit` are labels to scikit-learn's checks, and targets to ours."""

    def fit(self, X, y=None, sample_weight=None):
        return super().fit(X, None, sample_weight, sample_weight)


@parametrize_with_checks(
    [SelfTransport(), SelfTransport(metric="cityblock"), SelfTransport(solver="newton-sparse")]
)
def test_scikit_learn_check(estimator, check):
    check(estimator)


@pytest.fixture
def rng():
    return np.random.default_rng(20260101)


@pytest.fixture
def data(rng):
    return rng.standard_normal((90, 2)), rng.standard_normal((120, 2)) + 1.0


def answer(model):
    return np.concatenate(model.potentials_)


def recomputed(model, X, Y, a=None, b=None):
    """The certificate by naive code."""
    C = ((np.asarray(X, float)[:, None, :] - np.asarray(Y, float)) ** 2).sum(axis=2)
    a = np.full(len(X), 1 / len(X)) if a is None else a
    b = np.full(len(Y), a.sum() / len(Y)) if b is None else b
    with np.errstate(invalid="ignore"):
        plan = np.nan_to_num(plan_of(*model.potentials_, C, model.reg))
    return marginal_error(plan, a, b)


def fit_and_count(model, X, Y):
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        model.fit(X, Y)
    return model, seen


def warned_once(seen, model, status):
    assert [warning.category for warning in seen] == [ConvergenceWarning]
    assert status.name in str(seen[0].message)
    assert status.help in str(seen[0].message)
    assert model.result_.status is status
    assert not model.converged_


@pytest.mark.parametrize("solver", ENGINES)
@pytest.mark.parametrize("reg", [1.0, 0.03])
def test_certificate_is_true(data, solver, reg):
    model = SinkhornNewtonSparse(reg=reg, solver=solver).fit(*data)
    true = recomputed(model, *data)
    assert model.converged_
    assert true <= 2 * model.marginal_error_ + 1e-15
    assert model.marginal_error_ in model.result_.certificate.values()
    assert model.marginal_error_ <= model.tol
    assert 0 <= model.dual_gap_ < 1e-6


@pytest.mark.parametrize("factor", [1e-75, 1e-4, 1e4, 1e75])
def test_scale(data, factor):
    """Points times s, reg times s^2: potentials times s^2, the plan as it was."""
    X, Y = data
    model = SinkhornNewtonSparse(reg=0.1).fit(X, Y)
    moved = SinkhornNewtonSparse(reg=0.1 * factor**2).fit(X * factor, Y * factor)
    assert moved.converged_
    np.testing.assert_allclose(answer(moved) / factor**2, answer(model), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(moved.plan_.toarray(), model.plan_.toarray(), atol=1e-10)


@pytest.mark.parametrize("mass", [1e-150, 3.0, 1e150])
def test_mass(data, mass):
    X, Y = data
    model = SinkhornNewtonSparse(reg=0.1).fit(X, Y)
    moved = SinkhornNewtonSparse(reg=0.1).fit(X, Y, sample_weight=np.full(len(X), mass / len(X)))
    assert moved.converged_
    np.testing.assert_allclose(moved.plan_.toarray() / mass, model.plan_.toarray(), atol=1e-9)


def test_zero_weight_is_absence(data, rng):
    X, Y = data
    weights = rng.uniform(0.5, 2.0, len(X))
    weights[::3] = 0.0
    kept = weights > 0
    model = SinkhornNewtonSparse(reg=0.1).fit(X, Y, weights)
    expected = SinkhornNewtonSparse(reg=0.1).fit(X[kept], Y, weights[kept])
    assert np.all(np.isneginf(model.potentials_[0][~kept]))
    np.testing.assert_allclose(model.plan_.toarray()[kept], expected.plan_.toarray(), atol=1e-9)
    assert model.plan_[~kept].nnz == 0


def test_duplicates_share(data):
    X, Y = data
    model = SinkhornNewtonSparse(reg=0.1, tol=1e-12).fit(X, Y)
    double = SinkhornNewtonSparse(reg=0.1, tol=1e-12).fit(np.repeat(X, 2, axis=0), Y)
    shared = double.plan_.toarray().reshape(len(X), 2, len(Y)).sum(axis=1)
    np.testing.assert_allclose(shared, model.plan_.toarray(), atol=1e-11)


@pytest.mark.parametrize("shape", [(1, 1), (1, 5), (6, 1), (2, 3)])
def test_few_points(rng, shape):
    X, Y = rng.standard_normal((shape[0], 2)), rng.standard_normal((shape[1], 2))
    model = SinkhornNewtonSparse(reg=1e-3).fit(X, Y)
    assert model.converged_
    assert recomputed(model, X, Y) <= 1e-9


@pytest.mark.parametrize("metric", ["sqeuclidean", "euclidean", "cityblock"])
def test_constant_points(metric):
    model = SinkhornNewtonSparse(reg=1e-3, metric=metric).fit(np.ones((7, 3)), np.ones((5, 3)))
    assert model.converged_
    np.testing.assert_allclose(model.plan_.toarray(), 1 / 35)


@pytest.mark.parametrize(
    "convert",
    [np.asfortranarray, np.float32, lambda x: x.astype(">f8"), lambda x: x[::-1][::-1], lambda x: x.tolist()],
    ids=["fortran", "float32", "big-endian", "strides", "lists"],
)
def test_layouts(data, convert):
    X, Y = (np.float32(x).astype(float) for x in data)
    expected = SinkhornNewtonSparse(reg=0.1).fit(X, Y)
    before = X.copy(), Y.copy()
    model = SinkhornNewtonSparse(reg=0.1).fit(convert(X), convert(Y))
    np.testing.assert_allclose(answer(model), answer(expected), atol=1e-9)
    for one, two in zip((X, Y), before, strict=True):
        np.testing.assert_array_equal(one, two)


def test_precomputed_equals_points_and_is_left_as_it_was(data):
    X, Y = data
    C = ((X[:, None] - Y) ** 2).sum(axis=2)
    before = C.copy()
    C.flags.writeable = False
    model = SinkhornNewtonSparse(reg=0.1, metric="precomputed").fit(C, Y)
    expected = SinkhornNewtonSparse(reg=0.1).fit(X, Y)
    np.testing.assert_array_equal(C, before)
    np.testing.assert_allclose(answer(model), answer(expected), atol=1e-8)
    np.testing.assert_allclose(model.transform(C), expected.transform(X), atol=1e-7)
    by_function = SinkhornNewtonSparse(reg=0.1, metric=lambda X, Y: ((X[:, None] - Y) ** 2).sum(axis=2)).fit(
        X, Y
    )
    np.testing.assert_allclose(by_function.predict(X[:5]), expected.transform(X[:5]), atol=1e-7)


def test_same_bits_for_any_number_of_threads(rng):
    X, Y = rng.standard_normal((1200, 2)), rng.standard_normal((1100, 2))
    bits = set()
    for limit in (1, 2, 4):
        with threadpool_limits(limit):
            bits.add(answer(SinkhornNewtonSparse(reg=0.02).fit(X, Y)).tobytes())
    assert len(bits) == 1


def test_eight_threads_fitting_at_once(data):
    expected = answer(SinkhornNewtonSparse(reg=0.01).fit(*data)).tobytes()
    start = threading.Barrier(8)

    def fit(_):
        start.wait(timeout=30)
        return answer(SinkhornNewtonSparse(reg=0.01).fit(*data)).tobytes()

    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(fit, range(8))) == {expected}


def test_pickle_clone_and_copy(data):
    model = SinkhornNewtonSparse(reg=0.1).fit(*data)
    text = pickle.dumps(model)
    again = pickle.loads(text)
    assert len(text) < 8 * 90 * 120  # the points, and no matrix
    np.testing.assert_array_equal(answer(again), answer(model))
    np.testing.assert_array_equal(again.transform(data[0]), model.transform(data[0]))
    np.testing.assert_array_equal(again.plan_.toarray(), model.plan_.toarray())
    np.testing.assert_array_equal(answer(copy.deepcopy(model)), answer(model))
    twin = clone(model)
    assert not hasattr(twin, "result_")
    np.testing.assert_array_equal(answer(twin.fit(*data)), answer(model))


@pytest.mark.parametrize("backend", ["loky", "threading"])
def test_joblib(data, backend):
    expected = answer(SinkhornNewtonSparse(reg=0.1).fit(*data))
    with joblib.parallel_config(backend, n_jobs=2):
        models = joblib.Parallel()(joblib.delayed(SinkhornNewtonSparse(reg=0.1).fit)(*data) for _ in range(3))
    # A worker may have compiled its kernels itself, or have read them: the same numbers but for rounding.
    for model in models:
        np.testing.assert_allclose(answer(model), expected, atol=1e-8)


def _fit_in_child(data, queue):
    queue.put(answer(SinkhornNewtonSparse(reg=0.1).fit(*data)))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="fork")
def test_fork(data):
    expected = answer(SinkhornNewtonSparse(reg=0.1).fit(*data))
    context = multiprocessing.get_context("fork")
    queue = context.Queue()
    child = context.Process(target=_fit_in_child, args=(data, queue))
    child.start()
    np.testing.assert_array_equal(queue.get(timeout=60), expected)
    child.join(60)
    assert child.exitcode == 0


def test_one_round(data):
    model, seen = fit_and_count(SinkhornNewtonSparse(reg=1e-3, max_iter=1), *data)
    warned_once(seen, model, Status.MAX_ITER)
    assert model.n_iter_ == 1 == len(model.result_.trace)
    assert recomputed(model, *data) == pytest.approx(model.marginal_error_, rel=1e-6)
    assert np.all(np.isfinite(model.transform(data[0])))


def test_time_limit(data):
    model, seen = fit_and_count(SinkhornNewtonSparse(reg=1e-3, max_time=0.0), *data)
    warned_once(seen, model, Status.TIME_LIMIT)
    assert recomputed(model, *data) == pytest.approx(model.marginal_error_, rel=1e-6)


def test_tolerance_below_rounding_stalls(data):
    model, seen = fit_and_count(SinkhornNewtonSparse(reg=1e-3, tol=0.0), *data)
    warned_once(seen, model, Status.STALLED)
    assert model.marginal_error_ < 1e-11
    assert recomputed(model, *data) < 1e-11


def test_signal_keeps_the_best_potentials(data):
    def press_control_c(iterate):
        os.kill(os.getpid(), signal.SIGINT)

    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        model, seen = fit_and_count(SinkhornNewtonSparse(reg=1e-3, callback=press_control_c), *data)
    finally:
        signal.signal(signal.SIGINT, before)
    warned_once(seen, model, Status.STOPPED)
    assert recomputed(model, *data) == pytest.approx(model.marginal_error_, rel=1e-6)


def test_callback_and_trace(data):
    calls = []
    model = SinkhornNewtonSparse(reg=1e-3, callback=calls.append).fit(*data)
    trace = model.result_.trace
    assert len(calls) == model.n_iter_ == len(trace) > 1
    np.testing.assert_array_equal([call.certificate for call in calls], trace["certificate"])
    assert np.all(np.diff(trace["time"]) >= 0)
    assert np.all(np.diff(trace["reg"]) <= 0)
    assert trace["engine"][-1] == model.solver_


def test_progress_is_logged_when_asked_for(data, caplog, capsys):
    caplog.set_level(logging.INFO, logger="sparsesolve")
    SinkhornNewtonSparse(reg=1e-2).fit(*data)
    assert caplog.records == []
    model = SinkhornNewtonSparse(reg=1e-2, verbose=True).fit(*data)
    assert len(caplog.records) == model.n_iter_
    assert capsys.readouterr() == ("", "")


def test_no_growth_over_many_fits(data, growth):
    model = SinkhornNewtonSparse(reg=0.1).fit(*data)
    assert growth(lambda: model.fit(*data), 100) < 50_000


def test_no_matrix_where_none_is_promised(monkeypatch, rng):
    from sparsesolve.transport import problem

    monkeypatch.setattr(problem, "_STORED_PAIRS", 0)
    X, Y = rng.standard_normal((1500, 2)), rng.standard_normal((1400, 2))
    model = SinkhornNewtonSparse(reg=20.0)
    model.fit(X[:50], Y[:50])  # compiles
    gc.collect()
    tracemalloc.start()
    try:
        model.fit(X, Y)
        assert tracemalloc.get_traced_memory()[1] < 0.2 * 8 * 1500 * 1400
    finally:
        tracemalloc.stop()
    assert model.converged_


def test_in_a_pipeline(data):
    X, _ = data
    mapped = make_pipeline(StandardScaler(), SinkhornNewtonSparse(reg=0.1)).fit_transform(X)
    assert mapped.shape == X.shape


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"X": np.full((4, 2), np.nan)}, r"X\[0, 0\] is NaN"),
        ({"Y": np.full((4, 2), np.inf)}, r"Y\[0, 0\] is infinity"),
        ({"Y": np.ones((4, 3))}, "Y has 3 features, but X has 2"),
        ({"Y": np.ones(4)}, "Y must be two-dimensional"),
        ({"sample_weight": [1, 1, 1, -1]}, r"sample_weight\[3\]"),
        ({"sample_weight": [0, 0, 0, 0]}, "sample_weight is zero"),
        ({"sample_weight": [1, 1, 1]}, "sample_weight has shape"),
        (
            {"sample_weight": [1] * 4, "target_weight": [2] * 4},
            "sample_weight sums to 4, but target_weight to 8",
        ),
    ],
)
def test_bad_data(changes, match):
    arguments = {"X": np.eye(4)[:, :2], "Y": np.ones((4, 2))} | changes
    with pytest.raises(ValueError, match=match):
        SinkhornNewtonSparse().fit(**arguments)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("reg", 0), ("reg", -1.0), ("reg", "small"), ("reg", np.nan), ("metric", "mahalanobis"), ("metric", 3),
        ("solver", "simplex"), ("tol", -1.0), ("max_iter", 0), ("max_time", -1), ("marginal_penalty", 0),
        ("density", 0), ("sinkhorn_sweeps", -1), ("backend", "cuda"),
    ],
)  # fmt: skip
def test_bad_parameters(data, name, value):
    model = SinkhornNewtonSparse(**{name: value})  # the constructor only stores
    with pytest.raises(ValueError, match=name):
        model.fit(*data)


def test_failed_fit_leaves_the_old_one(data):
    model = SinkhornNewtonSparse(reg=0.1).fit(*data)
    before = answer(model)
    with pytest.raises(ValueError, match="reg"):
        model.set_params(reg=0).fit(*data)
    np.testing.assert_array_equal(answer(model), before)


def test_transform_without_targets_says_so(rng):
    model = SinkhornNewtonSparse(metric="precomputed").fit(rng.random((4, 5)))
    with pytest.raises(ValueError, match="give them as Y"):
        model.transform(rng.random((4, 5)))
