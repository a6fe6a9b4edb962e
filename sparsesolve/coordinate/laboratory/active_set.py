"""The number of steps after which the support of the solution must have been found."""

from __future__ import annotations

import numpy as np

from .setting import Setting


def active_set_bound(setting: Setting, x: np.ndarray, margin: float, objective: np.ndarray) -> float:
    r"""The paper's bound :math:`\log(2 L \sqrt{C} / \delta) / \log(1 / \sqrt\rho)`, with a measured rate.

    Points nearer to the solution than :math:`\delta / (2 L)` have its kinks after the next step on them. Linear
    convergence :math:`|x_k - x|^2 \le C \rho^k` brings the iterates there. Here C is the squared distance of the start,
    :math:`\rho` the mean rate of the objective over the run, and L the sum of the largest Lipschitz constants that fit
    in a block, which bounds the constant of every block.

    Parameters
    ----------
    setting : Setting
    x : ndarray of shape (n_coordinates,)
        The solution.
    margin : float
        Delta.
    objective : ndarray of shape (n_steps,)

    Returns
    -------
    float
        A number of steps, the last of which does it; 0 where the start is near enough, or nothing is at a kink. NaN
        where no rate can be measured, infinity for a degenerate solution.
    """
    if np.isinf(margin):
        return 0.0
    size = min(setting.block_size, x.size)
    largest = float(np.sort(setting.positive(setting.scales))[-size:].sum())
    distance = float(np.linalg.norm(x - setting.first.x))
    if distance == 0.0 or 2.0 * largest * distance <= margin:
        return 0.0
    if margin == 0.0:
        return np.inf
    start = setting.problem.value(setting.first) + setting.problem.penalty.value(setting.first.x)
    gaps = np.append(start, objective) - objective[-1]
    above = np.flatnonzero(gaps > 1e-14 * abs(gaps[0]))
    if gaps[0] <= 0.0 or above.size == 0:
        return np.nan
    last = int(above[-1])
    # From the last gap that rounding leaves visible; the step after it counts as a decrease to rounding.
    decrease = np.log(gaps[last] / gaps[0]) / last if last > 0 else np.log(1e-14)
    steps = np.log(2.0 * largest * distance / margin) / (-0.5 * decrease) if decrease < 0.0 else np.nan
    return float(np.ceil(steps) + 1.0)
