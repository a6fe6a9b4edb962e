r"""
Any regularisation
==================

Entropic transport has one parameter that everybody has to choose: ``reg``, the strength of the entropy. The smaller it
is, the sharper the plan. Sinkhorn's algorithm then needs more and more sweeps, and in the end its numbers underflow.
Here is the same problem for values of ``reg`` over five decades.
"""

# %%
# The peer: Sinkhorn in ten lines
# -------------------------------
# This is what most programs do. Every tenth sweep it looks at the L1 error of the marginals, relative to the mass. It
# stops at :math:`10^{-9}`, or when its time is over.

import time
import warnings

import matplotlib.pyplot as plt
import numpy as np
from threadpoolctl import threadpool_limits

from sparsesolve import entropic_transport
from sparsesolve.datasets import make_point_clouds
from sparsesolve.exceptions import ConvergenceWarning

TOLERANCE, PATIENCE = 1e-9, 0.6


def plain_sinkhorn(a, b, C, reg):
    K = np.exp(-C / reg)
    u, v = np.ones(len(a)), np.ones(len(b))
    start, error = time.perf_counter(), np.inf
    while error > TOLERANCE and time.perf_counter() - start < PATIENCE:
        for _ in range(10):
            u = a / (K @ v)
            v = b / (K.T @ u)
        error = np.abs(u * (K @ v) - a).sum()
    return u[:, None] * K * v


# %%
# The candidates
# --------------
# ``solver="sinkhorn"`` also does sweeps only, but takes the potentials out of the kernel before it underflows. ``auto``
# may go over to Newton's method. All return the dense plan, and all have one thread.


def ours(solver, max_time=None):
    def solve(a, b, C, reg):
        return entropic_transport(a, b, C, reg, solver=solver, max_time=max_time).solution.dense_plan()

    return solve


solvers = {
    "auto": ours("auto"),
    "solver='sinkhorn'": ours("sinkhorn", PATIENCE),
    "plain Sinkhorn": plain_sinkhorn,
}

# %%
# The sweep
# ---------
# Two clouds of 400 points in the plane. The largest cost is 1, so that ``reg`` is relative to the range of the costs.
# The error is measured in the plan that comes back.

clouds = make_point_clouds(400, random_state=1)
C, a, b = clouds.problem()
regs = 10.0 ** -np.arange(0, 5.1, 0.5)
seconds = {name: [] for name in solvers}
errors = {name: [] for name in solvers}
engines = []
threadpool_limits(1)
warnings.simplefilter("ignore", ConvergenceWarning)  # "sinkhorn" is not going to reach the end
np.seterr(all="ignore")  # and the plain one runs out of numbers
for reg in regs:
    solution = entropic_transport(a, b, C, reg).solution  # also loads the compiled kernels
    engines.append(solution.solver if solution.counts["newton_steps"] else "sweeps")
    for name, solve in solvers.items():
        times = []
        while len(times) < 5 and sum(times) < PATIENCE / 4:
            start = time.perf_counter()
            plan = solve(a, b, C, reg)
            times.append(time.perf_counter() - start)
        error = np.abs(plan.sum(axis=1) - a).sum() + np.abs(plan.sum(axis=0) - b).sum()
        seconds[name].append(np.median(times))
        errors[name].append(error)

# %%
# The picture
# -----------
# Left: the time to an error of :math:`10^{-9}`, as long as it is reached; the names at the bottom say how ``auto`` did
# it. Right: the error in the end. Crosses mean that there is no answer: numbers left the range of floating point, where
# :math:`e^{-746}` is zero, and the plan is full of NaN. In the log domain Sinkhorn's algorithm has answers there too;
# but it is nowhere near the end when it is stopped.

colors = dict(zip(solvers, ("#0072B2", "#E69F00", "#D55E00"), strict=True))
markers = dict(zip(solvers, "osD", strict=True))
LEAST, NOTHING = 1e-13, 10.0  # where to draw an error of rounding size, and an answer that is no number
figure, axes = plt.subplots(1, 2, figsize=(10, 4.6), layout="constrained", sharex=True)
for name in solvers:
    style = {"color": colors[name], "marker": markers[name], "markersize": 5, "clip_on": False}
    style["linewidth"] = 2.2 if name == "auto" else 1.2
    error = np.array(errors[name])
    reached, lost = error <= 1.01 * TOLERANCE, ~np.isfinite(error)
    axes[0].plot(regs[reached], 1e3 * np.array(seconds[name])[reached], label=name, **style)
    axes[1].plot(regs[~lost], np.maximum(error, LEAST)[~lost], **style)
    axes[1].plot(regs[lost], np.full(lost.sum(), NOTHING), "x", color=colors[name], ms=8, mew=2)
axes[1].axhline(TOLERANCE, color="black", linestyle=":", linewidth=1, zorder=0)
axes[1].text(1.0, TOLERANCE * 1.7, "tolerance", fontsize=9)
axes[1].text(8e-4, NOTHING, "no answer", ha="right", va="center", color=colors["plain Sinkhorn"], fontsize=9)
label = "reg / range of the costs"
axes[0].set(title="time", xlabel=label, ylabel="milliseconds", xscale="log", yscale="log")
axes[1].set(title="error", xlabel=label, ylabel="L1 error of the marginals", yscale="log", ylim=(LEAST, 30))
axes[0].invert_xaxis()
ticks = (1, 3, 10, 30, 100, 300)
axes[0].set_yticks(ticks, ticks)
axes[0].minorticks_off()
low, high = axes[0].get_ylim()
axes[0].set_ylim(low / 2.6, high)
for engine in dict.fromkeys(engines):
    chosen = regs[[name == engine for name in engines]]
    left, right = chosen.max() * 1.5, chosen.min() / 1.5
    axes[0].plot([left, right], [low / 1.25] * 2, color=colors["auto"], linewidth=3)
    text = engine.replace("newton-", "Newton,\n")
    axes[0].text(
        np.sqrt(left * right), low / 1.35, text, ha="center", va="top", color=colors["auto"], fontsize=9
    )
axes[0].legend(frameon=False, loc="upper left")
for ax in axes:
    ax.spines[["top", "right"]].set_visible(False)
plt.show()

# %%
# The figures, and the check: ``auto`` reaches the tolerance at every ``reg``.

for k, reg in enumerate(regs):
    row = ",  ".join(f"{name} {1e3 * seconds[name][k]:6.1f} ms {errors[name][k]:.0e}" for name in solvers)
    print(f"reg {reg:.0e}  {row}")
assert max(errors["auto"]) <= 1.01 * TOLERANCE
