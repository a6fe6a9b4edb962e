r"""
One solver for every condition number
=====================================

The fastest way to a least squares solution is the normal equations; the most accurate one is a QR factorisation.
Which one is allowed depends on the condition number, which nobody knows beforehand. ``solver="auto"`` learns it from
a sketch, takes the fastest engine that is accurate there, and then checks the answer.
"""

# %%
# How good is an answer?
# ----------------------
# The *backward error*: how much would the matrix have to change, relative to its norm, for the answer to be exactly
# right? A good solver stays near the rounding unit, :math:`10^{-16}`, whatever the condition number. It can be
# computed from the data and the answer alone (the estimate of Karlson and Waldén, right within a factor of
# :math:`\sqrt 2`), so we do not have to believe the solver.

import time
import warnings

import matplotlib.pyplot as plt
import numpy as np
import scipy.linalg
from threadpoolctl import threadpool_limits

from sparsesolve import lstsq
from sparsesolve.datasets import make_regression_problem


def backward_error(A, b, x, singular_values, directions):
    """Karlson-Walden estimate, relative to the Frobenius norm of A = U diag(singular_values) directions."""
    norm, residual = np.linalg.norm(A), b - A @ x
    theta = norm / np.linalg.norm(b)
    length = np.hypot(1.0, theta * np.linalg.norm(x))
    damping = theta * np.linalg.norm(residual) / length
    gradient = directions @ (A.T @ residual)
    return theta / length * np.linalg.norm(gradient / np.hypot(singular_values, damping)) / norm


# %%
# The candidates
# --------------


def normal_equations(A, b):
    return scipy.linalg.cho_solve(scipy.linalg.cho_factor(A.T @ A), A.T @ b)


solvers = {
    "sparsesolve auto": lambda A, b: lstsq(A, b, random_state=0).solution.coef,
    "numpy.linalg.lstsq": lambda A, b: np.linalg.lstsq(A, b)[0],
    "scipy gelsy": lambda A, b: scipy.linalg.lstsq(A, b, lapack_driver="gelsy")[0],
    "normal equations": normal_equations,
}

# %%
# The race
# --------
# A matrix of 30 000 x 64, again and again, with condition numbers from 1 to :math:`10^{15}`; the solvers take turns,
# and the median of the times counts. Everybody has one thread.

conditions = 10.0 ** np.array([0, 2, 4, 6, 8, 10, 12, 15])
errors = {name: [] for name in solvers}
seconds = {name: [] for name in solvers}
engines = []
threadpool_limits(1)
warnings.simplefilter("ignore", scipy.linalg.LinAlgWarning)
warm_up = make_regression_problem(30_000, 64, random_state=0)[:2]
for solve in solvers.values():
    solve(*warm_up)
for condition in conditions:
    A, b, _ = make_regression_problem(30_000, 64, condition=condition, residual=1e-3, random_state=1)
    singular_values, directions = np.linalg.svd(np.linalg.qr(A, mode="r"))[1:]
    engines.append(lstsq(A, b, random_state=0).solution.solver)
    times = {name: [] for name in solvers}
    for _ in range(3):
        for name, solve in solvers.items():
            start = time.perf_counter()
            try:
                x = solve(A, b)
            except np.linalg.LinAlgError:  # Cholesky met a negative pivot: no answer at all
                x = np.full(A.shape[1], np.nan)
            times[name].append(time.perf_counter() - start)
            if len(times[name]) == 1:
                errors[name].append(backward_error(A, b, x, singular_values, directions))
    for name in solvers:
        seconds[name].append(np.median(times[name]))

# %%
# The picture
# -----------
# Left: the normal equations lose digits from the start, and have no answer at all beyond :math:`10^8`. ``auto``
# stays below the rounding unit, as the solvers of LAPACK do. Right: it is faster than those, most of all where it can
# use the normal matrix. The names at the bottom say which engine it chose. On larger problems the gap is wider: see
# the benchmarks.

colors = dict(zip(solvers, ("#0072B2", "#D55E00", "#E69F00", "#999999"), strict=True))
markers = dict(zip(solvers, "osDx", strict=True))
figure, axes = plt.subplots(1, 2, figsize=(10, 4.8), layout="constrained")
for name in solvers:
    style = {"color": colors[name], "marker": markers[name], "markersize": 5}
    style["linewidth"] = 2.2 if name.startswith("sparsesolve") else 1.2
    axes[0].loglog(conditions, errors[name], label=name, **style)
    axes[1].loglog(conditions, 1e3 * np.array(seconds[name]), label=name, **style)
rounding = np.finfo(float).eps
axes[0].axhline(rounding, color="black", linestyle=":", linewidth=1)
axes[0].text(1e14, rounding * 1.4, "rounding unit", ha="right", fontsize=9)
axes[0].set(title="error", xlabel="condition number", ylabel="backward error")
axes[1].set(title="time", xlabel="condition number", ylabel="milliseconds")
low, high = axes[1].get_ylim()
ticks = [tick for tick in (1, 3, 10, 30, 100, 300, 1000) if low <= tick <= 2 * high]
axes[1].set_yticks(ticks, ticks)
axes[1].minorticks_off()
axes[1].set_ylim(low / 2.5, 1.5 * high)
for engine in dict.fromkeys(engines):
    chosen = conditions[[name == engine for name in engines]]
    left, right = chosen[0] / 3, chosen[-1] * 3
    axes[1].plot([left, right], [low / 1.35] * 2, color=colors["sparsesolve auto"], linewidth=3)
    middle = np.sqrt(left * right)
    axes[1].text(middle, low / 1.5, engine, ha="center", va="top", color=colors["sparsesolve auto"])
for ax in axes:
    ax.spines[["top", "right"]].set_visible(False)
axes[0].set_ylim(top=3e-11)  # room for the legend
axes[0].legend(frameon=False, loc="upper right")
plt.show()

# %%
# What ``auto`` promises is the backward error; this is the check, with the naive formula above.

for condition, engine, error in zip(conditions, engines, errors["sparsesolve auto"], strict=True):
    print(f"condition {condition:7.1e}: {engine:7s} backward error {error:.1e}")
assert max(errors["sparsesolve auto"]) <= 2 * rounding
