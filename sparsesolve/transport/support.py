"""The engine for sparse plans: Newton steps on the entries that matter, in CSR form.

As in `scaling` the rows are eliminated, here with exponentials of the kept entries, so that potentials may move any
distance. The Newton matrix is a sum over rows of positive differences; its diagonal is summed without cancellation, as
on nearly one-to-one plans all digits would be lost otherwise.
"""

import math

import numpy as np

from ..backends.jit import finite_kernel, kernel
from ..operators.elementary import exp
from .elementary import dot, spread
from .laplacian import approximate_factor, solve_factored
from .line_search import REACH, TRIALS, accepts, bend, first_step, next_step
from .passes import row_step
from .scaling import CG_STEPS, DONE, EVALUATIONS, FACTORISATIONS, NEWTON_STEPS, STILL, STUCK, UNFINISHED

#: How a call of `newton_on_support` ended, beside those of `scaling`: the potentials left the range of the support.
MOVED = 5

# Conjugate gradient steps with the diagonal alone, before the factorisation pays for itself.
_PLAIN_STEPS = 100
_FACTORED_STEPS = 300


@kernel
def narrow(
    wide_starts, wide_indices, wide_costs, f, g, row_limits, column_limits, starts, indices, costs, asleep
):
    """Keep the entries with cost - f - g at most row_limit + column_limit; every row and column keeps its least.

    Returns their number, or -1 where they do not fit; and marks those left out as asleep.
    """
    n, m = f.shape[0], g.shape[0]
    capacity = indices.shape[0]
    seen = np.zeros(m, np.bool_)
    limits = column_limits.copy()
    for attempt in range(2):
        kept = 0
        starts[0] = 0
        for i in range(n):
            first, last = wide_starts[i], wide_starts[i + 1]
            if kept + last - first > capacity:
                return -1
            bound = f[i] + row_limits[i]
            least, nearest = 1e300, first
            begun = kept
            for k in range(first, last):
                j = wide_indices[k]
                excess = wide_costs[k] - g[j] - limits[j] - bound
                if excess < least:
                    least, nearest = excess, k
                indices[kept] = j
                costs[kept] = wide_costs[k]
                asleep[k] = excess > 0.0
                kept += 1 if excess <= 0.0 else 0
            if kept == begun and last > first:
                indices[kept] = wide_indices[nearest]
                costs[kept] = wide_costs[nearest]
                asleep[nearest] = False
                kept += 1
            starts[i + 1] = kept
        seen[:] = False
        for k in range(kept):
            seen[indices[k]] = True
        if attempt == 1 or seen.all():
            break
        # Columns without an entry get as wide a limit as their nearest one needs.
        nearest_excess = np.full(m, 1e300)
        for i in range(n):
            for k in range(wide_starts[i], wide_starts[i + 1]):
                j = wide_indices[k]
                excess = wide_costs[k] - g[j] - limits[j] - f[i] - row_limits[i]
                nearest_excess[j] = min(nearest_excess[j], excess)
        for j in range(m):
            if not seen[j] and nearest_excess[j] < 1e300:
                limits[j] += nearest_excess[j] * (1.0 + 1e-12) + 1e-300
    return kept


@finite_kernel
def _exp_entries(indices, costs, f, g, inverse_reg, values):
    for k in range(values.shape[0]):
        values[k] = (f + g[indices[k]] - costs[k]) * inverse_reg
    total = 0.0
    for k in range(values.shape[0]):
        value = exp(values[k])
        values[k] = value
        total += value
    return total


@finite_kernel
def _largest_gain(indices, costs, g):
    largest = -1e300
    for k in range(indices.shape[0]):
        largest = max(largest, g[indices[k]] - costs[k])
    return largest


@finite_kernel
def _spread_row(indices, values, factor, columns):
    for k in range(values.shape[0]):
        values[k] *= factor
    for k in range(values.shape[0]):
        columns[indices[k]] += values[k]


@kernel
def evaluate(starts, indices, costs, a, kappa, f, g, reg, values, rows, columns):
    """The plan on the support, with rows made exact by f; its sums."""
    columns[:] = 0.0
    for i in range(a.shape[0]):
        first, last = starts[i], starts[i + 1]
        total = _exp_entries(indices[first:last], costs[first:last], f[i], g, 1.0 / reg, values[first:last])
        if not (total > 1e-250 and total < 1e250):
            f[i] = -_largest_gain(indices[first:last], costs[first:last], g)
            total = _exp_entries(
                indices[first:last], costs[first:last], f[i], g, 1.0 / reg, values[first:last]
            )
        step = row_step(a[i], total, f[i], reg, kappa)
        f[i] += reg * step
        factor = math.exp(step)
        rows[i] = factor * total
        _spread_row(indices[first:last], values[first:last], factor, columns)


