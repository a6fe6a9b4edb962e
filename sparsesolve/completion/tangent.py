"""Levenberg-Marquardt steps among the matrices of one rank, on the observed entries.

A matrix is U diag(S) V' with U'U = m I and V'V = n I. A step adds the tangent X V' + U Y' and returns to the rank by a
singular value decomposition of a small matrix: S is never divided by, so that the steps do not feel the condition of
the matrix. X is eliminated row by row; the Schur complement of Y is solved by conjugate gradients, with its diagonal
blocks as the preconditioner. One step of theirs reads the entries once by rows and once by columns.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from ..backends.threads import single_threaded_blas
from .complement import SchurComplement
from .tangent_entries import Entries, Linearisation, State

# Conjugate gradients end at this share of the start, or earlier while the fit is still rough.
_LOOSE, _TIGHT = 0.1, 1e-6
# How the damping changes after a step that is taken, and after one that is not; how small it may become.
_EASE, _BRAKE, _LEAST_DAMPING = 0.3, 4.0, 1e-12
# Steps refused one after the other that end a descent.
_REFUSALS = 8
# A descent is given up when its loss has not fallen to this share within its patience.
_HOPE = 0.3


def decompose(A: np.ndarray, B: np.ndarray) -> State:
    """The state of the product A B'."""
    (m, rank), n = A.shape, B.shape[0]
    A, B = np.asarray(A, dtype=np.float64), np.asarray(B, dtype=np.float64)
    left, left_triangle = np.linalg.qr(A)
    right, right_triangle = np.linalg.qr(B)
    u, spectrum, v = np.linalg.svd(left_triangle @ right_triangle.T, full_matrices=False)
    rank = min(rank, spectrum.size)
    return State(
        np.ascontiguousarray(left @ u[:, :rank]) * math.sqrt(m),
        spectrum[:rank] / math.sqrt(m * n),
        np.ascontiguousarray(right @ v[:rank].T) * math.sqrt(n),
    )


def retract(state: State, X: np.ndarray, Y: np.ndarray) -> State:
    """The best matrix of the state's rank near U S V' + X V' + U Y'."""
    moved = decompose(np.hstack([state.left * state.spectrum + X, state.left]), np.hstack([state.right, Y]))
    return moved.truncated(state.rank)


@dataclass(frozen=True)
class Ridge:
    """A penalty on the singular values, in units of the number of entries.

    Attributes
    ----------
    strength : float
        lam; 0 for none.
    scale : float
        e2 of lam e2 log(1 + S^2 / e2), which leaves values far above sqrt(e2) alone; infinite for lam S^2.
    """

    strength: float = 0.0
    scale: float = math.inf

    def value(self, spectrum: np.ndarray) -> float:
        """The penalty."""
        squares = spectrum * spectrum
        if self.strength == 0.0:
            return 0.0
        if math.isinf(self.scale):
            return self.strength * float(squares.sum())
        return self.strength * self.scale * float(np.log1p(squares / self.scale).sum())

    def weights(self, spectrum: np.ndarray) -> np.ndarray:
        """Its derivative over 2 S."""
        return self.strength / (1.0 + spectrum * spectrum / self.scale)


def no_ridge(loss: float) -> Ridge:
    """None, whatever the loss."""
    return Ridge()


class Descended(NamedTuple):
    """Where a descent ended.

    Attributes
    ----------
    point : Linearisation
    damping : float
    n_passes : int
        Steps of conjugate gradients.
    """

    point: Linearisation
    damping: float
    n_passes: int


def descend(
    entries: Entries,
    point: Linearisation,
    ridge: Callable[[float], Ridge],
    damping: float,
    *,
    max_steps: int,
    least_gain: float = 0.0,
    patience: int | None = None,
    target: float = 0.0,
    max_passes: int = 50,
) -> Generator[Linearisation, None, Descended]:
    """Take Levenberg-Marquardt steps; yields each point that was accepted.

    Parameters
    ----------
    entries : Entries
    point : Linearisation
    ridge : callable
        Gives the ridge of a step from the loss before it.
    damping : float
        mu, relative to the mean diagonal of the Gauss-Newton matrix.
    max_steps : int
    least_gain : float, default=0.0
        The descent ends with a step that lowers the merit by less than this share.
    patience : int, optional
        It is given up where the loss has not fallen to three tenths in so many steps.
    target : float, default=0.0
        Loss at which it ends.
    max_passes : int, default=50
        Steps of conjugate gradients, at most, a step.

    Returns
    -------
    Descended

    Notes
    -----
    Complexity: a step costs 2 |Omega| rank^2 + 8 |Omega| rank multiplications a pass + O((m + n) rank^3).
    """
    losses, passes, refused = [point.loss], 0, 0
    for _ in range(max_steps):
        now = ridge(point.loss)
        with single_threaded_blas():
            tried, half, count = _step(entries, point, now, damping, max_passes)
            passes += count
            before = point.loss + entries.n_entries * now.value(point.state.spectrum)
            after = half[0] + entries.n_entries * now.value(tried.spectrum)
            taken = after < before
            if taken:
                point = entries.linearise(tried, half)._replace(ridge=now.strength)
        if not taken:
            damping *= _BRAKE
            refused += 1
            if refused > _REFUSALS:
                break
            continue
        damping, refused = max(damping * _EASE, _LEAST_DAMPING), 0
        losses.append(point.loss)
        yield point
        if point.loss <= target or after > (1.0 - least_gain) * before:
            break
        if patience is not None and len(losses) > patience and losses[-1] > _HOPE * losses[-1 - patience]:
            break
    return Descended(point, damping, passes)


def _step(entries, point, ridge, damping, max_passes):
    """The state after a step, what `Entries.residuals` says of it, and the steps of conjugate gradients."""
    density, state = entries.density, point.state
    weights = ridge.weights(state.spectrum)
    factors = state.left, state.right
    given = tuple(
        gradient - (mean * weights * state.spectrum) * factor
        for gradient, factor, mean in zip(point.gradients, factors, density, strict=True)
    )
    diagonals = tuple((damping + weights) * mean for mean in density)
    complement = SchurComplement(entries, *factors, point.grams, diagonals)
    share = min(_LOOSE, max(_TIGHT, math.sqrt(point.loss / entries.total)))
    Y, count = complement.solve(complement.reduced(given), share, max_passes)
    tried = retract(state, complement.back(given[0], Y), Y)
    return tried, entries.residuals(tried), count
