"""Handwritten digits: which pixels tell even numbers from odd ones."""

from __future__ import annotations

import inspect
import warnings
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ...plotting import ConvergenceDisplay
from .row import Stage, TourRow, timed, timed_in_turn

if TYPE_CHECKING:
    from ...coordinate import BCDClassifier

# Weak enough that most pixels that are ever inked count.
_ALPHA = 1e-3
_TARGET = 1e-8
_PEERS = ("liblinear", "saga")
_BLUE, _ORANGE, _GREEN = "#0072B2", "#D55E00", "#009E73"
# liblinear penalises the intercept like a weight of a constant column: of this height, so that it hardly matters.
_CONSTANT = 1e3


class _Problem(NamedTuple):
    """Images as rows, signs of the classes, and the mean of the images of a class minus that of the other."""

    X: np.ndarray
    signs: np.ndarray
    difference: np.ndarray

    @property
    def constant_loss(self) -> float:
        """The loss of the best constant prediction, to which gaps are relative."""
        share = (self.signs > 0).mean()
        return float(-share * np.log(share) - (1 - share) * np.log1p(-share))

    def objective(self, coef: np.ndarray, intercept: float) -> float:
        """Mean logistic loss, and the penalty."""
        margins = self.signs * (self.X @ coef + intercept)
        return float(np.logaddexp(0.0, -margins).mean() + _ALPHA * np.abs(coef).sum())

    def lower_bound(self, theta: np.ndarray) -> float:
        """What no objective is below, from a dual point; the point is made feasible to the last digit."""
        theta = theta - theta.mean()
        theta = theta * min(1.0, _ALPHA / np.abs(self.X.T @ theta).max())
        share = np.clip(theta * self.signs * self.signs.size, 0.0, 1.0)
        with np.errstate(divide="ignore", invalid="ignore"):
            entropy = share * np.log(share) + (1 - share) * np.log1p(-share)
        return float(-np.nan_to_num(entropy).mean())


class _Peer(NamedTuple):
    """What a peer reached at each of its tolerances, from loose to tight, and the first that is good enough."""

    tolerances: list[float]
    seconds: list[float]
    gaps: list[float]

    @property
    def enough(self) -> int | None:
        """The place of the loosest tolerance whose gap meets the target."""
        return next((place for place, gap in enumerate(self.gaps) if gap <= _TARGET), None)


def digits(stage: Stage) -> TourRow:
    """Fit the weights of pixels by l1 logistic regression, with peers at the same true gap."""
    from threadpoolctl import threadpool_limits

    from ...coordinate import BCDClassifier

    stage.report("loading the digits")
    problem = _load()
    model = BCDClassifier(alpha=_ALPHA, tol=_TARGET)
    fit = partial(model.fit, problem.X, problem.signs)
    stage.report("compiling the kernels of logistic regression")
    seconds = timed(fit)[1]
    stage.note(f"Compiling or loading the kernels of logistic regression took {seconds:.2g} s before.")
    proof = BCDClassifier(alpha=_ALPHA, tol=1e-12).fit(problem.X, problem.signs)
    bound = problem.lower_bound(proof.result_.solution.dual_point)

    def true_gap(fitted) -> float:
        value = problem.objective(np.ravel(fitted.coef_), float(np.ravel(fitted.intercept_)[0]))
        return (value - bound) / problem.constant_loss

    with threadpool_limits(1):
        peers = {}
        for name in _PEERS:
            stage.report(f"looking for the loosest tolerance of {name}")
            peers[name] = _ladder(problem, name, true_gap, stage.quick)
        # The faster one of those that get there; their tightest attempt where none does.
        name = min(_PEERS, key=lambda name: _cost(peers[name]))
        place = peers[name].enough
        tolerance = peers[name].tolerances[-1 if place is None else place]
        peer = _scikit_learn(name, tolerance, problem)
        stage.report(f"fitting, and waiting for {name}")
        calls = [fit, partial(_quietly, peer, problem)]
        (_, seconds), (_, peer_seconds) = timed_in_turn(calls, rounds=1 if stage.quick else 5)
    stage.report("drawing the weights")
    _draw_weights(stage, model, problem)
    _draw_convergence(stage, proof, peers)
    stage.note(
        f"The digits: scikit-learn's {name} at tol={tolerance:.0e} has a true gap of {true_gap(peer):.1e}, ours "
        f"{true_gap(model):.1e}; gaps are recomputed from one dual point. Each had one thread."
    )
    coef, other = np.ravel(model.coef_), np.ravel(peer.coef_)
    return TourRow(
        problem=f"digits, {problem.X.shape[0]} x {problem.X.shape[1]}",
        solver=type(model).__name__,
        seconds=seconds,
        reference=f"scikit-learn {name}" + ("" if place is not None else f", gap {true_gap(peer):.0e}"),
        reference_seconds=peer_seconds,
        certificate=f"gap {model.dual_gap_:.1e}",
        agreement=f"{np.count_nonzero(coef)} pixels, weights differ by {np.abs(coef - other).max():.1e}",
    )


