r"""
Where to evaluate a function
============================

Each evaluation is dear: a simulation, an experiment. A polynomial in two variables is to stand for the function, fitted
by least squares. There are thousands of candidate points, and means for a few dozen evaluations.
``SampledLeastSquares`` chooses the points from the basis alone, before anything is evaluated.
"""

# %%
# Candidates and a basis
# ----------------------
# Three thousand points in a disc, and all polynomials in two variables up to degree 8: 45 functions.

import matplotlib.pyplot as plt
import numpy as np
from numpy.polynomial.legendre import legvander

from sparsesolve.regression.sampled import SampledLeastSquares

rng = np.random.default_rng(0)
angle, radius = rng.uniform(0, 2 * np.pi, 3_000), np.sqrt(rng.random(3_000))
points = np.column_stack([radius * np.cos(angle), radius * np.sin(angle)])
degree = 8
first, second = legvander(points[:, 0], degree), legvander(points[:, 1], degree)
X = np.column_stack([first[:, i] * second[:, j] for i in range(degree + 1) for j in range(degree + 1 - i)])


def simulate(rows):
    """The dear function: here a bump that a polynomial follows only so far."""
    x, y = points[rows].T
    return np.exp(x) / (1.0 + 4.0 * (x - 0.3) ** 2 + 6.0 * y**2)


truth = simulate(np.arange(len(points)))
everywhere = SampledLeastSquares(n_evaluations=len(points)).fit(X, truth)
least = np.linalg.norm(truth - everywhere.predict(X))

# %%
# Ninety evaluations
# ------------------
# Two for each coefficient, twelve draws for each way to choose.

n_draws = 12
methods = ("determinantal", "leveraged-volume", "leverage", "uniform")


def fit(method, n_evaluations, seed):
    """Choose, evaluate, fit."""
    model = SampledLeastSquares(method=method, n_evaluations=n_evaluations, random_state=seed)
    return model.fit(X, simulate)


def error(model):
    """Error at all candidates over the least that the basis allows."""
    return np.linalg.norm(truth - model.predict(X)) / least


budgets = (60, 90, 135, 180)
errors = {
    method: np.array([[error(fit(method, size, seed)) for seed in range(n_draws)] for size in budgets])
    for method in methods
}

# %%
# The picture
# -----------
# Chosen points crowd at the rim, where polynomials have most to say, and keep apart from each other; uniform points
# leave gaps there. At twice as many evaluations as coefficients the chosen points lose little against evaluating
# everywhere. Uniform ones lose several times as much, and ten times in bad draws.

blue, orange, green, grey = "#0072B2", "#D55E00", "#009E73", "#999999"
figure, axes = plt.subplots(1, 3, figsize=(12.5, 4.2), layout="constrained")
for ax, method in zip(axes[:2], ("determinantal", "uniform"), strict=True):
    model = fit(method, 90, 0)
    ax.scatter(*points.T, s=1, color="#DDDDDD")
    ax.scatter(*points[model.evaluated_rows_].T, s=22, color=blue if method == "determinantal" else grey)
    ax.set(title=f"{method}: 90 points, condition {model.condition_number_:,.0f}", aspect="equal")
    ax.set_axis_off()
for method, colour in zip(methods, (blue, green, orange, grey), strict=True):
    axes[2].plot(budgets, np.median(errors[method], axis=1), "o-", color=colour, label=method)
    axes[2].fill_between(
        budgets, *np.quantile(errors[method], [0.1, 0.9], axis=1), color=colour, alpha=0.12, lw=0
    )
axes[2].axhline(1.0, color="black", lw=1, ls=":")
axes[2].set(
    title="error over the best fit's", xlabel="evaluations", yscale="log", xticks=budgets, ylim=(0.9, 40)
)
axes[2].minorticks_off()
axes[2].legend(frameon=False)
axes[2].spines[["top", "right"]].set_visible(False)
plt.show()

# %%
# The condition number comes with the choice, before the first evaluation: ``choose`` tells whether the points will do.

plan = SampledLeastSquares(n_evaluations=90, random_state=0).choose(X)
print(f"{plan.rows.size} points, condition {plan.condition_number:.1f}")
medians = {method: np.median(errors[method][1]) for method in methods}
print({method: round(float(value), 2) for method, value in medians.items()})
assert medians["determinantal"] < 1.6
assert medians["determinantal"] <= medians["leverage"]
assert medians["uniform"] > 2.0 * medians["determinantal"]
