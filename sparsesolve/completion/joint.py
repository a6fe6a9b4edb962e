"""Truncated Newton steps in both factors at once, for the long tails of alternating sweeps.

Sweeps converge linearly, and slowly where a ridge hardly holds some directions. Near the end conjugate gradients on the
whole Hessian, preconditioned by the Gram matrices of the sweeps, take their place: De Sterck and Winlaw, "A nonlinearly
preconditioned conjugate gradient algorithm for rank-R canonical tensor approximation", Numerical Linear Algebra with
Applications 22 (2015), use the same preconditioner. Along a line the objective is a polynomial of degree four, so that
the best step is found from one pass over the entries.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from ..backends.threads import run_chunks, single_threaded_blas
from ..driver import TICK
from .joint_kernels import gradient_rows, hessian_rows, line_rows
from .regressions import Posed, Regressions
from .whitening import whiten

#: Steps of conjugate gradients for one of Newton's, and how far they go at least.
_STEPS, _FORCING = 100, 0.3
#: Sweeps in which the certificate should fall by a factor; else the tail is long.
_SWEEPS, _FACTOR = 6, 0.3


class Slowness:
    """Watches certificates for a long tail."""

    def __init__(self):
        self.history: list[float] = []

    def seen(self, certificate: float) -> bool:
        """Take note of a certificate; True where the last sweeps lowered it by little."""
        self.history.append(certificate)
        return len(self.history) > 2 * _SWEEPS and certificate > _FACTOR * self.history[-1 - _SWEEPS]


class JointIterate(NamedTuple):
    """A pair of factors with its certificate and objective, in posed units."""

    A: np.ndarray
    B: np.ndarray
    certificate: float
    objective: float
    squares: float


class _Pair(NamedTuple):
    A: np.ndarray
    B: np.ndarray

    def dot(self, other: _Pair) -> float:
        return float(np.vdot(self.A, other.A) + np.vdot(self.B, other.B))

    def plus(self, step: float, other: _Pair) -> _Pair:
        return _Pair(self.A + step * other.A, self.B + step * other.B)


@dataclass(frozen=True)
class _Side:
    """One side's regressions with the columns of its factor that are free."""

    side: Regressions
    free: np.ndarray

    def ridge(self, factor):
        """Half the gradient of the ridge."""
        return self.side.penalties[:, None] * np.where(self.free, factor, 0.0)

    def preconditioner(self, masses, others):
        """Whitening directions of the free columns, and what divides each row's coordinates in them."""
        white = whiten(others[:, self.free], self.side.metric_masses(masses), self.side.regularised)
        penalties, ridge = self.side.whole_ridge(white.ridge, len(others))
        size = self.side.masses[:, None] + penalties[:, None] * ridge
        return white.forward, np.divide(1.0, size, out=np.zeros_like(size), where=size > 0.0)

    def apply(self, preconditioner, gradient):
        """The preconditioner's inverse times a gradient."""
        forward, inverse = preconditioner
        out = np.zeros_like(gradient)
        out[:, self.free] = ((gradient[:, self.free] @ forward) * inverse) @ forward.T
        return out


class _Problem:
    """The objective of both factors; some of their columns may be held."""

    def __init__(self, posed: Posed, free_rows: np.ndarray, free_columns: np.ndarray):
        self.posed = posed
        self.sides = _Side(posed.rows, free_rows), _Side(posed.columns, free_columns)

    def gradient(self, z: _Pair) -> tuple[_Pair, float, float]:
        """Half the gradient, the objective, and its part from the entries."""
        rows, columns = self.posed.rows, self.posed.columns
        (gradient_A,), (squares,) = rows.over(_gradient, (z.A,), (z.B,))
        (gradient_B,), _ = columns.over(_gradient, (z.B,), (z.A,))
        out, total = _Pair(gradient_A, gradient_B), squares
        for side, own, grown in zip(self.sides, z, out, strict=True):
            ridge = side.ridge(own)
            grown += ridge
            total += float(np.vdot(ridge, own))
        if self.posed.background > 0.0:
            left, right = z.A.T @ z.A, z.B.T @ z.B
            out.A[:] += self.posed.background * (z.A @ right)
            out.B[:] += self.posed.background * (z.B @ left)
            total += self.posed.background * float((left * right).sum())
        return self._masked(out), total, squares

    def hessian(self, z: _Pair, d: _Pair) -> _Pair:
        """Half the Hessian times a direction."""
        (image_A,), _ = self.posed.rows.over(_hessian, (z.A, d.A), (z.B, d.B))
        (image_B,), _ = self.posed.columns.over(_hessian, (z.B, d.B), (z.A, d.A))
        out = _Pair(image_A, image_B)
        for side, own, grown in zip(self.sides, d, out, strict=True):
            grown += side.ridge(own)
        weight = self.posed.background
        if weight > 0.0:
            cross_A, cross_B = d.A.T @ z.A, d.B.T @ z.B
            out.A[:] += weight * (d.A @ (z.B.T @ z.B) + z.A @ (cross_B + cross_B.T))
            out.B[:] += weight * (d.B @ (z.A.T @ z.A) + z.B @ (cross_A + cross_A.T))
        return self._masked(out)

    def line(self, z: _Pair, d: _Pair) -> np.ndarray:
        """Coefficients of the objective at z + t d, from t^0 to t^4."""
        _, (rr, rp, rq, pp, pq, qq) = self.posed.rows.over(_line, (z.A, d.A), (z.B, d.B))
        poly = np.array([rr, -2.0 * rp, pp - 2.0 * rq, 2.0 * pq, qq])
        for side, own, along in zip(self.sides, z, d, strict=True):
            ridge = side.ridge(along)
            poly[1:3] += 2.0 * float(np.vdot(ridge, own)), float(np.vdot(ridge, along))
            poly[0] += float(np.vdot(side.ridge(own), own))
        weight = self.posed.background
        if weight > 0.0:
            grams = [
                (own.T @ own, own.T @ along + along.T @ own, along.T @ along)
                for own, along in zip(z, d, strict=True)
            ]
            for power_A, gram_A in enumerate(grams[0]):
                for power_B, gram_B in enumerate(grams[1]):
                    poly[power_A + power_B] += weight * float((gram_A * gram_B).sum())
        return poly

    def preconditioners(self, z: _Pair):
        """Those of both sides."""
        rows, columns = self.sides
        return rows.preconditioner(self.posed.columns.masses, z.B), columns.preconditioner(
            self.posed.rows.masses, z.A
        )

    def precondition(self, preconditioners, g: _Pair) -> _Pair:
        """The inverse of the sweeps' Gram matrices times a gradient."""
        return _Pair(
            *(side.apply(own, part) for side, own, part in zip(self.sides, preconditioners, g, strict=True))
        )

    def _masked(self, g: _Pair) -> _Pair:
        for side, part in zip(self.sides, g, strict=True):
            part[:, ~side.free] = 0.0
        return g


