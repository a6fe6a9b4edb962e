"""Which gammas are small enough to be taken for zero."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .kernels import count_small, norm_of

# Gammas below this share of the largest of their mode are zero whatever the thresholds: products of reciprocals of
# larger ones stay within the range of float64.
NEGLIGIBLE = 1e-60


@dataclass(frozen=True)
class Pruning:
    """Thresholds below which a slice of the coefficients is dropped for good.

    Attributes
    ----------
    relative : float or sequence of float
        Share of a mode's largest gamma; one for all modes or one each.
    absolute : float
        In the units of the gammas, all scale in the last mode's: the others then have norm 1, as in the paper. A mode's
        largest gamma always stays.
    """

    relative: float | Sequence[float] = 0.0
    absolute: float = 0.0

    def masks(self, gammas: Sequence[np.ndarray]) -> list[np.ndarray] | None:
        """Which gammas stay, for each mode; None when all do. No mode is ever emptied.

        Parameters
        ----------
        gammas : sequence of ndarray of shape (n_i,)

        Returns
        -------
        list of ndarray of bool, or None
        """
        shares = self.relative if isinstance(self.relative, Sequence) else [self.relative] * len(gammas)
        if self.absolute > 0.0:
            gammas = _scale_in_last(gammas)
        if not any(
            count_small(g, max(s, NEGLIGIBLE), self.absolute) for g, s in zip(gammas, shares, strict=True)
        ):
            return None
        masks = []
        for gamma, share in zip(gammas, shares, strict=True):
            largest = gamma.max()
            cut = max(max(share, NEGLIGIBLE) * largest, min(self.absolute, 0.5 * largest))
            masks.append(gamma > cut)
        return [mask if mask.any() else np.ones_like(mask) for mask in masks]


def _scale_in_last(gammas: Sequence[np.ndarray]) -> list[np.ndarray]:
    """The same Kronecker product with factors of norm 1, but for the last."""
    norms = [norm_of(gamma) or 1.0 for gamma in gammas[:-1]]
    return [gamma / norm for gamma, norm in zip(gammas, norms, strict=False)] + [
        gammas[-1] * math.prod(norms)
    ]


def spread(values: np.ndarray, keep: Sequence[np.ndarray], shape: Sequence[int]) -> np.ndarray:
    """Put an array of the kept indices into one of all indices, zero elsewhere.

    Parameters
    ----------
    values : ndarray of shape (..., k_1, ..., k_I)
    keep : sequence of ndarray of int, shape (k_i,)
    shape : sequence of int
        (n_1, ..., n_I).

    Returns
    -------
    ndarray of shape (..., n_1, ..., n_I)
    """
    full = np.zeros((*values.shape[: values.ndim - len(keep)], *shape), dtype=values.dtype)
    place: tuple[Any, ...] = (..., *np.ix_(*keep))
    full[place] = values
    return full
