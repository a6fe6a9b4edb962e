"""Implicit feedback, nonnegative factors, held-out entries, choice of the rank, more rows, the proof's scheme."""

from itertools import pairwise

import numpy as np
import pytest
import scipy.optimize
import scipy.sparse
from numpy.testing import assert_allclose

from sparsesolve import MatrixCompletion, Status, complete
from sparsesolve.completion.options import check_observations
from sparsesolve.datasets.completion import make_low_rank, make_ratings
from sparsesolve.exceptions import ConvergenceWarning


def dense(X):
    """The same with NaN for what is not stored."""
    out = np.full(X.shape, np.nan)
    coo = X.tocoo()
    out[coo.row, coo.col] = coo.data
    return out


@pytest.fixture
def clicks(rng):
    """How often 60 users looked at 40 things."""
    taste = np.maximum(rng.standard_normal((60, 3)), 0.0) @ np.maximum(rng.standard_normal((3, 40)), 0.0)
    return scipy.sparse.csr_array(rng.poisson(0.5 * taste * (rng.random(taste.shape) < 0.4)))


def implicit(clicks):
    seen, weights = clicks.astype(float), clicks.astype(float)
    seen.data = np.ones_like(seen.data)
    weights.data = 1.0 + 5.0 * clicks.data
    return seen, weights


def implicit_objective(seen, weights, A, B, alpha, background):
    """From the whole matrices, entry by entry."""
    wanted, weight = seen.toarray(), np.full(seen.shape, background)
    coo = weights.tocoo()
    weight[coo.row, coo.col] = coo.data
    ridge = alpha * ((A**2).sum() + (B**2).sum())
    return (weight * (wanted - A @ B.T) ** 2).sum() + ridge


@pytest.mark.parametrize("inner", ["cholesky", "cg", "sketch"])
@pytest.mark.parametrize("alpha", [0.0, 0.7])
@pytest.mark.parametrize("background", [0.01, 1.0])
def test_implicit_feedback(clicks, inner, alpha, background):
    seen, weights = implicit(clicks)
    result = complete(
        seen, 4, weights=weights, missing_weight=background, alpha=alpha, inner=inner, random_state=0
    )
    assert result.converged
    A, B = result.solution.row_factors, result.solution.column_factors
    value = implicit_objective(seen, weights, A, B, alpha, background)
    assert_allclose(result.trace["objective"][-1], value, rtol=1e-6)
    # The gradient, from the whole matrices.
    weight = np.full(seen.shape, background)
    coo = weights.tocoo()
    weight[coo.row, coo.col] = coo.data
    rest = weight * (A @ B.T - seen.toarray())
    size = np.linalg.norm(seen.data) * np.linalg.norm(B)
    assert np.linalg.norm(rest @ B + alpha * A) < 1e-5 * size
    assert np.linalg.norm(rest.T @ A + alpha * B) < 1e-5 * size


def test_implicit_rows_are_folded_in_exactly(clicks):
    seen, weights = implicit(clicks)
    model = MatrixCompletion(4, alpha=0.3, missing_weight=1.0, random_state=0).fit(seen, weights=weights)
    folded = model.fold_in(seen[:7], weights=weights[:7])
    assert_allclose(folded.row_factors_, model.row_factors_[:7], atol=1e-6)
    with pytest.raises(ValueError, match="return_std=True needs missing_weight=0"):
        model.predict([(0, 0)], return_std=True)


def test_a_background_ranks_what_was_hidden(rng):
    taste = rng.random((200, 2)) @ rng.random((2, 100))
    bought = rng.random(taste.shape) < taste**4
    hidden = bought & (rng.random(taste.shape) < 0.2)
    X = scipy.sparse.csr_array((bought & ~hidden).astype(float))
    weights = X.copy()
    weights.data = np.full(X.nnz, 10.0)
    filled = MatrixCompletion(3, alpha=1.0, missing_weight=1.0, random_state=0).fit(X, weights=weights)
    scores = filled.row_factors_ @ filled.column_factors_.T
    others = ~bought
    auc = np.mean(scores[hidden][:, None] > rng.choice(scores[others], 500))
    assert auc > 0.75


