"""The choices a user has, checked once."""

from __future__ import annotations

from dataclasses import dataclass, replace

from ..backends import Choice, select
from ..exceptions import BackendError
from ..validation import check_choice, check_count, check_real

SOLVERS = ("auto", "sinkhorn", "newton-dense", "newton-sparse", "paper")
#: Those whose passes and products can run on a device; "auto" is "newton-sparse" there.
DEVICE_SOLVERS = ("auto", "sinkhorn", "newton-sparse", "paper")


@dataclass(frozen=True)
class Options:
    """Checked parameters of a fit; see `entropic_transport`."""

    solver: str
    tol: float
    max_iter: int
    max_time: float | None
    sinkhorn_sweeps: int
    density: float | None
    choice: Choice


def check_options(
    solver,
    tol,
    max_iter,
    max_time,
    backend,
    sinkhorn_sweeps=20,
    density=None,
    marginal_penalty=None,
    pairs: float | None = 0.0,
) -> Options:
    """Return the options, or raise a ValueError that names the one that is wrong.

    `pairs` is the size of the cost, which says where the fit runs; None where only the CPU has a form of it.
    """
    check_choice("solver", solver, SOLVERS)
    if solver == "paper" and marginal_penalty is not None:
        raise ValueError(
            f"marginal_penalty={marginal_penalty!r} is not known to solver='paper': leave it out, or use 'auto'."
        )
    return Options(
        solver=solver,
        tol=check_real("tol", tol, minimum=0),
        max_iter=check_count("max_iter", max_iter),
        max_time=None if max_time is None else check_real("max_time", max_time, minimum=0),
        sinkhorn_sweeps=check_count("sinkhorn_sweeps", sinkhorn_sweeps, minimum=0),
        density=None if density is None else check_real("density", density, above=0),
        choice=_choose(backend, solver, pairs),
    )


def _choose(backend, solver, pairs) -> Choice:
    if solver in DEVICE_SOLVERS or backend != "opencl":
        on_device = pairs is not None and solver in DEVICE_SOLVERS
        choice = select(backend, "log-sum-exp" if on_device else None, pairs or 0.0)
        if choice.name == "opencl" and solver == "auto":
            return replace(choice, reason=f"{choice.reason}; solver='auto' is 'newton-sparse' there")
        return choice
    raise BackendError(
        f"solver={solver!r} has no OpenCL form: use backend='auto', or one of the solvers "
        f"{', '.join(map(repr, DEVICE_SOLVERS))}."
    )
