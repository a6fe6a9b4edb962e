"""The one place that chooses a backend, and says why."""

from __future__ import annotations

from dataclasses import dataclass

from ..exceptions import BackendError
from .crossovers import KERNELS, read_crossovers

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


def select(backend: str = "auto", kernel: str | None = None, work: float = 0.0) -> Choice:
    """Choose the backend for a computation.

    Parameters
    ----------
    backend : {"auto", "numba", "opencl"}
        "auto" takes the CPU kernels, but for a GPU and work of a size from which on that GPU was measured to win, by
        ``python -m sparsesolve doctor --calibrate``. "opencl" takes the device that SPARSESOLVE_OPENCL_DEVICE names,
        else the first GPU, else the first device.
    kernel : str, optional
        Which kernel the computation lives on; None where it has no OpenCL form.
    work : float, default=0.0
        The size of the computation, in the unit of the kernel.

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
    if backend == "numba":
        return _cpu("asked for")
    if backend == "opencl":
        return _device(kernel)
    return _fastest(kernel, work)


def _cpu(reason: str) -> Choice:
    return Choice("numba", "cpu", "float64", reason)


def _device(kernel: str | None) -> Choice:
    if kernel is None:
        raise BackendError(
            "backend='opencl': this method has no OpenCL form; use backend='auto' or backend='numba'."
        )
    from .opencl import runtime

    return Choice("opencl", str(runtime().device), "float64", "asked for")


def _fastest(kernel: str | None, work: float) -> Choice:
    if kernel is None:
        return _cpu("this method has CPU kernels only")
    measured = read_crossovers()
    if not measured:
        return _cpu("no GPU was measured on this machine; doctor --calibrate does")
    from .opencl import find_device, runtime

    try:
        device = find_device()
        if device.kind != "gpu":
            return _cpu(f"the CPU kernels win on {device}")
        least = measured.get(str(device), {}).get(kernel, float("inf"))
        if work >= least:
            runtime(device)
            return Choice("opencl", str(device), "float64", f"it wins from {least:.0e} {KERNELS[kernel]} on")
    except BackendError as error:
        return _cpu(f"no GPU can be used: {error}")
    return _cpu(f"{work:.0e} {KERNELS[kernel]} are too few for {device}")