@pytest.mark.parametrize("alpha", [0.0, 0.5])
@pytest.mark.parametrize("scale_alpha", [False, True])
@pytest.mark.parametrize("weighted", [False, True])
def test_nonnegative_rows_equal_nnls(rng, alpha, scale_alpha, weighted):
    A, B = rng.random((30, 3)), rng.random((25, 3))
    mask = rng.random((30, 25)) < 0.6
    M = np.where(mask, A @ B.T + 0.05 * rng.standard_normal(mask.shape), np.nan)
    weights = rng.uniform(0.5, 2.0, M.shape) if weighted else None
    result = complete(
        M,
        3,
        positive=True,
        alpha=alpha,
        scale_alpha=scale_alpha,
        weights=weights,
        tol=1e-7,
        max_iter=4000,
        random_state=0,
    )
    assert result.converged
    A, B = result.solution.row_factors, result.solution.column_factors
    assert A.min() >= 0.0
    assert B.min() >= 0.0
    for factor, other, data, given in (
        (A, B, M, weights),
        (B, A, M.T, None if weights is None else weights.T),
    ):
        for i, own in enumerate(factor):
            seen = ~np.isnan(data[i])
            root = np.ones(seen.sum()) if given is None else np.sqrt(given[i][seen])
            ridge = np.sqrt(alpha * (seen.sum() if scale_alpha else 1.0)) * np.eye(3)
            design = np.vstack([root[:, None] * other[seen], ridge])
            exact, _ = scipy.optimize.nnls(design, np.concatenate([root * data[i][seen], np.zeros(3)]))
            assert_allclose(own, exact, atol=2e-4)


def test_nonnegative_certificate_and_parts(rng):
    faces = rng.random((40, 4)) ** 4 @ rng.random((4, 50)) ** 4
    M = np.where(rng.random(faces.shape) < 0.7, faces, np.nan)
    model = MatrixCompletion(4, positive=True, max_iter=3000, random_state=0).fit(M)
    assert model.converged_
    assert np.linalg.norm(model.fit_transform(M) - faces) < 1e-3 * np.linalg.norm(faces)
    new = model.fold_in(M[:5])
    assert new.row_factors_.min() >= 0.0
    places = np.indices((5, 50)).reshape(2, -1).T
    assert_allclose(new.predict(places), model.predict(places), atol=1e-5)


def test_nonnegative_implicit(clicks):
    seen, weights = implicit(clicks)
    result = complete(
        seen, 3, weights=weights, missing_weight=1.0, alpha=0.1, positive=True, max_iter=3000, random_state=0
    )
    A, B = result.solution.row_factors, result.solution.column_factors
    value = implicit_objective(seen, weights, A, B, 0.1, 1.0)
    assert_allclose(result.trace["objective"][-1], value, rtol=1e-9)
    assert result.converged


def test_huber_with_biases(rng):
    data = make_low_rank(150, 120, 2, oversampling=6.0, random_state=3)
    X = data.X.copy()
    coo = X.tocoo()
    rows, columns = 3.0 * rng.standard_normal(150), 2.0 * rng.standard_normal(120)
    X.data = coo.data + 7.0 + rows[coo.row] + columns[coo.col] + 0.01 * rng.standard_normal(X.nnz)
    gross = rng.random(X.nnz) < 0.05
    X.data[gross] += 40.0 * rng.standard_normal(gross.sum())
    model = MatrixCompletion(2, loss="huber", bias=True, alpha=1e-3, random_state=0).fit(X)
    whole = data.row_factors @ data.column_factors.T + 7.0 + rows[:, None] + columns
    places = np.indices(whole.shape).reshape(2, -1).T
    error = np.sqrt(np.mean((model.predict(places).reshape(whole.shape) - whole) ** 2))
    assert error < 0.03
    assert model.converged_
    assert model.gradient_norm_ <= 1e-8


