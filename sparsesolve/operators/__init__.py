"""Matrices seen through the few products that the solvers need."""

from .rows import RowMatrix, as_row_matrix

__all__ = ["RowMatrix", "as_row_matrix"]
