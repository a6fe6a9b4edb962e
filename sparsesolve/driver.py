"""The one iteration driver: budget, stopping test, trace, callback, time limit, interrupt.

A solver is a generator. It yields an `Iterate` whenever it holds a solution worth keeping, and `TICK` between
two of them, in long computations, so that a time limit or an interrupt is met soon. It returns when it can do no
more, with a `Status` where it knows better than "no further progress". Everything else happens here, once.
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Generator, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from .result import Status, Trace

logger = logging.getLogger("sparsesolve")

#: Yielded by a solver to let the driver look at the clock.
TICK = None


@dataclass(frozen=True)
class Iterate:
    """A solution on the way, with the certificate that says how far it has come.

    Attributes
    ----------
    solution : object
        Whatever the solver calls its state; the driver only keeps it.
    certificate : float
        The number that is compared with the tolerance; smaller is better.
    objective : float
        The value of the objective.
    extras : mapping of str to object
        Further columns of the trace.
    goes_on : bool
        True while the solver can still do better cheaply, although the tolerance holds.
    """

    solution: Any
    certificate: float
    objective: float = math.nan
    extras: Mapping[str, Any] = field(default_factory=dict)
    goes_on: bool = False


Solver = Generator[Iterate | None, None, Status | None]


@dataclass(frozen=True)
class Outcome:
    """What `drive` returns: the best iterate, how the run ended, and its trace."""

    best: Iterate
    status: Status
    n_iter: int
    trace: Trace
    setup_time: float
    solve_time: float


def drive(
    solver: Solver,
    *,
    tol: float,
    max_iter: int,
    max_time: float | None = None,
    callback: Callable[[Iterate], Any] | None = None,
    verbose: bool = False,
) -> Outcome:
    """Run a solver until its certificate holds, or a budget ends.

    Parameters
    ----------
    solver : generator
        See the module's text.
    tol : float
        The run is converged once an iterate's certificate is at most this.
    max_iter : int
        Largest number of iterates.
    max_time : float, optional
        Largest number of seconds; the iterate in work is finished first.
    callback : callable, optional
        Called with each `Iterate`; a true value stops the run.
    verbose : bool
        Log each iterate at level INFO on the logger "sparsesolve".

    Returns
    -------
    Outcome

    Raises
    ------
    KeyboardInterrupt
        When the interrupt comes before the first iterate: there is nothing to keep.
    """
    started = time.perf_counter()
    first_at = math.nan
    records: list[dict[str, Any]] = []
    best: Iterate | None = None
    status = Status.STALLED
    try:
        while True:
            try:
                iterate = next(solver)
            except StopIteration as end:
                status = end.value or Status.STALLED
                break
            elapsed = time.perf_counter() - started
            if iterate is not TICK:
                if best is None:
                    first_at = elapsed
                if best is None or iterate.certificate <= best.certificate or math.isnan(best.certificate):
                    best = iterate
                records.append(
                    {
                        "iteration": len(records) + 1,
                        "time": elapsed,
                        "objective": iterate.objective,
                        "certificate": iterate.certificate,
                        **iterate.extras,
                    }
                )
                if verbose:
                    logger.info("iteration %d: certificate %.3e", len(records), iterate.certificate)
                if callback is not None and callback(iterate):
                    status = Status.STOPPED
                    break
                if iterate.certificate <= tol and not iterate.goes_on:
                    break
                if len(records) >= max_iter:
                    status = Status.MAX_ITER
                    break
            if max_time is not None and elapsed > max_time and best is not None:
                status = Status.TIME_LIMIT
                break
    except KeyboardInterrupt:
        if best is None:
            raise
        status = Status.STOPPED
    finally:
        solver.close()
    if best is None:
        raise RuntimeError("the solver ended without an iterate; this is a fault of sparsesolve")
    if best.certificate <= tol:
        status = Status.CONVERGED
    elif not math.isfinite(best.certificate):
        status = Status.NON_FINITE
    total = time.perf_counter() - started
    return Outcome(best, status, len(records), Trace(_Columns(records)), first_at, total - first_at)


class _Columns(Mapping[str, np.ndarray]):
    """The columns of a list of records, made when they are asked for: small problems are solved in less time."""

    def __init__(self, records: list[dict[str, Any]]):
        self._records = records
        self._made: dict[str, np.ndarray] = {}

    def __getitem__(self, name: str) -> np.ndarray:
        if name not in self._made:
            if not any(name in record for record in self._records):
                raise KeyError(name)
            self._made[name] = np.array([record.get(name, math.nan) for record in self._records])
        return self._made[name]

    def __iter__(self) -> Iterator[str]:
        return iter(dict.fromkeys(name for record in self._records for name in record))

    def __len__(self) -> int:
        return sum(1 for _ in self)
