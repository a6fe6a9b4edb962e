"""The options that every way to a least squares fit shares, checked once."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from ..random import as_key
from ..validation import check_choice, check_count, check_real, check_weights
from .sketch_size import CalibratedSize, check_sketch_size, next_power_of_two

SOLVERS = ("auto", "gram", "cqrrt", "spir", "fossils", "sketch-and-solve", "direct")
SKETCHES = (
    "srht",
    "gaussian",
    "rademacher",
    "countsketch",
    "sparse-sign",
    "leverage",
    "padded-srht",
    "multisketch",
)
# Rows of the sketch, as multiples of the unknowns: to solve it, to iterate with it, and to look at the problem.
_SOLVED_ROWS, ITERATIVE_ROWS, _PREVIEW_ROWS = 16, 12, 2
# Fewer rows than this lose the rank of a few columns too often.
_FEWEST_ROWS = 64


class Options(NamedTuple):
    """Checked options of a fit."""

    solver: str
    sketch: Any
    sketch_size: object
    tol: float | None
    max_iter: int
    max_time: float | None
    key: int
    backend: str


def check_options(solver, sketch, sketch_size, tol, max_iter, max_time, random_state, backend) -> Options:
    """Check the options that `lstsq` and the estimator share."""
    check_choice("solver", solver, SOLVERS)
    if not callable(sketch):
        check_choice("sketch", sketch, SKETCHES)
    check_sketch_size(sketch_size)
    tol = None if tol is None else check_real("tol", tol, minimum=0)
    max_iter = check_count("max_iter", max_iter)
    max_time = None if max_time is None else check_real("max_time", max_time, minimum=0)
    return Options(solver, sketch, sketch_size, tol, max_iter, max_time, as_key(random_state), backend)


def root_weights(sample_weight, n_rows: int) -> np.ndarray | None:
    """Square roots of the weights; None for none."""
    weights = check_weights("sample_weight", sample_weight, n_rows)
    return None if weights is None else np.sqrt(weights)


def solved_sketch_rows(options: Options, width: int, n_rows: int) -> int:
    """Rows of the sketch that "sketch-and-solve" solves, at most those of the matrix."""
    size = options.sketch_size
    if isinstance(size, CalibratedSize):
        rows = size.rows(width)
    else:
        rows = next_power_of_two(_SOLVED_ROWS * width) if size == "auto" else int(size)
    if rows <= width:
        raise ValueError(
            f"sketch_size={rows} must exceed the number of unknowns, {width}: the sketch is solved."
        )
    return min(rows, n_rows)


def preconditioner_rows(options: Options, width: int, n_rows: int, iterative: bool = False) -> int:
    """Rows of the sketch that looks at the problem, and that iterations are preconditioned with."""
    size = options.sketch_size
    if isinstance(size, CalibratedSize):
        rows = size.rows(width)
    elif size != "auto":
        rows = max(int(size), _PREVIEW_ROWS * width)
    elif iterative:
        rows = ITERATIVE_ROWS * width
    else:
        rows = next_power_of_two(_PREVIEW_ROWS * width)  # a block SRHT wastes no row of a power of two
    return min(max(rows, _FEWEST_ROWS), n_rows)
