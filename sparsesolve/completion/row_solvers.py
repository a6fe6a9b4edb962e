"""The menu of solvers of the rows' regressions, and the half sweep that uses one of them."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from ..backends.threads import run_chunks, single_threaded_blas
from ..random import Stream
from .gram_kernels import cholesky_rows
from .regressions import Regressions
from .row_kernels import cg_rows, dual_rows, measure_rows
from .sketch_kernels import sketch_rows
from .vectors import lanes_of, padded
from .whitening import transform, whiten

INNER = ("auto", "cholesky", "cg", "sketch")
_BUCKETS = 4
_MAX_STEPS = 100
# Pivots below this share of the diagonal are lost to rounding.
_LEAST = {4: 1e-5, 8: 1e-12}
_LARGE = {4: 1e15, 8: 1e100}


class Sums(NamedTuple):
    """What a half sweep learns on the way.

    Attributes
    ----------
    squares : float
        Weighted sum of squared residuals before it.
    before, after : float
        Squared length of the gradient in the metric of the preconditioner, before it and after it.
    """

    squares: float
    before: float
    after: float


class Pass(NamedTuple):
    """The regressions of one half sweep, in whitened coordinates.

    Attributes
    ----------
    side : Regressions
    active : int
        Unknowns of each row.
    penalties : ndarray of float64, shape (m,)
    ridge : ndarray of float64, shape (active,)
    B, rough : ndarray of shape (n, active, padded)
        The rows to regress on; `rough` is a copy in float32, or B itself.
    X : ndarray of shape (m, active)
        Starts, overwritten by the answers.
    failed : ndarray of bool, shape (m,)
        Set where a direct solver lost a pivot.
    common : tuple
        The arguments with which all kernels go on after the rows.
    """

    side: Regressions
    active: int
    penalties: np.ndarray
    ridge: np.ndarray
    B: np.ndarray
    rough: np.ndarray
    X: np.ndarray
    failed: np.ndarray
    common: tuple


#: Solves the rows of a piece in place, and returns the three sums.
RowSolver = Callable[[Pass, np.ndarray], tuple]


@single_threaded_blas()
def half_sweep(
    side: Regressions,
    masses: np.ndarray,
    A: np.ndarray,
    B: np.ndarray,
    solver: RowSolver,
    mixed: bool = False,
) -> tuple[np.ndarray, Sums]:
    """Solve for all rows of A on the factor B; rows with fewer entries than unknowns in the dual.

    Parameters
    ----------
    side : Regressions
        Its precision is that of the arithmetic.
    masses : ndarray of shape (n,)
        Sums of weights of the rows of B.
    A : ndarray of float64, shape (m, rank)
        Where the iterative solvers start.
    B : ndarray of float64, shape (n, rank)
    solver : callable
        From `make_solver`.
    mixed : bool
        Whether iterative solvers take their steps in float32, from residuals in float64.

    Returns
    -------
    A : ndarray of shape (m, rank)
        Rows without entries are zero.
    sums : Sums
    """
    white = whiten(B, side.metric_masses(masses), side.regularised)
    if white.active == 0:
        return np.zeros_like(A), Sums(side.energy, 0.0, 0.0)
    start = transform(A, white.backward.T, side.dtype)
    design = transform(B, white.forward, side.dtype, pad=True)
    (X,), sums = side.over(_solved, (start,), (design,), (white.ridge, solver, mixed))
    return transform(X, white.forward.T), Sums(*sums)


@single_threaded_blas()
def gradient_sums(side: Regressions, masses, A, B) -> Sums:
    """The sums at (A, B) in the regressions' precision, nothing solved; O(entries rank)."""
    white = whiten(B, side.metric_masses(masses), side.regularised)
    if white.active == 0:
        return Sums(side.energy, 0.0, 0.0)
    start = transform(A, white.backward.T, side.dtype)
    design = transform(B, white.forward, side.dtype, pad=True)
    _, sums = side.over(_measured, (start,), (design,), (white.ridge,))
    return Sums(*sums)


def _solved(side: Regressions, X, design, ridge, solver: RowSolver, mixed: bool):
    """The answers of these rows, in place of their starts, and the sums."""
    problem = _whitened(side, X, design, ridge, mixed)
    X[side.empty] = 0.0
    short = [(dual, piece) for piece in side.chunks(1, problem.active)]
    sums = _run(problem, short + [(solver, piece) for piece in side.chunks(problem.active)])
    _repair(problem)
    return (X,), sums


def _measured(side: Regressions, X, design, ridge):
    problem = _whitened(side, X, design, ridge, False)
    return (), _run(problem, [(_measure, piece) for piece in side.chunks(1)])


def _whitened(side: Regressions, X, design, ridge, mixed: bool) -> Pass:
    dtype, active = side.dtype, len(ridge)
    rough = design
    if mixed:
        rough = np.zeros((len(design), padded(active, np.float32)), np.float32)
        rough[:, :active] = design[:, :active]
    # Directions in which B all but vanishes keep their unknowns at zero; their ridge must not leave the range.
    ridge = ridge.clip(max=_LARGE[dtype.itemsize] / max(1.0, side.heaviest))
    penalties, ridge = side.whole_ridge(ridge, len(design))
    common = (*side.side, side.masses.astype(dtype), penalties.astype(dtype), ridge.astype(dtype), design)
    return Pass(side, active, penalties, ridge, design, rough, X, np.zeros(len(X), np.bool_), common)


