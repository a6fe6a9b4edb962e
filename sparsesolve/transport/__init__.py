"""System 2: entropic optimal transport by Sinkhorn sweeps and sparse Newton steps."""

from .batch import BatchSolution, entropic_transport_batch
from .costs import PointCloudCost
from .coupling import Coupling
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


def __getattr__(name: str):
    # scikit-learn takes seconds to import: the functions above work without it.
    if name == "SinkhornNewtonSparse":
        from .estimator import SinkhornNewtonSparse

        return SinkhornNewtonSparse
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
