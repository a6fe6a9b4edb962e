r"""
Regression on a stream
======================

``partial_fit`` takes a table in pieces. Each row is looked at once and none is kept: what stays is a sketch of a few
hundred rows, however long the stream is. At any moment there is an answer, with error bars.
"""

# %%
# A table on disk
# ---------------
# 240 000 rows, read through a memory map: only the piece in work is in memory.

import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

from sparsesolve import SketchedLinearRegression

n_rows, n_features, n_pieces = 240_000, 12, 30
folder = tempfile.TemporaryDirectory()
table = np.memmap(
    Path(folder.name) / "table.bin", dtype=np.float32, mode="w+", shape=(n_rows, n_features + 1)
)
rng = np.random.default_rng(0)
truth = np.linspace(-1.5, 1.5, n_features)
table[:, :-1] = rng.standard_normal((n_rows, n_features))
table[:, -1] = table[:, :-1] @ truth + 1.0 + 6.0 * rng.standard_normal(n_rows)

# %%
# Two models, one pass
# --------------------
# ``sketch-and-solve`` keeps a sketch of 1024 rows. ``auto`` keeps the triangular factor of the data instead, which is
# exact; it costs more for each row. Here both see the same pieces.

sketched = SketchedLinearRegression(solver="sketch-and-solve", sketch_size=1024, random_state=0)
exact = SketchedLinearRegression()
seen, estimates, bars, exact_estimates = [], [], [], []
for piece in np.array_split(table, n_pieces):
    X, y = piece[:, :-1], piece[:, -1]
    sketched.partial_fit(X, y)
    exact.partial_fit(X, y)
    seen.append(len(piece) + (seen[-1] if seen else 0))
    estimates.append(sketched.coef_)
    bars.append(sketched.coef_error_bound_)
    exact_estimates.append(exact.coef_)
seen, estimates, bars, exact_estimates = map(np.array, (seen, estimates, bars, exact_estimates))

# %%
# The picture
# -----------
# Left: three of the coefficients. The exact fit settles on the truth. The estimate of the sketch wanders around the
# exact one as rows come in, inside its bars. Right: the bar is above the error, all the time. It stays where it is
# because the sketch stays as large as it is: 1024 rows, in which each of the rows seen has its say. A larger
# ``sketch_size`` gives narrower bars. The error of the data, which no method can avoid, falls with the rows.

blue, orange, green = "#0072B2", "#D55E00", "#009E73"
figure, axes = plt.subplots(1, 2, figsize=(10.5, 4.6), layout="constrained")
for j, color in zip((0, 5, 11), (orange, green, blue), strict=True):
    low, high = estimates[:, j] - bars[:, j], estimates[:, j] + bars[:, j]
    axes[0].fill_between(seen, low, high, color=color, alpha=0.2, linewidth=0)
    axes[0].plot(seen, estimates[:, j], color=color, linewidth=1)
    axes[0].plot(seen, exact_estimates[:, j], color=color, linestyle="--", linewidth=1.5)
    axes[0].axhline(truth[j], color="black", linewidth=0.8, linestyle=":")
axes[0].plot([], [], color="grey", linewidth=6, alpha=0.3, label="sketch, with its bars")
axes[0].plot([], [], color="grey", linestyle="--", label="exact fit of the rows seen")
axes[0].plot([], [], color="black", linestyle=":", label="truth")
axes[0].set(title="three coefficients", xlabel="rows seen", ylabel="coefficient", ylim=(-3.2, 4.6))
axes[0].set_xticks([0, 100_000, 200_000], ["0", "100 000", "200 000"])
axes[0].legend(frameon=False, loc="upper right")

axes[1].loglog(seen, bars.max(axis=1), color=blue, linewidth=2, label="bar of the sketch")
axes[1].loglog(
    seen, np.abs(estimates - exact_estimates).max(axis=1), "o", ms=4, color=blue, label="its error"
)
data_error = np.abs(exact_estimates - truth).max(axis=1)
axes[1].loglog(seen, data_error, "s", ms=4, color=orange, label="error of the data")
axes[1].set(title="the largest over all coefficients", xlabel="rows seen", ylabel="error", ylim=(4e-3, 2))
axes[1].legend(frameon=False, loc="lower left")
for ax in axes:
    ax.spines[["top", "right"]].set_visible(False)
plt.show()

# %%
# Fitting the pieces gives what fitting the whole table gives: for the exact model to rounding, for the sketch because
# its columns depend on the row's number alone.

whole = SketchedLinearRegression(solver="sketch-and-solve", sketch_size=1024, random_state=0)
whole.fit(table[:, :-1], table[:, -1])
print("pieces against whole, sketched:", np.abs(sketched.coef_ - whole.coef_).max())
assert np.allclose(sketched.coef_, whole.coef_, atol=1e-8)
print("within the bars:", np.mean(np.abs(estimates - exact_estimates) <= bars))
assert np.mean(np.abs(estimates - exact_estimates) <= bars) >= 0.95

del table, piece, X, y
folder.cleanup()