def _run(problem: Pass, work) -> tuple[float, ...]:
    """Run solvers on pieces, side by side; the sums are added in the order of the pieces."""
    parts = run_chunks(lambda number: work[number][0](problem, work[number][1]), len(work))
    return tuple(float(sum(part[place] for part in parts)) for place in range(3))


def choose(inner: str, side: Regressions, rank: int, cg_steps: int) -> str:
    """The solver that `inner` names; "auto" takes the one with the fewest vector operations."""
    if inner != "auto":
        return inner
    cost = costs(side.n_entries, side.n_rows, rank, side.dtype, cg_steps)
    return min(cost, key=cost.__getitem__)


def costs(n_entries: int, n_rows: int, rank: int, dtype, cg_steps: int) -> dict[str, float]:
    """Modelled cost of a half sweep by each solver, in vector multiplications.

    Counts, with the overheads that were measured on a machine with vectors of 64 bytes. The model is fixed rather than
    timed on each machine, so that the choice, and with it every bit of the answer, is the same from run to run.
    """
    lanes, width = lanes_of(dtype), padded(rank, dtype)
    tiles = sum(
        min(-(-rank // 4) * 4, column + lanes) * (1 + 1 / 12) + 1 for column in range(0, width, lanes)
    )
    factor = (rank**3 / 6 + 3 * rank**2) * 2 / lanes + rank**2
    a_pass = 2.0 * width / lanes * 1.5 + 6.0
    return {
        "cholesky": n_entries * tiles + n_rows * factor,
        "cg": (1 + cg_steps) * n_entries * a_pass + n_rows * 10.0 * rank,
    }


def make_solver(
    name: str, cg_steps: int = 2, accuracy: float = 0.1, key: int = 0, sweep: int = 0
) -> RowSolver:
    """The solver of that name.

    Parameters
    ----------
    name : {"cholesky", "cg", "sketch"}
    cg_steps : int
        Steps of conjugate gradients a row.
    accuracy : float
        Where "sketch" stops: the preconditioned gradient relative to the row's data.
    key, sweep : int
        What the sketches are drawn from.
    """
    solvers: dict[str, RowSolver] = {
        "cholesky": cholesky,
        "cg": functools.partial(_cg, cg_steps),
        "sketch": functools.partial(_sketch, accuracy, key, sweep),
    }
    return solvers[name]


def cholesky(problem: Pass, piece):
    """Gram matrices and Cholesky factors: exact to rounding; O(entries rank^2 + rows rank^3)."""
    kind = problem.B.dtype.type
    least = kind(_LEAST[problem.B.itemsize])
    squares, before, after = cholesky_rows(
        piece, *problem.common, problem.active, least, problem.X, problem.failed
    )
    return squares + problem.side.energies[piece].sum(), before, after


def dual(problem: Pass, piece):
    """Rows with fewer entries than unknowns; O(entries_i^2 rank) each."""
    least = _LEAST[problem.B.itemsize]
    return dual_rows(piece, *problem.common, problem.active, least, problem.X, problem.failed)


def _measure(problem: Pass, piece):
    return measure_rows(piece, *problem.common, problem.active, problem.X)


def _cg(steps, problem: Pass, piece):
    same = problem.rough.dtype == problem.B.dtype
    weights = problem.side.side.weights if same else problem.side.rough_weights
    zero = problem.B.dtype.type(0)
    return cg_rows(piece, *problem.common, problem.rough, weights, problem.active, steps, zero, problem.X)


def _sketch(accuracy, key, sweep, problem: Pass, piece):
    buckets, stream = _BUCKETS * problem.active, int(Stream.SPARSE_SIGN)
    draw = (problem.active, buckets, np.uint64(key), stream, sweep)
    return sketch_rows(piece, *problem.common, *draw, accuracy, _MAX_STEPS, problem.X)


def _repair(problem: Pass) -> None:
    """Solve anew, by a singular value decomposition in float64, the rows whose pivots were lost."""
    entries = problem.side.side
    for i in np.flatnonzero(problem.failed):
        own = slice(int(entries.starts[i]), int(entries.starts[i + 1]))
        design, data = problem.B[entries.others[own], : problem.active].astype(float), entries.values[own]
        if entries.weights.size:
            roots = np.sqrt(entries.weights[own].astype(float))
            design, data = roots[:, None] * design, roots * data
        if problem.penalties[i] > 0.0:
            design = np.vstack([design, np.diag(np.sqrt(problem.penalties[i] * problem.ridge))])
            data = np.concatenate([data, np.zeros(problem.active)])
        problem.X[i] = np.linalg.lstsq(design, data, rcond=4.0 * np.finfo(problem.B.dtype).eps)[0]
