"""`MatrixCompletion` and `complete`: what users rely on."""

import copy
import pickle

import numpy as np
import pytest
import scipy.sparse
from numpy.testing import assert_allclose, assert_array_equal

from sparsesolve import MatrixCompletion, Status, complete
from sparsesolve.completion.options import check_observations
from sparsesolve.datasets.completion import make_low_rank
from sparsesolve.exceptions import ConvergenceWarning


@pytest.fixture
def data():
    return make_low_rank(120, 90, 3, oversampling=5.0, random_state=4)


@pytest.fixture
def truth(data):
    return data.row_factors @ data.column_factors.T


def filled(solution):
    values = solution.row_factors @ solution.column_factors.T
    if solution.bias is not None:
        values = values + solution.bias.mean + solution.bias.rows[:, None] + solution.bias.columns
    return values


def dense(X):
    """The same with NaN for what is not stored."""
    out = np.full(X.shape, np.nan)
    coo = X.tocoo()
    out[coo.row, coo.col] = coo.data
    return out


@pytest.mark.parametrize("inner", ["auto", "cholesky", "cg", "sketch"])
def test_exact_recovery(data, truth, inner):
    result = complete(data.X, 3, inner=inner, random_state=0)
    assert result.status is Status.CONVERGED
    assert_allclose(filled(result.solution), truth, atol=1e-6 * np.abs(truth).max())
    assert result.certificate["relative_residual"] < 1e-7


@pytest.mark.parametrize("condition", [1.0, 1e5])
def test_recovery_near_the_limit(condition):
    data = make_low_rank(200, 200, 3, oversampling=2.0, condition=condition, random_state=5)
    truth = data.row_factors @ data.column_factors.T
    result = complete(data.X, 3, random_state=0)
    assert result.converged
    assert np.linalg.norm(filled(result.solution) - truth) < 1e-5 * np.linalg.norm(truth)


@pytest.mark.parametrize("alpha", [0.0, 0.3])
@pytest.mark.parametrize("scale_alpha", [False, True])
@pytest.mark.parametrize("weighted", [False, True])
def test_the_gradient_vanishes(data, rng, alpha, scale_alpha, weighted):
    X = data.X.copy()
    X.data = X.data + 0.3 * rng.standard_normal(X.data.size)
    weights = X.copy()
    weights.data = rng.uniform(0.2, 2.0, X.data.size) if weighted else np.ones(X.data.size)
    result = complete(
        X,
        3,
        alpha=alpha,
        scale_alpha=scale_alpha,
        weights=weights if weighted else None,
        random_state=0,
    )
    assert result.converged
    A, B = result.solution.row_factors, result.solution.column_factors
    coo, w = X.tocoo(), weights.tocoo().data
    rest = scipy.sparse.csr_array(
        (w * ((A[coo.row] * B[coo.col]).sum(axis=1) - coo.data), (coo.row, coo.col)), X.shape
    )
    counts = (
        [np.diff(X.tocsr().indptr), np.diff(X.tocsc().indptr)]
        if scale_alpha
        else [np.ones(s) for s in X.shape]
    )
    gradient_A = rest @ B + alpha * counts[0][:, None] * A
    gradient_B = rest.T @ A + alpha * counts[1][:, None] * B
    size = np.linalg.norm(X.data) * np.linalg.norm(B)
    assert np.linalg.norm(gradient_A) < 1e-6 * size
    assert np.linalg.norm(gradient_B) < 1e-6 * size


@pytest.mark.parametrize("alpha", [0.0, 0.1])
def test_biases(data, truth, rng, alpha):
    rows, columns = rng.standard_normal(120), rng.standard_normal(90)
    coo = data.X.tocoo()
    X = scipy.sparse.csr_array(
        (coo.data + 5.0 + rows[coo.row] + columns[coo.col], (coo.row, coo.col)), data.X.shape
    )
    result = complete(X, 3, bias=True, alpha=alpha, random_state=0)
    assert result.converged
    wanted = truth + 5.0 + rows[:, None] + columns
    assert_allclose(
        filled(result.solution), wanted, atol=(1e-5 if alpha == 0.0 else 0.1) * np.abs(wanted).max()
    )