@kernel
def column_targets(b, g, kappa, reg, out):
    """Column sums that belong to g: b where the marginals are constraints."""
    for j in range(b.shape[0]):
        out[j] = b[j] if kappa == 0.0 else b[j] * math.exp(-kappa * g[j] / reg)


@finite_kernel
def _add_row_diagonal(indices, values, row, kappa, out):
    largest = -1.0
    total = 0.0
    for k in range(values.shape[0]):
        total += values[k]
        largest = max(largest, values[k])
    scale = 1.0 / (row * (1.0 + kappa))
    extra = kappa * row
    if largest < 0.9 * total:
        for k in range(values.shape[0]):
            out[indices[k]] += values[k] * (total - values[k] + extra) * scale
        return
    place = 0
    others = 0.0
    for k in range(values.shape[0]):
        if values[k] == largest:
            place = k
    for k in range(values.shape[0]):
        others += values[k] if k != place else 0.0
    for k in range(values.shape[0]):
        rest = others if k == place else total - values[k]
        out[indices[k]] += values[k] * (rest + extra) * scale


@finite_kernel
def _add_row_product(indices, values, scale, x, out):
    mean = 0.0
    for k in range(values.shape[0]):
        mean += values[k] * x[indices[k]]
    mean *= scale
    for k in range(values.shape[0]):
        j = indices[k]
        out[j] += values[k] * (x[j] - mean)


@kernel
def _hessian_product(starts, indices, values, row_scale, ground, x, out):
    """Put Hessian x into out: a sum over rows of plan entries times differences, and the ground."""
    for j in range(x.shape[0]):
        out[j] = ground[j] * x[j]
    for i in range(row_scale.shape[0]):
        first, last = starts[i], starts[i + 1]
        _add_row_product(indices[first:last], values[first:last], row_scale[i], x, out)


@kernel
def _solve(
    starts, indices, values, rows, columns, kappa, row_scale, ground, diagonal, rhs, tolerance, plain_steps,
    seed, x, counts,
):  # fmt: skip
    """Conjugate gradients: with the diagonal for some steps, then with the approximate factor.

    Returns whether the factor was needed and good.
    """
    n, m = rows.shape[0], rhs.shape[0]
    r = rhs.copy()
    q = np.empty(m)
    x[:] = 0.0
    p = r / diagonal
    norm = dot(r, p)
    goal = tolerance * tolerance * norm
    steps = 0
    while norm > goal and steps < plain_steps:
        _hessian_product(starts, indices, values, row_scale, ground, p, q)
        curvature = dot(p, q)
        if curvature <= 0.0:
            break
        length = norm / curvature
        before = norm
        norm = 0.0
        for j in range(m):
            x[j] += length * p[j]
            r[j] -= length * q[j]
            norm += r[j] * r[j] / diagonal[j]
        for j in range(m):
            p[j] = r[j] / diagonal[j] + norm / before * p[j]
        steps += 1
    counts[CG_STEPS] += steps
    if norm <= goal:
        return False

    row_ground = kappa * rows
    order, factor_starts, factor_rows, factor_values, pivots = approximate_factor(
        starts, indices, values, rows, columns, row_ground, ground, seed
    )
    counts[FACTORISATIONS] += 1
    y = np.empty(n + m + 1)
    _hessian_product(starts, indices, values, row_scale, ground, x, q)
    for j in range(m):
        r[j] = rhs[j] - q[j]
        p[j] = 0.0
    last_inner = 1.0
    steps = 0
    while steps < _FACTORED_STEPS:
        y[:] = 0.0
        for j in range(m):
            y[n + j] = r[j]
        # What leaves a node without a ground must enter elsewhere: the ground takes it.
        y[n + m] = -r.sum()
        solve_factored(order, factor_starts, factor_rows, factor_values, pivots, y)
        inner = 0.0
        for j in range(m):
            y[n + j] -= y[n + m]
            inner += r[j] * y[n + j]
        if inner <= 0.0:
            break
        for j in range(m):
            p[j] = y[n + j] + (inner / last_inner * p[j] if steps > 0 else 0.0)
        last_inner = inner
        _hessian_product(starts, indices, values, row_scale, ground, p, q)
        curvature = dot(p, q)
        if curvature <= 0.0:
            break
        length = inner / curvature
        norm = 0.0
        for j in range(m):
            x[j] += length * p[j]
            r[j] -= length * q[j]
            norm += r[j] * r[j] / diagonal[j]
        steps += 1
        if norm <= goal:
            break
    counts[CG_STEPS] += steps
    return steps < _PLAIN_STEPS


