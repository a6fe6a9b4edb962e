"""The displays draw what the results say."""

import subprocess
import sys

import numpy as np
import pytest

from sparsesolve import SketchedLinearRegression, lstsq
from sparsesolve.datasets import make_regression_problem
from sparsesolve.plotting import CoefficientDisplay, ConvergenceDisplay

matplotlib = pytest.importorskip("matplotlib")
matplotlib.use("Agg")


@pytest.fixture
def axes():
    from matplotlib.figure import Figure

    return Figure().subplots()


@pytest.fixture(scope="module")
def problem():
    return make_regression_problem(3000, 8, condition=1e4, random_state=0)


@pytest.fixture(scope="module")
def result(problem):
    A, b, _ = problem
    return lstsq(A, b, solver="fossils", random_state=0)


@pytest.mark.parametrize("against", ["iteration", "time"])
def test_convergence_draws_the_trace(result, axes, against):
    display = ConvergenceDisplay.from_result(result, against=against, ax=axes, name="fossils", color="red")
    assert display.ax_ is axes
    assert display.figure_ is axes.figure
    np.testing.assert_array_equal(display.line_.get_xdata(), result.trace[against])
    np.testing.assert_array_equal(display.line_.get_ydata(), result.trace["certificate"])
    assert axes.get_yscale() == "log"
    assert display.line_.get_color() == "red"
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["fossils"]


def test_convergence_takes_an_estimator(problem, axes):
    A, b, _ = problem
    model = SketchedLinearRegression(random_state=0).fit(A, b)
    display = ConvergenceDisplay.from_result(model, ax=axes)
    np.testing.assert_array_equal(display.certificate, model.result_.trace["certificate"])


def test_convergence_leaves_out_a_certificate_of_zero(axes):
    display = ConvergenceDisplay(progress=np.arange(3), certificate=np.array([1.0, 0.0, 0.1])).plot(axes)
    np.testing.assert_array_equal(display.line_.get_ydata(), [1.0, np.nan, 0.1])


def test_convergence_names_a_bad_argument(result):
    with pytest.raises(ValueError, match="against='flops' is not known: use 'iteration' or 'time'"):
        ConvergenceDisplay.from_result(result, against="flops")


def test_a_figure_is_made_where_none_is_given(result):
    import matplotlib.pyplot as plt

    display = ConvergenceDisplay.from_result(result)
    assert display.figure_ is plt.gcf()
    plt.close(display.figure_)


def test_coefficients_have_their_error_bars(problem, axes):
    A, b, x = problem
    model = SketchedLinearRegression(solver="sketch-and-solve", random_state=0).fit(A, b)
    display = CoefficientDisplay.from_estimator(model, ax=axes, reference=x)
    (container,) = display.containers_
    np.testing.assert_array_equal(container.lines[0].get_ydata(), model.coef_)
    lower, upper = (cap.get_ydata() for cap in container.lines[1])
    np.testing.assert_allclose(upper - lower, 2 * model.coef_error_bound_)
    np.testing.assert_array_equal(axes.lines[-2].get_ydata(), x)


def test_coefficients_of_several_targets_and_names(axes):
    class Model:
        coef_ = np.arange(6.0).reshape(2, 3)
        feature_names_in_ = np.array(["a", "b", "c"])

    display = CoefficientDisplay.from_estimator(Model(), ax=axes)
    assert len(display.containers_) == 2
    assert [label.get_text() for label in axes.get_xticklabels()] == ["a", "b", "c"]
    assert not any(container.has_yerr for container in display.containers_)


def test_without_matplotlib_the_error_names_the_extra():
    code = """
import sys
sys.modules["matplotlib"] = None
from sparsesolve.plotting import CoefficientDisplay
CoefficientDisplay(coef=[1.0]).plot()
"""
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert run.returncode == 1
    assert "ImportError: matplotlib is needed to plot: pip install 'sparsesolve[plot]'" in run.stderr
