"""The displays of completed matrices draw what the fits say."""

import numpy as np
import pytest

from sparsesolve import MatrixCompletion
from sparsesolve.datasets import make_low_rank
from sparsesolve.plotting import CompletedImageDisplay, FactorSpectrumDisplay, HeldOutErrorDisplay

matplotlib = pytest.importorskip("matplotlib")
matplotlib.use("Agg")


@pytest.fixture
def axes():
    from matplotlib.figure import Figure

    return Figure().subplots()


@pytest.fixture(scope="module")
def model():
    data = make_low_rank(40, 30, 3, oversampling=4.0, noise=0.1, random_state=0)
    return MatrixCompletion(3, alpha=0.1, validation_fraction=0.2, random_state=0).fit(data.X)


def test_the_spectrum_is_that_of_the_product(model, axes):
    display = FactorSpectrumDisplay.from_estimator(model, ax=axes, linewidth=3)
    exact = np.linalg.svd(model.row_factors_ @ model.column_factors_.T, compute_uv=False)[:3]
    np.testing.assert_allclose(display.line_.get_ydata(), exact, rtol=1e-10)
    assert display.line_.get_linewidth() == 3
    assert axes.get_yscale() == "log"


def test_errors_are_those_of_the_trace(model, axes):
    display = HeldOutErrorDisplay.from_result(model, ax=axes)
    held, known = display.lines_
    np.testing.assert_array_equal(held.get_ydata(), model.result_.trace["held_out_error"])
    np.testing.assert_array_equal(known.get_ydata(), model.result_.trace["rmse"])


def test_errors_need_entries_held_out(axes):
    data = make_low_rank(20, 20, 1, oversampling=4.0, random_state=0)
    with pytest.raises(ValueError, match="validation_fraction"):
        HeldOutErrorDisplay.from_result(MatrixCompletion(1).fit(data.X), ax=axes)


@pytest.mark.parametrize("with_truth", [False, True])
def test_pictures(with_truth):
    known = np.array([[0.0, np.nan], [0.5, 1.0]])
    truth = np.array([[0.0, 0.3], [0.5, 1.0]]) if with_truth else None
    display = CompletedImageDisplay(known=known, completed=np.nan_to_num(known) + 3.0, truth=truth).plot()
    assert len(display.images_) == 2 + with_truth
    np.testing.assert_array_equal(display.images_[0].get_array(), [[0.0, 1.0], [0.5, 1.0]])
    assert display.images_[1].get_array().max() <= 1.0
    with pytest.raises(ValueError, match="axes holds 1 axes: give"):
        CompletedImageDisplay(known=known, completed=known, truth=truth).plot(display.axes_[:1])
    matplotlib.pyplot.close(display.figure_)
