"""New rows on known column factors, and how sure predictions are."""

from __future__ import annotations

import numpy as np

from .completed import Biases
from .entries import weighted_grams
from .nonnegative import nonnegative_half_sweep
from .observations import Observations
from .regressions import pose
from .row_solvers import half_sweep, make_solver

#: Relative to the mean eigenvalue: below, a direction of a row's Gram matrix counts as not observed.
_UNSEEN = 1e-10
#: Passes of coordinate descent that a new row gets at most, and how far it is to go.
_PASSES, _ACCURACY = 10_000, 1e-9


def fold_in(
    observations: Observations,
    column_factors: np.ndarray,
    bias: Biases | None = None,
    alpha: float = 0.0,
    scale_alpha: bool = False,
    background: float = 0.0,
) -> tuple[np.ndarray, np.ndarray]:
    """Factors of new rows, all at once; O(entries rank^2 + rows rank^3).

    Each row minimises its own part of the objective, exactly. A row without entries gets zeros: its predictions are
    the biases.

    Parameters
    ----------
    observations : Observations
        The new rows, of shape (r, n).
    column_factors : ndarray of shape (n, rank)
    bias : Biases, optional
        Of the fitted model; the new rows' effects are then fitted with their factors.
    alpha, scale_alpha, background
        As in the fit.

    Returns
    -------
    factors : ndarray of shape (r, rank)
    effects : ndarray of shape (r,)
        Zeros without biases.
    """
    side, B = observations.rows, column_factors
    if bias is not None:
        rest = side.values - bias.mean - bias.columns[side.others]
        observations = observations.with_values(rest)
    if observations.n_entries == 0 or not observations.rows.values.any():
        return np.zeros((observations.shape[0], B.shape[1])), np.zeros(observations.shape[0])
    posed = pose(observations, alpha, scale_alpha, background)
    root = np.sqrt(posed.scale)
    design = B / root
    if bias is not None:
        design = np.column_stack([design, np.ones(len(B))])
    # All columns count alike: with the new rows' own counts one that they never observed would have no mass.
    masses = np.ones(len(B))
    solved, _sums = half_sweep(
        posed.rows,
        masses,
        np.zeros((observations.shape[0], design.shape[1])),
        design,
        make_solver("cholesky"),
    )
    if bias is None:
        return solved * root, np.zeros(observations.shape[0])
    return solved[:, :-1] * root, solved[:, -1] * posed.scale


def fold_in_positive(
    observations: Observations,
    column_factors: np.ndarray,
    alpha: float = 0.0,
    scale_alpha: bool = False,
    background: float = 0.0,
) -> np.ndarray:
    """Factors of new rows, at least 0; O(entries rank^2).

    Parameters
    ----------
    observations, column_factors, alpha, scale_alpha, background
        As for `fold_in`.

    Returns
    -------
    ndarray of shape (r, rank)
    """
    if observations.n_entries == 0:
        return np.zeros((observations.shape[0], column_factors.shape[1]))
    posed = pose(observations, alpha, scale_alpha, background)
    root = np.sqrt(posed.scale)
    start = np.zeros((observations.shape[0], column_factors.shape[1]))
    return nonnegative_half_sweep(posed, start, column_factors / root, _PASSES, _ACCURACY)[0] * root


def variances(side, design, at, lines, alpha, scale_alpha) -> np.ndarray:
    """Variances of predictions due to the estimation of one side's factors, in units of the noise's variance.

    With the other side's factors B given, a_i has the covariance ``G^-1 (G - alpha_i) G^-1``, where G = sum_j w_ij b_j
    b_j' + alpha_i; where the line's entries leave a direction open, the variance along it is infinite.

    Parameters
    ----------
    side : Side
        The entries by lines: rows, or columns.
    design : ndarray of shape (n_others, rank)
        B: the factors on which the lines' own were estimated.
    at : ndarray of shape (n_pairs, rank)
        The factor that each prediction multiplies.
    lines : ndarray of int, shape (n_pairs,)
        Whose own factor it is.
    alpha, scale_alpha
        As in the fit.

    Returns
    -------
    ndarray of shape (n_pairs,)
        Complexity: O(entries rank^2) of the lines, and O(rank^3) for each.
    """
    asked, places = np.unique(lines, return_inverse=True)
    ridges = (alpha * (side.counts[asked] if scale_alpha else np.ones(asked.size)))[:, None]
    spectra, vectors = np.linalg.eigh(weighted_grams(side, design, asked))
    spectra = np.maximum(spectra, 0.0)
    seen = spectra > _UNSEEN * np.maximum(spectra.mean(axis=1, keepdims=True), np.finfo(np.float64).tiny)
    with np.errstate(divide="ignore", invalid="ignore"):
        inverses = np.where(seen | (ridges > 0.0), spectra / (spectra + ridges) ** 2, np.inf)
    parts = np.einsum("pqr,pq->pr", vectors[places], at) ** 2
    with np.errstate(invalid="ignore"):
        terms = np.where(parts > 1e-20 * (at**2).sum(axis=1)[:, None], parts * inverses[places], 0.0)
    return terms.sum(axis=1)
