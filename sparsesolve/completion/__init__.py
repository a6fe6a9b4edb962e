"""System 4: low rank matrix completion by robust alternating minimization."""

from .completed import Biases
from .factors import Factors
from .observations import Observations, Side
from .solver import CompletionSolution, complete

__all__ = ["Biases", "CompletionSolution", "Factors", "MatrixCompletion", "Observations", "Side", "complete"]


def __getattr__(name: str):
    # scikit-learn takes seconds to import: all else works without it.
    if name == "MatrixCompletion":
        from .estimator import MatrixCompletion

        return MatrixCompletion
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
