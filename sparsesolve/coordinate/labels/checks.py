"""Checks of labelled graphs: weights, nodes and bounds."""

from __future__ import annotations

import numpy as np

from ...operators.forest import check_nodes
from ...validation import check_matrix
from . import kernels


def check_weights(graph) -> None:
    """Raise a ValueError for weights that are negative, no numbers, or not symmetric."""
    check_matrix("weights", graph)
    if graph.nnz and graph.data.min() < 0:
        worst = graph.tocoo()
        k = int(worst.data.argmin())
        i, j = (int(index[k]) for index in worst.coords)
        raise ValueError(f"weights[{i}, {j}]={worst.data[k]} is negative: weights must be at least 0.")
    check_symmetric("weights", graph)


def check_symmetric(name: str, graph) -> None:
    """Raise a ValueError that names the first entry that differs from its mirror image by more than rounding."""
    i, j = kernels.find_asymmetry(graph.indptr, graph.indices, graph.data)
    if i >= 0:
        raise ValueError(
            f"{name}[{i}, {j}] and {name}[{j}, {i}] differ: {name} must be symmetric; "
            f"({name} + {name}.T) / 2 makes it so."
        )


def check_labelled(labelled, n) -> np.ndarray:
    """Return the labelled nodes as distinct int64 numbers."""
    labelled = np.asarray(labelled)
    if labelled.dtype.kind == "b":
        if labelled.shape != (n,):
            raise ValueError(
                f"labelled has shape {labelled.shape}: a mask needs one entry for each of {n} nodes."
            )
        labelled = np.flatnonzero(labelled)
    if labelled.size == 0:
        raise ValueError("labelled is empty: at least one node needs a label.")
    return check_nodes("labelled", labelled, n)


def check_bounds(lower, upper, n):
    """Return both bounds as arrays of shape (n,), or None twice."""
    if lower is None and upper is None:
        return None, None
    bounds = []
    for name, bound, default in (("lower", lower, -np.inf), ("upper", upper, np.inf)):
        values = np.asarray(default if bound is None else bound)
        if values.shape not in ((), (n,)) or values.dtype.kind not in "fiub" or np.isnan(values).any():
            raise ValueError(f"{name}={bound!r} must be a number, or one for each of {n} nodes, and not NaN.")
        bounds.append(np.broadcast_to(values, (n,)).astype(np.float64))
    low, high = bounds
    bad = np.flatnonzero(~((low <= high) & (low < np.inf) & (high > -np.inf)))
    if bad.size:
        i = int(bad[0])
        raise ValueError(f"lower is {low[i]} and upper is {high[i]} at node {i}: no value lies between them.")
    return low, high
