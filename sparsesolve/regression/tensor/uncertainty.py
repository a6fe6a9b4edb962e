"""What the singular values of the factors say of the answer: condition number, covariance, effect of rounding."""

from __future__ import annotations

from functools import reduce

import numpy as np

from .spectrum import Spectrum, through


def condition_number(spectrum: Spectrum) -> float:
    """Of [A 1] with the ridge rows, null directions left out."""
    squares = np.sort(spectrum.values[:, 0] ** 2) + spectrum.alpha
    if not spectrum.intercept:
        return float(np.sqrt(squares[-1] / squares[0]))
    # The eigenvalues of an arrow matrix: diag(s^2 + alpha), bordered by s u and n.
    return _arrow_condition(spectrum)


def _arrow_condition(spectrum) -> float:
    """From the roots of the secular equation n - x = sum (s u)^2 / (s^2 + alpha - x), by bisection."""
    poles = spectrum.values[:, 0] ** 2 + spectrum.alpha
    weights = (spectrum.values * spectrum.ones)[:, 0] ** 2

    def secular(x):
        gaps = poles - x
        return spectrum.n_rows - x - np.sum(weights / np.where(gaps == 0, np.finfo(float).tiny, gaps))

    # Above the largest pole the function falls from infinity; below the least one it falls to minus infinity.
    high = _bisect(secular, poles.max(), poles.max() + spectrum.n_rows + np.sqrt(weights.sum()))
    if spectrum.is_degenerate:  # its least eigenvalue is 0; the next one lies between the two least poles
        ordered = np.sort(poles)
        low = _bisect(secular, ordered[0], ordered[1]) if ordered.size > 1 else high
    else:
        low = _bisect(secular, 0.0, poles.min())
    return float(np.sqrt(high / low)) if low > 0 else np.inf


def _bisect(function, low, high) -> float:
    for _ in range(80):
        middle = 0.5 * (low + high)
        low, high = (middle, high) if function(middle) > 0 else (low, middle)
    return 0.5 * (low + high)


def _inverse_scales(spectrum):
    """D^-1 for D = s^2 + alpha, and the vector and the factor of the rank-one part of (C + alpha)^-1."""
    inverse = 1.0 / (spectrum.values**2 + spectrum.alpha)
    direction = inverse * spectrum.values * spectrum.ones
    pivot = spectrum.pivot(spectrum.alpha) if spectrum.intercept else np.inf
    return inverse, direction, 1.0 / pivot if pivot > 0 else 0.0


def covariance_root(spectrum: Spectrum) -> np.ndarray:
    """A matrix B with B B' the inverse of the normal matrix of [A 1], intercept last; zeros there without one."""
    inverse, direction, factor = _inverse_scales(spectrum)
    root = np.zeros((np.prod([len(V) for V in spectrum.right]) + 1, len(inverse) + spectrum.intercept))
    basis = reduce(np.kron, spectrum.right) * np.sqrt(inverse[:, 0])
    if spectrum.intercept:
        # (I + f w w')^(1/2) = I + g w w' for w = D^(1/2) times the direction.
        w = direction / np.sqrt(inverse)
        square = float((w**2).sum())
        if spectrum.is_degenerate and square > 0:
            basis -= (basis @ w) @ w.T / square
        elif square > 0:
            growth = (np.sqrt(1.0 + factor * square) - 1.0) / square
            basis += growth * (basis @ w) @ w.T
        mean = spectrum.from_basis(spectrum.values * spectrum.ones / spectrum.n_rows)[:, 0]
        root[-1, :-1] = -mean @ basis
        root[-1, -1] = 1.0 / np.sqrt(spectrum.n_rows)
    root[:-1, : basis.shape[1]] = basis
    return root


def error_bound(
    spectrum: Spectrum, norm: float, lengths: np.ndarray, objective: np.ndarray, error
) -> np.ndarray:
    """Wedin's first-order bound of the effect of rounding on each coefficient. See `forward_error_bound`.

    Parameters
    ----------
    norm : float
        Frobenius norm of [A 1] and the ridge rows.
    lengths : ndarray of shape (n_targets,)
        |x| + |b| / norm.
    objective, error : ndarray of shape (n_targets,)
        |r|^2 and the backward error.

    Returns
    -------
    ndarray of shape (d, n_targets)
    """
    inverse, direction, factor = _inverse_scales(spectrum)
    squared = [V**2 for V in spectrum.right]
    far, farther = spectrum.from_basis(direction), spectrum.from_basis(inverse * direction)
    rows = through(inverse, squared) + factor * far**2
    covariance = through(inverse**2, squared) + 2 * factor * far * farther
    covariance += (factor * far) ** 2 * (direction**2).sum()
    return (
        error * norm * (np.sqrt(rows) * lengths + np.sqrt(np.maximum(covariance, 0.0)) * np.sqrt(objective))
    )
