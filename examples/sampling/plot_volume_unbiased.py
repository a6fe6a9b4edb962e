r"""
Few rows, no bias
=================

Least squares on a few rows of the data scatters around some mean. For rows that are drawn uniformly, or by leverage,
that mean is not the least squares solution on all rows: more draws do not help. For rows that are drawn *by volume*,
with probability in proportion to :math:`\det(A_T' A_T)`, it is: averages of small fits converge to the fit on all data.
"""

# %%
# A problem that is easy to get wrong
# -----------------------------------
# Two coefficients, 400 rows. The model is wrong, as models are: the residual depends on the row, and is largest at the
# few rows that lie far out.

import matplotlib.pyplot as plt
import numpy as np

from sparsesolve.sketch import LpSampling, RescaledVolumeSampling, VolumeSampling, leverage_scores

rng = np.random.default_rng(1)
n_rows, size, n_draws = 400, 6, 8000
A = rng.standard_normal((n_rows, 2)) * rng.standard_t(3.0, n_rows)[:, None]
b = A @ [1.0, -1.0] + 0.25 * A[:, 0] ** 2 * A[:, 1] + 0.5 * rng.standard_normal(n_rows)
exact = np.linalg.lstsq(A, b)[0]

# %%
# Eight thousand small fits
# -------------------------
# Each on six rows. `of` does once what all draws share; a draw then takes microseconds.

leverage = leverage_scores(A)
volume, rescaled = VolumeSampling(size, 0).of(A), RescaledVolumeSampling(size, 0).of(A)
ways = {
    "uniform": lambda i: LpSampling(size, 2.0, random_state=i).sample_by(np.ones(n_rows)),
    "leverage": lambda i: LpSampling(size, 2.0, random_state=i).sample_by(leverage),
    "volume": volume.draw,
    "leveraged volume": rescaled.draw,
}


def fit(drawn):
    """Weighted least squares on the drawn rows."""
    root = np.sqrt(drawn.weights)
    return np.linalg.lstsq(A[drawn.rows] * root[:, None], b[drawn.rows] * root)[0]


fits = {name: np.array([fit(draw(i)) for i in range(n_draws)]) for name, draw in ways.items()}

# %%
# The picture
# -----------
# Left: the distance of the mean of so many fits from the solution on all rows. Where there is no bias it falls like
# one over the root of the number of fits, as far as one cares to go; where there is, it stops. Right: what a single fit
# is worth. Leverage alone gives the best single fits, volume alone often bad ones; leveraged volume is nearly as good
# as the former, and as unbiased as the latter.

colours = {"uniform": "#999999", "leverage": "#D55E00", "volume": "#56B4E9", "leveraged volume": "#0072B2"}
figure, axes = plt.subplots(1, 2, figsize=(10.5, 4.4), layout="constrained")
counts = np.unique(np.geomspace(5, n_draws, 60).astype(int))
batches = {}
for name, found in fits.items():
    means = np.cumsum(found, axis=0)[counts - 1] / counts[:, None]
    batches[name] = np.linalg.norm(means - exact, axis=1)
    axes[0].loglog(counts, batches[name], color=colours[name], label=name, lw=2)
axes[0].loglog(counts, 12.0 / np.sqrt(counts), ":", color="black", lw=1)
axes[0].annotate("one over the root", (60.0, 2.2), fontsize=9)
axes[0].set(title="error of the mean of many fits", xlabel="fits", ylabel="distance from the solution")
axes[0].legend(frameon=False)

least = ((A @ exact - b) ** 2).sum()
losses = [((A @ fits[name].T - b[:, None]) ** 2).sum(axis=0) / least for name in ways]
axes[1].boxplot(losses, whis=(5, 95), showfliers=False, medianprops={"color": "black"})
axes[1].set_xticks(range(1, 5), ways)
axes[1].set(title="loss of a single fit, over the least", yscale="log")
axes[1].set_yticks([1, 2, 3, 4], [1, 2, 3, 4])
axes[1].minorticks_off()
for ax in axes:
    ax.spines[["top", "right"]].set_visible(False)
plt.show()

# %%
# Measured in standard errors of the mean, the bias is plain.

for name, found in fits.items():
    z = np.abs(found.mean(axis=0) - exact) / (found.std(axis=0) / np.sqrt(n_draws))
    print(f"{name:17s} largest z {z.max():5.1f}")
    if "volume" in name:
        assert z.max() < 3.9
    else:
        assert z.max() > 5.0
