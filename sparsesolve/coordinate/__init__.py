"""System 3: block coordinate descent with greedy rules, certified sparse linear models, and labels on graphs."""

from .engines import PathSolution
from .labels.propagation import LabelSolution, label_propagation
from .laboratory.descent import CoordinateSolution, block_coordinate_descent
from .laboratory.graph import GraphQuadratic, colour_blocks, lattice_combs, tree_blocks
from .laboratory.linear import LeastSquares, LinearProblem, Logistic, Poisson
from .laboratory.multinomial import Multinomial
from .laboratory.problems import Problem
from .laboratory.quadratic import Quadratic
from .laboratory.svm_dual import SVMDual
from .linear_models.solver import LinearSolution
from .losses import LogisticLoss, Loss, PoissonLoss, SquaredLoss

__all__ = [
    "BCDClassifier",
    "BCDClassifierCV",
    "BCDRegressor",
    "BCDRegressorCV",
    "CoordinateSolution",
    "GraphLabelPropagation",
    "GraphQuadratic",
    "LabelSolution",
    "LeastSquares",
    "LinearProblem",
    "LinearSolution",
    "Logistic",
    "LogisticLoss",
    "Loss",
    "Multinomial",
    "PathSolution",
    "Poisson",
    "PoissonLoss",
    "Problem",
    "Quadratic",
    "SVMDual",
    "SquaredLoss",
    "block_coordinate_descent",
    "colour_blocks",
    "label_propagation",
    "lattice_combs",
    "tree_blocks",
]

_ESTIMATORS = {
    "BCDClassifier": "estimator",
    "BCDClassifierCV": "cv_estimator",
    "BCDRegressor": "estimator",
    "BCDRegressorCV": "cv_estimator",
    "GraphLabelPropagation": "graph_estimator",
}


def __getattr__(name: str):
    # scikit-learn takes seconds to import: all else works without it.
    if name in _ESTIMATORS:
        from importlib import import_module

        return getattr(import_module(f".{_ESTIMATORS[name]}", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
