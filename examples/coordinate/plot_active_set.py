"""
The support, found in two steps
===============================

The answer of a sparse problem has few nonzero coefficients. A greedy rule with variable blocks looks at no others as
soon as it has found them; if they all fit in a block, Newton's step on that block ends the search. This is figure 7 of
Nutini, Laradji and Schmidt.
"""

# %%
# Non-negative least squares with an l1 term
# ------------------------------------------
# 1,000 samples, 10,000 columns of all sizes, and the paper's penalty: 49 coefficients remain. Blocks hold 50.

import matplotlib.pyplot as plt
import numpy as np

from sparsesolve import block_coordinate_descent
from sparsesolve.coordinate import LeastSquares
from sparsesolve.datasets.coordinate import make_paper_data
from sparsesolve.plotting import ActiveSetDisplay, ConvergenceDisplay
from sparsesolve.prox import NonNegative

problem = LeastSquares(*make_paper_data("A"), NonNegative(alpha=5e4))
runs = {
    "variable, Newton": ("variable", "two-metric"),
    "variable, gradient": ("variable", "lipschitz"),
    "fixed, Newton": ("sort", "two-metric"),
}
results = {
    name: block_coordinate_descent(
        problem, partition=partition, selection="gsd", update=update, block_size=50, tol=1e-8
    )
    for name, (partition, update) in runs.items()
}
for name, result in results.items():
    found = result.solution.support_identified_at
    print(
        f"{name}: {result.n_iter} steps, support of {result.solution.support.size} identified at step {found}"
    )

# %%
# Which coordinates the steps chose
# ---------------------------------
# Each column of a raster is a step. Newton's steps on variable blocks settle on the support at once. Gradient steps
# find it too, and then take their time. Fixed blocks have to take along many coordinates for each one that counts. The
# dotted line is the paper's bound of the step at which the support must have been found, with the rate as measured.

figure = plt.figure(figsize=(12, 6.4), layout="constrained")
rasters = figure.subplots(2, 3, height_ratios=(1, 2), sharex="col")
for axes, (name, result) in zip(rasters.T, results.items(), strict=True):
    ActiveSetDisplay.from_result(result, axes=axes, name=name)
for ax in rasters[:, 1:].flat:
    ax.set_ylabel("")
plt.show()

# %%
# How fast
# --------

figure, ax = plt.subplots(figsize=(7, 4), layout="constrained")
display = ConvergenceDisplay.from_results(results, ax=ax, linewidth=1.6)
for line, colour in zip(display.lines_, ("#0072B2", "#009E73", "#D55E00"), strict=True):
    line.set_color(colour)
ax.set(xlabel="step", ylabel="KKT residual")
ax.legend(frameon=False)
ax.spines[["top", "right"]].set_visible(False)
plt.show()

# %%
# What the paper found
# --------------------

newton = results["variable, Newton"]
assert newton.solution.support.size <= 50
assert newton.solution.support_identified_at <= 10
assert newton.n_iter <= newton.solution.support_identified_at + 2
assert (
    min(result.n_iter for name, result in results.items() if name != "variable, Newton") > 10 * newton.n_iter
)
for result in results.values():
    assert result.solution.support_identified_at <= result.solution.active_set_bound
    np.testing.assert_array_equal(result.solution.support, newton.solution.support)
