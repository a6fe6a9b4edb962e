"""Sums over blocks: the same tree for everybody, any blocks, and clear errors."""

import pickle
import subprocess
import sys

import numpy as np
import pytest
import scipy.sparse

from sparsesolve.sketch import SRHT, CountSketch, Gaussian
from sparsesolve.streams import BlockError, Passes, block_moments, reduce_blocks, row_blocks
from sparsesolve.streams.reduce import group_size


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def gram(block):
    X = block.dense()
    return X.T @ X, X.sum(axis=0), block.n_rows


@pytest.mark.parametrize("block_rows", [1, 7, 100, 999, 1000, 5000])
def test_sums_are_those_of_the_whole(rng, block_rows):
    X = rng.standard_normal((1000, 4))
    squares, sums, count = reduce_blocks(row_blocks(X, block_rows=block_rows), gram)
    np.testing.assert_allclose(squares, X.T @ X, rtol=1e-12)
    np.testing.assert_allclose(sums, X.sum(axis=0), atol=1e-11)
    assert count == 1000


@pytest.mark.parametrize("block_rows", [1, 50])
def test_threads_give_the_same_bits(rng, block_rows):
    X = rng.standard_normal((1500, 3))
    found = [
        reduce_blocks(row_blocks(X, block_rows=block_rows, scheduler=scheduler), gram)[0]
        for scheduler in ("serial", "threads", "threads")
    ]
    assert np.array_equal(found[0], found[1])
    assert np.array_equal(found[0], found[2])


def test_groups_are_few_for_many_blocks():
    assert [group_size(n) for n in (1, 255, 512, 1 << 16, 10**8)] == [1, 1, 2, 256, 10**4]


@pytest.mark.parametrize("distribution", [SRHT(64, 3), Gaussian(20, 3), CountSketch(40, 3)])
def test_any_blocks_meet_the_same_sketch(rng, distribution):
    X = rng.standard_normal((2500, 5))
    sample = distribution.sample(2500)
    whole = sample.apply(X)
    for block_rows in (2500, 900, 333):
        blocks = row_blocks(X, block_rows=block_rows)
        (parts,) = reduce_blocks(blocks, lambda block: (sample.apply_block(block.data, block.first_row),))
        np.testing.assert_allclose(parts, whole, rtol=0, atol=1e-12 * np.abs(whole).max())


def test_combine_of_ones_own(rng):
    X = rng.standard_normal((100, 3))
    largest = reduce_blocks(
        row_blocks(X, block_rows=7),
        lambda block: (block.data.max(axis=0),),
        combine=lambda total, part: (np.maximum(total[0], part[0]),),
    )[0]
    assert np.array_equal(largest, X.max(axis=0))


def test_inputs_stay_as_they_are(rng):
    X = rng.standard_normal((20, 3))
    before = X.copy()
    reduce_blocks(row_blocks(X, block_rows=5), lambda block: (block.data,))
    assert np.array_equal(X, before)


def test_blocks_carry_targets_weights_and_places(rng):
    X, y, weights = rng.standard_normal((10, 2)), np.arange(10.0), np.arange(10.0)
    blocks = list(row_blocks(X, y, sample_weight=weights, block_rows=4))
    assert [block.first_row for block in blocks] == [0, 4, 8]
    assert blocks[1].targets.tolist() == [[4.0], [5.0], [6.0], [7.0]]
    assert blocks[2].weights.tolist() == [8.0, 9.0]
    assert blocks[1].place == "array, rows 4 to 8"


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("centred", [False, True])
@pytest.mark.parametrize("make", [np.asarray, scipy.sparse.csr_array])
def test_moments(rng, weighted, centred, make):
    X = rng.standard_normal((500, 4)) * [1.0, 1e100, 1e-100, 1.0] + [0, 0, 0, 1e4]
    y, weights = rng.standard_normal(500), rng.uniform(size=500) if weighted else None
    moments = block_moments(
        Passes(row_blocks(make(X), y, sample_weight=weights, block_rows=90)),
        with_targets=True,
        centred=centred,
    )
    share = np.ones(500) if weights is None else weights
    columns = np.column_stack([X, y])
    mean = share @ columns / share.sum() if centred else np.zeros(5)
    scaled = (columns - mean) / moments.units
    np.testing.assert_allclose(moments.mean, mean, rtol=1e-12)
    np.testing.assert_allclose(moments.products, (share[:, None] * scaled).T @ scaled, rtol=1e-9, atol=1e-10)
    assert moments.total == pytest.approx(share.sum())


