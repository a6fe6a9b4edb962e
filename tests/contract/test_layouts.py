"""Any layout, storage and type of the same numbers gives the answer of the dense, contiguous array."""

import numpy as np
import pytest
import scipy.sparse

from .estimators import EPS


def fortran(X):
    return np.asfortranarray(X)


def every_other_row(X):
    wide = np.full((2 * len(X), X.shape[1]), np.nan)
    wide[::2] = X
    return wide[::2]


def every_other_column(X):
    wide = np.full((len(X), 2 * X.shape[1]), np.nan)
    wide[:, ::2] = X
    return wide[:, ::2]


def negative_strides(X):
    return np.ascontiguousarray(X[::-1, ::-1])[::-1, ::-1]


def read_only(X):
    X = X.copy()
    X.flags.writeable = False
    return X


def swapped_bytes(X):
    return X.astype(X.dtype.newbyteorder())


def misaligned(X):
    buffer = np.zeros(X.nbytes + 1, dtype=np.uint8)
    view = buffer[1:].view(X.dtype).reshape(X.shape)
    view[...] = X
    return view


def array_of_objects(X):
    return X.astype(object)


def lists(X):
    return X.tolist()


def int32_csr(X):
    return scipy.sparse.csr_array(X)


def int64_csr(X):
    A = scipy.sparse.csr_array(X)
    A.indices, A.indptr = A.indices.astype(np.int64), A.indptr.astype(np.int64)
    return A


def unsorted_csr(X):
    A = scipy.sparse.csr_array(X)
    for start, stop in zip(A.indptr[:-1], A.indptr[1:], strict=True):
        A.indices[start:stop] = A.indices[start:stop][::-1].copy()
        A.data[start:stop] = A.data[start:stop][::-1].copy()
    A.has_sorted_indices = False
    return A


def duplicated_csr(X):
    """Each entry as the sum of two, 1/4 and 3/4 of it."""
    A = scipy.sparse.csr_array(X)
    data = np.column_stack([0.25 * A.data, 0.75 * A.data]).ravel()
    return scipy.sparse.csr_array((data, np.repeat(A.indices, 2), 2 * A.indptr), shape=A.shape)


def explicit_zeros(X):
    A = scipy.sparse.coo_array(X)
    rows, columns = np.nonzero(X == 0)
    return scipy.sparse.csr_array(
        (
            np.concatenate([A.data, np.zeros(len(rows))]),
            (np.concatenate([A.row, rows]), np.concatenate([A.col, columns])),
        ),
        shape=X.shape,
    )


def csc(X):
    return scipy.sparse.csc_array(X)


def coo(X):
    return scipy.sparse.coo_array(X)


def lil(X):
    return scipy.sparse.lil_array(X)


def dok(X):
    return scipy.sparse.dok_array(X)


def bsr(X):
    return scipy.sparse.bsr_array(X, blocksize=(2, 1))


def dia(X):
    return scipy.sparse.dia_array(X)


def csr_matrix(X):
    return scipy.sparse.csr_matrix(X)


def read_only_csr(X):
    A = scipy.sparse.csr_array(X)
    for part in (A.data, A.indices, A.indptr):
        part.flags.writeable = False
    return A


DENSE = [
    fortran,
    every_other_row,
    every_other_column,
    negative_strides,
    read_only,
    swapped_bytes,
    misaligned,
    array_of_objects,
    lists,
]
SPARSE = [
    int32_csr,
    int64_csr,
    unsorted_csr,
    duplicated_csr,
    explicit_zeros,
    csc,
    coo,
    lil,
    dok,
    bsr,
    csr_matrix,
    read_only_csr,
]


@pytest.fixture(params=[200, 8000], ids=["few-rows", "many-rows"])
def half_empty(request, entry, rng):
    X, y = entry.problem(rng, n_rows=request.param)
    X[rng.uniform(size=X.shape) < 0.5] = 0.0
    return X, y


@pytest.mark.parametrize("layout", DENSE + SPARSE, ids=lambda layout: layout.__name__)
def test_layout(entry, half_empty, layout):
    X, y = half_empty
    expected = entry.make(random_state=0).fit(X, y)
    model = entry.make(random_state=0).fit(layout(X), y)
    assert model.converged_
    np.testing.assert_allclose(entry.answer(model), entry.answer(expected), rtol=entry.accuracy)
    np.testing.assert_allclose(model.predict(layout(X)), expected.predict(X), rtol=1e-9, atol=1e-9)


