"""Sparse linear models and label propagation against named peers: `python benchmarks/coordinate.py --quick`.

Everybody has one thread. An answer counts when its duality gap, computed here from the data by plain formulas, is at
most 1e-8 of the objective at zero. Each peer gets the loosest of its tolerances that achieves it, looked for before the
clock runs; one that does not get there is shown with its tightest tolerance, the gap that it reached, and no verdict.
The full form takes about an hour; the sections can be run one by one.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import scipy.optimize
import scipy.sparse
import scipy.sparse.linalg
import sklearn.linear_model
import sklearn.svm
from common import Report, Timing, run_sections

import sparsesolve
from sparsesolve.datasets import coordinate as made
from sparsesolve.datasets import graphs
from sparsesolve.reference import coordinate as naive

try:
    import celer
except ImportError:
    celer = None
try:
    import skglm
    import skglm.datafits
    import skglm.penalties
    import skglm.solvers
except ImportError:
    skglm = None
try:
    import adelie
except ImportError:
    adelie = None
try:
    import pyamg
except ImportError:
    pyamg = None

PACKAGES = ("numpy", "scipy", "numba", "scikit-learn", "skglm", "celer", "adelie", "pyamg")
TARGET = 1e-8
# What peers may take as their tolerance, of whatever each of them measures.
TOLERANCES = 10.0 ** -np.arange(1.0, 15.0)
# Seconds of all laps of a peer, and of the search for its tolerance.
PATIENCE, SEARCH = 20.0, 60.0
SEED = 100

SLOW_TOO = ("skglm", "celer", "scikit-learn", "adelie")

Solve = Callable[[float], np.ndarray]


class Entry(NamedTuple):
    """A candidate that is ready for a race."""

    run: Callable[[], object]
    tolerance: float
    gap: float

    @property
    def reached(self) -> bool:
        """Whether the gap is within the target."""
        return self.gap <= TARGET


class Problem(NamedTuple):
    """What a race is about: `gap` judges an answer, `ours` and `peers` make one from a tolerance."""

    label: str
    gap: Callable[[np.ndarray], float]
    ours: Solve | None
    peers: dict[str, Solve]
    bar: float | None = None


def ready(solve: Solve, gap, seconds: float) -> Entry:
    """Find the loosest tolerance, to half a decade, with which a candidate gets there; the first run may compile."""
    solve(TOLERANCES[0])
    start = time.perf_counter()
    for tolerance in TOLERANCES:
        reached = gap(solve(tolerance))
        if reached <= TARGET or time.perf_counter() - start > seconds:
            break
    if reached <= TARGET:
        looser = np.sqrt(10.0) * tolerance
        loosely = gap(solve(looser))
        if loosely <= TARGET:
            tolerance, reached = looser, loosely
    return Entry(lambda: solve(tolerance), float(tolerance), float(reached))


def patient_race(candidates, laps) -> dict[str, Timing]:
    """Time candidates in turns; all of them are warm, and a slow one runs fewer laps, at least one."""
    seconds: dict[str, list[float]] = {name: [] for name in candidates}
    for _ in range(laps):
        for name, run in candidates.items():
            if sum(seconds[name]) < PATIENCE:
                start = time.perf_counter()
                run()
                seconds[name].append(time.perf_counter() - start)
    return {name: Timing(float(np.median(one)), min(one), max(one)) for name, one in seconds.items()}


def table(report: Report, title: str, problems, options) -> None:
    """Race on each problem, and write a row for each candidate; the bar is for the best peer that gets there."""
    report.table(
        title,
        *("problem", "who", "time", "ratio to ours", "bar", "", "tolerance", "gap"),
    )
    for problem in problems:
        _rows(report, problem, options)


def _rows(report, problem, options):
    seconds = 5.0 if options.quick else SEARCH
    entries = {}
    if problem.ours is not None:
        problem.ours(TARGET)
        own_gap = problem.gap(problem.ours(TARGET))
        entries[""] = Entry(lambda: problem.ours(TARGET), TARGET, own_gap)
    for name, solve in problem.peers.items():
        entries[name] = ready(solve, problem.gap, seconds)
    times = patient_race({name: entry.run for name, entry in entries.items()}, options.laps)
    there = [name for name, entry in entries.items() if name and entry.reached]
    best = min(there, key=lambda name: times[name].median, default=None)
    for name, entry in entries.items():
        ratio = times[name].median / times[""].median if "" in times else np.nan
        judged = "" in entries and name == best and problem.bar is not None
        verdict = report.verdict(ratio >= problem.bar, of_size=True) if judged else ""
        if name == "":
            verdict = report.verdict(entry.reached)
        report.row(
            problem.label,
            name or "here",
            times[name],
            "" if name == "" or "" not in times else f"**{ratio:.2f}**" if name == best else f"{ratio:.2f}",
            problem.bar if judged else "",
            verdict if entry.reached or name == "" else "did not get there",
            f"{entry.tolerance:.0e}",
            f"{entry.gap:.1e}",
        )


def largest_alpha(X, y) -> float:
    """The least alpha at which all coefficients are 0, without an intercept."""
    return float(np.abs(X.T @ y).max() / len(y))


def lasso_peers(
    X, y, alpha, *, wanted=("skglm", "celer", "scikit-learn", "adelie"), positive=False
) -> dict[str, Solve]:
    """1/2 mean squared error + alpha |w|, no intercept."""
    size = largest_alpha(X, y)
    common = {"alpha": alpha, "fit_intercept": False, "positive": positive}
    peers: dict[str, Solve] = {}
    if skglm is not None:
        # Its tolerance is of the largest violated condition, so in the units of alpha.
        peers["skglm"] = lambda tol: (
            skglm.Lasso(**common, tol=tol * size, max_iter=500, max_epochs=100_000).fit(X, y).coef_
        )
    if celer is not None:
        peers["celer"] = lambda tol: celer.Lasso(**common, tol=tol, max_iter=500).fit(X, y).coef_
    peers["scikit-learn"] = lambda tol: (
        sklearn.linear_model.Lasso(**common, tol=tol, max_iter=20_000).fit(X, y).coef_
    )
    if adelie is not None and not positive:
        peers["adelie"] = adelie_solver(X, lambda: adelie.glm.gaussian(y=y), size, alpha)
    return {name: peers[name] for name in wanted if name in peers}


def adelie_solver(X, glm, largest, alpha, groups=None, penalty=None) -> Solve:
    """Its screening needs a path; a short one does. Its tolerance is of squares."""
    matrix = adelie.matrix.sparse(X, method="naive", n_threads=1) if scipy.sparse.issparse(X) else X
    path = (
        np.geomspace(largest, alpha, max(2, round(10 * np.log10(largest / alpha))))
        if largest > alpha
        else [alpha]
    )

    def solve(tol):
        state = adelie.grpnet(
            matrix,
            glm(),
            groups=groups,
            penalty=penalty,
            lmda_path=np.asarray(path),
            tol=tol * tol,
            irls_tol=tol * tol,
            intercept=False,
            early_exit=False,
            progress_bar=False,
            n_threads=1,
        )
        return state.betas[-1].toarray().ravel()

    return solve


def lasso_problem(label, X, y, alpha, bar, wanted=("skglm", "celer", "adelie")) -> Problem:
    model = own("BCDRegressor")
    return Problem(
        label,
        lambda coef: naive.lasso_gap(X, y, coef, alpha).relative,
        model and (lambda tol: model(alpha=alpha, fit_intercept=False, tol=tol).fit(X, y).coef_),
        lasso_peers(X, y, alpha, wanted=wanted),
        bar,
    )


def own(name):
    """A public class of the package, or None where it is not there."""
    return getattr(sparsesolve, name, None)


def text_of(options, seed=SEED) -> made.TextData:
    if options.quick:
        return made.make_text_regression(2000, 6000, n_nonzero=100, random_state=seed)
    return made.make_text_regression(20_000, 47_000, random_state=seed)


def matrix_of(X):
    """The older interface, which some peers need."""
    return scipy.sparse.csc_matrix(X)


def text(report: Report, options) -> None:
    """Lasso on text-like data."""
    data = text_of(options)
    X, y = matrix_of(data.X), data.y
    size = largest_alpha(X, y)
    problems = [
        lasso_problem(f"{X.shape[0]} x {X.shape[1]}, /{part}", X, y, size / part, bar)
        for part, bar in ((10, 6), (100, 3))
    ]
    table(report, "Lasso, text", problems, options)


def dense(report: Report, options) -> None:
    """Lasso on dense data, correlation 0.5."""
    shape = (200, 2000) if options.quick else (1000, 20_000)
    X, y, _ = made.make_dense_lasso(*shape, random_state=SEED)
    size = largest_alpha(X, y)
    problems = [
        lasso_problem(f"{shape[0]} x {shape[1]}, /{part}", X, y, size / part, bar, SLOW_TOO)
        for part, bar in ((10, 2), (100, 4))
    ]
    table(report, "Lasso, dense, correlation 0.5", problems, options)


def degenerate(report: Report, options) -> None:
    """Lasso with duplicated, negated and zero columns and wild scales."""
    shape = (200, 3000) if options.quick else (1000, 30_000)
    X, y, _ = made.make_degenerate_lasso(*shape, random_state=SEED)
    size = largest_alpha(X, y)
    problems = [
        lasso_problem(f"{shape[0]} x {shape[1]}, /{part}", X, y, size / part, 3.5) for part in (10, 100)
    ]
    table(report, "Lasso, duplicated, negated and zero columns of wild scales", problems, options)


def correlated(report: Report, options) -> None:
    """Lasso with strongly correlated columns and a small penalty."""
    shape = (200, 1000) if options.quick else (1000, 5000)
    problems = []
    for correlation in (0.95, 0.99):
        X, y, _ = made.make_dense_lasso(*shape, correlation=correlation, random_state=SEED)
        label = f"{shape[0]} x {shape[1]}, correlation {correlation}, /1000"
        problems.append(lasso_problem(label, X, y, largest_alpha(X, y) / 1000, 2))
    table(report, "Lasso, correlated columns", problems, options)


def logistic(report: Report, options) -> None:
    """Sparse logistic regression on text-like data."""
    data = text_of(options)
    X, y = matrix_of(data.X), data.labels
    size = 0.5 * largest_alpha(X, y)
    problems = [
        logistic_problem(f"{X.shape[0]} x {X.shape[1]}, /{part}", X, y, size, size / part, 3)
        for part in (10, 100)
    ]
    table(report, "Sparse logistic regression, text", problems, options)


def logistic_problem(label, X, y, size, alpha, bar) -> Problem:
    C = 1.0 / (alpha * len(y))
    peers: dict[str, Solve] = {}
    if skglm is not None:
        peers["skglm"] = lambda tol: np.ravel(
            skglm.SparseLogisticRegression(
                alpha=alpha, tol=tol * size, fit_intercept=False, max_iter=500, max_epochs=100_000
            )
            .fit(X, y)
            .coef_
        )
    if celer is not None:
        peers["celer"] = lambda tol: np.ravel(
            celer.LogisticRegression(C=C, tol=tol, fit_intercept=False, max_iter=500).fit(X, y).coef_
        )
    rows = scipy.sparse.csr_matrix(X)
    peers["liblinear"] = lambda tol: np.ravel(
        sklearn.linear_model.LogisticRegression(
            C=C, l1_ratio=1.0, solver="liblinear", tol=tol, fit_intercept=False, max_iter=1000
        )
        .fit(rows, y)
        .coef_
    )
    if adelie is not None:
        peers["adelie"] = adelie_solver(X, lambda: adelie.glm.binomial(y=0.5 * (y + 1.0)), size, alpha)
    model = own("BCDClassifier")
    return Problem(
        label,
        lambda coef: naive.logistic_gap(X, y, coef, alpha).relative,
        model and (lambda tol: model(alpha=alpha, fit_intercept=False, tol=tol).fit(X, y).coef_.ravel()),
        peers,
        bar,
    )


def group(report: Report, options) -> None:
    """Group lasso, equal and unequal groups."""
    n_samples, n_groups = (200, 100) if options.quick else (1000, 1000)
    problems = []
    for equal, bar in ((True, 5), (False, 4)):
        data = made.make_group_lasso(n_samples, n_groups, equal=equal, random_state=SEED)
        problems += [group_problem(data, part, equal, bar) for part in (10, 100)]
    table(report, "Group lasso", problems, options)


def group_problem(data, part, equal, bar) -> Problem:
    X, y, groups, weights, _ = data
    columns = [np.flatnonzero(groups == k) for k in range(weights.size)]
    pulls = [np.linalg.norm(X[:, g].T @ y) / w for g, w in zip(columns, weights, strict=True)]
    size = max(pulls) / len(y)
    alpha = size / part
    lists = [g.tolist() for g in columns]
    peers: dict[str, Solve] = {}
    if celer is not None:
        peers["celer"] = lambda tol: (
            celer.GroupLasso(
                groups=lists, alpha=alpha, weights=weights, tol=tol, fit_intercept=False, max_iter=500
            )
            .fit(X, y)
            .coef_
        )
    if skglm is not None:
        peers["skglm"] = lambda tol: (
            skglm.GroupLasso(
                groups=lists,
                alpha=alpha,
                weights=weights,
                tol=tol * size,
                fit_intercept=False,
                max_iter=1000,
                max_epochs=10_000,
            )
            .fit(X, y)
            .coef_
        )
    if adelie is not None:
        starts = np.array([g[0] for g in columns])
        peers["adelie"] = adelie_solver(X, lambda: adelie.glm.gaussian(y=y), size, alpha, starts, weights)
    model = own("BCDRegressor")
    options = {"penalty": "group", "groups": groups, "group_weights": weights, "fit_intercept": False}
    return Problem(
        f"{X.shape[0]} x {X.shape[1]}, {'equal' if equal else 'unequal'}, /{part}",
        lambda coef: naive.group_lasso_gap(X, y, coef, alpha, columns, weights).relative,
        model and (lambda tol: model(alpha=alpha, tol=tol, **options).fit(X, y).coef_),
        peers,
        bar,
    )


def multinomial(report: Report, options) -> None:
    """Multinomial regression of ten classes with a ridge penalty."""
    shape = (300, 50, 5) if options.quick else (2000, 500, 10)
    X, y, _ = made.make_multinomial(*shape, random_state=SEED)
    problems = []
    for alpha in (1e-2, 1e-3):
        penalty = naive.Penalty("elastic-net", alpha, 0.0)
        C = 1.0 / (alpha * len(y))

        def peer(solver, C=C):
            def solve(tol):
                model = sklearn.linear_model.LogisticRegression(
                    C=C, solver=solver, tol=tol, fit_intercept=False, max_iter=100_000
                )
                return model.fit(X, y).coef_

            return solve

        def ours(tol, alpha=alpha):
            model = sparsesolve.BCDClassifier(
                penalty="elastic-net", alpha=alpha, l1_ratio=0.0, fit_intercept=False, tol=tol
            )
            return model.fit(X, y).coef_

        problems.append(
            Problem(
                f"{' x '.join(map(str, shape))}, alpha {alpha:g}",
                lambda coef, penalty=penalty: naive.multinomial_gap(X, y, coef, penalty=penalty).relative,
                ours if able(ours) else None,
                {name: peer(name) for name in ("newton-cg", "lbfgs")},
                1.5,
            )
        )
    table(report, "Multinomial regression, squared norm", problems, options)


def able(ours) -> bool:
    """Whether the package knows this model."""
    try:
        ours(1e-1)
    except (ValueError, AttributeError, TypeError):
        return False
    return True


def svm(report: Report, options) -> None:
    """Support vector machine's dual on text-like data, to a relative gap of 1e-6."""
    data = text_of(options)
    X, y = scipy.sparse.csr_matrix(data.X), data.labels
    problems = []
    for C in (0.1, 1.0):
        alpha = 1.0 / (C * len(y))

        def gap(coef, C=C):
            # The dual point of a primal answer is not given: the bound is that of ours or of a long run's.
            return (svm_primal(X, y, coef, C) - lower(C)) / (C * len(y)) * TARGET / 1e-6

        bounds: dict[float, float] = {}

        def lower(C, bounds=bounds):
            if C not in bounds:
                bounds[C] = svm_lower_bound(X, y, C)
            return bounds[C]

        def ours(tol, alpha=alpha):
            model = sparsesolve.BCDClassifier(
                loss="hinge", penalty="elastic-net", l1_ratio=0.0, alpha=alpha, fit_intercept=False, tol=1e-6
            )
            return model.fit(X, y).coef_.ravel()

        def peer(tol, C=C):
            model = sklearn.svm.LinearSVC(
                C=C, loss="hinge", fit_intercept=False, tol=tol, max_iter=1_000_000, random_state=0
            )
            return model.fit(X, y).coef_.ravel()

        label = f"{X.shape[0]} x {X.shape[1]}, C = {C:g}"
        problems.append(Problem(label, gap, ours if able(ours) else None, {"liblinear": peer}, 1.5))
    table(report, "Support vector machine, text (gap in units of 100 times the target)", problems, options)


