"""Least squares from few evaluations: which rows to look at, and the fit from these alone."""

from .solver import METHODS, EvaluationPlan, SampledSolution, choose_evaluations, sampled_lstsq

__all__ = [
    "METHODS",
    "EvaluationPlan",
    "SampledLeastSquares",
    "SampledSolution",
    "choose_evaluations",
    "sampled_lstsq",
]


def __getattr__(name: str):
    # scikit-learn takes seconds to import: the functions above work without it.
    if name == "SampledLeastSquares":
        from .estimator import SampledLeastSquares

        return SampledLeastSquares
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
