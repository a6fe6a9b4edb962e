"""System 2: entropic optimal transport by Sinkhorn sweeps and sparse Newton steps."""

from .batch import BatchSolution, entropic_transport_batch
from .costs import PointCloudCost
from .coupling import Coupling
from .estimator import SinkhornNewtonSparse
from .solver import TransportSolution, entropic_transport

__all__ = [
    "BatchSolution",
    "Coupling",
    "PointCloudCost",
    "SinkhornNewtonSparse",
    "TransportSolution",
    "entropic_transport",
    "entropic_transport_batch",
]
