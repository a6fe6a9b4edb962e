"""Columns that were set from outside in some rows: what these rows say, and do not say, of them."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from .covariance import Moments, moments_of
from .options import Options
from .scores import OwnRows


class Contexts(NamedTuple):
    """What interventions bring: rows of their own for columns, and directions.

    Attributes
    ----------
    own : OwnRows
    means : ndarray of shape (d, d)
        Row j: the columns' means over the rows of column j.
    told_apart : ndarray of bool, shape (d, d)
        Pairs of which one was set from outside in some row, and the other not.
    """

    own: OwnRows
    means: np.ndarray
    told_apart: np.ndarray


def contexts_of(X, interventions, options: Options, moments: Moments, missing: str) -> Contexts | None:
    """Check interventions, and gather each column's rows."""
    if interventions is None:
        return None
    if (
        options.noise != "unequal"
        or options.method != "order"
        or options.alpha is not None
        or missing != "error"
    ):
        raise ValueError(
            "interventions need noise='unequal', method='order', alpha='auto' and missing='error': change these, or "
            "leave out the rows."
        )
    mask = check_interventions(interventions, X.shape)
    own, means = rows_of_their_own(X, mask, moments.units)
    columns = np.unique(mask, axis=0)
    apart = (columns[:, :, None] != columns[:, None, :]).any(axis=0)
    return Contexts(own, means[own.group], apart)


def check_interventions(interventions, shape: tuple[int, int]) -> np.ndarray:
    """Which columns were set from outside in each row, as a mask of the shape of X.

    Parameters
    ----------
    interventions : array of int, shape (n,), or of bool, shape (n, d)
        The column of each row, a negative number for none; or a mask.

    Raises
    ------
    ValueError
        For another shape, or a column that is not there.
    """
    given = np.asarray(interventions)
    if given.shape == shape and given.dtype == bool:
        return given
    if given.shape != shape[:1] or given.dtype.kind not in "iu":
        raise ValueError(
            f"interventions has shape {given.shape} and dtype {given.dtype}: give one whole number a row, the column "
            f"that was set or -1, or a mask of shape {shape}."
        )
    if given.max(initial=-1) >= shape[1]:
        raise ValueError(f"interventions holds column {given.max()}, but X has {shape[1]} columns, from 0.")
    mask = np.zeros(shape, dtype=bool)
    rows = np.flatnonzero(given >= 0)
    mask[rows, given[rows]] = True
    return mask


def rows_of_their_own(X: np.ndarray, mask: np.ndarray, units: np.ndarray) -> tuple[OwnRows, np.ndarray]:
    """Covariances for each column over the rows where it was not set from outside, and the means over these.

    Returns
    -------
    own : OwnRows
    means : ndarray of shape (n_groups, d)

    Raises
    ------
    ValueError
        For a column with fewer than two rows left.
    """
    patterns, group = np.unique(mask, axis=1, return_inverse=True)
    covariances, rows, means = [], [], []
    for number, pattern in enumerate(patterns.T):
        kept = X[~pattern]
        if len(kept) < 2:
            column = int(np.flatnonzero(group.ravel() == number)[0])
            raise ValueError(
                f"interventions leaves {len(kept)} rows for column {column}: at least 2 are needed."
            )
        moments = moments_of(kept, units)
        covariances.append(moments.covariance)
        rows.append(moments.n)
        means.append(moments.mean)
    return OwnRows(np.array(covariances), np.array(rows), group.ravel()), np.array(means)
