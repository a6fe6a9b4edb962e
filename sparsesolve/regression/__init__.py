"""System 1: least squares by dense sketches, with an l_inf guarantee and a certified backward error."""

from .lp import LpSolution, lp_regression, quantile_regression
from .ridge import ridge_path
from .sketch_size import CalibratedSize, from_eps
from .solution import LeastSquaresSolution
from .solver import lstsq

__all__ = [
    "CalibratedSize",
    "LeastSquaresSolution",
    "LpRegression",
    "LpSolution",
    "QuantileRegression",
    "SampledLeastSquares",
    "SketchedLinearRegression",
    "from_eps",
    "lp_regression",
    "lstsq",
    "quantile_regression",
    "ridge_path",
]


def __getattr__(name: str):
    # scikit-learn takes seconds to import: the functions above work without it.
    if name == "SketchedLinearRegression":
        from .estimator import SketchedLinearRegression

        return SketchedLinearRegression
    if name in ("LpRegression", "QuantileRegression"):
        from .lp import estimator

        return getattr(estimator, name)
    if name == "SampledLeastSquares":
        from .sampled import SampledLeastSquares

        return SampledLeastSquares
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
