"""Dask collections and Dask workers: real processes, which may be lost."""

import os
import signal
import time

import numpy as np
import pytest

from sparsesolve import BCDRegressor, CoLiDE, SketchedLinearRegression
from sparsesolve.streams import BlockError, reduce_blocks, row_blocks

dask_array = pytest.importorskip("dask.array")
pytest.importorskip("distributed")

COLLECTIONS = {
    "array": lambda data: row_blocks(dask_array.from_array(data.X, chunks=(900, 5)), data.y),
    "array and targets": lambda data: row_blocks(
        dask_array.from_array(data.X, chunks=(900, 12)), dask_array.from_array(data.y, chunks=500)
    ),
    "unknown chunks": lambda data: row_blocks(
        dask_array.from_array(data.X, chunks=(900, 12))[dask_array.ones(6000, chunks=900) > 0], data.y
    ),
}
EVERYWHERE = {
    "in memory": lambda data: row_blocks(data.X, data.y, block_rows=900),
    "npy": lambda data: row_blocks(data.folder / "X.npy", data.y, block_rows=900),
    "parquet": lambda data: row_blocks(data.write_parquet(), "y", columns=[f"x{k}" for k in range(12)]),
    "zarr": lambda data: row_blocks(data.write_zarr(), data.y, block_rows=1400),
    "generator": lambda data: row_blocks(data.generate),
    "dask array": COLLECTIONS["array"],
}


def frame_blocks(data):
    pandas = pytest.importorskip("pandas")
    dask_frame = pytest.importorskip("dask.dataframe")
    frame = pandas.DataFrame(data.X, columns=[f"x{k}" for k in range(12)]).assign(y=data.y)
    return row_blocks(dask_frame.from_pandas(frame, npartitions=4), "y")


@pytest.mark.parametrize("name", COLLECTIONS)
def test_collections_without_workers(data, fitted, name):
    model = SketchedLinearRegression(random_state=1).fit(COLLECTIONS[name](data))
    np.testing.assert_allclose(model.coef_, fitted["auto"].coef_, rtol=1e-10)


def test_data_frames(data, fitted):
    model = SketchedLinearRegression(random_state=1).fit(frame_blocks(data))
    np.testing.assert_allclose(model.coef_, fitted["auto"].coef_, rtol=1e-10)
    assert model.feature_names_in_[3] == "x3"


def test_a_collection_is_taken_as_it_is(data, fitted):
    X, y = (dask_array.from_array(one, chunks=1000) for one in (data.X, data.y))
    model = SketchedLinearRegression(random_state=1).fit(X, y)
    np.testing.assert_allclose(model.coef_, fitted["auto"].coef_, rtol=1e-10)


@pytest.mark.parametrize("name", EVERYWHERE)
@pytest.mark.parametrize("solver", ["auto", "sketch-and-solve"])
def test_workers_give_the_same_fit(data, fitted, client, name, solver):
    blocks = EVERYWHERE[name](data)
    model = SketchedLinearRegression(solver=solver, random_state=1).fit(blocks.using(scheduler=client))
    np.testing.assert_allclose(model.coef_, fitted[solver].coef_, rtol=1e-10)
    serial = SketchedLinearRegression(solver=solver, random_state=1).fit(blocks.using(scheduler="serial"))
    np.testing.assert_allclose(model.coef_, serial.coef_, rtol=1e-12)


def test_one_worker_gives_what_two_give(data, client):
    blocks = row_blocks(data.X, data.y, block_rows=500, scheduler=client)
    one = blocks.using(scheduler=OnlySome(client, list(client.scheduler_info()["workers"])[:1]))
    both, alone = (SketchedLinearRegression(random_state=1).fit(some).coef_ for some in (blocks, one))
    np.testing.assert_allclose(alone, both, rtol=1e-12)


