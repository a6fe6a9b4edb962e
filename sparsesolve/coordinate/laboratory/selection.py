"""Rules that choose the next block.

A rule is a function of the state that returns a `Chosen`. Rules for fixed blocks return the block's number with it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ...operators.forest import greedy_forest
from .block_model import Factor
from .cubic import cubic_step
from .greedy_block import hard_thresholding, orthogonal_pursuit
from .improvement import improvement_of_model, improvements
from .scores import scores
from .setting import Chosen, Setting

SELECTIONS = ("random", "cyclic", "lipschitz", "gs", "gsl", "gsd", "gsq", "gsc", "mi", "greedy-tree")
#: Those that look at the whole gradient.
GREEDY = ("gs", "gsl", "gsd", "gsq", "gsc", "mi", "greedy-tree")
#: Fixed blocks of the best diagonal scores whose model is minimised exactly, where a penalty makes that dear.
_SHORTLIST = 10


Rule = Callable[[Any], Chosen]


def make_rule(name: str, setting: Setting, nonsmooth_score: str, gsq_method: str, gsq_rounds: int) -> Rule:
    """The rule of a name, or of a user's function; the choices are checked already."""
    if callable(name):
        return _own(name, setting)
    if setting.blocks is not None:
        return _fixed_rule(name, setting, nonsmooth_score)
    if name == "gsq":
        return _variable_gsq(setting, nonsmooth_score, gsq_method, gsq_rounds)
    if name == "greedy-tree":
        return _greedy_tree(setting)
    made: Rule = _VARIABLE[name](setting, nonsmooth_score)
    return made


def _own(function, setting):
    """A rule made of ``function(x, gradient, curvature, block_size)``, which returns coordinates."""
    problem = setting.problem

    def rule(state):
        chosen = function(
            state.x.copy(), problem.gradient(state).copy(), setting.curvatures(state), setting.block_size
        )
        block = np.unique(np.asarray(chosen))
        if (
            block.dtype.kind not in "iu"
            or not block.size
            or block[0] < 0
            or block[-1] >= problem.n_coordinates
        ):
            raise ValueError(
                f"selection returned {chosen!r}: it must return at least one coordinate, whole numbers from 0 to "
                f"{problem.n_coordinates - 1}."
            )
        return Chosen(setting.units.coordinates(setting.units.units_of(block)), None)  # groups stay whole

    return rule


# ---- variable blocks -------------------------------------------------------------------------------------------------


def _variable(setting, units):
    return Chosen(setting.units.coordinates(units), None)


def _variable_random(setting, kind):
    def rule(state):
        return _variable(
            setting, setting.units.best(setting.random.random(setting.units.count), setting.block_size)
        )

    return rule


def _variable_cyclic(setting, kind):
    waiting: list[np.ndarray] = []

    def rule(state):
        if not waiting:  # a fresh permutation, cut into consecutive runs
            order = setting.random.permutation(setting.units.count)
            waiting.extend(reversed(setting.units.cut(order, setting.block_size)))
        return Chosen(waiting.pop(), None)

    return rule


def _variable_lipschitz(setting, kind):
    weights = np.maximum(setting.units.largest(setting.scales), 0.0)

    def rule(state):
        # The k smallest of exponentials with these rates are k draws without replacement.
        with np.errstate(divide="ignore"):
            waits = setting.random.exponential(size=weights.size) / weights
        return _variable(setting, setting.units.best(-waits, setting.block_size))

    return rule


def _variable_best(curvatures):
    def make(setting, kind):
        def rule(state):
            values = _scores(setting, kind, state, curvatures(setting, state))
            return _variable(setting, setting.units.best(values, setting.block_size))

        return rule

    return make


def _scores(setting, kind, state, curvature):
    problem = setting.problem
    return scores(kind, problem.penalty, state.x, problem.gradient(state), curvature, setting.units.total)


def _one_curvature(setting, state):
    return np.full(setting.problem.n_coordinates, setting.curvatures(state).max())


def _row_bounds(setting):
    return setting.positive(setting.problem.row_bounds())


def _variable_gsl(setting, kind):
    curvature = _row_bounds(setting)
    return _variable_best(lambda setting, state: curvature)(setting, kind)


def _variable_gsc(setting, kind):
    """The best decreases of the coordinates' own cubic models."""

    def rule(state):
        gradient, curvature = setting.problem.gradient(state), setting.problem.hessian_diagonal(state)
        values = _scores(setting, kind, state, setting.positive(curvature))
        likely = setting.units.best(values, 4 * setting.block_size)
        decreases = np.array(
            [_cubic_decrease(setting, state, gradient, np.array([i]), curvature[i]) for i in likely]
        )
        best = np.argsort(-decreases, kind="stable")[: setting.block_size]
        return Chosen(likely[best], None)

    return rule


def _cubic_decrease(setting, state, gradient, block, curvature=None):
    matrix = setting.problem.hessian_block(state, block) if curvature is None else np.array([[curvature]])
    return cubic_step(matrix, gradient[block], setting.problem.third_bound(block))[1]


