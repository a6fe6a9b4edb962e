"""FastRP: node embeddings from random projections of the powers of a transition matrix."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import scipy.sparse

from ..backends.jit import finite_kernel
from ..backends.threads import run_chunks
from ..random import Stream
from .signs import random_signs

_CHUNKS = 64


class EmbeddingOptions(NamedTuple):
    """What `embed_nodes` does.

    Attributes
    ----------
    n_components : int
    weights : tuple of float
        Of the powers 1, 2, ... of the transition matrix.
    degree_exponent : float
        Exponent of the nodes' degrees on the side of the projection.
    density : float
        Part of the random projection that is not zero.
    normalize : bool
        Whether rows are brought to unit length: those of every power before they are summed, and those of the sum.
    dtype : numpy dtype
    """

    n_components: int
    weights: tuple[float, ...]
    degree_exponent: float
    density: float
    normalize: bool
    dtype: np.dtype


def embed_nodes(adjacency: scipy.sparse.csr_array, options: EmbeddingOptions, key: int) -> np.ndarray:
    """Return the sum over q of w_q N(T^q D^beta R), T = D^-1 A, for a very sparse random projection R.

    N brings the rows to unit length; D holds the sums of A's rows.

    Parameters
    ----------
    adjacency : csr_array of shape (n_nodes, n_nodes), float64 or float32
        Entries at least 0, of any size. Nodes without neighbours get zeros.
    options : EmbeddingOptions
    key : int
        Row i of R depends on (key, i) alone.

    Returns
    -------
    ndarray of shape (n_nodes, n_components)
        The same bits for any number of threads.

    Notes
    -----
    2 nnz n_components flops for each power; three arrays of the embedding's size.

    References
    ----------
    Chen, Sultan, Tian, Chen and Skiena, "Fast and accurate network embeddings via very sparse random projection", CIKM
    2019, algorithm 1 and equation 8.
    """
    n_nodes, dtype = adjacency.shape[0], options.dtype
    # In units of the largest entry sums stay in range, and shares of the links do in any dtype.
    unit = np.ldexp(1.0, int(np.frexp(adjacency.data.max(initial=0.0))[1]) - 1)
    values = adjacency.data.astype(np.float64) / unit
    rows = np.repeat(np.arange(n_nodes), np.diff(adjacency.indptr))
    degrees = np.bincount(rows, values, n_nodes)
    linked = degrees > 0
    shares = values / np.where(linked, degrees, 1.0)[rows]
    factors = np.power(degrees, options.degree_exponent, where=linked, out=np.zeros(n_nodes))
    # Where rows are normalised, common factors of R cancel; they are kept for those who do not normalise.
    if not options.normalize:
        factors *= unit**options.degree_exponent
    factors *= np.sqrt(1.0 / (options.density * options.n_components))
    signs = random_signs(key, Stream.NODE_PROJECTION, (n_nodes, options.n_components), options.density)
    now = (signs * factors.astype(dtype)[:, None]).toarray()
    graph = (
        adjacency.indptr.astype(np.uint64),
        adjacency.indices.astype(np.uint32),
        shares.astype(dtype),
    )
    total, then = np.zeros((n_nodes, options.n_components), dtype), np.empty_like(now)
    n_chunks = min(_CHUNKS, n_nodes)
    edges = [n_nodes * k // n_chunks for k in range(n_chunks + 1)]
    for step, weight in enumerate(options.weights):
        last = options.normalize and step == len(options.weights) - 1

        def chunk(k, now=now, then=then, weight=weight, last=last):
            rows = edges[k], edges[k + 1]
            _propagate(*graph, now, dtype.type(weight), options.normalize, last, *rows, then, total)

        run_chunks(chunk, n_chunks)
        now, then = then, now
    return total


@finite_kernel
def _propagate(starts, neighbours, shares, now, weight, normalize, last, first, stop, then, total):
    """Write rows of T now, and add them, of unit length if asked, to the total; bring that to unit length at last."""
    width = now.shape[1]
    row = np.empty(width, now.dtype)
    for i in range(first, stop):
        for k in range(width):
            row[k] = 0.0
        for place in range(starts[i], starts[i + 1]):
            share, other = shares[place], neighbours[place]
            for k in range(width):
                row[k] += share * now[other, k]
        for k in range(width):
            then[i, k] = row[k]
        if weight != 0.0:
            factor = weight * _inverse_length(row) if normalize else weight
            for k in range(width):
                total[i, k] += factor * row[k]
        if last:
            factor = _inverse_length(total[i])
            for k in range(width):
                total[i, k] *= factor


@finite_kernel
def _inverse_length(row):
    """One over the length of a row, 0 for a row of zeros."""
    square = row.dtype.type(0.0)
    for k in range(row.size):
        square += row[k] * row[k]
    return row.dtype.type(1.0) / np.sqrt(square) if square > 0.0 else row.dtype.type(0.0)
