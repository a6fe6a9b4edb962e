"""A photograph: every pixel's green, predicted from the colours around it."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ...datasets import load_image_regression
from ...metrics import digits_of_agreement
from ...plotting import CoefficientDisplay
from .row import Stage, TourRow, timed, timed_in_turn

if TYPE_CHECKING:
    from ...regression import SketchedLinearRegression

_WINDOW = 8
_COLOURS = ("red", "green", "blue")
_REFERENCE = "numpy.linalg.lstsq"
# Rows of the sketch, as a multiple of the unknowns: enough for error bars that are shorter than the filter is high.
_SKETCH_RATIO = 128


class _Race(NamedTuple):
    """The data, the fitted models, and what numpy answers; each solved in turn with the others."""

    X: np.ndarray
    y: np.ndarray
    shape: tuple[int, int]
    models: dict[str, SketchedLinearRegression]
    reference: np.ndarray
    seconds: dict[str, float]


def accurate(stage: Stage) -> TourRow:
    """Solve to working precision, with the solver that `auto` chooses."""
    race = stage.shared("image regression", lambda: _race(stage))
    model = race.models["auto"]
    stage.report("drawing the prediction")
    _draw_prediction(stage, model.predict(race.X).reshape(race.shape), race.y.reshape(race.shape))
    answer = np.append(model.coef_, model.intercept_)
    digits = digits_of_agreement(answer, race.reference, relative_to="largest")
    return _row(race, "auto", f"backward error {model.backward_error_:.1e}", f"{digits:.1f} digits")


def sketched(stage: Stage) -> TourRow:
    """Solve a sketch alone, with simultaneous error bars."""
    race = stage.shared("image regression", lambda: _race(stage))
    model, exact = race.models["sketch-and-solve"], race.reference[:-1]
    stage.report("drawing the filter")
    _draw_filter(stage, model, exact)
    inside = np.count_nonzero(np.abs(model.coef_ - exact) <= model.coef_error_bound_)
    return _row(
        race,
        "sketch-and-solve",
        f"95 % bound {model.coef_error_bound_.max():.1e}",
        f"{inside} of {exact.size} inside the bars",
    )


def _race(stage: Stage) -> _Race:
    from sklearn.base import clone

    from ...regression import SketchedLinearRegression

    stage.report("loading the photograph")
    X, y, shape = load_image_regression("china", window=_WINDOW, n_image_rows=24 if stage.quick else None)
    with_ones = np.column_stack([X, np.ones(len(X))])  # made before the clock starts, in numpy's favour
    few = slice(0, 16 * X.shape[1])
    size = min(_SKETCH_RATIO * X.shape[1], len(X) // 4)
    models = {
        "auto": SketchedLinearRegression(random_state=0),
        "sketch-and-solve": SketchedLinearRegression(
            solver="sketch-and-solve", sketch_size=size, random_state=0
        ),
    }
    for name, model in models.items():
        stage.report(f"compiling the kernels of solver={name!r}")
        small = clone(model).set_params(sketch_size="auto")
        seconds = timed(partial(small.fit, X[few], y[few]))[1]
        stage.note(f"Compiling or loading the kernels of solver={name!r} took {seconds:.2g} s before.")
    stage.report(f"fitting, and waiting for {_REFERENCE}")
    calls = [*(partial(model.fit, X, y) for model in models.values()), partial(np.linalg.lstsq, with_ones, y)]
    *fits, (answer, reference_seconds) = timed_in_turn(calls, rounds=1 if stage.quick else 3)
    times = {name: seconds for name, (_, seconds) in zip(models, fits, strict=True)}
    return _Race(X, y, shape, models, answer[0], times | {_REFERENCE: reference_seconds})


def _row(race: _Race, name: str, certificate: str, agreement: str) -> TourRow:
    return TourRow(
        problem=f"image, {race.X.shape[0]} x {race.X.shape[1]}",
        solver=race.models[name].solver_,
        seconds=race.seconds[name],
        reference=_REFERENCE,
        reference_seconds=race.seconds[_REFERENCE],
        certificate=certificate,
        agreement=agreement,
    )


def _draw_prediction(stage: Stage, predicted: np.ndarray, original: np.ndarray) -> None:
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
    stage.save(
        figure, "image-prediction.png", "The photograph, and what its neighbours predict of each pixel."
    )


def _draw_filter(stage: Stage, model, reference: np.ndarray) -> None:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(12, 8), layout="constrained")
    axes = figure.subplots(2, 3)
    weights, bounds = _as_windows(model.coef_), _as_windows(model.coef_error_bound_)
    limit = float(np.nanmax(np.abs(weights)))
    for top, bottom, weight, bound, colour in zip(*axes, weights, bounds, _COLOURS, strict=True):
        filter_shown = top.imshow(weight, cmap="RdBu_r", vmin=-limit, vmax=limit)
        top.set_title(f"weights of {colour}")
        bound_shown = bottom.imshow(bound, cmap="viridis", vmin=0, vmax=float(np.nanmax(bounds)))
        bottom.set_title(f"half-widths of the error bars of {colour}")
    for ax in axes.flat:
        ax.set_axis_off()
    figure.colorbar(filter_shown, ax=axes[0], shrink=0.8)
    figure.colorbar(bound_shown, ax=axes[1], shrink=0.8)
    stage.save(
        figure, "image-filter.png", "The weights of the neighbours, and how sure the sketch is of each."
    )

    figure = Figure(figsize=(12, 4.5), layout="constrained")
    display = CoefficientDisplay.from_estimator(
        model, reference=reference, ax=figure.subplots(), label="sketch-and-solve"
    )
    display.ax_.set_title(f"the same weights with simultaneous 95 % error bars, and those of {_REFERENCE}")
    display.ax_.legend()
    stage.save(
        figure,
        "image-coefficients.png",
        "Weights from one sketched pass with their simultaneous error bars, and the exact ones.",
    )


def _as_windows(values: np.ndarray) -> np.ndarray:
    """Put one value for each feature back into its place around the pixel; the pixel's own place stays empty."""
    windows = np.full((len(_COLOURS), _WINDOW**2), np.nan)
    own = (_WINDOW // 2) * (_WINDOW + 1)
    windows[:, np.arange(_WINDOW**2) != own] = values.reshape(len(_COLOURS), -1)
    return windows.reshape(len(_COLOURS), _WINDOW, _WINDOW)
