"""
Which block next?
=================

Block coordinate descent moves a few coordinates at a time. Which ones? The paper of Nutini, Laradji and Schmidt
compares rules that look at the gradient with rules that do not, and blocks that are fixed before the start with blocks
that every step chooses anew. These are its figures 4, 11 and 12, on data by its recipe at a fifth of its size.
"""

# %%
# Columns of all sizes
# --------------------
# 2,000 columns, each multiplied by a normal number: steps that suit one of them are far too long or too short for
# another. Data A have numbers to predict, data B signs. There is no penalty, and the best objective is zero.

import warnings

import matplotlib.pyplot as plt
import numpy as np

from sparsesolve import block_coordinate_descent
from sparsesolve.coordinate import LeastSquares, Logistic
from sparsesolve.datasets.coordinate import make_paper_data
from sparsesolve.exceptions import ConvergenceWarning
from sparsesolve.plotting import ConvergenceDisplay

numbers = LeastSquares(*make_paper_data("A", n_samples=200))
signs = Logistic(*make_paper_data("B", n_samples=200))
least, median, largest = np.quantile(numbers.lipschitz(), [0.01, 0.5, 1.0])
print(
    f"One column in a hundred has a Lipschitz constant below {least:.2g}, half have one above {median:.2g}."
)
print(f"The largest is {largest:.2g}.")


def race(problem, rules, update, block_size, goal, max_iter=300):
    """Every rule from zero until the objective meets the goal."""
    warnings.simplefilter("ignore", ConvergenceWarning)  # slow rules end by the count of their steps
    return {
        name: block_coordinate_descent(
            problem,
            partition=partition,
            selection=selection,
            gsq_method=method,
            update=update,
            block_size=block_size,
            tol=0.0,
            max_iter=max_iter,
            random_state=0,
            callback=lambda iterate: iterate.objective <= goal,
        )
        for name, (partition, selection, method) in rules.items()
    }


# %%
# Three races
# -----------
# First, gradient steps on blocks of three. *GS* takes the largest entries of the gradient; *GSL* also asks how far each
# coordinate can go. Chance is a bad guide, and worse where every block is drawn anew.
#
# Then, steps that minimise a quadratic model on blocks of ten: its matrix is exact for data A, and Newton's for
# data B. *GSD* rates a block by the model's diagonal, *GSQ* by the model itself. To find the best block of all is as
# hard as best subset regression, so there are two approximations: iterative hard thresholding, which the paper uses,
# and orthogonal matching pursuit in batches, which is our default.

variable, fixed = "variable", "sort"
first = race(
    numbers,
    {
        "GSL": (variable, "gsl", "omp"),
        "GS": (variable, "gs", "omp"),
        "GS, fixed": (fixed, "gs", "omp"),
        "random": (variable, "random", "omp"),
        "random, fixed": (fixed, "random", "omp"),
    },
    "lipschitz",
    block_size=3,
    goal=0.0,
)
models = {
    "GSQ, pursuit": (variable, "gsq", "omp"),
    "GSQ, thresholding": (variable, "gsq", "iht"),
    "GSD": (variable, "gsd", "omp"),
    "GS": (variable, "gs", "omp"),
    "GSQ, fixed": (fixed, "gsq", "omp"),
}
second = race(numbers, models, "matrix", block_size=10, goal=8e-6)
third = race(signs, models, "newton", block_size=10, goal=1e-8)

colours = {"GSQ, pursuit": "#0072B2", "GSQ, thresholding": "#56B4E9", "GSD": "#009E73", "GSL": "#009E73"}
colours |= {"GS": "#D55E00", "random": "0.5"}
figure, axes = plt.subplots(1, 3, figsize=(12, 4.2), layout="constrained")
titles = ("gradient steps, data A", "exact steps, data A", "Newton steps, data B")
for ax, title, results in zip(axes, titles, (first, second, third), strict=True):
    display = ConvergenceDisplay.from_results(results, column="objective", optimum=0.0, ax=ax, linewidth=1.6)
    for line, name in zip(display.lines_, results, strict=True):
        rule, _, blocks = name.partition(", fixed")
        line.set_color(colours.get(rule, "#0072B2"))
        line.set_linestyle("--" if name.endswith("fixed") else "-")
    ax.set(title=title, xlabel="step", ylabel="" if ax is not axes[0] else "objective")
    ax.legend(frameon=False, fontsize="small", handlelength=2.6)
    ax.spines[["top", "right"]].set_visible(False)
plt.show()

# %%
# What the paper found
# --------------------
# With a look at the gradient, variable blocks beat fixed ones; without, it is the other way round. The better the model
# of the block, the fewer steps; matching pursuit, which is not in the paper, needs about half of those of thresholding.

reached = {name: result.solution.objective for name, result in first.items()}
assert reached["GSL"] < reached["GS"] / 2 < reached["GS, fixed"] / 4 < reached["random, fixed"] / 8
assert reached["random, fixed"] < reached["random"]
for results in (second, third):
    steps = {name: result.n_iter for name, result in results.items()}
    print(steps)
    assert steps["GSQ, pursuit"] <= 0.5 * steps["GSD"]
    assert steps["GSQ, thresholding"] <= 0.75 * steps["GSD"]
    assert steps["GSD"] < min(steps["GS"], steps["GSQ, fixed"])