def svm_primal(X, y, coef, C) -> float:
    return float(0.5 * coef @ coef + C * np.maximum(0.0, 1.0 - y * (X @ coef)).sum())


def svm_lower_bound(X, y, C) -> float:
    """The dual value of a dual point found by plain coordinate descent, from a tight primal answer's margins.

    The primal answer w = sum_i a_i y_i x_i fixes a_i = 0 where the margin is beyond 1 and a_i = C where it is below;
    least squares with bounds give the others.
    """
    coef = (
        sklearn.svm.LinearSVC(
            C=C, loss="hinge", fit_intercept=False, tol=1e-10, max_iter=1_000_000, random_state=0
        )
        .fit(X, y)
        .coef_.ravel()
    )
    margins = y * (X @ coef)
    near = np.abs(margins - 1.0) <= 1e-6
    signed = scipy.sparse.diags(y) @ X
    dual = np.where(margins < 1.0, C, 0.0)
    rest = coef - signed.T @ np.where(near, 0.0, dual)
    free = scipy.optimize.lsq_linear(signed[near].T.tocsr(), rest, (0.0, C), tol=1e-14, lsmr_tol=1e-14)
    dual[near] = np.clip(free.x, 0.0, C)
    return naive.svm_gap(X, y, dual, C).dual


