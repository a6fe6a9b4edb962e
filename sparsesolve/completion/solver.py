"""From a matrix with gaps to its completion, with a certificate."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from ..driver import drive
from ..exceptions import warn_caller
from ..result import Result, Status
from .alternating import certify
from .completed import Biases, Completed, errors_at
from .effects import centre, certify_effects
from .engines import engine_for, has_run_away
from .held_out import choose_rank, held_out_error, hold_out, with_held_out_error
from .identifiability import identifiable, n_parts
from .nonnegative import certify_nonnegative
from .observations import Observations, Side
from .options import Options, check_observations, check_options

#: Where the entries are more than so many times the degrees of freedom, or more than so many at all, it is not looked
#: whether an exact fit could be moved.
_DOUBTFUL, _FEW = 2.0, 200_000
#: An exact fit.
_EXACT = 1e-7


class CompletionSolution(NamedTuple):
    """A completed matrix: the product of two factors, and biases if they were asked for.

    Attributes
    ----------
    row_factors : ndarray of shape (m, rank)
        The paper's A (or U).
    column_factors : ndarray of shape (n, rank)
        The paper's B (or V).
    bias : Biases or None
        Mean, and the effects of rows and columns.
    rmse : float
        Root of the mean squared error at the observed entries, weighted.
    noise_scale : float
        Estimated standard deviation of an entry's error: the same with the degrees of freedom taken off.
    undetermined_rows, undetermined_columns : ndarray of int
        Those with fewer entries than the rank: without a ridge their factors are the least ones that fit.
    rank_errors : dict of int to float
        Held-out error of each rank that was tried, where the rank was to be chosen; else empty.
    """

    row_factors: np.ndarray
    column_factors: np.ndarray
    bias: Biases | None
    rmse: float
    noise_scale: float
    undetermined_rows: np.ndarray
    undetermined_columns: np.ndarray
    rank_errors: dict[int, float]


class Fit(NamedTuple):
    """A result, and the entries that it comes from: without those held out."""

    result: Result
    observations: Observations


def complete(
    M,
    rank,
    *,
    alpha=0.0,
    scale_alpha=False,
    inner="auto",
    loss="squared",
    bias=False,
    positive=False,
    weights=None,
    missing_weight=0.0,
    sample_splits=0,
    validation_fraction=0.0,
    tol=1e-8,
    max_iter=1000,
    max_time=None,
    random_state=None,
    backend="auto",
    verbose=False,
    callback: Callable | None = None,
) -> Result:
    r"""Complete a matrix of low rank from some of its entries.

    Minimises :math:`\sum_{(i,j) \in \Omega} w_{ij} (a_i'b_j - M_{ij})^2 + \alpha (\sum_i d_i |a_i|^2 + \sum_j d_j
    |b_j|^2)` over the factors A and B, row by row in turn.

    Parameters
    ----------
    M : array with NaN, or sparse matrix, of shape (m, n)
        What a sparse matrix stores is observed, zeros too; of a dense one all that is not NaN.
    rank : int or "auto"
        At most the smaller of m and n. "auto" takes the least rank of nearly the smallest error on entries held out.
    alpha : float, default=0.0
        Ridge, in units of the entries.
    scale_alpha : bool, default=False
        Whether d is the number of entries of the row or column; else it is 1.
    inner : {"auto", "cholesky", "cg", "sketch"}, default="auto"
        How each row's regression is solved: exactly; by a few steps of whitened conjugate gradients from where it was;
        by the paper's sketch; or by what is faster of the first two.
    loss : {"squared", "huber"}, default="squared"
        "huber" resists gross outliers.
    bias : bool, default=False
        Fit a mean, row and column effects with the factors.
    positive : bool, default=False
        Whether the factors have no negative entries.
    weights : matrix like M, optional
        Weights of the observed entries, at least 0.
    missing_weight : float, default=0.0
        Weight of the entries that were not observed, taken as zero; below the weights of those that were. Above 0 it
        makes implicit feedback: ones where something was bought or seen, with weights that say how often.
    sample_splits : int, default=0
        Above 0: the paper's scheme for the proof, so many sweeps in which each half has entries of its own.
    validation_fraction : float, default=0.0
        Share of the entries that is held out, for the error on them in the trace and the certificate. A tenth where a
        rank is to be chosen; then the fit with the rank chosen uses all entries.
    tol : float, default=1e-8
        Largest certificate: the norm of the gradient, scaled so that its square is about the share of the data's sum of
        squares by which one more sweep would lower the objective.
    max_iter : int, default=1000
        Largest number of sweeps and steps.
    max_time : float, optional
        Seconds after which no further one begins.
    random_state : None, int, numpy.random.Generator or RandomState
    backend : {"auto", "numba", "opencl"}, default="auto"
    verbose : bool, default=False
    callback : callable, optional
        Called with each iterate; a true value stops.

    Returns
    -------
    Result
        ``solution`` is a `CompletionSolution`. The certificate holds ``gradient_norm``, ``relative_residual``,
        ``oversampling``, the number of entries over the degrees of freedom, rank (m + n - rank), and, if entries were
        held out, ``held_out_error``. Without a ridge ILL_POSED says that the entries cannot determine the matrix: they
        are too few, or fall into parts without common rows and columns, or an exact fit was found that can be moved
        without changing any of them.

    Raises
    ------
    ValueError
        For bad data or parameters; the message names the argument, its value and the mend.

    Notes
    -----
    Without a ridge, and where alternating sweeps do not fit or run away, Levenberg-Marquardt steps in the tangent
    space with paths of ridges and ranks look for an exact fit. A sweep by "cg" costs O(entries rank).

    References
    ----------
    Gu, Song, Yin and Zhang, "Low rank matrix completion via robust alternating minimization in nearly linear time",
    ICLR 2024.

    Examples
    --------
    >>> import numpy as np
    >>> from sparsesolve import complete
    >>> rng = np.random.default_rng(0)
    >>> truth = rng.standard_normal((60, 2)) @ rng.standard_normal((2, 50))
    >>> M = np.where(rng.random(truth.shape) < 0.3, truth, np.nan)
    >>> result = complete(M, rank=2, random_state=0)
    >>> filled = result.solution.row_factors @ result.solution.column_factors.T
    >>> result.status.name, bool(np.abs(filled - truth).max() < 1e-5)
    ('CONVERGED', True)
    """
    observations = check_observations(M, weights)
    options = check_options(
        observations,
        rank=rank,
        alpha=alpha,
        scale_alpha=scale_alpha,
        inner=inner,
        loss=loss,
        bias=bias,
        positive=positive,
        missing_weight=missing_weight,
        sample_splits=sample_splits,
        validation_fraction=validation_fraction,
        tol=tol,
        max_iter=max_iter,
        max_time=max_time,
        backend=backend,
    )
    return solve(observations, options, random_state, callback, verbose).result


def solve(
    observations: Observations,
    options: Options,
    random_state=None,
    callback=None,
    verbose=False,
    start: Completed | None = None,
) -> Fit:
    """Complete checked observations, from the spectral start or from where another fit ended."""
    train, held = hold_out(observations, options.validation_fraction, random_state)
    limits = {"max_time": options.max_time, "callback": callback, "verbose": verbose}
    tried: dict[int, float] = {}
    if options.rank == 0:
        assert held is not None
        chosen, tried = choose_rank(train, held, options, random_state, limits)
        options = replace(options, rank=chosen)
        train, held = observations, None
    iterates = engine_for(options, train.at_hand)(train, options, random_state, start)
    outcome = drive(
        iterates if held is None else with_held_out_error(iterates, held),
        tol=options.tol,
        max_iter=options.max_iter,
        **limits,
    )
    found: Completed = outcome.best.solution
    sums = _sums(train, found)
    certificate = {
        "gradient_norm": _gradient_norm(train, found, options),
        "relative_residual": sums.relative,
        "oversampling": train.n_entries / degrees_of_freedom(train, options),
    }
    if tried or held is not None:
        certificate["held_out_error"] = tried[options.rank] if held is None else held_out_error(held, found)
    status = outcome.status
    if certificate["gradient_norm"] <= options.tol:
        status = Status.CONVERGED
    elif status is Status.CONVERGED:
        status = Status.STALLED
    doubt = _why_not_determined(train, found, certificate, options)
    if doubt:
        status = Status.ILL_POSED
        warn_caller(f"ILL_POSED: {doubt} many matrices fit. Take a smaller rank, or alpha above 0.")
    elif status is not Status.CONVERGED:
        warn_caller(
            f"{status.name}: the gradient's norm is {certificate['gradient_norm']:.1e}, above tol={options.tol:.1e}. "
            f"{status.help}"
        )
    solution = _solution(train, found, sums, options)._replace(rank_errors=tried)
    times = outcome.setup_time, outcome.solve_time
    return Fit(
        Result(solution, status, outcome.n_iter, certificate, outcome.trace, *times, options.choice), train
    )


def _why_not_determined(observations: Observations, found: Completed, certificate, options: Options) -> str:
    """Why the entries do not determine the matrix, as far as that can be told; empty where nothing speaks for it."""
    if options.alpha > 0.0 or options.background > 0.0:
        return ""
    if certificate["oversampling"] < 1.0:
        return (
            f"{observations.n_entries} entries are fewer than the {degrees_of_freedom(observations, options)} degrees "
            f"of freedom of rank {options.rank}:"
        )
    parts = n_parts(observations)
    if parts > 1:
        return f"the entries fall into {parts} parts that share neither rows nor columns:"
    if not observations.at_hand:
        astray = found.biases is None and has_run_away(observations, found.factors)
        return "a part of the answer lives where nothing was observed:" if astray else ""
    looked_at = certificate["oversampling"] < _DOUBTFUL and observations.n_entries <= _FEW
    if not (looked_at and certificate["relative_residual"] < _EXACT and found.biases is None):
        return ""
    known = identifiable(observations, options.rank, found.factors)
    if known.possible and not known.holds:
        return "the fit is exact, but can be moved without changing an observed entry:"
    return ""


def degrees_of_freedom(observations: Observations, options: Options) -> int:
    """Of a matrix of the rank, rank (m + n - rank), and of the effects."""
    total = sum(observations.shape)
    return options.rank * (total - options.rank) + (total - 1 if options.bias else 0)


def _gradient_norm(observations, found: Completed, options: Options) -> float:
    """The certificate from scratch."""
    weighted = observations if found.robust is None else found.robust
    ridge = options.alpha, options.scale_alpha
    if found.biases is not None:
        return certify_effects(weighted, found, centre(observations, options.loss), *ridge)
    if options.positive:
        return certify_nonnegative(weighted, found.factors, *ridge, options.background)
    return certify(weighted, found.factors, *ridge, options.background).certificate


class _Sums(NamedTuple):
    """Norm of what remains relative to that of the entries; sums over its squares, with robust weights, in `units`."""

    relative: float
    squares: float
    mass: float
    units: float


def _sums(observations: Observations, found: Completed) -> _Sums:
    units = observations.sizes.scale
    errors = observations.along(errors_at, found)
    size, left, mass = observations.summed(_squares, errors, arguments=(units,))
    relative = float(np.sqrt(left / size)) if size > 0.0 else float(np.sqrt(left / mass)) * units
    if found.robust is not None:
        errors = found.robust.along(errors_at, found)
        _, left, mass = found.robust.summed(_squares, errors, arguments=(units,))
    return _Sums(relative, float(left), float(mass), units)


def _squares(side: Side, errors: np.ndarray, units: float) -> tuple[float, float, float]:
    """Weighted sums of the squares of the entries and of errors, and of the weights."""
    values, errors = side.values / units, errors / units
    if side.weights.size:
        weights = side.weights
        return float(weights @ values**2), float(weights @ errors**2), float(weights.sum())
    return float(np.vdot(values, values)), float(np.vdot(errors, errors)), float(errors.size)


def _solution(observations, found, sums: _Sums, options) -> CompletionSolution:
    left = max(observations.n_entries - degrees_of_freedom(observations, options), 1)
    short_rows, short_columns = (np.flatnonzero(number < options.rank) for number in observations.counts)
    return CompletionSolution(
        row_factors=found.factors.row_factors,
        column_factors=found.factors.column_factors,
        bias=found.biases,
        rmse=sums.units * float(np.sqrt(sums.squares / sums.mass)),
        noise_scale=sums.units * float(np.sqrt(sums.squares / left)),
        undetermined_rows=short_rows,
        undetermined_columns=short_columns,
        rank_errors={},
    )
