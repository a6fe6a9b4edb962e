"""Sums over the observed entries that are asked for beside the sweeps."""

from __future__ import annotations

import numpy as np

from ..backends.jit import kernel
from .observations import Side


def predictions(side: Side, A: np.ndarray, B: np.ndarray) -> np.ndarray:
    """The products a_i.b_j at the observed entries, in the order of the rows; O(entries rank)."""
    return _predictions(side.starts, side.others, np.ascontiguousarray(A), np.ascontiguousarray(B))


def row_numbers(side: Side) -> np.ndarray:
    """The row of each entry."""
    return np.repeat(np.arange(side.n_rows), side.counts)


def weighted_grams(side: Side, B: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Sums of w_ij b_j b_j' over the entries of some rows; shape (n_rows, rank, rank)."""
    return _grams(side.starts, side.others, side.weights, np.ascontiguousarray(B), rows.astype(np.uint64))


def root_mean_square(values: np.ndarray, weights: np.ndarray) -> float:
    """Weighted; no weights mean ones."""
    largest = float(np.abs(values).max(initial=0.0))
    if largest == 0.0:
        return 0.0
    squares = (values / largest) ** 2
    return largest * float(np.sqrt(np.average(squares, weights=weights if weights.size else None)))


def component_energies(side: Side, U: np.ndarray, V: np.ndarray) -> np.ndarray:
    """Sums of (u_iq v_jq)^2 over the observed entries, for each column q; O(entries rank)."""
    return _energies(side.starts, side.others, np.ascontiguousarray(U), np.ascontiguousarray(V))


@kernel
def _energies(starts, others, U, V):
    out = np.zeros(U.shape[1])
    for i in range(starts.size - 1):
        for e in range(starts[i], starts[i + 1]):
            j = others[e]
            for q in range(U.shape[1]):
                out[q] += (U[i, q] * V[j, q]) ** 2
    return out


@kernel
def _predictions(starts, others, A, B):
    out = np.empty(others.size)
    for i in range(starts.size - 1):
        for e in range(starts[i], starts[i + 1]):
            j, total = others[e], 0.0
            for q in range(A.shape[1]):
                total += A[i, q] * B[j, q]
            out[e] = total
    return out


@kernel
def _grams(starts, others, weights, B, rows):
    rank = B.shape[1]
    grams = np.zeros((rows.size, rank, rank))
    for r in range(rows.size):
        i = rows[r]
        for e in range(starts[i], starts[i + np.uint64(1)]):
            j = others[e]
            weight = weights[e] if weights.size > 0 else 1.0
            for a in range(rank):
                scaled = weight * B[j, a]
                for b in range(a + 1):
                    grams[r, a, b] += scaled * B[j, b]
        for a in range(rank):
            for b in range(a):
                grams[r, b, a] = grams[r, a, b]
    return grams