def nnls(report: Report, options) -> None:
    """Non-negative least squares."""
    n, p = (100, 200) if options.quick else (1000, 2000)
    problems = []
    rng = np.random.default_rng(SEED)
    for label, X in (
        ("normal", np.asfortranarray(rng.standard_normal((n, p)))),
        ("uniform", np.asfortranarray(rng.random((n, p)))),
    ):
        truth = np.where(rng.random(p) < 0.1, rng.random(p), 0.0)
        y = X @ truth + 0.5 * rng.standard_normal(n)
        problems.append(nnls_problem(f"{n} x {p}, {label}", X, y))
    table(report, "Non-negative least squares", problems, options)


def nnls_problem(label, X, y) -> Problem:
    # A box that the answer stays away from makes the dual value of any residual finite.
    exact = scipy.optimize.nnls(X, y)[0]
    upper = 2.0 * exact.max()

    def gap(coef):
        return naive.box_gap(X, y, np.asarray(coef), 0.0, upper).relative

    peers: dict[str, Solve] = {"scipy nnls": lambda tol: scipy.optimize.nnls(X, y)[0]}
    peers["scipy lsq_linear"] = lambda tol: scipy.optimize.lsq_linear(X, y, (0, np.inf), tol=tol).x.clip(0.0)
    if skglm is not None:
        size = largest_alpha(X, y)

        def solve(tol):
            estimator = skglm.GeneralizedLinearEstimator(
                skglm.datafits.Quadratic(),
                skglm.penalties.PositiveConstraint(),
                skglm.solvers.AndersonCD(
                    tol=tol * size, fit_intercept=False, max_iter=500, max_epochs=100_000
                ),
            )
            return estimator.fit(X, y).coef_

        peers["skglm"] = solve
    model = own("BCDRegressor")
    fit = model and (
        lambda tol: (
            model(penalty="none", positive=True, alpha=0.0, fit_intercept=False, tol=tol).fit(X, y).coef_
        )
    )
    return Problem(label, gap, fit, peers, 5)


