"""What every solver returns: a solution, its certificate, and the trace of how it got there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

import numpy as np

from .backends import Choice


class Status(Enum):
    """How a fit ended. The value says what it means and what to do.

    Examples
    --------
    >>> from sparsesolve import Status
    >>> Status.TIME_LIMIT.help
    'The time limit ran out first; the best iterate was kept: raise max_time, or loosen tol.'
    """

    CONVERGED = "The certificate holds at the tolerance asked for."
    MAX_ITER = "The iteration budget ran out first: raise max_iter, loosen tol, or let solver='auto' choose."
    TIME_LIMIT = "The time limit ran out first; the best iterate was kept: raise max_time, or loosen tol."
    STALLED = (
        "Rounding errors stop further progress above the tolerance: loosen tol, rescale the data, "
        "or let solver='auto' choose."
    )
    STOPPED = "Stopped from outside, by a callback or an interrupt; the best iterate was kept."
    ILL_POSED = (
        "The problem does not determine the answer, and no documented choice among the answers applies."
    )
    NON_FINITE = "A number left the range of floating point: rescale the data."

    @property
    def help(self) -> str:
        """What the status means and what to do about it."""
        return self.value


@dataclass(frozen=True)
class Trace:
    """Columns of what happened at each iteration, all of the same length.

    Attributes
    ----------
    columns : mapping of str to ndarray of shape (n_records,)
        Always ``iteration``, ``time`` (seconds since the solver began), ``objective`` and ``certificate``;
        each solver adds its own.
    """

    columns: Mapping[str, np.ndarray]

    def __getitem__(self, name: str) -> np.ndarray:
        return self.columns[name]

    def __len__(self) -> int:
        return len(next(iter(self.columns.values()), ()))


@dataclass(frozen=True)
class Result:
    """The outcome of a solver.

    Attributes
    ----------
    solution : NamedTuple
        The answer; each system documents its fields.
    status : Status
        How the solver ended. ``Status.CONVERGED`` is said only when the certificate holds.
    n_iter : int
        Number of iterations done.
    certificate : mapping of str to float
        Numbers that anyone can recompute from the data and the solution alone.
    trace : Trace
        One record an iteration.
    setup_time, solve_time : float
        Seconds before the first iterate, and after it.
    backend : Choice
        Where the kernels ran, and why there.

    Examples
    --------
    >>> import numpy as np
    >>> from sparsesolve import lstsq
    >>> result = lstsq(np.vander(np.linspace(0, 1, 50), 3), np.linspace(0, 1, 50) ** 2)
    >>> result.status.name, result.certificate["backward_error"] < 1e-15
    ('CONVERGED', True)
    >>> result.solution.coef.round(12) + 0.0
    array([1., 0., 0.])
    """

    solution: Any
    status: Status
    n_iter: int
    certificate: Mapping[str, float]
    trace: Trace
    setup_time: float
    solve_time: float
    backend: Choice

    def __repr__(self) -> str:
        certificate = ", ".join(f"{name}={value:.2e}" for name, value in self.certificate.items())
        seconds = self.setup_time + self.solve_time
        name = type(self.solution).__name__
        return f"Result({self.status.name}, {certificate}, n_iter={self.n_iter}, {seconds:.3g} s, solution={name})"

    @property
    def converged(self) -> bool:
        """True when the certificate holds at the tolerance asked for."""
        return self.status is Status.CONVERGED
