"""Entries held out: the error on them sweep by sweep, and the choice of the rank by it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ..driver import TICK, Iterate, Solver, drive
from ..random import as_key
from .completed import Completed, errors_of
from .engines import engine_for
from .entries import root_mean_square
from .observations import Observations
from .options import Options

#: Trial fits: how far they go, in sweeps and in their certificate.
_SWEEPS, _TOLERANCE = 100, 1e-7
#: A rank counts as better when its error is less by this share: of equally good ones the least is taken.
_BETTER = 0.01
#: Held-out errors below this share of the entries count as none.
_EXACT = 1e-5
#: So many ranks in turn without a better one end the search.
_WORSE = 2


def hold_out(
    observations: Observations, share: float, random_state
) -> tuple[Observations, Observations | None]:
    """Part the entries at random into those to learn from and those to test on; None where none are held out.

    Raises
    ------
    ValueError
        Where one of the parts would be empty.
    """
    if share == 0.0:
        return observations, None
    rng = np.random.default_rng(as_key(random_state))
    number = round(share * observations.n_entries)
    if not 0 < number < observations.n_entries:
        raise ValueError(
            f"validation_fraction={share} of {observations.n_entries} entries leaves {number} to test on: both parts "
            "need some; give more entries, or another fraction."
        )
    held = np.zeros(observations.n_entries, dtype=bool)
    held[rng.choice(observations.n_entries, number, replace=False)] = True
    return observations.subset(~held), observations.subset(held)


def held_out_error(held: Observations, found: Completed) -> float:
    """Root of the weighted mean squared error at the entries held out."""
    return root_mean_square(errors_of(held, found), held.rows.weights)


def with_held_out_error(iterates: Solver, held: Observations) -> Solver:
    """The same iterates with the error on held-out entries in the trace."""
    while True:
        try:
            iterate = next(iterates)
        except StopIteration as end:
            return end.value
        if iterate is TICK:
            yield TICK
            continue
        extras = {**iterate.extras, "held_out_error": held_out_error(held, iterate.solution)}
        yield Iterate(iterate.solution, iterate.certificate, iterate.objective, extras, iterate.goes_on)


def choose_rank(
    train: Observations, held: Observations, options: Options, random_state, limits: dict
) -> tuple[int, dict[int, float]]:
    """The least rank whose held-out error is nearly the smallest, and the errors of all ranks that were tried.

    Ranks grow by about a half until two in turn bring nothing, or one fits exactly; then the gaps beside the best one
    are searched by halves. `limits` are keywords of `drive`: time limit, callback.
    """
    largest = min(train.shape)
    errors: dict[int, float] = {}
    fits: dict[int, bool] = {}
    # Exact fits are alike.
    floor = _EXACT * root_mean_square(held.rows.values, held.rows.weights)

    def error(rank: int) -> float:
        if rank not in errors:
            trial = replace(options, rank=rank, tol=max(options.tol, _TOLERANCE))
            outcome = drive(
                engine_for(trial)(train, trial, random_state, None),
                tol=trial.tol,
                max_iter=min(options.max_iter, _SWEEPS),
                **limits,
            )
            errors[rank] = max(held_out_error(held, outcome.best.solution), floor)
            fits[rank] = (
                root_mean_square(errors_of(train, outcome.best.solution), train.rows.weights) <= floor
            )
        return errors[rank]

    best, worse, rank = 1, 0, 1
    while rank <= largest and worse < _WORSE:
        if error(rank) < (1.0 - _BETTER) * error(best) or rank == 1:
            best, worse = rank, 0
        else:
            worse += 1
        if fits[rank]:
            break
        rank = max(rank + 1, rank * 3 // 2)
    low = max((tried for tried in errors if tried < best), default=best)
    high = min((tried for tried in errors if tried > best), default=best)
    while True:
        middles = [middle for middle in ((low + best) // 2, (best + high) // 2) if middle not in errors]
        if not middles:
            break
        for middle in middles:
            error(middle)
        least = min(errors.values())
        best = min(tried for tried in errors if errors[tried] <= (1.0 + _BETTER) * least)
        low = max((tried for tried in errors if tried < best), default=best)
        high = min((tried for tried in errors if tried > best), default=best)
    return best, dict(sorted(errors.items()))
