"""System 1: least squares by dense sketches, with an l_inf guarantee and a certified backward error."""

from .ridge import ridge_path
from .sketch_size import CalibratedSize, from_eps
from .solution import LeastSquaresSolution
from .solver import lstsq

__all__ = [
    "CalibratedSize",
    "LeastSquaresSolution",
    "SketchedLinearRegression",
    "from_eps",
    "lstsq",
    "ridge_path",
]


def __getattr__(name: str):
    # scikit-learn takes seconds to import: the functions above work without it.
    if name == "SketchedLinearRegression":
        from .estimator import SketchedLinearRegression

        return SketchedLinearRegression
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
