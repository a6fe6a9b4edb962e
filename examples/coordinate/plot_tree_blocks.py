"""
Blocks that are trees
=====================

On a graph, large blocks can be cheap: where the couplings inside a block form a forest, its best step takes linear
time, by messages from the leaves to the roots and back. Nutini, Laradji and Schmidt compare such blocks with two
colours on a lattice; this is their figure 6, with their own data.
"""

# %%
# 2,400 unknowns
# --------------
# A lattice of 50 x 50 nodes, 100 of them with labels; all others want to be the mean of their neighbours. The seed is
# the authors', and so is the optimum.

import warnings

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.colors import ListedColormap
from scipy.sparse.linalg import spsolve

from sparsesolve import block_coordinate_descent
from sparsesolve.coordinate import GraphQuadratic, lattice_combs
from sparsesolve.datasets import make_lattice_labels
from sparsesolve.exceptions import ConvergenceWarning
from sparsesolve.plotting import ConvergenceDisplay

blue, sky, orange, grey = "#0072B2", "#56B4E9", "#D55E00", "0.5"
side = 50
lattice = make_lattice_labels(side)
problem = GraphQuadratic.from_labels(lattice.weights, lattice.labelled, lattice.labels)
unknown = np.setdiff1d(np.arange(side * side), lattice.labelled)
origin = problem.start()
optimum = problem.value(
    problem.start(spsolve(problem.sparse_hessian(origin).tocsc(), -problem.gradient(origin)))
)
print(f"{problem.n_coordinates} unknowns, optimum {optimum:.3f}")
assert abs(optimum / -1045999575.227 - 1.0) < 1e-9

# %%
# Four kinds of blocks
# --------------------
# *Colours*: no two nodes of a block are neighbours. *Combs*: two trees that fit into each other. *Greedy trees*: every
# step joins the nodes of the largest gradients, as long as no loop closes. *Dense*: the thirteen largest gradients,
# whose matrix costs about as much as one pass over the graph.

rules = {
    "dense": ("variable", "gs", "matrix"),
    "colours": ("red-black", "cyclic", "message-passing"),
    "combs": (lattice_combs(side, side, unknown), "cyclic", "message-passing"),
    "greedy trees": ("variable", "greedy-tree", "message-passing"),
}
warnings.simplefilter("ignore", ConvergenceWarning)  # all end by the count of their steps
results = {
    name: block_coordinate_descent(
        problem, partition=partition, selection=selection, update=update, block_size=13, tol=0.0, max_iter=500
    )
    for name, (partition, selection, update) in rules.items()
}

figure = plt.figure(figsize=(11, 4.6), layout="constrained")
left, right = figure.subfigures(1, 2, width_ratios=(1, 1.15))
colours = {"dense": grey, "colours": orange, "combs": sky, "greedy trees": blue}
for ax, name in zip(left.subplots(2, 2).flat, rules, strict=True):
    node = np.zeros(side * side)
    node[unknown[results[name].solution.blocks[0]]] = 1.0
    node[lattice.labelled] = 2.0
    cells = node.reshape(side, side)[:20, :20]
    ax.imshow(cells, cmap=ListedColormap(["0.93", colours[name], "black"]), vmin=0, vmax=2)
    ax.set(title=name, xticks=[], yticks=[])
    ax.spines[:].set_visible(False)
left.suptitle("the first block (black: labelled), a corner of the lattice", fontsize="medium")
ax = right.subplots()
display = ConvergenceDisplay.from_results(results, column="objective", optimum=optimum, ax=ax, linewidth=1.8)
for line, (name, result) in zip(display.lines_, results.items(), strict=True):
    line.set_color(colours[name])
    end = result.solution.objective - optimum
    offset = {"combs": 7, "greedy trees": -7}.get(name, 0)
    ax.annotate(name, (500, end), (6, offset), textcoords="offset points", color=colours[name], va="center")
ax.get_legend().remove()
ax.set(xlim=(0, 500), xlabel="step", ylabel="objective above the optimum")
ax.spines[["top", "right"]].set_visible(False)
plt.show()

# %%
# What the paper found
# --------------------
# All three graph rules touch every node in a step or two, but messages travel along a whole tree in one step, and only
# one edge with colours. Fixed combs do as well as trees that are chosen anew.

above = {name: result.solution.objective - optimum for name, result in results.items()}
print({name: f"{value:.1e}" for name, value in above.items()})
assert 0.1 < above["combs"] / above["greedy trees"] < 10
assert above["colours"] > 1000 * max(above["combs"], above["greedy trees"])
assert above["dense"] > 1000 * above["colours"]
