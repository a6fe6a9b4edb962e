"""The errors and warnings of the package: every message names the argument, its value and the mend."""

import sys
import warnings
from types import FrameType

__all__ = ["AssumptionWarning", "BackendError", "ConvergenceWarning", "NumericalError", "SparseSolveError"]  # noqa: F822


class SparseSolveError(Exception):
    """Base class of the package's own errors."""


class BackendError(SparseSolveError, RuntimeError):
    """A kernel backend is missing, refused, or failed its self test."""


class NumericalError(SparseSolveError, ArithmeticError):
    """A computation left the range of floating point numbers and no answer can be given."""


class AssumptionWarning(UserWarning):
    """The data contradict what a method assumes of them; the message says what, and what to use instead."""


def warn_caller(message: str, category: type[Warning] | None = None) -> None:
    """Warn at the line outside of this package that asked for a fit; unless told otherwise that it did not converge."""
    frame: FrameType | None = sys._getframe(1)
    level = 2
    while frame is not None and frame.f_globals.get("__name__", "").split(".")[0] in (
        "sparsesolve",
        "sklearn",
    ):
        frame, level = frame.f_back, level + 1
    warnings.warn(message, category or __getattr__("ConvergenceWarning"), stacklevel=level)


def __getattr__(name: str) -> type:
    # ConvergenceWarning derives from scikit-learn's, whose import costs seconds: it is made on first use.
    if name in globals():
        return globals()[name]
    if name != "ConvergenceWarning":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from sklearn.exceptions import ConvergenceWarning as SklearnConvergenceWarning

    class ConvergenceWarning(SklearnConvergenceWarning):
        """A fit ended before its certificate reached the tolerance; the message says what to change."""

    ConvergenceWarning.__module__ = __name__
    globals()[name] = ConvergenceWarning
    return ConvergenceWarning
