"""Block coordinate descent by choice of partition, selection and update: one call, one trace, one certificate."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from ...backends import select
from ...driver import Iterate, drive
from ...exceptions import warn_caller
from ...random import as_key
from ...result import Result, Status
from ...validation import check_count, check_real
from .active_set import active_set_bound
from .compatibility import check_choices, check_problem
from .partition import fixed_blocks, given_blocks
from .problems import Problem
from .selection import GREEDY, Rule, make_rule
from .setting import Setting
from .units import Units
from .update import BOUND_UPDATES, Update, make_update

#: Rounds of blocks, chosen without a look at the gradient, that may bring nothing before a run counts as stalled.
_IDLE_ROUNDS = 50


class CoordinateSolution(NamedTuple):
    """The answer of `block_coordinate_descent`.

    Attributes
    ----------
    coef : ndarray of shape (n_coordinates,)
    objective : float
        f plus the penalty.
    support : ndarray of int
        The coordinates that are not at a kink of the penalty, such as zero or a bound.
    support_identified_at : int or None
        The step from which on the support did not change, if the run converged.
    margin : float
        Delta: the least depth of minus the gradient inside of the subdifferential, over the units at a kink; positive
        at a solution that is not degenerate, infinity where nothing is at a kink.
    active_set_bound : float
        The paper's bound of the number of steps to identify the support, with the rate of convergence as measured;
        NaN unless the run converged.
    blocks : list of ndarray of int
        The chosen blocks, in order.
    """

    coef: np.ndarray
    objective: float
    support: np.ndarray
    support_identified_at: int | None
    margin: float
    active_set_bound: float
    blocks: list[np.ndarray]


def block_coordinate_descent(
    problem: Problem,
    *,
    partition="variable",
    selection="gsq",
    update="matrix",
    block_size=10,
    max_iter=1000,
    tol=1e-8,
    random_state=None,
    x0=None,
    max_time=None,
    nonsmooth_score="q",
    gsq_method="omp",
    gsq_rounds=5,
    callback=None,
    verbose=False,
) -> Result:
    """Minimise f(x) + g(x), one block of coordinates at a time.

    Parameters
    ----------
    problem : Problem
        `LeastSquares`, `Logistic`, `Multinomial`, `Poisson`, `SVMDual`, `GraphQuadratic`, or one of your own.
    partition : {"variable", "order", "sort", "average", "red-black", "tree"} or sequence, default="variable"
        "variable" lets every step take any coordinates. The others fix blocks before the start: consecutive
        coordinates, as they come, sorted by their Lipschitz constants, or with large and small ones in turn; for
        graphs blocks without couplings inside, or blocks that are forests. Or the blocks themselves, as arrays.
    selection : str or callable, default="gsq"
        "random", "cyclic", "lipschitz" (at random, in proportion to the Lipschitz constants); "gs" the largest
        gradient; "gsl", "gsd", "gsq" the largest guaranteed decrease with one curvature for each block, one for each
        coordinate, or the block's matrix; "gsc" that of a cubic model; "mi" the largest decrease that any step can
        bring; "greedy-tree" a large forest. Or a rule of your own, ``rule(x, gradient, curvature, block_size)``, that
        returns the coordinates to change.
    update : str, default="matrix"
        "lipschitz" a gradient step; "lipschitz-search" the same with estimated curvature; "matrix" the minimiser of the
        model with a bounding matrix; "newton" with the Hessian, and a line search; "cubic" with a cube instead;
        "prox-newton" Newton's with a penalty; "two-metric" a projected Newton step; "message-passing" Newton's on
        forests, in linear time. All but "newton", "cubic" and "message-passing" take penalties.
    block_size : int, default=10
        Coordinates in a block; groups of a penalty stay whole. Not used where blocks follow a graph.
    max_iter : int, default=1000
        Largest number of steps.
    tol : float, default=1e-8
        Largest KKT residual: distance of minus the gradient from the subdifferential, relative to the largest entry of
        the gradient at zero.
    random_state : None, int, numpy.random.Generator or RandomState
    x0 : array of shape (n_coordinates,), optional
        A start, zeros unless given; it is moved into the penalty's domain.
    max_time : float, optional
        Seconds after which no further step begins.
    nonsmooth_score : {"q", "r", "s"}, default="q"
        What greedy rules look at where there is a penalty: decrease of the model, length of the step, or the least
        subgradient.
    gsq_method : {"omp", "iht"}, default="omp"
        How variable blocks of the GSQ rule are found: orthogonal matching pursuit in batches, or the paper's iterative
        hard thresholding.
    gsq_rounds : int, default=5
        Batches of "omp".
    callback : callable, optional
        Called after each step with its `sparsesolve.driver.Iterate`; a true value stops.
    verbose : bool, default=False
        Log each step on the logger "sparsesolve".

    Returns
    -------
    Result
        ``solution`` is a `CoordinateSolution`. The certificate holds ``kkt_residual``, and ``duality_gap`` where it is
        easy to have. The trace has the columns ``objective``, ``certificate`` (as last looked at),
        ``support_size`` and ``block_size``.

    Raises
    ------
    ValueError
        For choices that do not go together on this problem; the message names those that do.

    Notes
    -----
    Complexity: greedy rules need the gradient in every step; on sparse data and graphs it is kept up to date. "gsq"
    needs one product with the Hessian for each further batch. A matrix update costs k^3 for a block of k.

    References
    ----------
    Nutini, Laradji and Schmidt, "Let's make block coordinate descent converge faster: faster greedy rules,
    message-passing, active-set complexity, and superlinear convergence", JMLR 23(131), 2022.

    Examples
    --------
    >>> import numpy as np
    >>> from sparsesolve.coordinate import block_coordinate_descent
    >>> from sparsesolve.coordinate import LeastSquares
    >>> from sparsesolve.prox import L1
    >>> rng = np.random.default_rng(0)
    >>> A = rng.standard_normal((50, 100))
    >>> result = block_coordinate_descent(LeastSquares(A, A[:, 3] - A[:, 7], L1(5.0)), block_size=5)
    >>> result.status.name, result.solution.support
    ('CONVERGED', array([3, 7]))
    """
    rules = Rules(partition, selection, update, block_size, nonsmooth_score, gsq_method, gsq_rounds)
    max_iter, tol = check_count("max_iter", max_iter), check_real("tol", tol, minimum=0)
    max_time = None if max_time is None else check_real("max_time", max_time, minimum=0)
    run = prepare(problem, rules, tol, random_state, x0)
    outcome = drive(
        run.steps(), tol=tol, max_iter=max_iter, max_time=max_time, callback=callback, verbose=verbose
    )
    return run.result(outcome)


class Rules(NamedTuple):
    """The choices that make a method; see `block_coordinate_descent`."""

    partition: Any = "variable"
    selection: Any = "gsq"
    update: str = "matrix"
    block_size: int = 10
    nonsmooth_score: str = "q"
    gsq_method: str = "omp"
    gsq_rounds: int = 5


def prepare(problem: Problem, rules: Rules, tol: float, random_state, x0=None, measure=None) -> Run:
    """Check the choices, and make a run that is ready to start.

    `measure` says how far a state is from the answer, as `tol` means it; the KKT residual unless given.
    """
    block_size = check_count("block_size", rules.block_size)
    gsq_rounds = check_count("gsq_rounds", rules.gsq_rounds)
    check_problem(problem)
    units = Units(problem.penalty, problem.n_coordinates)
    partition, blocks = rules.partition, None
    if not isinstance(partition, str):
        partition, blocks = given_blocks(partition, problem, units)
    check_choices(
        problem, partition, rules.selection, rules.update, block_size, rules.nonsmooth_score, rules.gsq_method
    )
    generator = np.random.Generator(np.random.Philox(key=as_key(random_state)))
    first = problem.start(_check_start(problem, x0))
    setting = Setting(problem, units, block_size, generator, first, rules.update in BOUND_UPDATES)
    setting.blocks = blocks
    if partition != "variable" and blocks is None:
        setting.blocks = fixed_blocks(partition, problem, units, setting.scales, block_size)
    rule = make_rule(rules.selection, setting, rules.nonsmooth_score, rules.gsq_method, gsq_rounds)
    return Run(setting, rule, make_update(rules.update, setting), rules.selection in GREEDY, tol, measure)


def _check_start(problem, x0):
    """A point in the penalty's domain."""
    x = np.zeros(problem.n_coordinates) if x0 is None else np.array(x0, np.float64)
    if x.shape != (problem.n_coordinates,) or not np.isfinite(x).all():
        raise ValueError(
            f"x0 has shape {x.shape}: it needs {problem.n_coordinates} finite numbers, one for each coordinate."
        )
    return np.array(problem.penalty.prox(x, 0.0))


