"""The options that every way to an l_p fit shares, checked once."""

from __future__ import annotations

import math
import numbers
from typing import NamedTuple

from ...random import as_key
from ...validation import check_choice, check_count, check_real

SOLVERS = ("auto", "newton", "interior-point", "highs", "sampled")
_TOL, _SAMPLED_TOL = 1e-8, 1e-2


class Options(NamedTuple):
    """Checked options of a fit."""

    solver: str
    tol: float
    max_iter: int
    max_time: float | None
    key: int
    backend: str


def check_options(p, solver, tol, max_iter, max_time, random_state, backend) -> Options:
    """Check options, for a checked p."""
    check_choice("solver", solver, SOLVERS)
    linear = p == 1 or math.isinf(p)
    if solver == "newton" and linear:
        raise ValueError(
            f"solver='newton' needs 1 < p < inf, but p={p:g}: use 'interior-point', 'highs' or 'auto'."
        )
    if solver in ("interior-point", "highs") and not linear:
        raise ValueError(f"solver={solver!r} needs p=1 or p=inf, but p={p:g}: use 'newton' or 'auto'.")
    tol = (
        (_SAMPLED_TOL if solver == "sampled" else _TOL) if tol is None else check_real("tol", tol, minimum=0)
    )
    max_time = None if max_time is None else check_real("max_time", max_time, minimum=0)
    return Options(solver, tol, check_count("max_iter", max_iter), max_time, as_key(random_state), backend)


def check_power(p) -> float:
    """Return p as a float of at least 1, inf included."""
    if isinstance(p, numbers.Real) and not isinstance(p, bool) and p == math.inf:
        return math.inf
    return check_real("p", p, minimum=1)


def check_quantile(quantile) -> float:
    """Return the quantile, strictly between 0 and 1."""
    return check_real("quantile", quantile, above=0, below=1)
