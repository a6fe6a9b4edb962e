"""How well sparse vectors, and the channels that they stand for, are recovered. Real and complex."""

from __future__ import annotations

import numpy as np

from ..validation import check_count, check_real

_QPSK = np.array([1.0, 1.0j, -1.0, -1.0j])


def normalized_mean_squared_error(estimate, truth) -> float:
    """Squared length of the error over that of the truth: 0 for the truth, 1 for zeros.

    Parameters
    ----------
    estimate, truth : array of the same shape

    Returns
    -------
    float

    Raises
    ------
    ValueError
        If the shapes differ, or the truth is zero.

    Examples
    --------
    >>> from sparsesolve.metrics import normalized_mean_squared_error
    >>> normalized_mean_squared_error([1.0, 0.0, 0.5], [1.0, 0.0, 0.0])
    0.25
    """
    estimate, truth = _pair(estimate, truth)
    largest = np.abs(truth).max(initial=0.0)
    if largest == 0.0:
        raise ValueError("truth is zero: no error can be measured relative to it.")
    # Divided first: squares of very small or large numbers would be lost.
    error, size = np.linalg.norm((estimate - truth) / largest), np.linalg.norm(truth / largest)
    return float((error / size) ** 2)


def support_recovery_rate(estimate, truth, *, threshold: float = 1e-3) -> float:
    """Places that estimate and truth share over all that either has: 1 for the same support, 0 for none in common.

    Parameters
    ----------
    estimate, truth : array of the same shape
    threshold : float, default=1e-3
        A place belongs to the estimate where its modulus is above this times the largest; to the truth where it is
        not zero.

    Returns
    -------
    float
        Between 0 and 1; 1 if both are zero.

    Raises
    ------
    ValueError
        If the shapes differ, or the threshold is negative.

    Notes
    -----
    Much depends on the threshold where small coefficients are kept. A threshold and this ratio (intersection over
    union) are those of He and Joseph's synthetic tests; other code of theirs counts false places twice.

    Examples
    --------
    >>> from sparsesolve.metrics import support_recovery_rate
    >>> support_recovery_rate([2.0, 0.1, 0.0, 1e-4], [1.0, 0.0, 1.0, 0.0])
    0.3333333333333333
    """
    estimate, truth = _pair(estimate, truth)
    threshold = check_real("threshold", threshold, minimum=0)
    sizes = np.abs(estimate)
    found, there = sizes > threshold * sizes.max(initial=0.0), truth != 0
    union = np.count_nonzero(found | there)
    return float(np.count_nonzero(found & there) / union) if union else 1.0


def channel_nmse(estimate, truth) -> float:
    """Normalized mean squared error of matrices, averaged over them.

    Parameters
    ----------
    estimate, truth : array of shape (n_channels, n_receivers, n_senders)

    Returns
    -------
    float

    Raises
    ------
    ValueError
        If the shapes differ, or a true channel is zero.

    Examples
    --------
    >>> import numpy as np
    >>> from sparsesolve.metrics import channel_nmse
    >>> channels = np.ones((2, 4, 3))
    >>> channel_nmse(channels * np.array([1.0, 1.5])[:, None, None], channels)
    0.125
    """
    estimate, truth = _channels(estimate, truth)
    return float(
        np.mean([normalized_mean_squared_error(*pair) for pair in zip(estimate, truth, strict=True)])
    )


def symbol_error_rate(
    estimate, truth, snr_db: float, *, n_symbols: int = 100_000, random_state=None
) -> float:
    """Share of QPSK symbols that are misread where sender and receiver know a channel only by its estimate.

    The sender and the receiver use the first singular vectors of the estimate. The receiver takes the symbol that is
    nearest to what it gets, relative to the estimate's first singular value.

    Parameters
    ----------
    estimate, truth : array of shape (n_channels, n_receivers, n_senders)
    snr_db : float
        Power of what is received over that of the noise, in decibels, for each channel.
    n_symbols : int, default=100000
        The same symbols for all channels.
    random_state : None, int or numpy.random.Generator

    Returns
    -------
    float
        The average over the channels. An estimate of zero misreads 3 of 4.

    Raises
    ------
    ValueError
        If the shapes differ, or for arguments out of range.

    Notes
    -----
    As in the code of He and Joseph: the noise is relative to the true channel between the estimate's vectors, so that
    a poor pair of vectors costs nothing by itself; a wrong phase does. With the true channel the rate is 2 q - q^2,
    where q is the normal tail beyond the root of the signal-to-noise ratio. Complexity: n_channels singular value
    decompositions, and O(n_channels n_symbols).

    Examples
    --------
    >>> import numpy as np
    >>> from sparsesolve.metrics import symbol_error_rate
    >>> rng = np.random.default_rng(0)
    >>> channels = rng.standard_normal((2, 4, 3)) + 1j * rng.standard_normal((2, 4, 3))
    >>> symbol_error_rate(channels, channels, 20.0, random_state=0)
    0.0
    >>> symbol_error_rate(-channels, channels, 20.0, random_state=0)
    1.0
    """
    estimate, truth = _channels(estimate, truth)
    snr_db, n_symbols = check_real("snr_db", snr_db), check_count("n_symbols", n_symbols)
    rng = np.random.default_rng(random_state)
    sent = rng.integers(4, size=n_symbols)
    rates = []
    for guess, channel in zip(estimate, truth, strict=True):
        left, values, right = np.linalg.svd(guess, full_matrices=False)
        gain = left[:, 0].conj() @ channel @ right[0].conj()
        parts = rng.standard_normal((2, n_symbols)) / np.sqrt(2.0)
        noise = np.abs(gain) / 10.0 ** (snr_db / 20.0) * (parts[0] + 1j * parts[1])
        received = gain * _QPSK[sent] + noise
        # All symbols have the same size: the nearest has the largest product, or all are as near if they are zeros.
        read = (np.outer(received, _QPSK.conj()).real * (values[0] > 0.0)).argmax(axis=1)
        rates.append(np.mean(read != sent))
    return float(np.mean(rates))


def _pair(estimate, truth) -> tuple[np.ndarray, np.ndarray]:
    estimate, truth = np.asarray(estimate), np.asarray(truth)
    if estimate.shape != truth.shape:
        raise ValueError(f"estimate has shape {estimate.shape}, but truth has {truth.shape}.")
    for name, array in (("estimate", estimate), ("truth", truth)):
        if not np.all(np.isfinite(array)):
            raise ValueError(f"{name} has NaN or infinite entries: it is no recovery.")
    return estimate, truth


def _channels(estimate, truth) -> tuple[np.ndarray, np.ndarray]:
    estimate, truth = _pair(estimate, truth)
    if truth.ndim != 3 or truth.size == 0:
        raise ValueError(f"truth has shape {truth.shape}: give (n_channels, n_receivers, n_senders).")
    return estimate, truth
