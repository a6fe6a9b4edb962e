"""The problem on which sparse sketches miss the l_inf guarantee."""

from __future__ import annotations

import numpy as np


def make_linf_adversary(
    n_samples: int, n_features: int, n_spikes: int = 1
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Make the least squares problem that tells dense sketches from sparse ones.

    A stacks the identity on zeros, and b is zero but for a few spikes of equal size in its last rows. So x = 0,
    the residual has norm 1, and so has the pseudo-inverse of A. A sketch with few nonzeros a column throws a spike
    as a whole onto a row of the identity with probability of the order of n_features / size, and errs there by the
    spike's size; a dense sketch spreads it over all coefficients.

    Parameters
    ----------
    n_samples, n_features : int
        Shape of A.
    n_spikes : int, default=1
        Number of nonzeros of b, at most n_samples - n_features; each is 1 / sqrt(n_spikes).

    Returns
    -------
    A : ndarray of shape (n_samples, n_features)
    b : ndarray of shape (n_samples,)
    x : ndarray of shape (n_features,)
        The solution: zeros.

    Raises
    ------
    ValueError
        If the spikes do not fit below the identity.

    References
    ----------
    Price, Song and Woodruff, "Fast regression with an l_inf guarantee", ICALP 2017.

    Examples
    --------
    >>> from sparsesolve.datasets import make_linf_adversary
    >>> A, b, x = make_linf_adversary(6, 2, n_spikes=1)
    >>> print(b)
    [0. 0. 0. 0. 0. 1.]
    """
    if not (n_features >= 1 and 1 <= n_spikes <= n_samples - n_features):
        raise ValueError(
            f"n_spikes={n_spikes} must be between 1 and n_samples - n_features = {n_samples - n_features}."
        )
    A = np.eye(n_samples, n_features)
    b = np.zeros(n_samples)
    b[-n_spikes:] = 1.0 / np.sqrt(n_spikes)
    return A, b, np.zeros(n_features)
