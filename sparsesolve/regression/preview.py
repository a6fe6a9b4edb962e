"""A sketch of the problem, looked at before any work is done on the whole."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.linalg import solve_triangular

from .design import Design, column_norms
from .factor import (
    NormalFactor,
    extreme_singular_values,
    full_rank_factor,
    root_of_blocks,
    root_svd,
    stacked_root,
    truncated_factor,
)

# A singular value below this fraction of the largest is too close to rounding for a sketch to judge.
_UNCLEAR = 1e-13


@dataclass(frozen=True)
class Preview:
    """What the sketched problem tells of the whole.

    Attributes
    ----------
    design : Design
        The problem, its columns scaled by the sketch's norms.
    factor : NormalFactor
        Of the sketched matrix, the ridge rows included; it has the full rank, or the clear one.
    Z : ndarray of shape (n_unknowns, n_targets)
        The sketch-and-solve solution.
    residual_norms : ndarray of shape (n_targets,)
        Norms of the sketched residuals, penalties left out.
    size : int
        Rows of the sketch.
    condition : float
        Condition number of the scaled sketched matrix in the space that the factor keeps.
    clear : bool
        False where a singular value is too small for the sketch to tell it from zero.
    """

    design: Design
    factor: NormalFactor
    Z: np.ndarray
    residual_norms: np.ndarray
    size: int
    condition: float
    clear: bool


def preview(design: Design, sample, one_in: int = 1) -> Preview:
    """Sketch the problem, or one row in `one_in` of it, and solve the sketch.

    One pass over those rows, and about 2 m d^2 flops for m sketched rows.
    """
    return view_of(design, design.sketched(sample, one_in))


def view_of(design: Design, joined: np.ndarray) -> Preview:
    """The preview from S diag(s) [A 1 b], shape (m, n_unknowns + n_targets), which is overwritten."""
    design.require_finite(joined)  # a sketch is dense: what is not finite in A has reached it
    width, size = design.n_unknowns, joined.shape[0]
    design = design.scaled_by(column_norms(joined[:, :width]))
    joined[:, :width] *= design.column_scale
    root = root_of_blocks([joined], width + design.n_targets)
    root, rotated, residual_norms = split_root(root, width)
    distortion = min(0.9, np.sqrt(width / size))
    full_root, full_rotated, _ = with_penalty(root, rotated, residual_norms, design.penalty)
    factor, condition, clear = _judge(full_root, distortion)
    Z = solve_rotated(factor, full_root, full_rotated)
    residual_norms = np.hypot(residual_norms, np.linalg.norm(rotated - root @ Z, axis=0))
    return Preview(design, factor, Z, residual_norms, size, condition, clear)


def split_root(root: np.ndarray, width: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Part the R of [A b] into the R of A, the rotated targets Q'b, and the norms of the residuals."""
    residual_norms = np.linalg.norm(root[width:, width:], axis=0)
    return np.asfortranarray(root[:width, :width]), root[:width, width:], residual_norms


def with_penalty(root, rotated, residual_norms, penalty) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Add the ridge rows diag(sqrt(penalty)), with zero targets, to R, Q'b and the norms of what is left of b."""
    if not np.any(penalty):
        return root, rotated, residual_norms
    width = root.shape[0]
    joined = np.zeros((width + rotated.shape[1],) * 2, order="F")
    joined[:width, :width], joined[:width, width:] = root, rotated
    rows = np.hstack([np.diag(np.sqrt(penalty)), np.zeros_like(rotated)])
    root, rotated, more = split_root(stacked_root(joined, rows), width)
    return root, rotated, np.hypot(residual_norms, more)


def solve_rotated(factor: NormalFactor, root: np.ndarray, rotated: np.ndarray) -> np.ndarray:
    """Return the least squares solution of root Z = rotated in the span of the factor's basis."""
    if factor.basis is None:
        return solve_triangular(root, rotated, check_finite=False)
    return factor.basis @ (factor.left.T @ rotated)


def _judge(root, distortion) -> tuple[NormalFactor, float, bool]:
    largest, smallest = extreme_singular_values(root)
    if smallest > _UNCLEAR * largest:
        return full_rank_factor(root, distortion), largest / smallest, True
    values = root_svd(root)
    kept = values[1] > _UNCLEAR * values[1][0]
    rank = int(kept.sum())
    if rank == 0:
        return truncated_factor(root, values, 0, distortion), 1.0, False
    clear = bool(np.all(values[1][rank:] < 0.1 * _UNCLEAR * values[1][0]))
    return truncated_factor(root, values, rank, distortion), float(values[1][0] / values[1][rank - 1]), clear
