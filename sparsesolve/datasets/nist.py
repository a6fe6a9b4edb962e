"""Regression problems with certified solutions, from the NIST Statistical Reference Datasets."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from importlib.resources import files

import numpy as np

# How a row of the model is made from the predictors in a line of the file: without rounding errors.
_MODELS: dict[str, Callable[[list[Fraction]], list[Fraction]]] = {
    "filip": lambda x: [x[0] ** power for power in range(11)],
    "longley": lambda x: [Fraction(1), *x],
}


def load_nist(name: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Load a problem whose least squares solution NIST has certified to 15 digits.

    Parameters
    ----------
    name : {"longley", "filip"}
        "longley" has 16 rows and columns that are nearly dependent; "filip" is a polynomial of degree 10 in 82 points,
        with a condition number of 2e15 that scaling the columns lowers to 5e9.

    Returns
    -------
    X : ndarray of shape (n_samples, n_coefficients)
        The model's matrix, each entry rounded once; its first column is of ones.
    y : ndarray of shape (n_samples,)
    certified : ndarray of shape (n_coefficients,)
        The certified coefficients, the intercept first.

    Raises
    ------
    ValueError
        For another name.

    References
    ----------
    NIST/ITL StRD, https://www.itl.nist.gov/div898/strd/lls/lls.shtml

    Examples
    --------
    >>> from sparsesolve import lstsq
    >>> from sparsesolve.datasets import load_nist
    >>> from sparsesolve.metrics import digits_of_agreement
    >>> X, y, certified = load_nist("longley")
    >>> digits_of_agreement(lstsq(X, y).solution.coef, certified) > 11
    True
    """
    if name not in _MODELS:
        raise ValueError(f"name={name!r} is not known: use one of {', '.join(map(repr, sorted(_MODELS)))}.")
    lines = (files(__package__) / "data" / f"nist_{name}.txt").read_text(encoding="ascii").splitlines()
    certified = next(line for line in lines if line.startswith("# certified:")).split(":")[1]
    table = [[Fraction(entry) for entry in line.split()] for line in lines if not line.startswith("#")]
    X = np.array([_MODELS[name](predictors) for _, *predictors in table], dtype=np.float64)
    return (
        X,
        np.array([line[0] for line in table], dtype=np.float64),
        np.array(certified.split(), dtype=np.float64),
    )
