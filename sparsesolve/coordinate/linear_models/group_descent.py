r"""Block coordinate descent over groups, every block solved exactly.

Around a point :math:`w^0` with gradient -p, the problem is
:math:`\min_w \tfrac12 \|X(w - w^0)\|^2 - p'(w - w^0) + \sum_g \lambda_g \|w_g\|`. The matrix may be in single
precision: its error multiplies the change of w only. One block asks for the root of a secular equation in the
eigenvalues of its Gram matrix.
"""

from __future__ import annotations

import numpy as np

from ...backends.jit import finite_kernel
from .gram import extrapolation_weights

_MEMORY = 5
#: Groups at zero that are far from entering are looked at in every so many sweeps only.
_FULL_SWEEP = 10
_NEAR = 0.9
_SECULAR_STEPS = 60


class GroupBlocks:
    """Columns of groups with what their blocks need, growing as groups come in.

    Attributes
    ----------
    rows : ndarray of shape (k, n)
        The columns, one a row, in single or double precision.
    first : ndarray of int, shape (n_blocks + 1,)
        Where each block begins in `rows`.
    """

    def __init__(self, n_samples: int, dtype):
        self.rows = np.empty((0, n_samples), dtype)
        self.first = np.zeros(1, np.int64)
        self.square_first = np.zeros(1, np.int64)
        self.grams, self.vectors = np.empty(0), np.empty(0)
        self.values = np.empty(0)

    def append(self, rows: np.ndarray, sizes: np.ndarray) -> None:
        """Add blocks: their columns, one a row, and their sizes."""
        ends = np.cumsum(sizes)
        grams, vectors, values = [self.grams], [self.vectors], [self.values]
        for end, size in zip(ends, sizes, strict=True):
            block = rows[end - size : end]
            gram = block @ block.T
            eigenvalues, eigenvectors = np.linalg.eigh(gram)
            grams.append(gram.ravel())
            vectors.append(eigenvectors.ravel())
            values.append(np.maximum(eigenvalues, 0.0))
        self.grams, self.vectors, self.values = map(np.concatenate, (grams, vectors, values))
        self.square_first = np.concatenate([self.square_first, self.square_first[-1] + np.cumsum(sizes**2)])
        self.first = np.concatenate([self.first, self.first[-1] + ends])
        self.rows = np.concatenate([self.rows, rows.astype(self.rows.dtype)])

    def descend(self, selected, pull, start, threshold, tol, max_sweeps):
        """Minimise over the selected blocks.

        Parameters
        ----------
        selected : ndarray of int
        pull, start : ndarray of shape (k,)
            p and w0, in the order of `rows`.
        threshold : ndarray of shape (n_blocks,)
        tol : float
            Largest step of a sweep, in units of threshold over curvature.
        max_sweeps : int

        Returns
        -------
        ndarray of shape (k,)
        """
        w = start.copy()
        _descend(
            self.rows, self.first, self.square_first, self.grams, self.values, self.vectors, selected, pull, start,
            threshold, w, max_sweeps, tol,
        )  # fmt: skip
        return w


