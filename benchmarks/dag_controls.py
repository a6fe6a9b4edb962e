"""Graphs that need no method, to hold every method against: `python benchmarks/dag_controls.py --quick`.

The empty graph; regressions in the order of the variances, of the shares explained by all other variables (R2), and in
a random order. A method that is no better than these on a problem has not learnt a graph there. Parents are chosen
among all nodes before a node by their BIC, stepwise. The variance sort is also there as Reisach et al. (2021) published
it: with a lasso weighted by least squares, and the penalty of the lowest BIC.
"""

from __future__ import annotations

import sys
import time
import warnings
from collections.abc import Callable

import numpy as np
from common import Report, arguments, describe_machine
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LassoLarsIC

from sparsesolve.dag.sortability import explained_shares, r2_sortability, varsortability
from sparsesolve.datasets import make_linear_sem
from sparsesolve.metrics import (
    cpdag_hamming_distance,
    structural_hamming_distance,
    structural_intervention_distance,
)

PACKAGES = ("numpy", "scipy", "numba", "scikit-learn")


def stepwise_parents(X, before, node) -> np.ndarray:
    """Coefficients of a node on those before it; some are 0.

    Backward from all where there are rows enough, else forward from none; each variable costs 2 log n.
    """
    n, count = len(X), len(before)
    used = [*before, node]
    A = X[:, used].T @ X[:, used] / n
    A[np.diag_indices(count)] += 1e-12 * A.diagonal()[:count]
    chosen = np.zeros(count, dtype=bool)
    penalty, floor = 2.0 * np.log(n), 1e-12 * max(A[-1, -1], 1e-300)
    if 3 * count < n:
        for place in range(count):
            _sweep(A, place, chosen)
    while True:
        squares = A[:count, -1] ** 2 / np.maximum(np.abs(A.diagonal()[:count]), 1e-300)
        left = max(A[-1, -1], floor)
        loss = n * np.log1p(squares / left)
        gain = -n * np.log(np.maximum(1.0 - squares / left, 1e-12))
        worst = np.where(chosen, loss, np.inf).argmin()
        if chosen[worst] and loss[worst] < penalty:
            _sweep(A, worst, chosen)
            continue
        best = np.where(chosen, -np.inf, gain).argmax()
        if chosen[best] or gain[best] <= penalty * (1 + 1e-9) or 2 * np.count_nonzero(chosen) >= n:
            return np.where(chosen, A[:count, -1], 0.0)
        _sweep(A, best, chosen)


def _sweep(A, place, chosen):
    """Take a variable into the regression, or out of it: columns become coefficients and back."""
    pivot, row, sign = A[place, place], A[place].copy(), -1.0 if chosen[place] else 1.0
    A -= np.outer(row, row) / pivot
    A[place] = A[:, place] = sign * row / pivot
    A[place, place] = -1.0 / pivot
    chosen[place] = not chosen[place]


def lasso_parents(X, before, node) -> np.ndarray:
    """Coefficients of a node on those before it, by the lasso weighted by least squares of the lowest BIC."""
    sizes, left, *_ = np.linalg.lstsq(X[:, before], X[:, node], rcond=None)
    sizes = np.abs(sizes)
    variance = float(left[0]) / max(len(X) - len(before) - 1, 1) if left.size else 0.0
    with warnings.catch_warnings():
        # Least angle regression drops columns that are almost collinear, and says so.
        warnings.simplefilter("ignore", ConvergenceWarning)
        lasso = LassoLarsIC(criterion="bic", noise_variance=max(variance, 1e-300))
        return lasso.fit(X[:, before] * sizes, X[:, node]).coef_ * sizes


def regressions_in_order(X, order, parents=stepwise_parents) -> np.ndarray:
    """The graph of sparse regressions of each node on all nodes before it; [i, j] is the weight of i -> j."""
    X = X - X.mean(axis=0)
    adjacency = np.zeros((X.shape[1], X.shape[1]))
    for place in range(1, len(order)):
        adjacency[order[:place], order[place]] = parents(X, order[:place], order[place])
    return adjacency