@pytest.mark.parametrize(
    ("value", "message"), [(np.nan, r"block 7 .*X\[3, 1\] is NaN"), (np.inf, r"block 7 .*is infinity")]
)
@pytest.mark.parametrize("scheduler", ["serial", "threads"])
def test_what_is_not_finite_is_named(rng, value, message, scheduler):
    X = rng.standard_normal((100, 3))
    X[73, 1] = value
    with pytest.raises(BlockError, match=message):
        reduce_blocks(row_blocks(X, block_rows=10, scheduler=scheduler), gram)


@pytest.mark.parametrize(
    ("items", "message"),
    [
        ([np.ones((3, 2)), np.ones((3, 3))], r"block 1 \(item 1 of the generator\): X has 3 columns, but 2"),
        ([np.ones((3, 2)), np.ones((0, 2))], "block 1 .*is empty"),
        ([(np.ones((3, 2)), np.ones(3)), (np.ones((3, 2)), np.ones(2))], "block 1 .*y has shape"),
        ([(np.ones((3, 2)), np.ones(3), -np.ones(3))], "block 0 .*is negative"),
        ([np.ones((3, 2)), np.array([["a", "b"]])], "block 1 .*no real numbers"),
    ],
)
def test_malformed_blocks_are_named(items, message):
    with pytest.raises(BlockError, match=message):
        reduce_blocks(row_blocks(lambda: iter(items)), gram)


def test_an_iterator_serves_one_pass(rng):
    blocks = row_blocks(iter([np.ones((3, 2)), np.ones((4, 2))]))
    assert reduce_blocks(blocks, gram)[2] == 7
    with pytest.raises(ValueError, match="give a callable"):
        reduce_blocks(blocks, gram)
    with pytest.raises(ValueError, match="give a callable"):
        _ = blocks.n_rows


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: row_blocks(3), "give an array"),
        (lambda: row_blocks("no/such/file.npy"), "does not exist"),
        (lambda: row_blocks(np.ones((3, 2)), np.ones(4)), "target has 4 rows, but X has 3"),
        (lambda: row_blocks(np.ones((3, 2)), block_rows=0), "block_rows=0"),
        (lambda: row_blocks(np.ones(3)), "rows and columns"),
        (lambda: row_blocks(np.ones((3, 2)), scheduler="fast"), "scheduler='fast'"),
        (lambda: row_blocks(iter([])), "no block"),
        (lambda: row_blocks(lambda: iter([np.ones((2, 2))]), np.ones(2)), "come with its blocks"),
    ],
)
def test_bad_sources(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_progress(rng):
    seen = []
    reduce_blocks(row_blocks(rng.standard_normal((10, 2)), block_rows=4, progress=seen.append), gram)
    assert [tuple(step) for step in seen] == [(0, 1, 3, 4), (0, 2, 3, 8), (0, 3, 3, 10)]


def test_nothing_optional_is_imported_unless_asked():
    code = (
        "import sys, numpy as np; from sparsesolve.streams import row_blocks, reduce_blocks\n"
        "from sparsesolve.regression.solver import lstsq\n"
        "lstsq(row_blocks(np.eye(9)[:, :3], np.ones(9), block_rows=4), random_state=0)\n"
        "print(sorted({name.split('.')[0] for name in sys.modules}))"
    )
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert "'sparsesolve'" in loaded
    for name in ("dask", "distributed", "pyarrow", "zarr", "pandas", "sklearn"):
        assert f"'{name}'" not in loaded


def test_what_is_sent_to_a_worker_is_small(tmp_path, rng):
    X = rng.standard_normal((1000, 20))
    np.save(tmp_path / "X.npy", X)
    for source in (tmp_path / "X.npy", np.load(tmp_path / "X.npy", mmap_mode="r")):
        parts = list(
            row_blocks(source, np.load(tmp_path / "X.npy", mmap_mode="r")[:, 3:4], block_rows=100).parts()
        )
        assert len(pickle.dumps(row_blocks(source, block_rows=100).parts().__next__())) < 1000
        assert np.array_equal(pickle.loads(pickle.dumps(parts[7])).load().targets, X[700:800, 3:4])
    sent = pickle.dumps(list(row_blocks(X, X[:, 0], block_rows=100).parts())[3])
    assert len(sent) < 100 * 21 * 8 + 1000
    assert np.array_equal(pickle.loads(sent).load().data, X[300:400])


@pytest.mark.parametrize("cut", [slice(None), slice(100, 300), slice(None, None, 2), slice(None, None, -1)])
@pytest.mark.parametrize("mode", ["r", "r+", "c"])
def test_memory_maps_of_any_kind(tmp_path, rng, cut, mode):
    np.save(tmp_path / "X.npy", rng.standard_normal((400, 5)))
    X = np.load(tmp_path / "X.npy", mmap_mode=mode)
    if mode != "r":
        X[0] = 7.0  # not yet written
    read = [block.data for block in row_blocks(X[cut], block_rows=37)]
    assert np.array_equal(np.concatenate(read), X[cut])
