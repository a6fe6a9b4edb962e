"""System 5: sparse Bayesian learning with Kronecker-structured dictionaries."""

from .solver import KroneckerSolution, kronecker_sbl

__all__ = ["KroneckerSBL", "KroneckerSolution", "kronecker_sbl"]


def __getattr__(name: str):
    # scikit-learn takes seconds to import: all else works without it.
    if name == "KroneckerSBL":
        from .estimator import KroneckerSBL

        return KroneckerSBL
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
