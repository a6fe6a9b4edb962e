r"""
Outliers, and a few rows that decide
====================================

Least squares follows outliers. The sum of absolute residuals does not: only the *sign* of a residual pulls, not its
size. That is also why few rows decide: away from zero, signs do not change when the coefficients move a little. So a
sample of the rows gives a point; the rows near that point are the only ones in doubt; and the problem of these, with
the others as one known sum, has the same solution as that of all rows. ``LpRegression(1)`` works like this, and
its dual vector proves the result on all rows.
"""

# %%
# Data with outliers
# ------------------
# 100 000 rows. One in ten has a wrong target, far up, and the more so the larger x is.

import matplotlib.pyplot as plt
import numpy as np

from sparsesolve.regression import LpRegression

rng = np.random.default_rng(0)
n_rows = 100_000
x = rng.uniform(0, 1, n_rows)
truth = 1 + 2 * x
y = truth + 0.15 * rng.standard_normal(n_rows)
wrong = rng.random(n_rows) < 0.1 * x * 2
y[wrong] += rng.exponential(2.0, np.count_nonzero(wrong))
X = x[:, None]

# %%
# Two norms
# ---------
# ``sampled`` stops at a proof of one percent; the default is exact.

squares = LpRegression(2).fit(X, y)
exact = LpRegression(1, random_state=0).fit(X, y)
sampled = LpRegression(1, solver="sampled", random_state=0).fit(X, y)
for name, model in (("squares", squares), ("sampled", sampled), ("exact", exact)):
    print(
        f"{name:8s} {model.intercept_:.4f} + {model.coef_[0]:.4f} x, gap {model.duality_gap_:.1e}, "
        f"{model.result_.solution.sample_size} rows solved"
    )

# %%
# The picture
# -----------
# Left: a part of the data, and the lines. Right: how many rows are in doubt. The first sample leaves those whose
# residual is smaller than its error; all the others have been decided, and are never looked at one by one again.

blue, orange, grey = "#0072B2", "#D55E00", "0.72"
figure, axes = plt.subplots(1, 2, figsize=(10.5, 4.4), layout="constrained")
shown = rng.choice(n_rows, 1500, replace=False)
good, bad = shown[~wrong[shown]], shown[wrong[shown]]
axes[0].plot(x[good], y[good], ".", color=grey, markersize=3, label="rows")
axes[0].plot(x[bad], y[bad], ".", color="0.4", markersize=4, label="rows with a wrong target")
ends = np.array([0.0, 1.0])
axes[0].plot(ends, 1 + 2 * ends, color="black", linestyle=":", label="truth")
for model, color, label in ((squares, orange, "least squares"), (exact, blue, "least absolute residuals")):
    axes[0].plot(ends, model.intercept_ + ends * model.coef_[0], color=color, linewidth=2, label=label)
axes[0].set(xlabel="x", ylabel="y", title="outliers pull squares, not absolute values", ylim=(0.3, 8))
axes[0].legend(frameon=False, loc="upper left", fontsize=9)

sizes, off = (250, 1000, 4000, 16000), []
residual = y - exact.predict(X)
for size in sizes:
    rows = [rng.choice(n_rows, size, replace=False) for _ in range(12)]
    points = [LpRegression(1).fit(X[chosen], y[chosen]) for chosen in rows]
    off.append([np.mean(np.sign(y - p.predict(X)) != np.sign(residual)) for p in points])
axes[1].loglog(
    sizes, np.median(off, axis=1), "o-", color=blue, label="signs that differ, median of 12 samples"
)
axes[1].loglog(sizes, np.max(off, axis=1), "^--", color=orange, label="the worst of them")
axes[1].set(
    xlabel="rows of a sample",
    ylabel="share of all rows",
    title="few signs are left in doubt",
    ylim=(0.002, 0.08),
)
axes[1].set_xticks(sizes, [f"{size:,}" for size in sizes])
axes[1].set_yticks([0.003, 0.01, 0.03], ["0.3 %", "1 %", "3 %"])
axes[1].minorticks_off()
axes[1].legend(frameon=False)
for ax in axes:
    ax.spines[["top", "right"]].set_visible(False)
plt.show()

# %%
# The proof, recomputed: the dual vector is orthogonal to the columns, no entry exceeds one, and its product with the
# targets is the sum of absolute residuals.

u = exact.dual_coef_
assert max(abs(u.sum()), abs(x @ u)) < 1e-8
assert np.abs(u).max() <= 1 + 1e-12
assert np.abs(residual).sum() - y @ u <= 1e-8 * np.abs(residual).sum()
assert sampled.objective_ <= 1.01 * exact.objective_
assert abs(squares.coef_[0] - 2) > 5 * abs(exact.coef_[0] - 2)
assert np.max(off, axis=1)[2] < 0.05
