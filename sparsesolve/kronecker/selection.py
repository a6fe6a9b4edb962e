"""`auto`: several runs, of which the evidence rejects the bad ones.

The evidence alone is a poor judge: a run without pruning has the lowest cost and a noisier answer. But local minima
show in it by a wide gap. So runs are ranked by what their answers are worth on the average, and the first is taken
whose cost is near the lowest.

Where the coefficients themselves are a Kronecker product, few numbers describe them, and a fit mode by mode is far more
accurate. Begun with the gammas of the chosen run it cannot go astray in a mode that has few measurements. Mallows' C_p
decides: residual over noise variance plus twice the numbers spent.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from ..driver import Outcome, Solver, drive
from ..operators.kronecker import energy
from ..result import Status
from .decomposition import decompose
from .learning import FIRST_NOISE, learn
from .options import Options
from .problem import Problem, matched_start

#: Costs that lie further apart belong to different minima. The choice was the same from 10 to 40 on draws of their own.
GAP = 20.0
#: Spread of the logarithm of random starts.
_SPREAD = 2.0
#: What zero gammas start from, relative to the largest: zeros would stay zero.
_FLOOR = 1e-12


class Run(NamedTuple):
    """One run of a method.

    Attributes
    ----------
    name : str
    outcome : Outcome
    """

    name: str
    outcome: Outcome

    @property
    def cost(self) -> float:
        """Minus twice the log evidence (minus it, for complex data), but for a constant."""
        return float(self.outcome.best.objective)


def run_method(
    problem: Problem, method: str, options: Options, limits: dict, noise_variance, start=None
) -> Outcome:
    """One run from a start."""
    iterates = learn(
        problem,
        method,
        noise_variance=noise_variance,
        start=start,
        pruning=options.pruning_of(method),
        couplings=None if method == "svd" else options.couplings,
    )
    return _drive(iterates, options, limits)


def run_all(
    problem: Problem, options: Options, limits: dict, noise_variance: float | None, rng
) -> tuple[Run, list[Run]]:
    """The chosen run, and all that were made, as far as time and callback allow.

    Multiplicative steps, the SVD-based method from where they ended, from equal gammas, and from random ones; and from
    the best of these, mode by mode. With patterns that are held together, multiplicative steps alone.
    """
    runs: list[Run] = []
    ends = None if options.max_time is None else time.perf_counter() + options.max_time
    for name, method, start in _plan(problem, options, noise_variance, runs, rng):
        if ends is not None:
            limits = {**limits, "max_time": ends - time.perf_counter()}
        runs.append(Run(name, run_method(problem, method, options, limits, noise_variance, start)))
        if runs[-1].outcome.status in _STOPS:
            break
    lowest = min(run.cost for run in runs)
    ranked = sorted(runs, key=lambda run: (_RANKS.get(run.name, _RANDOM), run.cost))
    chosen = next(run for run in ranked if run.cost <= lowest + GAP)
    stopped = runs[-1].outcome.status in _STOPS
    if stopped or options.couplings is not None or len(problem.factors) == 1 or problem.mean_square == 0.0:
        return chosen, runs
    state = chosen.outcome.best.solution
    iterates = decompose(
        problem,
        noise_variance=state.noise_variance,
        pruning=options.pruning_of("dsbl"),
        start=state.gammas(),
    )
    runs.append(Run(f"dsbl from {chosen.name}", _drive(iterates, options, limits)))
    product = runs[-1].outcome.best.solution
    better = mallows(problem, product, state.noise_variance) < mallows(problem, state, state.noise_variance)
    return runs[-1] if better else chosen, runs


def mallows(problem: Problem, state, noise_variance: float) -> float:
    """C_p: an estimate of the error of prediction, in units of the noise variance and but for a constant."""
    mean, _ = state.predict(problem.factors)
    residual = energy(problem.data - mean) + problem.rest
    return residual / noise_variance + 2.0 * state.degrees_of_freedom


def _drive(iterates: Solver, options: Options, limits: dict) -> Outcome:
    return drive(iterates, tol=options.tol, max_iter=options.max_iter, **limits)


_STOPS = (Status.STOPPED, Status.TIME_LIMIT)
_RANKS = {"svd from mm": 0, "svd": 1, "mm": 3}
_RANDOM = 2


def _plan(
    problem: Problem, options: Options, noise_variance, runs: list[Run], rng
) -> Iterator[tuple[str, str, list[np.ndarray] | None]]:
    yield "mm", "mm", None
    if options.couplings is not None or problem.mean_square == 0.0:
        return
    gammas = runs[0].outcome.best.solution.gammas()
    yield "svd from mm", "svd", [np.maximum(gamma, _FLOOR * gamma.max()) for gamma in gammas]
    yield "svd", "svd", None
    if len(problem.factors) == 1:
        return  # with one factor all starts lead to where EM leads
    first = FIRST_NOISE * problem.mean_square if noise_variance is None else noise_variance
    for number in range(options.n_starts):
        equal = matched_start(problem, first)
        factors = [np.exp(_SPREAD * rng.standard_normal(gamma.size)) for gamma in equal]
        yield f"svd, random start {number + 1}", "svd", [g * f for g, f in zip(equal, factors, strict=True)]
