"""The two factors of a completed matrix."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np


class Factors(NamedTuple):
    """Two factors, whose product ``row_factors @ column_factors.T`` is the completed matrix.

    Attributes
    ----------
    row_factors : ndarray of shape (m, rank)
        A: one row for each row of the matrix.
    column_factors : ndarray of shape (n, rank)
        B: one row for each column.
    """

    row_factors: np.ndarray
    column_factors: np.ndarray
