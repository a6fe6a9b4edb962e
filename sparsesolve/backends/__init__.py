"""Where kernels run. The one place that chooses between backends."""

from .choice import BACKENDS, Choice, select

__all__ = ["BACKENDS", "Choice", "select"]
