"""Kernels that draw rows by volume: by the chain rule with rejection, and by removing rows one after the other."""

from __future__ import annotations

import numpy as np

from ..backends.jit import kernel, reduction_kernel
from ..random import below, uniform, words

_BATCH = 32


@reduction_kernel
def _dot(x, y):
    total = 0.0
    for i in range(x.size):
        total += x[i] * y[i]
    return total


@kernel
def _add_outer(matrix, vector, factor):
    """Add factor times vector vector', in place."""
    for k in range(vector.size):
        row = matrix[k]
        scaled = factor * vector[k]
        for j in range(vector.size):
            row[j] += scaled * vector[j]


@kernel
def accept_projection(vectors, chances, taken):
    """Accept proposed vectors by the share of their length that is orthogonal to those accepted so far.

    vectors: the proposals in order, shape (n_proposals, r). chances: a uniform number for each. taken: shape (r,),
    gets the places of the accepted ones. Returns how many there are: r, or fewer where the proposals run out.
    """
    rank = vectors.shape[1]
    spanned = np.empty((rank, rank))
    rest = np.empty(rank)
    count = 0
    for proposal in range(vectors.shape[0]):
        rest[:] = vectors[proposal]
        full = _dot(rest, rest)
        for _ in range(2):  # twice is enough for orthogonality to rounding
            for s in range(count):
                overlap = _dot(spanned[s], rest)
                row = spanned[s]
                for k in range(rank):
                    rest[k] -= overlap * row[k]
        left = _dot(rest, rest)
        if chances[proposal] * full < left:
            taken[count] = proposal
            for k in range(rank):
                spanned[count, k] = rest[k] / np.sqrt(left)
            count += 1
            if count == rank:
                break
    return count


@kernel
def remove_rows(basis, inverse, alive, target, key, stream, proposals):
    """Remove rows, each with probability in proportion to 1 - its leverage, until `target` of them are alive.

    All are alive at first; the flags `alive`, and the inverse of the Gram matrix of the rows that are, are kept up to
    date, in place. At most half of the rows should go: proposals of dead ones are wasted. Returns the number of
    proposals, which goes on from the given one. Rows come in batches: so their ways from memory overlap.
    """
    n_rows, rank = basis.shape
    image = np.empty(rank)
    vectors = np.empty((_BATCH, rank))
    places, chances = np.empty(_BATCH, np.int64), np.empty(_BATCH)
    count = n_rows
    while count > target:
        for t in range(_BATCH):
            w0, _, w2, w3 = words(key, stream, proposals, 0)
            proposals += 1
            places[t], chances[t] = below(w0, n_rows), uniform(w2, w3)
        for t in range(_BATCH):
            for k in range(rank):
                vectors[t, k] = basis[places[t], k]
        for t in range(_BATCH):
            if count > target and alive[places[t]]:
                vector = vectors[t]
                for k in range(rank):
                    image[k] = _dot(inverse[k], vector)
                left = 1.0 - _dot(image, vector)
                if chances[t] < left:
                    count -= 1
                    alive[places[t]] = False
                    _add_outer(inverse, image, 1.0 / left)
    return proposals
