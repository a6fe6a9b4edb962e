"""Orders and equivalence classes of graphs, under the name of this system; they are shared with the metrics."""

from ..graphs import (
    completed_partially_directed_graph,
    consistent_extension,
    is_acyclic,
    skeleton,
    topological_order,
)

__all__ = [
    "completed_partially_directed_graph",
    "consistent_extension",
    "is_acyclic",
    "skeleton",
    "topological_order",
]
