"""The displays of Kronecker posteriors draw what the fits say."""

import numpy as np
import pytest

from sparsesolve import KroneckerSBL
from sparsesolve.datasets import make_kronecker_recovery
from sparsesolve.plotting import GammaDisplay, PosteriorDisplay

matplotlib = pytest.importorskip("matplotlib")
matplotlib.use("Agg")


@pytest.fixture(params=[False, True], ids=["real", "complex"])
def fitted(request):
    data = make_kronecker_recovery((6, 5), (5, 5), 2, complex=request.param, random_state=0)
    return data, KroneckerSBL(random_state=0, max_iter=1000).fit(data.factors, data.y)


def test_gammas(fitted):
    _, model = fitted
    display = GammaDisplay.from_estimator(model, names=("rows", "columns"))
    for container, gamma, title, ax in zip(
        display.containers_, model.gamma_, ("rows", "columns"), display.axes_, strict=True
    ):
        np.testing.assert_array_equal(container.markerline.get_ydata(), gamma)
        assert ax.get_title() == title
    matplotlib.pyplot.close(display.figure_)


def test_posterior(fitted):
    from matplotlib.figure import Figure

    data, model = fitted
    display = PosteriorDisplay.from_estimator(model, reference=data.coef, ax=Figure().subplots())
    line, _, (bars,) = display.container_
    places = np.union1d(model.support_, np.flatnonzero(data.coef))
    values = np.abs(model.coef_) if np.iscomplexobj(model.coef_) else model.coef_
    np.testing.assert_allclose(line.get_ydata(), values[places])
    lengths = [segment[1, 1] - segment[0, 1] for segment in bars.get_segments()]
    np.testing.assert_allclose(lengths, 4.0 * model.coef_std_[places], atol=1e-12)


def test_posterior_of_snapshots_is_refused():
    data = make_kronecker_recovery((6, 5), (5, 5), 2, n_snapshots=2, random_state=0)
    model = KroneckerSBL(random_state=0, max_iter=1000).fit(data.factors, data.y)
    with pytest.raises(ValueError, match="fit one snapshot"):
        PosteriorDisplay.from_estimator(model)
