"""Updates: how far to move the chosen block. Each is a function of state and block that returns the step d.

None makes the objective larger, beyond rounding; a step of zeros says that nothing better was found.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ...operators.forest import ForestFactor
from .block_model import Factor, largest_eigenvalue, minimise_model
from .cubic import cubic_step
from .line_search import backtrack
from .setting import Chosen, Setting

UPDATES = (
    "lipschitz",
    "lipschitz-search",
    "matrix",
    "newton",
    "cubic",
    "prox-newton",
    "two-metric",
    "message-passing",
)
#: Those whose quadratic model is the bound that holds everywhere, where there is one.
BOUND_UPDATES = ("lipschitz", "lipschitz-search", "matrix")
_DOUBLINGS = 60
_EPS = np.finfo(np.float64).eps
#: Distance from a kink, relative to the step there, below which two-metric projection counts a coordinate as at it.
_NEAR = 1e-8

Update = Callable[[Any, Chosen], np.ndarray]


def make_update(name: str, setting: Setting) -> Update:
    """The update of a name; the choices are checked already."""
    return _UPDATES[name](setting)


def _proximal_step(setting, state, block, slopes, bound):
    """The minimiser of the model with the same curvature in every direction."""
    x = state.x[block]
    if bound <= 0.0:
        bound = setting.positive(setting.scales).min()
    return setting.problem.penalty.prox(x - slopes / bound, 1.0 / bound, block) - x


def _lipschitz(setting):
    def update(state, chosen):
        block, number = chosen
        bound = setting.block_bound(block) if number is None else setting.block_bounds[number]
        return _proximal_step(setting, state, block, setting.problem.gradient_block(state, block), bound)

    return update


def _lipschitz_search(setting):
    """One estimate a coordinate; a block takes the largest, and doubles it until the quadratic bound holds."""
    problem = setting.problem
    estimates = setting.positive(problem.hessian_diagonal(setting.first))
    least = 1e-6 * estimates

    def holds(state, block, slopes, d, bound):
        """Whether the quadratic model lies above f at the step."""
        square = float(d @ d)
        if 0.5 * bound * square > 1e4 * _EPS * abs(problem.value(state)):
            return problem.line(state, block, d)(1.0) <= float(slopes @ d) + 0.5 * bound * square
        # A change that drowns in rounding: but then the step is so small that the Hessian tells.
        return float(d @ (problem.hessian_block(state, block) @ d)) <= bound * square

    def update(state, chosen):
        block = chosen.block
        slopes = problem.gradient_block(state, block)
        bound = float(estimates[block].max())
        for _ in range(_DOUBLINGS):
            d = _proximal_step(setting, state, block, slopes, bound)
            if not d.any():
                return d
            if holds(state, block, slopes, d, bound):
                estimates[block] = np.maximum(0.5 * bound, least[block])  # a little courage for the next time
                return d
            bound *= 2.0
        return np.zeros_like(slopes)

    return update


def _matrix(setting):
    """The exact minimiser of the model with the block's bounding matrix."""
    problem = setting.problem
    factors: dict[int, Factor] = {}
    matrices: dict[int, np.ndarray] = {}

    def keep(kept, make, block, number):
        """Fixed blocks have what is made of their matrix kept."""
        if number is None:
            return make(problem.bound_block(block))
        if number not in kept:
            kept[number] = make(problem.bound_block(block))
        return kept[number]

    def update(state, chosen):
        block, number = chosen
        slopes = problem.gradient_block(state, block)
        if setting.is_smooth:
            return -keep(factors, Factor, block, number).solve(slopes)
        matrix = keep(matrices, np.asarray, block, number)
        return minimise_model(matrix, slopes, state.x[block], problem.penalty, block)

    return update


def _rounding(problem, state, slopes, d, penalties):
    """Error to be expected of the change of the objective along d."""
    return _EPS * float(np.abs(problem.value(state)) + np.abs(slopes) @ np.abs(d) + np.abs(penalties).sum())


def _searched(problem, state, block, slopes, d):
    """The direction times the step length that a line search finds."""
    x, penalty = state.x[block], problem.penalty
    before = penalty.values(x, block)
    smooth = problem.line(state, block, d)
    slope = float(slopes @ d) + float((penalty.values(x + d, block) - before).sum())

    def change(t):
        return smooth(t) + float((penalty.values(x + t * d, block) - before).sum())

    t = backtrack(change, slope, _rounding(problem, state, slopes, d, before))
    return d if t == 1.0 else t * d


