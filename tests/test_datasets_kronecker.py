"""Kronecker problems are what they say."""

from functools import reduce

import numpy as np
import pytest
import scipy.fft

from sparsesolve.datasets import make_compressive_image, make_irs_uplink, make_kronecker_recovery
from sparsesolve.metrics import channel_nmse, normalized_mean_squared_error, symbol_error_rate


@pytest.mark.parametrize("is_complex", [False, True])
@pytest.mark.parametrize("kronecker_values", [False, True])
def test_recovery_problem_is_as_asked_for(kronecker_values, is_complex):
    options = {"kronecker_values": kronecker_values, "complex": is_complex}
    data = make_kronecker_recovery((7, 9, 8), (5, 10, 6), (2, 3, 4), snr_db=15.0, random_state=1, **options)
    assert [factor.shape for factor in data.factors] == [(5, 7), (10, 9), (6, 8)]
    assert (data.y.shape, data.coef.shape) == ((300,), (504,))
    assert data.y.dtype == data.coef.dtype == (np.complex128 if is_complex else np.float64)
    assert [chosen.size for chosen in data.supports] == [2, 3, 4]
    np.testing.assert_array_equal(data.coef != 0, data.support)
    inside = [np.isin(np.arange(n), chosen) for n, chosen in zip((7, 9, 8), data.supports, strict=True)]
    np.testing.assert_array_equal(reduce(np.kron, inside), data.support)
    values = data.coef[data.support].reshape(2, 12)
    assert (np.linalg.matrix_rank(values) == 1) == kronecker_values
    clean = reduce(np.kron, data.factors) @ data.coef
    assert np.mean(np.abs(clean) ** 2) / data.noise_variance == pytest.approx(10**1.5, rel=1e-10)
    assert np.mean(np.abs(data.y - clean) ** 2) == pytest.approx(data.noise_variance, rel=0.3)
    again = make_kronecker_recovery((7, 9, 8), (5, 10, 6), (2, 3, 4), snr_db=15.0, random_state=1, **options)
    np.testing.assert_array_equal(again.y, data.y)


def test_noise_is_drawn_last():
    noisy, clear = (make_kronecker_recovery(snr_db=snr, random_state=4) for snr in (5.0, 25.0))
    np.testing.assert_array_equal(noisy.coef, clear.coef)
    np.testing.assert_array_equal(noisy.factors[2], clear.factors[2])
    assert noisy.noise_variance == pytest.approx(100 * clear.noise_variance)
    clean = reduce(np.kron, clear.factors) @ clear.coef
    np.testing.assert_allclose(noisy.y - clean, 10 * (clear.y - clean), atol=1e-10 * np.abs(clean).max())


def test_complex_values_have_unit_expected_moduli():
    data = make_kronecker_recovery(
        (60, 60), (60, 60), 30, complex=True, kronecker_values=False, random_state=0
    )
    for numbers in (data.factors[0], data.factors[1], data.coef[data.support]):
        assert np.mean(np.abs(numbers) ** 2) == pytest.approx(1.0, rel=0.1)
        # Circular: the square without modulus has mean 0.
        assert abs(np.mean(numbers**2)) < 0.1


@pytest.mark.parametrize("kronecker_values", [False, True])
def test_snapshots_share_the_support_and_the_oracle_knows_it(kronecker_values):
    data = make_kronecker_recovery(
        (8, 9), (6, 7), 2, n_snapshots=5, kronecker_values=kronecker_values, random_state=0
    )
    assert (data.y.shape, data.coef.shape) == ((42, 5), (72, 5))
    assert np.all((data.coef != 0) == data.support[:, None])
    for values in data.coef[data.support].T:
        assert (np.linalg.matrix_rank(values.reshape(2, 2)) == 1) == kronecker_values
    dictionary = reduce(np.kron, data.factors)
    expected = np.linalg.lstsq(dictionary[:, data.support], data.y, rcond=None)[0]
    np.testing.assert_allclose(data.oracle()[data.support], expected, atol=1e-12)
    assert not data.oracle()[~data.support].any()
    assert normalized_mean_squared_error(data.oracle(), data.coef) < 0.01


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (((5, 6), (3,)), r"measurements=\[3\] has 1 entries: 2 are needed"),
        (((5, 6), (3, 4), 6), r"sparsity=\[6, 6\] asks for 6 entries of mode 0, but sizes\[0\] is 5"),
        (((5, 0), (3, 4)), r"sizes\[1\]=0"),
        ((5, (3, 4)), "sizes=5 must be a sequence"),
        (((), ()), "at least one"),
    ],
)
def test_bad_arguments_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        make_kronecker_recovery(*arguments)


@pytest.mark.parametrize("seed", range(4))
def test_uplink_is_what_the_base_station_receives(seed):
    data = make_irs_uplink(random_state=seed)
    received = np.stack(
        [
            data.surface_to_base @ np.diag(pattern) @ data.mobile_to_surface @ data.pilots
            for pattern in data.patterns.T
        ]
    )
    # Columns of what is received lie one after the other.
    received = received.transpose(0, 2, 1).ravel()
    modelled = reduce(np.kron, data.factors) @ data.coef
    np.testing.assert_allclose(modelled, received, atol=1e-10 * np.abs(received).max())
    for k, pattern in enumerate(data.patterns.T):
        channel = data.surface_to_base @ np.diag(pattern) @ data.mobile_to_surface
        np.testing.assert_allclose(data.channels[k], channel, atol=1e-12 * np.abs(channel).max())
    np.testing.assert_allclose(data.channels_of(data.coef), data.channels, atol=1e-12)
    assert np.mean(np.abs(received) ** 2) / data.noise_variance == pytest.approx(100.0, rel=1e-10)
    assert np.mean(np.abs(data.y - received) ** 2) == pytest.approx(data.noise_variance, rel=0.3)
    np.testing.assert_array_equal(data.coef != 0, data.support)
    assert [chosen.size for chosen in data.supports] == [3, 1, 3]


