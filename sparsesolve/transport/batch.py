"""Many small problems of one shape at once: the whole of the easy ones in one compiled loop, on threads."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from ..backends.jit import kernel
from ..backends.threads import run_chunks
from ..exceptions import warn_caller
from ..result import Result, Status, Trace
from ..streams import map_in_order
from . import scaling
from .coupling import Coupling
from .options import Options, check_options
from .passes import store_kernel
from .problem import Posed, pose
from .solver import DIRECT_RATIO, solve

# Problems of a chunk, and of what is sent to a worker at once.
_CHUNK = 16
_SENT = 4 * _CHUNK
# Entries of a kernel that one problem may read before it is handed to the general solver.
_WORK = 1e8


class BatchSolution(NamedTuple):
    """The answers of `entropic_transport_batch`.

    Attributes
    ----------
    potentials : tuple of ndarray of shape (n_problems, n) and (n_problems, m)
        As of `TransportSolution`, one row a problem.
    marginal_error : ndarray of shape (n_problems,)
    objective : ndarray of shape (n_problems,)
    cost : ndarray of shape (n_problems,)
    couplings : tuple of Coupling
        The plans, made on demand.
    """

    potentials: tuple[np.ndarray, np.ndarray]
    marginal_error: np.ndarray
    objective: np.ndarray
    couplings: tuple[Coupling, ...]

    @property
    def cost(self) -> np.ndarray:
        """What each plan costs, without the regularisation."""
        return np.array([coupling.cost for coupling in self.couplings])

    def dense_plans(self) -> np.ndarray:
        """All plans as an array of shape (n_problems, n, m)."""
        return np.stack([coupling.dense() for coupling in self.couplings])


@kernel
def _solve_directly(costs, a, b, reg, tol, f, g, errors, start, stop):
    """Sweeps and Newton steps at reg itself, for the problems start to stop; inf is left as the error of a failure."""
    n, m = costs.shape[1:]
    K = np.empty((n, m))
    single = np.empty((n, m), np.float32)
    share = np.ones(m)
    for problem in range(start, stop):
        cost = costs[problem]
        f[problem] = cost.min()
        g[problem] = 0.0
        u, v = np.empty(n), np.ones(m)
        rows, columns = np.empty(n), np.zeros(m)
        store_kernel(
            cost, a[problem], 0.0, f[problem], g[problem], reg, 0.0, share, K, u, rows, columns, 0, n
        )
        counts, memory = np.zeros(5, np.int64), np.zeros(7)
        memory[scaling.SHIFT] = 1e-8
        status, error = scaling.scale(
            K, single, a[problem], b[problem], 0.0, u, v, rows, columns, tol, True, 0.0, _WORK, counts, memory
        )
        errors[problem] = error if status == scaling.DONE else np.inf
        f[problem] += reg * np.log(u)
        g[problem] += reg * np.log(v)


def entropic_transport_batch(
    a,
    b,
    C,
    reg,
    *,
    solver="auto",
    tol=1e-9,
    max_iter=1000,
    max_time=None,
    backend="auto",
    scheduler="serial",
) -> Result:
    """Solve many transport problems of the same shape.

    Small problems are lost to the overhead of calls; here one compiled loop solves all those that are easy (range of
    the costs up to 150 reg), and `entropic_transport` the others.

    Parameters
    ----------
    a : array of shape (n_problems, n) or (n,)
    b : array of shape (n_problems, m) or (m,)
        Weights, as of `entropic_transport`; one row stands for all problems.
    C : array of shape (n_problems, n, m) or (n, m)
    reg : float
    solver, tol, max_iter, max_time, backend
        As of `entropic_transport`, for each problem.
    scheduler : {"serial", "threads", "dask"} or dask.distributed.Client, default="serial"
        Where problems are solved: "serial" is this process, easy problems on threads; "threads" hard ones, too, side
        by side; else the workers of a client, "dask" standing for the current one. The answers are the same.

    Returns
    -------
    Result
        ``solution`` is a `BatchSolution`; the status is that of the worst problem, the certificate's
        ``marginal_error`` the largest.

    Raises
    ------
    ValueError
        For bad arguments; the message names the argument, its value and the mend.

    Examples
    --------
    >>> import numpy as np
    >>> from sparsesolve.transport import entropic_transport_batch
    >>> C = np.random.default_rng(0).random((100, 8, 9))
    >>> result = entropic_transport_batch(np.full(8, 1 / 8), np.full(9, 1 / 9), C, 0.05)
    >>> result.status.name, result.solution.potentials[0].shape
    ('CONVERGED', (100, 8))
    """
    options = check_options(solver, tol, max_iter, max_time, backend, pairs=None)
    tol = options.tol
    posed = _posed(a, b, C, reg)
    started = time.perf_counter()
    pieces = [posed[k : k + _SENT] for k in range(0, len(posed), _SENT)] if scheduler != "serial" else [posed]
    found = list(map_in_order(_Solver(options), pieces, scheduler=scheduler))
    f, g, errors = (np.concatenate([getattr(one, name) for one in found]) for name in ("f", "g", "errors"))
    setup = min(sum(one.setup for one in found), time.perf_counter() - started)
    worst = next(
        (one.worst for one in reversed(found) if one.worst is not Status.CONVERGED), Status.CONVERGED
    )
    couplings = tuple(Coupling(one.full, f[k], g[k]) for k, one in enumerate(posed))
    values = np.array([one.value(f[k], g[k]) for k, one in enumerate(posed)])
    failed = int(np.count_nonzero(errors > tol))
    if failed:
        warn_caller(
            f"{worst.name}: {failed} of {len(posed)} problems did not reach tol={tol:.1e}; the largest marginal error "
            f"is {errors.max():.1e}. {worst.help}"
        )
    records = {"iteration": np.arange(1, len(posed) + 1), "time": np.full(len(posed), np.nan)}
    trace = Trace(records | {"objective": values, "certificate": errors})
    certificate = {"marginal_error": float(errors.max())}
    solution = BatchSolution((f, g), errors, values, couplings)
    total = time.perf_counter() - started
    return Result(solution, worst, len(posed), certificate, trace, setup, total - setup, options.choice)


class _Found(NamedTuple):
    """Potentials and errors of some problems, the status of the worst, and the seconds of the compiled loop."""

    f: np.ndarray
    g: np.ndarray
    errors: np.ndarray
    worst: Status
    setup: float


@dataclass(frozen=True)
class _Solver:
    """Solves some problems of one shape."""

    options: Options

    def __call__(self, posed: list[Posed]) -> _Found:
        started = time.perf_counter()
        tol = self.options.tol
        f, g, errors = _easy_ones(posed, self.options.solver, tol)
        setup = time.perf_counter() - started
        worst = Status.CONVERGED
        for number in np.flatnonzero(~(errors <= tol)):
            result = solve(posed[number], self.options, quiet=True)
            f[number], g[number] = result.solution.potentials
            errors[number] = result.solution.marginal_error
            worst = worst if result.converged else result.status
        return _Found(f, g, errors, worst, setup)


def _posed(a, b, C, reg) -> list[Posed]:
    C, a, b = np.asarray(C), np.asarray(a), np.asarray(b)
    if C.ndim not in (2, 3) or a.ndim not in (1, 2) or b.ndim not in (1, 2):
        raise ValueError(
            f"a, b and C have shapes {a.shape}, {b.shape} and {C.shape}: give (n_problems, n), (n_problems, m) and "
            "(n_problems, n, m), each with or without its first axis."
        )
    sizes = {array.shape[0] for array, single in ((a, 1), (b, 1), (C, 2)) if array.ndim > single}
    if len(sizes) > 1:
        raise ValueError(f"a, b and C hold {sorted(sizes)} problems: all need the same number.")
    count = sizes.pop() if sizes else 1
    if count == 0:
        raise ValueError("there is no problem to solve: the first axis is empty.")

    def pick(array, single, k):
        return array[k] if array.ndim > single else array

    return [pose(pick(a, 1, k), pick(b, 1, k), pick(C, 2, k), reg, None) for k in range(count)]


def _easy_ones(posed: list[Posed], solver: str, tol: float):
    """Potentials of all problems, and errors: inf for those that the general solver must solve."""
    n, m = posed[0].full.cost.shape
    f, g = np.zeros((len(posed), n)), np.zeros((len(posed), m))
    errors = np.full(len(posed), np.inf)
    easy = [k for k, one in enumerate(posed) if solver == "auto" and one.is_easy(DIRECT_RATIO, tol)]
    if not easy:
        return f, g, errors
    problems = [posed[k].reduced for k in easy]
    costs = np.stack([problem.cost.source for problem in problems])
    a, b = np.stack([problem.a for problem in problems]), np.stack([problem.b for problem in problems])
    own_f, own_g, own_errors = np.empty(a.shape), np.empty(b.shape), np.empty(len(easy))
    reg = problems[0].reg

    def task(chunk):
        start, stop = _CHUNK * chunk, min(_CHUNK * (chunk + 1), len(easy))
        _solve_directly(costs, a, b, reg, 0.95 * tol, own_f, own_g, own_errors, start, stop)

    run_chunks(task, -(-len(easy) // _CHUNK))
    for k, number in enumerate(easy):
        f[number], g[number] = posed[number].lift(own_f[k], own_g[k])
        errors[number] = own_errors[k] + problems[k].rounding(own_f[k], own_g[k])
    return f, g, errors