class OnlySome:
    """A client that works on some workers only."""

    def __init__(self, client, workers):
        self._client, self._workers = client, workers

    def __getattr__(self, name):
        return getattr(self._client, name)

    def compute(self, *args, **options):
        return self._client.compute(*args, workers=self._workers, **options)


def test_other_estimators_on_workers(data, client):
    blocks = row_blocks(data.X, data.y, block_rows=700, scheduler=client)
    sparse = BCDRegressor(alpha=0.1).fit(blocks)
    np.testing.assert_allclose(
        sparse.coef_, BCDRegressor(alpha=0.1).fit(data.X, data.y).coef_, rtol=1e-6, atol=1e-9
    )
    graph = CoLiDE().fit(blocks)
    np.testing.assert_allclose(graph.adjacency_, CoLiDE().fit(data.X).adjacency_, rtol=1e-9, atol=1e-12)


def test_the_current_client_is_used(data, client):
    with client.as_current():
        X = client.persist(dask_array.from_array(data.X, chunks=(900, 12)))
        blocks = row_blocks(X, data.y)
        assert blocks.scheduler == "dask"
        total = reduce_blocks(blocks, lambda block: (block.data.sum(axis=0), os.getpid()))
    np.testing.assert_allclose(total[0], data.X.sum(axis=0))


def test_a_client_is_needed(data):
    with pytest.raises(ValueError, match=r"make one with dask.distributed.Client"):
        reduce_blocks(row_blocks(data.X, scheduler="dask"), lambda block: (block.n_rows,))


def test_errors_come_back_with_their_place(data, client):
    X = data.X.copy()
    X[7 * 500 + 1, 2] = np.nan
    with pytest.raises(BlockError, match=r"block 7 \(array.*X\[1, 2\] is NaN"):
        SketchedLinearRegression().fit(row_blocks(X, data.y, block_rows=500, scheduler=client))


def kill_one(client):
    """Kill a worker's process, and wait until nobody counts on it any more."""
    client.wait_for_workers(2, timeout=60)
    time.sleep(1.0)  # a worker that is killed while its nanny still watches it start is not started again
    address, pid = next(iter(client.run(os.getpid).items()))
    os.kill(pid, signal.SIGKILL)
    for _ in range(600):
        if address not in client.scheduler_info()["workers"]:
            return
        time.sleep(0.05)
    raise AssertionError("the worker is still there")


def test_a_lost_worker_costs_only_its_blocks(data, fitted, client, full):
    """A worker is killed at the first sign of progress of each of the first stages."""
    stages, solver = (range(10), "spir") if full else (range(2), "auto")
    killed = set()

    def progress(step):
        if step.pass_number in stages and step.pass_number not in killed:
            killed.add(step.pass_number)
            kill_one(client)

    blocks = row_blocks(data.folder / "X.npy", data.y, block_rows=150, scheduler=client, progress=progress)
    model = SketchedLinearRegression(solver=solver, random_state=1).fit(blocks)
    assert len(killed) == len(stages)
    np.testing.assert_allclose(model.coef_, fitted["auto"].coef_, rtol=1e-10)
    client.wait_for_workers(2, timeout=60)


def test_an_interrupted_fit_on_workers_is_taken_up(data, fitted, client, tmp_path):
    class Interrupt(Exception):
        pass

    def progress(step):
        if (step.pass_number, step.blocks_done) == (1, 7):
            raise Interrupt

    blocks = row_blocks(
        data.X, data.y, block_rows=500, scheduler=client, checkpoint=tmp_path / "kept", checkpoint_every=1
    )
    with pytest.raises(Interrupt):
        SketchedLinearRegression(random_state=1).fit(blocks.using(progress=progress))
    steps = []
    model = SketchedLinearRegression(random_state=1).fit(blocks.using(progress=steps.append))
    assert (steps[-1].pass_number, steps[0].blocks_done) >= (1, 7)
    np.testing.assert_allclose(model.coef_, fitted["auto"].coef_, rtol=1e-10)
