"""What the ways of completing a matrix hand on: factors, effects, and the weights of robust fits."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from .entries import predictions, row_numbers
from .factors import Factors
from .observations import Observations, Side


class Biases(NamedTuple):
    """What is added to the product of the factors.

    Attributes
    ----------
    mean : float
    rows : ndarray of shape (m,)
    columns : ndarray of shape (n,)
    """

    mean: float
    rows: np.ndarray
    columns: np.ndarray


class Completed(NamedTuple):
    """An iterate: factors, biases or None, and the entries with their weights if these are robust ones."""

    factors: Factors
    biases: Biases | None = None
    robust: Observations | None = None

    @property
    def transposed(self) -> Completed:
        """Rows and columns exchanged; robust weights are left out."""
        A, B = self.factors
        biases = self.biases and Biases(self.biases.mean, self.biases.columns, self.biases.rows)
        return Completed(Factors(B, A), biases)

    def within(self, rows: slice) -> Completed:
        """Of some rows only."""
        A, B = self.factors
        biases = self.biases and self.biases._replace(rows=self.biases.rows[rows])
        return Completed(Factors(A[rows], B), biases)

    def with_rows(self, factors: np.ndarray, effects: np.ndarray) -> Completed:
        """With more rows below."""
        A, B = self.factors
        biases = self.biases and self.biases._replace(rows=np.concatenate([self.biases.rows, effects]))
        return Completed(Factors(np.vstack([A, factors]), B), biases)


def errors_of(observations: Observations, found: Completed) -> np.ndarray:
    """What remains of the observed entries, in the order of the rows."""
    return errors_at(observations.rows, found)


def without(side: Side, errors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """What remains as values, with the weights that were there."""
    return errors, side.weights


def errors_at(side: Side, found: Completed) -> np.ndarray:
    """What remains of the entries of some rows, which the completion is of."""
    rest = side.values - predictions(side, *found.factors)
    if found.biases is not None:
        rest -= found.biases.mean + found.biases.rows[row_numbers(side)] + found.biases.columns[side.others]
    return rest
