"""The same sparse linear models in cvxpy and here, side by side: every loss with every penalty.

Each problem is written down in cvxpy as on paper, and solved by Clarabel, a general solver for convex problems. Each
estimator is fitted with an intercept and weights, and without. Models without an estimator of their own run in
`block_coordinate_descent`. Exits with code 1 if an objective, computed from the coefficients by plain numpy, differs by
more than 1e-7 of the objective at zero.
"""

from __future__ import annotations

import itertools
import sys
import time

import numpy as np

from sparsesolve import BCDClassifier, BCDRegressor
from sparsesolve.coordinate import (
    LeastSquares,
    Logistic,
    Multinomial,
    Poisson,
    SVMDual,
    block_coordinate_descent,
)
from sparsesolve.prox import L1, Box, ElasticNet, GroupL2
from sparsesolve.reference import coordinate as reference
from sparsesolve.reference.coordinate import Penalty

TOLERANCE = 1e-7
N_SAMPLES, N_FEATURES, N_CLASSES = 60, 12, 3
GROUPS = [np.array([0, 3]), np.array([1]), np.array([2, 4, 5, 6]), np.array([7, 8, 9, 10, 11])]
GROUP_WEIGHTS = np.array([1.0, 2.0, 0.5, 1.5])
ALPHA = 0.05

# Each penalty for cvxpy, and the parameters that mean the same to the estimators.
PENALTIES = {
    "none": (Penalty("none"), {"penalty": "none"}),
    "non-negative": (Penalty("none", positive=True), {"penalty": "none", "positive": True}),
    "l1": (Penalty("l1", ALPHA), {"penalty": "l1"}),
    "l1, non-negative": (Penalty("l1", ALPHA, positive=True), {"penalty": "l1", "positive": True}),
    "elastic net": (
        Penalty("elastic-net", ALPHA, 0.3),
        {"penalty": "elastic-net", "l1_ratio": 0.3},
    ),
    "elastic net, non-negative": (
        Penalty("elastic-net", ALPHA, 0.3, positive=True),
        {"penalty": "elastic-net", "l1_ratio": 0.3, "positive": True},
    ),
    "ridge": (Penalty("elastic-net", ALPHA, 0.0), {"penalty": "elastic-net", "l1_ratio": 0.0}),
    "group": (
        Penalty("group", ALPHA, groups=GROUPS, weights=GROUP_WEIGHTS),
        {"penalty": "group", "groups": GROUPS, "group_weights": GROUP_WEIGHTS},
    ),
}
BOX = Penalty("box", lower=-0.2, upper=np.linspace(0.1, 0.6, N_FEATURES))


