"""Problems to try the solvers on: seeded generators, and real data."""

from .adversary import make_linf_adversary
from .images import load_image_regression
from .nist import load_nist
from .synthetic import make_regression_problem
from .transport import (
    HardTransportProblem,
    PointClouds,
    TransportProblem,
    hard_transport_problems,
    load_digit_transport,
    make_assignment_problem,
    make_block_transport,
    make_line_transport,
    make_point_clouds,
)

__all__ = [
    "HardTransportProblem",
    "PointClouds",
    "TransportProblem",
    "hard_transport_problems",
    "load_digit_transport",
    "load_image_regression",
    "load_nist",
    "make_assignment_problem",
    "make_block_transport",
    "make_line_transport",
    "make_linf_adversary",
    "make_point_clouds",
    "make_regression_problem",
]
