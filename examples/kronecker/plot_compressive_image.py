"""
A picture from a third of its numbers
=====================================

A camera that measures random combinations of rows and of columns sees a picture through a Kronecker product. In a
cosine basis few coefficients matter, and they are learned together with the noise.
"""

# %%
# Measure, and learn
# ------------------

import numpy as np

from sparsesolve import KroneckerSBL
from sparsesolve.datasets import make_compressive_image
from sparsesolve.metrics import normalized_mean_squared_error
from sparsesolve.plotting import CompletedImageDisplay

data = make_compressive_image("china", shape=(64, 64), measurements=(38, 38), snr_db=30.0, random_state=0)
model = KroneckerSBL("mm", random_state=0).fit(data.factors, data.y)
picture = data.image_of(model.coef_)
error = normalized_mean_squared_error(picture, data.image)
print(f"{data.y.size} numbers for {data.image.size} pixels: relative squared error {error:.4f}")

# %%
# Without a prior, the shortest solution is all that the measurements say.

shortest = np.kron(*(np.linalg.pinv(factor) for factor in data.factors)) @ data.y
plain = data.image_of(shortest)
naive = normalized_mean_squared_error(plain, data.image)
print(f"the shortest solution: {naive:.4f}")

# %%
# The pictures, scaled alike.


def bright(view):
    low, high = data.image.min(), data.image.max()
    return (view - low) / (high - low)


display = CompletedImageDisplay(
    known=bright(plain), completed=bright(picture), truth=bright(data.image)
).plot()
display.axes_[0].set_title("shortest solution")
display.axes_[1].set_title("sparse Bayesian learning")

# %%
# How sure is each pixel? The posterior tells.

rows, columns = data.bases
mean, spread = model.predict([rows, columns], return_std=True)
spread = np.sqrt(spread**2 - model.noise_variance_)  # without the noise of a measurement
inside = np.mean(np.abs(mean - data.image.ravel()) <= 2.0 * spread)
print(
    f"standard deviation of a pixel: {np.median(spread):.3f}; {inside:.0%} of the pixels lie within two of them"
)

assert error < 0.5 * naive
