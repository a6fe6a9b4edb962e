"""A photograph: every pixel's green, predicted from the colours around it."""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

import numpy as np

from ...datasets import load_image_regression
from ...metrics import digits_of_agreement
from ...plotting import CoefficientDisplay
from .row import Stage, TourRow, timed

_WINDOW = 8
_CHANNELS = ("red", "green", "blue")
_REPEATS = 5
# Rows of the sketch, as a multiple of the unknowns: enough for error bars that are shorter than the filter is high.
_SKETCH_RATIO = 128


class Reference(NamedTuple):
    """What `numpy.linalg.lstsq` answers, and how long it takes."""

    coef: np.ndarray
    intercept: float
    seconds: float


def accurate(stage: Stage) -> TourRow:
    """Solve to working precision, with the solver that `auto` chooses."""
    X, y, shape = _problem(stage)
    model, seconds = _fit(stage, X, y, solver="auto")
    reference = _reference(stage)
    stage.report("drawing the prediction")
    _draw_prediction(stage, model.predict(X).reshape(shape), y.reshape(shape))
    answer = np.append(model.coef_, model.intercept_)
    digits = digits_of_agreement(
        answer, np.append(reference.coef, reference.intercept), relative_to="largest"
    )
    return _row(
        X,
        model,
        seconds,
        reference,
        certificate=f"backward error {model.backward_error_:.1e}",
        agreement=f"{digits:.1f} digits",
    )


def sketched(stage: Stage) -> TourRow:
    """Solve a sketch alone, with simultaneous error bars."""
    X, y, _ = _problem(stage)
    size = min(_SKETCH_RATIO * X.shape[1], X.shape[0] // 4)
    model, seconds = _fit(stage, X, y, solver="sketch-and-solve", sketch_size=size)
    reference = _reference(stage)
    stage.report("drawing the filter")
    _draw_filter(stage, model, reference.coef)
    inside = np.abs(model.coef_ - reference.coef) <= model.coef_error_bound_
    return _row(
        X,
        model,
        seconds,
        reference,
        certificate=f"95 % bound {model.coef_error_bound_.max():.1e}",
        agreement=f"{np.count_nonzero(inside)} of {inside.size} inside the bars",
    )


@cache
def _load(quick: bool):
    return load_image_regression("china", window=_WINDOW, n_image_rows=64 if quick else None)


def _problem(stage: Stage):
    stage.report("loading the photograph")
    return _load(stage.quick)


_references: dict[bool, Reference] = {}


def _reference(stage: Stage) -> Reference:
    """Solve with numpy, once for all rows. The column of ones is made before the clock starts."""
    if stage.quick not in _references:
        X, y, _ = _load(stage.quick)
        stage.report("waiting for numpy.linalg.lstsq")
        A = np.column_stack([X, np.ones(len(X))])
        coef, seconds = timed(lambda: np.linalg.lstsq(A, y)[0])
        _references[stage.quick] = Reference(coef[:-1], coef[-1], seconds)
    return _references[stage.quick]


def _fit(stage: Stage, X, y, **options):
    from ...regression import SketchedLinearRegression

    model = SketchedLinearRegression(random_state=0, **options)
    name = options["solver"]
    stage.report(f"compiling for solver={name!r}")
    small = 16 * _WINDOW**2 * len(_CHANNELS)
    few = options | {"sketch_size": "auto"}
    seconds = timed(lambda: model.set_params(**few).fit(X[:small], y[:small]))[1]
    stage.notes.append(
        f"Compiling (or loading) the kernels of solver={name!r}: {seconds:.2g} s, not counted above."
    )
    model.set_params(**options)
    stage.report(f"fitting with solver={name!r}")
    return timed(lambda: model.fit(X, y), _REPEATS)


def _row(X, model, seconds, reference, *, certificate, agreement) -> TourRow:
    return TourRow(
        problem=f"image, {X.shape[0]} x {X.shape[1]}",
        solver=model.solver_,
        seconds=seconds,
        reference="numpy.linalg.lstsq",
        reference_seconds=reference.seconds,
        certificate=certificate,
        agreement=agreement,
    )


def _draw_prediction(stage: Stage, predicted, original) -> None:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(12, 3.2), layout="constrained")
    axes = figure.subplots(1, 3)
    axes[0].imshow(original, cmap="gray", vmin=0, vmax=1)
    axes[0].set_title("green channel")
    axes[1].imshow(predicted, cmap="gray", vmin=0, vmax=1)
    axes[1].set_title("predicted from the colours around each pixel")
    residual = original - predicted
    limit = float(np.quantile(np.abs(residual), 0.99))
    shown = axes[2].imshow(residual, cmap="RdBu", vmin=-limit, vmax=limit)
    axes[2].set_title("residual")
    figure.colorbar(shown, ax=axes[2], shrink=0.8)
    for ax in axes:
        ax.set_axis_off()
    stage.save(figure, "image-prediction.png")


def _draw_filter(stage: Stage, model, reference) -> None:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(12, 9), layout="constrained")
    axes = figure.subplots(2, 3)
    weights, bounds = _as_windows(model.coef_), _as_windows(model.coef_error_bound_)
    limit = float(np.nanmax(np.abs(weights)))
    for top, bottom, weight, bound, colour in zip(*axes, weights, bounds, _CHANNELS, strict=True):
        filter_shown = top.imshow(weight, cmap="RdBu_r", vmin=-limit, vmax=limit)
        top.set_title(f"weights of {colour}")
        bound_shown = bottom.imshow(bound, cmap="viridis", vmin=0, vmax=float(np.nanmax(bounds)))
        bottom.set_title(f"half-widths of the error bars of {colour}")
    figure.colorbar(filter_shown, ax=axes[0], shrink=0.8)
    figure.colorbar(bound_shown, ax=axes[1], shrink=0.8)
    stage.save(figure, "image-filter.png")

    figure = Figure(figsize=(12, 4.5), layout="constrained")
    display = CoefficientDisplay.from_estimator(
        model, reference=reference, ax=figure.subplots(), label="sketch"
    )
    display.ax_.set_title(
        "the same weights with simultaneous 95 % error bars, and those of numpy.linalg.lstsq"
    )
    stage.save(figure, "image-coefficients.png")


def _as_windows(values) -> np.ndarray:
    """Put the values of one array for each feature back into their places around the pixel, which stays empty."""
    windows = np.full((len(_CHANNELS), _WINDOW**2), np.nan)
    own = (_WINDOW // 2) * (_WINDOW + 1)
    windows[:, np.arange(_WINDOW**2) != own] = values.reshape(len(_CHANNELS), -1)
    return windows.reshape(len(_CHANNELS), _WINDOW, _WINDOW)
