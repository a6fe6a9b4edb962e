"""Directed graphs: orders, equivalence classes, directed paths; for the solvers and for the metrics."""

from .equivalence import completed_partially_directed_graph, consistent_extension, skeleton
from .order import is_acyclic, topological_order

__all__ = [
    "completed_partially_directed_graph",
    "consistent_extension",
    "is_acyclic",
    "skeleton",
    "topological_order",
]
