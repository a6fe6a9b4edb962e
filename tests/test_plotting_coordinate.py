"""The displays of block coordinate descent draw what the results say."""

import numpy as np
import pytest

from sparsesolve import BCDRegressor, block_coordinate_descent
from sparsesolve.coordinate import LeastSquares
from sparsesolve.plotting import ActiveSetDisplay, CoefPathDisplay, ConvergenceDisplay
from sparsesolve.prox import L1

matplotlib = pytest.importorskip("matplotlib")
matplotlib.use("Agg")

_rng = np.random.default_rng(0)
A = _rng.standard_normal((60, 40))
Y = A[:, :3] @ [3.0, -2.0, 1.0] + 0.1 * _rng.standard_normal(60)


@pytest.fixture
def axes():
    from matplotlib.figure import Figure

    return Figure().subplots()


@pytest.fixture
def pair():
    from matplotlib.figure import Figure

    return Figure().subplots(2, 1)


@pytest.fixture(scope="module")
def results():
    problem = LeastSquares(A, Y, L1(10.0))
    return {
        name: block_coordinate_descent(problem, selection=name, block_size=4, random_state=0, max_iter=5000)
        for name in ("random", "gs", "gsq")
    }


@pytest.fixture(scope="module")
def path():
    return BCDRegressor().path(A, Y, n_alphas=12)


# ---- several curves --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("against", ["iteration", "time"])
def test_curves_are_the_traces(results, axes, against):
    display = ConvergenceDisplay.from_results(results, against=against, ax=axes, linewidth=3)
    assert display.ax_ is axes
    assert len(display.lines_) == 3
    for line, (name, result) in zip(display.lines_, results.items(), strict=True):
        np.testing.assert_array_equal(line.get_xdata(), result.trace[against])
        np.testing.assert_array_equal(line.get_ydata(), result.trace["certificate"])
        assert line.get_label() == name
        assert line.get_linewidth() == 3
    assert [text.get_text() for text in axes.get_legend().get_texts()] == list(results)
    assert len({line.get_color() for line in display.lines_}) == 3
    assert axes.get_ylabel() == "certificate"


def test_objectives_are_drawn_above_the_best(results, axes):
    several = list(results.values())
    display = ConvergenceDisplay.from_results(several, ["a", "b", "c"], column="objective", ax=axes)
    best = min(result.trace["objective"].min() for result in several)
    drawn = np.concatenate([line.get_ydata() for line in display.lines_])
    expected = np.concatenate([result.trace["objective"] for result in several]) - best
    assert np.isnan(drawn[expected == 0]).all()
    np.testing.assert_array_equal(drawn[expected > 0], expected[expected > 0])
    assert axes.get_ylabel() == "objective above the best"


def test_a_known_optimum_and_a_fitted_estimator(axes):
    model = BCDRegressor(alpha=0.1).fit(A, Y)
    display = ConvergenceDisplay.from_results([model], column="objective", optimum=-1.0, ax=axes)
    np.testing.assert_allclose(display.line_.get_ydata(), model.result_.trace["objective"] + 1.0)
    assert axes.get_legend() is None


def test_long_curves_have_no_markers(axes):
    long, short = np.ones(500), np.ones(5)
    display = ConvergenceDisplay(
        progress=[np.arange(500), np.arange(5)], certificate=[long, short], name=["long", "short"]
    ).plot(axes)
    assert [line.get_marker() for line in display.lines_] == ["", "o"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"against": "flops"}, "against='flops' is not known: use 'iteration' or 'time'"),
        ({"column": "gap"}, "column='gap' is not known: use 'certificate' or 'objective'"),
        ({"names": ["one"]}, "names holds 1 names, but there are 3 results"),
        ({"results": []}, "results is empty"),
    ],
)
def test_convergence_names_bad_arguments(results, arguments, message):
    with pytest.raises(ValueError, match=message):
        ConvergenceDisplay.from_results(**({"results": results} | arguments))


# ---- path ------------------------------------------------------------------------------------------------------------


def test_path_draws_what_enters(path, pair):
    display = CoefPathDisplay.from_path(path, ax=pair[0], gap_ax=pair[1])
    np.testing.assert_array_equal(display.features_, np.flatnonzero(path.coefs.any(axis=1)))
    for line, feature in zip(display.lines_, display.features_, strict=True):
        np.testing.assert_array_equal(line.get_xdata(), path.alphas)
        np.testing.assert_array_equal(line.get_ydata(), path.coefs[feature])
    (gaps,) = pair[1].lines
    np.testing.assert_allclose(gaps.get_ydata(), np.maximum(path.dual_gaps, 1e-17))
    for ax in pair:
        assert ax.get_xscale() == "log"
        assert ax.xaxis_inverted()


