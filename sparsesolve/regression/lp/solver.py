"""l_p and quantile regression: one call, several engines, one certificate."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ...backends import select
from ...backends.threads import single_threaded_blas
from ...driver import TICK, Iterate, drive
from ...result import Result
from ...validation import check_matrix, check_targets
from ..solution import as_result
from .certificate import Bound, Fit, fit_of, lower_bound
from .exchange import exchange
from .highs import highs
from .interior import interior_box, interior_chebyshev
from .loss import Norm, Pinball
from .newton import newton
from .options import Options, check_options, check_power, check_quantile
from .problem import Posed, Problem, pose
from .reduction import reduced, small_size
from .sampled import sample_size, sample_start, sampled
from .solution import LpSolution

# From so many rows a column on, a few rows are looked at first.
_TALL = 16
# A few more rows than the first working set make an exchange worth while.
_EXCHANGE_ROWS = 2048
# Entries up to which HiGHS is asked where everything else has stalled.
_HIGHS_ENTRIES = 1 << 22
# Residuals below this, relative to b, are rounding.
_ROUNDING = 1e-15


def lp_regression(
    A,
    b,
    p=1.0,
    *,
    sample_weight=None,
    fit_intercept=False,
    solver="auto",
    tol=None,
    max_iter=200,
    max_time=None,
    random_state=None,
    backend="auto",
    callback=None,
    verbose=False,
) -> Result:
    """Solve min ||A x - b||_p for any p from 1 to infinity, with a proof that the answer is optimal.

    Parameters
    ----------
    A : array of shape (n_rows, n_columns), or scipy sparse array or matrix
        Any real type; computed in float64.
    b : array of shape (n_rows,)
    p : float, default=1.0
        At least 1; `numpy.inf` for the largest absolute residual.
    sample_weight : array of shape (n_rows,), optional
        Weights w, at least 0: the objective is ``(sum_i w_i |r_i|^p)^(1/p)``. For p = inf only whether a
        weight is zero matters.
    fit_intercept : bool, default=False
        Add a column of ones.
    solver : {"auto", "newton", "interior-point", "highs", "sampled"}
        "auto" begins with a sample of the rows where there are many, and is exact nevertheless; "newton" is for
        1 < p < inf; "interior-point" (on all rows) and "highs" (of scipy) are for p = 1 and p = inf; "sampled" solves
        a sample alone, and doubles it until the certificate holds.
    tol : float, optional
        Largest duality gap, relative to the objective; 1e-8 unless given, 1e-2 for "sampled".
    max_iter : int, default=200
        Largest number of iterates.
    max_time : float, optional
        Seconds after which no further step begins.
    random_state : None, int, Generator or RandomState
        Seed of the samples.
    backend : {"auto", "numba", "opencl"}
    callback : callable, optional
        Called with each `sparsesolve.driver.Iterate`; a true value stops.
    verbose : bool, default=False
        Log each iterate on the logger "sparsesolve".

    Returns
    -------
    Result
        ``solution`` is an `LpSolution`; the certificate holds ``duality_gap``, (objective - lower bound) / objective,
        where an objective below 1e-6 ||b||_p counts as that.

    Raises
    ------
    ValueError
        For bad arguments; the message names the argument, its value and the mend.

    Notes
    -----
    The dual of min ||A x - b||_p is max b'u subject to A'u = 0 and ||u||_q <= 1, 1/p + 1/q = 1: any such u gives a
    lower bound, and ``solution.dual`` is one. Each step takes O(n d^2); there are 5 to 30 of them, most of them on a
    small part of the rows for p = 1 and p = inf.

    Of several minimisers for p = 1 and p = inf any may be returned; where the rank of A is deficient, x is the
    shortest one with its residuals.

    References
    ----------
    Portnoy and Koenker, "The Gaussian hare and the Laplacian tortoise", Statistical Science 1997. Adil, Peng and
    Sachdeva, "Fast, provably convergent IRLS algorithm for p-norm linear regression", NeurIPS 2019.

    Examples
    --------
    >>> import numpy as np
    >>> from sparsesolve.regression import lp_regression
    >>> A = np.vander(np.linspace(-1, 1, 50), 3)
    >>> b = A @ [1.0, 2.0, 3.0]
    >>> b[::7] += 100.0  # outliers
    >>> result = lp_regression(A, b, 1)
    >>> print(result.solution.coef.round(6), result.certificate["duality_gap"] < 1e-12)
    [1. 2. 3.] True
    """
    p = check_power(p)
    options = check_options(p, solver, tol, max_iter, max_time, random_state, backend)
    A, b = _data(A, b)
    posed = pose(A, b, lambda weights: Norm(p, weights), sample_weight, bool(fit_intercept))
    return solve_posed(posed, options, callback, verbose)


def quantile_regression(
    A,
    b,
    quantile=0.5,
    *,
    sample_weight=None,
    fit_intercept=False,
    solver="auto",
    tol=None,
    max_iter=200,
    max_time=None,
    random_state=None,
    backend="auto",
    callback=None,
    verbose=False,
) -> Result:
    """Fit a conditional quantile: min sum_i w_i max(quantile r_i, (quantile - 1) r_i), r = b - A x.

    Parameters
    ----------
    A, b, sample_weight, fit_intercept, solver, tol, max_iter, max_time, random_state, backend, callback, verbose
        As in `lp_regression` with p = 1.
    quantile : float, default=0.5
        Strictly between 0 and 1. At 0.5 the objective is half of that of p = 1.

    Returns
    -------
    Result
        As that of `lp_regression`. The dual vector lies between w_i (quantile - 1) and w_i quantile.

    Raises
    ------
    ValueError
        For bad arguments; the message names the argument, its value and the mend.

    Notes
    -----
    Complexity: as that of `lp_regression` for p = 1.

    References
    ----------
    Koenker and Bassett, "Regression quantiles", Econometrica 1978.

    Examples
    --------
    >>> import numpy as np
    >>> from sparsesolve.regression import quantile_regression
    >>> b = np.arange(100.0)
    >>> result = quantile_regression(np.ones((100, 1)), b, 0.9)
    >>> bool(89 <= result.solution.coef[0] <= 90)
    True
    """
    quantile = check_quantile(quantile)
    options = check_options(1.0, solver, tol, max_iter, max_time, random_state, backend)
    A, b = _data(A, b)
    posed = pose(A, b, lambda weights: Pinball(quantile, weights), sample_weight, bool(fit_intercept))
    return solve_posed(posed, options, callback, verbose)


def _data(A, b):
    A = check_matrix("A", A)
    b = check_targets("b", b, A.shape[0])
    if b.ndim == 2 and b.shape[1] != 1:
        raise ValueError(f"b has shape {b.shape}: it must have one column; fit one target at a time.")
    return A, b.ravel()


def solve_posed(posed: Posed, options: Options, callback=None, verbose=False) -> Result:
    """Solve a checked problem. See `lp_regression`."""
    choice = select(options.backend)
    with single_threaded_blas(), np.errstate(over="ignore", under="ignore"):
        outcome = drive(
            _iterates(posed.problem, options),
            tol=options.tol,
            max_iter=options.max_iter,
            max_time=options.max_time,
            callback=callback,
            verbose=verbose,
        )
        fit: Fit = outcome.best.solution
        coef, intercept = posed.coefficients(fit.x)
        solution = LpSolution(
            coef,
            intercept,
            posed.objective(fit.objective),
            posed.objective(fit.bound),
            posed.dual(fit.u),
            posed.rank,
            fit.stage,
            fit.sample_size,
        )
    return as_result(outcome, solution, {"duality_gap": fit.gap}, choice, options.tol)


def _iterates(problem: Problem, options: Options) -> Iterator[Iterate | None]:
    """What the driver wants to see of the fits."""
    for fit in _route(problem, options):
        if fit is TICK:
            yield TICK
        else:
            extras = {"stage": fit.stage, "lower_bound": fit.bound, "sample_size": fit.sample_size}
            yield Iterate(fit, fit.gap, fit.objective, extras, fit.goes_on)


def _first(problem: Problem, x: np.ndarray, residual: np.ndarray) -> Fit:
    """Least squares: its residual is orthogonal to the columns, a first proof, and a complete one for p = 2."""
    if problem.width == 0:
        u = problem.loss.attaining(residual)
        return fit_of(problem, x, residual, Bound(u, float(u @ residual)), "least-squares")
    u = problem.loss.roots**2 * residual
    fit = fit_of(problem, x, residual, lower_bound(problem, u, residual), "least-squares")
    exact = problem.loss.value(np.abs(residual)) <= _ROUNDING * problem.size
    return fit._replace(gap=np.finfo(np.float64).eps) if exact else fit


def _route(problem: Problem, options: Options) -> Iterator[Fit | None]:
    """The engines in the order in which they are tried."""
    x, residual = problem.least_squares()
    first = _first(problem, x, residual)
    if first.gap <= np.finfo(np.float64).eps:
        yield first
        return
    yield first
    if problem.width == 0:
        return
    p, solver = problem.loss.p, options.solver
    tall = problem.n_rows >= _TALL * problem.width
    if solver == "highs":
        yield from highs(problem, x)
        return
    if solver == "sampled" and p < np.inf:
        yield from sampled(problem, x, options.key)
    if 1 < p < np.inf:
        begin_small = solver == "auto" and tall and problem.n_rows > 4 * sample_size(problem.width)
        size = sample_size(problem.width) if begin_small else 0
        if begin_small:
            x = yield from sample_start(problem, x, options.key)
        yield from newton(problem, x, "newton", size)
    elif p == 1:
        if solver == "auto" and tall and problem.n_rows > 2 * small_size(problem.width):
            yield from reduced(problem, x, options.key)
        yield from interior_box(problem, x)
    else:
        # No random sample sees the largest residual: here a sample is made of the rows that stand out.
        if solver in ("auto", "sampled") and tall and problem.n_rows > _EXCHANGE_ROWS:
            yield from exchange(problem, x)
        yield from interior_chebyshev(problem, x)
    if solver == "auto" and (p == 1 or np.isinf(p)) and problem.n_rows * problem.width <= _HIGHS_ENTRIES:
        yield from highs(problem, x)
