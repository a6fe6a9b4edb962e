r"""
A surface from half of its pixels
=================================

A smooth surface on a grid is a combination of products of curves along its two axes: its design matrix is the Kronecker
product of two small ones. Given as a list of those two, it is never formed. Missing pixels get the weight 0.
"""

# %%
# The data
# --------
# 600 x 500 pixels with noise; 60 % of them are missing, a whole disc among them. Cubic splines, 22 for each axis.

import time

import matplotlib.pyplot as plt
import numpy as np
from scipy.interpolate import BSpline

from sparsesolve import SketchedLinearRegression

rng = np.random.default_rng(0)
n_rows, n_columns, n_splines = 600, 500, 22
rows, columns = np.linspace(0, 1, n_rows), np.linspace(0, 1, n_columns)


def splines(points, count=n_splines):
    """Cubic B-splines on equal intervals, one a column."""
    knots = np.concatenate([np.zeros(3), np.linspace(0, 1, count - 2), np.ones(3)])
    return BSpline.design_matrix(points, knots, 3).toarray()


x, y = rows[:, None], columns
truth = np.sin(6 * x + 3 * y**2) + np.cos(9 * x * y) + 1.5 * np.exp(-30 * ((x - 0.7) ** 2 + (y - 0.3) ** 2))
noise = 0.5
image = truth + noise * rng.standard_normal(truth.shape)
seen = (rng.random(truth.shape) < 0.43) & ((x - 0.35) ** 2 + (y - 0.6) ** 2 > 0.1**2)
factors = [splines(rows), splines(columns)]

# %%
# The fit
# -------
# 484 coefficients from 300 000 rows. The normal matrix comes from the factors, and the answer is refined in all the
# pixels that are there until its backward error is below the rounding unit.

model = SketchedLinearRegression(alpha=0.1)
start = time.perf_counter()
model.fit(factors, image, sample_weight=seen.astype(float))
seconds = time.perf_counter() - start
surface, error = (part.reshape(image.shape) for part in model.predict(factors, return_std=True))
off = np.sqrt(np.mean((surface - truth) ** 2))

# %%
# The picture
# -----------
# What is there, what comes out, and how sure the fit is: least so in the disc.

figure, axes = plt.subplots(1, 3, figsize=(11.5, 4.4), layout="constrained")
limits = {"vmin": truth.min(), "vmax": truth.max(), "cmap": "viridis"}
axes[0].imshow(np.where(seen, image, np.nan), **limits)
axes[0].set_title(f"{seen.mean():.0%} of the pixels, with noise {noise}")
axes[1].imshow(surface, **limits)
axes[1].set_title(f"fit in {1e3 * seconds:.0f} ms, error {off:.3f}")
shown = axes[2].imshow(error, cmap="magma")
axes[2].set_title("standard error of the fit")
figure.colorbar(shown, ax=axes[2], shrink=0.8)
for ax in axes:
    ax.set(xticks=[], yticks=[])
plt.show()

# %%
# On a smaller grid the product can be formed: the answers agree. The error of the surface is a small part of the noise,
# and the standard errors hold it.

small = [factor[::6] for factor in factors]
chosen = SketchedLinearRegression(alpha=0.1).fit(
    small, image[::6, ::6], sample_weight=seen[::6, ::6].astype(float)
)
formed = SketchedLinearRegression(alpha=0.1).fit(
    np.kron(*small), image[::6, ::6].ravel(), sample_weight=seen[::6, ::6].ravel().astype(float)
)
inside = np.mean(np.abs(surface - truth) <= 1.96 * error)
print(
    f"{model.solver_}, backward error {model.backward_error_:.0e}; truth inside of 95 % intervals: {inside:.1%}"
)
np.testing.assert_allclose(chosen.coef_, formed.coef_, atol=1e-7 * np.abs(formed.coef_).max())
assert off < 0.1 * noise
assert 0.9 < inside < 0.99