@finite_kernel
def _descend(
    rows, first, square_first, grams, values, vectors, selected, pull, start, threshold, w, max_sweeps, tol
):
    k, n = rows.shape
    largest_block = 0
    for g in selected:
        largest_block = max(largest_block, first[g + 1] - first[g])
    target, rotated = np.empty(largest_block), np.empty(largest_block)
    active = np.ones(selected.size, np.bool_)
    change = np.zeros(n, rows.dtype)  # X (w - start)
    history_w, history_x = np.empty((_MEMORY + 1, k)), np.empty((_MEMORY + 1, n))
    history_w[0], history_x[0] = w, change
    kept, next_full = 0, 0
    for sweep in range(max_sweeps):
        full = sweep >= next_full
        if full:
            next_full = sweep + _FULL_SWEEP
        step = 0.0
        for s in range(selected.size):
            if not full and not active[s]:
                continue
            g = selected[s]
            size, at, square = first[g + 1] - first[g], first[g], square_first[g]
            length, was = 0.0, False
            for i in range(size):
                total = rows.dtype.type(0.0)
                for j in range(n):
                    total += rows[at + i, j] * change[j]
                value = pull[at + i] - total
                for j in range(size):
                    value += grams[square + i * size + j] * w[at + j]
                target[i] = value
                length += value * value
                was = was or w[at + i] != 0.0
            length = np.sqrt(length)
            active[s] = was or length > _NEAR * threshold[g]
            if length <= threshold[g]:
                if not was:
                    continue
                target[:size] = 0.0
            else:
                for i in range(size):
                    value = 0.0  # not summed in `rotated`: its bits would depend on where that lies in memory
                    for j in range(size):
                        value += vectors[square + j * size + i] * target[j]
                    rotated[i] = value
                _solve_block(values[at : at + size], rotated[:size], length, threshold[g])
                for i in range(size):
                    value = 0.0
                    for j in range(size):
                        value += vectors[square + i * size + j] * rotated[j]
                    target[i] = value
            moved = 0.0
            for i in range(size):
                difference = target[i] - w[at + i]
                if difference != 0.0:
                    w[at + i] = target[i]
                    factor = rows.dtype.type(difference)
                    for j in range(n):
                        change[j] += factor * rows[at + i, j]
                    moved += difference * difference
            if moved > 0.0:
                curvature = values[at + size - 1]
                step = max(step, np.sqrt(moved) * curvature / max(threshold[g], 1e-12 * length))
        if step <= tol:
            if full:
                break
            next_full = sweep + 1
        kept += 1
        history_w[kept], history_x[kept] = w, change
        if kept == _MEMORY:
            _extrapolate(history_w, history_x, first, selected, pull, start, threshold, w, change)
            history_w[0], history_x[0] = w, change
            kept = 0


@finite_kernel
def _solve_block(values, rotated, length, threshold):
    """Minimise u'Gu/2 - b'u + threshold |u| in the eigenvectors of G: `rotated` holds b, and then u.

    The length r of u solves sum b_i^2 / (value_i r + threshold)^2 = 1. Newton's method on the inverse root of the
    left side climbs to it without ever passing it.
    """
    size = values.size
    top = values[size - 1]
    if threshold == 0.0:
        for i in range(size):
            rotated[i] = rotated[i] / values[i] if values[i] > 1e-12 * top else 0.0
        return
    r = (length - threshold) / top
    for _ in range(_SECULAR_STEPS):
        total, slope = 0.0, 0.0
        for i in range(size):
            below = 1.0 / (values[i] * r + threshold)
            share = rotated[i] * rotated[i] * below * below
            total += share
            slope += share * values[i] * below
        new = r + (np.sqrt(total) - 1.0) * total / slope
        if not new > r * (1.0 + 1e-15):
            break
        r = new
    for i in range(size):
        rotated[i] = rotated[i] / (values[i] + threshold / r)


@finite_kernel
def _extrapolate(history_w, history_x, first, selected, pull, start, threshold, w, change):
    """Replace w by the extrapolated iterate where that is better; X (w - start) is extrapolated with it."""
    weights = extrapolation_weights(history_w)
    k, n = w.size, change.size
    new_w, new_x = np.zeros(k), np.zeros(n)
    for a in range(weights.size):
        for i in range(k):
            new_w[i] += weights[a] * history_w[a + 1, i]
        for j in range(n):
            new_x[j] += weights[a] * history_x[a + 1, j]
    value, new_value = 0.0, 0.0
    for j in range(n):
        value += 0.5 * history_x[_MEMORY, j] * history_x[_MEMORY, j]
        new_value += 0.5 * new_x[j] * new_x[j]
    for g in selected:
        old_length, new_length = 0.0, 0.0
        for i in range(first[g], first[g + 1]):
            value -= pull[i] * (w[i] - start[i])
            new_value -= pull[i] * (new_w[i] - start[i])
            old_length += w[i] * w[i]
            new_length += new_w[i] * new_w[i]
        value += threshold[g] * np.sqrt(old_length)
        new_value += threshold[g] * np.sqrt(new_length)
    if new_value < value:
        w[:] = new_w
        for j in range(n):
            change[j] = new_x[j]
