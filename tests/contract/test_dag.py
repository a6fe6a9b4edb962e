"""The contract of system 6."""

import multiprocessing
import warnings
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from sklearn.base import clone
from sklearn.utils.estimator_checks import parametrize_with_checks

from sparsesolve import CoLiDE
from sparsesolve.datasets import make_linear_sem
from sparsesolve.exceptions import AssumptionWarning


@parametrize_with_checks([CoLiDE(n_starts=1), CoLiDE("equal"), CoLiDE(alpha=0.1, n_starts=1)])
def test_scikit_learn_check(estimator, check):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", AssumptionWarning)
        check(estimator)


@pytest.fixture(scope="module")
def X():
    return make_linear_sem(300, 8, degree=1.5, random_state=0).X


MODELS = [CoLiDE("equal"), CoLiDE("unequal"), CoLiDE("auto"), CoLiDE("equal", alpha=0.1)]


@pytest.fixture(params=MODELS, ids=lambda model: f"{model.noise}-{model.alpha}")
def model(request):
    return clone(request.param)


def test_same_bits_from_eight_threads(model, X):
    expected = model.fit(X).adjacency_
    state = np.random.get_state()[1].copy()  # noqa: NPY002
    with ThreadPoolExecutor(8) as pool:
        for other in pool.map(lambda _: clone(model).fit(X), range(8)):
            assert_array_equal(other.adjacency_, expected)
    assert_array_equal(np.random.get_state()[1], state)  # noqa: NPY002


def _fitted(model, X, queue):
    queue.put(model.fit(X).adjacency_)


def test_a_forked_child(model, X):
    if "fork" not in multiprocessing.get_all_start_methods():
        pytest.skip("this system cannot fork")
    expected = model.fit(X).adjacency_
    context = multiprocessing.get_context("fork")
    queue = context.Queue()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        child = context.Process(target=_fitted, args=(clone(model), X, queue))
        child.start()
    assert_array_equal(queue.get(timeout=60), expected)
    child.join(60)


def test_layouts(model, X):
    expected = model.fit(X).adjacency_
    for same in (
        np.asfortranarray(X),
        X[::-1][::-1],
        X.astype(X.dtype.newbyteorder()),
        np.repeat(X, 2, axis=1)[:, ::2],
    ):
        assert_array_equal(clone(model).fit(same).adjacency_, expected)


def test_permuted_columns(model, X):
    order = np.random.default_rng(0).permutation(8)
    plain, permuted = model.fit(X).cpdag_, clone(model).fit(X[:, order]).cpdag_
    assert_array_equal(permuted, plain[np.ix_(order, order)])


def test_repeated_rows_change_no_weights(X):
    """The covariance is the same; twice the rows let in more edges, if any."""
    model = CoLiDE("equal", alpha=0.1).fit(X)
    twice = CoLiDE("equal", alpha=0.1).fit(np.vstack([X, X]))
    np.testing.assert_allclose(twice.adjacency_, model.adjacency_, atol=1e-9)
