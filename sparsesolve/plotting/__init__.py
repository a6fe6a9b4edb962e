"""Pictures of results, in the manner of scikit-learn's displays; matplotlib is loaded when one is drawn."""

from .coefficients import CoefficientDisplay
from .convergence import ConvergenceDisplay

__all__ = ["CoefficientDisplay", "ConvergenceDisplay"]
