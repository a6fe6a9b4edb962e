"""Products with sparse matrices and the Hessians made of them: compiled and on a device, against scipy."""

import numpy as np
import pytest
import scipy.sparse

from sparsesolve.operators import compressed_rows
from sparsesolve.operators.compressed_rows import CompressedRows
from sparsesolve.operators.gram_products import Gram
from sparsesolve.operators.hessian_products import Hessian, Schur

SHAPES = [(50, 30, 0.1), (3, 700, 0.9), (400, 1, 0.5), (1, 1, 1.0), (0, 4, 0.0), (4, 0, 0.0), (300, 200, 0.0)]


def sparse_matrix(n, m, density, dtype=np.float64):
    rng = np.random.default_rng(n + 10 * m)
    return scipy.sparse.random_array((n, m), density=density, rng=rng, format="csr").astype(dtype)


def long_rows(dtype=np.float64):
    """Rows of 0 to 1500 entries, some empty: longer than what a work group holds in local memory."""
    rng = np.random.default_rng(5)
    counts = rng.choice([0, 1, 3, 200, 1500], 60)
    rows = np.repeat(np.arange(60), counts)
    columns = np.concatenate([rng.choice(2000, count, replace=False) for count in counts])
    return scipy.sparse.csr_array((rng.random(rows.size), (rows, columns)), shape=(60, 2000)).astype(dtype)


def close(found, exact, dtype):
    size = max(1.0, float(np.abs(exact).max(initial=0.0)))
    assert found.dtype == dtype
    assert np.abs(found - exact).max(initial=0.0) <= 200 * np.finfo(dtype).eps * size


def check_all(A, products, dtype):
    """`products(kind, *vectors)` gives the operator of that kind."""
    n, m = A.shape
    rng = np.random.default_rng(0)
    x, y, r, c = (rng.random(size) + 0.5 for size in (m, n, n, m))
    wide = A.astype(np.float64)
    both = np.concatenate([r * y + wide @ x, wide.T @ y + c * x])
    close(products("hessian", np.concatenate([r, c])).matvec(np.concatenate([y, x])), both, dtype)
    gram = wide.T @ (r * (wide @ x)) + c * x
    close(products("gram", r, c).matvec(x), gram, dtype)
    schur = (c + np.asarray(wide.sum(axis=0)).ravel()) * x - wide.T @ (r * (wide @ x))
    close(products("schur", r, c).matvec(x), schur, dtype)


@pytest.fixture(params=[False, True], ids=["whole", "blocks"])
def blocks(request, monkeypatch):
    """Also with blocks of a hundred columns or so."""
    if request.param:
        monkeypatch.setattr(compressed_rows, "BLOCK_BYTES", 1 << 10)


@pytest.mark.usefixtures("blocks")
@pytest.mark.parametrize("dtype", [np.float64, pytest.param(np.float32, marks=pytest.mark.slow)])
def test_compiled_products(dtype):
    kinds = {"hessian": Hessian, "gram": Gram, "schur": Schur}
    for A in [*(sparse_matrix(*shape, dtype) for shape in SHAPES), long_rows(dtype)]:
        rows = CompressedRows(A)
        check_all(A, lambda kind, *vectors, rows=rows: kinds[kind](rows, *vectors), dtype)


@pytest.mark.usefixtures("blocks")
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.usefixtures("poisoned")
def test_device_products(device_runtime, each_form, dtype):
    from sparsesolve.operators.device import DeviceCSR, DeviceGram, DeviceHessian, DeviceSchur

    kinds = {"hessian": DeviceHessian, "gram": DeviceGram, "schur": DeviceSchur}
    for A in [*(sparse_matrix(*shape, dtype) for shape in SHAPES), long_rows(dtype)]:
        there = DeviceCSR(device_runtime, A)
        rng = np.random.default_rng(1)
        x, y = rng.random(A.shape[1]), rng.random(A.shape[0])
        close(there.matvec(x), A.astype(np.float64) @ x, dtype)
        close(there.rmatvec(y), A.astype(np.float64).T @ y, dtype)
        close(there.rest(y), (A - A.multiply(A).multiply(y[:, None])).sum(axis=0), dtype)
        check_all(A, lambda kind, *vectors, there=there: kinds[kind](there, *vectors), dtype)


