r"""
A plan gets sparse
==================

Who should do which task? With a small ``reg``, the entropic plan of an assignment problem has only a few entries that
matter, and Newton's method can work on these alone. In the end one entry a row is left: the assignment itself. On the
way the potentials bracket its cost, so that we know how near we are without solving the exact problem.
"""

# %%
# From blurred to exact
# ---------------------
# 60 people, 60 tasks, random costs. Each dot is an entry of the plan, its area the mass. The circles are the exact
# assignment of ``scipy.optimize.linear_sum_assignment``.

import time

import matplotlib.pyplot as plt
import numpy as np
from scipy.optimize import linear_sum_assignment

from sparsesolve import entropic_transport
from sparsesolve.datasets import make_assignment_problem
from sparsesolve.plotting import TransportPlanDisplay

blue, orange, green = "#0072B2", "#D55E00", "#009E73"
C, a, b = make_assignment_problem(60, random_state=0)
people, tasks = linear_sum_assignment(C)
figure, axes = plt.subplots(1, 3, figsize=(11, 4), layout="constrained", sharey=True)
for ax, reg in zip(axes, (3e-2, 3e-3, 1e-4), strict=True):
    result = entropic_transport(a, b, C, reg)
    TransportPlanDisplay.from_result(result, kind="dots", ax=ax, color=blue)
    ax.scatter(tasks, people, s=70, facecolor="none", edgecolor=orange, linewidth=0.8)
    ax.set(title=f"reg = {reg:g}", xlabel="task", ylabel="person" if ax is axes[0] else "", aspect="equal")
plt.show()

# %%
# What the potentials prove
# -------------------------
# No entry of a plan is larger than its row's sum: :math:`\exp((f_i + g_j - C_{ij}) / \mathtt{reg}) \le a_i`. So
# :math:`f_i - \mathtt{reg} \log a_i + g_j \le C_{ij}`: these numbers are prices that no pair can undercut, and
# :math:`\sum_i a_i (f_i - \mathtt{reg} \log a_i) + \sum_j b_j g_j` is at most the cost of *any* plan. From above, the
# rounded plan, whose marginals are exact, costs at least as much as the best one.


def bracket(a, b, C, solution):
    f, g = solution.potentials
    rounded = solution.rounded_plan()
    prices = f - reg * np.log(a)
    prices -= max((prices[:, None] + g - C).max(), 0.0)  # a plan is only right to its marginal error
    return a @ prices + b @ g, (rounded * C).sum()


# %%
# A larger one
# ------------
# 500 people and tasks, ``reg`` from a tenth of the largest cost to a ten-millionth of it.

C, a, b = make_assignment_problem(500, random_state=0)
people, tasks = linear_sum_assignment(C)
exact = C[people, tasks].mean()
regs = 10.0 ** -np.arange(1, 7.1, 0.5)
entropic_transport(a, b, C, regs[-1])  # loads the compiled kernels
entries, bounds, gaps, right = [], [], [], []
for reg in regs:
    start = time.perf_counter()
    result = entropic_transport(a, b, C, reg)
    seconds = time.perf_counter() - start
    solution = result.solution
    entries.append(solution.plan.nnz / len(a))
    bounds.append(bracket(a, b, C, solution))
    gaps.append(solution.dual_gap)
    right.append(np.mean(solution.plan.argmax(axis=1) == tasks))
    print(
        f"reg {reg:.0e}: {solution.solver:13s} {1e3 * seconds:5.0f} ms, {entries[-1]:6.1f} entries a row, cost between "
        f"{bounds[-1][0]:.8f} and {bounds[-1][1]:.8f}, {right[-1]:6.1%} of the largest entries right"
    )
bounds, gaps, right = np.array(bounds), np.array(gaps), np.array(right)
print(f"exact cost {exact:.8f}")

# %%
# The picture
# -----------
# Left: kept entries fall with ``reg`` as long as there are any to spare; what is left out sums to less than
# :math:`10^{-12}`. Right: both ends of the bracket approach the exact cost. The dual gap is something else: it says how
# exactly the *entropic* problem was solved, which is to its tolerance at any ``reg``.

figure, axes = plt.subplots(1, 2, figsize=(10, 4.4), layout="constrained")
axes[0].loglog(regs, entries, "o-", color=blue, linewidth=2)
axes[0].axhline(1.0, color="black", linestyle=":", linewidth=1)
axes[0].text(regs[0], 1.15, "an assignment has one", fontsize=9)
axes[0].set(title="entries a row that matter", xlabel="reg / largest cost", ylim=(0.7, 2000))
axes[1].loglog(regs, exact - bounds[:, 0], "o-", color=blue, label="exact cost minus lower bound")
axes[1].loglog(regs, bounds[:, 1] - exact, "s-", color=orange, label="cost of rounded plan minus exact cost")
axes[1].loglog(regs, gaps, "D-", color=green, ms=4, linewidth=1, label="dual gap of the entropic problem")
axes[1].set(title="how near to the exact cost", xlabel="reg / largest cost")
axes[1].legend(frameon=False, loc="upper right")
axes[1].set_ylim(top=1e3)  # room for the legend
for ax in axes:
    ax.invert_xaxis()
    ax.spines[["top", "right"]].set_visible(False)
plt.show()

# %%
# The check: the bracket holds the exact cost at every ``reg``, and in the end the largest entries are the assignment.

assert np.all(bounds[:, 0] <= exact * (1 + 1e-12))
assert np.all(exact <= bounds[:, 1] * (1 + 1e-12))
assert right[-1] == 1.0
