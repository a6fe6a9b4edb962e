"""How much the objective falls when a block is minimised, for each of some blocks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .block_model import minimise_model, model_decrease
from .setting import Chosen, Setting
from .update import make_update

_STEPS = 30
#: A step that adds less than this share of the improvement is the last.
_SMALL = 1e-6
#: Changes below this share of the objective are taken from the model.
_VISIBLE = 1e-10


def improvements(setting: Setting, blocks: Sequence[np.ndarray]) -> Callable[[Any], np.ndarray]:
    """A function of the state that minimises every block exactly: dear, for small problems."""
    one = improvement_of_model if setting.problem.is_quadratic else _by_newton(setting)
    return lambda state: np.array([one(setting, state, block) for block in blocks])


def improvement_of_model(setting: Setting, state: Any, block: np.ndarray) -> float:
    """How much the quadratic model of a block falls to its minimum; exact for a quadratic function."""
    problem = setting.problem
    matrix, slopes, x = setting.block_matrix(state, block), problem.gradient(state)[block], state.x[block]
    d = minimise_model(matrix, slopes, x, problem.penalty, block)
    return model_decrease(matrix, slopes, d, x, problem.penalty, block)


def _by_newton(setting):
    update = make_update("prox-newton", setting)

    def one(setting, state, block):
        problem = setting.problem
        scratch = problem.start(state.x)
        visible = _VISIBLE * abs(problem.value(state))
        total = 0.0
        for _ in range(_STEPS):
            d = update(scratch, Chosen(block, None))
            gain = _gain(problem, scratch, block, d, visible)
            total += gain
            problem.step(scratch, block, d)
            if gain <= _SMALL * total:
                break
        return total

    return one


def _gain(problem, state, block, d, visible):
    """How much the objective falls with a step; that of the model where rounding hides it."""
    x, penalty = state.x[block], problem.penalty
    change = float((penalty.values(x + d, block) - penalty.values(x, block)).sum())
    gain = -(problem.line(state, block, d)(1.0) + change)
    if gain > visible:
        return gain
    matrix, slopes = problem.hessian_block(state, block), problem.gradient_block(state, block)
    return model_decrease(matrix, slopes, d, x, penalty, block)
