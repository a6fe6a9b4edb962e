"""What the engines hand on."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np


class Candidate(NamedTuple):
    """A graph on the way, for columns over their units.

    Attributes
    ----------
    order : ndarray of int64, shape (d,)
    graph : ndarray of bool, shape (d, d), or None
        None where parents are still to be chosen along the order.
    weights : ndarray of shape (d, d), or None
    scales : ndarray of shape (d,), or None
        Noise standard deviations.
    score : float
    start_scores : tuple of float
        Of the random starts.
    residual : float
        How far the weights are from optimal for their problem.
    """

    order: np.ndarray
    graph: np.ndarray | None
    weights: np.ndarray | None
    scales: np.ndarray | None
    score: float
    start_scores: tuple[float, ...]
    residual: float = math.nan