def _variable_mi(setting, kind):
    rate = improvements(
        setting, [setting.units.coordinates(np.array([i])) for i in range(setting.units.count)]
    )

    def rule(state):
        return _variable(setting, np.array([int(np.argmax(rate(state)))]))

    return rule


_VARIABLE: dict[str, Callable[[Setting, str], Rule]] = {
    "random": _variable_random,
    "cyclic": _variable_cyclic,
    "lipschitz": _variable_lipschitz,
    "gs": _variable_best(_one_curvature),
    "gsd": _variable_best(lambda setting, state: setting.curvatures(state)),
    "gsl": _variable_gsl,
    "gsc": _variable_gsc,
    "mi": _variable_mi,
}


def _variable_gsq(setting, kind, method, rounds):
    def rule(state):
        curvature = setting.curvatures(state)
        if method == "iht":
            return Chosen(hard_thresholding(setting, state, curvature), None)
        return Chosen(orthogonal_pursuit(setting, state, curvature, kind, rounds), None)

    return rule


def _greedy_tree(setting):
    """A forest, as large as can be, of the coordinates of the best scores."""
    graph = setting.problem.couplings()

    def rule(state):
        values = _scores(setting, "q", state, setting.curvatures(state))
        return Chosen(greedy_forest(graph, values), None)

    return rule


# ---- fixed blocks ----------------------------------------------------------------------------------------------------


def _fixed_rule(name, setting, kind):
    blocks = setting.fixed_blocks
    if name == "random":
        return lambda state: _numbered(blocks, int(setting.random.integers(len(blocks))))
    if name == "cyclic":
        turn = iter(range(2**62))
        return lambda state: _numbered(blocks, next(turn) % len(blocks))
    if name == "lipschitz":
        weights = setting.block_bounds if setting.block_bounds.any() else np.ones(len(blocks))
        ends = np.cumsum(weights / weights.sum())
        return lambda state: _numbered(
            blocks, min(int(np.searchsorted(ends, setting.random.random(), side="right")), len(blocks) - 1)
        )
    rate = _fixed_scores(name, setting, kind)
    return lambda state: _numbered(blocks, int(np.argmax(rate(state))))


def _numbered(blocks, number):
    return Chosen(blocks[number], number)


def _fixed_scores(name, setting, kind):
    """A function of the state that rates every fixed block."""
    if name == "mi":
        return improvements(setting, setting.fixed_blocks)
    if name == "gsc":
        return lambda state: np.array(
            [
                _cubic_decrease(setting, state, setting.problem.gradient(state), block)
                for block in setting.fixed_blocks
            ]
        )
    if name == "gsq" and setting.is_smooth:
        return _exact_smooth(setting)
    totals = _block_totals(setting)
    if name == "gs":
        return lambda state: totals(_scores(setting, kind, state, _one_curvature(setting, state)))
    if name == "gsl":
        curvature = np.empty(setting.problem.n_coordinates)
        for block, bound in zip(setting.fixed_blocks, setting.block_bounds, strict=True):
            curvature[block] = bound
        curvature = setting.positive(curvature)
        return lambda state: totals(_scores(setting, kind, state, curvature))
    diagonal = lambda state: totals(_scores(setting, kind, state, setting.curvatures(state)))  # noqa: E731
    return diagonal if name == "gsd" else _shortlisted(setting, diagonal)


def _block_totals(setting):
    """Sums over fixed blocks of one value for each unit."""
    members = [setting.units.units_of(block) for block in setting.fixed_blocks]
    number = np.empty(setting.units.count, np.int64)
    for place, units in enumerate(members):
        number[units] = place
    return lambda values: np.bincount(number, values, len(members))


def _exact_smooth(setting):
    """``G_b' H_b^-1 G_b`` with the bounding matrices, whose factors are kept; with Hessians where there are none."""
    problem = setting.problem
    constant = setting.bounds is not None
    kept: list[Factor] = []

    def matrix(state, block):
        return problem.bound_block(block) if constant else problem.hessian_block(state, block)

    def rate(state):
        gradient = problem.gradient(state)
        factors = kept or [Factor(matrix(state, block)) for block in setting.fixed_blocks]
        if constant and not kept:
            kept.extend(factors)
        pairs = zip(setting.fixed_blocks, factors, strict=True)
        return np.array([gradient[block] @ factor.solve(gradient[block]) for block, factor in pairs])

    return rate


def _shortlisted(setting, diagonal):
    """The model's own decrease for the blocks of the best diagonal scores, and nothing for the others."""

    def rate(state):
        likely = np.argsort(-diagonal(state), kind="stable")[:_SHORTLIST]
        values = np.full(len(setting.fixed_blocks), -np.inf)
        for number in likely:
            values[number] = improvement_of_model(setting, state, setting.fixed_blocks[number])
        return values

    return rate