def test_huber_resists_outliers(data, truth, rng):
    X = data.X.copy()
    hit = rng.random(X.data.size) < 0.05
    X.data[hit] += 10.0 * X.data.std() * rng.choice([-1.0, 1.0], hit.sum())
    robust = complete(X, 3, loss="huber", random_state=0)
    assert robust.converged
    assert np.linalg.norm(filled(robust.solution) - truth) < 1e-6 * np.linalg.norm(truth)
    squares = complete(X, 3, alpha=1.0, random_state=0)
    assert np.linalg.norm(filled(squares.solution) - truth) > 0.1 * np.linalg.norm(truth)


def test_forms_of_input_are_one(data):
    expected = complete(data.X, 3, random_state=0).solution
    for X in (
        dense(data.X),
        np.asfortranarray(dense(data.X)),
        scipy.sparse.coo_array(data.X),
        scipy.sparse.csc_matrix(data.X),
    ):
        before = copy.deepcopy(X)
        found = complete(X, 3, random_state=0).solution
        assert_allclose(filled(found), filled(expected), atol=1e-6)
        assert (
            (before != X).sum()
            if scipy.sparse.issparse(X)
            else (~np.isclose(X, before, equal_nan=True)).sum()
        ) == 0


def test_stored_zeros_are_observed():
    X = scipy.sparse.csr_array(np.array([[1.0, 2.0], [3.0, 4.0]]))
    X.data[0] = 0.0
    assert check_observations(X).n_entries == 4


def test_weights_of_zero_are_not_observed(data):
    X, weights = data.X.copy(), data.X.copy()
    weights.data = np.ones(weights.data.size)
    weights.data[::7] = 0.0
    X.data[::7] = 1e6
    kept = check_observations(X, weights)
    assert kept.n_entries == (weights.data > 0).sum()
    assert np.abs(kept.rows.values).max() < 1e6


@pytest.mark.parametrize("power", [-100, 100])
def test_scale(data, power):
    factor = 10.0**power
    one = complete(data.X, 3, alpha=0.1, random_state=0).solution
    other = complete(data.X * factor, 3, alpha=0.1 * factor, random_state=0).solution
    assert_allclose(filled(other) / factor, filled(one), atol=1e-6)


def test_transposition(data):
    one = complete(data.X, 3, alpha=0.1, random_state=0).solution
    other = complete(data.X.T, 3, alpha=0.1, random_state=0).solution
    assert_allclose(filled(other).T, filled(one), atol=1e-5)


def test_too_few_entries_are_named():
    rng = np.random.default_rng(0)
    X = np.where(rng.random((40, 40)) < 0.15, rng.standard_normal((40, 40)), np.nan)
    with pytest.warns(ConvergenceWarning, match="fewer than the 375 degrees of freedom"):
        result = complete(X, 5, max_iter=50, random_state=0)
    assert result.status is Status.ILL_POSED
    assert np.isfinite(filled(result.solution)).all()
    assert result.solution.undetermined_rows.size > 0


