"""An interior point method for the largest absolute residual, and its vertices.

min t subject to -t <= b_i - a_i x <= t. The dual is max u'b subject to A'u = 0 and ||u||_1 <= 1, with
u = y_high - y_low for the multipliers of the two sides. Each step solves one system of d + 1 unknowns.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from .box import _longest
from .certificate import solve_factored, triangular_factor
from .vertex import independent_rows

_MOST_STEPS = 100
_FRACTION = 0.9995
_TINY = np.finfo(np.float64).tiny


class ChebyshevState(NamedTuple):
    """A step of the method: `gap` is t minus what u proves, `score` is large at rows that attain t."""

    x: np.ndarray
    residual: np.ndarray
    u: np.ndarray
    gap: float
    score: np.ndarray


def chebyshev_steps(A, b, x) -> Iterator[ChebyshevState]:
    """The steps of the interior point method, from x on. See `box.box_steps` for the parameters."""
    n_rows, width = A.shape
    r = b - A.apply(x)
    t = 1.1 * float(np.abs(r).max()) + _TINY
    y_high = np.full(n_rows, 0.5 / n_rows)
    y_low = y_high.copy()
    count = 2 * n_rows
    for _ in range(_MOST_STEPS):
        s_high, s_low = t - r, t + r
        gap = float(s_high @ y_high + s_low @ y_low)
        u = y_high - y_low
        yield ChebyshevState(x, r, u, gap, np.abs(u))
        d_high, d_low = y_high / s_high, y_low / s_low
        total, tilt = d_high + d_low, d_high - d_low
        system = np.empty((width + 1, width + 1))
        system[:width, :width] = A.gram(total)
        system[:width, width] = system[width, :width] = A.adjoint(tilt)
        system[width, width] = total.sum()
        factor = triangular_factor(system)
        left_x, left_t = -A.adjoint(u), 1.0 - (y_high.sum() + y_low.sum())

        def direction(c_high, c_low, factor=factor, d_high=d_high, d_low=d_low, left=(left_x, left_t)):
            """Steps for y_high ds_high + s_high dy_high = s_high c_high, and likewise for low."""
            right = np.append(A.adjoint(c_high - c_low) - left[0], (c_high + c_low).sum() - left[1])
            step = solve_factored(factor, right)
            product = A.apply(step[:-1])
            ds_high, ds_low = step[-1] + product, step[-1] - product
            return step, product, ds_high, ds_low, c_high - d_high * ds_high, c_low - d_low * ds_low

        *_, ds_high, ds_low, dy_high, dy_low = direction(-y_high, -y_low)
        step_s = min(_longest(s_high, ds_high), _longest(s_low, ds_low))
        step_y = min(_longest(y_high, dy_high), _longest(y_low, dy_low))
        ahead = (s_high + step_s * ds_high) @ (y_high + step_y * dy_high)
        ahead += (s_low + step_s * ds_low) @ (y_low + step_y * dy_low)
        target = gap / count * (max(float(ahead), 0.0) / gap) ** 3
        step, product, ds_high, ds_low, dy_high, dy_low = direction(
            (target - ds_high * dy_high) / s_high - y_high, (target - ds_low * dy_low) / s_low - y_low
        )
        step_s = min(1.0, _FRACTION * min(_longest(s_high, ds_high), _longest(s_low, ds_low)))
        step_y = min(1.0, _FRACTION * min(_longest(y_high, dy_high), _longest(y_low, dy_low)))
        if not max(step_s, step_y) > 1e-10:
            return
        x, r = x + step_s * step[:-1], r - step_s * product
        # Rounding must not bring t below a residual.
        t = max(t + step_s * float(step[-1]), float(np.abs(r).max()) * (1 + 1e-15) + _TINY)
        y_high = np.maximum(y_high + step_y * dy_high, _TINY)
        y_low = np.maximum(y_low + step_y * dy_low, _TINY)


def chebyshev_vertex(A, b, state: ChebyshevState):
    """Find x and u from the d + 1 rows that attain the maximum near a state; None where they prove nothing.

    Returns
    -------
    tuple of ndarray, or None
        x of shape (d,), the residual of shape (n,), and u of shape (n,) with ||u||_1 = 1.
    """
    n_rows, width = A.shape
    signs = np.sign(state.residual)
    lifted = _Lifted(A, signs)
    basis = independent_rows(lifted, state.score, width + 1)
    if basis is None:
        return None
    block = lifted.dense_rows(basis)
    try:
        solution = np.linalg.solve(block, b[basis])
        solution = solution + np.linalg.solve(block, b[basis] - block @ solution)
        multipliers = np.linalg.solve(block.T, np.append(np.zeros(width), 1.0))
    except np.linalg.LinAlgError:
        return None
    if np.any(multipliers * signs[basis] < 0):
        return None
    u = np.zeros(n_rows)
    u[basis] = multipliers
    x = solution[:-1]
    return x, b - A.apply(x), u


class _Lifted:
    """The matrix with a last column of signs."""

    def __init__(self, A, signs):
        self.A, self.signs = A, signs
        self.shape = A.shape[0], A.shape[1] + 1

    def dense_rows(self, rows):
        return np.hstack([self.A.dense_rows(rows), self.signs[rows, None]])
