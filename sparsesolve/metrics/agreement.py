"""Digits that two answers have in common."""

from __future__ import annotations

import numpy as np

_MOST = -np.log10(np.finfo(np.float64).eps)


def digits_of_agreement(estimate, reference, *, relative_to: str = "entry") -> float:
    """Count the decimal digits in which an estimate agrees with a reference.

    This is NIST's log relative error, ``-log10(abs(estimate - reference) / abs(reference))``, of the worst entry.
    Where an entry of the reference is 0, the absolute error takes the place of the relative one.

    Parameters
    ----------
    estimate, reference : array-like of one shape
    relative_to : {"entry", "largest"}, default="entry"
        What errors are divided by: the reference's entry, or its largest entry in absolute value.

    Returns
    -------
    float
        From 0 for no common digit to 15.65, the digits of double precision; NaN if an entry is.

    Raises
    ------
    ValueError
        If the shapes differ, or for another value of `relative_to`.

    Examples
    --------
    >>> from sparsesolve.metrics import digits_of_agreement
    >>> round(digits_of_agreement([1.0, 200.02], [1.0, 200.0]), 2)
    4.0
    """
    estimate, reference = np.asarray(estimate, dtype=np.float64), np.asarray(reference, dtype=np.float64)
    if estimate.shape != reference.shape:
        raise ValueError(f"estimate has shape {estimate.shape}, but reference has {reference.shape}.")
    if relative_to not in ("entry", "largest"):
        raise ValueError(f"relative_to={relative_to!r} is not known: use 'entry' or 'largest'.")
    errors = np.abs(estimate - reference)
    sizes = np.abs(reference) if relative_to == "entry" else np.max(np.abs(reference), initial=0.0)
    worst = np.max(errors / np.where(sizes > 0, sizes, 1.0), initial=0.0)
    return float(-np.log10(np.clip(worst, 10**-_MOST, 1.0)))
