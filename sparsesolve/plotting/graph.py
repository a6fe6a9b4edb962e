"""Pictures of directed graphs."""

from __future__ import annotations

import numpy as np

from ..graphs import topological_order
from .axes import axes_or_new


class GraphDisplay:
    """A directed acyclic graph, in layers from causes to effects.

    An edge's breadth is its weight, or how sure it is; edges of negative weight are red, reversible ones without a
    head.

    Parameters
    ----------
    adjacency : array of shape (d, d)
        [i, j] is the weight of i -> j.
    cpdag : array of bool, shape (d, d), optional
        A reversible edge stands at [i, j] and at [j, i].
    confidence : array of shape (d, d), optional
        Of each edge, from 0 to 1; then it is the breadth, and written beside the edge.
    names : sequence of str, optional
        Of the nodes.

    Attributes
    ----------
    ax_ : matplotlib Axes
    figure_ : matplotlib Figure
    arrows_ : list of matplotlib FancyArrowPatch
        One an edge.
    positions_ : ndarray of shape (d, 2)

    Examples
    --------
    >>> from sparsesolve import CoLiDE
    >>> from sparsesolve.datasets import make_linear_sem
    >>> from sparsesolve.plotting import GraphDisplay
    >>> model = CoLiDE().fit(make_linear_sem(500, 6, degree=1, random_state=0).X)
    >>> display = GraphDisplay.from_estimator(model)  # doctest: +SKIP
    """

    def __init__(self, *, adjacency, cpdag=None, confidence=None, names=None):
        self.adjacency = adjacency
        self.cpdag = cpdag
        self.confidence = confidence
        self.names = names

    @classmethod
    def from_estimator(cls, estimator, *, confidence=None, ax=None, **kwargs):
        """Draw the graph of a fitted estimator.

        Parameters
        ----------
        estimator : CoLiDE
            Fitted.
        confidence : array of shape (d, d), optional
            As from its `bootstrap`: ``edge_probability``.
        ax : matplotlib Axes, optional
            Those of a new figure unless given.
        **kwargs
            For matplotlib's ``FancyArrowPatch``.

        Returns
        -------
        GraphDisplay
        """
        display = cls(
            adjacency=estimator.adjacency_,
            cpdag=estimator.cpdag_,
            confidence=confidence,
            names=getattr(estimator, "feature_names_in_", None),
        )
        return display.plot(ax, **kwargs)

    def plot(self, ax=None, **kwargs):
        """Draw the graph.

        Parameters
        ----------
        ax : matplotlib Axes, optional
            Those of a new figure unless given.
        **kwargs
            For matplotlib's ``FancyArrowPatch``.

        Returns
        -------
        GraphDisplay
            Itself.
        """
        from matplotlib.patches import FancyArrowPatch

        self.ax_ = axes_or_new(ax)
        self.figure_ = self.ax_.figure
        weights = np.asarray(self.adjacency)
        self.positions_ = _layered(weights)
        names = [f"x{node}" for node in range(len(weights))] if self.names is None else list(self.names)
        largest = float(np.abs(weights).max(initial=0.0)) or 1.0
        self.arrows_ = []
        for i, j in np.argwhere(weights != 0.0):
            reversible = self.cpdag is not None and self.cpdag[j, i]
            share = abs(weights[i, j]) / largest if self.confidence is None else self.confidence[i, j]
            style = {
                "arrowstyle": "-" if reversible else "-|>",
                "connectionstyle": "arc3,rad=0.12",
                "mutation_scale": 12,
                "linewidth": 0.5 + 2.5 * share,
                "color": "tab:red" if weights[i, j] < 0.0 else "tab:blue",
                "shrinkA": 13,
                "shrinkB": 13,
            }
            arrow = FancyArrowPatch(self.positions_[i], self.positions_[j], **(style | kwargs))
            self.ax_.add_patch(arrow)
            self.arrows_.append(arrow)
            if self.confidence is not None:
                place = 0.6 * self.positions_[i] + 0.4 * self.positions_[j]
                self.ax_.annotate(f"{self.confidence[i, j]:.0%}", place, fontsize=7, color="dimgrey")
        for name, place in zip(names, self.positions_, strict=True):
            box = {"boxstyle": "round", "facecolor": "white", "edgecolor": "grey"}
            self.ax_.annotate(name, place, ha="center", va="center", bbox=box, fontsize=9)
        low, high = self.positions_.min(axis=0), self.positions_.max(axis=0)
        self.ax_.set(xlim=(low[0] - 0.6, high[0] + 0.6), ylim=(low[1] - 0.6, high[1] + 0.6))
        self.ax_.set_axis_off()
        return self


