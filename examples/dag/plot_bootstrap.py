"""
How sure is an edge?
====================

Measurements of 442 people with diabetes: which of them act on which? Nobody knows the truth here. Fits to rows drawn
anew say which edges, and which directions, the data insist on.
"""

# %%
# What is known beforehand
# ------------------------
# Age and sex come before everything, the progression of the disease after it: tiers, which no edge may lead back
# through.

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_diabetes

from sparsesolve import CoLiDE
from sparsesolve.plotting import AdjacencyDisplay, GraphDisplay

data = load_diabetes()
X = np.column_stack([data.data, data.target])
X = (X - X.mean(axis=0)) / X.std(axis=0)
names = [*data.feature_names, "progression"]
tiers = [0, 0, 1, 1, 1, 1, 1, 1, 1, 1, 2]
model = CoLiDE(tiers=tiers).fit(X)
print(
    f"{int((model.adjacency_ != 0).sum())} edges; spread of the starts' BIC {np.ptp(model.start_scores_):.2f}"
)

# %%
# A hundred resamples
# -------------------

again = model.bootstrap(X, n_resamples=100, random_state=0)
sure = np.argwhere(again.edge_probability > 0.9)
for i, j in sure:
    print(f"{names[i]} -> {names[j]}: in {again.edge_probability[i, j]:.0%} of the resamples")

# %%
# Broad edges come back; edges without a head could as well point the other way.

model.feature_names_in_ = np.array(names, dtype=object)
_, ax = plt.subplots(figsize=(8, 7), layout="constrained")
GraphDisplay.from_estimator(model, confidence=again.edge_probability, ax=ax)

# %%
# The weights, in units of standard deviations.

AdjacencyDisplay.from_estimator(model)

progression = names.index("progression")
assert not model.adjacency_[progression].any()
assert (again.edge_probability[names.index("bmi"), progression]) > 0.9
