"""Matrix completion from triplets in partitions: the same answer as from a matrix in one process."""

import os
import pickle
import signal

import numpy as np
import pytest
import scipy.sparse

from sparsesolve import MatrixCompletion, complete
from sparsesolve.completion.identifiability import n_parts
from sparsesolve.completion.options import check_observations
from sparsesolve.exceptions import ConvergenceWarning
from sparsesolve.streams import BlockError, entry_blocks

SHAPE, RANK = (150, 100), 3


class Ratings:
    """Entries of a noisy matrix of low rank, as triplets in no order, and as a sparse matrix."""

    def __init__(self):
        rng = np.random.default_rng(5)
        left, right = (rng.standard_normal((size, RANK)) for size in SHAPE)
        places = np.flatnonzero(rng.random(SHAPE[0] * SHAPE[1]) < 0.3)
        places = rng.permutation(places)
        self.rows, self.columns = np.divmod(places, SHAPE[1])
        self.values = (left @ right.T).ravel()[places] + 0.1 * rng.standard_normal(places.size) + 1.0
        self.spoilt = self.values + 30.0 * (np.arange(places.size) % 50 == 0)
        self.weights = rng.uniform(1.0, 3.0, places.size)
        self.weights[:40] = 0.0

    @property
    def triplets(self):
        return self.rows, self.columns, self.values

    def matrix(self, values):
        return scipy.sparse.csr_array((values, (self.rows, self.columns)), shape=SHAPE)

    def both(self, weighted, spoilt=False, **options):
        """What fits take: the matrix and its weights, and blocks in several partitions."""
        values = self.spoilt if spoilt else self.values
        source = (self.rows, self.columns, values, *([self.weights] if weighted else []))
        blocks = entry_blocks(source, shape=SHAPE, block_rows=1300, partition_entries=1000, **options)
        return (self.matrix(values), self.matrix(self.weights) if weighted else None), blocks


@pytest.fixture(scope="module")
def ratings():
    return Ratings()


SETTINGS = {
    "ridge": ({"alpha": 0.5}, False),
    "weights": ({"alpha": 0.5}, True),
    "ridge by counts": ({"alpha": 0.1, "scale_alpha": True}, False),
    "no ridge": ({}, False),
    "biases": ({"alpha": 0.5, "bias": True}, False),
    "weights and biases": ({"alpha": 0.5, "bias": True}, True),
    "outliers": ({"alpha": 0.5, "loss": "huber", "bias": True}, True),
    "implicit": ({"alpha": 0.5, "missing_weight": 0.1}, True),
}


def predictions(solution):
    values = solution.row_factors @ solution.column_factors.T
    if solution.bias is not None:
        values += solution.bias.mean + solution.bias.rows[:, None] + solution.bias.columns
    return values


def assert_same(result, expected, tolerance=1e-9):
    np.testing.assert_allclose(
        predictions(result.solution), predictions(expected.solution), rtol=tolerance, atol=tolerance
    )
    assert result.status is expected.status
    for name in ("relative_residual", "oversampling"):
        assert result.certificate[name] == pytest.approx(expected.certificate[name], rel=1e-9)
    assert result.certificate["gradient_norm"] == pytest.approx(
        expected.certificate["gradient_norm"], rel=1e-3
    )
    assert result.solution.rmse == pytest.approx(expected.solution.rmse, rel=1e-9)
    assert result.solution.noise_scale == pytest.approx(expected.solution.noise_scale, rel=1e-9)


@pytest.mark.parametrize("name", SETTINGS)
def test_partitions_here(ratings, name):
    options, weighted = SETTINGS[name]
    (matrix, weights), blocks = ratings.both(weighted, name == "outliers")
    result = complete(blocks, RANK, random_state=0, **options)
    expected = complete(matrix, RANK, weights=weights, random_state=0, **options)
    assert result.n_iter == expected.n_iter
    assert_same(result, expected)