def path(report: Report, options) -> None:
    """Fifty penalties down to a hundredth of the largest; the worst gap of all counts."""
    problems = []
    shape = (200, 2000) if options.quick else (1000, 10_000)
    X, y, _ = made.make_dense_lasso(*shape, random_state=SEED)
    problems.append(path_problem(f"dense, {shape[0]} x {shape[1]}", X, y))
    data = text_of(options)
    problems.append(path_problem(f"text, {data.X.shape[0]} x {data.X.shape[1]}", matrix_of(data.X), data.y))
    table(report, "Path of 50 penalties", problems, options)


def path_problem(label, X, y) -> Problem:
    size = largest_alpha(X, y)
    alphas = size * np.logspace(0.0, -2.0, 50)

    def gap(coefs):
        return max(
            naive.lasso_gap(X, y, coef, alpha).relative for coef, alpha in zip(coefs.T, alphas, strict=True)
        )

    peers: dict[str, Solve] = {}
    if skglm is not None:
        peers["skglm"] = lambda tol: skglm_path(X, y, alphas, tol * size)
    if celer is not None:
        peers["celer"] = lambda tol: celer.celer_path(X, y, "lasso", alphas=alphas, tol=tol, max_iter=500)[1]
    if adelie is not None:
        peers["adelie"] = adelie_path(X, y, alphas)
    if not scipy.sparse.issparse(X):
        peers["scikit-learn"] = lambda tol: sklearn.linear_model.lasso_path(
            X, y, alphas=alphas, tol=tol, max_iter=20_000
        )[1]
    model = own("BCDRegressor")
    fit = model and (lambda tol: model(fit_intercept=False, tol=tol).path(X, y, alphas=alphas).coefs)
    return Problem(label, gap, fit, peers, 3)


