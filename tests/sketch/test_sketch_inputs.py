"""S A for every kind of A, any split of the rows, any threads; messages for what cannot be sketched."""

import itertools
import tracemalloc
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import scipy.sparse
from threadpoolctl import threadpool_limits

from sparsesolve.exceptions import BackendError
from sparsesolve.sketch import SRHT, CountSketch, LeverageSampling, PaddedSRHT, SparseSign, from_name

N_ROWS, N_COLUMNS, SIZE = 1300, 21, 100


@pytest.fixture(scope="module")
def A():
    """Whole numbers, most of them zero, so that every kind of input holds the same matrix."""
    rng = np.random.default_rng(11)
    return rng.integers(-9, 10, (N_ROWS, N_COLUMNS)) * (rng.random((N_ROWS, N_COLUMNS)) < 0.3) * 1.0


def kinds(A, folder):
    """The same matrix in every form that is accepted."""
    yield "C order", A.copy()
    yield "Fortran order", np.asfortranarray(A)
    yield "row stride", np.repeat(A, 2, axis=0)[::2]
    yield "column slice", np.hstack([A, A])[:, : A.shape[1]]
    yield "negative strides", A[::-1, ::-1].copy()[::-1, ::-1]
    yield "float32", A.astype(np.float32)
    yield "integers", A.astype(np.int16)
    yield "other byte order", A.astype(">f8")
    read_only = A.copy()
    read_only.flags.writeable = False
    yield "read only", read_only
    on_disk = np.memmap(folder / "A.bin", np.float64, "w+", shape=A.shape)
    on_disk[:] = A
    yield "memory map", on_disk
    yield "nested list", A.tolist()
    yield "CSR", scipy.sparse.csr_array(A)
    yield "CSC", scipy.sparse.csc_array(A)
    yield "COO matrix", scipy.sparse.coo_matrix(A)
    yield "float32 CSR matrix", scipy.sparse.csr_matrix(A, dtype=np.float32)
    wide = scipy.sparse.csr_array(A)
    wide.indices, wide.indptr = wide.indices.astype(np.int64), wide.indptr.astype(np.int64)
    yield "int64 indices", wide
    stored = scipy.sparse.coo_array(A)
    order = np.random.default_rng(0).permutation(stored.nnz)
    rows, columns = np.tile(stored.row[order], 2), np.tile(stored.col[order], 2)
    doubled = np.tile(stored.data[order] / 2, 2)
    by_row = np.argsort(rows, kind="stable")
    starts = np.concatenate([[0], np.cumsum(np.bincount(rows, minlength=A.shape[0]))])
    yield (
        "unsorted duplicates",
        scipy.sparse.csr_array((doubled[by_row], columns[by_row], starts), shape=A.shape),
    )


def test_every_kind_of_input_gives_the_product(name, A, tmp_path):
    sample = from_name(name, SIZE, 3).sample(A)
    S = sample.to_array()
    scale = np.random.default_rng(1).random(N_ROWS)
    for kind, form in kinds(A, tmp_path):
        before = form.copy() if not isinstance(form, list) else form
        for row_scale in (None, scale):
            expected = S @ (A if row_scale is None else row_scale[:, None] * A)
            got = sample.apply(form, row_scale)
            assert got.dtype == np.float64
            assert got.flags.writeable
            np.testing.assert_allclose(got, expected, rtol=0, atol=1e-11, err_msg=kind)
        unchanged = (form != before).nnz == 0 if scipy.sparse.issparse(form) else np.array_equal(form, before)
        assert unchanged, kind


def test_float32_is_summed_in_float64(name):
    A = np.random.default_rng(0).standard_normal((3000, 3)).astype(np.float32)
    sample = from_name(name, 40, 0).sample(A)
    np.testing.assert_allclose(sample.apply(A), sample.apply(A.astype(np.float64)), rtol=0, atol=1e-12)


def test_vectors(name, A):
    sample = from_name(name, SIZE, 3).sample(A)
    np.testing.assert_allclose(sample.apply(A[:, 0]), sample.apply(A)[:, 0], atol=1e-12)
    y = np.arange(SIZE)
    np.testing.assert_array_equal(sample.adjoint(y), sample.adjoint(y[:, None])[:, 0])


def test_dot(name, A):
    rng = np.random.default_rng(2)
    sample = from_name(name, SIZE, 3).sample(A)
    Y = rng.standard_normal((SIZE, N_COLUMNS))
    left, right = np.vdot(sample.apply(A), Y), np.vdot(A, sample.adjoint(Y))
    assert abs(left - right) <= 1e-12 * np.linalg.norm(A) * np.linalg.norm(Y)