def _over_rows(side: Regressions, kernel, *arguments) -> list:
    """Run a kernel on all rows; its results in the order of the pieces."""
    pieces, entries = side.chunks(1), side.side
    return run_chunks(lambda number: kernel(pieces[number], *entries, *arguments), len(pieces))


def _gradient(side: Regressions, A, B):
    out = np.zeros_like(A)
    return (out,), (float(sum(_over_rows(side, gradient_rows, A, B, out))),)


def _hessian(side: Regressions, A, step_A, B, step_B):
    out = np.zeros_like(A)
    _over_rows(side, hessian_rows, A, B, step_A, step_B, out)
    return (out,), ()


def _line(side: Regressions, A, step_A, B, step_B):
    parts = _over_rows(side, line_rows, A, B, step_A, step_B)
    return (), tuple(float(sum(part[place] for part in parts)) for place in range(6))


def newton_steps(
    posed: Posed, A, B, free_rows=None, free_columns=None, tol: float = 0.0
) -> Generator[JointIterate | None, None, None]:
    """Descend from a pair of factors; yields a `JointIterate` each step, `TICK` between, and ends without progress.

    Parameters
    ----------
    posed : Posed
        In float64.
    A : ndarray of shape (m, width)
    B : ndarray of shape (n, width)
    free_rows, free_columns : ndarray of bool, shape (width,), optional
        Which columns of A, of B, may change; all unless given.
    tol : float
        Certificate at which it ends.

    Yields
    ------
    JointIterate or None
        A step costs up to 100 products with the Hessian, each O(entries width).
    """
    every = np.ones(A.shape[1], dtype=bool)
    problem = _Problem(
        posed, every if free_rows is None else free_rows, every if free_columns is None else free_columns
    )
    z = _Pair(np.array(A, dtype=np.float64, order="C"), np.array(B, dtype=np.float64, order="C"))
    g, objective, squares = problem.gradient(z)
    first = None
    while True:
        preconditioners = problem.preconditioners(z)
        steep = problem.precondition(preconditioners, g)
        certificate = float(np.sqrt(max(g.dot(steep), 0.0) / posed.energy)) if posed.energy > 0.0 else 0.0
        yield JointIterate(z.A, z.B, certificate, objective, squares)
        first = certificate if first is None else first
        if certificate <= tol or certificate == 0.0:
            return
        d = yield from _direction(problem, z, g, steep, preconditioners, min(_FORCING, certificate / first))
        poly = problem.line(z, d)
        step = _best_step(poly)
        z = z.plus(step, d)
        g, newer, squares = problem.gradient(z)
        if step == 0.0 or not newer < objective * (1.0 + 1e-14):
            return
        objective = newer


@single_threaded_blas()
def _products(problem, z, d):
    return problem.hessian(z, d)


def _direction(problem: _Problem, z: _Pair, g: _Pair, steep: _Pair, preconditioners, share: float):
    """Solve H d = -g roughly; where the curvature is not positive, go along what there is."""
    residual = _Pair(-g.A, -g.B)
    direction = _Pair(-steep.A, -steep.B)
    d = _Pair(np.zeros_like(g.A), np.zeros_like(g.B))
    length = residual.dot(direction)
    goal = share * share * length
    for number in range(_STEPS):
        image = _products(problem, z, direction)
        curvature = direction.dot(image)
        if not curvature > 1e-14 * length:
            return direction if number == 0 else d
        step = length / curvature
        d = d.plus(step, direction)
        residual = residual.plus(-step, image)
        white = problem.precondition(preconditioners, residual)
        following = residual.dot(white)
        yield TICK
        if not following > goal:
            break
        direction = white.plus(following / length, direction)
        length = following
    return d


def _best_step(poly: np.ndarray) -> float:
    """Where the polynomial is least among its stationary points at t > 0; 0 if it never is below its start."""
    slope = np.polynomial.polynomial.polyder(poly)
    size = np.abs(slope).max()
    if not size > 0.0:
        return 0.0
    roots = np.polynomial.polynomial.polyroots(np.trim_zeros(slope / size, "b"))
    steps = [float(root.real) for root in roots if abs(root.imag) <= 1e-8 * abs(root) and root.real > 0.0]
    gains = [float(np.polynomial.polynomial.polyval(step, np.append(0.0, poly[1:]))) for step in steps]
    if not gains or min(gains) >= 0.0:
        return 0.0
    return steps[int(np.argmin(gains))]
