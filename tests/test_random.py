"""The random numbers: published answers of Philox4x32-10, an independent oracle, keys, simple statistics."""

import numpy as np
import pytest
from scipy import stats

from sparsesolve.random import (
    Stream,
    as_key,
    below,
    choose,
    fill_normal_rows,
    fill_sign_rows,
    fill_signs,
    philox,
    uniforms,
    words,
)

ONES = 0xFFFFFFFF


def oracle(counter, key):
    """Philox4x32-10 in whole numbers, written from the paper's definition."""
    (left_0, right_0, left_1, right_1), (k0, k1) = counter, key
    for _ in range(10):
        high_0, low_0 = divmod(0xD2511F53 * left_0, 1 << 32)
        high_1, low_1 = divmod(0xCD9E8D57 * left_1, 1 << 32)
        left_0, right_0, left_1, right_1 = high_1 ^ right_0 ^ k0, low_1, high_0 ^ right_1 ^ k1, low_0
        k0, k1 = (k0 + 0x9E3779B9) % (1 << 32), (k1 + 0xBB67AE85) % (1 << 32)
    return left_0, right_0, left_1, right_1


def compiled(counter, key):
    return tuple(int(word) for word in philox(*map(np.uint64, counter), *map(np.uint64, key)))


# From the test vectors of the Random123 library.
KNOWN = [
    ((0, 0, 0, 0), (0, 0), (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)),
    ((ONES,) * 4, (ONES,) * 2, (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD)),
    (
        (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344),
        (0xA4093822, 0x299F31D0),
        (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1),
    ),
]


@pytest.mark.parametrize(("counter", "key", "expected"), KNOWN)
def test_philox_gives_the_published_answers(counter, key, expected):
    assert compiled(counter, key) == expected
    assert oracle(counter, key) == expected


def test_philox_equals_the_oracle():
    rng = np.random.default_rng(0)
    for numbers in rng.integers(0, 1 << 32, size=(200, 6)).tolist():
        assert compiled(numbers[:4], numbers[4:]) == oracle(numbers[:4], numbers[4:])


def test_words_count_by_place_and_stream():
    key, i, k = 0x0123456789ABCDEF, (5 << 32) + 7, 11
    expected = oracle((7, 5, 11, int(Stream.GAUSSIAN)), (0x89ABCDEF, 0x01234567))
    assert tuple(map(int, words(np.uint64(key), int(Stream.GAUSSIAN), i, k))) == expected


def test_streams_are_distinct():
    assert len(set(Stream)) == len(Stream.__members__)


def test_signs_are_the_bits_of_the_words():
    key, stream = 99, int(Stream.SRHT_ROW_SIGNS)
    signs = np.empty(300)
    fill_signs(np.uint64(key), stream, 4, 0, signs)
    bits = [
        word >> shift & 1
        for k in range(3)
        for word in oracle((4, 0, k, stream), (key, 0))
        for shift in range(32)
    ]
    np.testing.assert_array_equal(signs, 1.0 - 2.0 * np.array(bits[:300]))


@pytest.mark.parametrize("first", [0, 1, 31, 32, 127, 128, 200])
def test_signs_do_not_depend_on_where_one_begins(first):
    whole, part = np.empty(500), np.empty(250)
    fill_signs(np.uint64(1), 0, 3, 0, whole)
    fill_signs(np.uint64(1), 0, 3, first, part)
    np.testing.assert_array_equal(part, whole[first : first + 250])


def test_normals_follow_box_and_muller():
    key, stream = 5, int(Stream.GAUSSIAN)
    drawn = np.empty((2, 6))
    fill_normal_rows(np.uint64(key), stream, 10, drawn)
    w = np.array([[oracle((10 + j, 0, k, stream), (key, 0)) for k in range(2)] for j in range(2)]).reshape(
        2, 4, 2
    )
    u = (w + 0.5) / 2.0**32
    radius, angle = np.sqrt(-2 * np.log(u[..., 0])), 2 * np.pi * u[..., 1]
    expected = np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=-1).reshape(2, 8)
    np.testing.assert_allclose(drawn, expected[:, :6], rtol=1e-13, atol=1e-15)


@pytest.mark.parametrize("fill", [fill_normal_rows, fill_sign_rows])
def test_entries_depend_on_their_place_alone(fill):
    whole, part = np.empty((50, 9)), np.empty((7, 9))
    fill(np.uint64(3), 2, 0, whole)
    fill(np.uint64(3), 2, 20, part)
    np.testing.assert_array_equal(part, whole[20:27])


def test_normals_are_normal(request):
    count = 20000 if request.config.getoption("--full", default=False) else 2000
    drawn = np.empty((count, 50))
    fill_normal_rows(np.uint64(8), int(Stream.GAUSSIAN), 0, drawn)
    assert np.all(np.isfinite(drawn))
    assert stats.kstest(drawn.ravel(), "norm").pvalue > 1e-3
    neighbours = np.corrcoef(drawn, rowvar=False)[np.triu_indices(50, 1)]
    assert np.abs(neighbours).max() * np.sqrt(count) < 4.5


def test_uniforms_lie_inside_and_are_uniform():
    drawn = uniforms(2, Stream.LEVERAGE_ROWS, 20000)
    assert 0 < drawn.min() < drawn.max() < 1
    assert stats.kstest(drawn, "uniform").pvalue > 1e-3


def test_below_is_in_range_and_even():
    drawn = np.random.default_rng(1).integers(0, 1 << 32, 30000, dtype=np.uint64)
    values = np.array([below(word, 12) for word in drawn])
    assert stats.chisquare(np.bincount(values, minlength=12)).pvalue > 1e-3
    assert [below(np.uint64(word), 7) for word in (0, ONES)] == [0, 6]


def test_choose_gives_sorted_distinct_rows_evenly():
    counts = np.zeros(10)
    for key in range(2000):
        rows = choose(key, Stream.SRHT_ROWS, 10, 4)
        assert len(set(rows.tolist())) == 4
        assert np.all(np.diff(rows) > 0)
        counts[rows] += 1
    assert np.abs(counts - 800).max() < 5 * np.sqrt(2000 * 0.4 * 0.6)
    np.testing.assert_array_equal(choose(0, Stream.SRHT_ROWS, 5, 5), np.arange(5))


def test_keys():
    assert as_key(7) == 7
    assert as_key(np.uint64((1 << 64) - 1)) == (1 << 64) - 1
    assert as_key(None) != as_key(None)
    for make in (np.random.default_rng, np.random.RandomState):
        assert as_key(make(3)) == as_key(make(3)) != as_key(make(4))
        generator = make(3)
        assert as_key(generator) != as_key(generator)


@pytest.mark.parametrize("bad", [-1, 1 << 64, 1.0, "seed", True, np.random, [1]])
def test_what_is_no_seed_is_refused(bad):
    with pytest.raises(ValueError, match="random_state"):
        as_key(bad)


def test_the_global_state_is_not_touched():
    before = np.random.get_state()[1].copy()  # noqa: NPY002 (the state that must not be touched)
    as_key(None)
    uniforms(as_key(1), Stream.GAUSSIAN, 10)
    after = np.random.get_state()[1]  # noqa: NPY002
    np.testing.assert_array_equal(after, before)