def test_uplink_has_the_sizes_of_the_paper():
    data = make_irs_uplink(random_state=7)
    assert [factor.shape for factor in data.factors] == [(6, 18), (3, 18), (16, 18)]
    assert (data.y.size, data.coef.size, data.channels.shape) == (288, 5832, (6, 16, 6))
    np.testing.assert_allclose(np.abs(data.patterns), 1 / 16, rtol=1e-14)
    np.testing.assert_allclose(np.abs(data.pilots), 1 / np.sqrt(6), rtol=1e-14)
    # QPSK: the fourth power is -1, and all quadrants occur.
    np.testing.assert_allclose((data.pilots * np.sqrt(6)) ** 4, -1.0, atol=1e-13)
    np.testing.assert_allclose(np.linalg.norm(data.factors[2], axis=0), 1.0, rtol=1e-13)
    # The gains are of norm 1 on the average, so that the channels' entries are of order 1.
    sizes = [np.mean(np.abs(make_irs_uplink(random_state=s).channels) ** 2) for s in range(100)]
    assert np.mean(sizes) == pytest.approx(1.0, rel=0.5)


def test_uplink_of_other_sizes_and_given_pilots_and_patterns():
    first = make_irs_uplink(
        n_mobile_antennas=4, n_base_antennas=5, n_elements=32, grid=8, n_pilots=2, n_patterns=3, spread=2,
        random_state=0,
    )  # fmt: skip
    before = first.patterns.copy()
    second = make_irs_uplink(
        n_mobile_antennas=4, n_base_antennas=5, n_elements=32, grid=8, n_pilots=2, n_patterns=3, spread=2,
        pilots=first.pilots, patterns=first.patterns, random_state=1,
    )  # fmt: skip
    np.testing.assert_array_equal(second.patterns, before)
    np.testing.assert_array_equal(second.pilots, first.pilots)
    np.testing.assert_array_equal(second.factors[0], first.factors[0])
    assert not np.array_equal(second.channels, first.channels)
    np.testing.assert_allclose(second.channels_of(second.coef), second.channels, atol=1e-12)
    with pytest.raises(ValueError, match=r"patterns has shape \(32, 3\)"):
        make_irs_uplink(patterns=first.patterns)
    with pytest.raises(ValueError, match="spread=19 must be at most grid=18"):
        make_irs_uplink(spread=19)


def test_patterns_that_hide_the_mobile_station_are_drawn_again():
    # Two elements: half of all patterns cancel where arrival and departure differ by nothing, or by half a turn.
    for seed in range(60):
        data = make_irs_uplink(n_elements=2, grid=4, spread=1, n_patterns=4, random_state=seed)
        assert np.linalg.norm(data.channels, axis=(1, 2)).min() > 1e-5
        np.testing.assert_allclose(np.abs(data.patterns), np.sqrt(0.5), rtol=1e-14)
        np.testing.assert_allclose(data.channels_of(data.coef), data.channels, atol=1e-12)


def test_true_coefficients_make_no_error_and_symbols_are_read():
    data = make_irs_uplink(random_state=3)
    channels = data.channels_of(data.coef)
    assert normalized_mean_squared_error(data.coef, data.coef) == 0.0
    assert channel_nmse(channels, data.channels) < 1e-25
    assert symbol_error_rate(channels, data.channels, 20.0, n_symbols=20_000, random_state=0) == 0.0
    assert channel_nmse(data.channels_of(1.1 * data.coef), data.channels) == pytest.approx(0.01)


@pytest.mark.parametrize("name", ["china", "digit"])
def test_compressive_image(name):
    data = make_compressive_image(name, shape=(20, 30), snr_db=20.0, random_state=0)
    image = data.image
    assert image.shape == ((20, 30) if name == "china" else (8, 8))
    assert image.min() >= 0.0
    assert 0.5 < image.max() <= 1.0
    np.testing.assert_allclose(
        data.coef.reshape(image.shape), scipy.fft.dctn(image, norm="ortho"), atol=1e-12
    )
    np.testing.assert_allclose(data.image_of(data.coef), image, atol=1e-13)
    clean = (data.measurements[0] @ image @ data.measurements[1].T).ravel()
    np.testing.assert_allclose(np.kron(*data.factors) @ data.coef, clean, atol=1e-12)
    assert np.mean(clean**2) / data.noise_variance == pytest.approx(100.0, rel=1e-10)
    assert np.mean((data.y - clean) ** 2) == pytest.approx(data.noise_variance, rel=0.5)
    assert data.y.size == (15 * 23 if name == "china" else 36)


def test_compressive_image_of_your_own():
    image = np.random.default_rng(0).random((9, 7))
    before = image.copy()
    data = make_compressive_image(image, measurements=(5, 4), random_state=0)
    assert data.y.shape == (20,)
    np.testing.assert_array_equal(image, before)
    with pytest.raises(ValueError, match="image='cat' is not known"):
        make_compressive_image("cat")
    with pytest.raises(ValueError, match=r"image has shape \(9, 7, 1\)"):
        make_compressive_image(image[:, :, None])
    with pytest.raises(ValueError, match="image has NaN"):
        make_compressive_image(np.full((3, 3), np.nan))
    with pytest.raises(ValueError, match="is larger than the photograph"):
        make_compressive_image("china", shape=(1000, 10))
