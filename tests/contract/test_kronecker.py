"""The contract of system 5. A list of factors is not an array: scikit-learn's checks see one factor."""

import multiprocessing
import warnings
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from sklearn.base import clone
from sklearn.utils.estimator_checks import parametrize_with_checks

from sparsesolve import KroneckerSBL
from sparsesolve.datasets import make_kronecker_recovery

EXPECTED = {"check_complex_data": "complex data are what this estimator is for"}


@parametrize_with_checks(
    [KroneckerSBL("mm", max_iter=2000), KroneckerSBL("svd", max_iter=2000)],
    expected_failed_checks=lambda estimator: EXPECTED,
)
def test_scikit_learn_check(estimator, check):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        check(estimator)


@pytest.fixture(scope="module")
def data():
    return make_kronecker_recovery((6, 5, 5), (5, 4, 6), 2, snr_db=15.0, random_state=0)


MODELS = [KroneckerSBL(method, random_state=0, max_iter=1000) for method in ("auto", "mm", "svd", "dsbl")]


@pytest.fixture(params=MODELS, ids=lambda model: model.method)
def model(request):
    return clone(request.param)


def test_same_bits_from_eight_threads(model, data):
    expected = model.fit(data.factors, data.y).coef_
    state = np.random.get_state()[1].copy()  # noqa: NPY002
    with ThreadPoolExecutor(8) as pool:
        for other in pool.map(lambda _: clone(model).fit(data.factors, data.y), range(8)):
            assert_array_equal(other.coef_, expected)
    assert_array_equal(np.random.get_state()[1], state)  # noqa: NPY002


def _fitted(model, data, queue):
    queue.put(model.fit(data.factors, data.y).coef_)


def test_a_forked_child(model, data):
    if "fork" not in multiprocessing.get_all_start_methods():
        pytest.skip("this system cannot fork")
    expected = model.fit(data.factors, data.y).coef_
    context = multiprocessing.get_context("fork")
    queue = context.Queue()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        child = context.Process(target=_fitted, args=(clone(model), data, queue))
        child.start()
    assert_array_equal(queue.get(timeout=60), expected)
    child.join(60)


def test_layouts(model, data):
    expected = model.fit(data.factors, data.y).coef_
    read_only = [np.asfortranarray(factor) for factor in data.factors]
    for factor in read_only:
        factor.setflags(write=False)
    strided = np.repeat(data.y, 2)[::2]
    assert_array_equal(clone(model).fit(read_only, strided).coef_, expected)
    backwards = [factor[::-1][::-1].astype(factor.dtype.newbyteorder()) for factor in data.factors]
    assert_array_equal(clone(model).fit(backwards, data.y).coef_, expected)


def test_interrupt_keeps_the_answer(model, data):
    seen = []

    def interrupt(iterate):
        seen.append(iterate)
        if len(seen) == 3:
            raise KeyboardInterrupt

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model.set_params(callback=interrupt).fit(data.factors, data.y)
    assert model.result_.status.name == "STOPPED"
    assert sum("STOPPED" in str(warning.message) for warning in caught) == 1
    assert np.isfinite(model.predict(data.factors)).all()