def skglm_path(X, y, alphas, tolerance):
    """Penalty after penalty, each from the last answer."""
    estimator = skglm.Lasso(
        fit_intercept=False, warm_start=True, tol=tolerance, max_iter=500, max_epochs=100_000
    )
    return np.stack([estimator.set_params(alpha=alpha).fit(X, y).coef_ for alpha in alphas], axis=1)


def adelie_path(X, y, alphas):
    matrix = adelie.matrix.sparse(X, method="naive", n_threads=1) if scipy.sparse.issparse(X) else X

    def solve(tol):
        state = adelie.grpnet(
            matrix,
            adelie.glm.gaussian(y=y),
            lmda_path=alphas,
            tol=tol * tol,
            intercept=False,
            early_exit=False,
            progress_bar=False,
            n_threads=1,
        )
        return state.betas.toarray().T

    return solve


def labels(report: Report, options) -> None:
    """Label propagation on a lattice and on two moons, set-up included, to a relative residual of 1e-10."""
    side, nodes = (60, 3000) if options.quick else (300, 100_000)
    cases = [
        (f"lattice {side} x {side}", graphs.make_lattice_labels(side, random_state=SEED), 1.8),
        (f"two moons, {nodes} points", graphs.make_two_moons_graph(nodes, random_state=SEED), 1.4),
    ]
    problems = [label_problem(label, graph, bar) for label, graph, bar in cases]
    table(report, "Label propagation (gap: the relative residual in units of 0.01)", problems, options)


