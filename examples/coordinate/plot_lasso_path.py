r"""
A lasso path with its proof
===========================

Which of 2,000 features go with an outcome? The lasso answers for every strength of its penalty: from none of them to as
many as there are samples. Each point of the path comes with a duality gap, a bound of how much better any other answer
could be.
"""

# %%
# 100 strengths, one call
# -----------------------
# 200 samples; ten features matter, the others are correlated with their neighbours.

import time

import matplotlib.pyplot as plt
import numpy as np

from sparsesolve import BCDRegressor

blue, orange, grey = "#0072B2", "#D55E00", "0.75"
rng = np.random.default_rng(0)
n_samples, n_features = 200, 2000
X = np.empty((n_samples, n_features), order="F")
X[:, 0] = rng.standard_normal(n_samples)
for j in range(1, n_features):
    X[:, j] = 0.6 * X[:, j - 1] + 0.8 * rng.standard_normal(n_samples)
true = np.arange(50, n_features, 200)
y = X[:, true] @ np.linspace(2.0, 0.5, true.size) + rng.standard_normal(n_samples)

BCDRegressor().path(X, y, n_alphas=2)  # compiles
start = time.perf_counter()
path = BCDRegressor().path(X, y, n_alphas=100, ratio=0.01)
print(
    f"{path.alphas.size} fits in {1e3 * (time.perf_counter() - start):.0f} ms, largest gap {path.dual_gaps.max():.1e}"
)

# %%
# Above, the coefficients: those that matter in colour. Below, what is certain: the relative gap of each answer.

figure, (above, below) = plt.subplots(
    2, 1, figsize=(8, 6.5), height_ratios=(3, 1), sharex=True, layout="constrained"
)
entered = np.flatnonzero(path.coefs.any(axis=1))
others = np.setdiff1d(entered, true)
above.semilogx(path.alphas, path.coefs[others].T, color=grey, linewidth=0.8)
above.semilogx(path.alphas, path.coefs[true].T, color=blue)
above.plot([], [], color=blue, label=f"{true.size} features that matter")
above.plot([], [], color=grey, label=f"{others.size} of {n_features - true.size} others")
above.axhline(0.0, color="black", linewidth=0.6)
above.set(ylabel="coefficient")
above.invert_xaxis()
above.legend(frameon=False, loc="upper left")
below.loglog(path.alphas, np.maximum(path.dual_gaps, 1e-17), ".", color=orange)
below.axhline(1e-10, color="black", linewidth=0.8, linestyle="--")
below.annotate("tol", (path.alphas[0], 1e-10), textcoords="offset points", xytext=(2, 4))
below.set(xlabel="alpha", ylabel="relative\nduality gap")
for ax in (above, below):
    ax.spines[["top", "right"]].set_visible(False)
plt.show()

# %%
# The gap by hand
# ---------------
# The solution holds a dual point :math:`\theta`. It proves the answer if no feature is correlated with it by more than
# alpha; the value of the dual problem there is a lower bound of every objective.

alpha = path.alphas[50]
solution = path.results[50].solution
theta = solution.dual_point
assert np.abs(X.T @ theta).max() <= alpha * (1 + 1e-12)
assert abs(theta.sum()) < 1e-12  # because there is an intercept
lower = theta @ y - 0.5 * n_samples * theta @ theta
upper = 0.5 * np.mean((y - X @ solution.coef - solution.intercept) ** 2) + alpha * np.abs(solution.coef).sum()
print(f"no lasso objective is below {lower:.12f}, and this one is {upper:.12f}")
