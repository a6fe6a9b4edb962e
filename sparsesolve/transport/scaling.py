"""The engine for dense plans: Sinkhorn sweeps and semi-dual Newton steps on a stored kernel, with no exponentials.

The plan is diag(u) K diag(v). The rows are kept exact by u, so that v is the only unknown; its Newton system is solved
by conjugate gradients, at the price of one sweep a step. Digest of the derivation: with rows eliminated, the Hessian in
log v is diag(c + kappa t) - diag(v) K' diag(u^2 / (r (1 + kappa))) K diag(v), where c are the column sums, t their
targets and r the row sums.
"""

import math

import numpy as np
from numba import types
from numba.core.errors import TypingError
from numba.extending import overload

from ..backends.jit import finite_kernel, kernel
from ..operators.cost_rows import point_costs
from .elementary import add_scaled, dot, exp_row, spread, spread_of_ratio
from .line_search import TRIALS, accepts, bend, first_step, next_step

#: How a call of `scale` ended.
DONE, OUT_OF_RANGE, STUCK, HOPELESS, UNFINISHED = range(5)
#: Places in the counts.
SWEEPS, NEWTON_STEPS, CG_STEPS, EVALUATIONS, FACTORISATIONS = range(5)
#: Places in the memory between calls.
NEWTON_MODE, LAST_ERROR, SHIFT, FAILURES, STARVED_SWEEPS, SWEEPS_DONE, IDLE_SWEEPS = range(7)


def new_memory():
    """Memory for the first call."""
    memory = np.zeros(7)
    memory[SHIFT] = 1e-8
    return memory


_FLOOR = 1e-290
# Where parts of the plan hardly touch, differences of the Hessian's rows are rounding errors: a little more than these.
_LEAST_SHIFT = 1e-14
# Entries for which single precision pays, steps it may take, and the least share of a row that it keeps.
_WORTH_SINGLE = 1 << 14
_SINGLE_STEPS = 60
_LEAST_SHARE = 1e-12
# Sweeps that may fail to lower the error.
_IDLE_SWEEPS = 30.0
# A step that moves the potentials by less, in units of reg, and does not lower the error, leads nowhere.
STILL = 0.1


def kernel_rows(K, first, buffer):
    """Four rows of a kernel: of the stored one, or computed from points into the buffer."""
    raise NotImplementedError("for compiled code only")


@overload(kernel_rows)
def _kernel_rows(K, first, buffer):
    if isinstance(K, types.Array):
        return lambda K, first, buffer: K[first : first + 4]
    if isinstance(K, types.BaseTuple):

        def from_points(K, first, buffer):
            x, y, metric, f, g, inverse_reg = K
            for k in range(min(4, x.shape[0] - first)):
                point_costs(x[first + k], y, metric, buffer[4])
                exp_row(buffer[4], g, f[first + k], inverse_reg, buffer[k])
            return buffer

        return from_points
    raise TypingError("a kernel is a matrix or a tuple of points and potentials")


def is_stored(K):
    """Whether the kernel's rows lie in memory."""
    raise NotImplementedError("for compiled code only")


@overload(is_stored)
def _is_stored(K):
    stored = isinstance(K, types.Array)
    return lambda K: stored


def normalise_stored(K, u, v, rows, single):
    """As `_normalise`, where the kernel is stored."""
    raise NotImplementedError("for compiled code only")


@overload(normalise_stored)
def _normalise_stored(K, u, v, rows, single):
    if isinstance(K, types.Array):
        return lambda K, u, v, rows, single: _normalise(K, u, v, rows, single)
    return lambda K, u, v, rows, single: None


# The blocks of four rows are indexed as one array: with four slices the compiler does not see that they do not overlap.
@finite_kernel
def _dots(k, x):
    s0 = s1 = s2 = s3 = x.dtype.type(0.0)
    for j in range(x.shape[0]):
        t = x[j]
        s0 += k[0, j] * t
        s1 += k[1, j] * t
        s2 += k[2, j] * t
        s3 += k[3, j] * t
    return s0, s1, s2, s3


