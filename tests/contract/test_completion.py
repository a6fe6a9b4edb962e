"""The contract of system 4. NaN means a missing entry here, and `predict` takes pairs of numbers."""

import multiprocessing
import os
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.utils.estimator_checks import parametrize_with_checks

from sparsesolve import MatrixCompletion
from sparsesolve.datasets.completion import make_low_rank


class Filler(MatrixCompletion):
    """Without `predict`, whose argument are pairs of numbers where scikit-learn's checks give rows."""

    def __getattribute__(self, name):
        if name == "predict":
            raise AttributeError(name)
        return super().__getattribute__(name)


# Complete data of rank above ours: a ridge makes the answer unique.
@parametrize_with_checks([Filler(rank=1, alpha=0.1), Filler(rank=1, alpha=0.1, bias=True)])
def test_scikit_learn_check(estimator, check):
    check(estimator)


@pytest.fixture
def data():
    return make_low_rank(100, 80, 2, oversampling=5.0, noise=0.1, random_state=0).X


MODELS = [
    MatrixCompletion(rank=2, alpha=0.1, random_state=0),
    MatrixCompletion(rank=2, alpha=0.1, inner="cg", random_state=0),
    MatrixCompletion(rank=2, alpha=0.1, inner="sketch", random_state=0),
    MatrixCompletion(rank=2, bias=True, random_state=0),
    MatrixCompletion(rank=2, loss="huber", random_state=0),
]


@pytest.fixture(params=MODELS, ids=lambda model: repr(model)[17:60])
def model(request):
    return clone(request.param)


def answer(model):
    return np.concatenate([model.row_factors_.ravel(), model.column_factors_.ravel()])


def test_same_bits_every_time_and_from_eight_threads(model, data):
    expected = answer(model.fit(data))
    state = np.random.get_state()[1].copy()  # noqa: NPY002
    with ThreadPoolExecutor(8) as pool:
        for other in pool.map(lambda _: clone(model).fit(data), range(8)):
            assert_array_equal(answer(other), expected)
    assert_array_equal(np.random.get_state()[1], state)  # noqa: NPY002


def test_permuted_rows_and_columns(model, data):
    rng = np.random.default_rng(1)
    rows, columns = rng.permutation(100), rng.permutation(80)
    one = model.fit(data).fit_transform(data)
    other = clone(model).fit_transform(data[rows][:, columns])
    assert_allclose(other, one[rows][:, columns], atol=1e-4)


def test_read_only_data(model, data):
    for part in (data.data, data.indices, data.indptr):
        part.flags.writeable = False
    assert clone(model).fit(data).converged_


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_a_forked_child_finds_the_same(model, data):
    expected = answer(model.fit(data))
    with multiprocessing.get_context("fork").Pool(1) as pool:
        assert_array_equal(answer(pool.apply_async(clone(model).fit, (data,)).get(120)), expected)
