"""The rows of the tour's table, one function each. A new system adds its own here."""

from . import colour_transfer, compressive_image, diabetes_graph, digits, image_regression, missing_pixels
from .row import Stage, TourRow

__all__ = ["ROWS", "Stage", "TourRow"]

#: Functions of a `Stage` that return a `TourRow`.
ROWS = [
    image_regression.accurate,
    image_regression.sketched,
    colour_transfer.colour_transfer,
    digits.digits,
    missing_pixels.missing_pixels,
    compressive_image.compressive_image,
    diabetes_graph.diabetes_graph,
]