def label_problem(label, graph, bar) -> Problem:
    weights, labelled, values = graph.weights, graph.labelled, np.asarray(graph.labels, dtype=np.float64)
    unknown = np.setdiff1d(np.arange(weights.shape[0]), labelled)

    def system():
        degrees = weights.sum(axis=1)[unknown]
        rows = weights[unknown]
        return (scipy.sparse.diags_array(degrees) - rows[:, unknown]).tocsr(), rows[:, labelled] @ values

    held = system()

    def gap(answer):
        Q, right = held
        return float(np.linalg.norm(right - Q @ answer) / np.linalg.norm(right)) / 0.01

    def gradients(make=None):
        def solve(tol):
            Q, right = system()
            start = make(Q) if make else None
            return scipy.sparse.linalg.cg(Q, right, rtol=0.01 * tol, M=start, maxiter=100_000)[0]

        return solve

    def multigrid(make):
        def solve(tol):
            Q, right = system()
            Q = scipy.sparse.csr_matrix(Q)
            return make(Q).solve(right, tol=0.01 * tol, accel="cg", maxiter=1000)

        return solve

    def factor(tol):
        Q, right = system()
        symmetric = {
            "permc_spec": "MMD_AT_PLUS_A",
            "diag_pivot_thresh": 0.0,
            "options": {"SymmetricMode": True},
        }
        return scipy.sparse.linalg.splu(Q.tocsc(), **symmetric).solve(right)

    peers: dict[str, Solve] = {
        "cg": gradients(),
        "cg, Jacobi": gradients(lambda Q: scipy.sparse.diags_array(1.0 / Q.diagonal())),
        "splu": factor,
    }
    if pyamg is not None:
        peers["pyamg, Ruge-Stueben"] = multigrid(pyamg.ruge_stuben_solver)
        peers["pyamg, aggregation"] = multigrid(pyamg.smoothed_aggregation_solver)
    try:
        from sparsesolve.coordinate import label_propagation
    except ImportError:
        label_propagation = None
    ours = label_propagation and (
        lambda tol: label_propagation(weights, labelled, values, tol=0.01 * tol).solution.values[unknown]
    )
    return Problem(label, gap, ours, peers, bar)


