"""Problems to try the solvers on: seeded generators, and real data."""

from .adversary import make_linf_adversary
from .images import load_image_regression
from .nist import load_nist
from .synthetic import make_regression_problem

__all__ = ["load_image_regression", "load_nist", "make_linf_adversary", "make_regression_problem"]