class Run:
    """The loop, and what it remembers."""

    def __init__(self, setting: Setting, rule: Rule, update: Update, greedy: bool, tol: float, measure=None):
        self._setting, self._rule, self._update, self._tol = setting, rule, update, tol
        self._measure = self._residual if measure is None else measure
        self._problem = setting.problem
        self._state: Any = self._problem.start(setting.first.x)
        self._scale = self._gradient_at_zero()
        n_blocks = (
            setting.problem.n_coordinates // setting.block_size
            if setting.blocks is None
            else len(setting.blocks)
        )
        self._pause = 1 if greedy else max(1, n_blocks)
        self._patience = 1 if greedy else _IDLE_ROUNDS * self._pause
        self._blocks: list[np.ndarray] = []
        self._kinks = self._problem.penalty.at_kink(setting.first.x)
        self._changed_at = 0
        self._seen = np.inf

    def _gradient_at_zero(self) -> float:
        zero = self._problem.start(_check_start(self._problem, None))
        return float(np.abs(self._problem.gradient(zero)).max(initial=0.0)) or 1.0

    def _residual(self, state) -> float:
        distance = self._problem.penalty.distance(self._problem.gradient(state), state.x)
        return float(distance.max(initial=0.0)) / self._scale

    def _objective(self) -> float:
        return self._problem.value(self._state) + self._problem.penalty.value(self._state.x)

    def steps(self):
        """The solver, as the driver wants it."""
        residual = self._seen = self._measure(self._state)
        if residual <= self._tol:
            yield self._iterate(residual, 0)
            return Status.CONVERGED
        idle = 0
        while True:
            chosen = self._rule(self._state)
            d = self._update(self._state, chosen)
            idle = 0 if d.any() else idle + 1
            self._move(chosen.block, d)
            residual = self._looked_at()
            yield self._iterate(residual, chosen.block.size)
            if idle >= self._patience:
                return Status.STALLED

    def _move(self, block, d):
        self._blocks.append(block)
        if not d.any():
            return
        self._problem.step(self._state, block, d)
        kinks = self._problem.penalty.at_kink(self._state.x[block], block)
        # A support has changed too where a coordinate went from one kink to another, as from bound to bound.
        if ((kinks != self._kinks[block]) | (kinks & (d != 0.0))).any():
            self._changed_at = len(self._blocks)
            self._kinks[block] = kinks

    def _looked_at(self) -> float:
        """How far the answer is, where its turn has come; a measure that holds is confirmed with sums from scratch."""
        if len(self._blocks) % self._pause:
            return self._seen
        residual = self._measure(self._state)
        if residual <= self._tol:
            self._state = self._problem.start(self._state.x)
            residual = self._measure(self._state)
        self._seen = residual
        return residual

    @property
    def x(self) -> np.ndarray:
        """The present point."""
        return self._state.x

    @property
    def changed_at(self) -> int:
        """The last step that changed the support."""
        return self._changed_at

    def _iterate(self, residual, size):
        support = self._kinks.size - int(np.count_nonzero(self._kinks))
        return Iterate(None, residual, self._objective(), {"support_size": support, "block_size": size})

    def result(self, outcome) -> Result:
        """The last point, with its certificate from scratch."""
        problem, penalty = self._problem, self._problem.penalty
        self._state = state = problem.start(self._state.x)
        residual, gap = self._residual(state), problem.duality_gap(state)
        status = _status(outcome.status, residual, self._tol)
        certificate = {"kkt_residual": residual}
        if np.isfinite(gap):
            certificate["duality_gap"] = float(gap)
        if status not in (Status.CONVERGED, Status.STOPPED):
            warn_caller(
                f"{status.name}: the KKT residual is {residual:.1e}, above tol={self._tol:.1e}. {status.help}"
            )
        converged = status is Status.CONVERGED
        margin = float(penalty.margin(problem.gradient(state), state.x).min(initial=np.inf))
        bound = (
            active_set_bound(self._setting, state.x, margin, outcome.trace["objective"])
            if converged
            else np.nan
        )
        solution = CoordinateSolution(
            state.x,
            self._objective(),
            np.flatnonzero(~penalty.at_kink(state.x)),
            self._changed_at if converged else None,
            margin,
            bound,
            self._blocks,
        )
        return Result(
            solution,
            status,
            outcome.n_iter,
            certificate,
            outcome.trace,
            outcome.setup_time,
            outcome.solve_time,
            select("auto"),
        )


def _status(status: Status, residual: float, tol: float) -> Status:
    """The driver's answer, made to agree with the residual of the point that is returned."""
    if residual <= tol:
        return Status.CONVERGED
    if not np.isfinite(residual):
        return Status.NON_FINITE
    return Status.MAX_ITER if status in (Status.CONVERGED, Status.NON_FINITE) else status