_FRESH = """
import time
start = time.perf_counter()
import numpy as np
import sparsesolve
model = sparsesolve.BCDRegressor(alpha=0.1)
loaded = time.perf_counter()
rng = np.random.default_rng(0)
X = np.asfortranarray(rng.standard_normal((200, 1000)))
y = X[:, 0] + rng.standard_normal(200)
begun = time.perf_counter()
model.fit(X, y)
print(loaded - start, time.perf_counter() - begun)
"""


def fresh(report: Report, options) -> None:
    """The first fit of a process, with the kernels in their cache; and the import, scikit-learn's included."""
    report.table("First fit in a fresh process, kernels cached", *("fit", "bar", "", "import"))
    seconds = []
    for _ in range(options.laps + 1):
        done = subprocess.run([sys.executable, "-c", _FRESH], capture_output=True, text=True, check=True)
        seconds.append([float(word) for word in done.stdout.split()])
    load, fit = np.median(seconds[1:], axis=0)
    report.row(f"{fit:.2f} s", "0.5 s", report.verdict(fit <= 0.5), f"{load:.2f} s")


SECTIONS = {
    section.__name__: section
    for section in (
        text,
        dense,
        degenerate,
        correlated,
        logistic,
        group,
        labels,
        multinomial,
        svm,
        nnls,
        path,
        fresh,
    )
}


if __name__ == "__main__":
    sys.exit(
        run_sections(
            "Coordinate descent",
            __doc__,
            SECTIONS,
            PACKAGES,
            note=f"One thread each. Medians of {{laps}} laps in turns; after {PATIENCE:.0f} s a peer sits out.",
            one_thread=True,
        )
    )
