"""Very sparse random projections: of features, and of the powers of a graph's transition matrix."""

from .embedding import EmbeddingOptions, embed_nodes
from .signs import random_signs

__all__ = ["EmbeddingOptions", "FastRP", "SparseProjection", "embed_nodes", "random_signs"]


def __getattr__(name: str):
    # scikit-learn takes seconds to import: the functions above work without it.
    if name in ("FastRP", "SparseProjection"):
        from . import estimator

        return getattr(estimator, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
