"""From a matrix with gaps to its completion, with a certificate."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from ..driver import drive
from ..exceptions import warn_caller
from ..result import Result, Status
from .alternating import certify
from .engines import ENGINES, Biases, Completed, errors_of, with_biases
from .entries import root_mean_square
from .observations import Observations
from .options import Options, check_observations, check_options


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
    """

    row_factors: np.ndarray
    column_factors: np.ndarray
    bias: Biases | None
    rmse: float
    noise_scale: float
    undetermined_rows: np.ndarray
    undetermined_columns: np.ndarray


def complete(
    M,
    rank,
    *,
    alpha=0.0,
    scale_alpha=False,
    inner="auto",
    loss="squared",
    bias=False,
    weights=None,
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
    rank : int
        At most the smaller of m and n.
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
    weights : matrix like M, optional
        Weights of the observed entries, at least 0.
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
        ``solution`` is a `CompletionSolution`. The certificate holds ``gradient_norm`` and ``relative_residual``.
        ILL_POSED says that there are fewer entries than degrees of freedom, rank (m + n - rank), and no ridge.

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
        rank, alpha, scale_alpha, inner, loss, bias, tol, max_iter, max_time, backend, observations.shape
    )
    return solve(observations, options, random_state, callback, verbose)


def solve(
    observations: Observations, options: Options, random_state=None, callback=None, verbose=False
) -> Result:
    """Complete checked observations."""
    engine = with_biases if options.bias else ENGINES[options.loss]
    outcome = drive(
        engine(observations, options, random_state),
        tol=options.tol,
        max_iter=options.max_iter,
        max_time=options.max_time,
        callback=callback,
        verbose=verbose,
    )
    found: Completed = outcome.best.solution
    errors = errors_of(observations, found)
    certificate = {
        "gradient_norm": _gradient_norm(observations, found, outcome.best.certificate, options),
        "relative_residual": _relative(observations, errors),
    }
    solution = _solution(observations, found, errors, options)
    status = outcome.status
    if certificate["gradient_norm"] <= options.tol:
        status = Status.CONVERGED
    elif status is Status.CONVERGED:
        status = Status.STALLED
    freedom = degrees_of_freedom(observations, options)
    if options.alpha == 0.0 and observations.n_entries < freedom:
        status = Status.ILL_POSED
        warn_caller(
            f"ILL_POSED: {observations.n_entries} entries are fewer than the {freedom} degrees of freedom of rank "
            f"{options.rank}: many matrices fit. Take a smaller rank, or alpha above 0."
        )
    elif status is not Status.CONVERGED:
        warn_caller(
            f"{status.name}: the gradient's norm is {certificate['gradient_norm']:.1e}, above tol={options.tol:.1e}. "
            f"{status.help}"
        )
    return Result(
        solution,
        status,
        outcome.n_iter,
        certificate,
        outcome.trace,
        outcome.setup_time,
        outcome.solve_time,
        options.choice,
    )


def degrees_of_freedom(observations: Observations, options: Options) -> int:
    """Of a matrix of the rank, rank (m + n - rank), and of the effects."""
    total = sum(observations.shape)
    return options.rank * (total - options.rank) + (total - 1 if options.bias else 0)


def _gradient_norm(observations, found, claimed, options) -> float:
    """The certificate from scratch."""
    if found.biases is not None:
        return float(claimed)
    weighted = observations if found.robust is None else found.robust
    return certify(weighted, found.factors, options.alpha, options.scale_alpha).certificate


def _relative(observations, errors) -> float:
    """Norm of what remains, relative to that of the entries, weighted."""
    weights = observations.rows.weights
    size, left = (root_mean_square(values, weights) for values in (observations.rows.values, errors))
    return left / size if size > 0.0 else left


def _solution(observations, found, errors, options) -> CompletionSolution:
    weighted = observations if found.robust is None else found.robust
    weights = weighted.rows.weights
    total = float(weights.sum()) if weights.size else float(errors.size)
    squares = float((weights * errors**2).sum()) if weights.size else float((errors**2).sum())
    left = max(errors.size - degrees_of_freedom(observations, options), 1)
    counts = observations.rows.counts, observations.columns.counts
    short_rows, short_columns = (np.flatnonzero(number < options.rank) for number in counts)
    return CompletionSolution(
        row_factors=found.factors.row_factors,
        column_factors=found.factors.column_factors,
        bias=found.biases,
        rmse=float(np.sqrt(squares / total)),
        noise_scale=float(np.sqrt(squares / left)),
        undetermined_rows=short_rows,
        undetermined_columns=short_columns,
    )
