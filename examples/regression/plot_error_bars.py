r"""
Error bars from a sketch
========================

Sketch and solve looks at the data once and solves a small problem. The answer is not exact, but it knows how far off
it is: ``coef_error_bound_`` holds an error bar for every coefficient, and with 95 % probability *all* bars cover
the exact least squares coefficients at the same time. The exact coefficients are never computed for it.
"""

# %%
# One fit
# -------
# 30 000 rows and 24 coefficients. ``solver="sketch-and-solve"`` keeps 512 rows of a sketch and throws the rest away.

import matplotlib.pyplot as plt
import numpy as np
from threadpoolctl import threadpool_limits

from sparsesolve import SketchedLinearRegression
from sparsesolve.plotting import CoefficientDisplay

rng = np.random.default_rng(0)
n_rows, n_features = 30_000, 24
X = rng.standard_normal((n_rows, n_features))
X[:, 12:] += X[:, :12]  # pairs of correlated columns
y = X @ np.sin(np.arange(n_features)) + 3 * rng.standard_normal(n_rows)
exact = SketchedLinearRegression().fit(X, y)


def sketched(size, seed=0):
    """Fit a sketch of so many rows."""
    model = SketchedLinearRegression(solver="sketch-and-solve", sketch_size=size, random_state=seed)
    return model.fit(X, y)


model = sketched(512)

# %%
# How often the bars are right
# ----------------------------
# A claim about probability is checked by counting. For each size, a hundred new sketches: how wide is the widest
# bar, how large is the largest error, and in how many of the fits does some bar miss its coefficient?

sizes = (128, 256, 512, 1024, 2048)
n_trials = 100
threadpool_limits(1)  # fits as small as these gain nothing from threads
widths, mistakes, covered = [], [], []
for size in sizes:
    trials = [sketched(size, seed) for seed in range(n_trials)]
    off = np.array([np.abs(trial.coef_ - exact.coef_) for trial in trials])
    bars = np.array([trial.coef_error_bound_ for trial in trials])
    widths.append(np.median(bars.max(axis=1)))
    mistakes.append(off.max(axis=1))
    covered.append(np.mean(np.all(off <= bars, axis=1)))

# %%
# The picture
# -----------
# Left: one fit, its bars, and the exact coefficients as crosses. Right: bars and errors shrink together like
# :math:`1 / \sqrt m`. Four times the rows halve the error.

blue, orange = "#0072B2", "#D55E00"
figure, axes = plt.subplots(1, 2, figsize=(10.5, 4.6), layout="constrained")
CoefficientDisplay.from_estimator(model, reference=exact.coef_, ax=axes[0], color=blue, label="sketched")
axes[0].set_title(f"{n_rows} rows, sketched to {model.sketch_size}")
axes[0].set_ylim(top=2.4)  # room for the legend

axes[1].loglog(sizes, widths, "o-", color=blue, label="widest bar; % of fits with all bars right")
axes[1].boxplot(
    mistakes,
    positions=sizes,
    widths=0.25 * np.array(sizes),
    manage_ticks=False,
    medianprops={"color": orange},
    boxprops={"color": orange},
    whiskerprops={"color": orange},
    capprops={"color": orange},
    whis=(0, 100),
)
axes[1].plot([], [], color=orange, label=f"largest error, {n_trials} sketches")
for size, width, share in zip(sizes, widths, covered, strict=True):
    axes[1].annotate(f"{share:.0%}", (size, width), (8, 3), textcoords="offset points", color=blue)
axes[1].set(
    title="bars and errors shrink together", xlabel="rows of the sketch", ylabel="error of a coefficient"
)
axes[1].set_xticks(sizes, sizes)
axes[1].minorticks_off()
axes[1].set_ylim(bottom=0.08)  # room for the legend
axes[1].legend(frameon=False, loc="lower left")
for ax in axes:
    ax.spines[["top", "right"]].set_visible(False)
plt.show()

# %%
# The bars hold at their stated rate of 95 %: with a hundred fits a size, fewer than 88 would be a surprise of less
# than one in two hundred.

for size, width, share in zip(sizes, widths, covered, strict=True):
    print(f"{size:5d} rows: widest bar {width:.3f}, all bars right in {share:.0%} of the fits")
assert min(covered) >= 0.88
assert 1.7 < widths[0] / widths[2] < 2.6  # four times the rows, half the width, and a little for the unknowns
