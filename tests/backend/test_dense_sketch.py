"""Gaussian and Rademacher sketches on every backend against an explicit S."""

import numpy as np
import pytest
import scipy.sparse
from threadpoolctl import threadpool_limits

from sparsesolve.random import Stream, fill_normal_rows, fill_sign_rows
from sparsesolve.sketch import Gaussian, Rademacher

KEY = 11
N_ROWS, SIZE = 400, 70
FILL = {
    "Gaussian": (Gaussian, fill_normal_rows, Stream.GAUSSIAN),
    "Rademacher": (Rademacher, fill_sign_rows, Stream.RADEMACHER),
}
TOLERANCE = {np.float32: 3e-6, np.float64: 1e-14}


def explicit(kind, size, n_rows):
    """S of shape (size, n_rows), from the entries themselves."""
    _, fill, stream = FILL[kind]
    columns = np.empty((n_rows, size))
    fill(np.uint64(KEY), int(stream), 0, columns)
    return columns.T / np.sqrt(size)


def problem(n_columns, dtype, seed=0):
    rng = np.random.default_rng(seed)
    A = rng.standard_normal((N_ROWS, n_columns)).astype(dtype)
    sparse = scipy.sparse.random_array((N_ROWS, n_columns), density=0.1, rng=rng, format="csr", dtype=dtype)
    return {"dense": A, "csr": sparse}, rng.random(N_ROWS)


def close(found, expected, dtype):
    assert found.dtype == dtype
    np.testing.assert_allclose(found, expected, rtol=0, atol=TOLERANCE[dtype] * np.abs(expected).max() * 10)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("kind", FILL)
def test_the_product_on_the_processor(kind, dtype):
    S = explicit(kind, SIZE, N_ROWS)
    sample = FILL[kind][0](SIZE, KEY).sample(N_ROWS)
    np.testing.assert_allclose(sample.to_array(), S, rtol=0, atol=1e-15)
    for A in problem(7, dtype)[0].values():
        scale = problem(7, dtype)[1]
        close(sample.apply(A, dtype=dtype), S @ A, dtype)
        close(sample.apply(A, row_scale=scale, dtype=dtype), (S * scale) @ A, dtype)


@pytest.mark.usefixtures("device_runtime", "each_form")
@pytest.mark.parametrize(
    ("kind", "dtype"), [("Gaussian", np.float32), ("Gaussian", np.float64), ("Rademacher", np.float32)]
)
def test_the_product_on_a_device(kind, dtype):
    S = explicit(kind, SIZE, N_ROWS)
    sample = FILL[kind][0](SIZE, KEY).sample(N_ROWS)
    matrices, scale = problem(11, dtype)
    for A in matrices.values():
        close(sample.apply(A, backend="opencl", dtype=dtype), S @ A, dtype)
        close(sample.apply(A, row_scale=scale, backend="opencl", dtype=dtype), (S * scale) @ A, dtype)
        part = sample.apply_block(A[100:333], 100, scale[100:333], backend="opencl", dtype=dtype)
        close(part, (S * scale)[:, 100:333] @ A[100:333], dtype)


@pytest.mark.usefixtures("device_runtime", "each_form")
def test_bits_do_not_depend_on_the_run_or_on_chunks(monkeypatch):
    from sparsesolve.backends import opencl

    sample = Gaussian(SIZE, KEY).sample(N_ROWS)
    (A, sparse), scale = problem(11, np.float32)[0].values(), problem(11, np.float32)[1]
    wanted = [sample.apply(X, scale, "opencl", np.float32) for X in (A, sparse)]
    again = [sample.apply(X, scale, "opencl", np.float32) for X in (A, sparse)]
    monkeypatch.setattr(opencl.runtime(), "device", smaller(opencl.runtime().device, 1 << 14))
    chunked = [sample.apply(X, scale, "opencl", np.float32) for X in (A, sparse)]
    for found in (again, chunked):
        for one, other in zip(found, wanted, strict=True):
            np.testing.assert_array_equal(one, other)


def smaller(device, largest):
    """The same device with a smaller largest buffer, as SPARSESOLVE_OPENCL_MAX_BYTES makes it."""
    import dataclasses

    return dataclasses.replace(device, largest_buffer=largest)


@pytest.mark.usefixtures("device_runtime")
def test_layouts_and_unaligned_slices():
    A = np.random.default_rng(0).standard_normal((N_ROWS + 3, 14)).astype(np.float32)
    sample = Rademacher(SIZE, KEY).sample(N_ROWS)
    for view in (A[3:, :7], A[3:], np.asfortranarray(A[:-3, ::2]), A[:-3].astype(np.float64)):
        found = sample.apply(view, backend="opencl", dtype=np.float32)
        np.testing.assert_allclose(found, sample.apply(np.ascontiguousarray(view, float)), rtol=0, atol=1e-4)


@pytest.mark.parametrize("A", problem(40, np.float32)[0].values(), ids=["dense", "csr"])
def test_bits_do_not_depend_on_threads(A):
    A = scipy.sparse.vstack([A] * 4).tocsr() if scipy.sparse.issparse(A) else np.vstack([A] * 4)
    sample = Gaussian(300, KEY).sample(A.shape[0])
    found = []
    for count in (1, 2):
        with threadpool_limits(count):
            found.append(sample.apply(A, dtype=np.float32))
    np.testing.assert_array_equal(*found)


@pytest.mark.parametrize("kind", FILL)
def test_the_adjoint(kind):
    sample = FILL[kind][0](SIZE, KEY).sample(N_ROWS)
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((N_ROWS, 2)), rng.standard_normal((SIZE, 2))
    np.testing.assert_allclose(np.sum(sample.apply(x) * y), np.sum(x * sample.adjoint(y)), rtol=1e-12)


def test_another_type_is_refused():
    with pytest.raises(ValueError, match="dtype=int64"):
        Gaussian(4, 0).sample(9).apply(np.ones(9), dtype=np.int64)


def test_float64_is_not_narrowed():
    A = np.array([[1.0 + 1e-12], [1.0]])
    sample = Rademacher(64, KEY).sample(2)
    found = sample.apply(A)
    assert found.dtype == np.float64
    np.testing.assert_allclose(found, sample.to_array() @ A, rtol=0, atol=1e-16)
