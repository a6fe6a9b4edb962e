"""Kernels that read a tall dense matrix once."""

import numpy as np

from ..backends.jit import reduction_kernel


@reduction_kernel
def residual_product(A, b, target, row_scale, x, shift):
    """Return A' s r, the sum of s r, and r'r, where r = s (target b - A x - shift).

    One read of A: four rows at a time stay in the first cache between the two products.

    Parameters
    ----------
    A : ndarray of shape (n_rows, n_columns), C order
    b : ndarray of shape (n_rows,)
    target : float
        1.0 to use b, 0.0 to leave it out.
    row_scale : ndarray of shape (n_rows,) or (0,)
        Scale s of each row; empty for ones.
    x : ndarray of shape (n_columns,)
    shift : float
    """
    n_rows, n_columns = A.shape
    scaled = row_scale.size > 0
    product = np.zeros(n_columns)
    total = 0.0
    squares = 0.0
    i = 0
    while i + 4 <= n_rows:
        a0, a1, a2, a3 = A[i], A[i + 1], A[i + 2], A[i + 3]
        r0, r1, r2, r3 = 0.0, 0.0, 0.0, 0.0
        for k in range(n_columns):
            r0 += a0[k] * x[k]
            r1 += a1[k] * x[k]
            r2 += a2[k] * x[k]
            r3 += a3[k] * x[k]
        r0 = target * b[i] - r0 - shift
        r1 = target * b[i + 1] - r1 - shift
        r2 = target * b[i + 2] - r2 - shift
        r3 = target * b[i + 3] - r3 - shift
        if scaled:
            r0, r1, r2, r3 = (
                r0 * row_scale[i],
                r1 * row_scale[i + 1],
                r2 * row_scale[i + 2],
                r3 * row_scale[i + 3],
            )
        squares += (r0 * r0 + r1 * r1) + (r2 * r2 + r3 * r3)
        if scaled:
            r0, r1, r2, r3 = (
                r0 * row_scale[i],
                r1 * row_scale[i + 1],
                r2 * row_scale[i + 2],
                r3 * row_scale[i + 3],
            )
        total += (r0 + r1) + (r2 + r3)
        for k in range(n_columns):
            product[k] += (r0 * a0[k] + r1 * a1[k]) + (r2 * a2[k] + r3 * a3[k])
        i += 4
    while i < n_rows:
        row = A[i]
        r0 = 0.0
        for k in range(n_columns):
            r0 += row[k] * x[k]
        r0 = target * b[i] - r0 - shift
        if scaled:
            r0 *= row_scale[i]
        squares += r0 * r0
        if scaled:
            r0 *= row_scale[i]
        total += r0
        for k in range(n_columns):
            product[k] += r0 * row[k]
        i += 1
    return product, total, squares