def test_workers(ratings, client):
    options, _ = SETTINGS["weights and biases"]
    (matrix, weights), blocks = ratings.both(True, scheduler=client)
    options = {**options, "max_iter": 3, "random_state": 0}
    with pytest.warns(ConvergenceWarning):
        result = complete(blocks, RANK, **options)
    with pytest.warns(ConvergenceWarning):
        assert_same(result, complete(matrix, RANK, weights=weights, **options))


def test_long_tails_go_on_by_newton_steps(ratings):
    (matrix, _), blocks = ratings.both(False)
    steps = []
    options = {"alpha": 1e-3, "tol": 1e-10, "random_state": 0, "inner": "cg"}
    result = complete(blocks, RANK + 2, callback=steps.append, **options)
    assert np.isnan([step.extras["change"] for step in steps]).any(), "no Newton step was taken"
    assert result.converged
    expected = complete(matrix, RANK + 2, **options)
    np.testing.assert_allclose(predictions(result.solution), predictions(expected.solution), atol=1e-6)


def test_a_lost_worker_costs_only_its_partitions(ratings, client):
    (matrix, _), blocks = ratings.both(False, scheduler=client)
    expected = MatrixCompletion(RANK, alpha=0.5, random_state=0).fit(matrix)
    killed = []

    def kill(iterate):
        if not killed:
            killed.append(next(iter(client.run(os.getpid).values())))
            os.kill(killed[0], signal.SIGKILL)

    model = MatrixCompletion(RANK, alpha=0.5, random_state=0, callback=kill).fit(blocks)
    assert killed
    np.testing.assert_allclose(
        predictions(model.result_.solution), predictions(expected.result_.solution), rtol=1e-9
    )
    client.wait_for_workers(2, timeout=30)


def parquet(ratings, folder):
    pyarrow, writer = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    table = pyarrow.table(
        {"user": ratings.rows, "item": ratings.columns, "stars": ratings.values, "w": ratings.weights}
    )
    writer.write_table(table, folder / "t.parquet", row_group_size=1100)
    return entry_blocks(
        folder / "t.parquet", shape=SHAPE, rows="user", columns="item", values="stars", weights="w"
    )


def frame(ratings, folder):
    pandas, dask_frame = pytest.importorskip("pandas"), pytest.importorskip("dask.dataframe")
    made = pandas.DataFrame(
        {"row": ratings.rows, "column": ratings.columns, "value": ratings.values, "w": ratings.weights}
    )
    return entry_blocks(dask_frame.from_pandas(made, npartitions=3), shape=SHAPE, weights="w")


def files(ratings, folder):
    paths = [folder / f"{name}.npy" for name in ("rows", "columns", "values", "weights")]
    for path, vector in zip(paths, (*ratings.triplets, ratings.weights), strict=True):
        np.save(path, vector)
    return entry_blocks(paths, shape=SHAPE, block_rows=700)


def table(ratings, folder):
    columns = np.column_stack([*ratings.triplets, ratings.weights])
    np.save(folder / "all.npy", columns)
    return entry_blocks(folder / "all.npy", shape=SHAPE, block_rows=900)


def generated(ratings, folder):
    columns = np.column_stack([*ratings.triplets, ratings.weights])
    return entry_blocks(lambda: iter(np.array_split(columns, 4)), shape=SHAPE)


def sparse(ratings, folder):
    return entry_blocks(ratings.matrix(ratings.values))


@pytest.mark.parametrize("make", [parquet, frame, files, table, generated])
def test_sources(ratings, make, tmp_path):
    blocks = make(ratings, tmp_path)
    assert blocks.shape == SHAPE
    assert blocks.n_entries == np.count_nonzero(ratings.weights)
    found = np.concatenate([np.column_stack(some) for some in blocks])
    kept = ratings.weights > 0.0
    np.testing.assert_array_equal(found, np.column_stack([*ratings.triplets, ratings.weights])[kept])


