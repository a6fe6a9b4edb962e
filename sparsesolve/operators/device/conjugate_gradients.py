"""Conjugate gradients on a device: in one launch for small systems, else with all scalars kept there."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import scipy.sparse

from ...backends.opencl import Runtime
from ..compressed_rows import check_vector
from .matrix import DeviceCSR
from .systems import DeviceGram, DeviceHessian, DeviceSchur, System

_FILE = "conjugate_gradients.cl"
# Systems up to these sizes are solved by one work group.
_FEW_UNKNOWNS, _FEW_ENTRIES = 20_000, 200_000
# Items of a work group, by form; unknowns that one of them does at least, and groups at most.
_GROUPS = {"cpu": 1, "gpu": 128}
_LEAST_LENGTH, _MOST_GROUPS = 2048, 256
_LOOK_EVERY = 16


class Solved(NamedTuple):
    """What conjugate gradients came to.

    Attributes
    ----------
    x : ndarray of shape (n_unknowns,)
    steps : int, or ndarray of int
    residual : float, or ndarray
        Norm of b - H x, as it was carried along.
    """

    x: np.ndarray
    steps: Any
    residual: Any


def device_cg(
    system: System,
    b: np.ndarray,
    preconditioner: np.ndarray,
    *,
    tolerance: float = 1e-6,
    most_steps: int = 1000,
    rank_one: tuple[float, np.ndarray] | None = None,
    in_one_launch: bool | None = None,
) -> Solved:
    """Solve (H + strength w w') x = b.

    Parameters
    ----------
    system : System
    b : ndarray of shape (size,)
    preconditioner : ndarray of shape (size,)
        The inverse of a diagonal: positive.
    tolerance : float
        Of the residual's norm, relative to that of b.
    most_steps : int
    rank_one : (float, ndarray of shape (size,)), optional
        strength and w.
    in_one_launch : bool, optional
        Whether one work group does everything; by default where the system is small.

    Returns
    -------
    Solved
        The same bits at every run, for any number of threads.

    Notes
    -----
    Of a large system the residual is looked at every 16 steps; those past the goal change nothing.
    """
    runtime, dtype = system.runtime, system.dtype
    strength, w = (0.0, preconditioner) if rank_one is None else rank_one
    if system.size == 0 or most_steps == 0:
        return Solved(np.zeros(system.size, dtype), 0, float(np.linalg.norm(b)))
    right, inverse, along = (
        runtime.input(check_vector(given, system.size, dtype)) for given in (b, preconditioner, w)
    )
    if in_one_launch is None:
        in_one_launch = system.size <= _FEW_UNKNOWNS and system.matrix.n_entries <= _FEW_ENTRIES
    if in_one_launch and _is_whole(system.matrix):
        row_bounds, column_bounds = system.matrix.ends
        found = _whole(
            system,
            row_bounds,
            column_bounds,
            right,
            inverse,
            along,
            dtype.type(strength),
            tolerance,
            most_steps,
        )
        return Solved(found.x, int(found.steps[0]), float(found.residual[0]))
    return _by_steps(system, right, inverse, along, dtype.type(strength), tolerance, most_steps)


def device_cg_batch(
    runtime: Runtime,
    matrices: list,
    diagonals: list[np.ndarray],
    right_sides: list[np.ndarray],
    *,
    kind: str = "hessian",
    scales: list[np.ndarray] | None = None,
    preconditioners: list[np.ndarray],
    tolerance: float = 1e-6,
    most_steps: int = 1000,
) -> list[Solved]:
    """Solve many small systems in one launch, a work group each.

    Parameters
    ----------
    runtime : Runtime
    matrices : list of sparse arrays
    diagonals, scales : lists of ndarray
        As the systems of that kind take them.
    right_sides, preconditioners : lists of ndarray
        As `device_cg` takes them.
    kind : {"hessian", "schur", "gram"}
    tolerance, most_steps
        As of `device_cg`.

    Returns
    -------
    list of Solved
    """
    if not matrices:
        return []
    diagonal_blocks = [scipy.sparse.csr_array(A) for A in matrices]
    stacked = DeviceCSR(runtime, scipy.sparse.block_diag(diagonal_blocks, "csr"), in_blocks=False)
    diagonal, b, preconditioner = (np.concatenate(part) for part in (diagonals, right_sides, preconditioners))
    if kind == "hessian":
        # Of every problem the rows and columns follow one another; only `cg_whole` knows of this order.
        system: System = DeviceHessian(stacked, diagonal)
    else:
        makers = {"schur": DeviceSchur, "gram": DeviceGram}
        system = makers[kind](stacked, np.concatenate([] if scales is None else scales), diagonal)
    inverse = runtime.input(check_vector(preconditioner, system.size, system.dtype))
    rhs = runtime.input(check_vector(b, system.size, system.dtype))
    shapes = np.array([A.shape for A in matrices])
    row_bounds, column_bounds = np.concatenate([[[0, 0]], np.cumsum(shapes, axis=0)]).T
    zero = system.dtype.type(0.0)
    row_ends, column_ends = (runtime.input(ends.astype(np.uint32)) for ends in (row_bounds, column_bounds))
    found = _whole(system, row_ends, column_ends, rhs, inverse, inverse, zero, tolerance, most_steps)
    ends = row_bounds + column_bounds if kind == "hessian" else column_bounds
    return [
        Solved(found.x[ends[k] : ends[k + 1]], int(found.steps[k]), float(found.residual[k]))
        for k in range(len(matrices))
    ]


def _is_whole(matrix):
    sides = [matrix.rows] if matrix.columns is None else [matrix.rows, matrix.columns]
    return all(len(side.parts) == 1 and side.parts[0].n_blocks == 1 for side in sides)


def _whole(system, row_bounds, column_bounds, b, inverse, w, strength, tolerance, most_steps) -> Solved:
    runtime, dtype, matrix = system.runtime, system.dtype, system.matrix
    group, n_problems = _GROUPS[runtime.form], row_bounds.shape[0] - 1
    rows = matrix.rows.parts[0]
    columns = rows if matrix.columns is None else matrix.columns.parts[0]
    out = np.empty(system.size + 2 * n_problems, dtype)
    there = runtime.output(out)
    work = runtime.empty(3 * system.size + matrix.shape[0], dtype)
    run = runtime.kernel(_FILE, "cg_whole", REAL=8 * dtype.itemsize, GROUP=group, SYSTEM=system.code)
    run(
        (group * n_problems,), (group,), rows.starts, rows.indices, rows.values, columns.starts, columns.indices,
        columns.values, row_bounds, column_bounds, system.scale, system.diagonal, inverse, w, strength, b, there, work,
        np.uint32(system.size), dtype.type(tolerance), np.uint32(most_steps),
    )  # fmt: skip
    there.read(out)
    # Steps are exact in float32 up to 2**24, and no one takes so many.
    steps, squares = out[system.size :].reshape(-1, 2).T
    return Solved(out[: system.size], steps.astype(np.int64), np.sqrt(squares))


def _by_steps(system, b, inverse, w, strength, tolerance, most_steps) -> Solved:
    runtime, dtype, size = system.runtime, system.dtype, system.size
    group = _GROUPS[runtime.form]
    length = max(_LEAST_LENGTH, -(-size // _MOST_GROUPS))
    n_groups = -(-size // length)
    x, r, p, q = (runtime.empty(size, dtype) for _ in range(4))
    parts, scalars = runtime.empty(4 * _MOST_GROUPS, dtype), runtime.zeros(6, dtype)
    everyone, block = ((group * n_groups,), (group,)), (np.uint32(size), np.uint32(length))

    def kernel(name):  # the same for every system
        return runtime.kernel(_FILE, name, REAL=8 * dtype.itemsize, GROUP=group, SYSTEM=0)

    kernel("cg_begin")(*everyone, *block, inverse, w, b, x, r, p, parts)
    kernel("cg_first")((group,), (group,), parts, np.uint32(n_groups), dtype.type(tolerance), scalars)
    curvature, step, direction = kernel("cg_curvature"), kernel("cg_step"), kernel("cg_direction")
    for number in range(most_steps):
        parity = np.uint32(number % 2)
        system.start(p, q)
        curvature(*everyone, *block, w, strength, p, q, parts)
        step(*everyone, *block, parity, inverse, p, q, x, r, parts, scalars)
        direction(*everyone, *block, parity, inverse, w, r, p, parts, scalars)
        if number % _LOOK_EVERY == _LOOK_EVERY - 1 or number + 1 == most_steps:
            state = scalars.read()
            if not state[2 * (1 - int(parity))] > state[4]:
                break
    return Solved(x.read(), int(state[5]), float(np.sqrt(abs(state[2 * (1 - int(parity))]))))