def test_axes_that_share_alpha_are_turned_once(path):
    from matplotlib.figure import Figure

    above, below = Figure().subplots(2, 1, sharex=True)
    CoefPathDisplay.from_path(path, ax=above, gap_ax=below)
    assert above.xaxis_inverted()
    assert below.xaxis_inverted()


def test_path_names_the_largest(path, axes):
    names = [f"feature {j}" for j in range(40)]
    display = CoefPathDisplay.from_path(path, feature_names=names, ax=axes)
    named = [text.get_text() for text in axes.get_legend().get_texts()]
    ends = path.coefs[:, -1]
    largest = np.argsort(-np.abs(ends))[:10]
    assert named == [names[j] for j in sorted(largest, key=lambda j: -ends[j])]
    grey = [line.get_color() == "0.8" for line in display.lines_]
    np.testing.assert_array_equal(grey, ~np.isin(display.features_, largest))


def test_one_class_of_several(path, axes):
    several = path._replace(coefs=np.stack([path.coefs, 2.0 * path.coefs]))
    display = CoefPathDisplay.from_path(several, target=1, ax=axes)
    np.testing.assert_array_equal(display.coefs, 2.0 * path.coefs)
    for wrong, target in ((several, None), (path, 1)):
        with pytest.raises(ValueError, match="does not suit coefs of shape"):
            CoefPathDisplay.from_path(wrong, target=target, ax=axes)


def test_path_names_bad_arguments(path, pair):
    with pytest.raises(ValueError, match="feature_names holds 2 names, but there are 40 features"):
        CoefPathDisplay.from_path(path, feature_names=["a", "b"], ax=pair[0])
    with pytest.raises(ValueError, match="give dual_gaps"):
        CoefPathDisplay(alphas=path.alphas, coefs=path.coefs).plot(pair[0], gap_ax=pair[1])


# ---- active set ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("order", ["first", "index"])
def test_the_raster_shows_every_choice(results, pair, order):
    result = results["gsq"]
    display = ActiveSetDisplay.from_result(result, axes=pair, order=order)
    outside, inside = (
        np.array([segment.mean(axis=0) for segment in raster.get_segments()]) for raster in display.rasters_
    )
    drawn = {(round(step), int(display.coordinates_[round(row)])) for step, row in (*outside, *inside)}
    assert drawn == {(step, int(i)) for step, block in enumerate(result.solution.blocks, 1) for i in block}
    kept = {int(display.coordinates_[round(row)]) for _, row in inside}
    assert kept == set(result.solution.support.tolist())
    if order == "first":
        firsts = [
            min(step for step, block in enumerate(result.solution.blocks) if i in block)
            for i in display.coordinates_
        ]
        assert firsts == sorted(firsts)


def test_support_and_its_marks(results, pair):
    result = results["gsq"]
    display = ActiveSetDisplay.from_result(result, axes=pair, name="GSQ")
    np.testing.assert_array_equal(display.line_.get_xdata(), np.arange(1, result.n_iter + 1))
    np.testing.assert_array_equal(display.line_.get_ydata(), result.trace["support_size"])
    labels = [text.get_text() for text in pair[0].get_legend().get_texts()]
    assert labels == [
        "support",
        f"found at step {result.solution.support_identified_at}",
        f"bound: step {result.solution.active_set_bound:.0f}",
    ]
    assert pair[0].lines[1].get_xdata()[0] == result.solution.support_identified_at
    assert pair[0].get_title() == "GSQ"


def test_a_run_that_did_not_converge_has_no_marks(pair):
    with pytest.warns(Warning, match="MAX_ITER"):
        result = block_coordinate_descent(LeastSquares(A, Y, L1(10.0)), max_iter=2, block_size=2)
    ActiveSetDisplay.from_result(result, axes=pair)
    assert [text.get_text() for text in pair[0].get_legend().get_texts()] == ["support"]


def test_active_set_names_bad_arguments(results, pair):
    with pytest.raises(ValueError, match="order='size' is not known"):
        ActiveSetDisplay.from_result(results["gs"], axes=pair, order="size")
    with pytest.raises(ValueError, match="axes holds 1 axes"):
        ActiveSetDisplay.from_result(results["gs"], axes=pair[:1])
    with pytest.raises(ValueError, match="result has no blocks"):
        ActiveSetDisplay.from_result(BCDRegressor(alpha=0.1).fit(A, Y).result_)


def test_figures_are_made_where_none_are_given(results, path):
    import matplotlib.pyplot as plt

    displays = (
        ConvergenceDisplay.from_results(results),
        CoefPathDisplay.from_path(path),
        ActiveSetDisplay.from_result(results["gs"]),
    )
    for display in displays:
        assert plt.fignum_exists(display.figure_.number)
        plt.close(display.figure_)
