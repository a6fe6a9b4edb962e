r"""
A map of Les Misérables
=======================

`FastRP` turns the nodes of a graph into vectors, by random projections of the powers of its transition matrix. Nodes
with similar neighbourhoods get similar vectors. Here the graph is the characters of Les Misérables: they are linked
where they appear in the same chapter.
"""

# %%
# The graph comes with networkx. It is small, so that two powers of the transition matrix tell all; few-linked
# characters are given more weight than is usual, by the exponent of the degrees.

import matplotlib.pyplot as plt
import networkx as nx
import numpy as np
from matplotlib.collections import LineCollection

from sparsesolve.projection import FastRP

graph = nx.les_miserables_graph()
names = list(graph)
adjacency = nx.to_scipy_sparse_array(graph, weight=None, dtype=float)
groups = nx.community.louvain_communities(graph, seed=0)  # for colours only: FastRP does not see them
group = np.array([next(k for k, members in enumerate(groups) if name in members) for name in names])

options = {"weights": (1.0, 1.0), "degree_exponent": -0.9, "density": 0.3}
nodes = FastRP(256, **options, random_state=0).fit_transform(adjacency)
similarity = nodes @ nodes.T
np.fill_diagonal(similarity, np.nan)

# %%
# How alike are two characters?
# -----------------------------
# A fifth of the links is hidden, the rest is embedded, and pairs are ranked by the cosine of their vectors. The share
# of the cases in which a hidden link ranks above a pair without a link is the area under the curve, AUC.


def hidden_link_scores(seed):
    """Cosines of hidden links, and of pairs without a link."""
    rng = np.random.default_rng(seed)
    dense = adjacency.toarray()
    links = np.argwhere(np.triu(dense, 1))
    hidden = links[rng.permutation(len(links))[: len(links) // 5]]
    seen = dense.copy()
    seen[hidden[:, 0], hidden[:, 1]] = seen[hidden[:, 1], hidden[:, 0]] = 0.0
    made = FastRP(256, **options, random_state=seed).fit_transform(seen)
    absent = np.argwhere(np.triu(dense == 0, 1))
    cosines = made @ made.T
    return cosines[tuple(hidden.T)], cosines[tuple(absent.T)]


scores = [hidden_link_scores(seed) for seed in range(20)]
aucs = [np.mean(linked[:, None] > apart) for linked, apart in scores]

# %%
# The picture
# -----------
# Left: the two main directions of the vectors. Right: the cosines of hidden links, and of pairs without a link.

_, _, directions = np.linalg.svd(nodes - nodes.mean(axis=0), full_matrices=False)
places = (nodes - nodes.mean(axis=0)) @ directions[:2].T
colours = np.array(["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#999999", "#000000"])
figure, axes = plt.subplots(1, 2, figsize=(11.5, 5.2), layout="constrained", width_ratios=(1.7, 1))
ends = np.array([(names.index(one), names.index(other)) for one, other in graph.edges])
axes[0].add_collection(LineCollection(places[ends], colors="0.85", linewidths=0.6, zorder=0))
axes[0].scatter(
    *places.T, c=colours[group % colours.size], s=12 + 4 * adjacency.sum(axis=1) ** 0.75, edgecolor="white"
)
for name in ("Valjean", "Javert", "Myriel", "Fantine", "Cosette", "Marius", "Enjolras", "Gavroche", "Judge"):
    axes[0].annotate(name, places[names.index(name)], (5, 4), textcoords="offset points", fontsize=9)
axes[0].set(title="characters, coloured by community", xticks=[], yticks=[])
bins = np.linspace(-0.2, 1.0, 40)
linked, apart = (np.concatenate(part) for part in zip(*scores, strict=True))
axes[1].hist(apart, bins, density=True, color="0.75", label="no link")
axes[1].hist(linked, bins, density=True, histtype="step", color="#D55E00", linewidth=2, label="hidden link")
axes[1].set(
    title=f"AUC of hidden links: {np.mean(aucs):.2f}", xlabel="cosine of two characters", ylabel="density"
)
axes[1].legend(frameon=False)
for ax in axes:
    ax.spines[["top", "right"]].set_visible(False)
plt.show()

# %%
# The nearest character is nearly always one of the same community.

same = np.mean(group == group[np.nanargmax(similarity, axis=1)])
print(f"nearest character in the same community: {same:.0%}; AUC of hidden links: {np.mean(aucs):.3f}")
for name in ("Valjean", "Enjolras", "Myriel"):
    print(
        f"{name}: {', '.join(names[j] for j in np.argsort(-np.nan_to_num(similarity[names.index(name)], nan=-1))[:4])}"
    )
assert same > 0.8
assert np.mean(aucs) > 0.8
