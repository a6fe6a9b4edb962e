"""A photograph from random combinations of its rows and columns."""

from __future__ import annotations

from functools import partial

import numpy as np

from .row import Stage, TourRow, timed, timed_in_turn

_SIZE, _MEASURED = {True: 24, False: 40}, 0.6
_MAX_ITER = 300


def compressive_image(stage: Stage) -> TourRow:
    """Recover the picture, beside scikit-learn's ARD with the dictionary written out."""
    from sklearn.linear_model import ARDRegression

    from ...datasets import make_compressive_image
    from ...kronecker import KroneckerSBL
    from ...metrics import normalized_mean_squared_error

    stage.report("measuring a photograph")
    size = _SIZE[stage.quick]
    counts = (round(_MEASURED * size),) * 2
    data = make_compressive_image("flower", shape=(size, size), measurements=counts, random_state=0)
    model = KroneckerSBL("mm", max_iter=_MAX_ITER, random_state=0)
    stage.report("compiling the kernels of sparse Bayesian learning")
    seconds = timed(partial(model.fit, data.factors, data.y))[1]
    stage.note(f"Compiling or loading the kernels of sparse Bayesian learning took {seconds:.2g} s before.")
    stage.report("learning, and waiting for scikit-learn's ARD")
    theirs = ARDRegression(fit_intercept=False)
    (_, seconds), (_, their_seconds) = timed_in_turn(
        [partial(model.fit, data.factors, data.y), lambda: theirs.fit(np.kron(*data.factors), data.y)],
        rounds=1,
    )
    errors = [
        normalized_mean_squared_error(data.image_of(found.coef_), data.image) for found in (model, theirs)
    ]
    stage.report("drawing the picture")
    _draw(stage, data, model)
    return TourRow(
        problem=f"photograph, {data.y.size} numbers for {data.image.size} pixels",
        solver=type(model).__name__,
        seconds=seconds,
        reference="scikit-learn ARDRegression",
        reference_seconds=their_seconds,
        certificate=f"evidence's gradient {model.evidence_gradient_:.1e}",
        agreement=f"error of the picture {errors[0]:.3f}, theirs {errors[1]:.3f}",
    )


def _draw(stage: Stage, data, model) -> None:
    from matplotlib.figure import Figure

    from ...plotting import CompletedImageDisplay

    figure = Figure(figsize=(11, 3.6), layout="constrained")
    shortest = data.image_of(np.kron(*(np.linalg.pinv(factor) for factor in data.factors)) @ data.y)
    axes = figure.subplots(1, 3)
    display = CompletedImageDisplay(known=shortest, completed=data.image_of(model.coef_), truth=data.image)
    display.plot(axes)
    axes[0].set_title("shortest solution")
    axes[1].set_title("sparse Bayesian learning")
    stage.save(
        figure,
        "photograph-measured.png",
        "A photograph from fewer measurements than pixels: the shortest solution beside the sparse one.",
    )
