"""What a user knows of the graph, in any of the forms it may be given in, as masks."""

from __future__ import annotations

import difflib
import numbers
from typing import NamedTuple

import numpy as np

from ..graphs.order import descendants, find_cycle


class Background(NamedTuple):
    """What is known of the graph, without contradictions.

    Attributes
    ----------
    required : ndarray of bool, shape (d, d)
        Edges that must be there; without a cycle.
    forbidden : ndarray of bool, shape (d, d)
        Edges that cannot be there: forbidden ones, the diagonal, edges back to earlier tiers, and edges that would
        close a cycle with required ones.
    tiers : ndarray of int64, shape (d,), or None
        The tier of each node, from 0; -1 for nodes in none.
    """

    required: np.ndarray
    forbidden: np.ndarray
    tiers: np.ndarray | None


def check_background(n_nodes: int, required=None, forbidden=None, tiers=None, *, names=None) -> Background:
    """Check what is known of a graph, and bring it to one form.

    Parameters
    ----------
    n_nodes : int
        d.
    required, forbidden : sequence of pairs, or array of bool of shape (d, d), optional
        Edges: pairs (i, j) of nodes, by number or by name, for i -> j; or a mask that is True at [i, j].
    tiers : sequence of sequences, or array of int of shape (d,), optional
        Groups of nodes, by number or by name, from the earliest: no edge leads back to an earlier group, any may lead
        forward or stay in a group, and nodes in no group are free. Or the tier of each node, smallest first, a negative
        number for free nodes.
    names : sequence of str, optional
        Names of the nodes.

    Returns
    -------
    Background

    Raises
    ------
    ValueError
        For an unknown node, a wrong shape, a node in two tiers, an edge from a node to itself, an edge that is both
        required and forbidden, by itself or by the tiers, and for a cycle of required edges.

    Examples
    --------
    >>> from sparsesolve.dag.background import check_background
    >>> known = check_background(3, required=[("age", "income")], tiers=[["age"], ["income", "debt"]],
    ...                          names=["debt", "income", "age"])
    >>> known.required.astype(int).tolist()
    [[0, 0, 0], [0, 0, 0], [0, 1, 0]]
    >>> known.forbidden.astype(int).tolist()
    [[1, 0, 1], [0, 1, 1], [0, 0, 1]]
    """
    nodes = _Nodes(n_nodes, names)
    must, no = nodes.mask("required", required), nodes.mask("forbidden", forbidden)
    groups = nodes.tiers(tiers)
    clash = np.argwhere(must & no)
    if clash.size:
        raise ValueError(
            f"required and forbidden both hold the edge {nodes.edge(clash[0])}: drop it from one."
        )
    if groups is not None:
        back = (groups[:, None] > groups) & (groups >= 0)
        clash = np.argwhere(must & back)
        if clash.size:
            i, j = clash[0]
            raise ValueError(
                f"required holds the edge {nodes.edge(clash[0])}, but tiers put its end into tier {groups[j]}, before "
                f"its start in tier {groups[i]}: drop the edge, or move a node."
            )
        no = no | back
    cycle = find_cycle(must)
    if cycle is not None:
        path = " -> ".join(nodes.label(node) for node in cycle)
        raise ValueError(
            f"required holds the cycle {path}: a graph without cycles cannot, so drop one of its edges."
        )
    no = no | descendants(must).T
    np.fill_diagonal(no, True)
    clash = np.argwhere(must & no)
    assert not clash.size  # only a cycle could be required and close a cycle
    return Background(must, no, groups)


class _Nodes:
    """Nodes by number and by name."""

    def __init__(self, n_nodes, names):
        self.count = n_nodes
        self.names = None if names is None else [str(name) for name in names]
        if self.names is not None and len(self.names) != n_nodes:
            raise ValueError(f"names holds {len(self.names)} names, but there are {n_nodes} nodes.")
        self.place = {} if self.names is None else {name: index for index, name in enumerate(self.names)}
        if self.names is not None and len(self.place) < n_nodes:
            twice = next(name for name in self.names if self.names.count(name) > 1)
            raise ValueError(f"names holds {twice!r} twice: give each node a name of its own.")

    def label(self, node) -> str:
        return str(node) if self.names is None else self.names[node]

    def edge(self, pair) -> str:
        return f"{self.label(pair[0])} -> {self.label(pair[1])}"

    def find(self, argument, node) -> int:
        """The number of a node; `argument` is the one to name in an error."""
        if isinstance(node, numbers.Integral) and not isinstance(node, bool):
            if not 0 <= int(node) < self.count:
                raise ValueError(f"{argument} names the node {node}, but nodes are 0 to {self.count - 1}.")
            return int(node)
        if node in self.place:
            return self.place[node]
        if self.names is None:
            raise ValueError(
                f"{argument} names the node {node!r}, but nodes have no names: use numbers from 0."
            )
        near = difflib.get_close_matches(str(node), self.names, n=1)
        hint = f": is {near[0]!r} meant?" if near else f"; names are {', '.join(self.names[:10])}."
        raise ValueError(f"{argument} names the node {node!r}, which is not known{hint}")

    def mask(self, argument, edges) -> np.ndarray:
        """Edges as a mask, from pairs or from a mask."""
        mask = np.zeros((self.count, self.count), dtype=bool)
        if edges is None:
            return mask
        if hasattr(edges, "shape"):
            array = np.asarray(edges)
            if array.dtype == bool:
                if array.shape != mask.shape:
                    raise ValueError(f"{argument} has shape {array.shape}: a mask has {mask.shape}.")
                mask |= array
                self._refuse_loops(argument, mask)
                return mask
            edges = array.tolist()
        try:
            pairs = [(start, end) for start, end in edges]
        except (TypeError, ValueError) as error:
            raise ValueError(
                f"{argument} must be pairs (i, j) for edges i -> j, or a mask of booleans of shape {mask.shape}."
            ) from error
        for start, end in pairs:
            mask[self.find(argument, start), self.find(argument, end)] = True
        self._refuse_loops(argument, mask)
        return mask

    def _refuse_loops(self, argument, mask):
        loops = np.flatnonzero(mask.diagonal())
        if loops.size and argument == "required":
            raise ValueError(
                f"required holds the edge {self.edge((loops[0], loops[0]))}: no node is its own cause."
            )

    def tiers(self, tiers) -> np.ndarray | None:
        """The tier of each node, -1 for none."""
        if tiers is None:
            return None
        if len(tiers) and all(isinstance(tier, numbers.Integral) for tier in tiers):
            if len(tiers) != self.count:
                raise ValueError(
                    f"tiers has {len(tiers)} numbers, but there are {self.count} nodes: give each a tier."
                )
            given = np.asarray(tiers, dtype=np.int64)
            listed = given >= 0
            groups = np.full(self.count, -1, dtype=np.int64)
            groups[listed] = np.unique(given[listed], return_inverse=True)[1]
            return groups
        groups = np.full(self.count, -1, dtype=np.int64)
        for number, group in enumerate(tiers):
            if isinstance(group, (str, numbers.Number)):
                raise ValueError(
                    f"tiers[{number}]={group!r} must be a list of nodes; or give a whole number for each node."
                )
            for node in group:
                index = self.find("tiers", node)
                if groups[index] >= 0:
                    raise ValueError(
                        f"tiers names the node {self.label(index)} twice: a node is in one tier."
                    )
                groups[index] = number
        return groups
