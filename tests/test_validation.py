"""Checks of arguments: what passes, and what the messages say."""

import numpy as np
import pytest
import scipy.sparse

from sparsesolve.validation import (
    check_choice,
    check_count,
    check_matrix,
    check_real,
    check_targets,
    check_weights,
)


def test_choice():
    check_choice("solver", "gram", ("gram", "direct"))
    for value in ("qr", None, 3, ["gram"], np.array(["gram"])):
        with pytest.raises(ValueError, match=r"solver=.* use one of 'gram', 'direct'"):
            check_choice("solver", value, ("gram", "direct"))


@pytest.mark.parametrize("value", [0, 0.5, np.float32(0.5), np.int64(3)])
def test_real(value):
    assert check_real("alpha", value, minimum=0) == value
    assert type(check_real("alpha", value)) is float


@pytest.mark.parametrize("value", [True, "1", None, 1j, np.nan, np.inf, -np.inf, [1.0], np.ones(1)])
def test_not_a_real(value):
    with pytest.raises(ValueError, match=r"alpha=.*finite number"):
        check_real("alpha", value)


@pytest.mark.parametrize(
    ("value", "limits", "text"),
    [
        (-1, {"minimum": 0}, "at least 0"),
        (0, {"above": 0}, "above 0"),
        (1, {"below": 1}, "below 1"),
        (2, {"above": 0, "below": 1}, "above 0 and below 1"),
    ],
)
def test_real_out_of_range(value, limits, text):
    with pytest.raises(ValueError, match=f"eps={value} must be .*{text}"):
        check_real("eps", value, **limits)


def test_count():
    assert check_count("size", np.int32(4)) == 4
    assert check_count("size", 0, minimum=0) == 0
    for value in (0, -1, 2.0, True, "3", None):
        with pytest.raises(ValueError, match=r"size=.* integer of at least 1"):
            check_count("size", value)


def test_good_matrix_is_not_copied():
    for A in (np.ones((3, 2)), np.ones((3, 2), dtype=np.int8), np.ones((3, 2), dtype=np.float32, order="F")):
        assert check_matrix("A", A) is A
    A = scipy.sparse.csr_array(np.eye(3))
    assert check_matrix("A", A) is A


def test_lists_and_objects_become_arrays():
    assert check_matrix("A", [[1, 2], [3, 4]]).shape == (2, 2)
    assert check_matrix("A", np.array([[1, 2.5]], dtype=object)).dtype == np.float64


@pytest.mark.parametrize("shape", [(), (3,), (2, 3, 4)])
def test_dimensions(shape):
    with pytest.raises(ValueError, match="A must be two-dimensional, but its shape is"):
        check_matrix("A", np.ones(shape))


@pytest.mark.parametrize("shape", [(0, 3), (3, 0), (0, 0)])
def test_empty(shape):
    with pytest.raises(ValueError, match="A is empty"):
        check_matrix("A", np.ones(shape))
    with pytest.raises(ValueError, match="A is empty"):
        check_matrix("A", scipy.sparse.csr_array(shape))


@pytest.mark.parametrize("shape", [(1, 1), (5000, 3), (3, 5000), (300, 5000)])
@pytest.mark.parametrize(("value", "text"), [(np.nan, "NaN"), (np.inf, "infinity"), (-np.inf, "infinity")])
@pytest.mark.parametrize("order", ["C", "F"])
def test_first_bad_entry_is_named(shape, value, text, order):
    A = np.zeros(shape, order=order)
    place = (2 * shape[0] // 3, 2 * shape[1] // 3)
    A[place] = value
    A[-1, -1] = value
    with pytest.raises(ValueError, match=rf"A\[{place[0]}, {place[1]}\] is {text}"):
        check_matrix("A", A)
    check_matrix("A", A, check_finite=False)


def test_opposite_infinities_do_not_cancel():
    with pytest.raises(ValueError, match=r"A\[0, 0\] is infinity"):
        check_matrix("A", np.array([[np.inf, -np.inf]]))


def test_sum_that_overflows_is_no_infinity():
    A = np.full((40, 3), 1e308)
    assert check_matrix("A", A) is A
    A = np.full((40, 3), 1e38, dtype=np.float32)
    assert check_matrix("A", A) is A


@pytest.mark.parametrize("form", ["csr", "csc", "coo", "bsr", "lil", "dok"])
def test_sparse_forms(form):
    A = scipy.sparse.eye_array(4).tocsr()
    check_matrix("A", A.asformat(form))
    A[2, 2] = np.nan
    with pytest.raises(ValueError, match=r"A.* is NaN"):
        check_matrix("A", A.asformat(form))


def test_complex():
    for A in (np.ones((2, 2), dtype=complex), scipy.sparse.csr_array(np.eye(2) * 1j)):
        with pytest.raises(ValueError, match="Complex data not supported: A"):
            check_matrix("A", A)


@pytest.mark.parametrize(
    "A",
    [
        np.array([["a", "b"]]),
        np.array([["x", None]], dtype=object),
        np.array([["2020-01-01"]], dtype="M8[D]"),
    ],
)
def test_values_that_are_no_numbers(A):
    with pytest.raises((ValueError, TypeError), match=r"\bA\b"):
        check_matrix("A", A)


def test_targets():
    assert check_targets("b", [1, 2, 3], 3).shape == (3,)
    assert check_targets("b", np.ones((3, 2)), 3).shape == (3, 2)
    for shape in ((), (2,), (4,), (3, 0), (3, 1, 1), (0,)):
        with pytest.raises(ValueError, match="b has shape"):
            check_targets("b", np.ones(shape), 3)
    with pytest.raises(ValueError, match=r"b\[1\] is NaN"):
        check_targets("b", [1.0, np.nan, 2.0], 3)
    with pytest.raises(ValueError, match=r"b\[1, 0\] is infinity"):
        check_targets("b", [[1.0], [np.inf], [2.0]], 3)


def test_weights():
    assert check_weights("w", None, 3) is None
    np.testing.assert_array_equal(check_weights("w", 2, 3), [2.0, 2.0, 2.0])
    given = np.array([0, 1, 2])
    weights = check_weights("w", given, 3)
    assert weights.dtype == np.float64
    np.testing.assert_array_equal(weights, given)


@pytest.mark.parametrize(
    ("weights", "text"),
    [
        ([1.0, -2.0, 1.0], r"w\[1\]=-2.0 is negative"),
        ([1.0, np.nan, 1.0], r"w\[1\] is NaN"),
        ([1.0, 1.0, np.inf], r"w\[2\] is infinity"),
        ([0.0, 0.0, 0.0], "w is zero on every row"),
        ([1.0, 1.0], r"w has shape \(2,\)"),
        ([[1.0], [1.0], [1.0]], r"w has shape \(3, 1\)"),
        (["a", "b", "c"], "w has dtype"),
        ([1j, 1.0, 1.0], "(?i)complex.*w"),
        (-1.0, "negative"),
        (0.0, "zero"),
    ],
)
def test_bad_weights(weights, text):
    with pytest.raises(ValueError, match=text):
        check_weights("w", weights, 3)
