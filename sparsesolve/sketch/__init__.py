"""Sketching: random linear maps that shorten a tall matrix and keep its geometry.

A distribution, as `SRHT(512)`, is apart from its samples: ``SRHT(512, random_state=0).sample(A)`` is one
matrix S of shape (512, n), and ``.apply(A)`` is S A.
"""

from __future__ import annotations

from collections.abc import Callable

from ..validation import check_choice
from .base import Distribution, Sketch
from .dense import Gaussian, Rademacher
from .kronecker import KroneckerDistribution, KroneckerSketch
from .kronecker_srht import KroneckerSRHT
from .leverage import LeverageSampling
from .lewis import LewisFixedPoint, lewis_fixed_point, lewis_weights
from .multisketch import Multisketch
from .promises import lp_distortion
from .row_sampling import LpSampling, RowSample
from .row_scores import augmented_scores, leverage_scores, root_leverage_scores, row_scores
from .sensitivities import lp_sensitivity_bounds
from .sparse import CountSketch, SparseSign
from .srht import SRHT, PaddedSRHT
from .tensor_sketch import TensorSketch
from .volume import ProjectionDPP, RescaledVolumeSampling, VolumeSampling

__all__ = [
    "SRHT",
    "CountSketch",
    "Distribution",
    "Gaussian",
    "KroneckerDistribution",
    "KroneckerSRHT",
    "KroneckerSketch",
    "LeverageSampling",
    "LewisFixedPoint",
    "LpSampling",
    "Multisketch",
    "PaddedSRHT",
    "ProjectionDPP",
    "Rademacher",
    "RescaledVolumeSampling",
    "RowSample",
    "Sketch",
    "SparseSign",
    "TensorSketch",
    "VolumeSampling",
    "augmented_scores",
    "from_name",
    "kernel_of",
    "leverage_scores",
    "lewis_fixed_point",
    "lewis_weights",
    "lp_distortion",
    "lp_sensitivity_bounds",
    "root_leverage_scores",
    "row_scores",
]

_BY_NAME: dict[str, Callable[..., Distribution]] = {
    "srht": SRHT,
    "gaussian": Gaussian,
    "rademacher": Rademacher,
    "countsketch": CountSketch,
    "sparse-sign": SparseSign,
    "leverage": LeverageSampling,
    "padded-srht": PaddedSRHT,
    "multisketch": Multisketch,
}

_KERNELS = {"srht": "srht", "padded-srht": "srht", "gaussian": "dense-sketch", "rademacher": "dense-sketch"}


def from_name(name: str, size: int, random_state=None) -> Distribution:
    """Return the distribution of that name.

    Parameters
    ----------
    name : str or callable
        "srht", "gaussian", "rademacher", "countsketch", "sparse-sign", "leverage", "padded-srht" or "multisketch"; or
        ``function(size, random_state)`` that returns a distribution.
    size : int
        Rows of the sketch.
    random_state : None, int, numpy.random.Generator or numpy.random.RandomState

    Returns
    -------
    Distribution

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
    if callable(name):
        return name(size, random_state)
    check_choice("sketch", name, tuple(_BY_NAME))
    return _BY_NAME[name](size, random_state)


def kernel_of(name) -> str | None:
    """The kernel that the sketch of that name has for OpenCL devices; None where it has none.

    Parameters
    ----------
    name : str or callable
        As `from_name` takes it.

    Returns
    -------
    str or None

    Examples
    --------
    >>> from sparsesolve.sketch import kernel_of
    >>> kernel_of("srht"), kernel_of("countsketch")
    ('srht', None)
    """
    return _KERNELS.get(name) if isinstance(name, str) else None