@kernel
def _clear_way(
    wide_starts, wide_indices, wide_costs, asleep, f, g, row_limits, column_limits, f_change, g_change
):
    """Longest multiple of the changes at which no entry asleep comes within its limit.

    The rows' potentials are concave functions of the columns', so that their linear change is an upper bound.
    """
    longest = 1e300
    for i in range(f.shape[0]):
        bound = f[i] + row_limits[i]
        change = f_change[i]
        for k in range(wide_starts[i], wide_starts[i + 1]):
            j = wide_indices[k]
            nearing = change + g_change[j]
            if asleep[k] and nearing > 0.0:
                longest = min(longest, max(wide_costs[k] - g[j] - column_limits[j] - bound, 0.0) / nearing)
    return longest


@kernel
def newton_on_support(
    starts, indices, costs, values, wide_starts, wide_indices, wide_costs, asleep, row_limits, column_limits,
    wide_reach, a, b, kappa, f, g, reg, tol, reach, max_work, columns, rows, counts,
):  # fmt: skip
    """Newton's method on a support, until its column error is at most tol.

    Parameters
    ----------
    starts, indices, costs : arrays
        The support in CSR form.
    values : array
        Becomes the plan on it.
    wide_starts, wide_indices, wide_costs : arrays
        The wide support, of which this one is a part.
    asleep : array of bool
        Which entries of it are not in this one.
    row_limits, column_limits : arrays of shape (n,) and (m,)
        Reduced costs below which an entry asleep may matter.
    wide_reach : float
        How far the potentials may move until entries outside the wide support may matter.
    a, b : arrays of shape (n,) and (m,)
        Marginals.
    kappa : float
        reg / marginal_penalty, or 0.
    f, g : arrays
        The potentials; changed in place.
    reach : float
        Stop once the sum of the largest changes of f and of g is above.
    max_work : float
        Entries to look at.
    columns, rows : arrays
        Become the plan's sums.
    counts : array
        Counted work, as in `scaling`.

    Returns
    -------
    status : int
    error : float
        On the support.
    """
    n, m = a.shape[0], b.shape[0]
    kept = starts[n]
    diagonal = np.empty(m)
    direction = np.empty(m)
    rhs = np.empty(m)
    target = np.empty(m)
    ground = np.empty(m)
    row_scale = np.empty(n)
    g_trial = np.empty(m)
    f_before = np.empty(n)
    f_change = np.empty(n)
    g_change = np.empty(m)
    f_origin = f.copy()
    g_origin = g.copy()
    bracket = np.zeros(2)
    shift = 1e-6
    plain_steps = _PLAIN_STEPS
    failures = 0
    evaluate(starts, indices, costs, a, kappa, f, g, reg, values, rows, columns)
    column_targets(b, g, kappa, reg, target)
    error = 0.0
    for j in range(m):
        error += abs(columns[j] - target[j])
    work = 2.0 * kept
    status = UNFINISHED
    while True:
        if error <= tol:
            status = DONE
            break
        moved = _largest_change(f, f_origin) + _largest_change(g, g_origin)
        if moved > reach:
            status = MOVED
            break
        if work > max_work:
            break
        diagonal[:] = 0.0
        for i in range(n):
            first, last = starts[i], starts[i + 1]
            _add_row_diagonal(indices[first:last], values[first:last], rows[i], kappa, diagonal)
            row_scale[i] = 1.0 / (rows[i] * (1.0 + kappa))
        for j in range(m):
            ground[j] = kappa * target[j] + shift * error * b[j] + secant(columns[j], target[j])
            diagonal[j] += ground[j] + 1e-300
            rhs[j] = target[j] - columns[j]
        forcing = max(min(0.1, max(0.3 * error, 1e-6)), min(0.2 * tol / error, 1e-2))
        before = counts[CG_STEPS]
        factored = _solve(
            starts, indices, values, rows, columns, kappa, row_scale, ground, diagonal, rhs, forcing, plain_steps,
            np.uint64(88172645463325252 + counts[NEWTON_STEPS]), direction, counts,
        )  # fmt: skip
        if factored:
            plain_steps = 0
        work += 1.5 * kept * (counts[CG_STEPS] - before + 2)
        counts[NEWTON_STEPS] += 1
        if kappa == 0.0:
            mean = dot(direction, b)
            for j in range(m):
                direction[j] -= mean
        bend(direction, rhs)
        low, high = spread(direction)
        slope_before = -dot(rhs, direction)
        first = step = first_step(low, high)
        longest = min(1.0, max(reach / reg, REACH) / max(high - low, 1e-300))
        bracket[:] = 0.0
        f_before[:] = f
        looked = False
        accepted = False
        error_trial = error
        for _ in range(TRIALS):
            for j in range(m):
                g_trial[j] = g[j] + step * reg * direction[j]
            evaluate(starts, indices, costs, a, kappa, f, g_trial, reg, values, rows, columns)
            column_targets(b, g_trial, kappa, reg, target)
            counts[EVALUATIONS] += 1
            work += 2.0 * kept
            error_trial = 0.0
            slope = 0.0
            for j in range(m):
                deviation = columns[j] - target[j]
                error_trial += abs(deviation)
                slope += deviation * direction[j]
            if step >= longest and longest < 1.0 and slope < 0.5 * slope_before and not looked:
                # Nearly all of the slope is left: go on to where an entry asleep would wake.
                looked = True
                for j in range(m):
                    g_change[j] = reg * direction[j]
                evaluate(starts, indices, costs, a, kappa, f_before, g, reg, values, rows, columns)
                _row_changes(starts, indices, values, row_scale, g_change, f_change)
                clear = _clear_way(
                    wide_starts, wide_indices, wide_costs, asleep, f_before, g, row_limits, column_limits, f_change,
                    g_change,
                )  # fmt: skip
                rise = max(spread(f_change)[1] + spread(g_change)[1], 1e-300)
                left = wide_reach - _largest_change(f_before, f_origin) - _largest_change(g, g_origin)
                clear = min(1.0, clear, left / rise)
                work += 2.0 * wide_starts[n]
                if clear > longest:
                    longest = clear
                    f[:] = f_before
                    step = next_step(step, slope, slope_before, bracket, longest)
                    continue
                evaluate(starts, indices, costs, a, kappa, f, g_trial, reg, values, rows, columns)
            if accepts(step, slope, slope_before, error_trial, error, longest):
                accepted = True
                break
            f[:] = f_before
            step = next_step(step, slope, slope_before, bracket, longest)
        shift = shift * 4.0 if step < 0.3 * first else max(shift * 0.3, 1e-9)
        if not accepted:
            failures += 1
            f[:] = f_before
            evaluate(starts, indices, costs, a, kappa, f, g, reg, values, rows, columns)
            column_targets(b, g, kappa, reg, target)
            shift = max(shift, 1e-3) * 10.0
            if failures > 2:
                status = STUCK
                break
            continue
        if error_trial > 0.98 * error and (error < 1e-6 or step * (high - low) < STILL):
            failures += 1
            if failures > 6:
                status = STUCK
                g[:] = g_trial
                error = error_trial
                break
        g[:] = g_trial
        error = error_trial
    return status, error