def test_sums_of_the_same_place():
    source = np.array([0, 1, 0, 2]), np.array([1, 0, 1, 1]), np.array([1.0, 5.0, 2.0, 4.0])
    observations = check_observations(entry_blocks(source, partition_entries=2))
    assert observations.shape == (3, 2)
    assert observations.n_entries == 3
    assert observations.median(observations.along(values_of)) == 4.0


def values_of(side):
    return side.values


@pytest.mark.parametrize("n", [1, 2, 101, 400])
def test_medians(n):
    values = np.random.default_rng(n).standard_normal(n).round(1)
    blocks = entry_blocks((np.arange(n), np.arange(n) % 7, values), partition_entries=60)
    observations = check_observations(blocks)
    assert observations.median(observations.along(values_of)) == np.median(values)


def test_parts_without_common_rows_and_columns():
    rows, columns = np.array([0, 1, 2, 3, 4, 4]), np.array([0, 1, 0, 2, 3, 2])
    for scheme in (
        entry_blocks((rows, columns, np.ones(6)), partition_entries=2),
        scipy.sparse.csr_array((np.ones(6), (rows, columns))),
    ):
        assert n_parts(check_observations(scheme)) == 3


BAD = {
    "whole number": (np.array([0.0, 1.5]), np.array([0, 1]), np.ones(2)),
    "in [0, 3)": (np.array([0, 3]), np.array([0, 1]), np.ones(2)),
    "y[1] is NaN": (np.array([0, 1]), np.array([0, 1]), np.array([1.0, np.nan])),
    "weight": (np.array([0, 1]), np.array([0, 1]), np.ones(2), np.array([1.0, -1.0])),
}


@pytest.mark.parametrize("what", BAD)
def test_bad_triplets_are_named(what):
    with pytest.raises(BlockError, match=r"triplets 0 to 2") as error:
        complete(entry_blocks(BAD[what], shape=(3, 3)), 1)
    assert what in str(error.value)


@pytest.mark.parametrize(
    "options",
    [{"rank": "auto"}, {"validation_fraction": 0.1}, {"positive": True}, {"sample_splits": 3}],
    ids=str,
)
def test_what_has_no_form_in_partitions(ratings, options):
    _, blocks = ratings.both(False)
    with pytest.raises(ValueError, match="entries in partitions"):
        complete(blocks, **{"rank": 2, **options})


def test_sources_that_are_none():
    with pytest.raises(ValueError, match="give rows, columns and values"):
        entry_blocks((np.arange(3), np.arange(3)))
    with pytest.raises(ValueError, match="one number an entry"):
        entry_blocks((np.arange(3), np.arange(3), np.ones(4)))
    with pytest.raises(ValueError, match="give three, row, column and value"):
        entry_blocks(np.ones((4, 2)))
    with pytest.raises(ValueError, match="more than one pass"):
        entry_blocks(iter([np.ones((2, 3))]))
    with pytest.raises(ValueError, match="come with them"):
        complete(entry_blocks((np.arange(3), np.arange(3), np.ones(3))), 1, weights=np.eye(3))


def test_the_model_of_partitions(ratings):
    (matrix, _), blocks = ratings.both(False)
    model = MatrixCompletion(RANK, alpha=0.5, random_state=0).fit(blocks)
    whole = MatrixCompletion(RANK, alpha=0.5, random_state=0).fit(matrix)
    assert model.n_features_in_ == SHAPE[1]
    pairs = [(3, 4), (149, 99)]
    np.testing.assert_allclose(pickle.loads(pickle.dumps(model)).predict(pairs), whole.predict(pairs))
    new = matrix[:5]
    np.testing.assert_allclose(model.fold_in(new).predict([(2, 3)]), whole.fold_in(new).predict([(2, 3)]))
    with pytest.raises(ValueError, match="not kept"):
        model.predict(pairs, return_std=True)
    with pytest.raises(ValueError, match="not kept"):
        model.partial_fit(matrix)
    with pytest.raises(ValueError, match="only fit takes them"):
        model.transform(blocks)