def test_held_out_error_is_that_of_the_held_out_entries():
    data = make_low_rank(100, 80, 2, oversampling=6.0, noise=0.1, random_state=1)
    model = MatrixCompletion(2, validation_fraction=0.2, random_state=0).fit(data.X)
    assert model.result_.certificate["held_out_error"] == model.held_out_error_
    assert model.result_.trace["held_out_error"].shape == model.result_.trace["objective"].shape
    seen, used = check_observations(data.X), model._observations
    held = ~np.isin(
        data.X.tocoo().row * 1000 + data.X.tocoo().col,
        np.repeat(np.arange(100), used.rows.counts) * 1000 + used.rows.others,
    )
    assert held.sum() == round(0.2 * seen.n_entries)
    coo = data.X.tocoo()
    places = np.column_stack([coo.row, coo.col])[held]
    naive = np.sqrt(np.mean((model.predict(places) - coo.data[held]) ** 2))
    assert_allclose(model.held_out_error_, naive, rtol=1e-12)
    assert 0.09 < naive < 0.15


@pytest.mark.parametrize("rank", [1, 3, 7])
@pytest.mark.parametrize("noise", [0.0, 0.1])
def test_the_rank_is_found(rank, noise):
    data = make_low_rank(150, 120, rank, oversampling=5.0, noise=noise, random_state=2)
    model = MatrixCompletion("auto", alpha=0.1 * noise, random_state=0).fit(data.X)
    assert model.rank_ == rank
    assert model.rank_errors_[rank] == min(model.rank_errors_.values())
    assert model.held_out_error_ == model.rank_errors_[rank]
    assert model._observations.n_entries == data.X.nnz


def test_too_few_entries_to_hold_out():
    M = np.array([[1.0, np.nan], [2.0, 4.0]])
    with pytest.raises(ValueError, match="validation_fraction=0.1 of 3 entries leaves 0"):
        MatrixCompletion(1, validation_fraction=0.1).fit(M)


@pytest.mark.parametrize(
    "params",
    [
        {},
        {"bias": True, "alpha": 0.1},
        {"loss": "huber"},
        {"positive": True, "alpha": 0.1, "tol": 1e-6},
        {"missing_weight": 0.1, "alpha": 0.1},
    ],
    ids=lambda params: "-".join(params) or "plain",
)
@pytest.mark.parametrize("axis", [0, 1])
def test_partial_fit_is_a_fit_of_all(params, axis):
    data = make_low_rank(90, 80, 2, oversampling=8.0, noise=0.01, random_state=5)
    M = dense(data.X)
    if "positive" in params:
        M[~np.isnan(M)] = (np.abs(data.row_factors) @ np.abs(data.column_factors).T)[~np.isnan(M)]
    first, later = (M[:70], M[70:]) if axis == 0 else (M[:, :60], M[:, 60:])
    model = MatrixCompletion(2, random_state=0, max_iter=3000, **params).partial_fit(first)
    model.partial_fit(later, axis=axis)
    whole = MatrixCompletion(2, random_state=0, max_iter=3000, **params).fit(M)
    assert model.row_factors_.shape == (90, 2)
    assert model.n_features_in_ == 80
    places = np.indices(M.shape).reshape(2, -1).T
    assert_allclose(model.predict(places), whole.predict(places), atol=1e-4)
    assert model.converged_


def test_partial_fit_starts_near():
    data = make_low_rank(300, 200, 3, oversampling=4.0, noise=0.05, random_state=6)
    M = dense(data.X)
    model = MatrixCompletion(3, alpha=0.1, random_state=0).partial_fit(M[:295])
    first = model.n_iter_
    assert model.partial_fit(M[295:]).n_iter_ < first


def test_partial_fit_refuses_other_shapes(rng):
    model = MatrixCompletion(1, random_state=0).partial_fit(rng.standard_normal((6, 5)))
    with pytest.raises(ValueError, match="5 features"):
        model.partial_fit(np.ones((2, 4)))
    with pytest.raises(ValueError, match="X has 4 rows, but the model has 6"):
        model.partial_fit(np.ones((4, 2)), axis=1)
    with pytest.raises(ValueError, match="axis=2"):
        model.partial_fit(np.ones((4, 2)), axis=2)


