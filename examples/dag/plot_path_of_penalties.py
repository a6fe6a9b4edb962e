"""
From the empty graph to the full one
====================================

Along an order, CoLiDE's score is convex: a square-root lasso for each node, whose penalty needs no knowledge of the
noise. A path of penalties shows when each edge comes in, and extended BIC where to stop.
"""

# %%
# The path
# --------

import matplotlib.pyplot as plt
import numpy as np

from sparsesolve import CoLiDE
from sparsesolve.datasets import make_linear_sem
from sparsesolve.metrics import noise_scale_error, structural_hamming_distance

data = make_linear_sem(800, 15, degree=1.5, noise="laplace", random_state=3)
model = CoLiDE("equal").fit(data.X)
path = model.path(40)
true = data.adjacency != 0.0

figure, (weights, score) = plt.subplots(2, 1, figsize=(7, 6), layout="constrained", sharex=True)
for i, j in np.argwhere((path.adjacencies != 0.0).any(axis=0)):
    colour = "tab:blue" if true[i, j] else "tab:red"
    weights.semilogx(path.alphas, path.adjacencies[:, i, j], color=colour, linewidth=1)
weights.axvline(path.alphas[path.best], color="grey", linestyle="--")
weights.set_ylabel("weight (blue: true edges)")
score.semilogx(path.alphas, path.extended_bic)
score.axvline(path.alphas[path.best], color="grey", linestyle="--", label="least extended BIC")
score.set(xlabel="penalty alpha", ylabel="extended BIC")
score.invert_xaxis()
score.legend()

# %%
# One penalty serves all sizes of the noise
# -----------------------------------------
# The noise is estimated together with the weights, so that the same penalty is right for data in any unit.

for unit in (1e-3, 1.0, 1e3):
    fit = CoLiDE("equal", alpha=0.05, threshold=0.3).fit(data.X * unit)
    distance = structural_hamming_distance(data.adjacency, fit.adjacency_)
    error = noise_scale_error(data.noise_scale * unit, fit.noise_scale_)
    print(f"unit {unit:g}: structural distance {distance}, relative error of the noise {error:.3f}")
    assert distance <= 1

best = path.adjacencies[path.best] != 0.0
assert (best & true).sum() == true.sum()
