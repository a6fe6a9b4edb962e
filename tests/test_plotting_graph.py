"""The displays of graphs draw what the fits say."""

import numpy as np
import pytest

from sparsesolve import CoLiDE
from sparsesolve.datasets import make_linear_sem
from sparsesolve.plotting import AdjacencyDisplay, GraphDisplay

matplotlib = pytest.importorskip("matplotlib")
matplotlib.use("Agg")


@pytest.fixture
def axes():
    from matplotlib.figure import Figure

    return Figure().subplots()


@pytest.fixture(scope="module")
def model():
    return CoLiDE().fit(make_linear_sem(400, 7, degree=1.2, random_state=0).X)


@pytest.mark.parametrize("sure", [False, True])
def test_graph(model, axes, sure):
    confidence = np.full((7, 7), 0.25) if sure else None
    display = GraphDisplay.from_estimator(model, confidence=confidence, ax=axes)
    edges = np.argwhere(model.adjacency_ != 0.0)
    assert len(display.arrows_) == len(edges)
    for (i, j), arrow in zip(edges, display.arrows_, strict=True):
        assert display.positions_[i, 1] > display.positions_[j, 1]  # causes stand above effects
        headless = isinstance(arrow.get_arrowstyle(), matplotlib.patches.ArrowStyle.get_styles()["-"])
        assert headless == bool(model.cpdag_[j, i])
        if sure:
            assert arrow.get_linewidth() == 0.5 + 2.5 * 0.25
    texts = [text.get_text() for text in axes.texts]
    assert all(f"x{node}" in texts for node in range(7))
    assert texts.count("25%") == (len(edges) if sure else 0)
    assert len(np.unique(display.positions_, axis=0)) == 7


def test_adjacency(model, axes):
    display = AdjacencyDisplay.from_estimator(model, ax=axes)
    shown = np.asarray(display.image_.get_array())
    np.testing.assert_array_equal(shown, model.adjacency_[np.ix_(model.order_, model.order_)])
    assert not np.tril(shown).any()  # in the order, all edges lead forward


def test_a_graph_without_edges(axes):
    display = GraphDisplay(adjacency=np.zeros((3, 3)), names=("a", "b", "c")).plot(axes)
    assert display.arrows_ == []
