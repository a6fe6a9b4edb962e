"""System 3: block coordinate descent with greedy rules, certified sparse linear models, and labels on graphs."""

from .label_propagation import LabelSolution, label_propagation
from .losses import LogisticLoss, Loss, PoissonLoss, SquaredLoss
from .path import PathSolution
from .solver import LinearSolution

__all__ = [
    "BCDClassifier",
    "BCDRegressor",
    "GraphLabelPropagation",
    "LabelSolution",
    "LinearSolution",
    "LogisticLoss",
    "Loss",
    "PathSolution",
    "PoissonLoss",
    "SquaredLoss",
    "label_propagation",
]

_ESTIMATORS = {
    "BCDClassifier": "estimator",
    "BCDRegressor": "estimator",
    "GraphLabelPropagation": "graph_estimator",
}


def __getattr__(name: str):
    # scikit-learn takes seconds to import: all else works without it.
    if name in _ESTIMATORS:
        from importlib import import_module

        return getattr(import_module(f".{_ESTIMATORS[name]}", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