@finite_kernel
def _add_rows(k, w0, w1, w2, w3, y):
    for j in range(y.shape[0]):
        y[j] += w0 * k[0, j] + w1 * k[1, j] + w2 * k[2, j] + w3 * k[3, j]


@finite_kernel
def _add_squared_rows(k, w0, w1, w2, w3, y):
    for j in range(y.shape[0]):
        y[j] += (
            w0 * k[0, j] * k[0, j] + w1 * k[1, j] * k[1, j] + w2 * k[2, j] * k[2, j] + w3 * k[3, j] * k[3, j]
        )


@finite_kernel
def _add_squared_row(k, w, y):
    for j in range(y.shape[0]):
        y[j] += w * k[j] * k[j]


@finite_kernel
def _add_row(k, w, y):
    for j in range(y.shape[0]):
        y[j] += w * k[j]


@finite_kernel
def _dot(k, x):
    total = x.dtype.type(0.0)
    for j in range(x.shape[0]):
        total += k[j] * x[j]
    return total


@kernel
def _row_factor(a, total, power):
    ratio = a / max(total, _FLOOR)
    return ratio if power == 1.0 else ratio**power


@kernel
def sweep(K, a, power, v, u, rows, columns, buffer):
    """U that makes the rows exact, their sums, and columns = v * (K' u): one reading of K."""
    n = u.shape[0]
    columns[:] = 0.0
    for i in range(0, n - n % 4, 4):
        k = kernel_rows(K, i, buffer)
        s0, s1, s2, s3 = _dots(k, v)
        u[i] = _row_factor(a[i], s0, power)
        u[i + 1] = _row_factor(a[i + 1], s1, power)
        u[i + 2] = _row_factor(a[i + 2], s2, power)
        u[i + 3] = _row_factor(a[i + 3], s3, power)
        rows[i] = u[i] * s0
        rows[i + 1] = u[i + 1] * s1
        rows[i + 2] = u[i + 2] * s2
        rows[i + 3] = u[i + 3] * s3
        _add_rows(k, u[i], u[i + 1], u[i + 2], u[i + 3], columns)
    if n % 4:
        k = kernel_rows(K, n - n % 4, buffer)
        for i in range(n - n % 4, n):
            total = dot(k[i - (n - n % 4)], v)
            u[i] = _row_factor(a[i], total, power)
            rows[i] = u[i] * total
            add_scaled(k[i - (n - n % 4)], u[i], columns)
    for j in range(v.shape[0]):
        columns[j] *= v[j]


@kernel
def _product(K, weights, x, out, buffer):
    """Put K' (weights * (K x)) into out, in one reading of K."""
    n = weights.shape[0]
    out[:] = 0.0
    for i in range(0, n - n % 4, 4):
        k = kernel_rows(K, i, buffer)
        s0, s1, s2, s3 = _dots(k, x)
        w = weights[i : i + 4]
        _add_rows(k, w[0] * s0, w[1] * s1, w[2] * s2, w[3] * s3, out)
    if n % 4:
        k = kernel_rows(K, n - n % 4, buffer)
        for i in range(n - n % 4, n):
            _add_row(k[i - (n - n % 4)], weights[i] * _dot(k[i - (n - n % 4)], x), out)


@kernel
def _diagonal(K, weights, v, c, ground, out, squares, buffer):
    """Diagonal of the Hessian. A floor stands in for digits that cancel; `support` does without one."""
    n = weights.shape[0]
    squares[:] = 0.0
    for i in range(0, n - n % 4, 4):
        k = kernel_rows(K, i, buffer)
        w = weights[i : i + 4]
        _add_squared_rows(k, w[0], w[1], w[2], w[3], squares)
    if n % 4:
        k = kernel_rows(K, n - n % 4, buffer)
        for i in range(n - n % 4, n):
            _add_squared_row(k[i - (n - n % 4)], weights[i], squares)
    for j in range(out.shape[0]):
        out[j] = max(c[j] - v[j] * v[j] * squares[j], 1e-7 * c[j]) + ground[j] + 1e-300


