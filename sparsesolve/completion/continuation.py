"""Recovery of a low-rank matrix from few of its entries: paths of ridges and ranks to an exact fit.

Near the limit, where hardly more entries are known than the matrix has degrees of freedom, descent from the spectral
start ends in a wrong place: it fits the entries by a matrix that is huge elsewhere. A ridge that falls slowly to zero
prevents that, and a few surplus directions, cut away before the ridge is gone, lead around the wrong places. Spread
spectra are taken one direction after the other, under a ridge that acts on directions below the level of the residual
alone. An exact fit is the test of success: where an attempt ends without it, its worst rows and columns are repaired,
and if that does not help, the next attempt begins.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from ..driver import TICK, Iterate, Solver
from ..random import as_key
from ..result import Status
from ..validation import check_count, check_real
from .factors import Factors
from .observations import Observations
from .repair import repair
from .search import LEVEL, Attempt, Search
from .tangent import decompose
from .tangent_entries import Entries, Linearisation

# Two attempts whose losses agree so well, at gradients so small, have ended at the same stationary point.
_SAME, _FLAT = 1e-6, 1e-6


def recover(
    observations: Observations,
    rank: int,
    *,
    tol: float = 1e-9,
    exact: bool = True,
    random_state=None,
    start: Factors | None = None,
) -> Solver:
    """Look for the matrix of a rank that fits the observed entries: a generator for `sparsesolve.driver.drive`.

    Parameters
    ----------
    observations : Observations
        Weights are not used: an exact fit is the same for all of them.
    rank : int
        At most min(m, n).
    tol : float, default=1e-9
        What the certificate has to reach.
    exact : bool, default=True
        Whether the entries can be fitted exactly. The certificate then is the norm of the residuals over that of the
        entries, and attempts follow one another until it holds. Otherwise the first attempt runs on to a stationary
        point: the certificate is the norm of the gradient (R B, R'A) over the norms of the entries and of (A, B).
    random_state : None, int or numpy.random.Generator
        For the starts of subspace iterations.
    start : Factors, optional
        Descent from here is the first attempt.

    Yields
    ------
    Iterate
        Its solution is `Factors` of that rank, balanced: A'A = B'B, diagonal. Extras: rank and ridge of the step,
        and the attempt's number. Between them TICK, while more directions than the rank are in use.

    Returns
    -------
    Status
        STALLED, when all attempts have ended without an exact fit, or two of them at the same stationary point.

    Raises
    ------
    ValueError
        For a rank above min(m, n), or a tolerance that is not positive.

    Notes
    -----
    Complexity: an attempt takes up to eight stages, or sixteen, of some hundred passes over the entries, with 8 |Omega|
    rank multiplications each; one is enough unless the entries are few. Memory: O(|Omega| + (m + n) rank^2).

    Examples
    --------
    >>> from sparsesolve.completion.continuation import recover
    >>> from sparsesolve.completion.observations import observe_matrix
    >>> from sparsesolve.datasets.completion import make_low_rank
    >>> from sparsesolve.driver import drive
    >>> data = make_low_rank(60, 50, 2, oversampling=2.0, random_state=0)
    >>> outcome = drive(recover(observe_matrix(data.X), 2, random_state=0), tol=1e-9, max_iter=1000)
    >>> outcome.status.name, outcome.best.certificate < 1e-9
    ('CONVERGED', True)
    """
    rank = check_count("rank", rank)
    tol = check_real("tol", tol, above=0)
    smallest = min(observations.shape)
    if rank > smallest:
        raise ValueError(f"rank={rank} must be at most {smallest}, the smaller side of {observations.shape}.")
    return _recover(observations, rank, tol, exact, np.random.default_rng(as_key(random_state)), start)


def _recover(observations, rank, tol, exact, rng, start) -> Solver:
    values = observations.rows.values
    largest = float(np.abs(values).max(initial=0.0))
    if largest == 0.0:
        nothing = Factors(*(np.zeros((size, rank)) for size in observations.shape))
        yield Iterate(nothing, 0.0, 0.0, {"rank": 0, "ridge": 0.0, "attempt": 0})
        return Status.STALLED
    unit = largest * math.sqrt(float(np.mean((values / largest) ** 2)))
    entries = Entries(observations.with_values(values / unit))
    losses: list[float] = []
    target = tol * tol * entries.total if exact else 0.0
    for number, attempt in enumerate(_attempts(Search(entries, rank, target, exact, rng), unit, start)):
        ended = yield from _shown(attempt, entries, rank, unit, exact, number)
        if not exact:
            return Status.STALLED
        if ended.loss > target and ended.state.rank == rank:
            ended = yield from _shown(repair(entries, ended, target), entries, rank, unit, exact, number)
        if (
            any(abs(ended.loss - loss) <= _SAME * loss for loss in losses)
            and _gradient(entries, ended) < _FLAT
        ):
            break
        losses.append(ended.loss)
    return Status.STALLED


def _shown(attempt, entries, rank, unit, exact, number):
    """Yield what an attempt passes as iterates; return where it ends."""
    while True:
        try:
            point = next(attempt)
        except StopIteration as end:
            yield _iterate(entries, end.value, rank, unit, exact, number)
            return end.value
        if point is None or point.state.rank > rank or not (exact or _is_last(point, rank)):
            yield TICK
        else:
            yield _iterate(entries, point, rank, unit, exact, number)


def _is_last(point: Linearisation, rank: int) -> bool:
    """Whether a small gradient means anything: at lower ranks, or under a ridge, it does not."""
    return point.state.rank == rank and point.ridge == 0.0


def _attempts(search: Search, unit: float, start: Factors | None) -> Iterator[Attempt]:
    """The ways to look for a fit, the cheapest that most often succeed first."""
    if start is not None:
        root = math.sqrt(unit)
        yield search.from_state(decompose(start.row_factors / root, start.column_factors / root))
    yield search.continued(surplus=0, slope=0.5, level=None)
    yield search.continued(surplus=2, slope=0.8, level=LEVEL)
    yield search.direct(surplus=2, slope=0.8)
    yield search.continued(surplus=2, slope=0.8, level=None)
    yield search.direct(surplus=6, slope=0.9)
    yield search.continued(surplus=4, slope=0.8, level=LEVEL)
    yield search.direct(surplus=4, slope=0.9)


def _gradient(entries: Entries, point: Linearisation) -> float:
    """Norm of (R B, R'A) over the norm of the entries and that of (A, B)."""
    spectrum = point.state.spectrum
    square = sum(float((gradient**2 @ spectrum).sum()) for gradient in point.gradients)
    size = float(spectrum.sum()) * sum(entries.shape)
    return math.sqrt(square / (entries.total * size)) if size > 0.0 else 0.0


def _iterate(entries, point, rank, unit, exact, attempt) -> Iterate:
    state = point.state
    root = np.sqrt(state.spectrum * unit)
    factors = Factors(*(np.zeros((size, rank)) for size in entries.shape))
    factors.row_factors[:, : state.rank] = state.left * root
    factors.column_factors[:, : state.rank] = state.right * root
    certificate = math.sqrt(point.loss / entries.total) if exact else _gradient(entries, point)
    extras = {"rank": state.rank, "ridge": point.ridge, "attempt": attempt}
    return Iterate(factors, certificate, point.loss * unit * unit, extras)
