"""Steps that look at many samples at once: planes of past moves, and the samples between their bounds."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import scipy.linalg
import scipy.sparse

from ...operators.columns import transposed_product
from .kernels import combine, conjugate_gradients, cut_step, record_dual_move, record_move, settle
from .problem import HingeProblem

#: Samples between their bounds up to which their equations are solved by a factorisation.
_DIRECT = 1500
#: So many always, even if there are fewer features.
_SMALL = 200
#: Steps cut off at the box are tried down to this length.
_SHORTEST = 1e-3
#: Eigenvalues below this, relative to the largest, are zero.
_NULL = 1e-13
#: Moves count as parallel if the square of the sine between them is less.
_PARALLEL = 1e-10


class Moves:
    """The last two moves of v, w and the intercept, and room for what is made of them."""

    def __init__(self, n_samples: int, n_features: int):
        self.v, self.w, self.shifts = np.zeros((2, n_samples)), np.zeros((2, n_features)), np.zeros(2)
        self.step, self.w_step = np.empty(n_samples), np.empty(n_features)
        self.old_v, self.old_w = np.empty(n_samples), np.empty(n_features)
        self._last = 0

    def turn(self) -> int:
        """The place of the next move: where the older one was."""
        self._last = 1 - self._last
        return self._last

    def forget(self) -> None:
        """Begin anew."""
        self.v[:], self.w[:], self.shifts[:] = 0.0, 0.0, 0.0


@dataclass
class State:
    """Where a run is: a point of the box, its w, and the intercept, which moves with the sum of v."""

    problem: HingeProblem
    v: np.ndarray
    w: np.ndarray
    intercept: float
    moves: Moves = field(init=False)

    def __post_init__(self):
        self.moves = Moves(self.v.size, self.w.size)

    def free(self) -> np.ndarray:
        """The samples strictly between their bounds."""
        return np.flatnonzero((self.v > self.problem.lower) & (self.v < self.problem.upper))

    def move(self, step: np.ndarray, w_step: np.ndarray) -> bool:
        """Go to v + step, cut off at the box, if that makes the augmented Lagrangian less; the steps are changed."""
        problem = self.problem
        box = problem.lower, problem.upper
        total, gain = cut_step(problem.samples.parts, self.v, self.w, step, w_step, *box, problem.signs)
        shift = problem.stiffness * total
        gain -= total * (self.intercept + 0.5 * shift)
        if not gain > 0.0:
            return False
        self.v += step
        settle(self.v, step, *box)
        self.w += w_step
        self.intercept += shift
        return True

    def update_multiplier(self) -> float:
        """One step of the method of multipliers for the sum of v; return by how much the intercept moved."""
        shift = self.problem.stiffness * float(self.v.sum())
        self.intercept += shift
        return shift


def search_plane(state: State, v: np.ndarray, w: np.ndarray, intercept: float) -> None:
    """Minimise over the span of the last two moves; v, w and intercept are those before the last sweep.

    Sweeps in a random order are steepest descents in a good metric, and the plane of the last two moves makes
    conjugate gradients of them: about half as many sweeps are needed.
    """
    problem, moves = state.problem, state.moves
    last = moves.turn()
    other = 1 - last
    gram, pull, factors = np.zeros((2, 2)), np.zeros(2), np.zeros(2)
    record_move(state.w, w, moves.w, last, state.w, gram, pull)
    pull *= -1.0
    record_dual_move(state.v, v, moves.v, last, problem.signs, pull)
    shifts = moves.shifts
    shifts[last] = state.intercept - intercept
    if problem.fit_intercept:
        gram += shifts[:, None] * shifts / problem.stiffness
        pull -= shifts * (state.intercept / problem.stiffness)
    size, product, other_size = gram[last, last], gram[last, other], gram[other, other]
    if not size > 0.0:
        return
    determinant = size * other_size - product**2
    if determinant > _PARALLEL * size * other_size:
        factors[last] = (other_size * pull[last] - product * pull[other]) / determinant
        factors[other] = (size * pull[other] - product * pull[last]) / determinant
    else:
        factors[last] = pull[last] / size
    combine(moves.v, factors, moves.step)
    combine(moves.w, factors, moves.w_step)
    before = state.intercept
    if state.move(moves.step, moves.w_step):
        moves.v[last] += moves.step
        moves.w[last] += moves.w_step
        shifts[last] += state.intercept - before


def _is_direct(problem, n_free) -> bool:
    """Whether the equations of so many free samples are solved by a factorisation."""
    return n_free <= min(_DIRECT, max(problem.samples.shape[0] + 1, _SMALL))


def is_cheap(problem: HingeProblem, n_free: int) -> bool:
    """Whether a factorisation costs no more than a few dozen sweeps over the free samples."""
    return n_free**2 <= 100.0 * problem.samples.n_entries / problem.signs.size


def solve_free(state: State) -> bool:
    """Minimise over the free samples, others fixed; cut off at the box, or up to the first bound.

    Returns
    -------
    bool
        True if the step was taken whole.
    """
    free = state.free()
    if free.size == 0:
        return True
    problem = state.problem
    residual = problem.signs[free] - state.intercept - transposed_product(problem.samples, state.w, free)
    if _is_direct(problem, free.size):
        direction, shift = _direct(problem, state, free, residual)
        state.intercept += shift
        step = np.zeros(state.v.size)
        step[free] = direction
        w_step = problem.combination(step, free)
    else:
        direction, w_step = conjugate_gradients(
            problem.samples.parts,
            free,
            residual,
            problem.squares[free] + problem.stiffness,
            problem.stiffness,
            problem.samples.shape[0],
            60,
            1e-8,
        )
        step = np.zeros(state.v.size)
        step[free] = direction
    reach = _reach(problem, state.v[free], direction, free)
    state.moves.forget()
    if reach >= 1.0:
        return state.move(step, w_step)
    length = 1.0
    while length > reach and length > _SHORTEST:  # many bounds are met at once where that pays
        if state.move(length * step, length * w_step):
            return False
        length *= 0.25
    _to_first_bound(state, free, direction, reach)
    return False


def _direct(problem, state, free, residual):
    """Direction and change of the multiplier that solve the equations of the free samples."""
    gram = _gram(problem, free) + problem.stiffness
    excess = float(state.v.sum())
    ones = np.ones(free.size)
    try:
        factor = scipy.linalg.cho_factor(gram + 0.0, lower=True)
        if np.diagonal(factor[0]).min() ** 2 <= _NULL * gram.diagonal().max():
            raise np.linalg.LinAlgError
        solved = scipy.linalg.cho_solve(factor, np.column_stack([residual, ones]))
        flat = np.zeros(free.size)
    except np.linalg.LinAlgError:
        values, vectors = np.linalg.eigh(gram)
        large = values > _NULL * max(values[-1], 0.0)
        parts = vectors.T @ np.column_stack([residual, ones])
        solved = vectors[:, large] @ (parts[large] / values[large, None])
        flat = vectors[:, ~large] @ parts[~large, 0]
        if np.abs(flat).max(initial=0.0) > 1e-9 * max(1.0, np.abs(residual).max()):
            # no minimum: the value falls along this line until a bound is met
            return flat * _far(problem, state, free, flat), 0.0
    total = float(solved[:, 1].sum())
    if not problem.fit_intercept or total <= 0.0:
        return solved[:, 0], 0.0
    shift = (float(solved[:, 0].sum()) + excess) / total
    return solved[:, 0] - shift * solved[:, 1], shift


def _gram(problem, free):
    if problem.samples.is_sparse:
        data, rows, starts = problem.samples.parts
        chosen = scipy.sparse.csr_array((data, rows, starts), shape=problem.samples.shape[::-1])[free]
        return (chosen @ chosen.T).toarray()
    chosen = problem.samples.parts[0][free]
    return chosen @ chosen.T


def _far(problem, state, free, direction):
    return 1.0000001 * max(_reach(problem, state.v[free], direction, free), 0.0)


def _reach(problem, v, direction, free) -> float:
    """The largest multiple of the direction that stays in the box."""
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        bound = np.where(direction > 0.0, problem.upper[free], problem.lower[free])
        ratios = np.where(direction != 0.0, (bound - v) / direction, np.inf)
    return float(ratios.min(initial=np.inf))


def _to_first_bound(state, free, direction, reach):
    """As far as the box allows; what meets a bound is put exactly there."""
    problem = state.problem
    step = np.zeros(state.v.size)
    step[free] = reach * direction
    v = np.clip(state.v + step, problem.lower, problem.upper)
    bound = np.where(step > 0.0, problem.upper, problem.lower)
    close = np.zeros(state.v.size, bool)
    close[free] = np.abs(bound[free] - v[free]) <= 1e-14 * (problem.upper - problem.lower)[free]
    v[close] = bound[close]
    change = v - state.v
    state.move(change, problem.combination(change, np.flatnonzero(change)))