def test_sample_splitting_converges_as_the_paper_says():
    """Each sweep's fresh entries lower the distance by a factor, to a good fit after a few."""
    data = make_low_rank(300, 300, 1, oversampling=100.0, random_state=7)
    errors = []
    for sweeps in (1, 3, 5):
        with pytest.warns(ConvergenceWarning):
            result = complete(data.X, 1, sample_splits=sweeps, random_state=0)
        errors.append(data.relative_error(result.solution.row_factors, result.solution.column_factors))
        assert result.n_iter == sweeps
    assert all(later < 0.3 * earlier for earlier, later in pairwise(errors))


def test_a_mask_of_two_blocks_is_named():
    """An exact fit whose blocks can be scaled apart is no answer, however exact."""
    rng = np.random.default_rng(0)
    truth = rng.standard_normal((16, 1)) @ rng.standard_normal((1, 16))
    M = np.full((16, 16), np.nan)
    M[:8, :8], M[8:, 8:] = truth[:8, :8], truth[8:, 8:]
    with pytest.warns(ConvergenceWarning, match="ILL_POSED: the entries fall into 2 parts"):
        result = complete(M, 1, random_state=0)
    assert result.status is Status.ILL_POSED
    assert result.certificate["relative_residual"] < 1e-7


def test_an_exact_fit_that_can_be_moved_is_named():
    """Enough entries in all, but two blocks share a single row: for rank 2 each has a gauge of its own beside it."""
    rng = np.random.default_rng(0)
    truth = rng.standard_normal((11, 2)) @ rng.standard_normal((2, 10))
    M = np.full((11, 10), np.nan)
    M[:6, :5], M[5:, 5:] = truth[:6, :5], truth[5:, 5:]
    with pytest.warns(ConvergenceWarning, match="ILL_POSED: the fit is exact, but can be moved"):
        result = complete(M, 2, random_state=0)
    assert result.status is Status.ILL_POSED
    assert result.certificate["oversampling"] > 1.5


def test_weights_matter_where_recovery_does_not_fit_exactly():
    data = make_low_rank(80, 70, 3, oversampling=3.0, condition=10.0, noise=0.1, random_state=1)
    rng = np.random.default_rng(1)
    weights = data.X.copy()
    weights.data = rng.uniform(0.1, 3.0, data.X.nnz)
    result = complete(data.X, 3, weights=weights, random_state=0)
    assert result.converged


def test_ratings_with_everything():
    X, test = make_ratings(300, 200, n_ratings=6000, random_state=0)
    model = MatrixCompletion(3, alpha=2.0, bias=True, validation_fraction=0.1, random_state=0).fit(X)
    coo = test.tocoo()
    error = np.sqrt(np.mean((model.predict(np.column_stack([coo.row, coo.col])) - coo.data) ** 2))
    assert error < 1.0 * np.std(coo.data)
    assert abs(error - model.held_out_error_) < 0.15


@pytest.mark.parametrize("params", [{}, {"bias": True, "alpha": 0.1}, {"positive": True}])
def test_rows_of_which_nothing_is_known(params):
    """They get the columns' level, and nothing else."""
    M = np.outer([1.0, 2.0, 3.0, 4.0], [1.0, 2.0, 3.0, 5.0]) + 1.0
    model = MatrixCompletion(1, random_state=0, max_iter=2000, **params).fit(M)
    guests = model.fold_in(np.full((2, 4), np.nan))
    level = model.bias_.mean + model.bias_.columns if "bias" in params else np.zeros(4)
    assert_allclose(guests.predict([(1, j) for j in range(4)]), level)
    assert_allclose(model.transform(scipy.sparse.csr_array((1, 4))), level[None])
    model.partial_fit(np.full((1, 4), np.nan))
    assert_allclose(model.row_factors_[4], 0.0)
