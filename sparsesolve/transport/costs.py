"""Costs of moving mass: a stored matrix, or points whose costs are computed row by row when they are needed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from ..backends.threads import run_chunks
from ..operators import cost_rows
from ..validation import check_choice, check_matrix
from . import passes

_METRICS = {
    "sqeuclidean": cost_rows.SQEUCLIDEAN,
    "euclidean": cost_rows.EUCLIDEAN,
    "cityblock": cost_rows.CITYBLOCK,
    "cosine": cost_rows.COSINE,
}
_ALIASES = {"l1": "cityblock", "manhattan": "cityblock", "l2": "euclidean"}
#: Names of the metrics.
METRICS = (*_METRICS, *_ALIASES)

# Pairs of a chunk: large enough that a thread pays, and a function of the shape alone.
_CHUNK = 1 << 20
_SAMPLED_ROWS = 64


class PointCloudCost:
    """Costs between two sets of points, never stored as a matrix.

    Parameters
    ----------
    X : array of shape (n, d)
    Y : array of shape (m, d)
    metric : {"sqeuclidean", "euclidean", "cityblock", "cosine"}, default="sqeuclidean"
        "l1" and "manhattan" are names for "cityblock", "l2" is one for "euclidean".

    Raises
    ------
    ValueError
        For points that are not finite, sets of different dimension, an unknown metric, or a zero vector with
        "cosine".

    Examples
    --------
    >>> import numpy as np
    >>> from sparsesolve.transport import PointCloudCost
    >>> PointCloudCost(np.zeros((3, 2)), np.ones((4, 2))).toarray()[0]
    array([2., 2., 2., 2.])
    """

    def __init__(self, X, Y, metric="sqeuclidean"):
        check_choice("metric", metric, METRICS)
        self.metric = _ALIASES.get(metric, metric)
        self.X = np.array(check_matrix("X", X), dtype=np.float64, order="C")
        self.Y = np.array(check_matrix("Y", Y), dtype=np.float64, order="C")
        if self.X.shape[1] != self.Y.shape[1]:
            raise ValueError(
                f"X has {self.X.shape[1]} coordinates a point, but Y has {self.Y.shape[1]}: "
                "both need the same."
            )
        if self.metric == "cosine":
            self.X, self.Y = _unit_rows("X", self.X), _unit_rows("Y", self.Y)

    @property
    def shape(self) -> tuple[int, int]:
        """Numbers of points."""
        return self.X.shape[0], self.Y.shape[0]

    def toarray(self) -> np.ndarray:
        """The costs as an array of shape (n, m)."""
        return Cost(self._source, self.shape, 0.0, 0.0).matrix()

    def select(self, rows: np.ndarray, columns: np.ndarray) -> PointCloudCost:
        """The costs between some of the points."""
        chosen = object.__new__(PointCloudCost)
        chosen.metric, chosen.X, chosen.Y = self.metric, self.X[rows], self.Y[columns]
        return chosen

    @property
    def _source(self):
        return self.X, np.ascontiguousarray(self.Y.T), _METRICS[self.metric]


def _unit_rows(name, points):
    lengths = np.linalg.norm(points, axis=1)
    if not lengths.all():
        raise ValueError(
            f"{name}[{int(lengths.argmin())}] is a zero vector, which has no angle: use another metric."
        )
    return points / lengths[:, None]


@dataclass(frozen=True)
class Cost:
    """A cost as the solvers see it: rows that kernels can ask for.

    Attributes
    ----------
    source : array of shape (n, m), or tuple (X, Y.T, metric code)
        What kernels take.
    shape : tuple of int
    low, high : float
        Least and largest cost; for points estimated from some of the rows.
    points : PointCloudCost, optional
        Where the costs come from: a pickle holds these, and not the matrix.
    """

    source: Any
    shape: tuple[int, int]
    low: float
    high: float
    points: PointCloudCost | None = None

    def __reduce__(self):
        if self.points is not None:
            return of_points, (self.points, self.is_stored)
        return Cost, (self.source, self.shape, self.low, self.high)

    @property
    def is_stored(self) -> bool:
        """Whether the matrix lies in memory."""
        return isinstance(self.source, np.ndarray)

    @property
    def size(self) -> float:
        """Largest magnitude of a cost."""
        return max(abs(self.low), abs(self.high))

    def matrix(self) -> np.ndarray:
        """All costs as an array of shape (n, m)."""
        if self.is_stored:
            return self.source
        rows = np.empty(self.shape)
        x, y, metric = self.source
        for i, row in enumerate(rows):
            cost_rows.point_costs(x[i], y, metric, row)
        return rows

    @cached_property
    def _bounds(self) -> list[tuple[int, int]]:
        n, m = self.shape
        step = max(1, -(-_CHUNK // m))
        return [(start, min(start + step, n)) for start in range(0, n, step)]

    def each_chunk(self, task: Callable[[int, int, np.ndarray], object], columns: np.ndarray) -> list:
        """Call ``task(start, stop, partial)`` for chunks of rows on threads; columns becomes the sum of the partials.

        Returns the results in the order of the chunks.
        """
        bounds = self._bounds
        if len(bounds) == 1:
            columns[:] = 0.0
            return [task(0, self.shape[0], columns)]
        partials = np.zeros((len(bounds), columns.size))
        results = run_chunks(lambda chunk: task(*bounds[chunk], partials[chunk]), len(bounds))
        np.sum(partials, axis=0, out=columns)
        return results

    def log_column_sums(self, f: np.ndarray, reg: float) -> np.ndarray:
        """Reg log sum_i exp((f_i - cost_ij) / reg) for every column, safe from overflow and underflow."""
        gains = np.full(self.shape[1], -np.inf)
        sums = np.zeros(self.shape[1])
        passes.largest_gains(self.source, f, gains, 0, self.shape[0])
        passes.shifted_column_sums(self.source, f, gains, reg, sums, 0, self.shape[0])
        return gains + reg * np.log(sums)


def from_matrix(C: np.ndarray) -> Cost:
    """A float64 matrix in C order."""
    return Cost(C, C.shape, float(C.min()), float(C.max()))


def of_points(points: PointCloudCost, stored: bool) -> Cost:
    """Points, their costs stored as a matrix or not; if not, the range of the costs is looked up in some rows."""
    source = points._source
    if stored:
        C = Cost(source, points.shape, 0.0, 0.0).matrix()
        return Cost(C, C.shape, float(C.min()), float(C.max()), points)
    picked = np.linspace(0, points.shape[0] - 1, min(_SAMPLED_ROWS, points.shape[0])).astype(np.int64)
    row = np.empty(points.shape[1])
    low, high = np.inf, -np.inf
    for i in picked:
        cost_rows.point_costs(points.X[i], source[1], source[2], row)
        low, high = min(low, row.min()), max(high, row.max())
    return Cost(source, points.shape, float(low), float(high), points)
