"""Graphs as a list, as text, and for other packages."""

import sys
from types import SimpleNamespace

import numpy as np
import pytest

from sparsesolve.dag.export import list_edges, to_dot, to_frame, to_networkx
from sparsesolve.graphs import completed_partially_directed_graph

WEIGHTS = np.array([[0, 1.23456, 0], [0, 0, 0], [0, -0.5, 0]])
NAMES = ["a", 'the "b"', "c"]


def test_edges():
    edges = list_edges(WEIGHTS, NAMES, confidence=np.full((3, 3), 0.75))
    assert edges == [("a", 'the "b"', 1.23456, False, 0.75), ("c", 'the "b"', -0.5, False, 0.75)]
    chain = np.eye(3, k=1)
    edges = list_edges(chain, cpdag=completed_partially_directed_graph(chain))
    assert [(edge.source, edge.target, edge.reversible) for edge in edges] == [
        ("x0", "x1", True),
        ("x1", "x2", True),
    ]
    assert list_edges(np.zeros((2, 2))) == []


def test_text_for_graphviz():
    assert to_dot(WEIGHTS, NAMES).splitlines() == [
        "digraph {",
        '  "a";',
        r'  "the \"b\"";',
        '  "c";',
        r'  "a" -> "the \"b\"" [label="1.23"];',
        r'  "c" -> "the \"b\"" [label="-0.5", style=dashed];',
        "}",
    ]
    chain = np.eye(2, k=1)
    text = to_dot(chain, cpdag=chain + chain.T, confidence=chain / 2, digits=1)
    assert '  "x0" -> "x1" [label="1 (0.50)", penwidth=1.50, dir=none];' in text.splitlines()


def test_frame():
    pandas = pytest.importorskip("pandas", reason="an optional package, for data frames alone")
    frame = to_frame(WEIGHTS, NAMES)
    assert isinstance(frame, pandas.DataFrame)
    assert frame.loc["c", 'the "b"'] == -0.5
    frame.loc["c", 'the "b"'] = 9.0
    assert WEIGHTS[2, 1] == -0.5


def test_networkx():
    networkx = pytest.importorskip("networkx", reason="an optional package, for its graphs alone")
    graph = to_networkx(WEIGHTS, NAMES, confidence=np.full((3, 3), 0.75))
    assert list(graph.nodes) == NAMES
    np.testing.assert_array_equal(networkx.to_numpy_array(graph), WEIGHTS)
    assert graph.edges["c", 'the "b"'] == {"weight": -0.5, "reversible": False, "confidence": 0.75}


def test_what_other_packages_are_given(monkeypatch):
    class Graph:
        def __init__(self):
            self.nodes, self.edges = [], {}

        def add_nodes_from(self, nodes):
            self.nodes += nodes

        def add_edge(self, source, target, **attributes):
            self.edges[source, target] = attributes

    monkeypatch.setitem(sys.modules, "networkx", SimpleNamespace(DiGraph=Graph))
    graph = to_networkx(WEIGHTS, ["a", "b", "c"])
    assert graph.nodes == ["a", "b", "c"]
    assert graph.edges == {
        ("a", "b"): {"weight": 1.23456, "reversible": False},
        ("c", "b"): {"weight": -0.5, "reversible": False},
    }
    monkeypatch.setitem(
        sys.modules, "pandas", SimpleNamespace(DataFrame=lambda data, index, columns: (data, index))
    )
    data, index = to_frame(WEIGHTS)
    np.testing.assert_array_equal(data, WEIGHTS)
    assert index == ["x0", "x1", "x2"]


@pytest.mark.parametrize(("package", "export"), [("pandas", to_frame), ("networkx", to_networkx)])
def test_missing_packages_are_named(package, export, monkeypatch):
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(ImportError, match=f"{package} is not installed"):
        export(WEIGHTS)


def test_bad_input_is_named():
    with pytest.raises(ValueError, match="names holds 2 names, but adjacency has 3"):
        to_dot(WEIGHTS, ["a", "b"])
    with pytest.raises(ValueError, match=r"confidence has shape \(2, 2\)"):
        list_edges(WEIGHTS, confidence=np.zeros((2, 2)))
    with pytest.raises(ValueError, match="cpdag has 2 nodes"):
        list_edges(WEIGHTS, cpdag=np.zeros((2, 2)))
    with pytest.raises(ValueError, match=r"adjacency has shape \(1, 2\)"):
        list_edges([[0, 1]])
