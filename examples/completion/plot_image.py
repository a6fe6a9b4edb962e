r"""
Half of the pixels are gone
===========================

A photograph is nearly of low rank: each row of pixels is nearly a combination of a few patterns. So half of its pixels
say what the others were.
"""

# %%
# Take away, fit, fill
# --------------------
# The three colours stand side by side: one matrix of 214 x 960 numbers. The ridge keeps patterns that the data hardly
# show from running wild; biases take the brightness of rows and columns.

import numpy as np
from sklearn.datasets import load_sample_image

from sparsesolve import MatrixCompletion
from sparsesolve.datasets.completion import mask_image
from sparsesolve.plotting import CompletedImageDisplay, FactorSpectrumDisplay

picture = load_sample_image("flower.jpg")[::2, ::2]
holes = mask_image(picture, missing=0.5, random_state=0)
model = MatrixCompletion(rank=30, alpha=0.3, bias=True, tol=1e-3, random_state=0)
filled = model.fit_transform(holes.X)
print(f"{model.n_iter_} sweeps, gradient {model.gradient_norm_:.0e}, error at known pixels {model.rmse_:.3f}")

# %%
# The gaps are where it counts: the error there, against that of the mean.

missing = np.isnan(holes.X)
error = np.sqrt(np.mean((filled - holes.image)[missing] ** 2))
naive = np.sqrt(np.mean((holes.image[missing] - np.nanmean(holes.X)) ** 2))
print(f"error at missing pixels {error:.3f}, of the mean {naive:.3f}")

# %%
# What it looks like
# ------------------


def as_picture(X):
    return X.reshape(holes.shape)


CompletedImageDisplay(
    known=as_picture(holes.X), completed=as_picture(filled), truth=as_picture(holes.image)
).plot()

# %%
# The singular values of what was found: the ridge has let those go that the known pixels do not ask for.

FactorSpectrumDisplay.from_estimator(model)

assert model.converged_
assert error < 0.3 * naive
