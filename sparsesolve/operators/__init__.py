"""Matrices seen through the few products that the solvers need."""

from .columns import ColumnMatrix, as_column_matrix
from .rows import RowMatrix, as_row_matrix

__all__ = ["ColumnMatrix", "RowMatrix", "as_column_matrix", "as_row_matrix"]
