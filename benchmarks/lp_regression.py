"""l_p and quantile regression against linear programming and its peers: `python benchmarks/lp_regression.py --quick`.

Everybody gets the same data, dense and in memory, and is judged by the objective of the answer in float64.
"""

from __future__ import annotations

import sys
import time

import numpy as np
from common import Report, race, run_sections
from scipy.optimize import linprog

from sparsesolve.regression import lp_regression, quantile_regression

PACKAGES = ("numpy", "scipy", "scikit-learn", "statsmodels", "cvxpy")
SEED = 0


def data(n_rows, n_columns, outliers=0.05):
    """A linear model with heavy-tailed errors, and a part of the rows far off."""
    rng = np.random.default_rng(SEED)
    A = rng.standard_normal((n_rows, n_columns))
    b = A @ rng.standard_normal(n_columns) + rng.standard_t(3, n_rows)
    b[rng.random(n_rows) < outliers] += 50.0
    return A, b


def loss(A, b, x, quantile=0.5):
    r = b - A @ x
    return float(np.sum(np.maximum(quantile * r, (quantile - 1.0) * r)))


def dual_program(A, b, quantile=0.5, method="highs-ipm"):
    """The dual of the quantile's linear program: few equations, the form that HiGHS solves fastest."""
    found = linprog(-b, A_eq=A.T, b_eq=np.zeros(A.shape[1]), bounds=(quantile - 1.0, quantile), method=method)
    return -found.eqlin.marginals


def once(run):
    """Seconds of one run, and what it returned."""
    start = time.perf_counter()
    answer = run()
    return time.perf_counter() - start, answer


def least_absolute(report: Report, options) -> None:
    """P = 1 on many rows: HiGHS once, here the median of the laps."""
    title = "p = 1: time, and the part by which the objective exceeds the optimum; HiGHS runs once"
    report.table(title, "rows x columns", "who", "time", "HiGHS / time", "excess", "certified", "bar", "")
    sizes = ((2_000, 20), (20_000, 20)) if options.quick else ((10_000, 20), (100_000, 20), (1_000_000, 20))
    for n_rows, n_columns in sizes:
        A, b = data(n_rows, n_columns)
        runs = {
            "here, exact": lambda A=A, b=b: lp_regression(A, b, 1, random_state=0),
            "here, sampled": lambda A=A, b=b: lp_regression(A, b, 1, solver="sampled", random_state=0),
        }
        times = race(runs, options.laps)
        answers = {name: run() for name, run in runs.items()}
        theirs = {
            name: once(lambda A=A, b=b, method=method: dual_program(A, b, method=method))
            for name, method in (("HiGHS, interior point", "highs-ipm"), ("HiGHS, dual simplex", "highs-ds"))
            if method == "highs-ipm" or n_rows <= 100_000
        }
        values = {name: loss(A, b, result.solution.coef) for name, result in answers.items()}
        values |= {name: loss(A, b, x) for name, (_, x) in theirs.items()}
        best, fastest = min(values.values()), min(seconds for seconds, _ in theirs.values())
        size = f"{n_rows:,} x {n_columns}"
        for name, timing in times.items():
            ratio, gap = fastest / timing.median, answers[name].certificate["duality_gap"]
            excess = values[name] / best - 1
            good = ratio >= 10 and excess <= 0.01 and gap <= 0.01
            judged = n_rows == sizes[-1][0]
            report.row(
                size, name, timing, f"{ratio:.0f}", f"{excess:.1e}", f"{gap:.1e}", "10, 1 %" if judged else "",
                report.verdict(good, of_size=True) if judged else "",
            )  # fmt: skip
        for name, (seconds, _) in theirs.items():
            report.row(size, name, f"{seconds:.2f} s", "", f"{values[name] / best - 1:.1e}", "", "", "")


