"""One generator for all backends: integers and signs bit for bit, normals to the last digits."""

import numpy as np
import pytest

from sparsesolve.backends.self_test import PHILOX_ANSWERS
from sparsesolve.random import (
    Stream,
    fill_normal_panel,
    fill_normal_rows,
    fill_sign_panel,
    fill_sign_rows,
    philox,
    planar_places,
    words,
)
from sparsesolve.random.normals import normal_pair
from sparsesolve.random.vectors import NumpyOperations

KEY, STREAM = 0x0123456789ABCDEF, int(Stream.GAUSSIAN)
FIRST = (5 << 32) - 2  # rows on both sides of 2^32 * 5
DTYPES = [np.float32, np.float64]
# Largest difference to the formula in numpy, where a fused step is rounded twice.
ROUNDING = {np.float32: 1.5e-6, np.float64: 2e-15}


def words_of(n_rows, n_counters):
    """The words of each counter, shape (n_rows, n_counters, 4), uint32."""
    rows = [[words(np.uint64(KEY), STREAM, FIRST + i, k) for k in range(n_counters)] for i in range(n_rows)]
    return np.array(rows, dtype=np.uint32)


def formula(pairs, dtype):
    """The two normals of each pair of words, by numpy."""
    return np.stack(normal_pair(NumpyOperations(dtype), *pairs.view(np.int32)), axis=-1)


def reference(first, second):
    """Box and Muller by numpy's own functions, in float64."""
    u, v = (first.astype(float) + 0.5) / 2.0**32, (second.astype(float) + 0.5) / 2.0**32
    radius, angle = np.sqrt(-2 * np.log(u)), 2 * np.pi * v
    return np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=-1)


def hard_words():
    """Words at every edge of the formula, each with each."""
    edges = [0, 1, 2, 1 << 29, 1 << 30, 1 << 31, 3 << 30, (1 << 32) - 1, round(2**32 / np.sqrt(2)), 7 << 29]
    near = np.array(sorted({(edge + step) % (1 << 32) for edge in edges for step in (-1, 0, 1)}), np.uint32)
    return np.array(np.meshgrid(near, near)).reshape(2, -1)


@pytest.mark.parametrize(("counter", "key", "expected"), PHILOX_ANSWERS)
def test_the_published_answers(counter, key, expected):
    assert tuple(map(int, philox(*map(np.uint64, (*counter, *key))))) == expected


@pytest.mark.parametrize("dtype", DTYPES)
def test_the_formula_is_accurate_at_its_edges(dtype):
    pairs = hard_words()
    expected = reference(*pairs)
    found = formula(pairs, dtype)
    assert np.all(np.isfinite(found))
    assert np.abs(found - expected).max() < (1e-6 if dtype == np.float32 else 6e-15)
    # Where u is next to 1 the radius is tiny, and keeps its digits.
    tiny = pairs[0] == (1 << 32) - 1
    lengths = np.hypot(*found[tiny].T.astype(float))
    np.testing.assert_allclose(
        lengths, np.sqrt(-2 * np.log1p(-(2.0**-33))), rtol=1e-6 if dtype == np.float32 else 1e-15
    )


@pytest.mark.parametrize("dtype", DTYPES)
def test_panels_follow_the_formula(dtype):
    panel = np.empty((3, 128), dtype)
    fill_normal_panel(np.uint64(KEY), STREAM, FIRST, 1, panel)
    block = words_of(3, 48)[:, 16:].transpose(2, 0, 1)
    pairs = np.stack([formula(block[c : c + 2], dtype) for c in (0, 2)], axis=-2)
    np.testing.assert_allclose(
        panel[:, planar_places(128)], pairs.reshape(3, 128), rtol=0, atol=ROUNDING[dtype]
    )


def test_float32_is_float64_rounded():
    wide, narrow = np.empty((20, 64)), np.empty((20, 64), np.float32)
    for out in (wide, narrow):
        fill_normal_panel(np.uint64(KEY), STREAM, FIRST, 0, out)
    assert np.abs(wide - narrow).max() < 1e-6


@pytest.mark.parametrize("dtype", DTYPES)
def test_rows_are_panels_in_order(dtype):
    panel, rows = np.empty((4, 128), dtype), np.empty((4, 77), dtype)
    fill_normal_panel(np.uint64(KEY), STREAM, FIRST, 0, panel)
    fill_normal_rows(np.uint64(KEY), STREAM, FIRST, rows)
    np.testing.assert_array_equal(rows, panel[:, planar_places(77)])
    signs = np.empty((4, 77), dtype)
    fill_sign_panel(np.uint64(KEY), STREAM, FIRST, 0, panel)
    fill_sign_rows(np.uint64(KEY), STREAM, FIRST, signs)
    np.testing.assert_array_equal(signs, panel[:, :77])


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.usefixtures("device_runtime")
def test_a_device_makes_the_same_signs_and_normals(dtype):
    from sparsesolve.sketch.device.dense import entries

    rows = np.empty((5, 256), dtype)
    fill_sign_rows(np.uint64(KEY), STREAM, FIRST, rows)
    np.testing.assert_array_equal(entries(FIRST, 5, 256, KEY, STREAM, True, dtype), rows)
    bits = np.unpackbits(words_of(5, 2).reshape(5, -1).view(np.uint8), axis=1, bitorder="little")
    np.testing.assert_array_equal(rows, 1.0 - 2.0 * bits)
    fill_normal_rows(np.uint64(KEY), STREAM, FIRST, rows)
    found = entries(FIRST, 5, 256, KEY, STREAM, False, dtype)
    # Fused steps, a square root and a division: equal where a device rounds the last two as IEEE 754 says.
    np.testing.assert_allclose(found, rows, rtol=0, atol=8 * np.finfo(dtype).eps)
