"""Draws overview.png, the picture of the front page: one fit of each system. `python docs/images/overview.py`."""

from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from PIL import Image
from sklearn.datasets import load_sample_image

from sparsesolve import (
    BCDRegressor,
    CoLiDE,
    KroneckerSBL,
    MatrixCompletion,
    SinkhornNewtonSparse,
    SketchedLinearRegression,
)
from sparsesolve.datasets import make_compressive_image, make_linear_sem
from sparsesolve.plotting import GraphDisplay

BLUE, ORANGE, GREY = "#0072B2", "#D55E00", "#BBBBBB"


def regression(ax):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((100_000, 12))
    y = X @ np.sin(np.arange(12.0)) + 3.0 * rng.standard_normal(100_000)
    exact = SketchedLinearRegression(random_state=0).fit(X, y)
    quick = SketchedLinearRegression(solver="sketch-and-solve", sketch_size=400, random_state=0).fit(X, y)
    ax.errorbar(
        range(12), quick.coef_, quick.coef_error_bound_, fmt="none", ecolor=BLUE, elinewidth=5, alpha=0.35
    )
    ax.plot(exact.coef_, "o", color=ORANGE, markersize=4)
    ax.set(title="least squares: exact, and bars\nfrom a sketch of 100,000 rows to 400", xticks=[])


def transport(ax):
    rng = np.random.default_rng(1)
    angle = np.linspace(0.0, 2.0 * np.pi, 60, endpoint=False)
    X = np.column_stack([np.cos(angle), np.sin(angle)]) + 0.06 * rng.standard_normal((60, 2))
    Y = np.column_stack([3.2 + 0.5 * np.cos(angle), 1.3 * np.sin(angle)]) + 0.06 * rng.standard_normal(
        (60, 2)
    )
    plan = SinkhornNewtonSparse(reg=1e-3).fit(X, Y).plan_.tocoo()
    for i, j, mass in zip(plan.row, plan.col, plan.data * 60, strict=True):
        ax.plot(*np.array([X[i], Y[j]]).T, color=GREY, alpha=min(1.0, mass), linewidth=0.9, zorder=0)
    ax.scatter(*X.T, s=12, color=BLUE)
    ax.scatter(*Y.T, s=12, color=ORANGE)
    ax.set(title="optimal transport:\nwhich point goes where", aspect="equal")
    ax.set_axis_off()


def sparse_model(ax):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((150, 1000))
    y = X[:, :6] @ [3.0, -2.5, 2.0, 1.5, -1.0, 0.8] + rng.standard_normal(150)
    path = BCDRegressor().path(X, y)
    ax.semilogx(path.alphas, path.coefs[6:].T, color=GREY, linewidth=0.6)
    ax.semilogx(path.alphas, path.coefs[:6].T, color=BLUE, linewidth=1.6)
    ax.invert_xaxis()
    ax.set(title="lasso: a whole path, each point\nwith a gap of 1e-10", xticks=[])
    ax.minorticks_off()


def completion(ax):
    picture = load_sample_image("flower.jpg")[::3, ::3].mean(axis=2) / 255.0
    seen = np.random.default_rng(0).random(picture.shape) < 0.4
    model = MatrixCompletion(rank=20, alpha=0.5, bias=True, random_state=0)
    filled = model.fit_transform(np.where(seen, picture, np.nan))
    half = picture.shape[1] // 2
    shown = np.where(seen, picture, 1.0)
    shown[:, half:] = filled[:, half:]
    ax.imshow(shown, cmap="gray", vmin=0.0, vmax=1.0)
    ax.axvline(half, color=ORANGE)
    ax.set(title="completion: left 40 % of the pixels,\nright what they say of the others")
    ax.set_axis_off()


def recovery(ax):
    data = make_compressive_image("china", shape=(64, 64), measurements=(38, 38), snr_db=30.0, random_state=0)
    model = KroneckerSBL("mm", random_state=0).fit(data.factors, data.y)
    found = data.image_of(model.coef_)
    ax.imshow(found, cmap="gray", interpolation="bilinear", vmin=data.image.min(), vmax=data.image.max())
    ax.set(title=f"Kronecker recovery: {found.size} pixels\nfrom {data.y.size} numbers")
    ax.set_axis_off()


def graph(ax):
    data = make_linear_sem(1000, 8, degree=2, random_state=3)
    model = CoLiDE(random_state=0).fit(data.X)
    GraphDisplay.from_estimator(model, ax=ax)
    ax.set(title="causal graph: what acts on what,\nfrom 1000 rows")


def main():
    plt.switch_backend("Agg")
    figure, axes = plt.subplots(2, 3, figsize=(10.5, 6.6), layout="constrained")
    panels = (regression, transport, sparse_model, completion, recovery, graph)
    for ax, panel in zip(axes.flat, panels, strict=True):
        panel(ax)
        ax.title.set_fontsize(11)
        ax.spines[["top", "right"]].set_visible(False)
    target = Path(__file__).with_name("overview.png")
    figure.savefig(target, dpi=100)
    with Image.open(target) as picture:
        small = picture.convert("RGB").quantize(96)
    small.save(target, optimize=True)


if __name__ == "__main__":
    main()
