"""The covariance of the columns: all that a fit needs to know of the data, so that rows may come in blocks."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ..streams import Passes, block_moments

# Where entries are missing: eigenvalues of the correlations stay above this.
_LEAST = 1e-6


class Moments(NamedTuple):
    """Sums over the rows seen so far, in units of the columns.

    Attributes
    ----------
    n : float
        Rows.
    mean : ndarray of shape (d,)
        In the data's units.
    products : ndarray of shape (d, d)
        Sums of products of centred columns, these divided by their units.
    units : ndarray of shape (d,)
        Powers of two near the columns' deviations: no square leaves the range.
    """

    n: float
    mean: np.ndarray
    products: np.ndarray
    units: np.ndarray

    @property
    def covariance(self) -> np.ndarray:
        """Of the columns over their units."""
        return self.products / self.n


def moments_of(X: np.ndarray, units: np.ndarray | None = None, weights: np.ndarray | None = None) -> Moments:
    """Sum over the rows of a block; O(n d^2).

    Parameters
    ----------
    X : ndarray of shape (n, d)
        Finite.
    units : ndarray of shape (d,), optional
        Those of an earlier block.
    weights : ndarray of shape (n,), optional
        How often each row counts, as in a bootstrap.
    """
    X = np.ascontiguousarray(X)  # so that bits do not depend on the layout
    total = float(len(X)) if weights is None else float(weights.sum())
    # Halved first: a mean of the largest numbers does not overflow.
    share = np.full(len(X), 1.0 / total) if weights is None else weights / total
    mean = share @ X
    centred = X - mean
    if units is None:
        units = units_of(centred)
    centred = centred / units
    scaled = centred if weights is None else weights[:, None] * centred
    products = scaled.T @ centred
    return Moments(total, mean, 0.5 * (products + products.T), units)


def moments_of_blocks(passes: Passes, missing: str, interventions) -> Moments:
    """Sum over the rows of all blocks in one pass; what needs all rows at once is refused."""
    if missing == "pairwise" or interventions is not None:
        what = "missing='pairwise'" if interventions is None else "interventions"
        raise ValueError(
            f"{what} needs all rows at once: give an array, or leave such rows out of the blocks."
        )
    sums = block_moments(passes)
    if sums.total < 2:
        raise ValueError("X has n_samples=1 row: at least 2 are needed.")
    return Moments(sums.total, sums.mean, sums.products, sums.units)


def units_of(centred: np.ndarray) -> np.ndarray:
    """For each column the power of two next below its largest entry; 1 for constant columns."""
    largest = np.abs(centred).max(axis=0, initial=0.0)
    return np.ldexp(1.0, np.where(largest > 0.0, np.frexp(largest)[1] - 1, 0))


def merge(first: Moments, second: Moments) -> Moments:
    """The moments of both blocks' rows together; units must be the same."""
    n = first.n + second.n
    step = (second.mean - first.mean) / first.units
    products = first.products + second.products + np.outer(step, step) * (first.n * second.n / n)
    mean = first.mean + (second.mean - first.mean) * (second.n / n)
    return Moments(n, mean, products, first.units)


def in_common_units(moments: Moments) -> Moments:
    """The same with one unit for all columns, where their scales mean something: with equal noise."""
    unit = float(moments.units.max())
    ratio = moments.units / unit
    products = moments.products * ratio * ratio[:, None]
    return moments._replace(products=products, units=np.full_like(ratio, unit))


def natural_units(C: np.ndarray, noise: str) -> np.ndarray:
    """Units in which a penalty on weights means the same for data in any unit, shape (d,).

    Each column's deviation for unequal noise; for equal noise the least deviation of all, which is about that of the
    noise, since a column without parents has no other.
    """
    deviations = np.sqrt(np.maximum(np.diag(C), 0.0))
    positive = deviations > 0.0
    least = float(deviations[positive].min()) if positive.any() else 1.0
    return np.full(len(C), least) if noise == "equal" else np.where(positive, deviations, least)


def pairwise_moments(X: np.ndarray) -> Moments:
    """Moments of data with gaps (NaN): each pair of columns on the rows that have both; made positive definite.

    Right where entries are missing at random, whatever the graph. n is the mean number of rows of a pair.

    Raises
    ------
    ValueError
        When two columns have no two rows in common.
    """
    seen = ~np.isnan(X)
    counts = seen.T.astype(np.float64) @ seen
    poor = np.argwhere(counts < 2)
    if poor.size:
        i, j = (int(place) for place in poor[0])
        raise ValueError(
            f"X has {int(counts[i, j])} rows with both columns {i} and {j}: at least 2 are needed."
        )
    filled = np.where(seen, X, 0.0)
    mean = filled.sum(axis=0) / seen.sum(axis=0)
    centred = np.where(seen, X - mean, 0.0)
    units = units_of(centred)
    centred /= units
    covariance = centred.T @ centred / counts
    size = np.sqrt(np.where(np.diag(covariance) > 0.0, np.diag(covariance), 1.0))
    values, vectors = np.linalg.eigh(covariance / size / size[:, None])
    correlations = (vectors * np.maximum(values, _LEAST)) @ vectors.T
    roots = np.sqrt(np.diag(correlations))
    covariance = correlations / roots / roots[:, None] * size * size[:, None]
    n = float(counts.mean())
    return Moments(n, mean, covariance * n, units)
