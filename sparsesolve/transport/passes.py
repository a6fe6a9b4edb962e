"""Passes over all pairs: exponentiate the reduced costs, normalise the rows, sum the columns.

Every pass works on the rows ``start`` to ``stop`` of the cost and on the whole of the columns. Rows are exact after a
pass: with `kappa` = reg / marginal_penalty (0 where the marginals are constraints), row i of the plan has the sum
``a_i exp(-kappa f_i / reg)``.
"""

import math

import numpy as np

from ..backends.jit import kernel
from ..operators.cost_rows import cost_row
from .elementary import (
    add_scaled,
    count_above,
    dot,
    exp_row,
    largest_gain,
    raise_to_gain,
)

_TINY, _HUGE = 1e-100, 1e100


@kernel
def _stable_exp_row(cost, g, f, inverse_reg, out):
    """Exponentials of one row, and their sum; f is moved where the sum leaves the comfortable range."""
    total = exp_row(cost, g, f, inverse_reg, out)
    if not (total > _TINY and total < _HUGE):
        f = -largest_gain(cost, g)
        total = exp_row(cost, g, f, inverse_reg, out)
    return f, total


@kernel
def row_step(mass, total, f, reg, kappa):
    """Logarithm of the factor that gives a row its sum, where the entries as they are sum to total."""
    return (math.log(mass) - math.log(total) - kappa * f / reg) / (1.0 + kappa)


@kernel
def store_kernel(cost, a, kappa, f, g, reg, limit, share, K, u, rows, columns, start, stop):
    """K = exp((f + g - cost) / reg), u that makes the rows exact, rows = their sums; add u K to columns.

    Returns the number of entries of u K above ``limit * min(1, n a_i) * share_j``.
    """
    n, m = K.shape
    buffer = np.empty(m)
    count = 0
    for i in range(start, stop):
        f[i], total = _stable_exp_row(cost_row(cost, i, buffer), g, f[i], 1.0 / reg, K[i])
        u[i] = math.exp(row_step(a[i], total, f[i], reg, kappa))
        rows[i] = u[i] * total
        add_scaled(K[i], u[i], columns)
        if limit > 0.0:
            count += count_above(K[i], limit * min(1.0, n * a[i]) / u[i], share)
    return count


@kernel
def normalise_rows(cost, a, kappa, f, g, reg, rows, columns, start, stop):
    """Make the rows exact by f; rows = their sums; add the column sums to columns."""
    m = g.shape[0]
    buffer = np.empty(m)
    values = np.empty(m)
    for i in range(start, stop):
        f[i], total = _stable_exp_row(cost_row(cost, i, buffer), g, f[i], 1.0 / reg, values)
        step = row_step(a[i], total, f[i], reg, kappa)
        f[i] += reg * step
        factor = math.exp(step)
        rows[i] = factor * total
        add_scaled(values, factor, columns)


@kernel
def truncate(cost, a, kappa, f, g, reg, limit, share, rows, columns, starts, indices, costs, start, stop):
    """As `normalise_rows`; and keep the entries above ``limit * min(1, n a_i) * share_j`` with their costs.

    The largest entry of every row is kept. Returns their number, or -1 where they do not fit.
    """
    n = a.shape[0]
    m = g.shape[0]
    capacity = indices.shape[0]
    buffer = np.empty(m)
    values = np.empty(m)
    kept = 0
    starts[0] = 0
    for i in range(start, stop):
        row = cost_row(cost, i, buffer)
        f[i], total = _stable_exp_row(row, g, f[i], 1.0 / reg, values)
        step = row_step(a[i], total, f[i], reg, kappa)
        f[i] += reg * step
        factor = math.exp(step)
        rows[i] = factor * total
        add_scaled(values, factor, columns)
        done = i - start + 1
        if kept + m > capacity:
            return -1
        # The largest entry is at least the mean.
        least = min(limit * min(1.0, n * a[i]) / factor, 0.5 * total / m)
        blocks = m // 16
        for block in range(blocks):
            offset = 16 * block
            largest = -1.0
            for j in range(offset, offset + 16):
                largest = max(largest, values[j] - least * share[j])
            if largest > 0.0:
                for j in range(offset, offset + 16):
                    indices[kept] = j
                    costs[kept] = row[j]
                    kept += 1 if values[j] > least * share[j] else 0
        for j in range(16 * blocks, m):
            indices[kept] = j
            costs[kept] = row[j]
            kept += 1 if values[j] > least * share[j] else 0
        starts[done] = kept
    return kept


@kernel
def marginals(cost, f, g, reg, rows, columns, start, stop):
    """Sums of the plan's rows; add its column sums to columns. Returns the sum of cost times plan."""
    m = g.shape[0]
    buffer = np.empty(m)
    values = np.empty(m)
    paid = 0.0
    for i in range(start, stop):
        row = cost_row(cost, i, buffer)
        rows[i] = exp_row(row, g, f[i], 1.0 / reg, values)
        add_scaled(values, 1.0, columns)
        paid += dot(row, values)
    return paid


@kernel
def largest_gains(cost, f, gains, start, stop):
    """gains_j = max(gains_j, max_i (f_i - cost_ij))."""
    buffer = np.empty(gains.shape[0])
    for i in range(start, stop):
        raise_to_gain(cost_row(cost, i, buffer), f[i], gains)


@kernel
def shifted_column_sums(cost, f, gains, reg, sums, start, stop):
    """Add exp((f_i - cost_ij - gains_j) / reg) over the rows to sums."""
    m = gains.shape[0]
    buffer = np.empty(m)
    values = np.empty(m)
    for i in range(start, stop):
        exp_row(cost_row(cost, i, buffer), -gains, f[i], 1.0 / reg, values)
        add_scaled(values, 1.0, sums)


@kernel
def plan_entries(cost, f, g, reg, limit, starts, indices, values, start, stop):
    """The plan's entries above a limit, in CSR form; there must be room for all. Returns their number."""
    m = g.shape[0]
    buffer = np.empty(m)
    row_values = np.empty(m)
    kept = 0
    starts[0] = 0
    for i in range(start, stop):
        exp_row(cost_row(cost, i, buffer), g, f[i], 1.0 / reg, row_values)
        for j in range(m):
            indices[kept] = j
            values[kept] = row_values[j]
            kept += 1 if row_values[j] > limit else 0
        starts[i - start + 1] = kept
    return kept


@kernel
def plan_rows(cost, f, g, reg, out, start, stop):
    """Rows of the plan, all entries."""
    buffer = np.empty(g.shape[0])
    for i in range(start, stop):
        exp_row(cost_row(cost, i, buffer), g, f[i], 1.0 / reg, out[i - start])


@kernel
def log_plan_at(cost, f, g, reg, rows, columns, out):
    """Logarithms of some entries of the plan."""
    buffer = np.empty(g.shape[0])
    for k in range(rows.shape[0]):
        i, j = rows[k], columns[k]
        out[k] = (f[i] + g[j] - cost_row(cost, i, buffer)[j]) / reg
