"""l_p sensitivities: the largest share that one row can have of the l_p norm; bounds that cost a few passes."""

from __future__ import annotations

import numpy as np

from ..validation import check_real
from .lewis import lewis_fixed_point
from .whitening import scored_rows, squared_row_norms, whitening


def lp_sensitivity_bounds(A, p) -> np.ndarray:
    r"""Return upper bounds of the l_p sensitivities :math:`\sup_x |a_i'x|^p / ||Ax||_p^p`.

    Parameters
    ----------
    A : array or scipy sparse array or matrix of shape (n, d)
    p : float
        In [1, infinity).

    Returns
    -------
    ndarray of shape (n,), float64
        In [0, 1]. For p up to 2 their sum is at most the rank r, for larger p at most :math:`r^{p/2}`.

    Raises
    ------
    ValueError
        For bad arguments; the message names the argument, its value and the mend.

    Notes
    -----
    The least of 1 and two bounds. With Lewis weights w: w_i for p up to 2, :math:`r^{p/2-1} w_i` beyond, by Hoelder's
    inequality. With leverage scores l: :math:`l_i^{p/2}` for p up to 2, as then the l_p norm is at least the l_2
    norm, and :math:`n^{p/2-1} l_i^{p/2}` beyond. Complexity: that of the Lewis weights.

    References
    ----------
    Cohen and Peng, "l_p row sampling by Lewis weights", STOC 2015, lemma 2.6. Woodruff and Yasuda, "Sharper bounds
    for l_p sensitivity sampling", ICML 2023.

    Examples
    --------
    >>> import numpy as np
    >>> from sparsesolve.sketch import lp_sensitivity_bounds
    >>> lp_sensitivity_bounds(np.array([[1.0, 0.0], [1.0, 0.0], [0.0, 3.0]]), 1.0).round(6)
    array([0.5, 0.5, 1. ])
    """
    p = check_real("p", p, minimum=1)
    rows = scored_rows(A)
    T = whitening(rows)
    leverage = squared_row_norms(rows, T)
    if p == 2.0:
        return np.minimum(leverage, 1.0)
    found = lewis_fixed_point(A, p)
    # Weights that miss their equation by the residual bound the sensitivities times this much.
    slack = np.exp(max(1.0, p) * found.residual)
    excess = max(p / 2.0 - 1.0, 0.0)
    by_weights = slack * T.shape[1] ** excess * found.weights
    by_leverage = rows.shape[0] ** excess * leverage ** (p / 2.0)
    return np.minimum(np.minimum(by_weights, by_leverage), 1.0)