def empty_graph(X, random_state=None) -> np.ndarray:
    """No edges."""
    return np.zeros((X.shape[1], X.shape[1]))


def variance_sort(X, random_state=None) -> np.ndarray:
    """Regressions in the order of the variances, which raw simulated data give away."""
    return regressions_in_order(X, np.argsort(X.var(axis=0), kind="stable"))


def variance_sort_lasso(X, random_state=None) -> np.ndarray:
    """The same, as it was published."""
    return regressions_in_order(X, np.argsort(X.var(axis=0), kind="stable"), lasso_parents)


def r2_sort(X, random_state=None) -> np.ndarray:
    """Regressions in the order of the shares that all other variables explain: for any scales of the columns."""
    return regressions_in_order(
        X, np.argsort(explained_shares(np.cov(X.T).reshape(X.shape[1], -1)), kind="stable")
    )


def random_order(X, random_state=None) -> np.ndarray:
    """Regressions in a random order."""
    return regressions_in_order(X, np.random.default_rng(random_state).permutation(X.shape[1]))


#: The controls by name: functions of the data and a seed.
CONTROLS: dict[str, Callable[..., np.ndarray]] = {
    "empty graph": empty_graph,
    "variance sort": variance_sort,
    "variance sort, lasso": variance_sort_lasso,
    "R2 sort": r2_sort,
    "random order": random_order,
}


def problems(quick: bool):
    """Names of problems, and the options that make them."""
    sizes = (20,) if quick else (20, 50, 100)
    for d in sizes:
        for graph, short in (("erdos-renyi", "ER4"), ("scale-free", "SF4")):
            for variances, word in ((1.0, "EV"), ("unequal", "NV")):
                for how, units in (
                    (False, "raw"),
                    (True, "standardised"),
                    ("internal", "internally standardised"),
                ):
                    options = {"n_nodes": d, "graph": graph, "variances": variances, "standardize": how}
                    yield f"{short}, {word}, d = {d}, {units}", options


def distances(report: Report, options) -> None:
    """Medians over instances of the distances to the true graph."""
    report.table(
        "Controls: distance to the true graph", "problem", "varsortability", "R2-sortability", "control", "SHD",
        "SHD of CPDAGs", "SID", "seconds",
    )  # fmt: skip
    for name, settings in problems(options.quick):
        instances = [make_linear_sem(1000, **settings, random_state=seed) for seed in range(options.laps)]
        covariances = [np.cov(data.X.T) for data in instances]
        sortable = [
            float(
                np.median(
                    [measure(data.adjacency, C) for data, C in zip(instances, covariances, strict=True)]
                )
            )
            for measure in (varsortability, r2_sortability)
        ]
        for control, estimate in CONTROLS.items():
            results = []
            for seed, data in enumerate(instances):
                start = time.perf_counter()
                adjacency = estimate(data.X, random_state=seed)
                seconds = time.perf_counter() - start
                # The threshold of the field: 0.3, in raw units; none of the controls needs one in others.
                kept = (
                    adjacency
                    if settings["standardize"]
                    else np.where(np.abs(adjacency) > 0.3, adjacency, 0.0)
                )
                results.append(
                    (
                        structural_hamming_distance(data.adjacency, kept),
                        cpdag_hamming_distance(data.adjacency, kept),
                        structural_intervention_distance(data.adjacency, kept),
                        seconds,
                    )
                )
            shd, classes, effects, seconds = np.median(results, axis=0)
            report.row(
                name, *(f"{value:.2f}" for value in sortable), control, f"{shd:g}", f"{classes:g}", f"{effects:g}",
                f"{seconds:.2f}",
            )  # fmt: skip


SECTIONS = {"distances": distances}


def main() -> int:
    options = arguments(__doc__.split("\n", 1)[0], SECTIONS)
    report = Report(quick=options.quick)
    describe_machine(report, PACKAGES)
    for name in options.only or SECTIONS:
        SECTIONS[name](report, options)
    if options.out:
        report.save(options.out)
    return report.misses


if __name__ == "__main__":
    sys.exit(main())
