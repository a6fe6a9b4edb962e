"""Quadratics of a graph within bounds: projected sweeps find the face, conjugate gradients minimise on it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ...driver import TICK, Iterate
from ...result import Status
from . import kernels
from .reduced_system import Graph, ReducedSystem, column_norms

# Residual of the next minimisation on a face, in relation to the KKT residual before it; and how much below the
# tolerance it may fall.
_FORCING, _AIM = 0.03, 0.3
# Columns aim a little below the tolerance, so that the residual from scratch holds too.
_AIM_AT = 0.9
_SWEEPS = 2
# So many rounds without a lower residual, and rounding has the last word.
_PATIENCE = 12


def held_up(gradient: np.ndarray, x: np.ndarray, lower: np.ndarray, upper: np.ndarray) -> np.ndarray:
    """The part of a gradient that no bound holds up: zero at the minimiser."""
    down = np.where(x > lower, np.maximum(gradient, 0.0), 0.0)
    up = np.where(x < upper, np.minimum(gradient, 0.0), 0.0)
    return down + up


class BoundedColumn:
    """One column of a bounded problem.

    Parameters
    ----------
    graph : Graph
    known : ndarray of bool, shape (n,)
    nodes : ndarray of int32
        The unknowns that are determined.
    linear, lower, upper : ndarray of shape (n,)
        The linear term, and the bounds; used at the unknowns.
    x : ndarray of shape (n,)
        Values of known nodes, and a start within the bounds; changed in place.
    is_grounded : bool
        As for `ReducedSystem`.
    """

    def __init__(self, graph: Graph, known, nodes, linear, lower, upper, x, is_grounded=False):
        self._graph, self._known, self._nodes, self._is_grounded = graph, known, nodes, is_grounded
        self._linear, self._lower, self._upper, self.x = linear, lower, upper, x
        self._gradient = np.zeros(x.size)
        self._wanted = np.zeros(x.size, np.bool_)
        self._wanted[nodes] = True

    def gradient(self) -> np.ndarray:
        """At the unknowns, zero elsewhere; the same array each time."""
        starts, indices, values, sign, _ = self._graph
        kernels.slopes(starts, indices, values, sign, self._wanted, self._linear, self.x, self._gradient)
        return self._gradient

    def residual(self) -> float:
        """Norm of the part of the gradient that no bound holds up."""
        excess = held_up(self.gradient(), self.x, self._lower, self._upper)
        return float(column_norms(excess[self._nodes, None])[0])

    def minimise(self, goal: float):
        """Lower the residual to the goal, in place; yields it after each round, and `TICK` within rounds."""
        residual = best = self.residual()
        idle = 0
        while residual > goal and idle < _PATIENCE:
            self._sweep()
            yield from self._face_step(max(_AIM * goal, _FORCING * residual))
            residual = self.residual()
            idle = 0 if residual < best else idle + 1
            best = min(best, residual)
            yield residual

    def _sweep(self):
        starts, indices, values, sign, _ = self._graph
        for sweep in range(_SWEEPS):
            kernels.projected_sweep(
                starts, indices, values, sign, self._nodes, self._linear, self._lower, self._upper, self.x,
                sweep % 2 == 1,
            )  # fmt: skip

    def _face_step(self, goal):
        """Minimise over the nodes that no bound holds, then go there as far as the bounds and the energy let."""
        x, slope = self.x, self.gradient().copy()
        held = ((x <= self._lower) & (slope >= 0.0)) | ((x >= self._upper) & (slope <= 0.0))
        system = ReducedSystem(self._graph, self._known | held, self._is_grounded)
        nodes = system.nodes
        if nodes.size == 0:
            return
        # In differences from x: the right-hand side is minus the gradient.
        step = np.zeros((nodes.size, 1))
        run = system.solve(-slope[nodes][:, None], step, np.array([goal]))
        for _ in run:
            yield TICK
        run.close()
        moved = x[nodes] + step[:, 0]
        before = x[nodes]
        x[nodes] = np.clip(moved, self._lower[nodes], self._upper[nodes])
        change = x[nodes] - before
        # For a quadratic the change of the value is the step times the mean of the two gradients.
        if change @ (slope[nodes] + self.gradient()[nodes]) < 0.0:
            return
        room = np.where(step[:, 0] > 0, self._upper[nodes] - before, self._lower[nodes] - before)
        ratios = np.divide(room, step[:, 0], out=np.ones(nodes.size), where=step[:, 0] != 0)
        x[nodes] = np.clip(
            before + min(1.0, ratios.min()) * step[:, 0], self._lower[nodes], self._upper[nodes]
        )


def descend(columns: Sequence[BoundedColumn], scale: np.ndarray, tol: float):
    """A solver for the driver: one column after the other.

    Parameters
    ----------
    columns : sequence of BoundedColumn
    scale : ndarray of shape (n_columns,)
        What the residual of each column is divided by.
    tol : float
    """
    relative = np.array([column.residual() for column in columns]) / scale
    yield Iterate(None, float(relative.max()))
    for c, column in enumerate(columns):
        for residual in column.minimise(_AIM_AT * tol * scale[c]):
            if residual is TICK:
                yield TICK
                continue
            relative[c] = residual / scale[c]
            yield Iterate(None, float(relative.max()))
    return Status.STALLED
