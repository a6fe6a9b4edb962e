"""Pictures of results, in the manner of scikit-learn's displays; matplotlib is loaded when one is drawn."""

from .coefficients import CoefficientDisplay
from .convergence import ConvergenceDisplay
from .transport import TransportPlanDisplay

__all__ = ["CoefficientDisplay", "ConvergenceDisplay", "TransportPlanDisplay"]