def quantiles(report: Report, options) -> None:
    """Quantiles against scikit-learn and statsmodels, of all sizes."""
    from sklearn.linear_model import QuantileRegressor

    title = "Quantile 0.9 with an intercept: time over ours, and the part by which the objective exceeds the least"
    report.table(title, "rows x columns", "who", "time", "time / ours", "excess", "bar", "")
    sizes = ((100, 3), (1_000, 10)) if options.quick else (
        (100, 3), (1_000, 10), (10_000, 20), (30_000, 20), (100_000, 20),
    )  # fmt: skip
    for n_rows, n_columns in sizes:
        A, b = data(n_rows, n_columns)
        ones = np.column_stack([A, np.ones(n_rows)])

        def here(A=A, b=b):
            found = quantile_regression(A, b, 0.9, fit_intercept=True, random_state=0).solution
            return np.append(found.coef, found.intercept)

        def sklearn(A=A, b=b):
            model = QuantileRegressor(quantile=0.9, alpha=0.0, solver="highs").fit(A, b)
            return np.append(model.coef_, model.intercept_)

        runs = {"here": here} | ({"scikit-learn": sklearn} if n_rows <= 10_000 else {})
        runs["linprog, dual"] = lambda A=ones, b=b: dual_program(A, b, 0.9, "highs")
        try:
            from statsmodels.regression.quantile_regression import QuantReg
        except ImportError:
            pass
        else:
            runs["statsmodels"] = lambda A=ones, b=b: QuantReg(b, A).fit(q=0.9).params
        times = race(runs, 1 if n_rows >= 10_000 else options.laps)
        values = {name: loss(ones, b, run(), 0.9) for name, run in runs.items()}
        for name, timing in times.items():
            ratio = timing.median / times["here"].median
            judged = name != "here"
            report.row(
                f"{n_rows:,} x {n_columns}", name, timing, f"{ratio:.1f}",
                f"{values[name] / min(values.values()) - 1:.1e}", "above 1" if judged else "",
                report.verdict(ratio > 1) if judged else "",
            )  # fmt: skip


def powers(report: Report, options) -> None:
    """All p: time, steps, and the certificate; cvxpy with Clarabel where it is not too long."""
    from sparsesolve.reference.lp_regression import lp_regression as reference

    title = "All p: time, duality gap, and the time of cvxpy with Clarabel"
    report.table(title, "rows x columns", "p", "here", "iterates", "gap", "cvxpy", "difference of objectives")
    sizes = ((1_000, 10),) if options.quick else ((1_000, 10), (10_000, 50), (1_000_000, 20))
    for n_rows, n_columns in sizes:
        A, b = data(n_rows, n_columns)
        for p in (1, 1.1, 1.5, 2, 3, 8, 50, np.inf):
            timing = race({"": lambda p=p, A=A, b=b: lp_regression(A, b, p, random_state=0)}, options.laps)[
                ""
            ]
            result = lp_regression(A, b, p, random_state=0)
            seconds, difference = "", ""
            if n_rows <= 1_000 or (n_rows <= 10_000 and p in (1, 2, np.inf)):
                try:
                    taken, twin = once(lambda p=p, A=A, b=b: reference(A, b, p))
                    seconds = f"{1e3 * taken:.0f} ms"
                    difference = f"{result.solution.objective / twin.objective - 1:+.1e}"
                except RuntimeError:
                    seconds = "failed"
            gap = f"{result.certificate['duality_gap']:.1e}"
            report.row(f"{n_rows:,} x {n_columns}", p, timing, result.n_iter, gap, seconds, difference)


SECTIONS = {"least-absolute": least_absolute, "quantiles": quantiles, "powers": powers}


if __name__ == "__main__":
    sys.exit(
        run_sections(
            "l_p and quantile regression",
            __doc__.splitlines()[0],
            SECTIONS,
            PACKAGES,
            note="Medians of {laps} laps in turns, fastest and slowest in brackets.",
        )
    )
