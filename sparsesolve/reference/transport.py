"""Entropic, unbalanced and exact optimal transport in cvxpy, and checks of potentials in plain numpy."""

from __future__ import annotations

import warnings
from decimal import Decimal, localcontext
from typing import NamedTuple

import numpy as np
from scipy.special import logsumexp


class TransportReference(NamedTuple):
    """A solution as cvxpy finds it.

    Attributes
    ----------
    plan : ndarray of shape (n, m)
    objective : float
        Of the problem that was solved, with its entropy and penalties.
    cost : float
        Sum of C_ij P_ij.
    """

    plan: np.ndarray
    objective: float
    cost: float


def entropic_transport(a, b, C, reg, marginal_penalty=None) -> TransportReference:
    """Minimise <C, P> + reg sum(P log P - P) with cvxpy and Clarabel.

    Parameters
    ----------
    a : array of shape (n,)
        Row sums of P.
    b : array of shape (m,)
        Column sums of P.
    C : array of shape (n, m)
    reg : float
        With 0 this is a linear program, the exact transport.
    marginal_penalty : float, optional
        Instead of the constraints, add this much times KL(row sums | a) + KL(column sums | b), where KL(p | q) is
        sum(p log(p / q) - p + q). All weights must then be positive.

    Returns
    -------
    TransportReference

    Raises
    ------
    ImportError
        Where cvxpy is not installed.
    RuntimeError
        Where Clarabel does not get near its tolerance, 1e-12.

    Notes
    -----
    Meant for up to some 30 x 30 entries, costs and weights of ordinary size, and reg from 1e-3 of the costs up.
    """
    import cvxpy

    a, b, C = (np.asarray(values, dtype=np.float64) for values in (a, b, C))
    # In units of the average entry, which is what the solver's tolerances are for.
    unit = np.sqrt(a.sum() * b.sum()) / C.size
    shares = cvxpy.Variable(C.shape, nonneg=True)
    plan = unit * shares
    objective = cvxpy.sum(cvxpy.multiply(C, plan))
    if reg > 0:
        # P log P - P, for P = unit * share.
        objective -= reg * unit * (cvxpy.sum(cvxpy.entr(shares)) + (1.0 - np.log(unit)) * cvxpy.sum(shares))
    rows, columns = cvxpy.sum(plan, axis=1), cvxpy.sum(plan, axis=0)
    constraints = []
    if marginal_penalty is None:
        constraints = [rows == a, columns == b]
    else:
        objective += marginal_penalty * cvxpy.sum(cvxpy.kl_div(rows, a))
        objective += marginal_penalty * cvxpy.sum(cvxpy.kl_div(columns, b))
    problem = cvxpy.Problem(cvxpy.Minimize(objective), constraints)
    with warnings.catch_warnings():
        # Exponential cones end a little above this tolerance: seen are 1e-8 in the plan, and 1e-12 in the objective.
        warnings.filterwarnings("ignore", message="Solution may be inaccurate")
        problem.solve(solver=cvxpy.CLARABEL, tol_gap_abs=1e-12, tol_gap_rel=1e-12, tol_feas=1e-12)
    if problem.status not in (cvxpy.OPTIMAL, cvxpy.OPTIMAL_INACCURATE):
        raise RuntimeError(
            f"Clarabel ended with status {problem.status}: raise reg, or scale the costs first."
        )
    answer = np.maximum(unit * shares.value, 0.0)
    return TransportReference(answer, float(problem.value), float((C * answer).sum()))


def plan_of(f, g, C, reg) -> np.ndarray:
    """The plan exp((f_i + g_j - C_ij) / reg); a potential of -inf gives zeros.

    Examples
    --------
    >>> import numpy as np
    >>> from sparsesolve.reference.transport import plan_of
    >>> plan_of([0.0, -np.inf], [1.0], [[1.0], [1.0]], 0.5)
    array([[1.],
           [0.]])
    """
    f, g, C = (np.asarray(values, dtype=np.float64) for values in (f, g, C))
    return np.exp((f[:, None] + g - C) / reg)