@finite_kernel
def _solve(K, weights, v, c, ground, diagonal, rhs, tolerance, max_steps, work, scaled, image, buffer):
    """Conjugate gradients, preconditioned by the diagonal. The answer is work[0]; returns the number of steps.

    `scaled` and `image` are of the precision of K.
    """
    x, r, p, q = work[0], work[1], work[2], work[3]
    m = rhs.shape[0]
    norm = 0.0
    for j in range(m):
        x[j] = 0.0
        r[j] = rhs[j]
        p[j] = r[j] / diagonal[j]
        norm += r[j] * p[j]
    goal = tolerance * tolerance * norm
    for step in range(max_steps):
        if norm <= goal:
            return step
        for j in range(m):
            scaled[j] = v[j] * p[j]
        _product(K, weights, scaled, image, buffer)
        curvature = 0.0
        for j in range(m):
            q[j] = (c[j] + ground[j]) * p[j] - v[j] * image[j]
            curvature += p[j] * q[j]
        if curvature <= 0.0:
            return step
        length = norm / curvature
        before = norm
        norm = 0.0
        for j in range(m):
            x[j] += length * p[j]
            r[j] -= length * q[j]
            norm += r[j] * r[j] / diagonal[j]
        for j in range(m):
            p[j] = r[j] / diagonal[j] + norm / before * p[j]
    return max_steps


@finite_kernel
def _normalise(K, u, v, rows, single):
    """Put the plan with rows of sum one into single; what is too small for a normal number becomes zero."""
    for i in range(u.shape[0]):
        factor = u[i] / rows[i]
        row, out = K[i], single[i]
        for j in range(v.shape[0]):
            share = factor * row[j] * v[j]
            out[j] = share if share > _LEAST_SHARE else 0.0


@kernel
def _single_precision_step(
    single, u, v, rows, columns, u_scale, v_scale, row_scale, kappa, ground, diagonal, rhs, forcing, work, buffer
):  # fmt: skip
    """A Newton step in single precision: half the memory traffic, and twice the numbers in a register.

    The matrix is diag(row_scale u / u_scale) single diag(v / v_scale). Its column sums are taken in single precision
    too: differences of neighbours then vanish on constants, as they must.
    """
    n, m = u.shape[0], v.shape[0]
    weights = np.empty(n, np.float32)
    scaled, image = np.empty(m, np.float32), np.empty(m, np.float32)
    factors, sums = np.empty(m), np.empty(m)
    for i in range(n):
        factor = row_scale[i] * u[i] / u_scale[i]
        weights[i] = factor * factor / (rows[i] * (1.0 + kappa))
    for j in range(m):
        factors[j] = v[j] / v_scale[j]
        scaled[j] = factors[j]
    _product(single, weights, scaled, image, buffer)
    for j in range(m):
        sums[j] = (1.0 + kappa) * factors[j] * image[j]
    _diagonal(single, weights, factors, sums, ground, diagonal, image, buffer)
    return _solve(
        single,
        weights,
        factors,
        sums,
        ground,
        diagonal,
        rhs,
        forcing,
        _SINGLE_STEPS,
        work,
        scaled,
        image,
        buffer,
    )


@kernel
def _targets(b, v, kappa, out):
    """Column sums that belong to v, and their total deviation is the error: b where the marginals are constraints."""
    for j in range(b.shape[0]):
        out[j] = b[j] if kappa == 0.0 else b[j] * v[j] ** (-kappa)