@pytest.mark.filterwarnings("ignore::sparsesolve.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("alpha", [0.0, 0.1])
def test_never_nan(alpha):
    X = np.full((12, 10), np.nan)
    X[2:, 1:] = 3.0
    X[5, 5] = np.nan
    result = complete(X, 4, alpha=alpha, random_state=0)
    assert np.isfinite(filled(result.solution)).all()
    one = complete(X, 1, alpha=alpha, random_state=0)
    assert_allclose(filled(one.solution)[5, 5], 3.0, atol=0.1)
    zeros = complete(np.where(np.isnan(X), X, 0.0), 2, alpha=alpha, random_state=0)
    assert not filled(zeros.solution).any()


def test_fit_transform_and_predict(data, truth):
    model = MatrixCompletion(rank=3, random_state=0)
    full = model.fit_transform(dense(data.X))
    assert_allclose(full, truth, atol=1e-5)
    coo = data.X.tocoo()
    assert_array_equal(full[coo.row, coo.col], coo.data)
    assert_allclose(model.predict([(3, 4), (100, 80)]), truth[[3, 100], [4, 80]], atol=1e-5)
    assert_allclose(model.transform(dense(data.X)), full, atol=1e-5)
    again = pickle.loads(pickle.dumps(model))
    assert_array_equal(again.predict([(0, 0)]), model.predict([(0, 0)]))


def test_folding_in_new_rows(data, truth):
    model = MatrixCompletion(rank=3, random_state=0).fit(data.X[:100])
    folded = model.fold_in(data.X[100:])
    assert folded.row_factors_.shape == (20, 3)
    enough = np.diff(data.X[100:].indptr) > 4
    predicted = folded.row_factors_ @ folded.column_factors_.T
    assert_allclose(predicted[enough], truth[100:][enough], atol=1e-4)
    assert len(model.row_factors_) == 100


@pytest.mark.parametrize("bias", [False, True])
def test_standard_errors_cover(rng, bias):
    """Of trained and of folded rows: prediction intervals of 90 % hold 87 to 93 % of new measurements."""
    data = make_low_rank(330, 200, 3, oversampling=5.0, random_state=7)
    truth = data.row_factors @ data.column_factors.T
    noise = 0.2 * truth.std()
    X = data.X.copy()
    X.data = X.data + noise * rng.standard_normal(X.data.size)
    model = MatrixCompletion(rank=3, bias=bias, random_state=0).fit(X[:300])
    assert_allclose(model.noise_scale_, noise, rtol=0.1)
    for who, first, size in ((model, 0, 300), (model.fold_in(X[300:]), 300, 30)):
        pairs = np.column_stack([rng.integers(0, size, 4000), rng.integers(0, 200, 4000)])
        values, std = who.predict(pairs, return_std=True)
        measured = truth[first + pairs[:, 0], pairs[:, 1]] + noise * rng.standard_normal(4000)
        inside = np.abs(measured - values) <= 1.645 * np.sqrt(std**2 + model.noise_scale_**2)
        assert 0.87 <= inside.mean() <= 0.93


def test_objective_is_that_of_the_reference(data):
    X = data.X.copy()
    result = complete(X, 3, alpha=0.5, random_state=0)
    A, B = result.solution.row_factors, result.solution.column_factors
    coo = X.tocoo()
    rest = (A[coo.row] * B[coo.col]).sum(axis=1) - coo.data
    objective = (rest**2).sum() + 0.5 * ((A**2).sum() + (B**2).sum())
    assert_allclose(result.trace["objective"][-1], objective, rtol=1e-6)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"rank": 91}, "rank=91 is above the smaller side of M, 90"),
        ({"rank": 0}, "rank"),
        ({"rank": 2, "alpha": -1.0}, "alpha"),
        ({"rank": 2, "inner": "qr"}, "inner='qr'"),
        ({"rank": 2, "loss": "l1"}, "loss='l1'"),
        ({"rank": "some"}, "rank='some'"),
        ({"rank": 2, "missing_weight": 1.0}, "missing_weight=1.0 must be below .* the least is 1"),
        (
            {"rank": 2, "missing_weight": 0.5, "loss": "huber"},
            "loss='huber' is not known together with missing",
        ),
        ({"rank": 2, "missing_weight": 0.5, "scale_alpha": True}, "scale_alpha=True is not known together"),
        ({"rank": 2, "positive": True, "bias": True}, "bias=True is not known together with positive=True"),
        ({"rank": 2, "sample_splits": -1}, "sample_splits"),
        ({"rank": 2, "validation_fraction": 1.0}, "validation_fraction"),
        ({"rank": 2, "tol": -1.0}, "tol"),
    ],
)
def test_bad_parameters(data, arguments, message):
    with pytest.raises(ValueError, match=message):
        complete(data.X, **arguments)


@pytest.mark.parametrize(
    ("M", "message"),
    [
        (np.full((3, 3), np.nan), "no observed entry"),
        (np.array([[1.0, np.inf], [2.0, 3.0]]), "NaN or infinite"),
        (np.ones(3), "shape"),
        (np.ones((2, 2)) * 1j, "real numbers"),
    ],
)
def test_bad_data(M, message):
    with pytest.raises(ValueError, match=message):
        complete(M, 1)


def test_bad_pairs_and_weights(data):
    model = MatrixCompletion(rank=3, random_state=0).fit(data.X)
    with pytest.raises(ValueError, match="row 120"):
        model.predict([(120, 0)])
    with pytest.raises(ValueError, match="two whole numbers"):
        model.predict([[0.5, 1.0]])
    with pytest.raises(ValueError, match="weights has shape"):
        complete(data.X, 3, weights=np.ones((2, 2)))
    with pytest.raises(ValueError, match="negative"):
        complete(data.X, 3, weights=-data.X.astype(bool).astype(float))


def test_stopping(data):
    with pytest.warns(ConvergenceWarning, match="MAX_ITER"):
        assert complete(data.X, 3, max_iter=1, random_state=0).status is Status.MAX_ITER
    with pytest.warns(ConvergenceWarning, match="STOPPED"):
        assert complete(data.X, 3, callback=lambda _: True, random_state=0).status is Status.STOPPED
