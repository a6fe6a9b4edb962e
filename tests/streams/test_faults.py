"""Interrupts, damaged files and lost processes: the right answer, or an error that names the place."""

import json
import os
import signal
import subprocess
import sys

import numpy as np
import pytest
import scipy.sparse

from sparsesolve import BCDRegressor, CoLiDE, SketchedLinearRegression
from sparsesolve.streams import BlockError, row_blocks


class Interrupt(Exception):
    """Stands for a process that ends."""


def interrupted_at(pass_number, blocks_done):
    def progress(step):
        if step.pass_number == pass_number and step.blocks_done >= blocks_done:
            raise Interrupt

    return progress


MODELS = {
    "auto": lambda: SketchedLinearRegression(),
    "cqrrt": lambda: SketchedLinearRegression(solver="cqrrt", alpha=1.0),
    "direct": lambda: SketchedLinearRegression(solver="direct"),
    "sketch-and-solve": lambda: SketchedLinearRegression(solver="sketch-and-solve"),
    "sparse": lambda: BCDRegressor(alpha=0.1),
    "graph": lambda: CoLiDE(),
}


SCHEDULERS = {(0, 1): "serial", (0, 6): "threads", (1, 3): "threads", (2, 5): "serial", (3, 4): "serial"}


def answer(model):
    return model.adjacency_ if hasattr(model, "adjacency_") else np.append(model.coef_, model.intercept_)


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("point", [(0, 1), (0, 6), (1, 3), (2, 5), (3, 4)])
def test_an_interrupted_fit_goes_on_to_the_same_bits(data, tmp_path, name, point):
    """Also without a random_state: the key of the sketch is kept, too."""
    kept, steps = tmp_path / "kept", []
    blocks = row_blocks(
        data.X, data.y, block_rows=700, checkpoint=kept, checkpoint_every=2, scheduler=SCHEDULERS[point]
    )
    try:
        MODELS[name]().fit(blocks.using(progress=interrupted_at(*point)))
    except Interrupt:
        key = json.loads((kept / "fit.json").read_text()).get("key", 0)
        resumed = MODELS[name]().fit(blocks.using(progress=steps.append))
        whole = MODELS[name]().set_params(random_state=key).fit(blocks.using(checkpoint=None))
        assert np.array_equal(answer(resumed), answer(whole))
        if steps:
            first = steps[0].pass_number, steps[0].blocks_done
            assert first > (point[0], point[1] // 2 * 2), "what was kept is not read again"
    else:
        assert point[0] > 0, "the fit had ended before"
    assert not kept.exists()


def test_a_checkpoint_of_another_fit_is_refused(data, tmp_path):
    blocks = row_blocks(data.X, data.y, block_rows=700, checkpoint=tmp_path / "kept", checkpoint_every=1)
    with pytest.raises(Interrupt):
        SketchedLinearRegression(random_state=0).fit(blocks.using(progress=interrupted_at(0, 3)))
    with pytest.raises(ValueError, match="belongs to another fit"):
        SketchedLinearRegression(random_state=0, alpha=1.0).fit(blocks)
    with pytest.raises(ValueError, match="belongs to another fit"):
        SketchedLinearRegression(random_state=1).fit(blocks)
    other = row_blocks(data.X, data.y, block_rows=500, checkpoint=tmp_path / "kept")
    with pytest.raises(ValueError, match="belongs to another fit"):
        SketchedLinearRegression(random_state=0).fit(other)


@pytest.mark.parametrize("what", ["X", "y", "last", "sparse"])
def test_a_checkpoint_of_other_data_is_refused(data, tmp_path, what):
    """Of the same shape, with the same parameters: their sums would be added to these."""

    def begin(X, y, **more):
        blocks = row_blocks(X, y, block_rows=700, checkpoint=tmp_path / "kept", checkpoint_every=1)
        return SketchedLinearRegression(random_state=0).fit(blocks.using(**more))

    X, y = data.X.copy(), data.y.copy()
    if what == "sparse":
        X = scipy.sparse.csr_array(X)
    with pytest.raises(Interrupt):
        begin(X, y, progress=interrupted_at(0, 3))
    if what == "y":
        y[5] += 1.0
    elif what == "sparse":
        X = X * 2.0
    else:
        X[-1 if what == "last" else 0, 0] += 1.0
    with pytest.raises(ValueError, match="belongs to another fit"):
        begin(X, y)


def test_an_iterator_cannot_be_resumed(data, tmp_path):
    with pytest.raises(ValueError, match="checkpoint needs more than one pass"):
        SketchedLinearRegression().fit(row_blocks(data.generate(), checkpoint=tmp_path / "kept"))


SCRIPT = """
import os, signal, sys
from sparsesolve.streams import row_blocks
from sparsesolve.regression.solver import lstsq

folder, kept, pass_number, blocks_done = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])

def progress(step):
    if step.pass_number == pass_number and step.blocks_done >= blocks_done:
        os.kill(os.getpid(), signal.SIGKILL)

blocks = row_blocks(
    folder + "/X.npy", folder + "/y.npy", block_rows=500, checkpoint=kept, checkpoint_every=1, progress=progress
)
print(lstsq(blocks, random_state=9).solution.coef.tobytes().hex())
"""


def run(data, kept, pass_number, blocks_done):
    arguments = [str(data.folder), str(kept), str(pass_number), str(blocks_done)]
    return subprocess.run([sys.executable, "-c", SCRIPT, *arguments], capture_output=True, text=True)


def test_a_killed_process_is_taken_up(data, tmp_path, full):
    points = [(0, 1), (0, 5), (1, 2), (1, 12), (2, 7)] if full else [(1, 5)]
    expected = run(data, tmp_path / "never", 99, 0).stdout
    assert expected
    for point in points:
        killed = run(data, tmp_path / "kept", *point)
        assert killed.returncode == -signal.SIGKILL
        assert list((tmp_path / "kept").glob("*.npz"))
        assert run(data, tmp_path / "kept", 99, 0).stdout == expected


def fit(blocks):
    return SketchedLinearRegression(random_state=0).fit(blocks)


def test_a_truncated_file_is_named(data, tmp_path):
    whole = (data.folder / "X.npy").read_bytes()
    (tmp_path / "X.npy").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(BlockError, match=r"X.npy is truncated: .* bytes"):
        row_blocks(tmp_path / "X.npy", data.y)
    (tmp_path / "X.npy").write_bytes(whole[:20])
    with pytest.raises(BlockError, match=r"X.npy is no .npy file"):
        row_blocks(tmp_path / "X.npy", data.y)


def test_a_file_that_shrinks_in_the_middle_is_named(data, tmp_path):
    (tmp_path / "X.npy").write_bytes((data.folder / "X.npy").read_bytes())
    blocks = row_blocks(tmp_path / "X.npy", data.y, block_rows=600)
    os.truncate(tmp_path / "X.npy", 300_000)
    with pytest.raises(BlockError, match=r"block 5 \(.*X.npy, rows 3000 to 3600\) cannot be read"):
        fit(blocks)


def test_a_truncated_table_is_named(data, tmp_path):
    whole = (data.write_parquet() / "b.parquet").read_bytes()
    (tmp_path / "a.parquet").write_bytes((data.write_parquet() / "a.parquet").read_bytes())
    (tmp_path / "b.parquet").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(BlockError, match=r"b.parquet is no Parquet file that can be read"):
        row_blocks(tmp_path, "y")
    damaged = bytearray(whole)
    damaged[2000:60000] = b"\xff" * 58000  # the footer is well, the first row group is not
    (tmp_path / "b.parquet").write_bytes(damaged)
    with pytest.raises(BlockError, match=r"block 5 \(.*b.parquet, row group 0\) cannot be read"):
        fit(row_blocks(tmp_path, "y"))


def test_nan_in_block_7_is_named(data, tmp_path):
    pyarrow, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    X = data.X.copy()
    X[7 * 500 + 11, 3] = np.nan
    table = pyarrow.table({**{f"x{k}": column for k, column in enumerate(X.T)}, "y": data.y})
    parquet.write_table(table, tmp_path / "rows.parquet", row_group_size=500)
    with pytest.raises(
        BlockError, match=r"block 7 \(.*rows.parquet, row group 7\), .*: X\[11, 3\] is NaN: remove"
    ):
        fit(row_blocks(tmp_path / "rows.parquet", "y"))
    for solver in ("auto", "direct", "sketch-and-solve"):
        with pytest.raises(BlockError, match=r"block 7 .*X\[11, 3\] is NaN"):
            SketchedLinearRegression(solver=solver).fit(row_blocks(X, data.y, block_rows=500))
    for model in (BCDRegressor(), CoLiDE()):
        with pytest.raises(BlockError, match=r"block 7 .*X\[11, 3\] is NaN"):
            model.fit(row_blocks(X, data.y, block_rows=500))
    with pytest.raises(BlockError, match=r"block 1 .*X\[1, 3\] is NaN"):
        fit(row_blocks((X[k : k + 10], data.y[k : k + 10]) for k in (3000, 3510)))


def test_nan_in_targets_is_named(data):
    y = data.y.copy()
    y[3999] = np.inf
    with pytest.raises(BlockError, match=r"block 7 \(array, rows 3500 to 4000\): y\[499\] is infinity"):
        fit(row_blocks(data.X, y, block_rows=500))


@pytest.mark.parametrize(
    ("kind", "message"),
    [("text", "column 'x1' has dtype"), ("missing", r"has no column 'x2', which the first file has")],
)
def test_tables_that_do_not_fit(tmp_path, kind, message):
    pyarrow, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    columns = {f"x{k}": np.ones(9) for k in range(3)} | {"y": np.ones(9)}
    parquet.write_table(pyarrow.table(columns), tmp_path / "a.parquet")
    if kind == "text":
        columns["x1"] = np.array(["a"] * 9)
    else:
        del columns["x2"]
    parquet.write_table(pyarrow.table(columns), tmp_path / "b.parquet")
    with pytest.raises(BlockError, match=message):
        fit(row_blocks(tmp_path, "y"))


def test_missing_values_of_a_table_are_named(tmp_path):
    pyarrow, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    table = pyarrow.table(
        {"x0": pyarrow.array([1.0, None, 3.0] * 5), "x1": np.arange(15.0), "y": np.ones(15)}
    )
    parquet.write_table(table, tmp_path / "a.parquet")
    with pytest.raises(BlockError, match=r"row group 0\), .*X\[1, 0\] is NaN"):
        fit(row_blocks(tmp_path / "a.parquet", "y"))
    with pytest.raises(ValueError, match="the table has no column 'z'"):
        row_blocks(tmp_path / "a.parquet", "z")
