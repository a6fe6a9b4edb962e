"""The contract of system 3's linear models.

Their answers depend on a penalty, so that the laws of scaling differ from those of least squares.
"""

import copy
import multiprocessing
import os
import pickle
import tracemalloc
import warnings
from concurrent.futures import ThreadPoolExecutor

import joblib
import numpy as np
import pytest
import scipy.sparse
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.utils.estimator_checks import parametrize_with_checks

from sparsesolve import BCDClassifier, BCDClassifierCV, BCDRegressor, BCDRegressorCV
from sparsesolve.backends.threads import num_threads, run_chunks
from sparsesolve.exceptions import ConvergenceWarning

MODELS = [
    BCDRegressor(alpha=0.05),
    BCDRegressor(alpha=0.05, penalty="elastic-net", fit_intercept=False),
    BCDRegressor(alpha=0.05, positive=True),
    BCDClassifier(alpha=0.02),
    BCDRegressor(alpha=0.05, penalty="group", groups=np.arange(40) // 4),
]


@parametrize_with_checks(
    [
        BCDRegressor(),
        BCDRegressor(alpha=0.01, penalty="elastic-net"),
        BCDRegressor(alpha=0.1, loss="poisson"),
        BCDRegressor(penalty="none"),
        BCDRegressor(alpha=0.1, selection="gsd"),
        BCDClassifier(alpha=0.01),
        BCDClassifier(alpha=0.1, loss="multinomial", penalty="l2", tol=1e-14),
        BCDClassifier(alpha=0.01, loss="hinge", penalty="l2"),
        BCDRegressorCV(n_alphas=4, ratio=0.03, cv=3),
        BCDClassifierCV(n_alphas=4, ratio=0.03, cv=3),
    ]
)
def test_scikit_learn_check(estimator, check):
    check(estimator)


@pytest.fixture(params=MODELS, ids=lambda model: repr(model)[:60])
def model(request):
    return clone(request.param)


@pytest.fixture
def rng():
    return np.random.default_rng(3)


@pytest.fixture
def data(rng, model):
    X = rng.standard_normal((80, 40))
    y = X[:, :5] @ [2.0, -1.0, 1.0, 0.5, 0.5] + 0.5 * rng.standard_normal(80) + 1.0
    return X, (np.sign(y) if isinstance(model, BCDClassifier) else y)


def answer(model):
    return np.append(np.ravel(model.coef_), model.intercept_)


def primal_and_dual(model, X, y, weights=None):
    """Objective and dual value, by plain formulas, from coefficients and dual point."""
    weights = np.full(y.size, 1.0 / y.size) if weights is None else weights / weights.sum()
    coef, theta, z = np.ravel(model.coef_), model.result_.solution.dual_point, X @ answer(model)[:-1]
    z = z + answer(model)[-1]
    pulls = X.T @ theta
    keep = weights > 0
    if isinstance(model, BCDClassifier):
        loss = np.logaddexp(0.0, -y * z)
        p = np.clip((theta * y)[keep] / weights[keep], 0, 1)
        dual = -weights[keep] @ (
            p * np.log(np.maximum(p, 1e-300)) + (1 - p) * np.log(np.maximum(1 - p, 1e-300))
        )
    else:
        loss = 0.5 * (y - z) ** 2
        dual = theta @ y - 0.5 * (theta[keep] ** 2 / weights[keep]).sum()
    l1, l2 = model.alpha, 0.0
    if model.penalty == "elastic-net":
        l1, l2 = model.alpha * model.l1_ratio, model.alpha * (1 - model.l1_ratio)
    if model.penalty == "group":
        labels = np.asarray(model.groups)
        lengths = np.sqrt(np.bincount(labels, coef**2))
        sizes, penalty = np.sqrt(np.bincount(labels, pulls**2)), l1 * lengths.sum()
    else:
        sizes = np.maximum(pulls, 0.0) if model.positive else np.abs(pulls)
        penalty = l1 * np.abs(coef).sum() + 0.5 * l2 * coef @ coef
    if l2:
        dual -= (np.maximum(sizes - l1, 0.0) ** 2).sum() / (2 * l2)
    else:
        assert sizes.max() <= l1 * (1 + 1e-9)  # the proof is feasible
    if model.fit_intercept:
        assert abs(theta.sum()) <= 1e-9 * np.abs(theta).sum()
    return weights @ loss + penalty, dual


@pytest.mark.parametrize("weighted", [False, True])
def test_certificate_is_true(model, data, rng, weighted):
    X, y = data
    weights = rng.integers(0, 3, y.size).astype(float) if weighted else None
    model.fit(X, y, sample_weight=weights)
    primal, dual = primal_and_dual(model, X, y, weights)
    assert_allclose(model.result_.solution.objective, primal, rtol=1e-12)
    assert model.converged_
    assert model.dual_gap_ <= 1e-10
    assert -1e-12 <= primal - dual <= 1e-9


def test_weights_are_repetitions(model, data, rng):
    X, y = data
    counts = rng.integers(0, 3, y.size)
    weighted = clone(model).fit(X, y, sample_weight=counts)
    repeated = model.fit(np.repeat(X, counts, axis=0), np.repeat(y, counts))
    assert_allclose(answer(weighted), answer(repeated), atol=1e-6)


@pytest.mark.parametrize("factor", [1e-150, 1e-12, 1e12, 1e150])
def test_scale_of_the_data(model, data, factor):
    X, y = data
    expected = answer(model.fit(X, y))[:-1]
    parameters = {"alpha": model.alpha * factor}
    if model.penalty == "elastic-net":  # its ridge part goes with the square
        l1, l2 = model.alpha * model.l1_ratio * factor, model.alpha * (1 - model.l1_ratio) * factor**2
        parameters = {"alpha": l1 + l2, "l1_ratio": l1 / (l1 + l2)}
        if factor < 1:
            pytest.skip("l1_ratio would be 1 to rounding")
    scaled = clone(model).set_params(**parameters).fit(X * factor, y)
    assert_allclose(answer(scaled)[:-1] * factor, expected, atol=1e-6)


def test_permutations(model, data, rng):
    X, y = data
    expected = answer(model.fit(X, y))
    rows = rng.permutation(80)
    assert_allclose(answer(clone(model).fit(X[rows], y[rows])), expected, atol=1e-6)


def test_duplicate_zero_and_constant_columns(data, model, rng):
    if model.penalty == "group":
        pytest.skip("the groups are of the columns")
    X, y = data
    expected = model.fit(X, y).result_.solution.objective
    more = np.column_stack([X, X[:, 0], np.zeros(80), np.ones(80)])
    again = clone(model).fit(more, y)
    assert again.converged_
    assert again.coef_.ravel()[41] == 0.0
    if model.penalty == "l1" and model.fit_intercept:
        assert again.coef_.ravel()[42] == 0.0
        assert_allclose(again.result_.solution.objective, expected, rtol=1e-9)


@pytest.mark.parametrize(
    "convert",
    [
        np.asfortranarray,
        lambda X: X[::-1][::-1],
        lambda X: X.astype(">f8"),
        scipy.sparse.csr_array,
        scipy.sparse.csc_matrix,
        lambda X: scipy.sparse.csc_array(X).astype(np.float64)[:, np.arange(40)],
    ],
)
def test_layouts(model, data, convert):
    X, y = data
    expected = answer(model.fit(X, y))
    given = convert(X)
    before = copy.deepcopy(given)
    assert_allclose(answer(clone(model).fit(given, y)), expected, atol=1e-6)
    assert abs(given - before).max() == 0.0


def test_single_precision_input(model, data):
    X, y = data
    expected = answer(model.fit(X, y))
    assert_allclose(answer(clone(model).fit(X.astype(np.float32), y)), expected, atol=1e-5)


def test_same_bits_every_time_and_from_eight_threads(model, data):
    expected = answer(model.fit(*data))
    state = np.random.get_state()[1].copy()  # noqa: NPY002
    with ThreadPoolExecutor(8) as pool:
        for other in pool.map(lambda _: clone(model).fit(*data), range(8)):
            assert_array_equal(answer(other), expected)
    assert_array_equal(np.random.get_state()[1], state)  # noqa: NPY002


def test_pickle_and_copies(model, data):
    model.fit(*data)
    for again in (pickle.loads(pickle.dumps(model)), copy.deepcopy(model), clone(model).fit(*data)):
        assert_array_equal(answer(again), answer(model))
        assert_array_equal(again.predict(data[0]), model.predict(data[0]))
    assert not hasattr(clone(model), "result_")


@pytest.mark.parametrize("backend", ["loky", "threading"])
def test_joblib(model, data, backend):
    expected = answer(clone(model).fit(*data))
    with joblib.parallel_config(backend, n_jobs=2):
        for other in joblib.Parallel()(joblib.delayed(clone(model).fit)(*data) for _ in range(3)):
            # Not bit by bit: in another process arrays lie elsewhere, and sums are split where lines of cache begin.
            assert_allclose(answer(other), expected, atol=1e-10)


def _fit_in_child(model, data, queue):
    queue.put(answer(model.fit(*data)))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="fork")
