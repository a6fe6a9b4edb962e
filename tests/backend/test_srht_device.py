"""Hadamard sketches in both types and on every backend: exact on integers, the same bits however they are cut."""

import dataclasses
import itertools

import numpy as np
import pytest
import scipy.linalg
import scipy.sparse

from sparsesolve import SketchedLinearRegression, lstsq
from sparsesolve.backends import opencl
from sparsesolve.exceptions import BackendError
from sparsesolve.random import Stream, choose, fill_sign_rows
from sparsesolve.sketch import SRHT, PaddedSRHT

KEY = 5


def row_signs(stream, n_blocks, block):
    signs = np.empty((n_blocks, block))
    fill_sign_rows(np.uint64(KEY), int(stream), 0, signs)
    return signs


def block_matrix(size, n_rows):
    """sqrt(m) S of the block SRHT, from its definition."""
    block = max(64, 1 << (size - 1).bit_length())
    n_blocks = -(-n_rows // block)
    before = row_signs(Stream.SRHT_ROW_SIGNS, n_blocks, block)
    after = row_signs(Stream.SRHT_BLOCK_SIGNS, n_blocks, block)
    rows = choose(KEY, Stream.SRHT_ROWS, block, size)
    H = scipy.linalg.hadamard(block)
    return np.hstack([(after[k, :, None] * H * before[k])[rows] for k in range(n_blocks)])[:, :n_rows]


def padded_matrix(size, n_rows):
    """sqrt(m) S of the padded SRHT, from its definition."""
    block = max(64, 1 << (size - 1).bit_length())
    order = 1 << (n_rows - 1).bit_length()
    before = row_signs(Stream.PADDED_SRHT_ROW_SIGNS, -(-order // block), block).reshape(-1)[:order]
    rows = choose(KEY, Stream.PADDED_SRHT_ROWS, order, size)
    return (scipy.linalg.hadamard(order) * before)[rows, :n_rows]


CASES = {"block": (SRHT, block_matrix), "padded": (PaddedSRHT, padded_matrix)}


def integers(n_rows, n_columns, dtype):
    return np.random.default_rng(0).integers(-99, 99, (n_rows, n_columns)).astype(dtype)


def check_exact(case, size, n_rows, n_columns, dtype, **options):
    """The transform of integers is exact; only the last division is rounded."""
    distribution, matrix = CASES[case]
    A = integers(n_rows, n_columns, dtype)
    found = distribution(size, KEY).sample(n_rows).apply(A, dtype=dtype, **options)
    expected = (matrix(size, n_rows) @ A.astype(float)).astype(dtype)
    assert found.dtype == dtype
    np.testing.assert_allclose(found * np.sqrt(size), expected, rtol=4 * np.finfo(dtype).eps)


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize(("size", "n_rows", "n_columns"), [(5, 200, 3), (100, 700, 70)])
def test_exact_in_float32_on_the_processor(case, size, n_rows, n_columns):
    check_exact(case, size, n_rows, n_columns, np.float32)


@pytest.mark.usefixtures("device_runtime", "each_form")
@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize(
    ("size", "n_rows", "n_columns", "dtype"),
    [(5, 200, 3, np.float32), (100, 700, 70, np.float32), (100, 700, 9, np.float64)],
)
def test_exact_on_a_device(case, size, n_rows, n_columns, dtype):
    check_exact(case, size, n_rows, n_columns, dtype, backend="opencl")


@pytest.mark.usefixtures("device_runtime")
@pytest.mark.parametrize("case", CASES)
def test_blocks_too_tall_for_one_pass(case, monkeypatch):
    from sparsesolve.sketch.device import srht

    monkeypatch.setenv(opencl.FORM_VARIABLE, "gpu")
    check_exact(case, 300, 900, 3, np.float64, backend="opencl")  # two passes
    monkeypatch.setattr(srht, "_MOST_ROWS", 32)
    A = integers(9000, 2, np.float32)
    sample = CASES[case][0](4100, KEY).sample(9000)  # three
    found = [sample.apply(A, None, name, np.float32) for name in ("numba", "opencl")]
    np.testing.assert_allclose(*found, rtol=4e-7)


@pytest.mark.usefixtures("device_runtime", "each_form")
@pytest.mark.parametrize("case", CASES)
def test_parts_scales_and_chunks(case, monkeypatch):
    n_rows = 6000
    rng = np.random.default_rng(1)
    A, scale = rng.standard_normal((n_rows, 7)).astype(np.float32), rng.random(n_rows)
    sample = CASES[case][0](40, KEY).sample(n_rows)
    whole = sample.apply(A, scale, "opencl", np.float32)
    np.testing.assert_allclose(whole, sample.apply(A.astype(float), scale), rtol=0, atol=1e-3)
    cuts = [0, 50, 128, 3000, n_rows]
    parts = [
        sample.apply_block(A[a:b], a, scale[a:b], "opencl", np.float32) for a, b in itertools.pairwise(cuts)
    ]
    np.testing.assert_allclose(sum(parts), whole, rtol=0, atol=1e-3)
    np.testing.assert_array_equal(sample.apply(A, scale, "opencl", np.float32), whole)
    device = opencl.runtime().device
    monkeypatch.setattr(opencl.runtime(), "device", dataclasses.replace(device, largest_buffer=1 << 16))
    np.testing.assert_array_equal(sample.apply(A, scale, "opencl", np.float32), whole)
    sparse = scipy.sparse.csr_array(A)
    np.testing.assert_array_equal(sample.apply(sparse, scale, "opencl", np.float32), whole)


@pytest.mark.usefixtures("device_runtime")
@pytest.mark.parametrize("sketch", ["srht", "gaussian"])
def test_least_squares_sketches_on_the_device(sketch):
    rng = np.random.default_rng(2)
    A = rng.standard_normal((600, 5))
    b = A @ np.arange(5.0) + rng.standard_normal(600)
    here = lstsq(A, b, solver="spir", sketch=sketch, random_state=0, backend="numba")
    there = lstsq(A, b, solver="spir", sketch=sketch, random_state=0, backend="opencl")
    assert here.backend.name == "numba"
    assert there.backend.name == "opencl"
    np.testing.assert_allclose(there.solution.coef, here.solution.coef, rtol=1e-12)
    assert there.certificate["backward_error"] < 1e-15


@pytest.mark.usefixtures("device_runtime")
def test_the_estimator_and_its_stream_sketch_on_the_device():
    rng = np.random.default_rng(3)
    X, y = rng.standard_normal((500, 3)), rng.standard_normal(500)
    options = {"solver": "sketch-and-solve", "sketch_size": 64, "random_state": 0}
    here = SketchedLinearRegression(**options, backend="numba").fit(X, y)
    there = SketchedLinearRegression(**options, backend="opencl").fit(X, y)
    assert there.result_.backend.name == "opencl"
    np.testing.assert_allclose(there.coef_, here.coef_, rtol=1e-10)
    stream = SketchedLinearRegression(**options, backend="opencl").partial_fit(X[:200], y[:200])
    stream.partial_fit(X[200:], y[200:])
    assert stream.result_.backend.name == "opencl"


@pytest.mark.parametrize(
    ("options", "message"),
    [({"sketch": "countsketch"}, "use sketch='srht'"), ({"solver": "direct"}, "makes no sketch")],
)
def test_what_has_no_opencl_form_says_so(options, message):
    with pytest.raises(BackendError, match=message):
        lstsq(np.ones((50, 1)), np.ones(50), backend="opencl", **options)