def _newton(setting):
    """The minimiser of the quadratic model at the state, and a line search."""
    problem = setting.problem

    def update(state, chosen):
        block = chosen.block
        slopes = problem.gradient_block(state, block)
        matrix = problem.hessian_block(state, block)
        x = state.x[block]
        d = minimise_model(matrix, slopes, x, problem.penalty, block)
        if problem.is_quadratic:
            return d  # exact
        d = _searched(problem, state, block, slopes, d)
        if d.any():
            return d
        # Curvatures that have vanished in floating point: a step that trusts their diagonal less.
        bound = max(largest_eigenvalue(matrix), setting.positive(setting.scales)[block].max())
        d = _proximal_step(setting, state, block, slopes, bound)
        return _searched(problem, state, block, slopes, d)

    return update


def _cubic(setting):
    """The quadratic model at the state plus a cube whose factor is known, or else doubled until the model holds."""
    problem = setting.problem
    estimate = [0.0]

    def update(state, chosen):
        block = chosen.block
        slopes, matrix = problem.gradient_block(state, block), problem.hessian_block(state, block)
        third = problem.third_bound(block)
        if third is not None:
            return cubic_step(matrix, slopes, third)[0]
        third = 0.5 * estimate[0]
        rounding = 4 * _EPS * abs(problem.value(state))
        for _ in range(_DOUBLINGS):
            d, decrease = cubic_step(matrix, slopes, third)
            reached = problem.line(state, block, d)(1.0)
            if reached <= -0.1 * decrease + rounding:
                estimate[0] = third
                return d
            size = float(np.linalg.norm(d))
            third = max(2.0 * third, 0.01 * largest_eigenvalue(matrix) / max(size, 1e-300))
        return np.zeros_like(slopes)

    return update


def _two_metric(setting):
    """A Newton step in the coordinates that are free to move, a scaled gradient step in those held at a kink.

    The point is projected onto the intervals on which the penalty is smooth: bounds, or the orthant of the signs.
    """
    problem = setting.problem
    penalty = problem.penalty

    def update(state, chosen):
        block = chosen.block
        slopes, x = problem.gradient_block(state, block), state.x[block]
        matrix = problem.hessian_block(state, block)
        low, high, slope = penalty.pieces(x, slopes, block)
        total = slopes + slope
        diagonal = np.maximum(matrix.diagonal(), 1e-14 * max(matrix.diagonal().max(), 1e-300))
        near = np.minimum(_NEAR * np.maximum(1.0, np.abs(x)), np.abs(total) / diagonal)
        held = ((x <= low + near) & (total > 0)) | ((x >= high - near) & (total < 0))
        d = -total / diagonal
        free = np.flatnonzero(~held)
        if free.size:
            part = block[free]
            curved = matrix[np.ix_(free, free)] + penalty.hessian(x[free], part)
            d[free] = -Factor(curved).solve(total[free])
        before = penalty.values(x, block)

        def project(t):
            return np.clip(x + t * d, low, high) - x

        def change(t):
            moved = project(t)
            gained = float((penalty.values(x + moved, block) - before).sum())
            return problem.line(state, block, moved)(1.0) + gained

        guaranteed = float(total[free] @ d[free]) + float(total[held] @ project(1.0)[held])
        t = backtrack(change, guaranteed, _rounding(problem, state, slopes, d, before))
        return project(t) if t > 0.0 else _first_order(setting, state, block, slopes, matrix)

    return update


def _first_order(setting, state, block, slopes, matrix):
    """A proximal gradient step with a line search, where the second-order one leads nowhere."""
    bound = max(largest_eigenvalue(matrix), 1e-300)
    return _searched(
        setting.problem, state, block, slopes, _proximal_step(setting, state, block, slopes, bound)
    )


def _message_passing(setting):
    """Newton's step on a forest, by elimination from the leaves: linear time, and exact for a quadratic function."""
    problem = setting.problem
    kept: dict[int, ForestFactor] = {}

    def factor(state, block, number):
        if number is None or not problem.is_quadratic:
            return ForestFactor(problem.sparse_hessian(state), block)
        if number not in kept:
            kept[number] = ForestFactor(problem.sparse_hessian(state), block)
        return kept[number]

    def update(state, chosen):
        block, number = chosen
        slopes = problem.gradient_block(state, block)
        d = -factor(state, block, number).solve(slopes)
        return d if problem.is_quadratic else _searched(problem, state, block, slopes, d)

    return update


_UPDATES: dict[str, Callable[[Setting], Update]] = {
    "lipschitz": _lipschitz,
    "lipschitz-search": _lipschitz_search,
    "matrix": _matrix,
    "newton": _newton,
    "cubic": _cubic,
    "prox-newton": _newton,
    "two-metric": _two_metric,
    "message-passing": _message_passing,
}
