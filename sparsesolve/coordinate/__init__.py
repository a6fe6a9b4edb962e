"""System 3: block coordinate descent with greedy rules, and certified sparse linear models."""

from .losses import LogisticLoss, Loss, PoissonLoss, SquaredLoss
from .path import PathSolution
from .solver import LinearSolution

__all__ = [
    "BCDClassifier",
    "BCDRegressor",
    "LinearSolution",
    "LogisticLoss",
    "Loss",
    "PathSolution",
    "PoissonLoss",
    "SquaredLoss",
]


def __getattr__(name: str):
    # scikit-learn takes seconds to import: all else works without it.
    if name in ("BCDClassifier", "BCDRegressor"):
        from . import estimator

        return getattr(estimator, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
