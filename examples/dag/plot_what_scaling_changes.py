"""
Scale one column, and the answer changes: or does it?
=====================================================

In simulated data variances grow from causes to effects. A method that assumes noise of one size lives on that, and so
does the simplest of all: sorting the columns by variance. Once the columns are standardised, nothing of it is left.
"""

# %%
# The paper's experiment, with controls
# -------------------------------------
# Random graphs of 20 nodes and about 40 edges, 1000 rows; once as simulated, with equal noise, once standardised, with
# unequal noise. Counted are wrong, missing and reversed edges, among equivalence classes (CPDAGs), because observations
# say no more. The empty graph and an order by variance or by explained share show what is cheap.

import warnings

import matplotlib.pyplot as plt
import numpy as np

from sparsesolve import CoLiDE, estimate_dag
from sparsesolve.dag import topological_order
from sparsesolve.datasets import make_linear_sem
from sparsesolve.exceptions import AssumptionWarning
from sparsesolve.metrics import cpdag_hamming_distance


def along(order, X):
    """The graph that BIC finds along a given order: what sorting is worth."""
    d = X.shape[1]
    tiers = np.empty(d, dtype=int)
    tiers[order] = np.arange(d)
    return estimate_dag(X, tiers=tiers, n_starts=1, random_state=0).solution.adjacency


def explained(X):
    """Share of each column that all others explain."""
    precision = np.linalg.inv(np.corrcoef(X.T))
    return 1.0 - 1.0 / np.diag(precision)


def distances(data, seed):
    X, truth = data.X, data.adjacency
    rng = np.random.default_rng(seed)
    graphs = {
        "CoLiDE, equal noise": CoLiDE("equal").fit(X).adjacency_,
        "CoLiDE, unequal noise": CoLiDE("unequal").fit(X).adjacency_,
        "sorted by variance": along(np.argsort(X.var(axis=0)), X),
        "sorted by explained share": along(np.argsort(explained(X)), X),
        "random order": along(rng.permutation(X.shape[1]), X),
        "empty graph": np.zeros_like(truth),
    }
    return {name: cpdag_hamming_distance(truth, graph) for name, graph in graphs.items()}


settings = {
    "as simulated, equal noise": {"variances": 1.0},
    "standardised, unequal noise": {"variances": "unequal", "standardize": True},
}
tables = {}
with warnings.catch_warnings():
    warnings.simplefilter("ignore", AssumptionWarning)  # that equal noise makes no sense on standardised data
    for title, options in settings.items():
        problems = [make_linear_sem(1000, 20, degree=2, random_state=seed, **options) for seed in range(5)]
        rows = [distances(data, seed) for seed, data in enumerate(problems)]
        tables[title] = {name: float(np.median([row[name] for row in rows])) for name in rows[0]}
        print(title, tables[title])

figure, axes = plt.subplots(1, 2, figsize=(10, 3.2), layout="constrained", sharey=True)
for ax, (title, table) in zip(axes, tables.items(), strict=True):
    ax.bar_label(ax.barh(list(table), list(table.values())), padding=3)
    ax.set(title=title, xlabel="distance of CPDAGs, median of 5")
    ax.invert_yaxis()

# %%
# What a fit says about itself
# ----------------------------
# `varsortability_` near 1 warns that sorting by variance would have done; on standardised data it is one half, and the
# assumption of equal noise is called by its name.

raw = make_linear_sem(1000, 20, degree=2, random_state=0)
model = CoLiDE("auto").fit(raw.X)
print(model.reason_)
print(f"varsortability {model.varsortability_:.2f}, R2-sortability {model.r2_sortability_:.2f}")
assert [model.order_.tolist().index(i) for i in topological_order(model.adjacency_)]

with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    CoLiDE("equal").fit((raw.X - raw.X.mean(axis=0)) / raw.X.std(axis=0))
print(caught[0].message)

standardised = tables["standardised, unequal noise"]
assert standardised["CoLiDE, unequal noise"] <= 2
assert standardised["sorted by variance"] > 10
assert tables["as simulated, equal noise"]["CoLiDE, equal noise"] <= 1
