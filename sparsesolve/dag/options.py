"""The choices a user has, checked once."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..backends import Choice, select
from ..validation import check_choice, check_count, check_real
from .background import check_background
from .constraints import Constraints, constraints_of

NOISE = ("unequal", "equal", "auto")
METHODS = ("auto", "order", "central-path")
INNER = ("auto", "newton", "adam")
MISSING = ("error", "pairwise")
#: The paper's penalty, and the weight below which an edge is cut after its path.
PAPER_ALPHA, PAPER_THRESHOLD = 0.05, 0.3


@dataclass(frozen=True)
class Options:
    """Checked parameters of a fit.

    Attributes
    ----------
    alpha : float or None
        None for parents by BIC and weights by least squares.
    """

    noise: str
    method: str
    inner: str
    alpha: float | None
    threshold: float
    constraints: Constraints
    constrained: bool
    n_starts: int
    tol: float
    max_iter: int
    max_time: float | None
    choice: Choice


def check_options(
    n_columns: int,
    *,
    noise,
    method,
    inner,
    alpha,
    threshold,
    required,
    forbidden,
    tiers,
    missing,
    n_starts,
    tol,
    max_iter,
    max_time,
    backend,
    names=None,
) -> Options:
    """Return the options, or raise a ValueError that names the one that is wrong."""
    check_choice("noise", noise, NOISE)
    check_choice("method", method, METHODS)
    check_choice("inner", inner, INNER)
    check_choice("missing", missing, MISSING)
    path = method == "central-path"
    if path and noise == "auto":
        raise ValueError(
            "noise='auto' needs method='order': choose 'equal' or 'unequal' for the central path."
        )
    known = check_background(n_columns, required, forbidden, tiers, names=names)
    if path and known.required.any():
        raise ValueError(
            "required edges need method='order': the central path cannot promise them; leave them out, or change "
            "method."
        )
    return Options(
        noise,
        "central-path" if path else "order",
        inner,
        _alpha(alpha, path),
        _threshold(threshold, path),
        constraints_of(n_columns, required=known.required, forbidden=known.forbidden),
        bool(known.required.any() or known.forbidden[~np.eye(n_columns, dtype=bool)].any()),
        check_count("n_starts", n_starts),
        check_real("tol", tol, minimum=0),
        check_count("max_iter", max_iter),
        None if max_time is None else check_real("max_time", max_time, minimum=0),
        select(backend),
    )


def _alpha(alpha, path: bool) -> float | None:
    if isinstance(alpha, str):
        check_choice("alpha", alpha, ("auto",))
        return PAPER_ALPHA if path else None
    return check_real("alpha", alpha, above=0)


def _threshold(threshold, path: bool) -> float:
    if isinstance(threshold, str):
        check_choice("threshold", threshold, ("auto",))
        return PAPER_THRESHOLD if path else 0.0
    return check_real("threshold", threshold, minimum=0)
