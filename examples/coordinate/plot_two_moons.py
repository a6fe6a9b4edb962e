"""
Labels spread over a graph
==========================

Twenty points have a label, 2,980 have none. Join each point to its five nearest neighbours, and let every point take
the mean of its neighbours: the labels spread along the crescents, and stop where these end.
"""

# %%
# Two crescents
# -------------

import matplotlib.pyplot as plt
import numpy as np

from sparsesolve import GraphLabelPropagation
from sparsesolve.coordinate import label_propagation
from sparsesolve.datasets import make_lattice_labels, make_two_moons_graph

moons = make_two_moons_graph(3000, noise=0.08, random_state=1)
rng = np.random.default_rng(0)
labelled = np.concatenate([rng.choice(np.flatnonzero(moons.classes == c), 10, replace=False) for c in (0, 1)])
y = np.full(3000, -1)
y[labelled] = moons.classes[labelled]
model = GraphLabelPropagation(n_neighbors=5).fit(moons.points, y)
right = (model.transduction_ == moons.classes).mean()
residual = model.result_.certificate["relative_residual"]
print(f"{100 * right:.1f} % right, relative residual {residual:.0e}, {model.n_iter_} steps")

# %%
# On the left what is known, on the right what follows: colour is the share of random walks that meet a label of the
# second class first. Pale points are those of which the graph is not sure.

figure, (left, right) = plt.subplots(1, 2, figsize=(10, 3.8), layout="constrained", sharex=True, sharey=True)
left.scatter(*moons.points.T, s=2, color="0.8")
for c, colour in ((0, "#0072B2"), (1, "#D55E00")):
    left.scatter(
        *moons.points[labelled[moons.classes[labelled] == c]].T, s=70, color=colour, edgecolor="black"
    )
left.set_title("twenty labels")
shares = right.scatter(
    *moons.points.T, s=3, c=model.label_distributions_[:, 1], cmap="coolwarm", vmin=0, vmax=1
)
right.set_title("3,000 distributions")
figure.colorbar(shares, ax=right, label="share of the second class")
for ax in (left, right):
    ax.set(aspect="equal", xticks=[], yticks=[])
plt.show()

# %%
# An image from few pixels
# ------------------------
# The same on a lattice, with numbers: 4 % of the pixels are known, all others are the mean of their four neighbours.

side = 120
lattice = make_lattice_labels(side, labelled=0.04, random_state=0)
row, column = lattice.points[:, 0] / side, lattice.points[:, 1] / side
picture = np.sin(7 * row) * np.cos(9 * column) + 2.0 * ((row - 0.6) ** 2 + (column - 0.4) ** 2 < 0.04)
result = label_propagation(lattice.weights, lattice.labelled, picture[lattice.labelled])
known = np.full(side * side, np.nan)
known[lattice.labelled] = picture[lattice.labelled]
figure, axes = plt.subplots(1, 3, figsize=(10, 3.6), layout="constrained")
titles = ("the picture", "4 % of its pixels", "their harmonic extension")
for ax, values, title in zip(axes, (picture, known, result.solution.values), titles, strict=True):
    ax.imshow(values.reshape(side, side), cmap="viridis", vmin=picture.min(), vmax=picture.max())
    ax.set(title=title, xticks=[], yticks=[])
plt.show()
print(f"{result.n_iter} steps, {1e3 * (result.setup_time + result.solve_time):.0f} ms, {result.certificate}")