def _load() -> _Problem:
    from sklearn.datasets import load_digits

    images, numbers = load_digits(return_X_y=True)
    X = np.asfortranarray(images / 16.0)
    signs = np.where(numbers % 2 == 1, 1.0, -1.0)
    return _Problem(X, signs, X[signs > 0].mean(axis=0) - X[signs < 0].mean(axis=0))


def _scikit_learn(name: str, tolerance: float, problem: _Problem):
    """An l1 logistic regression; releases name the penalty in two ways."""
    from sklearn.linear_model import LogisticRegression

    before = inspect.signature(LogisticRegression).parameters["penalty"].default == "l2"
    penalty: dict[str, object] = {"penalty": "l1"} if before else {"l1_ratio": 1.0}
    return LogisticRegression(
        solver=name,
        C=1.0 / (_ALPHA * problem.signs.size),
        tol=tolerance,
        max_iter=5000,
        random_state=0,
        intercept_scaling=_CONSTANT,
        **penalty,
    )


def _quietly(peer, problem: _Problem):
    """Fit a peer, whose own idea of convergence is not ours."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return peer.fit(problem.X, problem.signs)


def _ladder(problem: _Problem, name: str, true_gap, quick: bool) -> _Peer:
    """Fits at ever tighter tolerances, until one is good enough."""
    peer = _Peer([], [], [])
    for tolerance in 10.0 ** np.arange(-2.0, -7.1, -1.0 if quick else -0.5):
        fitted, seconds = timed(partial(_quietly, _scikit_learn(name, tolerance, problem), problem))
        peer.tolerances.append(tolerance)
        peer.seconds.append(seconds)
        peer.gaps.append(true_gap(fitted))
        if peer.gaps[-1] <= _TARGET:
            break
    return peer


def _cost(peer: _Peer) -> float:
    return np.inf if peer.enough is None else peer.seconds[peer.enough]


def _draw_weights(stage: Stage, model: BCDClassifier, problem: _Problem) -> None:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(12, 3.6), layout="constrained")
    axes = figure.subplots(1, 3)
    examples = np.concatenate([np.flatnonzero(problem.signs == sign)[:8] for sign in (-1.0, 1.0)])
    framed = np.pad(problem.X[examples].reshape(4, 4, 8, 8), [(0, 0), (0, 0), (1, 1), (1, 1)])
    tiles = framed.transpose(0, 2, 1, 3).reshape(40, 40)
    axes[0].imshow(tiles, cmap="gray_r")
    axes[0].set_title("even numbers above, odd ones below")
    coef = np.ravel(model.coef_)
    for ax, values, title in (
        (axes[1], problem.difference, "mean odd number minus mean even one"),
        (axes[2], coef, f"weights, {np.count_nonzero(coef)} of {coef.size} pixels"),
    ):
        limit = np.abs(values).max()
        shown = ax.imshow(values.reshape(8, 8), cmap="RdBu_r", vmin=-limit, vmax=limit)
        figure.colorbar(shown, ax=ax, shrink=0.8)
        ax.set_title(title)
    # Pixels that do not count are crossed out: white would be a weight of nearly zero as well.
    row, column = np.divmod(np.flatnonzero(coef == 0.0), 8)
    axes[2].scatter(column, row, marker="x", color="0.6", s=20)
    for ax in axes:
        ax.set_axis_off()
    stage.save(
        figure,
        "digits-weights.png",
        "Which pixels tell odd digits from even ones; crosses mark pixels whose weight is exactly zero.",
    )


def _draw_convergence(stage: Stage, model: BCDClassifier, peers: dict[str, _Peer]) -> None:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 4.5), layout="constrained")
    ax = figure.subplots()
    ConvergenceDisplay.from_result(
        model, against="time", ax=ax, name="BCDClassifier, each round", color=_BLUE
    )
    for (name, peer), colour, marker in zip(peers.items(), (_ORANGE, _GREEN), "s^", strict=True):
        label = f"scikit-learn {name}, each tolerance"
        ax.plot(peer.seconds, np.maximum(peer.gaps, 1e-17), marker=marker, color=colour, label=label)
    ax.axhline(_TARGET, color="black", linewidth=0.8, linestyle="--", label="target of all")
    ax.set(ylabel="relative duality gap", title="even against odd digits")
    ax.legend()
    stage.save(
        figure,
        "digits-convergence.png",
        "The duality gap over time, recomputed for all from the same dual point.",
    )
