"""Sums over the entries for steps in both factors at once; the rows that `rows` names, in float64."""

from __future__ import annotations

import numpy as np

from ..backends.jit import reduction_kernel


@reduction_kernel
def gradient_rows(rows, starts, others, values, weights, A, B, out):
    """Half the gradient's part from the entries: -sum_t w_t r_t b_t, with r_t = y_t - a.b_t. Returns sum w_t r_t^2."""
    width, squares = A.shape[1], 0.0
    for k in range(rows.size):
        i = np.intp(rows[k])
        a, total = A[i], np.zeros(width)
        for e in range(np.intp(starts[i]), np.intp(starts[i + 1])):
            b = B[np.intp(others[e])]
            residual = values[e]
            for q in range(width):
                residual -= a[q] * b[q]
            scaled = residual * weights[e] if weights.size > 0 else residual
            squares += scaled * residual
            for q in range(width):
                total[q] -= scaled * b[q]
        for q in range(width):
            out[i, q] = total[q]
    return squares


@reduction_kernel
def hessian_rows(rows, starts, others, values, weights, A, B, dA, dB, out):
    """Half the Hessian's part from the entries times a direction: sum_t w_t (p_t b_t - r_t db_t), p = da.b + a.db."""
    width = A.shape[1]
    for k in range(rows.size):
        i = np.intp(rows[k])
        a, da, total = A[i], dA[i], np.zeros(width)
        for e in range(np.intp(starts[i]), np.intp(starts[i + 1])):
            j = np.intp(others[e])
            b, db = B[j], dB[j]
            residual, change = values[e], 0.0
            for q in range(width):
                residual -= a[q] * b[q]
                change += da[q] * b[q] + a[q] * db[q]
            if weights.size > 0:
                residual *= weights[e]
                change *= weights[e]
            for q in range(width):
                total[q] += change * b[q] - residual * db[q]
        for q in range(width):
            out[i, q] = total[q]


@reduction_kernel
def line_rows(rows, starts, others, values, weights, A, B, dA, dB):
    """Sums of w times r r, r p, r q, p p, p q, q q; the residuals at a step of length t are r - t p - t^2 q."""
    width = A.shape[1]
    rr, rp, rq, pp, pq, qq = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
    for k in range(rows.size):
        i = np.intp(rows[k])
        a, da = A[i], dA[i]
        for e in range(np.intp(starts[i]), np.intp(starts[i + 1])):
            j = np.intp(others[e])
            b, db = B[j], dB[j]
            r, p, q = values[e], 0.0, 0.0
            for c in range(width):
                r -= a[c] * b[c]
                p += da[c] * b[c] + a[c] * db[c]
                q += da[c] * db[c]
            weight = weights[e] if weights.size > 0 else 1.0
            rr += weight * r * r
            rp += weight * r * p
            rq += weight * r * q
            pp += weight * p * p
            pq += weight * p * q
            qq += weight * q * q
    return rr, rp, rq, pp, pq, qq