def test_symmetry():
    A = sparse_matrix(80, 60, 0.1)
    rng = np.random.default_rng(2)
    for operator in (
        Hessian(CompressedRows(A), rng.random(140)),
        Schur(CompressedRows(A), rng.random(80), rng.random(60)),
        Gram(CompressedRows(A), rng.random(80), rng.random(60)),
    ):
        u, v = rng.standard_normal((2, operator.size))
        assert u @ operator.matvec(v) == pytest.approx(v @ operator.matvec(u), abs=1e-11)


def test_schur_vanishes_on_constants_without_rounding():
    """Where the ground is zero the answer is an exact zero, however large the constant: nothing cancels at the end."""
    plan = scipy.sparse.csr_array([[0.5, 0.0], [0.25, 0.25]])
    schur = Schur(CompressedRows(plan), 1.0 / plan.sum(axis=1), np.zeros(2))
    assert not schur.matvec(np.full(2, 1e15)).any()


def test_form_is_made_canonical_and_nothing_is_changed(device_runtime):
    from sparsesolve.operators.device import DeviceCSR

    # Duplicates, unsorted indices, an unaligned slice of a longer array.
    data, indices = np.arange(1.0, 8.0)[1:], np.array([9, 2, 0, 2, 1, 1, 0], np.int64)[1:]
    A = scipy.sparse.csr_array((data, indices, np.array([0, 3, 6])), shape=(2, 3))
    before = A.data.copy(), A.indices.copy()
    dense, x = A.toarray(), np.array([1.0, 10.0, 100.0, 0.0])[:3]
    assert np.array_equal(DeviceCSR(device_runtime, A).matvec(x), dense @ x)
    gram = Gram(CompressedRows(A), np.ones(2), np.zeros(3))
    assert np.array_equal(gram.matvec(x), dense.T @ (dense @ x))
    assert np.array_equal(A.data, before[0])
    assert np.array_equal(A.indices, before[1])


@pytest.mark.usefixtures("blocks")
@pytest.mark.parametrize("form", ["cpu", "gpu"])
def test_bits_do_not_depend_on_buffers_or_runs(device_runtime, monkeypatch, form):
    from dataclasses import replace

    from sparsesolve.backends import opencl
    from sparsesolve.operators.device import DeviceCSR, DeviceGram, DeviceHessian

    monkeypatch.setenv(opencl.FORM_VARIABLE, form)
    A = sparse_matrix(3000, 600, 0.2)
    rng = np.random.default_rng(3)
    x, d = rng.random(3600), rng.random(3600)
    answers = []
    for largest in (device_runtime.device.largest_buffer, 2 << 20, 300_000):
        monkeypatch.setattr(device_runtime, "device", replace(device_runtime.device, largest_buffer=largest))
        there = DeviceCSR(device_runtime, A)
        hessian, gram = DeviceHessian(there, d), DeviceGram(there, d[:3000], d[3000:])
        answers += [(len(there.rows.parts), hessian.matvec(x), gram.matvec(x[:600])) for _ in range(2)]
    assert answers[0][0] == 1 < answers[2][0] < answers[4][0]
    for _, hessian, gram in answers[1:]:
        assert np.array_equal(hessian, answers[0][1])
        assert np.array_equal(gram, answers[0][2])


def test_bits_do_not_depend_on_threads(monkeypatch):
    A = sparse_matrix(3000, 600, 0.2)
    rows = CompressedRows(A)
    assert rows.bounds.size > 3  # else there is nothing to run side by side
    x = np.random.default_rng(4).random(3600)
    answers = []
    for threads in ("1", "4"):
        monkeypatch.setenv("SPARSESOLVE_NUM_THREADS", threads)
        answers.append(Hessian(rows, x).matvec(x))
    assert np.array_equal(*answers)


def test_what_does_not_fit_is_refused(device_runtime, monkeypatch):
    from dataclasses import replace

    from sparsesolve.backends.opencl import DeviceMemoryError
    from sparsesolve.operators.device import DeviceCSR

    monkeypatch.setattr(device_runtime, "device", replace(device_runtime.device, largest_buffer=4000))
    with pytest.raises(DeviceMemoryError, match="row 0 has 600 entries"):
        DeviceCSR(device_runtime, scipy.sparse.csr_array(np.ones((2, 600))))
    with pytest.raises(ValueError, match="takes a vector of 3"):
        Gram(CompressedRows(np.eye(3)), np.ones(3), np.ones(3)).matvec(np.ones(4))
