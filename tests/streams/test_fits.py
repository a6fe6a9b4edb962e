"""The same fit from every source, for every estimator that takes blocks."""

import numpy as np
import pytest
import scipy.sparse

from sparsesolve import BCDRegressor, BCDRegressorCV, CoLiDE, SketchedLinearRegression, estimate_dag, lstsq
from sparsesolve.dag.block_bootstrap import counts
from sparsesolve.datasets import make_linear_sem
from sparsesolve.streams import row_blocks

SOURCES = {
    "array in two": lambda data: row_blocks(data.X, data.y, block_rows=4000),
    "array in many": lambda data: row_blocks(data.X, data.y, block_rows=777),
    "array in tiny": lambda data: row_blocks(data.X, data.y, block_rows=19),
    "threads": lambda data: row_blocks(data.X, data.y, block_rows=777, scheduler="threads"),
    "fortran order": lambda data: row_blocks(np.asfortranarray(data.X), data.y, block_rows=1000),
    "sparse": lambda data: row_blocks(scipy.sparse.csc_array(data.X), data.y, block_rows=1000),
    "npy": lambda data: row_blocks(data.folder / "X.npy", data.folder / "y.npy", block_rows=1500),
    "memory map": lambda data: row_blocks(
        np.load(data.folder / "X.npy", mmap_mode="r"), data.y, block_rows=1500
    ),
    "npy folder": lambda data: row_blocks(data.folder / "parts", data.y, block_rows=700),
    "generator": lambda data: row_blocks(data.generate),
    "iterator": lambda data: row_blocks(data.generate()),
    "parquet": lambda data: row_blocks(data.write_parquet(), "y", columns=[f"x{k}" for k in range(12)]),
    "zarr": lambda data: row_blocks(data.write_zarr(), data.y, block_rows=900),
}


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("solver", ["auto", "sketch-and-solve"])
def test_every_source_gives_the_same_fit(data, fitted, source, solver):
    model = SketchedLinearRegression(solver=solver, random_state=1).fit(SOURCES[source](data))
    np.testing.assert_allclose(model.coef_, fitted[solver].coef_, rtol=1e-10)
    assert model.intercept_ == pytest.approx(fitted[solver].intercept_, rel=1e-10)
    assert model.converged_
    assert model.n_features_in_ == 12
    if solver == "sketch-and-solve":
        np.testing.assert_allclose(model.coef_error_bound_, fitted[solver].coef_error_bound_, rtol=1e-9)


@pytest.mark.parametrize("source", ["array in many", "npy", "parquet", "zarr"])
def test_what_is_unambiguous_is_taken_as_it_is(data, fitted, source):
    X, y = {
        "array in many": (row_blocks(data.X, data.y, block_rows=777), None),
        "npy": (data.folder / "X.npy", data.y),
        "parquet": (str(data.write_parquet()), "y"),
        "zarr": (data.write_zarr(), data.y),
    }[source]
    if source == "parquet":
        model = SketchedLinearRegression(random_state=1).fit(X, y, sample_weight="w")
        assert model.feature_names_in_.tolist() == [f"x{k}" for k in range(12)]
        expected = (
            SketchedLinearRegression(random_state=1).fit(data.X, data.y, sample_weight=data.weights).coef_
        )
    else:
        model, expected = SketchedLinearRegression(random_state=1).fit(X, y), fitted["auto"].coef_
    np.testing.assert_allclose(model.coef_, expected, rtol=1e-10)


@pytest.mark.parametrize("solver", ["gram", "cqrrt", "spir", "fossils", "direct", "sketch-and-solve"])
@pytest.mark.parametrize(("alpha", "fit_intercept"), [(0.0, True), (30.0, True), (30.0, False)])
def test_every_engine_runs_unchanged(data, solver, alpha, fit_intercept):
    options = {"solver": solver, "alpha": alpha, "fit_intercept": fit_intercept, "random_state": 2}
    whole = SketchedLinearRegression(**options).fit(data.X, data.Y, data.weights)
    blocks = row_blocks(data.X, data.Y, sample_weight=data.weights, block_rows=1234)
    model = SketchedLinearRegression(**options).fit(blocks)
    np.testing.assert_allclose(model.coef_, whole.coef_, rtol=1e-9)
    np.testing.assert_allclose(model.intercept_, whole.intercept_, rtol=1e-9)
    assert model.solver_ == solver
    assert model.converged_
    if solver != "sketch-and-solve":
        assert model.backward_error_ < 2.3e-16
    for mine, theirs in zip(
        model.predict(data.X[:5], return_std=True), whole.predict(data.X[:5], return_std=True), strict=True
    ):
        np.testing.assert_allclose(mine, theirs, rtol=1e-7)


