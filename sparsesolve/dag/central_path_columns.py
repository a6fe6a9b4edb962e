"""Newton's method on one column of weights after the other: the fast inner solver of the central path.

Given the other columns, a stage's problem for one column is convex, with the border of the domain as its barrier
(`central_path_columns_kernels`). So rounds over the columns lower the objective at each visit, and never leave the
domain; the inverse follows by changes of rank one.

A stage has many local minima. Which one is met depends on the way: full steps let the first column of a cycle take
all, where Adam lets the weights of both directions move side by side. So several courses run from the same start, and
the lowest end is kept, and refined: in some, a column may at first change only a little in a visit, or mu falls bit by
bit, and the order of the columns turns around from round to round. That order is the one of their variances, so that
the order in which the data has them does not matter.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from ..driver import TICK
from .central_path_columns_kernels import visit_columns
from .central_path_stage import Stage
from .concomitant import residual_variances
from .log_determinant import invert_transposed

_MOST_ROUNDS = 2000
_GROWTH = 1.1
_PIECE = 64


class Course(NamedTuple):
    """How the rounds of a stage go.

    Attributes
    ----------
    reach : float
        Largest change of a weight in one visit, in the first rounds; then it grows.
    rounds : int
        How many rounds that are.
    alternate : bool
        Whether every other round, from the first on, goes from large to small variances; else none.
    hot : float
        What mu is multiplied with at first; it falls to 1 in those rounds.
    """

    reach: float
    rounds: int
    alternate: bool
    hot: float = 1.0


COURSES = (
    Course(0.1, 10, True),
    Course(0.03, 20, True),
    Course(math.inf, 20, True, hot=10.0),
    Course(math.inf, 0, False),
)
REFINE = Course(math.inf, 0, True)
_ROUGH, _FINE = 0.1, 1e-3  # precision of a column's gradient, relative to mu alpha
_LOOSER, _CLOSER = 30.0, 1e-2  # a course's tolerance, and that of the last stage's end, in units of tol


def column_newton(
    stage: Stage, weights: np.ndarray, tol: float, *, first: bool = False, last: bool = True
) -> Iterator[tuple[np.ndarray, float, bool] | None]:
    """Solve a stage by each course, from the same weights.

    Parameters
    ----------
    stage : Stage
    weights : ndarray of float64, shape (d, d)
        In the stage's domain.
    tol : float
        The lowest end is refined until a round lowers the objective by this share or less. Courses end earlier.
    first, last : bool
        Whether it is the first stage, where one course will do, and the last, whose end is refined further.

    Yields
    ------
    tuple or None
        After each course, and once more when the lowest end was refined: its weights, the share by which the
        objective fell in the last round, and whether that is all. None between the rounds.
    """
    best, value, change = weights, math.inf, 1.0
    for course in COURSES[:1] if first else COURSES:
        for news in _run(stage, weights, course, _LOOSER * tol, _ROUGH):
            if news is TICK:
                yield TICK
            elif news[1] < value:
                best, value, change = news
        yield best, change, False
    tol, precision = (_CLOSER * tol, _FINE) if last else (tol, _ROUGH)
    for news in _run(stage, best, REFINE, tol, precision):
        if news is TICK:
            yield TICK
        else:
            best, value, change = news
    yield best, change, True


def _run(
    stage: Stage, weights: np.ndarray, course: Course, tol: float, precision: float
) -> Iterator[tuple[np.ndarray, float, float] | None]:
    """Yield None between the rounds, and at the end the weights, the objective and its last change."""
    C, d = stage.C, len(stage.C)
    upwards = np.argsort(np.diag(C), kind="stable")
    downwards = upwards[::-1].copy()
    parents = np.ascontiguousarray(stage.allowed.T)
    last, value, change = weights, math.inf, 1.0
    rows, inverse = np.ascontiguousarray(weights.T), np.empty((d, d))
    bounded = 1
    for count in range(_MOST_ROUNDS):
        h = invert_transposed(rows.T, stage.s, inverse)
        W = np.ascontiguousarray(rows.T)
        variances = residual_variances(C, W)
        now = stage.value(W, variances, stage.scales(variances), h)
        if course.hot > 1.0 and count <= course.rounds:  # the rounds before had another mu
            value, bounded = math.inf, 1
        if not now < value:  # rounding, at the end
            change = 0.0
            break
        change = (value - now) / abs(now) if value < math.inf else 1.0
        last, value = W, now
        if bounded == 0 and change <= tol:
            break
        reach = course.reach * _GROWTH ** max(count - course.rounds, 0)
        order = downwards if course.alternate and count % 2 == 0 else upwards
        heat = course.hot ** (1.0 - (count + 1) / course.rounds) if count < course.rounds else 1.0
        rows_of_inverse = np.ascontiguousarray(inverse.T)
        bounded = 0
        for first in range(0, d, _PIECE):
            bounded += visit_columns(
                C, parents, stage.floors, stage.noise == "equal", heat * stage.mu, stage.alpha, precision,
                reach, rows, variances, rows_of_inverse, order, first, min(first + _PIECE, d),
            )  # fmt: skip
            yield TICK
    yield last, value, change
