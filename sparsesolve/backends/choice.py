"""The one place that chooses a backend, and says why."""

from __future__ import annotations

from dataclasses import dataclass

BACKENDS = ("auto", "numba", "opencl")


@dataclass(frozen=True)
class Choice:
    """The backend that a computation runs on.

    Attributes
    ----------
    name : str
        "numba" or "opencl".
    device : str
        The device, in words.
    dtype : str
        The type that the kernels compute in. float64 is never narrowed silently.
    reason : str
        Why this backend was chosen.
    """

    name: str
    device: str
    dtype: str
    reason: str


def select(backend: str = "auto") -> Choice:
    """Choose the backend for a computation.

    Parameters
    ----------
    backend : {"auto", "numba", "opencl"}
        "auto" takes the fastest backend that is known to be right on this machine.

    Returns
    -------
    Choice

    Raises
    ------
    ValueError
        For an unknown name.
    BackendError
        When the backend asked for cannot run here.

    Examples
    --------
    >>> from sparsesolve.backends import select
    >>> select("auto").name
    'numba'
    """
    if backend not in BACKENDS:
        raise ValueError(f"backend={backend!r} is not known: use one of {', '.join(map(repr, BACKENDS))}.")
    if backend == "opencl":
        from ..exceptions import BackendError

        raise BackendError("backend='opencl' is not in this version: use backend='auto' or backend='numba'.")
    reason = "asked for" if backend == "numba" else "the CPU kernels are the only ones in this version"
    return Choice("numba", "cpu", "float64", reason)
