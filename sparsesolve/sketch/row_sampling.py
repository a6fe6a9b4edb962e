"""Sampling rows in proportion to scores, so that the l_p norm of every A x is met without bias."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse

from ..random import Stream, as_key, uniforms
from ..validation import check_choice, check_count, check_matrix, check_real
from .row_scores import SCORES, row_scores


@dataclass(frozen=True)
class LpSampling:
    r"""Rows drawn in proportion to scores, with weights that make the sum of :math:`w_i |a_i'x|^p` unbiased.

    Rows whose share of the size is one or more are taken for certain. The others share one number line, a length for
    each as its score; one point is drawn uniformly from each of equally long parts. That keeps the size, is unbiased,
    and never varies more than independent draws.

    Parameters
    ----------
    size : int
        Number of draws: rows that are drawn twice count twice.
    p : float
        The norm, in [1, infinity).
    scores : {"augmented", "leverage", "root-leverage", "lewis", "sensitivity", "uniform"}
        "augmented" is the sensitivity bound plus the leverage score, the rule with the best guarantee for p up to 2.
        "uniform" is for comparison: it misses rows that matter.
    random_state : None, int, numpy.random.Generator or numpy.random.RandomState

    References
    ----------
    Munteanu and Omlor, "Optimal bounds for l_p sensitivity sampling via l_2 augmentation", ICML 2024.
    Cohen and Peng, "l_p row sampling by Lewis weights", STOC 2015.

    Examples
    --------
    >>> import numpy as np
    >>> from sparsesolve.sketch import LpSampling
    >>> A = np.vstack([np.eye(2), np.full((2000, 2), 1e-3)])
    >>> drawn = LpSampling(200, 1.0, random_state=0).sample(A)
    >>> drawn.rows[:2], drawn.weights[:2]
    (array([0, 1]), array([1., 1.]))
    >>> bool(abs(np.abs(drawn.apply(A) @ [1, 3]).sum() / np.abs(A @ [1, 3]).sum() - 1) < 1e-6)
    True
    """

    size: int
    p: float = 2.0
    scores: str = "augmented"
    random_state: Any = None

    def __post_init__(self):
        check_count("size", self.size)
        check_real("p", self.p, minimum=1)
        check_choice("scores", self.scores, SCORES)

    def sample(self, A) -> RowSample:
        """Draw rows of A.

        Parameters
        ----------
        A : array or scipy sparse array or matrix of shape (n, d)

        Returns
        -------
        RowSample
            Of at most `size` rows. Cost: that of the scores, and O(n).
        """
        return self.sample_by(row_scores(A, self.p, self.scores))

    def sample_by(self, scores) -> RowSample:
        """Draw rows in proportion to scores that are known.

        Parameters
        ----------
        scores : array of shape (n,)
            Finite, at least 0, not all 0; `scores` of the distribution is not looked at.

        Returns
        -------
        RowSample
        """
        scores = np.asarray(scores, dtype=np.float64)
        if scores.ndim != 1 or scores.size == 0 or not np.all(np.isfinite(scores)) or scores.min() < 0:
            raise ValueError(
                f"scores of shape {scores.shape} must be finite numbers of at least 0, one for each row."
            )
        rates = inclusion_rates(scores, self.size)
        counts = _stratified_counts(rates, as_key(self.random_state))
        rows = np.flatnonzero(counts)
        return RowSample(rows, rates[rows], counts[rows] / rates[rows], scores.size, float(self.p))


@dataclass(frozen=True)
class RowSample:
    """Rows that were drawn from a matrix.

    Attributes
    ----------
    rows : ndarray of int64, shape (k,)
        Ascending, each once.
    probabilities : ndarray of shape (k,)
        The expected number of times that the row is drawn.
    weights : ndarray of shape (k,)
        What the row's part of a sum is multiplied by: how often it was drawn over that expectation; for sampling by
        volume, ones.
    n_rows : int
        Rows of the matrix.
    p : float
        The norm that the weights are for.
    """

    rows: np.ndarray
    probabilities: np.ndarray
    weights: np.ndarray
    n_rows: int
    p: float

    def apply(self, A) -> np.ndarray:
        """Return the drawn rows of A times their weights to the power 1/p: its l_p norms are those of A, about.

        Parameters
        ----------
        A : array or scipy sparse array or matrix of shape (n, d), or array of shape (n,)

        Returns
        -------
        ndarray of shape (k, d) or (k,), float64
        """
        flat = np.ndim(A) == 1
        source: Any = check_matrix("A", np.asarray(A)[:, None] if flat else A, check_finite=False)
        if source.shape[0] != self.n_rows:
            raise ValueError(f"A has shape {source.shape}, but this sample is of {self.n_rows} rows.")
        is_sparse = scipy.sparse.issparse(source)
        picked = source.tocsr()[self.rows].toarray() if is_sparse else source[self.rows]
        scaled = picked * (self.weights ** (1.0 / self.p))[:, None]
        return scaled[:, 0] if flat else scaled


def inclusion_rates(scores: np.ndarray, size: int) -> np.ndarray:
    """Return min(1, c scores) with c such that the sum is `size`, or ones where that many rows have a score."""
    rates = np.zeros(scores.shape)
    open_rows = np.flatnonzero(scores)
    left = size
    while open_rows.size and left > 0:
        # Halved by the largest, so that the sum cannot overflow.
        shares = scores[open_rows] / scores[open_rows].max()
        shares *= left / shares.sum()
        certain = shares >= 1.0
        if not certain.any():
            rates[open_rows] = shares
            break
        rates[open_rows[certain]] = 1.0
        left -= int(certain.sum())
        open_rows = open_rows[~certain]
    return rates


def _stratified_counts(rates: np.ndarray, key: int) -> np.ndarray:
    """How often each row is drawn: once where the rate is one, else by a point in each unit of the number line."""
    counts = (rates == 1.0).astype(np.int64)
    open_rows = np.flatnonzero((rates > 0.0) & (rates < 1.0))
    if open_rows.size == 0:
        return counts
    edges = np.cumsum(rates[open_rows])
    size = max(1, round(float(edges[-1])))
    points = (np.arange(size) + uniforms(key, Stream.LP_ROWS, size)) * (edges[-1] / size)
    drawn = np.minimum(np.searchsorted(edges, points, side="right"), open_rows.size - 1)
    np.add.at(counts, open_rows[drawn], 1)
    return counts
