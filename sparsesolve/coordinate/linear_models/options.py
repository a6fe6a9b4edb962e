"""The choices a user has, checked once."""

from __future__ import annotations

from dataclasses import dataclass

from ...backends import Choice, select
from ...validation import check_count, check_real


@dataclass(frozen=True)
class Options:
    """Checked parameters of a fit."""

    tol: float
    max_iter: int
    max_time: float | None
    choice: Choice


def check_options(tol, max_iter, max_time, backend, device_work: float | None = None) -> Options:
    """Return the options, or raise a ValueError that names the one that is wrong.

    `device_work` is the number of entries that products on a device would read; None where there are none.
    """
    return Options(
        tol=check_real("tol", tol, minimum=0),
        max_iter=check_count("max_iter", max_iter),
        max_time=None if max_time is None else check_real("max_time", max_time, minimum=0),
        choice=select(backend, None if device_work is None else "gram-product", device_work or 0.0),
    )
