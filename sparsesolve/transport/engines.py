"""The engines as generators: each brings the potentials to an error at a given reg, and returns whether it did.

While they work they yield iterates, so that a time limit or an interrupt keeps the best potentials.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from . import scaling, support
from .blocks import couple_parts
from .state import NOTHING, State

# Shares of the mass that may be left out of a support: while annealing, and of the tolerance at the end.
COARSE_SHARE = 0.015
FINE_SHARE = 0.05
# A support pays below this density: a step on it costs about 5 + 75 density, on a stored kernel 18 (ns an entry).
SPARSE_DENSITY = 0.17
# How much denser the support of the final accuracy is than a coarse one: 1.5 times on a line, 2.2 in the plane.
_DEEPER = 1.8
# A plan below this density is no matter for the dense engine, even where the sparse one fails.
_NOT_DENSE = 0.02
# Error at which a stage of the annealing ends, and the last one looks at all that matters.
STAGE_ERROR = 3e-2
_FINE_AFTER = 1e-2
# How much wider than a stage needs the support is looked up, as the following stages need less and less.
_WIDER = 4.0
_WIDE_DENSITY = 0.3
# Work of one call of a kernel, in entries: a few tenths of a second.
_WORK = 3e8
# Readings of a kernel in one call at least: on large ones they take seconds.
_READS = 4.0
# How far potentials may move on a support before it is looked up again, in units of reg.
_REACH = 12.0
_ATTEMPTS = 60
# Attempts in a row that may fail to halve the error.
_FRUITLESS = 8
# Times in a row that the potentials may move out of a support before separate parts are looked for.
_WALKS = 2
# Sweeps in the log domain that may fail to lower the error by a tenth.
_IDLE_SWEEPS = 30
# Error after two sweeps beyond which given potentials are no better than none.
_NEAR = 0.5


def dense(
    state: State,
    reg: float,
    goal: float,
    *,
    allow_newton: bool = True,
    probe: float = 0.0,
    share: float = 0.0,
):
    """Sweeps and Newton steps on a stored kernel. Returns the status of `scaling.scale`.

    Entries that make more than a share of the mass are counted where one is given, for the stage to come.
    """
    problem = state.problem
    n, m = problem.cost.shape
    state.engine = "newton-dense" if allow_newton else "sinkhorn"
    kappa = problem.kappa(reg)
    stored = state.room() if problem.cost.is_stored else None
    state.kernel = None
    fruitless, best = 0, np.inf
    max_work = max(_WORK, _READS * n * m)
    for _ in range(_ATTEMPTS):
        u, v = np.ones(n), np.ones(m)
        if stored is not None:
            state.store_kernel(reg, share, stored, u)
            K: Any = stored
        else:
            state.normalise(reg)
            K = (*problem.cost.source, state.f.copy(), state.g.copy(), 1.0 / reg)
        a, b = problem.targets(state.f, state.g)
        f, g = state.f, state.g
        memory = scaling.new_memory()
        status = scaling.UNFINISHED
        while status == scaling.UNFINISHED:
            status, error = scaling.scale(
                K,
                state.single,
                a,
                b,
                kappa,
                u,
                v,
                state.rows,
                state.columns,
                goal,
                allow_newton,
                probe,
                max_work,
                state.counts,
                memory,
            )
            state.f, state.g = f + reg * np.log(u), g + reg * np.log(v)
            if status == scaling.UNFINISHED:
                yield state.iterate(reg, error)
        fruitless = fruitless + 1 if status == scaling.STUCK or error > 0.5 * best else 0
        best = min(best, error)
        if status in (scaling.DONE, scaling.HOPELESS) or fruitless > _FRUITLESS:
            break
    state.kernel = (K, u, v) if stored is not None and status == scaling.DONE else None
    if status != scaling.HOPELESS:
        yield state.iterate(reg, error)
    return status


def sparse(state: State, reg: float, goal: float, *, last: bool, always: bool = False):
    """Newton steps on the entries that matter. Returns True at the goal, False where a dense plan does better.

    With `last`, the error is that of all entries, measured by a pass; else that on the support, as the next stage
    looks at all entries anyway.
    """
    problem = state.problem
    kappa = problem.kappa(reg)
    state.engine = "newton-sparse"
    state.kernel = None
    most = 1.0 if always else SPARSE_DENSITY
    coarse, fine = state.depth(COARSE_SHARE), state.depth(FINE_SHARE * goal) if last else np.inf
    depth, extra, grows = coarse, 0.0, True
    best, fruitless, walks = np.inf, 0, 0
    for _ in range(_ATTEMPTS):
        if state.wide.reaches(state.f, state.g) < reg * (depth + extra):
            error = yield from _look_up(state, reg, depth, extra, goal, always)
            if error is None and extra > 0.0:
                extra, grows = 0.0, False
                continue
            if error is None:
                return False
            if last and error <= goal:
                yield state.iterate(reg, error)
                return True
            fruitless = 0 if error < 0.5 * best else fruitless + 1
            best = min(best, error)
            if fruitless > _FRUITLESS:
                return False
        active = state.narrowed(reg, depth + extra, most if depth == fine else 2 * most)
        if active is None and extra > 0.0:
            extra, grows = 0.0, False
            continue
        if active is None:
            return False
        values = np.empty(active.size)
        inner_goal = goal if not last else 0.4 * goal if depth == fine else max(_FINE_AFTER, goal)
        wide, margin = state.wide, reg * (_REACH + extra)
        clear = wide.reaches(state.f, state.g) - reg * (depth - _REACH)
        status, error = support.newton_on_support(
            active.starts, active.indices, active.costs, values, wide.starts, wide.indices, wide.costs, active.asleep,
            active.row_limits, active.column_limits - margin, clear, problem.a, problem.b, kappa, state.f, state.g, reg,
            inner_goal, min(margin, clear), _WORK, state.columns, state.rows, state.counts,
        )  # fmt: skip
        state.density = active.size / state.pairs
        if status != scaling.DONE:
            yield state.iterate(reg, np.inf)
            walks = walks + 1 if status == support.MOVED else 0
            if walks >= _WALKS and couple_parts(state, active, reg, goal):
                walks = 0
                state.wide = NOTHING
            elif walks > 0 and grows:
                # A support that reaches further lets the potentials walk further before it is looked up again.
                extra = 2.0 * extra + _REACH
            elif status == scaling.STUCK:
                fruitless += 1
                state.wide = NOTHING
            continue
        walks = 0
        if not last:
            yield state.iterate(reg, np.inf)
            return True
        if depth != fine:
            depth, extra = fine, 0.0
            continue
        error = state.normalise(reg)
        yield state.iterate(reg, error)
        if error <= goal:
            return True
        # What was left out matters: look at all entries again.
        state.wide = NOTHING
    return False


def from_start(state: State, goal: float):
    """Begin at potentials that are near the answer. Returns whether the goal was reached."""
    reg = state.problem.reg
    reached = yield from sparse(state, reg, goal, last=True)
    if not reached:
        status = yield from dense(state, reg, goal, probe=_NEAR)
        reached = status == scaling.DONE
    return reached


def _look_up(state: State, reg: float, depth: float, extra: float, goal: float, always: bool):
    """Find the wide support by passes over all entries. Returns the error, or None where it is too dense."""
    coarse, last_needs = state.depth(COARSE_SHARE), state.depth(FINE_SHARE * goal) + _REACH
    most = 1.0 if always else _WIDE_DENSITY
    if extra > 0.0:
        widths = [depth + 2.0 * extra]
    elif depth == coarse:
        # What the stage before counted lies about as deep as the wide support of this one.
        widths = [max(_WIDER * coarse, min(depth, last_needs)), depth][state.density > _WIDE_DENSITY :]
    else:
        widths = [depth + _REACH]
        most = 1.0 if always else SPARSE_DENSITY
    coupled = False
    for width in widths:
        for _ in range(_ATTEMPTS):
            error = state.truncate(reg, width, most)
            if error is None:
                break
            starved = state.columns < 1e-3 * state.targets()
            starved |= state.wide.column_counts(starved.size) == 0
            if starved.any():
                yield state.iterate(reg, error)
                _feed(state, reg, starved)
            elif coupled or not couple_parts(state, state.wide, reg, goal):
                return error
            else:
                coupled = True
    return None


def _feed(state: State, reg: float, starved: np.ndarray) -> None:
    """Exact Sinkhorn updates of the columns that get next to nothing."""
    problem = state.problem
    log_sums = problem.cost.log_column_sums(state.f, reg)[starved]
    state.g[starved] = (reg * np.log(problem.b[starved]) - log_sums) / (1.0 + problem.kappa(reg))


def anneal(
    state: State,
    goal: float,
    *,
    sparse_allowed: bool = True,
    always_sparse: bool = False,
    careful: bool = False,
):
    """Lower reg in steps; each stage starts from a prediction by the two before. Returns whether the goal was reached.

    With `careful` every stage is solved to the goal, so that tiny flows are followed all the way down.
    """
    problem = state.problem
    stages = stages_to(problem.cost.high - problem.cost.low, problem.reg, 2.0 if careful else 4.0)
    before = None
    go_sparse = False
    for number, reg in enumerate(stages):
        last = number == len(stages) - 1
        stage_goal = goal if last or careful else STAGE_ERROR
        reached = False
        if go_sparse:
            reached = yield from sparse(state, reg, stage_goal, last=last or careful, always=always_sparse)
        if not reached and not (last and state.density < _NOT_DENSE):
            status = yield from dense(state, reg, stage_goal, share=COARSE_SHARE)
            reached = status == scaling.DONE
        if not last:
            # A plan lives at least along a line, whose width goes with the root of reg; the last stage looks deeper.
            expected = state.density * np.sqrt(stages[number + 1] / reg)
            deeper = 1.0 if number + 2 < len(stages) else _DEEPER
            go_sparse = always_sparse or (sparse_allowed and expected * deeper <= SPARSE_DENSITY)
            before = predict(state, before, reg, stages[number + 1])
    return reached


def predict(state: State, before, reg: float, next_reg: float):
    """Move the potentials to where those of two stages point for the next one; returns what the next call needs."""
    f, g = state.f.copy(), state.g.copy()
    if before is not None:
        weight = 0.8 * (next_reg - reg) / (reg - before[2])
        state.f += weight * (f - before[0])
        state.g += weight * (g - before[1])
    return f, g, reg


def stages_to(spread: float, reg: float, factor: float) -> list[float]:
    """Values of reg, each at most so many times smaller than the one before."""
    first = 0.02 * spread
    if first <= reg:
        return [reg]
    steps = int(np.ceil(np.log(first / reg) / np.log(factor) - 1e-9))
    return [reg * (first / reg) ** ((steps - k) / steps) for k in range(steps + 1)]


def log_domain(state: State):
    """Sinkhorn sweeps on potentials, safe at any reg: the last resort."""
    problem = state.problem
    reg = problem.reg
    state.engine = "sinkhorn-log"
    state.kernel = None
    best, idle = np.inf, 0
    while idle < _IDLE_SWEEPS:
        log_sums = problem.cost.log_column_sums(state.f, reg)
        state.g = (reg * np.log(problem.b) - log_sums) / (1.0 + problem.kappa(reg))
        state.dense_passes += 2
        error = state.normalise(reg)
        state.counts[scaling.SWEEPS] += 1
        idle = idle + 1 if error > 0.9 * best else 0
        best = min(best, error)
        yield state.iterate(reg, error)
