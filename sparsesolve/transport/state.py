"""The state of a solve: potentials, what is stored for them, and the passes that bring it up to date."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from ..driver import Iterate
from . import passes
from .problem import Problem
from .support import narrow

_COUNTS = ("sweeps", "newton_steps", "cg_steps", "evaluations", "factorisations")
#: Names of the counted work in an iterate's extras.
COUNTED = (*_COUNTS, "dense_passes")
# What is said of an error that has not been measured at the final reg: two probability vectors differ by at most 2.
UNMEASURED = 2.0
# Entries of a support at most, where the cost is not stored: 12 bytes each.
_MOST_ENTRIES = 1 << 24
# No engine aims lower, relative to the mass.
_LEAST_GOAL = 1e-16
# Nothing below this share of the mass is looked for.
_LEAST_SHARE = 1e-19


@dataclass(frozen=True)
class Support:
    """Entries in CSR form, with their costs.

    Attributes
    ----------
    starts, indices, costs : ndarray
    width : float
        Entries left out have a reduced cost cost - f - g above this (and the allowance for small weights) at the
        potentials `f`, `g`.
    f, g : ndarray
    """

    starts: np.ndarray
    indices: np.ndarray
    costs: np.ndarray
    width: float
    f: np.ndarray
    g: np.ndarray

    @property
    def size(self) -> int:
        """Number of entries."""
        return int(self.starts[-1])

    def column_counts(self, n_columns: int) -> np.ndarray:
        """Numbers of entries of the columns."""
        return np.bincount(self.indices, minlength=n_columns)

    def reaches(self, f: np.ndarray, g: np.ndarray) -> float:
        """Reduced cost up to which no entry is missing at these potentials."""
        return self.width - float((f - self.f).max() + (g - self.g).max())


#: A support that holds nothing, and reaches nowhere.
NOTHING = Support(
    np.zeros(1, np.int64), np.empty(0, np.uint32), np.empty(0), -np.inf, np.zeros(1), np.zeros(1)
)


@dataclass(frozen=True)
class Active:
    """The part of a wide support that matters now.

    Attributes
    ----------
    starts, indices, costs : ndarray
        As in `Support`.
    asleep : ndarray of bool
        The entries of the wide support that are not in it.
    row_limits, column_limits : ndarray
        Reduced costs, in two parts, up to which entries were taken.
    """

    starts: np.ndarray
    indices: np.ndarray
    costs: np.ndarray
    asleep: np.ndarray
    row_limits: np.ndarray
    column_limits: np.ndarray

    @property
    def size(self) -> int:
        """Number of entries."""
        return int(self.starts[-1])


@dataclass
class State:
    """What the engines share and change."""

    problem: Problem
    f: np.ndarray
    g: np.ndarray
    tol: float = 1e-9
    counts: np.ndarray = field(default_factory=lambda: np.zeros(len(_COUNTS), np.int64))
    dense_passes: int = 0
    density: float = 1.0
    engine: str = ""
    wide: Support = NOTHING

    def __post_init__(self) -> None:
        n, m = self.problem.cost.shape
        self.rows = np.empty(n)
        self.columns = np.empty(m)
        self.stored: np.ndarray | None = None
        self.single = np.empty((0, 0), np.float32)
        self.best_error = np.inf
        self.last: tuple[np.ndarray, np.ndarray] | None = None
        self.kernel: tuple[np.ndarray, np.ndarray, np.ndarray] | None = None

    def begin_again(self) -> None:
        """Potentials of a plan that depends on the costs alone."""
        n, m = self.problem.cost.shape
        self.f, self.g = np.full(n, self.problem.cost.low), np.zeros(m)
        self.wide = NOTHING

    @property
    def pairs(self) -> int:
        """Number of entries of a dense plan."""
        n, m = self.problem.cost.shape
        return n * m

    @cached_property
    def row_share(self) -> np.ndarray:
        """What small weights need: the share of the entries that matter for a weight of average size."""
        return np.minimum(1.0, self.problem.cost.shape[0] * self.problem.a)

    @cached_property
    def column_share(self) -> np.ndarray:
        """The same for the columns."""
        return np.minimum(1.0, self.problem.cost.shape[1] * self.problem.b)

    @property
    def goal(self) -> float:
        """Error that the engines aim at, so that with rounding it is within the tolerance."""
        share = 0.95 if self.problem.least_rounding <= 0.02 * self.tol else 0.5
        return max(share * self.tol, _LEAST_GOAL) * self.problem.mass

    def is_exhausted(self) -> bool:
        """Whether an error was reached that rounding alone can make."""
        return self.best_error <= self.problem.rounding(self.f, self.g) * self.problem.mass

    def depth(self, share: float) -> float:
        """-log of the plan entry, below which entries make no more than this share of the mass together."""
        return float(np.log(self.pairs / max(share, _LEAST_SHARE)))

    def room(self) -> np.ndarray:
        """An n x m array for a kernel; one for all stages, as fresh memory costs as much as a pass."""
        if self.stored is None:
            self.stored = np.empty(self.problem.cost.shape)
            self.single = np.empty(self.problem.cost.shape, np.float32)
        return self.stored

    def targets(self) -> np.ndarray:
        """Column sums that the plan should have."""
        return self.problem.targets(self.f, self.g)[1]

    def error(self) -> float:
        """Column error of the last pass; rows are exact after it."""
        return float(np.abs(self.columns - self.targets()).sum())

    def normalise(self, reg: float) -> float:
        """Make the rows exact by a pass over all entries; returns the error."""
        problem = self.problem
        kappa = problem.kappa(reg)

        def task(start, stop, columns):
            passes.normalise_rows(
                problem.cost.source, problem.a, kappa, self.f, self.g, reg, self.rows, columns, start, stop
            )

        problem.cost.each_chunk(task, self.columns)
        self.dense_passes += 1
        return self.error()

    def store_kernel(self, reg: float, share: float, K: np.ndarray, u: np.ndarray) -> None:
        """Fill K, and u that makes its rows exact; density becomes that of the entries that matter, if share > 0."""
        problem = self.problem
        kappa = problem.kappa(reg)
        limit = share / self.pairs
        column_share = self.column_share if share > 0.0 else self.columns

        def task(start, stop, columns):
            return passes.store_kernel(
                problem.cost.source, problem.a, kappa, self.f, self.g, reg, limit, column_share,
                K, u, self.rows, columns, start, stop,
            )  # fmt: skip

        counted = problem.cost.each_chunk(task, self.columns)
        self.density = sum(counted) / self.pairs if share > 0.0 else 1.0
        self.dense_passes += 1

    def truncate(self, reg: float, depth: float, most: float) -> float | None:
        """Make the rows exact, and keep the entries of that depth as the wide support; returns the error.

        None where more than the share `most` of all entries would have to be kept.
        """
        problem = self.problem
        kappa = problem.kappa(reg)
        n, m = problem.cost.shape
        limit = np.exp(-depth)
        parts: dict[int, tuple] = {}

        def task(start, stop, columns):
            capacity = int(most * (stop - start) * m) + 4 * m
            if not problem.cost.is_stored:
                capacity = min(capacity, int(_MOST_ENTRIES * (stop - start) / n) + 4 * m)
            starts = np.empty(stop - start + 1, np.int64)
            indices, costs = np.empty(capacity, np.uint32), np.empty(capacity)
            kept = passes.truncate(
                problem.cost.source, problem.a, kappa, self.f, self.g, reg, limit, self.column_share,
                self.rows, columns, starts, indices, costs, start, stop,
            )  # fmt: skip
            parts[start] = (starts, indices[: max(kept, 0)], costs[: max(kept, 0)])
            return kept

        kept = problem.cost.each_chunk(task, self.columns)
        self.dense_passes += 1
        if min(kept) < 0:
            self.wide = NOTHING
            return None
        starts, indices, costs = _joined([parts[start] for start in sorted(parts)])
        self.wide = Support(starts, indices, costs, reg * depth, self.f.copy(), self.g.copy())
        self.density = self.wide.size / self.pairs
        return self.error()

    def narrowed(self, reg: float, depth: float, most: float) -> Active | None:
        """Entries of the wide support of that depth at the present potentials; None if more than the share `most`."""
        wide = self.wide
        n, m = self.problem.cost.shape
        capacity = min(wide.size, int(most * self.pairs)) + 4 * m
        starts = np.empty(n + 1, np.int64)
        indices, costs = np.empty(capacity, np.uint32), np.empty(capacity)
        row_limits, column_limits = -reg * np.log(self.row_share), reg * (depth - np.log(self.column_share))
        asleep = np.empty(wide.size, np.bool_)
        kept = narrow(
            wide.starts, wide.indices, wide.costs, self.f, self.g, row_limits, column_limits, starts, indices, costs,
            asleep,
        )  # fmt: skip
        if kept < 0:
            return None
        return Active(starts, indices[:kept], costs[:kept], asleep, row_limits, column_limits)

    def iterate(self, reg: float, error: float, goes_on: bool = False) -> Iterate:
        """What the driver sees: the potentials, and their error where it is one of the final problem."""
        measured = reg == self.problem.reg and np.isfinite(error)
        if measured:
            self.best_error = min(self.best_error, error)
        certificate = self._certificate(error) if measured else UNMEASURED
        extras = {
            "reg": reg,
            "stage_error": error,
            "engine": self.engine,
            "density": self.density,
            "dense_passes": self.dense_passes,
            **self.work(),
        }
        objective = self.problem.objective(self.f, self.g, float(self.columns.sum())) if measured else np.nan
        self.last = self.f.copy(), self.g.copy()
        return Iterate(self.last, certificate, objective, extras, goes_on)

    def _certificate(self, error: float) -> float:
        """The error relative to the mass, with what rounding of the potentials adds."""
        rounding = self.problem.rounding(self.f, self.g)
        if rounding <= 0.05 * self.tol or error > self.tol * self.problem.mass:
            return error / self.problem.mass + rounding
        # So near to what float64 can say, only the potentials as they are returned count.
        rows, columns = np.empty_like(self.rows), np.empty_like(self.columns)
        problem = self.problem

        def task(start, stop, partial):
            passes.marginals(problem.cost.source, self.f, self.g, problem.reg, rows, partial, start, stop)

        problem.cost.each_chunk(task, columns)
        self.dense_passes += 1
        row_targets, column_targets = problem.targets(self.f, self.g)
        return float(np.abs(rows - row_targets).sum() + np.abs(columns - column_targets).sum()) / problem.mass

    def work(self) -> dict[str, int]:
        """The counted steps."""
        return dict(zip(_COUNTS, self.counts.tolist(), strict=True))


def _joined(parts) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    if len(parts) == 1:
        return parts[0]
    starts = [parts[0][0]]
    for part in parts[1:]:
        starts.append(part[0][1:] + starts[-1][-1])
    return (
        np.concatenate(starts),
        np.concatenate([part[1] for part in parts]),
        np.concatenate([part[2] for part in parts]),
    )