@pytest.mark.parametrize(
    ("condition", "engines", "most"), [(1.0, {"gram"}, 4), (1e8, {"cqrrt"}, 6), (1e14, {"direct"}, 6)]
)
def test_accurate_fits_take_few_passes(condition, engines, most):
    rng = np.random.default_rng(0)
    columns = np.linalg.qr(rng.standard_normal((12, 12)))[0]
    A = rng.standard_normal((30_000, 12)) * np.geomspace(1.0, 1.0 / condition, 12) @ columns
    b = A @ np.ones(12) + 0.1 * rng.standard_normal(30_000)
    passes = set()
    blocks = row_blocks(A, b, block_rows=1000, progress=lambda step: passes.add(step.pass_number))
    result = lstsq(blocks, random_state=0)
    assert result.converged
    assert result.solution.solver in engines
    assert len(passes) <= most
    residual = b - A @ result.solution.coef
    best = b - A @ np.linalg.lstsq(A, b)[0]
    assert np.linalg.norm(residual) <= np.linalg.norm(best) * (1 + 1e-12)


def test_rank_deficient_blocks_have_the_shortest_answer(data):
    X = np.hstack([data.X, data.X[:, :3] @ np.ones((3, 1))])
    model = SketchedLinearRegression(fit_intercept=False, random_state=0).fit(
        row_blocks(X, data.y, block_rows=999)
    )
    np.testing.assert_allclose(model.coef_, np.linalg.pinv(X) @ data.y, rtol=1e-8, atol=1e-10)
    assert model.rank_ == 12


@pytest.mark.parametrize(("scale", "unit"), [(1e150, 1e-150), (1e-150, 1e12), (1.0, 1e200)])
def test_scales(data, fitted, scale, unit):
    model = SketchedLinearRegression(random_state=1).fit(
        row_blocks(data.X * scale, data.y * unit, block_rows=1500)
    )
    np.testing.assert_allclose(model.coef_ / unit * scale, fitted["auto"].coef_, rtol=1e-9)


def test_single_precision_and_integers():
    rng = np.random.default_rng(0)
    X = rng.integers(-9, 9, (500, 4))
    y = X @ np.ones(4, dtype=int)
    for kind in (np.int64, np.float32, np.int16, ">f8"):
        result = lstsq(row_blocks(X.astype(kind), y, block_rows=77), random_state=0)
        np.testing.assert_allclose(result.solution.coef, 1.0, rtol=1e-12)


def test_an_iterator_serves_what_needs_one_pass(data):
    with pytest.raises(ValueError, match="solver='gram' needs more than one pass"):
        SketchedLinearRegression(solver="gram").fit(row_blocks(data.generate()))
    with pytest.raises(ValueError, match="more than one pass"):
        BCDRegressor().fit(row_blocks(data.generate()))


def test_errors_of_regressions(data):
    with pytest.raises(ValueError, match="y is None, and the blocks carry no targets"):
        SketchedLinearRegression().fit(row_blocks(data.X))
    with pytest.raises(ValueError, match="come with them"):
        SketchedLinearRegression().fit(row_blocks(data.X, data.y), data.y)
    with pytest.raises(ValueError, match="leverage"):
        SketchedLinearRegression(sketch="leverage").fit(row_blocks(data.X, data.y))


def objective(model, data, y):
    residual = y - model.predict(data.X)
    coef, ratio = model.coef_, 1.0 if model.penalty == "l1" else model.l1_ratio
    penalty = ratio * np.abs(coef).sum() + 0.5 * (1.0 - ratio) * coef @ coef
    return 0.5 * (data.weights @ residual**2) / data.weights.sum() + model.alpha * penalty


@pytest.mark.parametrize("penalty", ["l1", "elastic-net"])
@pytest.mark.parametrize("fit_intercept", [False, True])
@pytest.mark.parametrize("positive", [False, True])
@pytest.mark.parametrize("alpha", [1e-3, 1.0])
def test_sparse_models(data, penalty, fit_intercept, positive, alpha):
    options = {"penalty": penalty, "fit_intercept": fit_intercept, "positive": positive, "alpha": alpha}
    whole = BCDRegressor(**options, tol=1e-14).fit(data.X, data.y, data.weights)
    blocks = row_blocks(data.X, data.y, sample_weight=data.weights, block_rows=1777)
    model = BCDRegressor(**options).fit(blocks)
    assert model.converged_
    assert model.dual_gap_ <= 1e-10
    assert np.array_equal(model.coef_ != 0, whole.coef_ != 0)
    np.testing.assert_allclose(model.coef_, whole.coef_, rtol=1e-5, atol=1e-8)
    assert objective(model, data, data.y) <= objective(whole, data, data.y) * (1 + 1e-10)
    assert model.result_.solution.objective == pytest.approx(objective(model, data, data.y), rel=1e-12)


