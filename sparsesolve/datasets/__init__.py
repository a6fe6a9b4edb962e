"""Problems to try the solvers on: seeded generators, and real data."""

from .adversary import make_linf_adversary
from .completion import (
    LowRankData,
    MaskedImage,
    MovieLensData,
    RatingsData,
    fetch_movielens,
    make_low_rank,
    make_ratings,
    mask_image,
)
from .coordinate import (
    GroupData,
    MultinomialData,
    PaperData,
    RegressionData,
    TextData,
    make_degenerate_lasso,
    make_dense_lasso,
    make_group_lasso,
    make_multinomial,
    make_paper_data,
    make_text_regression,
)
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
    "GroupData",
    "HardTransportProblem",
    "LabelledGraph",
    "LowRankData",
    "MaskedImage",
    "MovieLensData",
    "MultinomialData",
    "PaperData",
    "PointClouds",
    "RatingsData",
    "RegressionData",
    "TextData",
    "TransportProblem",
    "fetch_movielens",
    "hard_transport_problems",
    "load_digit_transport",
    "load_image_regression",
    "load_nist",
    "make_assignment_problem",
    "make_block_transport",
    "make_degenerate_lasso",
    "make_dense_lasso",
    "make_group_lasso",
    "make_lattice_labels",
    "make_line_transport",
    "make_linf_adversary",
    "make_low_rank",
    "make_multinomial",
    "make_paper_data",
    "make_point_clouds",
    "make_ratings",
    "make_regression_problem",
    "make_text_regression",
    "make_two_moons_graph",
    "mask_image",
]