@kernel
def secant(column, target):
    """Extra curvature for a starved column, which makes its Newton step the Sinkhorn step: its own would overshoot."""
    if column >= 0.1 * target:
        return 0.0
    return (target - column) / min(math.log(target / max(column, 1e-300)), 8.0) - column


@kernel
def _row_changes(starts, indices, values, row_scale, g_change, f_change):
    """Linear change of the rows' potentials that keeps the rows exact."""
    for i in range(f_change.shape[0]):
        change = 0.0
        for k in range(starts[i], starts[i + 1]):
            change += values[k] * g_change[indices[k]]
        f_change[i] = -change * row_scale[i]


@finite_kernel
def _largest_change(x, origin):
    largest = -1e300
    for j in range(x.shape[0]):
        largest = max(largest, x[j] - origin[j])
    return largest


def solve_newton_system(plan, kappa: float, rhs: np.ndarray, tolerance: float = 1e-12) -> np.ndarray:
    """Solve [[R, P], [P', C]] (alpha, beta) = (p, q) for beta, with rhs = q - P' R^-1 p.

    R and C are the diagonal matrices of the plan's sums times 1 + kappa. For kappa = 0 the system is singular, and
    consistent where rhs sums to zero on each part of the plan.

    Parameters
    ----------
    plan : csr_array of shape (n, m)
        Without empty rows and columns.
    kappa : float
    rhs : ndarray of shape (m,)
    tolerance : float
        Relative, in the norm of the diagonal.
    """
    starts, indices = plan.indptr.astype(np.int64), plan.indices.astype(np.uint32)
    values = np.ascontiguousarray(plan.data)
    rows, columns = plan.sum(axis=1), plan.sum(axis=0)
    ground = kappa * columns
    diagonal = ground + 1e-300
    for i in range(rows.size):
        part = slice(starts[i], starts[i + 1])
        _add_row_diagonal(indices[part], values[part], rows[i], kappa, diagonal)
    solution = np.empty_like(rhs)
    row_scale = 1.0 / (rows * (1.0 + kappa))
    _solve(
        starts, indices, values, rows, columns, kappa, row_scale, ground, diagonal, rhs, tolerance, 10 * _PLAIN_STEPS,
        np.uint64(1), solution, np.zeros(5, np.int64),
    )  # fmt: skip
    return solution
