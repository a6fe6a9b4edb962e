"""Graphs for other programs: a table, Graphviz text, networkx."""

from __future__ import annotations

from importlib import import_module
from typing import NamedTuple

import numpy as np

from ..graphs.order import check_edges
from ..validation import check_count, check_matrix


class Edge(NamedTuple):
    """An edge of a graph.

    Attributes
    ----------
    source, target : str
    weight : float
    reversible : bool
        Whether a graph with this edge reversed explains the data as well: known only where a CPDAG is given.
    confidence : float or None
        Where it was given.
    """

    source: str
    target: str
    weight: float
    reversible: bool
    confidence: float | None


def list_edges(adjacency, names=None, *, cpdag=None, confidence=None) -> list[Edge]:
    """Return the edges of a graph, by row and column.

    Parameters
    ----------
    adjacency : array-like of shape (d, d)
        Entry [i, j] is the weight of the edge i -> j.
    names : sequence of str, optional
        Of the nodes: x0, x1 ... unless given.
    cpdag : array-like of bool, shape (d, d), optional
        A reversible edge has True at [i, j] and at [j, i].
    confidence : array-like of shape (d, d), optional
        Entry [i, j] is how sure the edge i -> j is, as from a bootstrap.

    Returns
    -------
    list of Edge

    Raises
    ------
    ValueError
        Where shapes do not agree.

    Examples
    --------
    >>> from sparsesolve.dag.export import list_edges
    >>> edge, = list_edges([[0, 1.5], [0, 0]], ["smoke", "fire"])
    >>> edge.source, edge.target, edge.weight
    ('smoke', 'fire', 1.5)
    """
    weights, names = _checked(adjacency, names)
    d = len(weights)
    both = np.zeros((d, d), dtype=bool)
    if cpdag is not None:
        both = check_edges("cpdag", cpdag, d)
        both = both & both.T
    sure = (
        None if confidence is None else np.asarray(check_matrix("confidence", confidence), dtype=np.float64)
    )
    if sure is not None and sure.shape != (d, d):
        raise ValueError(f"confidence has shape {sure.shape}, but adjacency has {d} nodes.")
    return [
        Edge(
            names[i],
            names[j],
            float(weights[i, j]),
            bool(both[i, j]),
            None if sure is None else float(sure[i, j]),
        )
        for i, j in np.argwhere(weights != 0)
    ]


def to_dot(adjacency, names=None, *, cpdag=None, confidence=None, digits: int = 3) -> str:
    r"""Return a graph in the language of Graphviz.

    Edges carry their weights; those with a negative one are dashed, and reversible ones have no arrow head. Where a
    confidence is given, it stands in brackets, and sure edges are drawn broader.

    Parameters
    ----------
    adjacency, names, cpdag, confidence
        See `list_edges`.
    digits : int, default=3
        Significant digits of the weights.

    Returns
    -------
    str

    Raises
    ------
    ValueError
        Where shapes do not agree.

    Examples
    --------
    >>> from sparsesolve.dag.export import to_dot
    >>> print(to_dot([[0, -1.5], [0, 0]], ["smoke", "fire"]))
    digraph {
      "smoke";
      "fire";
      "smoke" -> "fire" [label="-1.5", style=dashed];
    }
    """
    digits = check_count("digits", digits)
    edges = list_edges(adjacency, names, cpdag=cpdag, confidence=confidence)
    lines = [f"  {_quoted(name)};" for name in _checked(adjacency, names)[1]]
    for edge in edges:
        label = f"{edge.weight:.{digits}g}"
        marks = []
        if edge.confidence is not None:
            label += f" ({edge.confidence:.2f})"
            marks.append(f"penwidth={0.5 + 2.0 * min(max(edge.confidence, 0.0), 1.0):.2f}")
        marks += ["style=dashed"] * (edge.weight < 0) + ["dir=none"] * edge.reversible
        marks.insert(0, f"label={_quoted(label)}")
        lines.append(f"  {_quoted(edge.source)} -> {_quoted(edge.target)} [{', '.join(marks)}];")
    return "\n".join(["digraph {", *lines, "}"])


def to_frame(adjacency, names=None):
    """Return the adjacency matrix as a pandas data frame: rows are causes, columns effects.

    Parameters
    ----------
    adjacency, names
        See `list_edges`.

    Returns
    -------
    pandas.DataFrame

    Raises
    ------
    ImportError
        Where pandas is not installed.
    """
    weights, names = _checked(adjacency, names)
    return _package("pandas").DataFrame(weights.copy(), index=names, columns=names)


def to_networkx(adjacency, names=None, *, cpdag=None, confidence=None):
    """Return a graph as a networkx DiGraph, whose edges have the attributes of `Edge`.

    Parameters
    ----------
    adjacency, names, cpdag, confidence
        See `list_edges`.

    Returns
    -------
    networkx.DiGraph

    Raises
    ------
    ImportError
        Where networkx is not installed.
    """
    graph = _package("networkx").DiGraph()
    graph.add_nodes_from(_checked(adjacency, names)[1])
    for edge in list_edges(adjacency, names, cpdag=cpdag, confidence=confidence):
        attributes = {"weight": edge.weight, "reversible": edge.reversible}
        if edge.confidence is not None:
            attributes["confidence"] = edge.confidence
        graph.add_edge(edge.source, edge.target, **attributes)
    return graph


def _checked(adjacency, names):
    check_edges("adjacency", adjacency)
    weights = np.asarray(check_matrix("adjacency", adjacency), dtype=np.float64)
    names = [f"x{node}" for node in range(len(weights))] if names is None else [str(name) for name in names]
    if len(names) != len(weights):
        raise ValueError(f"names holds {len(names)} names, but adjacency has {len(weights)} nodes.")
    return weights, names


def _quoted(text):
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'


def _package(name):
    """An optional package, imported when it is first asked for."""
    try:
        return import_module(name)
    except ImportError as error:
        raise ImportError(f"{name} is not installed: install it, or use list_edges or to_dot.") from error