def test_fork(model, data):
    expected = answer(clone(model).fit(*data))
    run_chunks(lambda chunk: None, num_threads())
    context = multiprocessing.get_context("fork")
    queue = context.Queue()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        child = context.Process(target=_fit_in_child, args=(clone(model), data, queue))
        child.start()
    assert_array_equal(queue.get(timeout=60), expected)
    child.join(60)


@pytest.mark.parametrize(
    ("parameters", "status"),
    [
        ({"max_iter": 1}, "MAX_ITER"),
        ({"max_time": 0.0}, "TIME_LIMIT"),
        ({"callback": lambda iterate: True}, "STOPPED"),
    ],
)
def test_what_ended_early_says_so_once(model, data, parameters, status):
    with pytest.warns(ConvergenceWarning, match=f"{status}: the relative duality gap is") as seen:
        model.set_params(**parameters).fit(*data)
    assert len(seen) == 1
    assert model.result_.status.name == status
    assert not model.converged_
    primal, dual = primal_and_dual(model, *data)
    assert primal - dual >= -1e-12
    model.predict(data[0])


def test_zero_tolerance_is_taken_at_its_word(model, data):
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        model.set_params(tol=0.0).fit(*data)
    assert model.dual_gap_ < 1e-13
    assert model.converged_ == (model.dual_gap_ == 0.0) == (not seen)
    assert model.converged_ or "STALLED" in str(seen[0].message)


