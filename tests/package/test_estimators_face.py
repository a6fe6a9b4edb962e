"""What every estimator shows the world: documented attributes, a picture in notebooks, frames in and frames out."""

import importlib
import inspect
import re

import numpy as np
import pytest

import sparsesolve

RNG = np.random.default_rng(0)
X = RNG.standard_normal((60, 5))
Y = X[:, 0] + 0.1 * RNG.standard_normal(60)
NAMES = list("abcde")
GAPS = np.where(RNG.random(X.shape) < 0.2, np.nan, X)
CHAIN = np.diag(np.ones(7), 1) + np.diag(np.ones(7), -1)

# How each is made and fitted on something small.
FITS = {
    "BCDClassifier": lambda kind: kind(alpha=0.01).fit(X, Y > 0),
    "BCDClassifierCV": lambda kind: kind(cv=3, n_alphas=3).fit(X, Y > 0),
    "BCDRegressor": lambda kind: kind(alpha=0.1).fit(X, Y),
    "BCDRegressorCV": lambda kind: kind(cv=3, n_alphas=3).fit(X, Y),
    "CoLiDE": lambda kind: kind(n_starts=1).fit(X),
    "FastRP": lambda kind: kind(4, random_state=0).fit(CHAIN),
    "GraphLabelPropagation": lambda kind: kind(metric="precomputed").fit(
        CHAIN, [0, -1, -1, -1, -1, -1, -1, 1]
    ),
    "KroneckerSBL": lambda kind: kind(method="mm").fit(X, Y),
    "LpRegression": lambda kind: kind(1).fit(X, Y),
    "MatrixCompletion": lambda kind: kind(rank=1, alpha=0.1).fit(GAPS),
    "QuantileRegression": lambda kind: kind(0.8).fit(X, Y),
    "SampledLeastSquares": lambda kind: kind(random_state=0).fit(X, Y),
    "SinkhornNewtonSparse": lambda kind: kind(reg=0.1).fit(X, X[:40]),
    "SketchedLinearRegression": lambda kind: kind(random_state=0).fit(X, Y),
    "SparseProjection": lambda kind: kind(3, compute_inverse_components=True, random_state=0).fit(X),
}
# Described for other data than those above.
SOMETIMES = {"feature_names_in_", "values_"}
ESTIMATORS = [name for name in sparsesolve._HOMES if hasattr(getattr(sparsesolve, name), "get_params")]


def test_all_are_here():
    assert sorted(FITS) == sorted(ESTIMATORS)


@pytest.mark.parametrize("name", sorted(FITS))
def test_fitted_attributes_are_those_that_are_documented(name):
    model = FITS[name](getattr(sparsesolve, name))
    text = "".join(inspect.cleandoc(base.__doc__ or "") for base in type(model).__mro__)
    section = "".join(
        re.findall(r"^Attributes\n-+\n(.*?)(?=^\w[\w ]*\n-{3,}|\Z)", text, re.MULTILINE | re.DOTALL)
    )
    lines = re.findall(r"^(\w[\w, ]*?)(?: :.*)?$", section, re.MULTILINE)
    documented = {one.strip() for line in lines for one in line.split(",") if one.strip()}
    present = {key for key in vars(model) if key.endswith("_") and not key.startswith("_")}
    assert not present - documented - {"feature_names_in_"}, "attributes that are not described"
    for attribute in documented - SOMETIMES:
        assert hasattr(model, attribute), f"{attribute} is described, and absent"


@pytest.mark.parametrize("name", sorted(FITS))
def test_it_draws_itself_in_a_notebook(name):
    model = FITS[name](getattr(sparsesolve, name))
    assert name in model._repr_html_()
    assert name in repr(model)


@pytest.mark.parametrize("frames", ["pandas", "polars"])
def test_frames_go_in_and_names_come_out(frames):
    library = importlib.import_module(frames)

    def frame(values):
        return library.DataFrame(dict(zip(NAMES, values.T, strict=True)))

    for model in (
        sparsesolve.SketchedLinearRegression(random_state=0).fit(frame(X), Y),
        sparsesolve.BCDRegressor(alpha=0.1).fit(frame(X), Y),
        sparsesolve.CoLiDE(n_starts=1).fit(frame(X)),
        sparsesolve.MatrixCompletion(rank=1, alpha=0.1).fit(frame(GAPS)),
    ):
        assert list(model.feature_names_in_) == NAMES
    completion = sparsesolve.MatrixCompletion(rank=1, alpha=0.1).set_output(transform=frames)
    filled = completion.fit_transform(frame(GAPS))
    assert isinstance(filled, library.DataFrame)
    assert list(filled.columns) == NAMES
    plan = sparsesolve.SinkhornNewtonSparse(reg=0.1).set_output(transform=frames).fit(frame(X), frame(X[:40]))
    moved = plan.transform(frame(X))
    assert isinstance(moved, library.DataFrame)
    assert list(moved.columns) == NAMES
