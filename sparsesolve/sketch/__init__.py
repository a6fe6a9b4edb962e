"""Sketching: random linear maps that shorten a tall matrix and keep its geometry.

A distribution, as `SRHT(512)`, is apart from its samples: ``SRHT(512, random_state=0).sample(A)`` is one
matrix S of shape (512, n), and ``.apply(A)`` is S A.
"""

from __future__ import annotations

from collections.abc import Callable

from ..validation import check_choice
from .base import Distribution, Sketch
from .dense import Gaussian, Rademacher
from .leverage import LeverageSampling
from .sparse import CountSketch, SparseSign
from .srht import SRHT, PaddedSRHT

__all__ = [
    "SRHT",
    "CountSketch",
    "Distribution",
    "Gaussian",
    "LeverageSampling",
    "PaddedSRHT",
    "Rademacher",
    "Sketch",
    "SparseSign",
    "from_name",
]

_BY_NAME: dict[str, Callable[..., Distribution]] = {
    "srht": SRHT,
    "gaussian": Gaussian,
    "rademacher": Rademacher,
    "countsketch": CountSketch,
    "sparse-sign": SparseSign,
    "leverage": LeverageSampling,
    "padded-srht": PaddedSRHT,
}


def from_name(name: str, size: int, random_state=None) -> Distribution:
    """Return the distribution of that name.

    Parameters
    ----------
    name : {"srht", "gaussian", "rademacher", "countsketch", "sparse-sign", "leverage", "padded-srht"}
    size : int
        Rows of the sketch.
    random_state : None, int, numpy.random.Generator or numpy.random.RandomState

    Raises
    ------
    ValueError
        For another name.

    Examples
    --------
    >>> from sparsesolve.sketch import from_name
    >>> from_name("srht", 64, random_state=0)
    SRHT(size=64, random_state=0)
    """
    check_choice("sketch", name, tuple(_BY_NAME))
    return _BY_NAME[name](size, random_state)
