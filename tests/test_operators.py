"""Row matrices: both forms against numpy, and the adjoint test."""

from itertools import pairwise

import numpy as np
import pytest
import scipy.sparse
from threadpoolctl import threadpool_limits

from sparsesolve.operators import as_row_matrix
from sparsesolve.operators.rows import block_ranges

FORMS = {
    "C": np.ascontiguousarray,
    "F": np.asfortranarray,
    "float32": np.float32,
    "int": lambda A: np.rint(4 * A).astype(int),
    "strided": lambda A: np.repeat(A, 2, axis=1)[:, ::2],
    "reversed": lambda A: A[::-1, ::-1],
    "bytes": lambda A: A.astype(">f8"),
    "csr": scipy.sparse.csr_array,
    "csc": scipy.sparse.csc_array,
    "coo": scipy.sparse.coo_array,
}


def dense(A):
    return np.asarray(A.toarray() if scipy.sparse.issparse(A) else A, dtype=np.float64)


@pytest.fixture(params=FORMS.values(), ids=FORMS)
def form(request):
    return request.param


@pytest.fixture
def rng():
    return np.random.default_rng(3)


def matrix(rng, form, shape):
    A = rng.standard_normal(shape)
    A[rng.uniform(size=shape) < 0.5] = 0.0
    return form(A)


@pytest.mark.parametrize("shape", [(1, 1), (3, 2), (5, 9), (1025, 7), (5003, 40), (9000, 3)])
@pytest.mark.parametrize("n_targets", [1, 3])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("use_targets", [False, True])
def test_residual_product(rng, form, shape, n_targets, weighted, use_targets):
    A = matrix(rng, form, shape)
    B = rng.standard_normal((shape[0], n_targets))
    X, shift = rng.standard_normal((shape[1], n_targets)), rng.standard_normal(n_targets)
    scale = rng.uniform(size=shape[0]) if weighted else None
    product, total, squares = as_row_matrix(A).residual_product(B, scale, X, shift, use_targets)
    s = np.ones((shape[0], 1)) if scale is None else scale[:, None]
    R = s * (B * use_targets - dense(A) @ X - shift)
    size = 1e-13 * np.sqrt(shape[0])
    np.testing.assert_allclose(product, dense(A).T @ (s * R), rtol=1e-11, atol=1e2 * size)
    np.testing.assert_allclose(total, (s * R).sum(axis=0), rtol=1e-11, atol=1e2 * size)
    np.testing.assert_allclose(squares, (R**2).sum(axis=0), rtol=1e-12)


def test_adjoint(rng, form):
    """<A x, r> = <x, A'r> for the two products inside `residual_product`."""
    A = as_row_matrix(matrix(rng, form, (4001, 12)))
    x, r = rng.standard_normal(12), rng.standard_normal(4001)
    zero = np.zeros((12, 1))
    adjoint = A.residual_product(r[:, None], None, zero, np.zeros(1))[0][:, 0]  # A'r
    whole = np.zeros((4001, 12))
    A.copy_rows(0, 4001, whole)
    assert x @ adjoint == pytest.approx((whole @ x) @ r, rel=1e-11, abs=1e-10)
    normal = -A.residual_product(r[:, None], None, x[:, None], np.zeros(1), use_targets=False)[0][
        :, 0
    ]  # A'A x
    assert x @ normal == pytest.approx(np.linalg.norm(whole @ x) ** 2, rel=1e-12)


def test_rows(rng, form):
    A = matrix(rng, form, (500, 6))
    rows = as_row_matrix(A)
    assert rows.shape == (500, 6)
    out = np.full((30, 6), np.nan)
    rows.copy_rows(100, 130, out)
    np.testing.assert_array_equal(out, dense(A)[100:130])
    view = rows.view_rows(100, 130)
    if view is not None:
        assert np.shares_memory(view, A)
        np.testing.assert_array_equal(view, out)


def test_only_float64_in_c_order_is_read_in_place(rng, form):
    A = matrix(rng, form, (50, 6))
    in_place = as_row_matrix(A).view_rows(0, 5) is not None
    assert in_place == (isinstance(A, np.ndarray) and A.dtype == np.dtype("=f8") and A.flags.c_contiguous)


def test_dense_is_not_copied_and_sparse_is_csr(rng):
    A = rng.standard_normal((50, 6))
    assert as_row_matrix(A).source is A
    assert as_row_matrix(A).n_entries == 300
    S = scipy.sparse.random_array((50, 6), density=0.1, rng=rng, format="coo")
    rows = as_row_matrix(S)
    assert rows.source.format == "csr"
    assert rows.n_entries == S.nnz
    assert rows.is_sparse
    assert not as_row_matrix(A).is_sparse


def test_same_bits_for_any_number_of_threads(rng, form):
    A = as_row_matrix(matrix(rng, form, (20_000, 16)))
    b, x = rng.standard_normal((20_000, 1)), rng.standard_normal((16, 1))
    answers = set()
    for limit in (1, 2, 4):
        with threadpool_limits(limit):
            answers.add(A.residual_product(b, None, x, np.zeros(1))[0].tobytes())
    assert len(answers) == 1


@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize("n_targets", [1, 3])
def test_what_is_not_finite_shows(rng, form, value, n_targets):
    A = matrix(rng, form, (3000, 5))
    if A.dtype.kind == "i":
        pytest.skip("integers are finite")
    B = rng.standard_normal((3000, n_targets))
    B[2999] = value
    with np.errstate(invalid="ignore"):
        product = as_row_matrix(A).residual_product(B, None, np.ones((5, n_targets)), np.zeros(n_targets))
    assert not np.any(np.isfinite(product[2]))


@pytest.mark.parametrize(
    ("start", "stop", "n_columns", "least"), [(0, 10, 3, 0), (5, 100_000, 7, 0), (0, 9999, 4000, 6000)]
)
def test_block_ranges_cover_all_rows_once(start, stop, n_columns, least):
    ranges = list(block_ranges(start, stop, n_columns, least))
    assert ranges[0][0] == start
    assert ranges[-1][1] == stop
    assert all(a[1] == b[0] for a, b in pairwise(ranges))
    assert all(last - first >= least for first, last in ranges[:-1])
    assert all(last > first for first, last in ranges)
