"""How many rows a sketch needs."""

from __future__ import annotations

import math
from dataclasses import dataclass

from ..validation import check_count, check_real


@dataclass(frozen=True)
class CalibratedSize:
    """A sketch size that meets the l_inf guarantee at accuracy `eps` with probability 1 - `delta`.

    Parameters
    ----------
    eps : float
        Accuracy, relative to the bound of the guarantee.
    delta : float
        Probability of a failure.
    """

    eps: float
    delta: float

    def rows(self, n_unknowns: int) -> int:
        """Rows that suffice, by the law that dense sketches follow in practice.

        m = d + 2 d ln(2 d / delta) / eps^2, from the Gaussian law of the error of each coefficient and a union
        bound over the d coefficients.
        """
        log = math.log(2 * n_unknowns / self.delta)
        return n_unknowns + math.ceil(2 * n_unknowns * log / self.eps**2)

    def theory_rows(self, n_rows: int, n_unknowns: int) -> int:
        """The order of rows that the theorem asks for, eps^-2 d log^3(n / delta), with constant 1."""
        return math.ceil(n_unknowns * math.log(n_rows / self.delta) ** 3 / self.eps**2)


def from_eps(eps: float = 0.5, delta: float = 0.01) -> CalibratedSize:
    """Sketch size from the accuracy and the probability of failure.

    With probability at least 1 - delta over the sketch, the sketched solution x' keeps

        ||x' - x*||_inf <= eps / sqrt(d) * ||A x* - b||_2 * ||A^+||_2 .

    Parameters
    ----------
    eps : float in (0, 1]
    delta : float in (0, 1)

    Returns
    -------
    CalibratedSize
        Give it to `SketchedLinearRegression` or `lstsq` as ``sketch_size``.

    References
    ----------
    Song, Ye, Yin and Zhang, "A nearly-optimal bound for fast regression with l_inf guarantee", ICML 2023, for the
    guarantee; the constant is calibrated by this package's tests, because that of the theorem is not practical.

    Examples
    --------
    >>> from sparsesolve.regression import from_eps
    >>> from_eps(eps=0.5, delta=0.01).rows(n_unknowns=64)
    4907
    """
    eps = check_real("eps", eps, above=0)
    if eps > 1:
        raise ValueError(f"eps={eps!r} must be at most 1: the law holds for accuracies in (0, 1].")
    return CalibratedSize(eps, check_real("delta", delta, above=0, below=1))


def next_power_of_two(count: int) -> int:
    """The least power of two that is at least `count`."""
    return 1 << max(0, count - 1).bit_length()


def check_sketch_size(value) -> None:
    """Raise a ValueError unless `value` is "auto", a count, or a `CalibratedSize`."""
    if isinstance(value, CalibratedSize) or (isinstance(value, str) and value == "auto"):
        return
    try:
        check_count("sketch_size", value)
    except ValueError as error:
        raise ValueError(
            f"sketch_size={value!r} must be 'auto', a number of rows, or from_eps(eps, delta)."
        ) from error