def marginal_error(plan, a, b) -> float:
    """L1 distance of the marginals of a dense plan from a and b, relative to the sum of a."""
    return float((np.abs(plan.sum(axis=1) - a).sum() + np.abs(plan.sum(axis=0) - b).sum()) / np.sum(a))


def optimal_marginals(f, g, a, b, marginal_penalty=None) -> tuple[np.ndarray, np.ndarray]:
    """The marginals that the plan of optimal potentials has.

    They are a and b, or, with a penalty, a exp(-f / penalty) and b exp(-g / penalty).
    """
    if marginal_penalty is None:
        return np.asarray(a), np.asarray(b)
    # Where a weight is zero, so is the marginal, whatever the potential.
    return tuple(
        weights * np.exp(-np.where(weights > 0, potentials, 0.0) / marginal_penalty)
        for weights, potentials in ((np.asarray(a), f), (np.asarray(b), g))
    )


def exact_marginal_error(f, g, a, b, C, reg, digits=50) -> float:
    """The marginal error of potentials without rounding errors: every sum and exponential has so many digits.

    Parameters
    ----------
    f : array of shape (n,)
    g : array of shape (m,)
    a, b : array of shape (n,) and (m,)
    C : array of shape (n, m)
        Small: an entry takes some 10 microseconds.
    reg : float
    digits : int, default=50

    Returns
    -------
    float
        Relative to the sum of a.

    Examples
    --------
    >>> from sparsesolve.reference.transport import exact_marginal_error
    >>> exact_marginal_error([0.0, 0.0], [0.0], [1.0, 1.0], [2.0], [[0.0], [0.0]], 1e-3)
    0.0
    """
    with localcontext() as context:
        context.prec = digits
        f, g, a, b = ([Decimal(float(value)) for value in values] for values in (f, g, a, b))
        C = [[Decimal(float(value)) for value in row] for row in C]
        reg = Decimal(float(reg))
        plan = [
            [((x + y - c) / reg).exp() for y, c in zip(g, row, strict=True)]
            for x, row in zip(f, C, strict=True)
        ]
        rows = sum(abs(sum(row) - weight) for row, weight in zip(plan, a, strict=True))
        columns = sum(
            abs(sum(column) - weight) for column, weight in zip(zip(*plan, strict=True), b, strict=True)
        )
        return float((rows + columns) / sum(a))


def log_sinkhorn(
    a, b, C, reg, *, tol=1e-10, max_iter=100_000, marginal_penalty=None
) -> tuple[np.ndarray, np.ndarray]:
    """Sinkhorn's algorithm on the potentials, each sweep by `scipy.special.logsumexp`.

    Parameters
    ----------
    a, b : array of shape (n,) and (m,)
        At least 0.
    C : array of shape (n, m)
    reg : float
    tol : float, default=1e-10
        Largest L1 distance of the marginals from `optimal_marginals`, relative to the sum of a.
    max_iter : int, default=100000
    marginal_penalty : float, optional
        As in `entropic_transport`.

    Returns
    -------
    f : ndarray of shape (n,)
        -inf where a is zero.
    g : ndarray of shape (m,)

    Raises
    ------
    RuntimeError
        If the tolerance is not reached.

    Examples
    --------
    >>> import numpy as np
    >>> from sparsesolve.reference.transport import log_sinkhorn, marginal_error, plan_of
    >>> a, b, C = np.array([0.5, 0.5, 0.0]), np.array([0.25, 0.75]), np.arange(6.0).reshape(3, 2) ** 2
    >>> f, g = log_sinkhorn(a, b, C, 0.5)
    >>> marginal_error(plan_of(f, g, C, 0.5), a, b) < 1e-10
    True
    """
    a, b, C = (np.asarray(values, dtype=np.float64) for values in (a, b, C))
    damping = 1.0 if marginal_penalty is None else marginal_penalty / (marginal_penalty + reg)
    with np.errstate(divide="ignore"):
        log_a, log_b = np.log(a), np.log(b)
    g = np.where(b > 0, 0.0, -np.inf)
    for _ in range(max_iter):
        f = damping * reg * (log_a - logsumexp((g - C) / reg, axis=1))
        g = damping * reg * (log_b - logsumexp((f[:, None] - C) / reg, axis=0))
        targets = optimal_marginals(f, g, a, b, marginal_penalty)
        error = marginal_error(plan_of(f, g, C, reg), *targets) * targets[0].sum() / a.sum()
        if error <= tol:
            return f, g
    raise RuntimeError(f"after {max_iter} sweeps the marginal error is {error:.1e}, above tol={tol:.1e}.")


