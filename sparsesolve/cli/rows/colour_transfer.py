"""Two photographs: the colours of one, moved onto those of the other."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from .row import Stage, TourRow, timed, timed_in_turn

if TYPE_CHECKING:
    from ...transport import SinkhornNewtonSparse

_TOLERANCE = 1e-9
# In units of the squared distance of colours between 0 and 1: blurs colours that are 0.07 apart. At half of it the
# reference would meet denormal numbers, whose slowness says nothing about the method.
_REG = 0.005
# Seconds after which the reference is stopped, and said to have been.
_PATIENCE = 8.0


class _Reference(NamedTuple):
    """What plain Sinkhorn ends with."""

    plan: np.ndarray
    error: float
    n_sweeps: int


def colour_transfer(stage: Stage) -> TourRow:
    """Fit a plan between samples of pixels, and map all pixels with it."""
    from sklearn.base import clone
    from sklearn.datasets import load_sample_image
    from threadpoolctl import threadpool_limits

    from ...transport import SinkhornNewtonSparse

    stage.report("loading the photographs")
    pictures = [load_sample_image(name) / 255.0 for name in ("china.jpg", "flower.jpg")]
    size = 400 if stage.quick else 1000
    rng = np.random.default_rng(0)
    X, Y = (picture.reshape(-1, 3)[rng.permutation(picture[..., 0].size)[:size]] for picture in pictures)
    model = SinkhornNewtonSparse(reg=_REG, tol=_TOLERANCE)
    stage.report("compiling the kernels of transport")
    seconds = timed(partial(_plan, clone(model), X, Y))[1]
    stage.note(f"Compiling or loading the kernels of transport took {seconds:.2g} s before.")
    stage.report("fitting, and waiting for plain Sinkhorn")
    with threadpool_limits(1):  # products of these sizes are faster with one thread, for everybody
        calls: list[Callable[[], Any]] = [partial(_plan, model, X, Y), partial(_plain_sinkhorn, X, Y)]
        (plan, seconds), (reference, reference_seconds) = timed_in_turn(
            calls, rounds=1 if stage.quick else 3, limit=_PATIENCE
        )
    stage.report("mapping and drawing")
    shown = pictures[0][::4, ::4] if stage.quick else pictures[0]
    moved = model.transform(shown.reshape(-1, 3)).reshape(shown.shape)
    _draw_pictures(stage, [pictures[0], pictures[1], moved])
    _draw_colours(stage, model, X, Y)
    reached = reference.error <= _TOLERANCE
    stage.note(
        f"Plain Sinkhorn did {reference.n_sweeps} sweeps to an error of {reference.error:.0e}; ours stopped at "
        f"{model.marginal_error_:.0e}. Each had one thread."
    )
    distance = np.abs(plan - reference.plan).sum()
    return TourRow(
        problem=f"colours, {size} x {size}",
        solver=model.solver_,
        seconds=seconds,
        reference="numpy Sinkhorn" if reached else f"numpy Sinkhorn, stopped at {reference.error:.0e}",
        reference_seconds=reference_seconds,
        certificate=f"marginal error {model.marginal_error_:.1e}, gap {model.dual_gap_:.1e}",
        agreement=f"plans differ by {distance:.1e}" if reached else "reference not converged",
    )


def _plan(model: SinkhornNewtonSparse, X: np.ndarray, Y: np.ndarray) -> np.ndarray:
    return model.fit(X, Y).result_.solution.dense_plan()


def _plain_sinkhorn(X: np.ndarray, Y: np.ndarray) -> _Reference:
    """The algorithm of the textbooks, from points to a plan, with an error that is looked at every tenth sweep."""
    started = time.perf_counter()
    K = np.exp(-((X[:, None] - Y) ** 2).sum(axis=2) / _REG)
    a, b = np.full(len(X), 1 / len(X)), np.full(len(Y), 1 / len(Y))
    u, v = np.ones(len(X)), np.ones(len(Y))
    n_sweeps, error = 0, np.inf
    while error > _TOLERANCE and (n_sweeps == 0 or time.perf_counter() - started < _PATIENCE):
        for _ in range(10):
            u = a / (K @ v)
            v = b / (K.T @ u)
        n_sweeps += 10
        error = float(np.abs(u * (K @ v) - a).sum())
    return _Reference(u[:, None] * K * v, error, n_sweeps)


def _draw_pictures(stage: Stage, pictures: list[np.ndarray]) -> None:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(12, 3), layout="constrained")
    titles = ("china", "flower", "china in the colours of flower")
    for ax, picture, title in zip(figure.subplots(1, 3), pictures, titles, strict=True):
        ax.imshow(picture.clip(0, 1))
        ax.set_title(title)
        ax.set_axis_off()
    stage.save(
        figure,
        "colour-transfer.png",
        "A photograph in the colours of another one: every pixel goes to the mean of where the plan sends its colour.",
    )


def _draw_colours(stage: Stage, model: SinkhornNewtonSparse, X: np.ndarray, Y: np.ndarray) -> None:
    from matplotlib.figure import Figure

    moved = model.transform(X)
    figure = Figure(figsize=(12, 4.4), layout="constrained")
    axes = figure.subplots(1, 3, sharex=True, sharey=True)
    titles = ("china, and where its colours go", "moved", "flower")
    for ax, colours, title in zip(axes, (X, moved, Y), titles, strict=True):
        ax.scatter(colours[:, 0], colours[:, 1], c=colours.clip(0, 1), s=12, linewidths=0)
        ax.set(title=title, xlabel="red", aspect="equal", facecolor="#EEEEEE")
    some = slice(0, None, max(1, len(X) // 25))
    steps = moved[some] - X[some]
    axes[0].quiver(*X[some, :2].T, *steps[:, :2].T, angles="xy", scale_units="xy", scale=1, width=0.004)
    axes[0].set_ylabel("green")
    stage.save(figure, "colour-clouds.png", "Colours in red and green, and where some of them go.")
