"""What the estimators hand their data to: one face for every way to fit a linear model, at any alpha."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, NamedTuple, Protocol

import numpy as np
import scipy.sparse

from ..backends.opencl import runtime
from ..result import Result
from ..validation import check_count, check_real
from .hinge.solver import solve_hinge
from .linear_models.options import Options
from .linear_models.parameters import check_groups, group_weights, penalty_shares, pose_fit
from .linear_models.solver import solve
from .losses import Loss
from .softmax.solver import PosedMultinomial


class Engine(Protocol):
    """Data, a loss and a penalty of free strength.

    Attributes
    ----------
    coef_shape : tuple of int
        (n_features,), or (n_classes, n_features).
    device_work : float or None
        Entries that a product on a device would read; None for what only a CPU does.
    """

    coef_shape: tuple[int, ...]
    device_work: float | None

    def done(self) -> None:
        """No more answers are asked for."""

    def solve(self, alpha: float, options: Options, start: Any = None, **driving) -> Result:
        """Fit at one alpha, from coefficients and intercept if they are given.

        `driving` may hold ``callback``, ``verbose`` and ``quiet``. The solution has ``coef``, ``intercept``,
        ``objective``, ``dual_gap``, ``support_identified_at`` and ``dual_point``.
        """

    def largest_alpha(self) -> float:
        """The least alpha at which every coefficient is zero; infinity if there is no l1 penalty."""


class InMemory:
    """An engine that has nothing to clear away."""

    device_work: float | None = None

    def done(self) -> None:
        """No more answers are asked for."""


class LinearEngine(InMemory):
    """One number to predict from each sample: working sets."""

    def __init__(self, X, y, loss: Loss, parameters, sample_weight):
        self.coef_shape: tuple[int, ...] = (X.shape[1],)
        self._posed = pose_fit(X, y, loss, parameters, sample_weight)
        self._inner: Any = None
        self._is_on_device = False
        if scipy.sparse.issparse(X) and parameters.penalty != "group":
            self.device_work = float(X.nnz)

    def solve(self, alpha, options, start=None, **driving):
        """Fit at one alpha."""
        if options.choice.name == "opencl" and not self._is_on_device:
            self._posed, self._is_on_device = self._posed.on_device(runtime()), True
        posed = self._posed.scaled(alpha)
        if self._inner is None:  # what it keeps of the data serves every alpha
            self._inner = posed.make_inner(posed.model)
        return solve(posed, options, start, self._inner, **driving)

    def largest_alpha(self):
        """The least alpha at which every coefficient is zero."""
        return self._posed.largest_penalty_factor()


class MultinomialEngine(InMemory):
    """The probabilities of several classes."""

    def __init__(self, X, labels, n_classes: int, parameters, sample_weight):
        if parameters.positive:
            raise ValueError("positive=True is not known to the multinomial loss: leave it at False.")
        self.coef_shape: tuple[int, ...] = (n_classes, X.shape[1])
        groups = check_groups(parameters, X.shape[1])
        if groups is None:
            l1, l2 = penalty_shares(parameters)
            penalty: dict[str, Any] = {"l1": l1, "l2": l2}
        else:
            penalty = {"groups": groups, "strengths": group_weights(parameters.group_weights, len(groups))}
        self._posed = PosedMultinomial(
            X, labels, n_classes, **penalty, sample_weight=sample_weight, fit_intercept=bool(parameters.fit_intercept)
        )  # fmt: skip

    def solve(self, alpha, options, start=None, **driving):
        """Fit at one alpha."""
        return self._posed.solve(alpha, options, start, **driving)

    def largest_alpha(self):
        """The least alpha at which every coefficient is zero."""
        return self._posed.largest_factor()


class HingeEngine(InMemory):
    """The support vector machine, one for each class against the rest where there are more than two."""

    def __init__(self, X, labels, n_classes: int, parameters, sample_weight):
        if parameters.positive or check_groups(parameters, X.shape[1]) is not None:
            raise ValueError("loss='hinge' takes penalty='l2' alone, and no positive=True.")
        if penalty_shares(parameters) != (0.0, 1.0):
            raise ValueError(
                f"penalty={parameters.penalty!r} is not known to loss='hinge': use penalty='l2'."
            )
        self.coef_shape: tuple[int, ...] = (X.shape[1],) if n_classes == 2 else (n_classes, X.shape[1])
        self._X, self._labels, self._n_classes = X, labels, n_classes
        self._common = {"sample_weight": sample_weight, "fit_intercept": bool(parameters.fit_intercept)}

    def solve(self, alpha, options, start=None, **driving):
        """Fit at one alpha."""
        if alpha == 0.0:
            raise ValueError("alpha=0.0: the support vector machine needs a penalty, alpha above 0.")
        if self._n_classes == 2:
            return self._one(1, alpha, options, start, driving)
        starts = [None] * self._n_classes if start is None else list(zip(*start, strict=True))
        return _together(
            [self._one(label, alpha, options, starts[label], driving) for label in range(self._n_classes)]
        )

    def _one(self, label, alpha, options, start, driving):
        signs = np.where(self._labels == label, 1.0, -1.0)
        return solve_hinge(
            self._X, signs, alpha=alpha, options=options, start=start, **self._common, **driving
        )

    def largest_alpha(self):
        """There is none: no coefficient of a ridge is zero."""
        return np.inf


def _together(results: list[Result]) -> Result:
    """Separate problems as one: arrays stacked, the worst of the certificates, and the first status that is bad."""
    solutions = [result.solution for result in results]
    merged = type(solutions[0])(
        coef=np.stack([solution.coef for solution in solutions]),
        intercept=np.array([solution.intercept for solution in solutions]),
        objective=float(sum(solution.objective for solution in solutions)),
        dual_gap=max(solution.dual_gap for solution in solutions),
        support_identified_at=max(solution.support_identified_at for solution in solutions),
        dual_point=np.stack([solution.dual_point for solution in solutions], axis=1),
    )
    worst = next((result for result in results if not result.converged), results[0])
    return replace(
        worst,
        solution=merged,
        n_iter=sum(result.n_iter for result in results),
        certificate={"dual_gap": merged.dual_gap},
        setup_time=sum(result.setup_time for result in results),
        solve_time=sum(result.solve_time for result in results),
    )


class PathSolution(NamedTuple):
    """Answers along a path of penalties.

    Attributes
    ----------
    alphas : ndarray of shape (n_alphas,)
        In descending order.
    coefs : ndarray of shape (n_features, n_alphas) or (n_classes, n_features, n_alphas)
    intercepts : ndarray of shape (n_alphas,) or (n_classes, n_alphas)
    dual_gaps : ndarray of shape (n_alphas,)
        The certificates, one an alpha.
    results : list of Result
    """

    alphas: np.ndarray
    coefs: np.ndarray
    intercepts: np.ndarray
    dual_gaps: np.ndarray
    results: list[Result]


def alpha_grid(engine: Engine, n_alphas: int, ratio: float) -> np.ndarray:
    """Alphas from that at which the first coefficient enters down to `ratio` times it, equal steps in the logarithm."""
    n_alphas = check_count("n_alphas", n_alphas)
    ratio = check_real("ratio", ratio, above=0, below=1)
    largest = engine.largest_alpha()
    if not np.isfinite(largest):
        raise ValueError("alphas=None needs an l1 or group penalty to begin at: give the alphas.")
    if largest == 0.0:  # nothing to fit: every alpha has the same answer
        largest = 1.0
    return largest * np.logspace(0.0, np.log10(ratio), n_alphas)


def choose_alphas(engine: Engine, alphas, n_alphas: int, ratio: float) -> np.ndarray:
    """The given alphas, or the grid that the engine's largest one begins; largest first."""
    return alpha_grid(engine, n_alphas, ratio) if alphas is None else check_alphas(alphas)


def check_alphas(alphas) -> np.ndarray:
    """The alphas, largest first; a ValueError unless they are finite numbers of at least 0."""
    alphas = np.asarray(alphas, dtype=np.float64)
    if alphas.ndim != 1 or alphas.size == 0 or not np.isfinite(alphas).all() or alphas.min() < 0.0:
        raise ValueError(f"alphas={alphas!r} must hold finite numbers of at least 0, at least one of them.")
    return np.sort(alphas)[::-1]


def solve_path(engine: Engine, alphas: np.ndarray, options: Options) -> PathSolution:
    """Fit at every alpha, largest first, each answer the start of the next."""
    start, results = None, []
    for alpha in alphas:
        result = engine.solve(alpha, options, start)
        start = (result.solution.coef, result.solution.intercept)
        results.append(result)
    solutions = [result.solution for result in results]
    return PathSolution(
        alphas,
        np.stack([solution.coef for solution in solutions], axis=-1),
        np.stack([solution.intercept for solution in solutions], axis=-1),
        np.array([solution.dual_gap for solution in solutions]),
        results,
    )
