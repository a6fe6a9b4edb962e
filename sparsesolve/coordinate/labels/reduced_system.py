"""A sparse symmetric system over the unknown nodes of a graph, solved on half of them.

An independent set of unknowns, the white ones, is eliminated exactly: for each set of black values the white ones
follow from a division. Conjugate gradients on the black ones converge in about half as many steps (on a lattice they
are every second node), and each step reads the graph once.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import scipy.sparse

from . import kernels

#: Right-hand sides that are solved side by side.
WIDTH = 16
# A restart must lower the true residual at least to this share, else rounding has the last word.
_PROGRESS = 0.5


def column_norms(columns: np.ndarray) -> np.ndarray:
    """Euclidean norms of the columns, also where squares leave the range of float64."""
    unit = np.abs(columns).max(axis=0, initial=0.0)
    unit[unit == 0.0] = 1.0
    return unit * np.linalg.norm(columns / unit, axis=0)


class Graph(NamedTuple):
    """A sparse symmetric matrix, as the kernels take it.

    Attributes
    ----------
    starts, indices, values : ndarray
        CSR form without zeros, float64 values, divided by `scale`.
    sign : float
        1.0 where the values are weights of edges, whose Laplacian is meant; -1.0 where they are the matrix itself.
    scale : float
        Largest absolute value before the division.
    """

    starts: np.ndarray
    indices: np.ndarray
    values: np.ndarray
    sign: float
    scale: float

    @classmethod
    def of(cls, matrix: scipy.sparse.csr_array, sign: float) -> Graph:
        """From a CSR array without zeros and repeated entries."""
        values = np.asarray(matrix.data, dtype=np.float64)
        scale = float(max(values.max(initial=0.0), -values.min(initial=0.0))) or 1.0
        if scale != 1.0:
            values = values / scale
        return cls(matrix.indptr, matrix.indices, values, sign, scale)


class ReducedSystem:
    """The equations of the unknown nodes, arranged for the solver.

    Parameters
    ----------
    graph : Graph
    known : ndarray of bool, shape (n,)
        The nodes whose values are given.
    is_grounded : bool
        Whether parts of the graph without a known node are determined too.

    Attributes
    ----------
    nodes : ndarray of int32, shape (m,)
        The unknowns in the order of the solver.
    undetermined : ndarray of int32
        Unknowns without a path to a known node; they take no part.
    mass : ndarray of shape (m,)
        For each unknown the sum of its couplings to known nodes.

    Notes
    -----
    Complexity: a few passes over the graph to arrange; one for each step.
    """

    def __init__(self, graph: Graph, known: np.ndarray, is_grounded: bool = False):
        self._graph, self._known = graph, known
        starts, indices, values, sign, _ = graph
        self.nodes, self.undetermined = kernels.breadth_first(starts, indices, known, is_grounded)
        if self.nodes.size == 0:
            self.mass = np.empty(0)
            return
        self.nodes, place, self._n_white, buckets, n_white_buckets = kernels.arrange(
            starts, indices, self.nodes
        )
        neighbours, self._couplings, diagonal, self.mass, common = kernels.list_neighbours(
            starts, indices, values, place, self.nodes, buckets, sign
        )
        # Equal couplings become 1, and need not be read.
        self._unit = common if common > 0.0 else 1.0
        diagonal /= self._unit
        self._couplings /= self._unit
        self._read = self._couplings[:0] if common > 0.0 else self._couplings
        self._layout = (buckets, n_white_buckets, neighbours)
        self._rest = (diagonal, 1.0 / diagonal, self._n_white)

    def right(self, x: np.ndarray, linear: np.ndarray | None = None) -> np.ndarray:
        """Right-hand sides of shape (m, width): couplings times values of known nodes, plus the linear term."""
        width = x.shape[1]
        right = np.zeros((self.nodes.size, width)) if linear is None else linear[self.nodes]
        starts, indices, values, sign, _ = self._graph
        kernels.pull_known(starts, indices, values, sign, self.nodes, self._known, x, right)
        return right

    def solve(self, right: np.ndarray, x: np.ndarray, goals: np.ndarray):
        """Solve for columns, from the values in x, which is changed in place.

        Parameters
        ----------
        right, x : ndarray of shape (m, width), C order
            At most `WIDTH` columns for speed.
        goals : ndarray of shape (width,)
            Largest norm of each column's residual.

        Yields
        ------
        ndarray of shape (width,)
            Norms of the residuals after each step; those that reach the goals were computed from scratch. Once the
            generator is closed, white values fit the black ones.
        """
        run = self._solve_one if goals.size == 1 else self._solve_columns
        # In units of the largest entry, so that squares stay in range.
        unit = np.abs(right).max(axis=0)
        unit[unit == 0.0] = 1.0
        right = right / (self._unit * unit)
        x /= unit
        steps = run(right, x, goals / (self._unit * unit))
        try:
            for norms in steps:
                yield norms * (self._unit * unit)
        finally:
            steps.close()
            x *= unit

    def _solve_one(self, right, x, goals):
        right, x, goal = right[:, 0], x[:, 0], float(goals[0])
        n_black = x.size - self._n_white
        v, r, product = np.zeros(x.size), np.empty(n_black), np.empty(n_black)
        system = (*self._layout, self._read, *self._rest)
        last, is_stale = np.inf, True
        try:
            while True:
                squares, scaled = kernels.begin(*system, right, x, v, r)
                is_stale = False
                norm = np.sqrt(squares)
                yield np.array([norm])
                if norm <= goal or not norm <= _PROGRESS * last:
                    return
                last = norm
                while norm > goal:
                    is_stale = True
                    squares, scaled = kernels.advance(*system, x, v, r, product, scaled)
                    if squares < 0.0:
                        break
                    norm = np.sqrt(squares)
                    if norm > goal:
                        yield np.array([norm])
        finally:
            if is_stale:
                kernels.begin(*system, right, x, v, r)

    def _solve_columns(self, right, x, goals):
        width = goals.size
        n_black = x.shape[0] - self._n_white
        v, r, product = np.zeros(x.shape), np.empty((n_black, width)), np.empty((n_black, width))
        squares, scaled = np.empty(width), np.empty(width)
        system = (*self._layout, self._couplings, *self._rest)
        last, is_stale = np.full(width, np.inf), True
        try:
            while True:
                kernels.begin_columns(*system, right, x, v, r, squares, scaled)
                is_stale = False
                norms = np.sqrt(squares)
                yield norms
                is_done = norms <= goals
                if not (norms[~is_done] <= _PROGRESS * last[~is_done]).any():
                    return
                last = norms
                v[:, is_done] = 0.0
                while not is_done.all():
                    is_stale = True
                    if not kernels.advance_columns(*system, x, v, r, product, squares, scaled, is_done):
                        break
                    norms = np.sqrt(squares)
                    is_done |= ~(norms > goals)
                    if not is_done.all():
                        yield norms
        finally:
            if is_stale:
                kernels.begin_columns(*system, right, x, v, r, squares, scaled)
