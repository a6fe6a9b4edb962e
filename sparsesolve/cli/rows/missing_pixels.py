"""A photograph with half of its pixels missing."""

from __future__ import annotations

from functools import partial

import numpy as np

from .row import Stage, TourRow, timed, timed_in_turn

_MISSING = 0.5
_RANK, _ALPHA, _TOL = 30, 0.3, 1e-3
_NEIGHBOURS = 10


def missing_pixels(stage: Stage) -> TourRow:
    """Complete the picture, and compare the error at the gaps with that of scikit-learn's nearest neighbours."""
    from sklearn.datasets import load_sample_image
    from sklearn.impute import KNNImputer

    from ...completion import MatrixCompletion
    from ...datasets.completion import mask_image

    stage.report("taking pixels away")
    step = 4 if stage.quick else 2
    holes = mask_image(load_sample_image("flower.jpg")[::step, ::step], missing=_MISSING, random_state=0)
    gaps = np.isnan(holes.X)
    model = MatrixCompletion(_RANK, alpha=_ALPHA, bias=True, tol=_TOL, random_state=0)
    stage.report("compiling the kernels of completion")
    seconds = timed(partial(model.fit, holes.X))[1]
    stage.note(f"Compiling or loading the kernels of completion took {seconds:.2g} s before.")
    stage.report("completing, and waiting for the nearest neighbours")
    neighbours = KNNImputer(n_neighbors=_NEIGHBOURS)
    (filled, seconds), (theirs, their_seconds) = timed_in_turn(
        [partial(model.fit_transform, holes.X), partial(neighbours.fit_transform, holes.X)],
        rounds=1 if stage.quick else 3,
    )
    error, their_error = (float(np.sqrt(np.mean((X - holes.image)[gaps] ** 2))) for X in (filled, theirs))
    stage.report("drawing the picture")
    _draw(stage, holes, filled)
    return TourRow(
        problem=f"photograph, {holes.X.shape[0]} x {holes.X.shape[1]}, {_MISSING:.0%} missing",
        solver=type(model).__name__,
        seconds=seconds,
        reference="scikit-learn KNNImputer",
        reference_seconds=their_seconds,
        certificate=f"gradient {model.gradient_norm_:.1e}",
        agreement=f"error at the gaps {error:.3f}, theirs {their_error:.3f}",
    )


def _draw(stage: Stage, holes, filled: np.ndarray) -> None:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(12, 3), layout="constrained")
    views = {"known": np.nan_to_num(holes.X, nan=1.0), "completed": filled, "true": holes.image}
    for ax, (title, view) in zip(figure.subplots(1, 3), views.items(), strict=True):
        ax.imshow(np.clip(view.reshape(holes.shape), 0.0, 1.0))
        ax.set_title(title)
        ax.set_axis_off()
    stage.save(figure, "photograph-completed.png", "The photograph with gaps, and completed.")
