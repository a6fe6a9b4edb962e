"""From dictionaries and measurements to coefficients, with their uncertainty and the evidence."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from ..backends.threads import single_threaded_blas
from ..driver import drive
from ..exceptions import warn_caller
from ..random import as_key
from ..result import Result, Status
from .decomposition import decompose
from .learning import learn
from .options import Options, check_factors, check_measurements, check_options
from .posterior import posterior
from .presets import PRESET_STEPS
from .problem import Problem, pose
from .selection import Run, run_all, run_method

#: Kept gammas below this share of their mode's largest count as zero in the support.
_SUPPORT = 1e-3


class KroneckerSolution(NamedTuple):
    """Sparse coefficients of a Kronecker-structured dictionary.

    Attributes
    ----------
    coef : ndarray of shape (n,) or (n, n_snapshots)
        Posterior mean; n is the product of the factors' numbers of columns, the last one's run fastest.
    coef_std : ndarray of shape (n,)
        Posterior standard deviation, the same for all snapshots: of real and imaginary part together, where complex.
    gamma : list of ndarray of shape (n_i,)
        Prior variances, one array a factor: their Kronecker product is that of the coefficients.
    noise_variance : float
    supports : list of ndarray of int
        For each factor, the columns in use; the coefficients' support is their product.
    log_evidence : float
        Logarithm of the density of the measurements; infinite where all are zero and the noise is learned.
    method : str
        The run that gave the answer.
    candidates : dict of str to float
        Log evidence of each run that was made; that of the joint model, for runs mode by mode too.
    """

    coef: np.ndarray
    coef_std: np.ndarray
    gamma: list[np.ndarray]
    noise_variance: float
    supports: list[np.ndarray]
    log_evidence: float
    method: str
    candidates: dict[str, float]


class Fit(NamedTuple):
    """A result, with the state that predictions and samples come from."""

    result: Result
    state: Any
    problem: Problem


def kronecker_sbl(
    factors,
    y,
    *,
    method="auto",
    noise_variance="learn",
    noise_covariance=None,
    coupling=None,
    prune="auto",
    preset=None,
    n_starts=4,
    tol=1e-4,
    max_iter=2000,
    max_time=None,
    random_state=None,
    backend="auto",
    verbose=False,
    callback: Callable | None = None,
) -> Result:
    r"""Recover sparse coefficients x from y = (A_1 ⊗ ... ⊗ A_I) x + noise, by sparse Bayesian learning.

    The prior is :math:`x \sim N(0, \mathrm{diag}(\gamma_1 \otimes \dots \otimes \gamma_I))`; the gammas, and the noise
    variance, maximise the evidence. Neither the dictionary nor a covariance of its size is formed.

    Parameters
    ----------
    factors : list of array of shape (m_i, n_i), real or complex
        The paper's H_i. A single matrix is one factor: classical sparse Bayesian learning.
    y : array of shape (m,) or (m, n_snapshots)
        m is the product of the m_i, the last factor's rows running fastest. Snapshots share the gammas.
    method : {"auto", "am", "svd", "ksbl", "mm", "dsbl"}, default="auto"
        The paper's EM with alternating minimization or a singular value decomposition for the M-step; the earlier one
        with a single pass; multiplicative steps on the evidence itself; mode by mode, where x is a Kronecker product
        itself. "auto" makes several runs and lets the evidence reject the bad ones.
    noise_variance : float or "learn", default="learn"
    noise_covariance : list of array of shape (m_i, m_i), or None, optional
        The noise has that variance times the Kronecker product of these; None stands for the identity.
    coupling : float, or list of float, array of shape (n_i, k_i) or None, optional
        Neighbours that are active together: gamma_i = C_i u_i. A number beta is the matrix with 1 on the diagonal and
        beta beside it.
    prune : "auto", float, or list of float, default="auto"
        Share of a factor's largest gamma below which a column is dropped for good.
    preset : {"paper-synthetic", "paper-irs"}, optional
        The constants of the paper's experiments, for "am", "ksbl" and "svd".
    n_starts : int, default=4
        Random starts that "auto" tries besides.
    tol : float, default=1e-4
        Largest relative change of the Kronecker product of the gammas in a step.
    max_iter : int, default=2000
        Largest number of steps of a run; 150 with a preset.
    max_time : float, optional
        Seconds after which no further step begins.
    random_state : None, int, numpy.random.Generator or RandomState
        For random starts.
    backend : {"auto", "numba", "opencl"}, default="auto"
    verbose : bool, default=False
    callback : callable, optional
        Called with each iterate; a true value stops.

    Returns
    -------
    Result
        ``solution`` is a `KroneckerSolution`. The certificate holds ``gamma_change``, the last step's; and
        ``evidence_gradient``, the gradient of the log evidence by the logarithms of the gammas, relative: see Notes.

    Raises
    ------
    ValueError
        For bad data or parameters; the message names the argument, its value and the mend.

    Notes
    -----
    A step costs O(m sum_i m_i) with "mm", O(n max_i m_i) with the others, beside the eigendecompositions of m_i x m_i
    matrices. ``evidence_gradient`` is, for the worst factor, :math:`\sum_j \gamma_j |d_j - c_j| / \sum_j \gamma_j d_j`,
    where :math:`c_j` and :math:`d_j` are the sums over the others of the gammas times :math:`|a' S^{-1} y|^2` and
    :math:`a' S^{-1} a`; "svd" does not descend on the evidence, so that its answers keep some gradient.

    References
    ----------
    He and Joseph, "Bayesian algorithms for Kronecker-structured sparse vector recovery with application to IRS-MIMO
    channel estimation", IEEE Transactions on Signal Processing, 2024.

    Examples
    --------
    >>> import numpy as np
    >>> from sparsesolve import kronecker_sbl
    >>> rng = np.random.default_rng(0)
    >>> A, B = rng.standard_normal((12, 20)), rng.standard_normal((10, 15))
    >>> X = np.zeros((20, 15))
    >>> X[np.ix_([3, 8], [1, 14])] = [[1.0, -2.0], [3.0, 1.5]]
    >>> y = (A @ X @ B.T).ravel() + 0.01 * rng.standard_normal(120)
    >>> result = kronecker_sbl([A, B], y, random_state=0)
    >>> [support.tolist() for support in result.solution.supports]
    [[3, 8], [1, 14]]
    >>> bool(np.abs(result.solution.coef - X.ravel()).max() < 0.01)
    True
    """
    matrices = check_factors(factors)
    Y = check_measurements(y, matrices)
    options = check_options(
        matrices,
        method=method,
        noise_variance=noise_variance,
        noise_covariance=noise_covariance,
        coupling=coupling,
        prune=prune,
        preset=preset,
        n_starts=n_starts,
        tol=tol,
        max_iter=max_iter,
        max_time=max_time,
        backend=backend,
    )
    return solve(matrices, Y, options, random_state, callback, verbose).result


def solve(factors, Y, options: Options, random_state=None, callback=None, verbose=False) -> Fit:
    """Fit checked arrays."""
    with single_threaded_blas():
        problem = pose(factors, Y, noise_covariance=options.noise_covariance, rescale=options.preset is None)
        known = options.noise_variance
        s2 = None if known is None else problem.units.own_noise_variance(known)
        limits = {"max_time": options.max_time, "callback": callback, "verbose": verbose}
        rng = np.random.default_rng(as_key(random_state))
        if options.method == "auto":
            chosen, runs = run_all(problem, options, limits, s2, rng)
        else:
            chosen = _single_run(problem, options, limits, s2)
            runs = [chosen]
        state = chosen.outcome.best.solution
        certificate = {"gamma_change": float(chosen.outcome.best.certificate), "evidence_gradient": 0.0}
        evidence = {}
        for run in runs:
            evidence[run.name], gradient = _evidence(problem, run, with_gradient=run is chosen)
            if run is chosen:
                certificate["evidence_gradient"] = gradient
        solution = _solution(problem, state, evidence, chosen.name, Y.ndim == len(factors))
    outcome = chosen.outcome
    stopped = runs[-1].outcome.status
    status = stopped if stopped in (Status.STOPPED, Status.TIME_LIMIT) else outcome.status
    if status is not Status.CONVERGED:
        warn_caller(
            f"{status.name}: the gammas still changed by {certificate['gamma_change']:.1e}, above "
            f"tol={options.tol:.1e}. {status.help}"
        )
    n_iter = sum(run.outcome.n_iter for run in runs)
    spent = sum(run.outcome.setup_time + run.outcome.solve_time for run in runs) - outcome.setup_time
    result = Result(
        solution, status, n_iter, certificate, outcome.trace, outcome.setup_time, spent, options.choice
    )
    return Fit(result, state, problem)


def _single_run(problem: Problem, options: Options, limits: dict, s2) -> Run:
    if options.method == "dsbl":
        iterates = decompose(problem, noise_variance=s2, pruning=options.pruning_of("dsbl"))
        return Run("dsbl", drive(iterates, tol=options.tol, max_iter=options.max_iter, **limits))
    if options.preset is None:
        return Run(options.method, run_method(problem, options.method, options, limits, s2))
    iterates = learn(
        problem,
        options.method,
        noise_variance=s2,
        start=[np.ones(n) for n in problem.shape],
        pruning=options.preset.pruning,
    )
    # The first iterate is the start.
    cap = min(options.max_iter, PRESET_STEPS + 1)
    return Run(options.method, drive(iterates, tol=options.tol, max_iter=cap, **limits))


def _evidence(problem: Problem, run: Run, with_gradient: bool) -> tuple[float, float]:
    """Log evidence of the joint model at the gammas of a run, and its relative gradient, or 0 where not asked for.

    The evidence is infinite where all measurements are zero and the noise is learned.
    """
    state = run.outcome.best.solution
    if state.noise_variance > 0.0:
        found = posterior(problem, state.gammas(), state.noise_variance)
        return found.log_evidence, found.stationarity() if with_gradient else 0.0
    size = problem.n_snapshots * problem.n_measurements
    if problem.is_complex:
        return -run.cost - size * float(np.log(np.pi)), 0.0
    return -0.5 * (run.cost + size * float(np.log(2.0 * np.pi))), 0.0


def _solution(problem: Problem, state, evidence: dict, name: str, single: bool) -> KroneckerSolution:
    units = problem.units
    mean = units.coefficients(state.mean()).reshape(problem.n_snapshots, -1)
    gammas = units.gammas(state.gammas())
    return KroneckerSolution(
        coef=mean[0] if single else np.ascontiguousarray(mean.T),
        coef_std=units.coefficients(np.sqrt(state.variance())).reshape(-1),
        gamma=gammas,
        noise_variance=units.noise_variance(state.noise_variance),
        supports=[np.flatnonzero(gamma > _SUPPORT * gamma.max(initial=0.0)) for gamma in gammas],
        log_evidence=evidence[name],
        method=name,
        candidates=evidence,
    )
