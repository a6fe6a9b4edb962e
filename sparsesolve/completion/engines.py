"""The ways to complete a matrix, each a generator of iterates for `sparsesolve.driver.drive`."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ..driver import TICK, Iterate, Solver
from ..result import Status
from .alternating import alternate, certify
from .completed import Completed
from .continuation import recover
from .effects import with_biases
from .entries import component_energies, root_mean_square
from .factors import Factors
from .nonnegative import by_nonnegative
from .observations import Observations, Side
from .options import Options
from .robust import by_huber
from .splitting import by_splits

#: Sweeps that alternating minimization gets before an exact fit is looked for by other means.
_SWEEPS = 60
#: A fit whose error is below this share of the entries counts as exact.
_EXACT = 1e-9
#: A component whose mean square at the observed entries is below this share of that everywhere has run away; what is
#: smaller than rounding errors of the largest component is not looked at.
_HIDDEN, _TINY = 0.6, 1e-12

#: An engine takes observations, options, a random state and where to start, and yields `Completed` iterates.
Engine = Callable[[Observations, Options, object, Completed | None], Solver]


def engine_for(options: Options, at_hand: bool = True) -> Engine:
    """The engine that the options ask for, where the entries lie in this process, or where they do not."""
    if options.sample_splits:
        return by_splits
    if options.positive:
        return by_nonnegative
    if options.loss == "huber":
        return by_huber
    if options.bias:
        return with_biases
    return by_squares if at_hand else by_sweeps


def by_squares(
    observations: Observations, options: Options, random_state, start: Completed | None = None
) -> Solver:
    """Alternating minimization; without a ridge, tangent-space recovery where it does not fit or has run away."""
    size = root_mean_square(observations.rows.values, observations.rows.weights)
    free = options.alpha == 0.0 and options.background == 0.0
    settled = None
    n_sweeps = 0
    for iterate in _sweeps(observations, options, random_state, None if start is None else start.factors):
        if iterate is TICK:
            yield TICK
            continue
        n_sweeps += 1
        doubtful = free and iterate.extras["rmse"] > _EXACT * size
        if (
            doubtful
            and iterate.certificate <= options.tol
            and has_run_away(observations, iterate.solution.factors)
        ):
            settled = iterate
            break
        yield iterate
        if doubtful and n_sweeps >= _SWEEPS:
            break
    else:
        if not free:
            return Status.STALLED
    yield from _recovered(observations, options, random_state, size)
    if settled is not None:
        yield settled
    return Status.STALLED


def by_sweeps(
    observations: Observations, options: Options, random_state, start: Completed | None = None
) -> Solver:
    """Alternating minimization alone."""
    return _sweeps(observations, options, random_state, None if start is None else start.factors)


def _sweeps(observations, options, random_state, start: Factors | None) -> Solver:
    for iterate in alternate(
        observations,
        options.rank,
        alpha=options.alpha,
        scale_alpha=options.scale_alpha,
        background=options.background,
        inner=options.inner,
        start=start,
        tol=options.tol,
        random_state=random_state,
        single_precision=start is None,
    ):
        yield (
            iterate
            if iterate is TICK
            else Iterate(Completed(iterate.solution), iterate.certificate, iterate.objective, iterate.extras)
        )
    return Status.STALLED


def _recovered(observations, options, random_state, size) -> Solver:
    """Paths of ridges and ranks; where weights matter, because the fit is not exact, sweeps from what was found."""
    weights = observations.rows.weights
    last = None
    for iterate in recover(
        observations, options.rank, tol=0.25 * min(options.tol, 1e-8), random_state=random_state
    ):
        if iterate is TICK:
            yield TICK
            continue
        last = iterate
        extras = {"rmse": iterate.certificate * size, "change": np.nan}
        if weights.size:  # the residual does not bound the gradient then
            measure = certify(observations, iterate.solution)
            yield Iterate(Completed(iterate.solution), measure.certificate, measure.objective, extras)
        else:
            yield Iterate(Completed(iterate.solution), 4.0 * iterate.certificate, iterate.objective, extras)
    if weights.size and last is not None and last.certificate > _EXACT:
        yield from _sweeps(observations, options, random_state, last.solution)
    return Status.STALLED


def _component_energies(side: Side, found: Completed) -> tuple[np.ndarray]:
    return (component_energies(side, *found.factors),)


def has_run_away(observations: Observations, factors: Factors) -> bool:
    """Whether a component of the completion lives where nothing was observed: a fit without meaning.

    Each singular component has, under random places, about the same mean square at the observed entries as everywhere.
    """
    A, B = factors
    left, R = np.linalg.qr(A)
    right, S = np.linalg.qr(B)
    turn, lengths, back = np.linalg.svd(R @ S.T)
    kept = lengths > _TINY * lengths[0]
    U, V = (left @ turn)[:, kept], (right @ back.T)[:, kept]
    (seen,) = observations.summed(_component_energies, Completed(Factors(U, V)))
    seen *= U.shape[0] * V.shape[0] / observations.n_entries
    return bool(seen.min(initial=1.0) < _HIDDEN)
