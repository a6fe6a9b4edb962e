"""Pictures of results, in the manner of scikit-learn's displays; matplotlib is loaded when one is drawn."""

from .active_set import ActiveSetDisplay
from .coefficients import CoefficientDisplay
from .convergence import ConvergenceDisplay
from .path import CoefPathDisplay
from .transport import TransportPlanDisplay

__all__ = [
    "ActiveSetDisplay",
    "CoefPathDisplay",
    "CoefficientDisplay",
    "ConvergenceDisplay",
    "TransportPlanDisplay",
]
