"""The choices a user has, checked once."""

from __future__ import annotations

from dataclasses import dataclass

from ..backends import Choice, select
from ..validation import check_choice, check_count, check_real

SOLVERS = ("auto", "sinkhorn", "newton-dense", "newton-sparse", "paper")


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
    solver, tol, max_iter, max_time, backend, sinkhorn_sweeps=20, density=None, marginal_penalty=None
) -> Options:
    """Return the options, or raise a ValueError that names the one that is wrong."""
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
        choice=select(backend),
    )
