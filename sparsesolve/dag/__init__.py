"""System 6: directed acyclic graphs of linear effects, with the noise of each variable."""

from .cpdag import (
    completed_partially_directed_graph,
    consistent_extension,
    is_acyclic,
    skeleton,
    topological_order,
)
from .export import list_edges, to_dot, to_frame, to_networkx
from .solver import DAGSolution, estimate_dag
from .sortability import r2_sortability, varsortability

__all__ = [
    "CoLiDE",
    "DAGSolution",
    "completed_partially_directed_graph",
    "consistent_extension",
    "estimate_dag",
    "is_acyclic",
    "list_edges",
    "r2_sortability",
    "skeleton",
    "to_dot",
    "to_frame",
    "to_networkx",
    "topological_order",
    "varsortability",
]


def __getattr__(name: str):
    # scikit-learn takes seconds to import: all else works without it.
    if name == "CoLiDE":
        from .estimator import CoLiDE

        return CoLiDE
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
