"""From a list of factors, targets and weights, as the caller has them, to a problem."""

from __future__ import annotations

import numpy as np
import scipy.sparse

from ...validation import check_matrix, check_targets
from ..options import root_weights
from .design import KroneckerDesign
from .rows import KroneckerRows

# Powers of two that largest entries, of factors and of the product, may have.
_SAFE_EXPONENT = 450


def are_factors(X) -> bool:
    """Whether X is a list or tuple of matrices; a list of rows is not."""
    return isinstance(X, (list, tuple)) and len(X) > 0 and all(getattr(entry, "ndim", 0) == 2 for entry in X)


def check_factors(name: str, factors) -> list[np.ndarray]:
    """Return the factors as dense arrays, each checked like a matrix."""
    checked = [check_matrix(f"{name}[{k}]", factor) for k, factor in enumerate(factors)]
    return [factor.toarray() if scipy.sparse.issparse(factor) else np.asarray(factor) for factor in checked]


def pose(
    factors, targets, sample_weight, intercept: bool, alpha: float, names=("A", "b")
) -> tuple[KroneckerDesign, np.ndarray]:
    """Return the problem, and the targets with one axis for all rows.

    Parameters
    ----------
    factors : sequence of array of shape (n_k, d_k), or sparse
    targets : array of shape (n,), (n, n_targets) or (n_1, n_2, ...)
    sample_weight : float, array of shape (n,) or (n_1, n_2, ...), or None
    names : tuple of str
        What the caller calls the factors and the targets.

    Raises
    ------
    ValueError
        For shapes that do not fit, or values that are no finite real numbers.
    """
    rows = KroneckerRows(check_factors(names[0], factors))
    _require_moderate(names[0], rows.factors)
    targets = check_targets(names[1], _flat(targets, rows), rows.shape[0])
    weights = None if sample_weight is None else root_weights(_flat(sample_weight, rows), rows.shape[0])
    design = KroneckerDesign(
        rows, targets.reshape(rows.shape[0], -1), weights, intercept, alpha, name=names[0]
    )
    return design, targets


def _require_moderate(name, factors):
    """Raise an error where squares of the product's entries, summed over its rows, could leave the range of floats."""
    exponents = [np.frexp(np.abs(factor).max())[1] for factor in factors if np.any(factor)]
    if max(abs(int(sum(exponents))), *(abs(int(one)) for one in exponents), 0) > _SAFE_EXPONENT:
        raise ValueError(
            f"{name}: the largest entries of the factors have the exponents {[int(one) for one in exponents]} to the "
            "base 2: their squares are beyond floating point; divide each factor by its largest entry."
        )


def _flat(values, rows):
    values = np.asarray(values)
    return values.reshape(-1) if values.ndim > 1 and values.shape == rows.counts else values
