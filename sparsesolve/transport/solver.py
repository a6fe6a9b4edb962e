"""Entropic optimal transport: one call, several engines, one certificate."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import scipy.sparse

from ..driver import Iterate, drive
from ..exceptions import warn_caller
from ..result import Result, Status
from . import engines, scaling
from .coupling import Coupling
from .options import Options, check_options
from .paper import paper
from .problem import Posed, Problem, check_potentials, pose
from .state import COUNTED, UNMEASURED, State

_EPS = np.finfo(np.float64).eps

# Where the range of the costs is below so many times reg, sweeps at reg itself converge fast enough to begin there;
# up to the second number two of them tell whether they do.
DIRECT_RATIO, _PROBED = 150.0, 400.0
# Marginal error that rounding leaves, in units of eps |C| / reg, as seen on the problems of the benchmark.
_TYPICAL_ROUNDING = 0.03
# Rounding, as a share of the tolerance, beyond which potentials that were moved to another scale are looked at again.
_EXACT = 0.02
# Error after two sweeps that means no.
_PROBE_ERROR = 0.2


class _Fields(NamedTuple):
    potentials: tuple[np.ndarray, np.ndarray]
    marginal_error: float
    objective: float
    solver: str
    counts: Mapping[str, int]
    coupling: Coupling


class TransportSolution(_Fields):
    """The answer of `entropic_transport`.

    Attributes
    ----------
    potentials : tuple of ndarray of shape (n,) and (m,)
        f and g; the plan is exp((f_i + g_j - C_ij) / reg). -inf where a weight is zero.
    marginal_error : float
        L1 distance of the plan's marginals from a and b, relative to the mass.
    objective : float
        Value of the dual problem: a lower bound on the regularised cost.
    solver : str
        The engine that found the answer.
    counts : mapping of str to int
        sweeps, newton_steps, cg_steps, evaluations, factorisations, dense_passes.
    coupling : Coupling
        The plan in all its forms, made on demand.
    """

    @property
    def plan(self) -> scipy.sparse.csr_array:
        """The entries that matter, as a CSR array of shape (n, m); computed when first asked for."""
        return self.coupling.sparse

    @property
    def cost(self) -> float:
        """What the plan costs, without the regularisation; computed when first asked for."""
        return self.coupling.cost

    @property
    def dual_gap(self) -> float:
        """Certified gap between a feasible plan and the potentials; computed when first asked for."""
        return self.coupling.dual_gap

    def dense_plan(self) -> np.ndarray:
        """The plan as an array of shape (n, m)."""
        return self.coupling.dense()

    def rounded_plan(self) -> scipy.sparse.csr_array:
        """A plan near this one whose marginals are exact."""
        return self.coupling.rounded()

    def grad_cost(self) -> scipy.sparse.csr_array:
        """Gradient of `cost` with respect to the cost matrix, on the entries of `plan`."""
        return self.coupling.grad_cost()


def entropic_transport(
    a,
    b,
    C,
    reg,
    *,
    solver="auto",
    tol=1e-9,
    max_iter=1000,
    max_time=None,
    marginal_penalty=None,
    potentials=None,
    sinkhorn_sweeps=20,
    density=None,
    backend="auto",
    callback=None,
    verbose=False,
) -> Result:
    """Minimise <C, P> + reg sum(P log P - P) over plans P >= 0 with the marginals a and b.

    Parameters
    ----------
    a : array of shape (n,)
        Weights of the sources, at least 0. A weight of zero takes no part.
    b : array of shape (m,)
        Weights of the targets. Their sum must be that of a; a difference within float32 rounding is scaled away.
    C : array of shape (n, m), or PointCloudCost
        Cost of moving a unit from i to j. Of any scale and sign. Points need no n x m array.
    reg : float
        Strength of the entropy, in the units of C (eps, and 1 / eta in the paper).
    solver : {"auto", "sinkhorn", "newton-dense", "newton-sparse", "paper"}, default="auto"
        "auto" begins with Sinkhorn sweeps, and goes over to Newton's method on a dense or a sparse plan, with reg
        lowered in steps, as the measured rate of convergence and density suggest. "sinkhorn" does sweeps only.
        "paper" is Sinkhorn-Newton-Sparse as published.
    tol : float, default=1e-9
        Largest marginal error, relative to the mass.
    max_iter : int, default=1000
        Largest number of rounds: a stage of the annealing, a fraction of a second's work of an engine, a sweep in
        the log domain, or a sweep or Newton step of "paper".
    max_time : float, optional
        Seconds after which no further round begins.
    marginal_penalty : float, optional
        Unbalanced transport: the marginals are not constraints, but cost this much times their Kullback-Leibler
        divergence from a and from b, whose sums may then differ.
    potentials : tuple of arrays of shape (n,) and (m,), optional
        A start, say from a similar problem.
    sinkhorn_sweeps : int, default=20
        For "paper": sweeps before the first Newton step (N1).
    density : float, optional
        For "paper": share of the plan's entries that the sparsified Hessian keeps (lambda); 2 / n + 2 / m unless
        given. The paper takes 15 / n where the optimum is not unique, as for L1 costs between pixels.
    backend : {"auto", "numba", "opencl"}
    callback : callable, optional
        Called with each `sparsesolve.driver.Iterate`; a true value stops.
    verbose : bool, default=False
        Log each round on the logger "sparsesolve".

    Returns
    -------
    Result
        ``solution`` is a `TransportSolution`; the certificate holds ``marginal_error``.

    Raises
    ------
    ValueError
        For bad arguments; the message names the argument, its value and the mend.

    Notes
    -----
    Complexity: a pass over all n m entries costs about one Sinkhorn sweep with exponentials; "auto" needs 1 to 20 of
    them. Memory: one n x m array beside C while plans are dense; for points only what fits, else costs are computed
    again in every pass.

    References
    ----------
    Tang, Shavlovsky, Rahmanian, Tardini, Thekumparampil, Xiao and Ying, "Accelerating Sinkhorn algorithm with sparse
    Newton iterations", ICLR 2024.

    Examples
    --------
    >>> import numpy as np
    >>> from sparsesolve import entropic_transport
    >>> rng = np.random.default_rng(0)
    >>> C = rng.random((50, 40))
    >>> result = entropic_transport(np.full(50, 1 / 50), np.full(40, 1 / 40), C, 1e-3)
    >>> result.status.name, result.certificate["marginal_error"] <= 1e-9, result.solution.plan.nnz < 500
    ('CONVERGED', True, True)
    """
    options = check_options(
        solver, tol, max_iter, max_time, backend, sinkhorn_sweeps, density, marginal_penalty, pairs_of(C)
    )
    posed = pose(a, b, C, reg, marginal_penalty)
    start = None if potentials is None else check_potentials(potentials, posed.full.cost.shape)
    return solve(posed, options, start, callback, verbose)


def solve(posed: Posed, options: Options, start=None, callback=None, verbose=False, quiet=False) -> Result:
    """Solve a checked problem; see `entropic_transport`. A quiet one does not warn."""
    tol = options.tol
    problem = posed.reduced
    warned = quiet or _warn_of_rounding(problem, tol)
    state = _begin(problem, None if start is None else posed.restrict(start), tol)
    outcome = drive(
        _engines(state, options, start is not None),
        tol=tol,
        max_iter=options.max_iter,
        max_time=options.max_time,
        callback=callback,
        verbose=verbose,
    )
    best, status = outcome.best, outcome.status
    if best.certificate == UNMEASURED:
        best = _at_final_reg(problem, best)
    f, g = posed.lift(*best.solution)
    kernel = state.kernel if posed.is_whole and best.solution is state.last else None
    coupling = Coupling(posed.full, f, g, kernel)
    if status is not Status.CONVERGED or not (posed.is_whole or posed.full.least_rounding <= _EXACT * tol):
        # What was measured before may differ by rounding from what is returned.
        best = replace(best, certificate=coupling.marginal_error())
        stopped = Status.STALLED if status is Status.CONVERGED else status
        status = Status.CONVERGED if best.certificate <= tol else stopped
    value = best.objective if posed.is_whole and np.isfinite(best.objective) else posed.value(f, g)
    counts = {name: best.extras[name] for name in COUNTED if name in best.extras}
    solution = TransportSolution(
        (f, g), best.certificate, value, str(best.extras["engine"]), counts, coupling
    )
    certificate = {"marginal_error": float(best.certificate)}
    if status is not Status.CONVERGED and not warned:
        warn_caller(
            f"{status.name}: the marginal error is {best.certificate:.1e}, above tol={tol:.1e}. {status.help}"
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


def pairs_of(C) -> float:
    """Size of a cost as it was given, before it is checked."""
    return float(np.prod(getattr(C, "shape", ()))) if len(getattr(C, "shape", ())) == 2 else 0.0


def _engines(state: State, options: Options, warm: bool):
    if options.choice.name == "opencl":
        from .device_route import device_route  # only where a device is used

        return device_route(state, options, warm)
    return _route(state, options, warm)


def _begin(problem: Problem, start, tol: float) -> State:
    if start is not None:
        return State(problem, start[0].copy(), start[1].copy(), tol)
    state = State(problem, np.empty(0), np.empty(0), tol)
    state.begin_again()
    return state


def _route(state: State, options: Options, warm: bool):
    """The engines in the order in which they are tried."""
    problem, solver = state.problem, options.solver
    goal = state.goal
    if solver == "paper":
        C, sweeps, density = problem.cost.matrix(), options.sinkhorn_sweeps, options.density
        yield from paper(
            C, problem.a, problem.b, problem.reg, state.f, state.g, sinkhorn_sweeps=sweeps, density=density
        )
        return
    ratio = (problem.cost.high - problem.cost.low) / problem.reg
    reached = False
    if solver == "sinkhorn":
        status = yield from engines.dense(state, problem.reg, goal, allow_newton=False)
        reached = status == scaling.DONE
    elif warm:
        reached = yield from engines.from_start(state, goal)
    elif solver != "newton-sparse" and ratio <= _PROBED:
        probe = _PROBE_ERROR if solver == "auto" and ratio > DIRECT_RATIO else 0.0
        status = yield from engines.dense(state, problem.reg, goal, probe=probe)
        reached = status == scaling.DONE
    if not reached and solver != "sinkhorn":
        reached = yield from engines.anneal(
            state, goal, sparse_allowed=solver != "newton-dense", always_sparse=solver == "newton-sparse"
        )
    if state.is_exhausted():
        return
    if not reached and solver == "auto":
        state.begin_again()
        reached = yield from engines.anneal(state, goal, careful=True)
    if not reached:
        yield from engines.log_domain(state)


def _warn_of_rounding(problem: Problem, tol: float) -> bool:
    """Say before the work that a tolerance is below what float64 can be expected to reach."""
    size = problem.cost.size
    floor = _TYPICAL_ROUNDING * _EPS * size / problem.reg
    if tol >= floor or tol == 0.0:
        return False
    warn_caller(
        f"tol={tol:.1e} is below what float64 numbers can be expected to reach here: about {floor:.1e}, as the "
        f"potentials are of the size of the costs, {size:.1e}, and are divided by reg={problem.reg:.1e}. Raise tol or "
        "reg, or subtract a constant from the costs. The best that can be had follows."
    )
    return True


def _at_final_reg(problem: Problem, best: Iterate) -> Iterate:
    """Potentials of an earlier stage, with rows that are exact at the final reg."""
    state = State(problem, best.solution[0].copy(), best.solution[1].copy())
    state.normalise(problem.reg)
    return replace(best, solution=(state.f, state.g))
