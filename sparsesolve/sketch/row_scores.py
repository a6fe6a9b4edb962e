"""Scores that say how much each row of a matrix matters: leverage, its roots, and scores by name."""

from __future__ import annotations

import numpy as np

from ..random import as_key
from ..validation import check_choice, check_matrix, check_real
from .leverage import approximate_scores
from .lewis import lewis_weights
from .sensitivities import lp_sensitivity_bounds
from .whitening import scored_rows, squared_row_norms, whitening

#: Names of the scores that rows can be drawn by.
SCORES = ("augmented", "leverage", "root-leverage", "lewis", "sensitivity", "uniform")


def leverage_scores(A, *, method="exact", random_state=None) -> np.ndarray:
    """Return the leverage scores of the rows of A: the squared row lengths of an orthonormal basis of its columns.

    Parameters
    ----------
    A : array or scipy sparse array or matrix of shape (n, d)
    method : {"exact", "sketch"}, default="exact"
        To rounding, or within some 30 %: see `LeverageSampling`.
    random_state : None, int, numpy.random.Generator or numpy.random.RandomState
        Of the sketch.

    Returns
    -------
    ndarray of shape (n,), float64
        In [0, 1]; their sum is the rank. Zero rows have score 0.

    Raises
    ------
    ValueError
        For bad arguments, NaN or infinity.

    Notes
    -----
    Complexity: three passes, 6 n d^2 flops; "sketch" two passes, n d log d + 32 n d.

    Examples
    --------
    >>> import numpy as np
    >>> from sparsesolve.sketch import leverage_scores
    >>> leverage_scores(np.array([[1.0, 0.0], [1.0, 0.0], [0.0, 3.0]])).round(6)
    array([0.5, 0.5, 1. ])
    """
    rows = scored_rows(A)
    check_choice("method", method, ("exact", "sketch"))
    if method == "exact":
        return np.minimum(squared_row_norms(rows, whitening(rows)), 1.0)
    return np.minimum(approximate_scores(rows, as_key(random_state)), 1.0)


def root_leverage_scores(A, p) -> np.ndarray:
    """Return the leverage scores to the power p / 2: for p up to 2 they bound the l_p sensitivities.

    Parameters
    ----------
    A : array or scipy sparse array or matrix of shape (n, d)
    p : float
        At least 1.

    Returns
    -------
    ndarray of shape (n,), float64

    References
    ----------
    Woodruff and Yasuda, "Sharper bounds for l_p sensitivity sampling", ICML 2023.

    Examples
    --------
    >>> import numpy as np
    >>> from sparsesolve.sketch import root_leverage_scores
    >>> root_leverage_scores(np.full((4, 1), 7.0), 1.0)
    array([0.5, 0.5, 0.5, 0.5])
    """
    return leverage_scores(A) ** (check_real("p", p, minimum=1) / 2.0)


def augmented_scores(A, p) -> np.ndarray:
    """Return the l_p sensitivity bounds, scaled to the rank, plus the leverage scores.

    Parameters
    ----------
    A : array or scipy sparse array or matrix of shape (n, d)
    p : float
        At least 1.

    Returns
    -------
    ndarray of shape (n,), float64
        For p up to 2 their sum is at most twice the rank.

    References
    ----------
    Munteanu and Omlor, "Optimal bounds for l_p sensitivity sampling via l_2 augmentation", ICML 2024.

    Examples
    --------
    >>> import numpy as np
    >>> from sparsesolve.sketch import augmented_scores
    >>> augmented_scores(np.array([[1.0, 0.0], [1.0, 0.0], [0.0, 3.0]]), 1.0).round(6)
    array([1., 1., 2.])
    """
    leverage = leverage_scores(A)
    bounds = lp_sensitivity_bounds(A, p)
    total = bounds.sum()
    return leverage + (bounds * (leverage.sum() / total) if total > 0 else 0.0)


def row_scores(A, p, scores="augmented") -> np.ndarray:
    """Return scores by their name; rows are drawn in proportion to them.

    Parameters
    ----------
    A : array or scipy sparse array or matrix of shape (n, d)
    p : float
        At least 1.
    scores : {"augmented", "leverage", "root-leverage", "lewis", "sensitivity", "uniform"}

    Returns
    -------
    ndarray of shape (n,), float64

    Examples
    --------
    >>> import numpy as np
    >>> from sparsesolve.sketch import row_scores
    >>> row_scores(np.eye(3), 1.5, "uniform")
    array([1., 1., 1.])
    """
    check_choice("scores", scores, SCORES)
    if scores == "uniform":
        return np.ones(check_matrix("A", A).shape[0])
    if scores == "leverage":
        return leverage_scores(A)
    if scores == "root-leverage":
        return root_leverage_scores(A, p)
    if scores == "lewis":
        return lewis_weights(A, p)
    return lp_sensitivity_bounds(A, p) if scores == "sensitivity" else augmented_scores(A, p)
