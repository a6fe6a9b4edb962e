"""Pictures of results, in the manner of scikit-learn's displays; matplotlib is loaded when one is drawn."""

from .active_set import ActiveSetDisplay
from .coefficients import CoefficientDisplay
from .completion import CompletedImageDisplay, FactorSpectrumDisplay, HeldOutErrorDisplay
from .convergence import ConvergenceDisplay
from .graph import AdjacencyDisplay, GraphDisplay
from .kronecker import GammaDisplay, PosteriorDisplay
from .path import CoefPathDisplay
from .transport import TransportPlanDisplay

__all__ = [
    "ActiveSetDisplay",
    "AdjacencyDisplay",
    "CoefPathDisplay",
    "CoefficientDisplay",
    "CompletedImageDisplay",
    "ConvergenceDisplay",
    "FactorSpectrumDisplay",
    "GammaDisplay",
    "GraphDisplay",
    "HeldOutErrorDisplay",
    "PosteriorDisplay",
    "TransportPlanDisplay",
]
