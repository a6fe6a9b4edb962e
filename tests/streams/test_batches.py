"""Many problems at once, folds and starts: on threads the same bits, on workers the same answers to rounding.

Whether workers give the same bits, too, is up to the compiler: code that was compiled in a process, and the same code
from the cache, may take sums in another order.
"""

from functools import partial

import joblib
import numpy as np
import pytest
from sklearn.model_selection import GridSearchCV

from sparsesolve import (
    BCDRegressor,
    BCDRegressorCV,
    CoLiDE,
    KroneckerSBL,
    MatrixCompletion,
    SketchedLinearRegression,
)
from sparsesolve.exceptions import ConvergenceWarning
from sparsesolve.streams import map_in_order
from sparsesolve.transport import entropic_transport_batch


def problems(count=150, n=6, m=7):
    """Small transport problems."""
    rng = np.random.default_rng(2)
    C = rng.random((count, n, m))
    return rng.dirichlet(np.ones(n), count), rng.dirichlet(np.ones(m), count), C


def assert_equal(found, expected, same_bits=False, atol=1e-12):
    if same_bits:
        np.testing.assert_array_equal(found, expected)
    else:
        np.testing.assert_allclose(found, expected, rtol=1e-9, atol=atol)


def test_transport_batches(client):
    given = problems()
    expected = entropic_transport_batch(*given, 0.05)
    for scheduler in ("threads", client):
        result = entropic_transport_batch(*given, 0.05, scheduler=scheduler)
        assert result.status is expected.status
        for name in ("marginal_error", "objective", "cost"):
            found = getattr(result.solution, name)
            assert_equal(found, getattr(expected.solution, name), scheduler == "threads")
        for mine, theirs in zip(result.solution.potentials, expected.solution.potentials, strict=True):
            assert_equal(mine, theirs, scheduler == "threads", 1e-9)
        assert result.setup_time >= 0.0
        assert result.solve_time >= 0.0


def test_transport_batches_that_fail_say_so():
    C = problems(70)[2] * np.where(np.arange(70) % 35 == 3, 60.0, 1.0)[:, None, None]  # two hard ones
    a, b, _ = problems(70)
    found = []
    for scheduler in ("serial", "threads"):
        with pytest.warns(ConvergenceWarning, match="2 of 70 problems did not reach"):
            found.append(entropic_transport_batch(a, b, C, 0.05, max_iter=1, scheduler=scheduler))
    assert found[0].status is found[1].status
    assert not found[0].converged
    assert_equal(found[1].solution.marginal_error, found[0].solution.marginal_error, same_bits=True)


def test_items_of_a_source_come_back_in_order(client):
    taken = []

    def source():
        for k in range(30):
            taken.append(k)
            yield np.arange(3 * k).reshape(k, 3)

    expected = [one.sum(axis=1).tolist() for one in source()]
    for scheduler in ("serial", "threads", client):
        taken.clear()
        found = map_in_order(partial(np.sum, axis=1), source(), scheduler=scheduler)
        first = next(found)
        assert len(taken) < 30, "the source is read no faster than the work goes on"
        assert [one.tolist() for one in (first, *found)] == expected


def test_map_in_order_refuses_other_schedulers():
    with pytest.raises(ValueError, match="scheduler='fast'"):
        map_in_order(len, [], scheduler="fast")


def regression(n=120, d=8):
    rng = np.random.default_rng(4)
    X = rng.standard_normal((n, d))
    return X, X @ np.arange(d) + rng.standard_normal(n)


def test_cross_validation_on_workers(client):
    X, y = regression()
    expected = BCDRegressorCV(n_alphas=5, cv=3).fit(X, y)
    with joblib.parallel_config("dask", client=client):
        found = BCDRegressorCV(n_alphas=5, cv=3).fit(X, y)
    assert found.alpha_ == expected.alpha_
    assert_equal(found.losses_, expected.losses_)
    assert_equal(found.coef_, expected.coef_, same_bits=True)  # the last fit is done here


@pytest.mark.parametrize(
    "model", [SketchedLinearRegression(random_state=0), BCDRegressor()], ids=lambda m: type(m).__name__
)
def test_grid_search_on_workers(client, model):
    X, y = regression()
    expected = GridSearchCV(model, {"alpha": [0.01, 1.0]}, cv=3).fit(X, y)
    with joblib.parallel_config("dask", client=client):
        found = GridSearchCV(model, {"alpha": [0.01, 1.0]}, cv=3).fit(X, y)
    for name in (f"split{k}_test_score" for k in range(3)):
        assert_equal(found.cv_results_[name], expected.cv_results_[name])


def completed(seed):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((30, 2)) @ rng.standard_normal((2, 20)) + 0.1 * rng.standard_normal((30, 20))
    X[rng.random(X.shape) < 0.4] = np.nan
    return MatrixCompletion(2, alpha=0.1, random_state=seed).fit(X).row_factors_


def ordered(seed):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((200, 5))
    X[:, 2] += X[:, 0]
    return CoLiDE(n_starts=2, random_state=seed).fit(X).adjacency_


def recovered(seed):
    rng = np.random.default_rng(0)
    H = rng.standard_normal((12, 20))
    y = H[:, 3] - 2.0 * H[:, 7] + 0.01 * rng.standard_normal(12)
    return KroneckerSBL(n_starts=1, random_state=seed).fit([H], y).coef_


@pytest.mark.parametrize("start", [completed, ordered, recovered])
def test_starts_on_workers(client, start):
    jobs = [joblib.delayed(start)(seed) for seed in (0, 1)]
    expected = joblib.Parallel(n_jobs=1)(jobs)
    with joblib.parallel_config("dask", client=client):
        found = joblib.Parallel()(jobs)
    for mine, theirs in zip(found, expected, strict=True):
        assert_equal(mine, theirs, atol=1e-9)
