"""The display of transport plans draws the plan that it is given."""

import subprocess
import sys

import numpy as np
import pytest
import scipy.sparse

from sparsesolve import SinkhornNewtonSparse, entropic_transport
from sparsesolve.datasets import make_point_clouds
from sparsesolve.plotting import TransportPlanDisplay

matplotlib = pytest.importorskip("matplotlib")
matplotlib.use("Agg")


@pytest.fixture
def axes():
    from matplotlib.figure import Figure

    return Figure().subplots()


@pytest.fixture(scope="module")
def clouds():
    return make_point_clouds(30, 20, random_state=0)


@pytest.fixture(scope="module")
def model(clouds):
    return SinkhornNewtonSparse(reg=0.5).fit(clouds.X, clouds.Y)


@pytest.fixture
def plan():
    return np.array([[0.4, 0.0, 0.2], [0.0, 0.1, 0.3]])


def test_an_image_shows_every_entry(plan, axes):
    display = TransportPlanDisplay(plan=plan).plot(axes, kind="image")
    assert (display.ax_, display.figure_, display.kind_) == (axes, axes.figure, "image")
    np.testing.assert_allclose(display.artist_.get_array(), plan)
    assert (axes.get_xlim(), axes.get_ylim()) == ((-0.5, 2.5), (1.5, -0.5))
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("target", "source")


def test_a_large_image_is_summed_up_in_equal_cells(axes):
    rng = np.random.default_rng(0)
    plan = scipy.sparse.random_array((1203, 1900), density=0.01, rng=rng, format="csr")
    display = TransportPlanDisplay(plan=plan).plot(axes, kind="image")
    image = np.asarray(display.artist_.get_array())
    assert image.shape == (401, 475)  # cells of 3 x 4 entries
    assert image[7, 9] == pytest.approx(plan[21:24, 36:40].sum())
    assert image.sum() == pytest.approx(plan.sum())


def test_an_image_takes_a_norm_and_a_colour_map(plan, axes):
    from matplotlib.colors import LogNorm

    display = TransportPlanDisplay(plan=plan).plot(axes, kind="image", norm=LogNorm(0.01, 1.0), cmap="magma")
    assert isinstance(display.artist_.norm, LogNorm)
    assert display.artist_.get_cmap().name == "magma"


def test_dots_have_areas_proportional_to_the_mass(plan, axes):
    display = TransportPlanDisplay(plan=plan).plot(axes, kind="dots", color="red")
    np.testing.assert_array_equal(display.artist_.get_offsets(), [[0, 0], [2, 1], [2, 0], [1, 1]])
    areas = display.artist_.get_sizes()
    np.testing.assert_allclose(areas / areas.max(), [1.0, 0.75, 0.5, 0.25])  # the heaviest first
    assert axes.get_ylim() == (1.5, -0.5)  # the first source on top, as in a matrix


def test_links_have_widths_proportional_to_the_mass(plan, axes):
    X, Y = np.array([[0.0, 0.0], [0.0, 1.0]]), np.array([[1.0, 0.0], [1.0, 1.0], [1.0, 2.0]])
    display = TransportPlanDisplay(plan=plan, X=X, Y=Y).plot(axes)
    assert display.kind_ == "links"
    widths = np.array(display.artist_.get_linewidths())
    np.testing.assert_allclose(widths / widths.max(), [1.0, 0.75, 0.5, 0.25])  # the heaviest first
    np.testing.assert_array_equal(display.artist_.get_segments()[1], [X[1], Y[2]])
    assert axes.get_aspect() == 1.0


def test_links_too_thin_to_be_seen_are_left_out(axes):
    plan = np.full((100, 100), 1e-6)
    plan[range(100), range(100)] = 1.0
    points = np.random.default_rng(0).random((100, 2))
    display = TransportPlanDisplay(plan=plan, X=points, Y=points + 1).plot(axes, kind="links")
    assert len(display.artist_.get_segments()) == 100


def test_arrows_lead_to_the_mean_of_the_targets(clouds, model, axes):
    display = TransportPlanDisplay.from_estimator(model, clouds.X, clouds.Y, kind="arrows", ax=axes)
    arrows = display.artist_
    ends = arrows.get_offsets() + np.stack([arrows.U, arrows.V], axis=1)
    np.testing.assert_allclose(ends, model.transform(clouds.X), atol=1e-7)


def test_sources_without_mass_have_no_arrow(plan, axes):
    plan[0] = 0.0
    points = np.arange(6.0).reshape(3, 2)
    display = TransportPlanDisplay(plan=plan, X=points[:2], Y=points).plot(axes, kind="arrows")
    assert display.artist_.N == 1


@pytest.mark.parametrize("kind", ["image", "dots", "links"])
def test_a_plan_without_mass_is_drawn(kind, axes):
    points = np.arange(6.0).reshape(3, 2)
    display = TransportPlanDisplay(plan=scipy.sparse.csr_array((2, 3)), X=points[:2], Y=points)
    assert display.plot(axes, kind=kind).kind_ == kind
    axes.figure.canvas.draw()


def test_auto_takes_dots_for_few_entries(axes):
    assert TransportPlanDisplay(plan=np.eye(100)).plot(axes).kind_ == "dots"
    assert TransportPlanDisplay(plan=np.ones((9, 9))).plot(axes).kind_ == "image"


def test_results_and_estimators_give_the_same_picture(clouds, model, axes):
    cost = ((clouds.X[:, None] - clouds.Y) ** 2).sum(axis=2)
    result = entropic_transport(clouds.a, clouds.b, cost, 0.5)
    ours = TransportPlanDisplay.from_result(result, ax=axes)
    theirs = TransportPlanDisplay.from_estimator(model, ax=axes)
    np.testing.assert_allclose(ours.artist_.get_array(), theirs.artist_.get_array(), atol=1e-9)
    display = TransportPlanDisplay.from_result(result, clouds.X, clouds.Y, ax=axes)
    assert display.kind_ == "links"


def test_bad_arguments_are_named(plan, axes):
    points = np.zeros((3, 2))
    with pytest.raises(ValueError, match="kind='pie' is not known: use one of 'auto', 'image'"):
        TransportPlanDisplay(plan=plan).plot(axes, kind="pie")
    with pytest.raises(ValueError, match="kind='arrows' needs the points: give X and Y"):
        TransportPlanDisplay(plan=plan).plot(axes, kind="arrows")
    with pytest.raises(ValueError, match="Y is None: give both"):
        TransportPlanDisplay(plan=plan, X=points).plot(axes)
    with pytest.raises(ValueError, match=r"X has shape \(3, 2\), but the plan needs 2 points in the plane"):
        TransportPlanDisplay(plan=plan, X=points, Y=points).plot(axes)


def test_the_display_module_loads_without_matplotlib():
    code = """
import sys
sys.modules["matplotlib"] = None
from sparsesolve.plotting import TransportPlanDisplay
TransportPlanDisplay(plan=[[1.0]]).plot()
"""
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert run.returncode == 1
    assert "ImportError: matplotlib is needed to plot: pip install 'sparsesolve[plot]'" in run.stderr
