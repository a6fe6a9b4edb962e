"""Problems to try the solvers on: seeded generators, and real data."""

from .adversary import make_linf_adversary
from .graphs import LabelledGraph, make_lattice_labels, make_two_moons_graph
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
    "LabelledGraph",
    "PointClouds",
    "TransportProblem",
    "hard_transport_problems",
    "load_digit_transport",
    "load_image_regression",
    "load_nist",
    "make_assignment_problem",
    "make_block_transport",
    "make_lattice_labels",
    "make_line_transport",
    "make_linf_adversary",
    "make_point_clouds",
    "make_regression_problem",
    "make_two_moons_graph",
]
