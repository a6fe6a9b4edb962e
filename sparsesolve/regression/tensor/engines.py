"""The engines that `auto` takes for a Kronecker matrix."""

from __future__ import annotations

from functools import reduce

import numpy as np
from scipy.linalg import LinAlgError, cholesky, solve_triangular

from ...driver import TICK
from ...operators.kronecker import mode_products
from .. import engines
from ..factor import extreme_singular_values, full_rank_factor
from ..refine import refine_from, solve_with
from .array_gram import array_gram

# Of singular values below this, relative to the largest, the normal matrix's squares do not tell whether they are zero.
_SINGULAR = 1e-6


def own_engines(design, tol: float):
    """Without weights the factors' QR factorisations solve the problem. With weights, `array`, then row by row."""
    if design.root_weights is not None:
        yield from array(design, tol)
    yield from engines.direct(design, tol)


def array(design, tol: float):
    """Cholesky factor of the weighted normal matrix of the orthonormalised factors, refined in A.

    The factors' own condition numbers do not reach the normal matrix: only what the weights do is squared. Cost:
    n d_k^2 flops for the smallest d_k, d^3 for the Cholesky factor, and n d_1 for each refinement.
    """
    rows, weights = design.rows, design.weights_tensor()
    squares = mode_products(weights, [factor.T**2 for factor in rows.factors]).reshape(-1)
    norms = np.sqrt(np.append(squares, [weights.sum()] * design.intercept))
    design.require_finite(norms)
    design = design.scaled_by(norms)
    factor = _factor(design, weights)
    if factor is None:
        return
    yield TICK
    gradient, _ = design.normal_residual(np.zeros((design.n_unknowns, design.n_targets)))
    yield from refine_from(design, factor, factor.solve_normal(gradient), "array", tol, solve_with(factor))


def _factor(design, weights):
    """The factor of the normal matrix; None where a factor or the whole is rank deficient."""
    width = design.n_columns
    if any(count < own for count, own in zip(design.rows.counts, design.rows.widths, strict=True)):
        return None
    orthonormal, triangles = zip(*(np.linalg.qr(factor) for factor in design.rows.factors), strict=True)
    gram = array_gram(orthonormal, weights, design.intercept)
    if design.alpha > 0:
        if any(np.any(np.diag(triangle) == 0) for triangle in triangles):
            return None
        inverses = [solve_triangular(triangle, np.eye(len(triangle))) for triangle in triangles]
        gram[:width, :width] += design.alpha * reduce(np.kron, [inverse.T @ inverse for inverse in inverses])
    lengths = np.sqrt(np.diag(gram))
    if not np.all(lengths > 0) or not np.all(np.isfinite(lengths)):
        return None
    try:
        root = cholesky(gram / lengths / lengths[:, None], check_finite=False)
    except LinAlgError:
        return None
    largest, smallest = extreme_singular_values(root)
    if not smallest > _SINGULAR * largest:
        return None
    root *= lengths
    # Each block of rows of chol(G) is a Kronecker-structured vector: its product with the triangles is cheap.
    head = root[:, :width].reshape(len(root), *design.rows.widths)
    root[:, :width] = mode_products(head, [triangle.T for triangle in triangles]).reshape(len(root), width)
    root = np.asfortranarray(np.triu(root) * design.column_scale)
    if not np.all(np.isfinite(root)) or np.any(np.diag(root) == 0):
        return None
    return full_rank_factor(root)
