"""Row sampling by approximate leverage scores: a sketch that must see the data first."""

from __future__ import annotations

import numbers
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse

from ..operators.rows import RowMatrix, as_row_matrix
from ..random import Stream, as_key, fill_normal_rows, uniforms
from ..validation import check_matrix
from .base import Distribution, Sketch
from .srht import SRHT
from .whitening import orthonormaliser

_PROJECTIONS = 16
_UNIFORM_SHARE = 0.1
_BLOCK_CELLS = 1 << 17


@dataclass(frozen=True)
class LeverageSampling(Distribution):
    """Rows drawn by approximate leverage scores, with replacement, each scaled by 1 / sqrt(m p_i).

    The scores are the squared row norms of A W G, where W orthonormalises a sketch of A and G is a small
    Gaussian; p mixes them with 10 % of the uniform distribution, which guards against scores that are
    estimated too low. Cost of a sample: two passes over A, n d log2(2 d) + 32 n d flops. As the rows depend
    on the data, `sample` wants the matrix.

    References
    ----------
    Drineas, Magdon-Ismail, Mahoney and Woodruff, "Fast approximation of matrix coherence and statistical
    leverage", JMLR 2012.

    Examples
    --------
    >>> import numpy as np
    >>> from sparsesolve.sketch import LeverageSampling
    >>> A = np.ones((1000, 2))
    >>> LeverageSampling(16, random_state=0).sample(A).apply(A).shape
    (16, 2)
    """

    def sample(self, rows) -> LeverageSketch:
        """Draw rows of a matrix.

        Parameters
        ----------
        rows : array or scipy sparse array or matrix of shape (n, d)

        Returns
        -------
        LeverageSketch
            Of shape (size, n).
        """
        if isinstance(rows, numbers.Integral):
            raise ValueError(
                f"rows={rows} is a count, but leverage scores are of a matrix: give `sample` the matrix, "
                "or use a sketch that does not look at the data, as SRHT."
            )
        A = as_row_matrix(check_matrix("rows", rows, check_finite=False))
        key = as_key(self.random_state)
        drawn, weights = _draw(_probabilities(A, key), key, self.size)
        return LeverageSketch((self.size, A.shape[0]), key, drawn, weights)

    def _sample(self, n_rows, key):
        raise NotImplementedError("the rows depend on the data: `sample` does all")


class LeverageSketch(Sketch):
    """A sample of `LeverageSampling`: row t of S A is weights[t] times row rows[t] of A.

    Attributes
    ----------
    rows : ndarray of shape (m,), int64
        The sampled rows, ascending; a row may come more than once.
    weights : ndarray of shape (m,)
    """

    _takes_sparse = True
    _splits_columns = False

    def __init__(self, shape, key, rows, weights):
        super().__init__(shape, key)
        self.rows = rows
        self.weights = weights

    def _drawn(self, first_row, n_rows):
        """The draws that fall on n_rows rows from first_row on, and those rows, counted from first_row."""
        start, stop = np.searchsorted(self.rows, [first_row, first_row + n_rows])
        return slice(start, stop), self.rows[start:stop] - first_row

    def _add(self, block, first_row, row_scale, first_column, totals):
        draws, rows = self._drawn(first_row, block.shape[0])
        picked = block[rows].toarray() if scipy.sparse.issparse(block) else block[rows]
        weights = self.weights[draws] * row_scale[rows] if row_scale.size else self.weights[draws]
        totals[draws] = weights[:, None] * picked

    def _adjoint(self, Y):
        def make_rows(first_row, out):
            draws, rows = self._drawn(first_row, out.shape[0])
            out[...] = 0.0
            np.add.at(out, rows, self.weights[draws, None] * Y[draws])

        return make_rows


def _probabilities(A: RowMatrix, key: int) -> np.ndarray:
    """Probability of each row, shape (n,)."""
    scores = approximate_scores(A, key)
    total = scores.sum()
    scores *= (1.0 - _UNIFORM_SHARE) / total if total > 0 else 0.0
    scores += (1.0 - scores.sum()) / scores.size
    return scores


def approximate_scores(A: RowMatrix, key: int) -> np.ndarray:
    """Leverage scores from a sketch and a few projections, shape (n,): two passes."""
    n_rows, n_columns = A.shape
    source: Any = A.source
    sketched = SRHT(2 << (n_columns - 1).bit_length(), key).sample(n_rows).apply(source)
    if not np.all(np.isfinite(sketched)):
        raise ValueError("rows holds NaN or infinity: its leverage scores are not defined.")
    projection = orthonormaliser(sketched)
    normals = np.empty((projection.shape[1], _PROJECTIONS))
    fill_normal_rows(np.uint64(key), int(Stream.LEVERAGE_PROJECTION), 0, normals)
    projection = projection @ normals
    scores = np.empty(n_rows)
    step = max(256, _BLOCK_CELLS // n_columns)
    for start in range(0, n_rows, step):
        part = slice(start, start + step)
        projected = source[part] @ projection
        scores[part] = np.einsum("ij,ij->i", projected, projected)
    return scores / _PROJECTIONS


def _draw(probabilities: np.ndarray, key: int, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Draw rows with replacement; return them in ascending order with their weights."""
    edges = np.cumsum(probabilities)
    rows = np.searchsorted(edges, uniforms(key, Stream.LEVERAGE_ROWS, size) * edges[-1], side="right")
    rows = np.sort(np.minimum(rows, probabilities.size - 1))
    return rows, 1.0 / np.sqrt(size * probabilities[rows])
