"""Measures of recovery, against their definitions."""

import numpy as np
import pytest
import scipy.stats

from sparsesolve.metrics import (
    channel_nmse,
    normalized_mean_squared_error,
    support_recovery_rate,
    symbol_error_rate,
)


@pytest.fixture
def channels():
    rng = np.random.default_rng(2)
    return rng.standard_normal((3, 5, 4)) + 1j * rng.standard_normal((3, 5, 4))


def test_normalized_error():
    truth = np.array([3.0, 4.0j])
    assert normalized_mean_squared_error(truth, truth) == 0.0
    assert normalized_mean_squared_error(np.zeros(2), truth) == 1.0
    assert normalized_mean_squared_error(truth + np.array([3.0j, 4.0]), truth) == pytest.approx(1.0)
    # Sizes whose squares are beyond floating point.
    assert normalized_mean_squared_error([2e-200], [1e-200]) == 1.0
    with pytest.raises(ValueError, match="truth is zero"):
        normalized_mean_squared_error([1.0], [0.0])
    with pytest.raises(ValueError, match=r"estimate has shape \(2,\), but truth has \(1,\)"):
        normalized_mean_squared_error([1.0, 2.0], [1.0])
    with pytest.raises(ValueError, match="estimate has NaN"):
        normalized_mean_squared_error([np.nan], [1.0])


def test_support_recovery_counts_what_is_shared():
    truth = np.array([0, 1.0, -2.0, 0, 0, 1e-9])
    assert support_recovery_rate(truth, truth, threshold=0.0) == 1.0
    assert support_recovery_rate(np.array([0, 1.0j, 1.0, 0, 5e-4, 1.0]), truth) == 1.0
    assert support_recovery_rate(np.array([0, 1.0j, 1.0, 0, 2e-3, 1.0]), truth) == 0.75
    assert support_recovery_rate(np.array([1.0, 0, 0, 0, 0, 0]), truth) == 0.0
    assert support_recovery_rate(np.zeros(6), truth) == 0.0
    assert support_recovery_rate(np.zeros(6), np.zeros(6)) == 1.0
    assert support_recovery_rate(np.array([[1.0, 0.3]]), np.array([[1.0, 0.0]]), threshold=0.5) == 1.0
    with pytest.raises(ValueError, match="threshold=-1"):
        support_recovery_rate(truth, truth, threshold=-1.0)


def test_channel_error_is_averaged_over_channels(channels):
    estimate = channels * np.array([1.0, 1.1, 0.0])[:, None, None]
    assert channel_nmse(estimate, channels) == pytest.approx((0.0 + 0.01 + 1.0) / 3)
    with pytest.raises(ValueError, match=r"truth has shape \(5, 4\)"):
        channel_nmse(channels[0], channels[0])


@pytest.mark.parametrize("snr_db", [0.0, 4.0, 8.0])
def test_symbol_errors_with_the_true_channel_are_those_of_theory(channels, snr_db):
    tail = scipy.stats.norm.sf(10 ** (snr_db / 20))
    expected = 2 * tail - tail**2
    found = symbol_error_rate(channels, channels, snr_db, n_symbols=40_000, random_state=0)
    assert abs(found - expected) < 5 * np.sqrt(expected / 120_000)
    # Only the direction counts, not the size of channels or estimates.
    other = symbol_error_rate(1e-9 * channels, 1e6 * channels, snr_db, n_symbols=40_000, random_state=0)
    assert other == pytest.approx(found, abs=1e-4)


def test_symbol_errors_of_poor_estimates(channels):
    options = {"snr_db": 20.0, "n_symbols": 20_000, "random_state": 1}
    assert symbol_error_rate(channels, channels, **options) == 0.0
    assert symbol_error_rate(1j * channels, channels, **options) == 1.0
    # Half a quadrant off, every other symbol is misread.
    assert symbol_error_rate(np.exp(0.25j * np.pi) * channels, channels, **options) == pytest.approx(
        0.5, abs=0.02
    )
    assert symbol_error_rate(0 * channels, channels, **options) == pytest.approx(0.75, abs=0.02)
    estimate = channels.copy()
    estimate[0] *= -1
    assert symbol_error_rate(estimate, channels, **options) == pytest.approx(1 / 3)
    first, second = (symbol_error_rate(channels, channels, 3.0, random_state=5) for _ in range(2))
    assert first == second
    with pytest.raises(ValueError, match="n_symbols=0"):
        symbol_error_rate(channels, channels, 3.0, n_symbols=0)