def data(loss, weighted=False):
    """A design, targets, and weights, a fifth of them 0."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((N_SAMPLES, N_FEATURES)) + 0.2
    z = X[:, :4] @ [1.0, -0.8, 0.5, 0.3] + 0.4
    y = {
        "squared": lambda: z + rng.standard_normal(N_SAMPLES),
        "logistic": lambda: np.where(z + 2.0 * rng.standard_normal(N_SAMPLES) > 0.0, 1.0, -1.0),
        "poisson": lambda: rng.poisson(np.exp(0.5 * z)).astype(np.float64),
        "multinomial": lambda: rng.permutation(np.arange(N_SAMPLES) % N_CLASSES),
    }[loss]()
    weights = rng.random(N_SAMPLES) * (rng.random(N_SAMPLES) < 0.8) if weighted else None
    return X, y, weights


def estimator(loss, name, plain):
    """A linear model without intercept and weights if it is plain, else with both."""
    X, y, weights = data(loss, not plain)
    penalty, parameters = PENALTIES[name]
    options = {"alpha": ALPHA, "fit_intercept": not plain, "tol": 1e-10, **parameters}

    def theirs():
        return reference.linear_model(
            X, y, loss=loss, penalty=penalty, sample_weight=weights, fit_intercept=not plain
        ).objective

    def ours():
        model = BCDClassifier(**options) if loss == "logistic" else BCDRegressor(loss=loss, **options)
        model.fit(X, y, sample_weight=weights)
        return reference.objective(
            X,
            y,
            np.ravel(model.coef_),
            float(np.ravel(model.intercept_)[0]),
            loss=loss,
            penalty=penalty,
            sample_weight=weights,
        )

    start = reference.objective(
        X, y, np.zeros(N_FEATURES), loss=loss, penalty=PENALTIES["none"][0], sample_weight=weights
    )
    return theirs, ours, start


def descent(problem):
    """The coordinates that the laboratory ends with."""
    updates = {"update": "prox-newton", "selection": "gsd", "block_size": 40}
    return block_coordinate_descent(problem, **updates, max_iter=20_000, tol=1e-11).solution.coef


def box(loss):
    """Bounds on each coefficient, in the laboratory, whose objective is a sum over the samples."""
    X, y, _ = data(loss)
    make = {"squared": LeastSquares, "logistic": Logistic, "poisson": Poisson}[loss]
    bounds = Box(np.full(N_FEATURES, BOX.lower), np.asarray(BOX.upper))

    def ours():
        return reference.objective(X, y, descent(make(X, y, bounds)), loss=loss, penalty=BOX)

    start = reference.objective(X, y, np.zeros(N_FEATURES), loss=loss, penalty=BOX)
    return lambda: reference.linear_model(X, y, loss=loss, penalty=BOX).objective, ours, start


# Penalties of the laboratory for the multinomial loss, whose coordinate j n_classes + c is that of feature j, class c.
_ROWS = [(group[:, None] * N_CLASSES + np.arange(N_CLASSES)).ravel() for group in GROUPS]
MULTINOMIAL = {
    "l1": lambda: L1(N_SAMPLES * ALPHA),
    "elastic net": lambda: ElasticNet(N_SAMPLES * ALPHA, 0.3),
    "ridge": lambda: ElasticNet(N_SAMPLES * ALPHA, 0.0),
    "group": lambda: GroupL2(N_SAMPLES * ALPHA, _ROWS, GROUP_WEIGHTS),
}


def multinomial(name):
    """Three classes, in the laboratory."""
    X, y, _ = data("multinomial")
    penalty = PENALTIES[name][0]

    def ours():
        coef = descent(Multinomial(X, y, MULTINOMIAL[name]())).reshape(-1, N_CLASSES).T
        return reference.multinomial_gap(X, y, coef, penalty=penalty).primal

    theirs = reference.linear_model
    return lambda: theirs(X, y, loss="multinomial", penalty=penalty).objective, ours, np.log(N_CLASSES)


def support_vectors():
    """The dual with bounds from 0 to C; both objectives are of its minimisation."""
    X, y, _ = data("logistic")

    def ours():
        gap = reference.svm_gap(X, y, descent(SVMDual(X, y, 0.5)), 0.5)
        return -gap.dual

    return lambda: reference.svm_dual(X, y, 0.5).objective, ours, 0.5 * N_SAMPLES


def timed(solve):
    """Return the median of three times, after a first call that may compile, and the answer."""
    seconds = []
    for _ in range(4):
        start = time.perf_counter()
        answer = solve()
        seconds.append(time.perf_counter() - start)
    return np.median(seconds[1:]), answer


def problems():
    """Names, and what makes the two solvers and the objective at zero."""
    for loss, name, plain in itertools.product(("squared", "logistic", "poisson"), PENALTIES, (True, False)):
        extra = "" if plain else ", intercept, weights"
        yield f"{loss}, {name}{extra}", lambda loss=loss, name=name, plain=plain: estimator(loss, name, plain)
    for loss in ("squared", "logistic", "poisson"):
        yield f"{loss}, box", lambda loss=loss: box(loss)
    for name in MULTINOMIAL:
        yield f"multinomial, {name}", lambda name=name: multinomial(name)
    yield "support vectors' dual", support_vectors


def main() -> int:
    agree = True
    print(f"{'problem':54s} {'difference':>10s} {'cvxpy':>10s} {'here':>10s}")
    for name, make in problems():
        theirs, ours, start = make()
        their_time, their_objective = timed(theirs)
        our_time, our_objective = timed(ours)
        difference = abs(our_objective - their_objective) / start
        good = difference <= TOLERANCE
        agree = agree and good
        verdict = "" if good else f"   above {TOLERANCE:.0e}"
        print(f"{name:54s} {difference:10.1e} {1e3 * their_time:7.1f} ms {1e3 * our_time:7.1f} ms{verdict}")
    return 0 if agree else 1


if __name__ == "__main__":
    sys.exit(main())