def test_interrupt_keeps_the_best(model, data):
    def interrupt(iterate):
        raise KeyboardInterrupt

    with pytest.warns(ConvergenceWarning, match="STOPPED"):
        model.set_params(callback=interrupt).fit(*data)
    assert np.isfinite(answer(model)).all()


def test_trace(model, data):
    model.fit(*data)
    trace = model.result_.trace
    assert len(trace) == model.n_iter_
    assert_array_equal(trace["iteration"], np.arange(1, model.n_iter_ + 1))
    assert trace["certificate"][-1] <= 1e-10
    assert trace["support"][-1] >= 1


def test_no_growth_over_many_fits(model, data, growth):
    model.fit(*data)
    assert growth(lambda: model.fit(*data), 60) < 50_000


def test_no_square_matrix_of_the_features(rng):
    X = scipy.sparse.random(200, 20000, density=0.001, random_state=0, format="csc")
    y = rng.standard_normal(200)
    BCDRegressor(alpha=0.01).fit(X[:, :100], y)
    tracemalloc.start()
    try:
        BCDRegressor(alpha=0.01).fit(X, y)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 64e6


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda X, y: (np.where(np.arange(40) == 3, np.nan, X), y), r"X\[0, 3\] is NaN"),
        (lambda X, y: (np.where(np.arange(40) == 3, np.inf, X), y), r"X\[0, 3\] is infinity"),
        (lambda X, y: (X, y[:-1]), r"y has 79 entries, but X has 80 rows"),
        (lambda X, y: (X[:0], y[:0]), "0 sample"),
        (lambda X, y: (X + 1j, y), "Complex data not supported"),
        (lambda X, y: (X, None), "requires y"),
    ],
)
def test_bad_data(model, data, change, message):
    with pytest.raises(ValueError, match=message):
        model.fit(*change(*data))


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        (-np.ones(80), r"sample_weight\[0\]=-1.0 is negative"),
        (np.zeros(80), "sample_weight is zero on every row"),
        (np.ones(79), r"sample_weight has shape \(79,\)"),
    ],
)
def test_bad_weights(model, data, weights, message):
    with pytest.raises(ValueError, match=message):
        model.fit(*data, sample_weight=weights)


def test_failed_fit_leaves_the_old_one(model, data):
    model.fit(*data)
    expected = answer(model)
    with pytest.raises(ValueError, match="NaN"):
        model.fit(data[0] * np.nan, data[1])
    assert_array_equal(answer(model), expected)
