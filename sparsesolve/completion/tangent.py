"""Levenberg-Marquardt steps among the matrices of one rank, on the observed entries.

A matrix is U diag(S) V' with U'U = m I and V'V = n I. A step adds the tangent X V' + U Y' and returns to the rank by a
singular value decomposition of a small matrix: S is never divided by, so that the steps do not feel the condition of
the matrix. X is eliminated row by row; the Schur complement of Y is solved by conjugate gradients, with its diagonal
blocks as the preconditioner. One step of theirs reads the entries once by rows and once by columns.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from ..backends.threads import run_chunks, single_threaded_blas
from . import tangent_kernels as kernels
from .observations import Observations

# Entries of a chunk of rows; chunks are fixed, so that the answer does not depend on the number of threads.
_CHUNK = 1 << 18
# Conjugate gradients end at this share of the start, or earlier while the fit is still rough.
_LOOSE, _TIGHT = 0.1, 1e-6
# How the damping changes after a step that is taken, and after one that is not; how small it may become.
_EASE, _BRAKE, _LEAST_DAMPING = 0.3, 4.0, 1e-12
# Steps refused one after the other that end a descent.
_REFUSALS = 8
# A descent is given up when its loss has not fallen to this share within its patience.
_HOPE = 0.3


class State(NamedTuple):
    """The matrix ``left @ diag(spectrum) @ right.T``.

    Attributes
    ----------
    left : ndarray of shape (m, rank)
        U, with U'U = m I.
    spectrum : ndarray of shape (rank,)
        Falling, at least 0: the singular values over sqrt(m n).
    right : ndarray of shape (n, rank)
        V, with V'V = n I.
    """

    left: np.ndarray
    spectrum: np.ndarray
    right: np.ndarray

    @property
    def rank(self) -> int:
        """Number of singular values."""
        return self.spectrum.size

    def truncated(self, rank: int) -> State:
        """The best matrix of that rank."""
        cut = slice(0, rank)
        return State(self.left[:, cut].copy(), self.spectrum[cut].copy(), self.right[:, cut].copy())


class Linearisation(NamedTuple):
    """What a step needs to know of a state: the residuals, the gradients and the blocks on the diagonal.

    Attributes
    ----------
    state : State
    loss : float
        Sum of squares of the residuals.
    residuals : ndarray of shape (n_entries,)
        Observed minus fitted, by rows.
    gradients : tuple of two ndarray of shape (m, rank) and (n, rank)
        R V and R'U, R being the sparse matrix of the residuals.
    grams : tuple of two ndarray of shape (m, rank, rank) and (n, rank, rank)
    ridge : float
        Strength of the ridge of the step that led here.
    """

    state: State
    loss: float
    residuals: np.ndarray
    gradients: tuple[np.ndarray, np.ndarray]
    grams: tuple[np.ndarray, np.ndarray]
    ridge: float = 0.0


class Entries:
    """Observations cut into fixed chunks of rows and of columns.

    Parameters
    ----------
    observations : Observations
        Weights are not used: an exact fit is the same for all.
    """

    def __init__(self, observations: Observations):
        self.shape = observations.shape
        self.sides = (observations.rows, observations.columns)
        self.n_entries = observations.n_entries
        self.chunks = tuple(_cut(side.starts) for side in self.sides)
        #: Sum of squares of the observed values.
        self.total = float(observations.rows.values @ observations.rows.values)

    @property
    def density(self) -> tuple[float, float]:
        """Mean number of entries of a row, and of a column."""
        return self.n_entries / self.shape[0], self.n_entries / self.shape[1]

    def each(self, side: int, kernel: Callable, *arguments) -> list:
        """Call a kernel on each chunk of a side: 0 for rows, 1 for columns."""
        chunks = self.chunks[side]
        if len(chunks) == 1:
            return [kernel(*chunks[0], *arguments)]
        return run_chunks(lambda index: kernel(*chunks[index], *arguments), len(chunks))

    def residuals(self, state: State) -> tuple[float, np.ndarray, np.ndarray, np.ndarray]:
        """Loss, residuals, gradient and Gram matrices of the rows' side."""
        return self._linearise(0, state.left * state.spectrum, state.right)

    def linearise(self, state: State, half=None) -> Linearisation:
        """All that a step needs; `half` is what `residuals` returned, where it is known."""
        loss, residuals, gradient, gram = self.residuals(state) if half is None else half
        _, _, other_gradient, other_gram = self._linearise(1, state.right * state.spectrum, state.left)
        return Linearisation(state, loss, residuals, (gradient, other_gradient), (gram, other_gram))

    def _linearise(self, index, own, other):
        side, rank = self.sides[index], own.shape[1]
        width = padded(rank)
        residuals = np.empty(side.values.size)
        gradients, grams = np.empty((side.n_rows, rank)), np.empty((side.n_rows, rank, rank))
        sums = self.each(
            index,
            kernels.linearise,
            side.starts,
            side.others,
            side.values,
            packed(own, width, 1),
            packed(other, width, 1),
            (0.0,) * width,
            residuals,
            gradients,
            grams,
        )
        return math.fsum(sums), residuals, gradients, grams

    def leading(self, residuals: np.ndarray, count: int, rng: np.random.Generator) -> State:
        """Leading singular triplets of the residuals, zero elsewhere, over the share of entries observed."""
        m, n = self.shape
        count = min(count, m, n)
        rows, columns = self.sides
        # In the order of the columns: the same entries, moved as the observations were.
        moved = Observations(self.shape, rows, columns).with_values(residuals).columns.values
        basis = rng.standard_normal((n, min(count + 5, m, n)))
        for _ in range(8):
            basis = np.linalg.qr(self._times(0, residuals, basis))[0]
            basis = np.linalg.qr(self._times(1, moved, basis))[0]
        left, values, right = np.linalg.svd(self._times(0, residuals, basis), full_matrices=False)
        share = self.n_entries / (m * n)
        cut = slice(0, count)
        spectrum = values[cut] / (share * math.sqrt(m * n))
        return State(left[:, cut] * math.sqrt(m), spectrum, (basis @ right.T)[:, cut] * math.sqrt(n))

    def _times(self, index, values, dense):
        side = self.sides[index]
        out = np.empty((side.n_rows, dense.shape[1]))
        self.each(index, kernels.times, side.starts, side.others, values, np.ascontiguousarray(dense), out)
        return out


