"""How often edges are found again when the rows are drawn anew."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from ..graphs import completed_partially_directed_graph
from ..random import as_key
from .covariance import Moments, moments_of
from .options import Options
from .solver import solve


class Bootstrap(NamedTuple):
    """Shares of resamples.

    Attributes
    ----------
    edge_probability : ndarray of shape (d, d)
        [i, j]: share of the resamples whose graph has the edge i -> j.
    direction_probability : ndarray of shape (d, d)
        [i, j]: share of those with an edge between i and j in which i -> j is compelled, or may be; a reversible edge
        counts one half each way. 0 where there never was an edge.
    adjacencies : ndarray of shape (n_resamples, d, d)
        The weights of each.
    """

    edge_probability: np.ndarray
    direction_probability: np.ndarray
    adjacencies: np.ndarray


def bootstrap(X: np.ndarray, options: Options, n_resamples: int, random_state=None) -> Bootstrap:
    """Fit again and again to rows drawn with replacement; O(n d^2) and a fit for each.

    Parameters
    ----------
    X : ndarray of shape (n, d)
        Finite.
    options : Options
    n_resamples : int
    random_state : None, int, numpy.random.Generator or RandomState
    """
    rng = np.random.default_rng(as_key(random_state))
    n = len(X)
    counts = (np.bincount(rng.integers(n, size=n), minlength=n) for _ in range(n_resamples))
    resamples = (moments_of(X, weights=count.astype(np.float64)) for count in counts)
    return shares(resamples, options, n_resamples, X.shape[1], rng)


def shares(
    resamples: Iterable[Moments], options: Options, n_resamples: int, d: int, rng: np.random.Generator
) -> Bootstrap:
    """Fit to the moments of each resample, and count."""
    found = np.zeros((n_resamples, d, d))
    directed = np.zeros((d, d))
    for number, moments in enumerate(resamples):
        found[number] = solve(moments, options, rng).solution.adjacency
        cpdag = completed_partially_directed_graph(found[number])
        directed += np.where(cpdag & cpdag.T, 0.5, cpdag)
    either = directed + directed.T
    share = np.divide(directed, either, out=np.zeros((d, d)), where=either > 0.0)
    return Bootstrap((found != 0.0).mean(axis=0), share, found)
