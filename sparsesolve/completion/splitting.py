"""The paper's alternating minimization as its proof has it: every half sweep sees entries of its own."""

from __future__ import annotations

import numpy as np

from ..driver import TICK, Iterate, Solver
from ..random import as_key
from ..result import Status
from .alternating import certify
from .completed import Completed
from .factors import Factors
from .observations import Observations
from .options import Options
from .regressions import pose
from .row_solvers import choose, half_sweep, make_solver
from .spectral import spectral_start


def by_splits(
    observations: Observations, options: Options, random_state, start: Completed | None = None
) -> Solver:
    """T sweeps on 2 T + 1 random shares of the entries, T = `sample_splits`.

    The first share gives the clipped spectral start, each half sweep has one more. So the errors of a factor do not
    depend on the entries that it is used with, as the proof needs. Practice reuses all entries: it needs far fewer.
    """
    sweeps = options.sample_splits
    rng = np.random.default_rng(as_key(random_state))
    share = rng.integers(2 * sweeps + 1, size=observations.n_entries)
    parts = [observations.subset(share == number) for number in range(2 * sweeps + 1)]
    if start is None:
        posed = pose(parts[0], options.alpha, options.scale_alpha)
        A, B = (factor * np.sqrt(posed.scale) for factor in spectral_start(posed, options.rank, as_key(rng)))
    else:
        A, B = start.factors
    for sweep in range(sweeps):
        yield TICK
        B = _swept(parts[1 + 2 * sweep].transposed, options, B, A, rng)
        yield TICK
        A = _swept(parts[2 + 2 * sweep], options, A, B, rng)
        measure = certify(observations, Factors(A, B), options.alpha, options.scale_alpha)
        extras = {"rmse": measure.rmse, "change": np.nan}
        yield Iterate(Completed(Factors(A, B)), measure.certificate, measure.objective, extras)
    return Status.STALLED


def _swept(part: Observations, options: Options, A, B, rng):
    posed = pose(part, options.alpha, options.scale_alpha)
    root = np.sqrt(posed.scale)
    name = choose(options.inner, posed.rows, options.rank, 2)
    solver = make_solver(name, 2, 1e-3, as_key(rng), 0)
    return half_sweep(posed.rows, posed.columns.masses, A / root, B / root, solver)[0] * root
