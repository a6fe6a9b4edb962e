"""Fixtures of the row block tests: one problem in every form, and one real cluster."""

import logging

import numpy as np
import pytest

from sparsesolve import SketchedLinearRegression

N_ROWS, N_COLUMNS = 6000, 12
NAMES = [f"x{k}" for k in range(N_COLUMNS)]


class Data:
    """A regression problem, written in every form that can be read."""

    def __init__(self, folder):
        rng = np.random.default_rng(3)
        self.folder = folder
        self.X = rng.standard_normal((N_ROWS, N_COLUMNS)) + 0.5
        self.y = self.X @ np.arange(N_COLUMNS) + 3.0 + rng.standard_normal(N_ROWS)
        self.Y = np.column_stack([self.y, self.X[:, 0] ** 2])
        self.weights = rng.uniform(0.0, 2.0, N_ROWS)
        np.save(folder / "X.npy", self.X)
        np.save(folder / "y.npy", self.y)
        (folder / "parts").mkdir()
        for k, rows in enumerate(np.array_split(self.X, 5)):
            np.save(folder / "parts" / f"{k:03d}.npy", rows)

    def write_parquet(self):
        pyarrow, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
        path = self.folder / "table"
        if not path.exists():
            path.mkdir()
            columns = {**dict(zip(NAMES, self.X.T, strict=True)), "y": self.y, "w": self.weights}
            table = pyarrow.table(columns)
            parquet.write_table(table[:4000], path / "a.parquet", row_group_size=900)
            parquet.write_table(table[4000:], path / "b.parquet", row_group_size=900)
        return path

    def write_zarr(self):
        zarr = pytest.importorskip("zarr")
        path = self.folder / "X.zarr"
        if not path.exists():
            array = zarr.create_array(store=str(path), shape=self.X.shape, chunks=(700, 5), dtype="f8")
            array[:] = self.X
        return path

    def generate(self, rows=1100):
        return ((self.X[k : k + rows], self.y[k : k + rows]) for k in range(0, N_ROWS, rows))


@pytest.fixture(scope="session")
def data(tmp_path_factory):
    return Data(tmp_path_factory.mktemp("rows"))


@pytest.fixture(scope="session")
def fitted(data):
    """The fits of the data in memory."""
    return {
        solver: SketchedLinearRegression(solver=solver, random_state=1).fit(data.X, data.y)
        for solver in ("auto", "sketch-and-solve")
    }


@pytest.fixture(scope="session")
def client():
    """Two processes of one thread each, begun once."""
    distributed = pytest.importorskip("distributed")
    # What a lost worker leaves in the log is what the tests are about.
    logging.getLogger("distributed").setLevel(logging.CRITICAL)
    with (
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, dashboard_address=":0", silence_logs=logging.CRITICAL
        ) as cluster,
        distributed.Client(cluster, set_as_default=False) as client,
    ):
        yield client