def _cut(starts: np.ndarray) -> list[tuple[int, int]]:
    """Ranges of rows with about `_CHUNK` entries each."""
    starts = starts.astype(np.int64)
    targets = np.arange(0, int(starts[-1]) + 1, _CHUNK)
    bounds = np.unique(np.concatenate([np.searchsorted(starts, targets), [starts.size - 1]]))
    if bounds[0] > 0:
        bounds = np.concatenate([[0], bounds])
    return [(int(a), int(b)) for a, b in itertools.pairwise(bounds)]


def padded(rank: int) -> int:
    """The next length that kernels are compiled for: a multiple of 4, beyond 16 of 8, beyond 64 of 32."""
    step = 4 if rank <= 16 else 8 if rank <= 64 else 32
    return -(-rank // step) * step


def packed(factor: np.ndarray, width: int, vectors: int) -> np.ndarray:
    """An array with room for so many vectors of a width a row, the factor being the first; zeros elsewhere."""
    pack = np.zeros((factor.shape[0], vectors * width))
    pack[:, : factor.shape[1]] = factor
    return pack


class SchurComplement:
    """The damped Gauss-Newton matrix of a state with X eliminated, as conjugate gradients need it.

    The matrix is [D + E, C; C', D' + E'] with the Gram matrices D (of V, a block a row) and D' (of U, a block a
    column), the diagonal dampings E, E', and C_ij = v_j u_i' on the observed entries.

    Parameters
    ----------
    entries : Entries
    left, right : ndarray of shape (m, rank) and (n, rank)
    grams : tuple of two ndarray
        As in `Linearisation`.
    damping : tuple of two ndarray of shape (rank,)
        Diagonals of E and E'.
    """

    def __init__(self, entries: Entries, left, right, grams, damping):
        self.entries = entries
        self.width = padded(left.shape[1])
        self.lanes = (0.0,) * self.width
        self.packs = packed(left, self.width, 2), packed(right, self.width, 2)
        self.grams, self.damping = grams, damping
        self.inverses = tuple(np.empty_like(gram) for gram in grams)
        for side in (0, 1):
            entries.each(side, kernels.invert, grams[side], damping[side], self.inverses[side])
        self.sums = np.empty((left.shape[0], self.width)), np.empty((right.shape[0], self.width))
        self.no_vector = np.zeros(left.shape), np.zeros(right.shape)

    def _cross(self, side):
        observed = self.entries.sides[side]
        arguments = (observed.starts, observed.others, self.packs[side], self.packs[1 - side], self.lanes)
        self.entries.each(side, kernels.cross, *arguments, self.sums[side])
        return self.sums[side]

    def eliminate(self, given, sign) -> None:
        """Write X = inverse (given + sign sums) beside U."""
        arguments = (self.inverses[0], given, sign, self.sums[0], self.packs[0], self.width)
        self.entries.each(0, kernels.eliminate, *arguments)

    def image(self, out) -> float:
        """Apply the complement to the vector beside V; returns their product."""
        self._cross(0)
        self.eliminate(self.no_vector[0], 1.0)
        sums = self._cross(1)
        arguments = (self.grams[1], self.damping[1], self.packs[1], self.width, sums, out)
        return math.fsum(self.entries.each(1, kernels.complement, *arguments))

    def reduced(self, given) -> np.ndarray:
        """Right-hand side of the complement: given' - C' inverse given."""
        self.sums[0][:] = 0.0
        self.eliminate(given[0], 1.0)
        return given[1] - self._cross(1)[:, : given[1].shape[1]]

    def solve(self, right_side, share, max_steps) -> tuple[np.ndarray, int]:
        """Conjugate gradients from zero, until the preconditioned residual is that share of the first."""
        answer, remainder = np.zeros_like(right_side), right_side.copy()
        image, preconditioned = np.zeros_like(right_side), np.empty_like(right_side)
        pack, width, inverses = self.packs[1], self.width, self.inverses[1]
        pack[:, width:] = 0.0

        def advance(step):
            arguments = (step, pack, width, image, inverses, answer, remainder, preconditioned)
            return math.fsum(self.entries.each(1, kernels.advance, *arguments))

        first = current = advance(0.0)
        if not current > 0.0:
            return answer, 0
        pack[:, width : width + answer.shape[1]] = preconditioned
        for count in range(1, max_steps + 1):
            curvature = self.image(image)
            if not curvature > 0.0:
                return answer, count
            before, current = current, advance(current / curvature)
            if not current > share * share * first:
                return answer, count
            self.entries.each(1, kernels.redirect, preconditioned, current / before, pack, width)
        return answer, max_steps

    def back(self, given, answer) -> np.ndarray:
        """X for a known Y: inverse (given - C Y)."""
        self.packs[1][:, self.width : self.width + answer.shape[1]] = answer
        self._cross(0)
        self.eliminate(given, -1.0)
        return self.packs[0][:, self.width : self.width + answer.shape[1]]


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
