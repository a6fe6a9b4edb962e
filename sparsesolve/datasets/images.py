"""A tall regression problem made of a photograph that scikit-learn ships."""

from __future__ import annotations

import numpy as np

_IMAGES = ("china", "flower")


def load_image_regression(
    name: str = "china", *, window: int = 8, channel: int = 1, n_image_rows: int | None = None
) -> tuple[np.ndarray, np.ndarray, tuple[int, int]]:
    """Load a photograph as a regression of every pixel on its colour neighbourhood.

    The features of a pixel are the three colours of the ``window`` by ``window`` pixels around it, its own left out;
    the target is one of its own colours. The image is reflected at its borders, so that each pixel is a sample:
    273280 samples of 189 features with the defaults, 413 MB.

    Parameters
    ----------
    name : {"china", "flower"}, default="china"
        One of the images of `sklearn.datasets.load_sample_images`.
    window : int, default=8
        Side of the neighbourhood in pixels, at least 2. It begins ``window // 2`` pixels above and left of the pixel.
    channel : {0, 1, 2}, default=1
        The colour to predict: red, green or blue.
    n_image_rows : int, optional
        Take only so many rows of pixels, from the top of the image.

    Returns
    -------
    X : ndarray of shape (n_pixels, 3 * (window**2 - 1))
        Colours between 0 and 1, channel by channel, in each row by row.
    y : ndarray of shape (n_pixels,)
    shape : tuple (height, width)
        ``y.reshape(shape)`` is the picture.

    Raises
    ------
    ValueError
        For an unknown image or channel, or a window below 2.
    ImportError
        Where Pillow, which reads the image, is not installed: it comes with the extra ``plot``.
    """
    if name not in _IMAGES:
        raise ValueError(f"name={name!r} is not known: use one of {', '.join(map(repr, _IMAGES))}.")
    if channel not in (0, 1, 2):
        raise ValueError(f"channel={channel!r} must be 0 (red), 1 (green) or 2 (blue).")
    if window < 2:
        raise ValueError(f"window={window!r} must be at least 2: the pixel itself is left out.")
    try:
        from sklearn.datasets import load_sample_image

        image = load_sample_image(f"{name}.jpg")
    except ImportError as error:
        raise ImportError("Pillow is needed to read the image: pip install 'sparsesolve[plot]'.") from error
    image = image[:n_image_rows] / 255.0
    height, width, n_channels = image.shape
    before = window // 2
    after = window - 1 - before
    padded = np.pad(image, ((before, after), (before, after), (0, 0)), mode="reflect")
    neighbourhoods = np.lib.stride_tricks.sliding_window_view(padded, (window, window), axis=(0, 1))
    own = (before * window + before) + window**2 * np.arange(n_channels)
    others = np.delete(np.arange(n_channels * window**2), own)
    X = np.empty((height * width, others.size))
    for row in range(height):
        X[row * width : (row + 1) * width] = neighbourhoods[row].reshape(width, -1)[:, others]
    return X, image[:, :, channel].ravel(), (height, width)