class AdjacencyDisplay:
    """The weights of a graph as a coloured matrix, causes by row, in an order of the nodes.

    Parameters
    ----------
    adjacency : array of shape (d, d)
    order : array of int, shape (d,), optional
        Of rows and columns: then edges stand above the diagonal.
    names : sequence of str, optional
        Of the nodes.

    Attributes
    ----------
    ax_ : matplotlib Axes
    figure_ : matplotlib Figure
    image_ : matplotlib AxesImage

    Examples
    --------
    >>> from sparsesolve import CoLiDE
    >>> from sparsesolve.datasets import make_linear_sem
    >>> from sparsesolve.plotting import AdjacencyDisplay
    >>> model = CoLiDE().fit(make_linear_sem(500, 6, degree=1, random_state=0).X)
    >>> display = AdjacencyDisplay.from_estimator(model)  # doctest: +SKIP
    """

    def __init__(self, *, adjacency, order=None, names=None):
        self.adjacency = adjacency
        self.order = order
        self.names = names

    @classmethod
    def from_estimator(cls, estimator, *, ax=None, **kwargs):
        """Draw the weights of a fitted estimator, in its order.

        Parameters
        ----------
        estimator : CoLiDE
            Fitted.
        ax : matplotlib Axes, optional
            Those of a new figure unless given.
        **kwargs
            For matplotlib's ``imshow``.

        Returns
        -------
        AdjacencyDisplay
        """
        names = getattr(estimator, "feature_names_in_", None)
        return cls(adjacency=estimator.adjacency_, order=estimator.order_, names=names).plot(ax, **kwargs)

    def plot(self, ax=None, **kwargs):
        """Draw the weights.

        Parameters
        ----------
        ax : matplotlib Axes, optional
            Those of a new figure unless given.
        **kwargs
            For matplotlib's ``imshow``.

        Returns
        -------
        AdjacencyDisplay
            Itself.
        """
        self.ax_ = axes_or_new(ax)
        self.figure_ = self.ax_.figure
        weights = np.asarray(self.adjacency)
        order = np.arange(len(weights)) if self.order is None else np.asarray(self.order)
        size = float(np.abs(weights).max(initial=0.0)) or 1.0
        style = {"cmap": "RdBu", "vmin": -size, "vmax": size} | kwargs
        self.image_ = self.ax_.imshow(weights[np.ix_(order, order)], **style)
        self.figure_.colorbar(self.image_, ax=self.ax_, label="weight")
        self.ax_.set(xlabel="effect", ylabel="cause")
        if self.names is not None:
            labels = [str(self.names[node]) for node in order]
            self.ax_.set_xticks(range(len(order)), labels, rotation=90)
            self.ax_.set_yticks(range(len(order)), labels)
        return self


def _layered(weights: np.ndarray) -> np.ndarray:
    """Places: a node's layer is the length of the longest path to it; in a layer, near the mean of its parents."""
    edges = weights != 0.0
    layer = np.zeros(len(edges), dtype=int)
    order = topological_order(edges)
    for node in order:
        layer[node] = layer[edges[:, node]].max(initial=-1) + 1
    across = np.zeros(len(edges))
    for number in range(layer.max(initial=0) + 1):
        members = np.flatnonzero(layer == number)
        wanted = [across[edges[:, node]].mean() if edges[:, node].any() else 0.0 for node in members]
        for place, rank in enumerate(np.argsort(wanted, kind="stable")):
            # Neighbouring layers are shifted a little, so that edges across several layers do not hide.
            across[members[rank]] = place - 0.5 * (len(members) - 1) + 0.17 * (number % 3 - 1)
    return np.column_stack([1.6 * across, -1.2 * layer])