def test_diagonal_storage(entry, rng):
    X, y = entry.problem(rng, n_rows=60)
    X = X * (np.arange(60)[:, None] % X.shape[1] == np.arange(X.shape[1]))
    expected = entry.make(random_state=0).fit(X, y)
    model = entry.make(random_state=0).fit(dia(X), y)
    np.testing.assert_allclose(entry.answer(model), entry.answer(expected), rtol=entry.accuracy)


def test_memory_map(entry, data, tmp_path):
    X, y = data
    np.save(tmp_path / "X.npy", X)
    np.save(tmp_path / "y.npy", y)
    mapped = [np.load(tmp_path / name, mmap_mode="r") for name in ("X.npy", "y.npy")]
    expected = entry.make(random_state=0).fit(X, y)
    model = entry.make(random_state=0).fit(*mapped)
    np.testing.assert_array_equal(entry.answer(model), entry.answer(expected))


@pytest.mark.parametrize("layout", [every_other_row, negative_strides, swapped_bytes, read_only, misaligned])
def test_layout_of_targets_and_weights(entry, data, layout):
    X, y = data
    weights = np.linspace(0.5, 2.0, len(y))
    expected = entry.make(random_state=0).fit(X, y, sample_weight=weights)
    moved = [layout(v[:, None])[:, 0] for v in (y, weights)]
    model = entry.make(random_state=0).fit(X, moved[0], sample_weight=moved[1])
    np.testing.assert_allclose(entry.answer(model), entry.answer(expected), rtol=entry.accuracy)


@pytest.mark.parametrize("dtype", [np.int8, np.int32, np.int64, np.uint8, np.uint64, np.bool_])
def test_integers(entry, rng, dtype):
    X = rng.integers(0, 2 if dtype is np.bool_ else 90, (8000, 9)).astype(dtype)
    y = rng.integers(0, 90, 8000)
    expected = entry.make(random_state=0).fit(X.astype(np.float64), y.astype(np.float64))
    model = entry.make(random_state=0).fit(X, y)
    np.testing.assert_allclose(entry.answer(model), entry.answer(expected), rtol=entry.accuracy)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.longdouble])
def test_other_floats_are_the_same_numbers_in_float64(entry, data, dtype):
    X, y = (part.astype(dtype) for part in data)
    expected = entry.make(random_state=0).fit(X.astype(np.float64), y.astype(np.float64))
    model = entry.make(random_state=0).fit(X, y)
    np.testing.assert_allclose(entry.answer(model), entry.answer(expected), rtol=entry.accuracy)


def test_float32_against_float64(entry, data):
    """Rounding the data to float32 moves the answer by no more than that rounding can."""
    X, y = data
    expected = entry.answer(entry.make(random_state=0).fit(X, y))
    rounded = entry.answer(entry.make(random_state=0).fit(X.astype(np.float32), y.astype(np.float32)))
    bound = 20 * np.finfo(np.float32).eps * np.abs(expected).max()
    assert np.abs(rounded - expected).max() <= bound
    assert np.abs(rounded - expected).max() > EPS * np.abs(expected).max()


@pytest.mark.parametrize("layout", [np.array, fortran, csc, unsorted_csr, duplicated_csr, swapped_bytes])
def test_inputs_are_never_changed(entry, half_empty, layout):
    X, y = half_empty
    X = layout(X)
    weights = np.linspace(0.5, 2.0, len(y))
    parts = [X] if isinstance(X, np.ndarray) else [X.data, X.indices, X.indptr]
    before = [part.tobytes() for part in [*parts, y, weights]]
    model = entry.make(random_state=0).fit(X, y, sample_weight=weights)
    model.predict(X)
    after = parts if isinstance(X, np.ndarray) else [X.data, X.indices, X.indptr]
    assert [part.tobytes() for part in [*after, y, weights]] == before


def test_parameters_are_never_changed(entry, data):
    model = entry.make(random_state=0)
    before = model.get_params()
    model.fit(*data)
    assert model.get_params() == before