def rounded(plan, a, b) -> np.ndarray:
    """A plan near this one with the marginals a and b.

    Rows that are too large are scaled down, then columns; what is missing is filled up by a product of what rows and
    columns lack.

    References
    ----------
    Altschuler, Weed and Rigollet, "Near-linear time approximation algorithms for optimal transport via Sinkhorn
    iteration", NeurIPS 2017, Algorithm 2.

    Examples
    --------
    >>> import numpy as np
    >>> from sparsesolve.reference.transport import rounded
    >>> rounded(np.array([[2.0, 0.0], [0.0, 0.5]]), np.array([1.0, 1.0]), np.array([1.0, 1.0]))
    array([[1., 0.],
           [0., 1.]])
    """
    sums = plan.sum(axis=1)
    plan = plan * np.divide(a, sums, out=np.ones_like(sums), where=sums > a)[:, None]
    sums = plan.sum(axis=0)
    plan = plan * np.divide(b, sums, out=np.ones_like(sums), where=sums > b)
    rows, columns = a - plan.sum(axis=1), b - plan.sum(axis=0)
    lacking = np.abs(rows).sum()
    return plan + np.outer(rows, columns) / lacking if lacking > 0 else plan


def primal_value(plan, a, b, C, reg, marginal_penalty=None) -> np.longdouble:
    """<C, P> + reg sum(P log P - P), and the penalties if there are any, in extended precision."""
    plan, C = (np.asarray(values, dtype=np.longdouble) for values in (plan, C))
    value = (C * plan).sum() + reg * (_x_log(plan, plan) - plan.sum())
    if marginal_penalty is not None:
        for marginal, weights in ((plan.sum(axis=1), a), (plan.sum(axis=0), b)):
            weights = np.asarray(weights, dtype=np.longdouble)
            ratio = np.divide(marginal, weights, out=np.zeros_like(marginal), where=weights > 0)
            value += marginal_penalty * (_x_log(marginal, ratio) - marginal.sum() + weights.sum())
    return value


def dual_value(f, g, a, b, C, reg, marginal_penalty=None) -> np.longdouble:
    """The dual function at f and g, a lower bound on the primal value of all plans, in extended precision.

    It is a'f + b'g - reg sum(P); with a penalty the first terms are -penalty (sum of the optimal marginals less that of
    the weights).
    """
    f, g, a, b, C = (np.asarray(values, dtype=np.longdouble) for values in (f, g, a, b, C))
    value = -reg * np.exp((f[:, None] + g - C) / reg).sum()
    for potentials, weights in ((f, a), (g, b)):
        used = weights > 0
        if marginal_penalty is None:
            value += potentials[used] @ weights[used]
        else:
            value -= marginal_penalty * (weights[used] @ np.expm1(-potentials[used] / marginal_penalty))
    return value


def duality_gap(f, g, a, b, C, reg, marginal_penalty=None) -> float:
    """Primal value of the rounded plan of the potentials, minus their dual value.

    Zero at the optimum, and positive elsewhere, but for some 1e-16 of the largest potential, as the rounded plan is
    feasible to float64 only. With a penalty every plan is feasible, and is not rounded.
    """
    plan = plan_of(f, g, C, reg)
    if marginal_penalty is None:
        plan = rounded(plan, np.asarray(a), np.asarray(b))
    primal = primal_value(plan, a, b, C, reg, marginal_penalty)
    return float(primal - dual_value(f, g, a, b, C, reg, marginal_penalty))


def _x_log(x, y):
    """Sum of x log y, where 0 log 0 = 0."""
    used = x > 0
    return (x[used] * np.log(y[used])).sum()
