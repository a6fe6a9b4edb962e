"""The estimators under contract: a system adds itself by one entry in `ENTRIES`."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from sparsesolve.reference import naive
from sparsesolve.reference import regression as twins
from sparsesolve.regression import SampledLeastSquares, SketchedLinearRegression

EPS = np.finfo(np.float64).eps


@dataclass(frozen=True)
class Entry:
    """What the contract suite needs to know of an estimator.

    Attributes
    ----------
    make : callable
        Keyword parameters to an estimator.
    problem : callable
        ``problem(rng, n_rows=...)`` gives X and y of a well-posed problem; without n_rows one that is large
        enough for the fast engines.
    answer : callable
        A fitted estimator to a flat array: what "equals" is asked of.
    claimed : callable
        A fitted estimator to the value of its certificate.
    recomputed : callable
        ``recomputed(model, X, y, weights)``: the certificate by naive code.
    twin : callable
        ``twin(model, X, y, weights)``: the answer by cvxpy.
    scaled : callable
        ``scaled(answer, x, y)``: the answer that the maths gives for X * x and y * y; x may be a row of factors.
    chosen : callable
        ``chosen(model, X, y)``: the documented answer where many are as good, exactly.
    stalls : mapping
        Parameters under which a fit cannot converge in one iteration, nor ever reach its tolerance.
    accuracy : float
        Relative agreement that is asked where two answers should be equal but for rounding.
    """

    name: str
    make: Callable[..., Any]
    problem: Callable[..., tuple[np.ndarray, np.ndarray]]
    answer: Callable[[Any], np.ndarray]
    claimed: Callable[[Any], float]
    recomputed: Callable[..., float]
    twin: Callable[..., np.ndarray]
    scaled: Callable[..., np.ndarray]
    chosen: Callable[..., np.ndarray]
    stalls: dict = field(default_factory=dict)
    accuracy: float = 1e-10


def _problem(rng, n_rows=8000, n_columns=9):
    X = rng.standard_normal((n_rows, n_columns))
    y = X @ rng.standard_normal(n_columns) + 2.0 + 0.5 * rng.standard_normal(n_rows)
    return X, y


def _answer(model):
    return np.append(model.coef_, model.intercept_)


def _augmented(model, X, y, weights=None):
    return naive.augmented(X, y, alpha=model.alpha, weights=weights, fit_intercept=model.fit_intercept)


def _recomputed(model, X, y, weights=None):
    matrix, targets = _augmented(model, X, y, weights)
    return naive.backward_error(matrix, targets, _answer(model)[: matrix.shape[1]])


def _twin(model, X, y, weights=None):
    twin = twins.least_squares(X, y, model.alpha, weights, model.fit_intercept)
    return np.append(twin.coef, twin.intercept)


def _scaled(answer, x, y):
    return np.append(answer[:-1] / x, answer[-1]) * y


def _chosen(model, X, y):
    """Least norm of the coefficients, the intercept free: the centred problem, in rational arithmetic."""
    X, y = np.asarray(X, dtype=np.float64), np.asarray(y, dtype=np.float64)
    if not model.fit_intercept:
        return np.append(naive.minimum_norm_solution(X, y), 0.0)
    return naive.minimum_norm_affine_solution(X, y)


def _least_squares(name, **parameters):
    return Entry(
        name=name,
        make=lambda **more: SketchedLinearRegression(**(parameters | more)),
        problem=_problem,
        answer=_answer,
        claimed=lambda model: model.backward_error_,
        recomputed=_recomputed,
        twin=_twin,
        scaled=_scaled,
        chosen=_chosen,
        stalls={"tol": 0.0, "solver": "spir"},
    )


ENTRIES = [
    _least_squares("SketchedLinearRegression"),
    _least_squares("SketchedLinearRegression-origin", fit_intercept=False),
]

#: Estimators that must pass scikit-learn's own checks, each with no expected failure.
CHECKED = [
    SketchedLinearRegression(),
    SketchedLinearRegression(alpha=0.5),
    *(
        SketchedLinearRegression(solver=solver)
        for solver in ("gram", "cqrrt", "spir", "fossils", "sketch-and-solve", "direct")
    ),
    *(
        SampledLeastSquares(method=method, random_state=0)
        for method in ("determinantal", "leveraged-volume", "volume", "leverage")
    ),
]
