"""The answer of an l_p fit."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np


class LpSolution(NamedTuple):
    """The answer of `lp_regression` and `quantile_regression`.

    Attributes
    ----------
    coef : ndarray of shape (n_columns,)
        Of least norm where the rank is deficient.
    intercept : float
        Zero unless asked for.
    objective : float
        The loss of the residuals b - A coef - intercept.
    lower_bound : float
        No coefficients have a smaller loss.
    dual : ndarray of shape (n_rows,)
        The proof of the lower bound: A' dual = 0, in the dual set of the loss, and b' dual = lower_bound.
    rank : int
        Numerical rank of A, with its column of ones.
    solver : str
        What found the solution: "least-squares", "newton", "interior-point", "vertex", "reduced", "exchange",
        "sampled" or "highs".
    sample_size : int
        Rows that the solver began with; 0 where it took all.
    """

    coef: np.ndarray
    intercept: float
    objective: float
    lower_bound: float
    dual: np.ndarray
    rank: int
    solver: str
    sample_size: int
