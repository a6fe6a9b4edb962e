"""Regression in other norms than that of least squares, and of quantiles, with a proof that the answer is optimal."""

from .solution import LpSolution
from .solver import lp_regression, quantile_regression

__all__ = ["LpRegression", "LpSolution", "QuantileRegression", "lp_regression", "quantile_regression"]


def __getattr__(name: str):
    # scikit-learn takes seconds to import: the functions above work without it.
    if name in ("LpRegression", "QuantileRegression"):
        from . import estimator

        return getattr(estimator, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