@kernel
def scale(K, single, a, b, kappa, u, v, rows, columns, tol, allow_newton, probe, max_work, counts, memory):
    """Solve for u and v with K fixed, until the column error is at most tol.

    Sinkhorn sweeps come first. From the third on their contraction rate q tells how many are left; Newton-CG needs
    about the square root of that (the eigenvalue gap 1 - q of the sweep is that of the Hessian), and takes over where
    this is less.

    Parameters
    ----------
    K : array of shape (n, m) or tuple of points and potentials
    single : array of shape (n, m), float32
        Room for the plan in single precision; empty if K is a tuple.
    a, b : arrays of shape (n,) and (m,)
        Marginals; for penalised ones times exp(-kappa f / reg) of the potentials inside K.
    kappa : float
        reg / marginal_penalty, or 0.
    u, v, rows, columns : arrays
        The state, consistent on entry and on return.
    probe : float
        Where positive: give up after two sweeps if the error is above.
    max_work : float
        Entries of K to read at most in this call.
    counts, memory : arrays
        Counted work, and what the next call has to know.

    Returns
    -------
    status : int
    error : float
    """
    n, m = a.shape[0], b.shape[0]
    power = 1.0 / (1.0 + kappa)
    buffer = np.empty((4, 0)) if is_stored(K) else np.empty((5, m))
    target = np.empty(m)
    _targets(b, v, kappa, target)
    work = np.empty((4, m))
    scaled, image = np.empty(m), np.empty(m)
    u_scale, v_scale, row_scale = np.empty(n), np.empty(m), np.empty(n)
    is_normalised = False
    use_single = is_stored(K) and n * m >= _WORTH_SINGLE
    diagonal = np.empty(m)
    ground = np.empty(m)
    rhs = np.empty(m)
    weights = np.empty(n)
    u_trial = np.empty(n)
    rows_trial = np.empty(n)
    v_trial = np.empty(m)
    columns_trial = np.empty(m)
    target_trial = np.empty(m)
    bracket = np.zeros(2)
    reads = 0.0
    error = 0.0
    for j in range(m):
        error += abs(columns[j] - target[j])
    while True:
        if error <= tol:
            return DONE, error
        if not error < 1e300:
            return STUCK, error
        low, high = spread(v)
        row_low, row_high = spread_of_ratio(u, a)
        if memory[SWEEPS_DONE] > 0.0 and (
            high > 1e26 * low or row_high > 1e60 * row_low or row_low < 1e-200 or row_high > 1e200
        ):
            return OUT_OF_RANGE, error
        if reads * n * m > max_work:
            return UNFINISHED, error
        if memory[SWEEPS_DONE] == 2.0 and 0.0 < probe < error:
            return HOPELESS, error
        starved = False
        for j in range(m):
            if columns[j] < 1e-3 * target[j]:
                starved = True
        memory[STARVED_SWEEPS] = memory[STARVED_SWEEPS] + 1 if starved else 0.0
        before = memory[LAST_ERROR]
        if memory[NEWTON_MODE] == 0.0 and allow_newton and before > 0.0 and memory[SWEEPS_DONE] >= 3.0:
            rate = min(error / before, 0.999999)
            sweeps_left = math.log(tol / error) / math.log(rate)
            newton_left = 8.0 + 0.6 * math.log(error / tol) / math.sqrt(max(1.0 - rate, 1e-6))
            if sweeps_left > newton_left:
                memory[NEWTON_MODE] = 1.0
        if memory[NEWTON_MODE] == 0.0 or (starved and memory[STARVED_SWEEPS] < 10):
            for j in range(m):
                if kappa == 0.0:
                    v[j] *= b[j] / max(columns[j], _FLOOR)
                else:
                    v[j] = (b[j] * v[j] / max(columns[j], _FLOOR)) ** power
            sweep(K, a, power, v, u, rows, columns, buffer)
            _targets(b, v, kappa, target)
            memory[LAST_ERROR] = error
            error = 0.0
            for j in range(m):
                error += abs(columns[j] - target[j])
            memory[SWEEPS_DONE] += 1.0
            # The error of sweeps never rises, but by rounding.
            memory[IDLE_SWEEPS] += 1.0 if error >= memory[LAST_ERROR] and kappa == 0.0 else 0.0
            if memory[IDLE_SWEEPS] > _IDLE_SWEEPS:
                return STUCK, error
            counts[SWEEPS] += 1
            reads += 1.0
            continue

        shift = max(memory[SHIFT] * error, _LEAST_SHIFT)
        for j in range(m):
            ground[j] = (kappa + shift) * target[j]
            rhs[j] = target[j] - columns[j]
        forcing = max(min(0.1, max(0.3 * error, 1e-6)), min(0.2 * tol / error, 1e-2))
        if use_single:
            if is_normalised:
                low, high = spread_of_ratio(v, v_scale)
                row_low, row_high = spread_of_ratio(u, u_scale)
                is_normalised = max(high, row_high) < 1e4 and min(low, row_low) > 1e-4
            if not is_normalised:
                normalise_stored(K, u, v, rows, single)
                u_scale[:], v_scale[:], row_scale[:] = u, v, rows
                is_normalised = True
            steps = _single_precision_step(
                single, u, v, rows, columns, u_scale, v_scale, row_scale, kappa, ground, diagonal, rhs, forcing, work,
                buffer,
            )  # fmt: skip
            # Hard systems need the digits.
            use_single = steps < _SINGLE_STEPS
            reads += 0.5 * steps + 2.0
        else:
            for i in range(n):
                weights[i] = u[i] * u[i] / (rows[i] * (1.0 + kappa))
            _diagonal(K, weights, v, columns, ground, diagonal, image, buffer)
            steps = _solve(
                K, weights, v, columns, ground, diagonal, rhs, forcing, 600, work, scaled, image, buffer
            )
            reads += steps + 1.0
        counts[CG_STEPS] += steps
        counts[NEWTON_STEPS] += 1
        direction = work[0]
        if kappa == 0.0:
            mean = dot(direction, b)
            for j in range(m):
                direction[j] -= mean
        bend(direction, rhs)
        low, high = spread(direction)
        slope_before = -dot(rhs, direction)
        first = step = first_step(low, high)
        longest = min(1.0, 40.0 / max(high - low, 1e-300))
        bracket[:] = 0.0
        accepted = False
        error_trial = error
        for _ in range(TRIALS):
            for j in range(m):
                v_trial[j] = v[j] * math.exp(step * direction[j])
            sweep(K, a, power, v_trial, u_trial, rows_trial, columns_trial, buffer)
            _targets(b, v_trial, kappa, target_trial)
            counts[EVALUATIONS] += 1
            reads += 1.0
            error_trial = 0.0
            slope = 0.0
            for j in range(m):
                deviation = columns_trial[j] - target_trial[j]
                error_trial += abs(deviation)
                slope += deviation * direction[j]
            if accepts(step, slope, slope_before, error_trial, error, longest):
                accepted = True
                break
            step = next_step(step, slope, slope_before, bracket, longest)
        use_single = use_single and error_trial < 0.5 * error
        memory[SHIFT] = memory[SHIFT] * 4.0 if step < 0.3 * first else max(memory[SHIFT] * 0.3, 1e-9)
        if not accepted or not error_trial < 1e300:
            memory[FAILURES] += 1.0
            memory[SHIFT] = max(memory[SHIFT], 1e-3) * 10.0
            if memory[FAILURES] > 3.0:
                return STUCK, error
            memory[NEWTON_MODE] = 0.0
            memory[LAST_ERROR] = 0.0
            continue
        if error_trial > 0.98 * error and (error < 1e-6 or step * (high - low) < STILL):
            memory[FAILURES] += 1.0
            if memory[FAILURES] > 6.0:
                return STUCK, error
        for j in range(m):
            v[j] = v_trial[j]
            columns[j] = columns_trial[j]
            target[j] = target_trial[j]
        for i in range(n):
            u[i] = u_trial[i]
            rows[i] = rows_trial[i]
        error = error_trial


@finite_kernel
def scale_in_place(K, u, v):
    """K becomes diag(u) K diag(v)."""
    for i in range(K.shape[0]):
        row = K[i]
        for j in range(v.shape[0]):
            row[j] *= u[i] * v[j]