@pytest.mark.parametrize("form", [np.asarray, np.asfortranarray, scipy.sparse.csr_array])
def test_blocks_add_up_for_any_split(name, A, form):
    rng = np.random.default_rng(4)
    sample = from_name(name, SIZE, 3).sample(A)
    scale = rng.random(N_ROWS)
    whole = sample.apply(form(A), scale)
    splits = [[0, 1, 2, 130, 131, 1290, N_ROWS], [0, 128, 256, N_ROWS], [0, 700, N_ROWS]]
    splits += [[0, *sorted(rng.choice(np.arange(1, N_ROWS), 5, replace=False)), N_ROWS] for _ in range(3)]
    for edges in splits:
        parts = list(itertools.pairwise(edges))
        total = sum(sample.apply_block(form(A[a:b]), int(a), scale[a:b]) for a, b in parts)
        np.testing.assert_allclose(total, whole, rtol=0, atol=1e-11)


@pytest.mark.parametrize("size", [40, 256])
@pytest.mark.parametrize("form", [np.asarray, np.asfortranarray, scipy.sparse.csr_array])
def test_the_same_bits_on_any_threads(name, form, size):
    # Large enough for several chunks: of rows for the small sketch, of columns for the large one.
    shape = (20_000, 40) if size == 40 else (6_000, 200)
    A = form(np.random.default_rng(5).standard_normal(shape))
    sample = from_name(name, size, 3).sample(A)
    with threadpool_limits(1):
        alone = sample.apply(A)
        back = sample.adjoint(alone[:, :30])
    np.testing.assert_array_equal(sample.apply(A), alone)
    np.testing.assert_array_equal(sample.adjoint(alone[:, :30]), back)
    with ThreadPoolExecutor(8) as pool:
        for together in pool.map(lambda _: sample.apply(A), range(8)):
            np.testing.assert_array_equal(together, alone)


def test_chunks_are_a_function_of_shapes():
    A = np.random.default_rng(5).standard_normal((40_000, 64))
    sample = SRHT(64, 0).sample(A)
    np.testing.assert_allclose(sample.apply(A), sample.to_array() @ A, atol=1e-10)


def test_nan_reaches_the_product():
    A = np.ones((300, 9))
    A[7, 3] = np.nan
    product = SRHT(16, 0).sample(A).apply(A)
    assert np.all(np.isnan(product[:, 3]))
    assert np.all(np.isfinite(np.delete(product, 3, axis=1)))


def test_the_memory_of_a_product_is_small_against_the_matrix():
    A = np.ones((1 << 17, 64))
    forms = [A, np.asfortranarray(A), A.astype(np.float32)]
    sample = SRHT(128, 0).sample(A)
    for form in forms:
        tracemalloc.start()
        sample.apply(form)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < 0.05 * A.nbytes


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: SRHT(0), "size=0 must be an integer of at least 1"),
        (lambda: SRHT(2.5), "size=2.5"),
        (lambda: SRHT(8, "seed").sample(10), "random_state='seed'"),
        (lambda: SRHT(8).sample(0), "rows=0 must be an integer of at least 1"),
        (lambda: SRHT(8).sample(3.5), "rows=3.5"),
        (lambda: PaddedSRHT(20).sample(10), "size=20 must be at most 16"),
        (lambda: SparseSign(4), "nonzeros=8 must be at most size=4"),
        (lambda: SparseSign(4, nonzeros=0), "nonzeros=0"),
        (lambda: LeverageSampling(4).sample(100), "rows=100 is a count"),
        (lambda: LeverageSampling(4).sample(np.full((9, 2), np.nan)), "NaN or infinity"),
        (lambda: from_name("fourier", 4), "sketch='fourier' is not known: use one of 'srht'"),
    ],
)
def test_bad_distributions_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda s: s.apply(np.ones((9, 2))), r"A has shape \(9, 2\), but this sketch is of 10 rows"),
        (lambda s: s.apply(3.0), "but this sketch is of 10 rows"),
        (lambda s: s.apply(np.ones((10, 2, 2))), "two-dimensional"),
        (lambda s: s.apply(np.ones((10, 0))), "empty"),
        (lambda s: s.apply(np.ones((10, 2)) * 1j), "[Cc]omplex"),
        (lambda s: s.apply(np.full((10, 2), "x")), "no real numbers"),
        (lambda s: s.apply(np.ones((10, 2)), np.ones(9)), r"row_scale has shape \(9,\), but A has 10 rows"),
        (lambda s: s.apply(np.ones((10, 2)), backend="cuda"), "backend='cuda' is not known"),
        (lambda s: s.apply_block(np.ones((4, 2)), 7), "rows 7 to 11 do not lie in the 10 rows"),
        (lambda s: s.apply_block(np.ones((4, 2)), -1), "first_row=-1"),
        (lambda s: s.adjoint(np.ones((5, 2))), "Y has 5 rows, but the sketch has 4"),
    ],
)
@pytest.mark.parametrize("distribution", [SRHT, CountSketch])
def test_bad_arguments_are_refused(distribution, call, message):
    with pytest.raises(ValueError, match=message):
        call(distribution(4, 0).sample(10))


def test_a_sketch_without_an_opencl_form_says_which_have_one():
    with pytest.raises(BackendError, match="no OpenCL form: use the sketch 'srht'"):
        CountSketch(4).sample(10).apply(np.ones(10), backend="opencl")