def test_the_gap_of_a_sparse_model_is_that_of_the_data():
    """Columns so nearly dependent that the Gram matrix has lost them: only the data can say how good an answer is."""
    rng = np.random.default_rng(1)
    X = rng.standard_normal((400, 6))
    X = np.hstack([X, X[:, :2] + 1e-7 * rng.standard_normal((400, 2))])
    y = X[:, 0] - X[:, 6] + 1e-3 * rng.standard_normal(400)
    model = BCDRegressor(alpha=1e-6, fit_intercept=False).fit(row_blocks(X, y, block_rows=99))
    residual = y - X @ model.coef_
    theta = residual * min(1.0, 1e-6 * 400 / np.abs(X.T @ residual).max())
    primal = 0.5 * residual @ residual + 1e-6 * 400 * np.abs(model.coef_).sum()
    dual = theta @ y - 0.5 * theta @ theta
    assert (primal - dual) / (0.5 * y @ y) <= 1e-9
    assert model.converged_


def test_wide_blocks_and_a_path():
    rng = np.random.default_rng(2)
    X = rng.standard_normal((50, 80))
    y = X[:, :4] @ np.ones(4) + 0.1 * rng.standard_normal(50)
    whole = BCDRegressor().path(X, y, n_alphas=6, ratio=0.05)
    found = BCDRegressor().path(row_blocks(X, y, block_rows=13), n_alphas=6, ratio=0.05)
    np.testing.assert_allclose(found.alphas, whole.alphas, rtol=1e-10)
    np.testing.assert_allclose(found.coefs, whole.coefs, rtol=1e-4, atol=1e-7)
    assert found.dual_gaps.max() <= 1e-10


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"loss": "poisson"}, "loss='poisson' is not known on row blocks"),
        ({"penalty": "group", "groups": [0] * 12}, "penalty='group' is not known on row blocks"),
        ({"penalty": "l2"}, "SketchedLinearRegression"),
        ({"selection": "cyclic"}, "leave them at 'auto'"),
        ({"alpha": 0.0}, "SketchedLinearRegression"),
    ],
)
def test_sparse_models_that_need_the_rows(data, options, message):
    with pytest.raises(ValueError, match=message):
        BCDRegressor(**options).fit(row_blocks(data.X, data.y))


def test_no_cross_validation_over_blocks(data):
    with pytest.raises(ValueError, match="hold some rows out"):
        BCDRegressorCV().fit(row_blocks(data.X, data.y), None)


@pytest.fixture(scope="module")
def graph():
    return make_linear_sem(3000, 8, degree=2, variances="unequal", standardize=True, random_state=1)


def test_graphs_in_one_pass(graph):
    X = graph.X * np.logspace(0, 5, 8) + 100.0
    whole = CoLiDE().fit(X)
    for blocks in (
        row_blocks(X, block_rows=700),
        row_blocks(X[k : k + 450] for k in range(0, 3000, 450)),
        row_blocks(X.astype(">f8"), block_rows=700, scheduler="threads"),
    ):
        model = CoLiDE().fit(blocks)
        np.testing.assert_allclose(model.adjacency_, whole.adjacency_, rtol=1e-10)
        np.testing.assert_allclose(model.intercept_, whole.intercept_, rtol=1e-10)
        assert model.n_samples_seen_ == 3000
    solution = estimate_dag(row_blocks(X, block_rows=999), random_state=0).solution
    np.testing.assert_allclose(solution.adjacency, whole.adjacency_, rtol=1e-10)


def test_the_bootstrap_by_blocks(graph):
    model = CoLiDE().fit(graph.X)
    rows = model.bootstrap(graph.X, 30, random_state=0)
    several = model.bootstrap(row_blocks(graph.X, block_rows=700), 30, random_state=0)
    other = model.bootstrap(row_blocks(graph.X, block_rows=2100), 30, random_state=0)
    np.testing.assert_allclose(several.adjacencies, other.adjacencies, rtol=1e-9, atol=1e-12)
    assert np.abs(several.edge_probability - rows.edge_probability).max() <= 0.5
    strong = (several.edge_probability == 1.0) & (rows.edge_probability == 1.0)
    assert strong.sum() >= 4
    ratio = several.adjacencies.std(axis=0)[strong] / rows.adjacencies.std(axis=0)[strong]
    assert ratio.min() > 0.4
    assert ratio.max() < 2.5


def test_counts_of_the_bootstrap():
    found = counts(5, 20, 0, 5000)
    assert abs(found.mean() - 1.0) < 0.02
    assert abs(found.var() - 1.0) < 0.03
    assert np.array_equal(found[1500:4000], counts(5, 20, 1500, 2500))
    assert abs(np.corrcoef(found.T)[np.triu_indices(20, 1)]).max() < 0.07


def test_graphs_that_need_all_rows(graph):
    with pytest.raises(ValueError, match="missing='pairwise' needs all rows"):
        CoLiDE(missing="pairwise").fit(row_blocks(graph.X))
    with pytest.raises(ValueError, match="interventions needs all rows"):
        CoLiDE().fit(row_blocks(graph.X), interventions=np.zeros(3000, int))
