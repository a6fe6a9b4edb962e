"""Least squares against its named peers, in one process and in turns: `python benchmarks/regression.py --quick`."""

from __future__ import annotations

import subprocess
import sys
import warnings

import numpy as np
import scipy.linalg
import scipy.sparse.linalg
import scipy.stats
from common import BackwardError, Report, arguments, describe_machine, extra_memory, race, threads
from sklearn.linear_model import LinearRegression, Ridge

from sparsesolve import SketchedLinearRegression, lstsq
from sparsesolve.datasets import load_nist, make_linf_adversary, make_regression_problem
from sparsesolve.metrics import digits_of_agreement
from sparsesolve.regression import ridge_path
from sparsesolve.sketch import SRHT, CountSketch, Gaussian, SparseSign

try:
    from statsmodels.api import OLS
except ImportError:
    OLS = None

PEERS = ("numpy", "scipy", "scikit-learn", "numba", "statsmodels")
# Rows, columns, and the least ratio to numpy.linalg.lstsq.
SIZES = ((1 << 17, 128, 10), (1 << 18, 256, 7), (1 << 20, 64, 11), (1 << 16, 512, 5))
QUICK_SIZES = ((1 << 15, 64, 10), (1 << 14, 128, 5))
SEED = 0


def problem(n_rows, n_columns, condition):
    """The problem of the timings: a residual a tenth as long as the targets."""
    return make_regression_problem(n_rows, n_columns, condition=condition, residual=0.1, random_state=1)[:2]


def normal_equations(A, b):
    return scipy.linalg.cho_solve(scipy.linalg.cho_factor(A.T @ A), A.T @ b)


def gelsy(A, b):
    return scipy.linalg.lstsq(A, b, lapack_driver="gelsy")[0]


def numpy_lstsq(A, b):
    return np.linalg.lstsq(A, b)[0]


def ours(A, b):
    return lstsq(A, b, random_state=SEED).solution.coef


def with_intercept(model):
    """A function that fits the model and returns its coefficients, the intercept last."""

    def fit(A, b):
        model.fit(A, b)
        return np.append(model.coef_, model.intercept_)

    return fit


def speed(report: Report, options) -> None:
    """Time against the peers, for condition numbers that people have."""
    report.table(
        "Speed, condition 1e5 (ratio: their time over ours)",
        *("size", "threads", "against", "ratio", "bar", "", "here", "there", "backward error here, there"),
    )
    for n_rows, n_columns, bar in QUICK_SIZES if options.quick else SIZES:
        A, b = problem(n_rows, n_columns, 1e5)
        peers = {
            "numpy.linalg.lstsq": (numpy_lstsq, bar),
            "scipy gelsy": (gelsy, None),
            "normal equations": (normal_equations, 1 / 1.6),
            "scipy lsmr, 30 steps": (
                lambda A, b: scipy.sparse.linalg.lsmr(A, b, 0, 0, 0, maxiter=30)[0],
                None,
            ),
        }
        if OLS is not None:
            peers["statsmodels OLS, QR"] = (lambda A, b: OLS(b, A).fit(method="qr").params, None)
        error = BackwardError(A, b)
        errors = {name: error(solve(A, b)) for name, (solve, _) in peers.items()} | {"": error(ours(A, b))}
        estimators = {
            "sklearn LinearRegression": (with_intercept(LinearRegression()), 8),
            "sklearn Ridge": (with_intercept(Ridge(alpha=1e-3)), None),
        }
        for count in options.threads:
            with threads(count):
                solvers = {"": ours} | {name: solve for name, (solve, _) in peers.items()}
                _race_rows(report, (A, b), count, solvers, peers, errors, options.laps)
                model = SketchedLinearRegression(random_state=SEED)
                solvers = {"": with_intercept(model)} | {
                    name: solve for name, (solve, _) in estimators.items()
                }
                _race_rows(report, (A, b), count, solvers, estimators, {}, options.laps)


def _race_rows(report, data, count, solvers, peers, errors, laps):
    A, b = data
    times = race({name: (lambda solve=solve: solve(A, b)) for name, solve in solvers.items()}, laps)
    for name, (_, bar) in peers.items():
        ratio = times[name].median / times[""].median
        report.row(
            f"{A.shape[0]} x {A.shape[1]}",
            count,
            name,
            f"**{ratio:.2f}**",
            "" if bar is None else f"{bar:.3g}",
            "" if bar is None else report.verdict(ratio >= bar, of_size=True),
            times[""],
            times[name],
            f"{errors['']:.0e}, {errors[name]:.0e}" if errors else "",
        )


def condition(report: Report, options) -> None:
    """Time and backward error where the normal equations are no longer allowed."""
    report.table(
        "High condition numbers (ratio: their time over ours)",
        *(
            "size",
            "condition",
            "threads",
            "against",
            "ratio",
            "bar",
            "",
            "engine",
            "backward error here (bar 2e-16)",
        ),
    )
    for n_rows, n_columns, _ in QUICK_SIZES[:1] if options.quick else SIZES[:2]:
        for kappa in (1e8, 1e12):
            A, b = problem(n_rows, n_columns, kappa)
            solution = lstsq(A, b, random_state=SEED).solution
            error = BackwardError(A, b)(solution.coef)
            for count in options.threads:
                with threads(count):
                    solvers = {"": ours, "numpy.linalg.lstsq": numpy_lstsq, "scipy gelsy": gelsy}
                    times = race({name: (lambda s=s: s(A, b)) for name, s in solvers.items()}, options.laps)  # noqa: B023
                for name in list(solvers)[1:]:
                    ratio = times[name].median / times[""].median
                    report.row(
                        f"{n_rows} x {n_columns}",
                        f"{kappa:.0e}",
                        count,
                        name,
                        f"**{ratio:.2f}**",
                        4,
                        report.verdict(ratio >= 4, of_size=True),
                        solution.solver,
                        f"{error:.0e} {report.verdict(error <= 2e-16)}",
                    )


def accuracy(report: Report, options) -> None:
    """Backward error over a grid against gelsy, and digits on the NIST problems."""
    n_rows, n_columns = (1 << 13, 32) if options.quick else (1 << 14, 64)
    report.table(
        f"Accuracy, {n_rows} x {n_columns}, the worst of 6 residuals from 1e-12 to 1",
        *("condition", "columns", "here over gelsy", "bar", "", "here", "gelsy", "numpy.linalg.lstsq"),
    )
    for kappa in 10.0 ** np.array([0, 6, 12, 15] if options.quick else [0, 3, 6, 9, 12, 14, 15]):
        for scales in (None, np.logspace(-8, 8, n_columns)):
            worst = dict.fromkeys(("here", "gelsy", "numpy"), 0.0)
            ratio = 0.0
            for residual in 10.0 ** np.array([-12, -9, -6, -3, -1, 0]):
                A, b, _ = make_regression_problem(
                    n_rows,
                    n_columns,
                    condition=kappa,
                    residual=residual,
                    column_scales=scales,
                    random_state=3,
                )
                error = BackwardError(A, b)
                errors = {
                    "here": error(ours(A, b)),
                    "gelsy": error(gelsy(A, b)),
                    "numpy": error(numpy_lstsq(A, b)),
                }
                worst = {name: max(worst[name], errors[name]) for name in worst}
                ratio = max(ratio, errors["here"] / errors["gelsy"])
            report.row(
                f"{kappa:.0e}",
                "unscaled" if scales is None else "scaled 1e-8 to 1e8",
                f"**{ratio:.2g}**",
                2,
                report.verdict(ratio <= 2),
                *(f"{value:.0e}" for value in worst.values()),
            )
    report.table("NIST reference data", "problem", "digits here", "bar", "", "gelsy", "numpy.linalg.lstsq")
    for name, bar in (("longley", 11), ("filip", 7)):
        X, y, certified = load_nist(name)
        digits = [digits_of_agreement(solve(X, y), certified) for solve in (ours, gelsy, numpy_lstsq)]
        report.row(
            name,
            f"**{digits[0]:.1f}**",
            bar,
            report.verdict(digits[0] >= bar),
            *(f"{d:.1f}" for d in digits[1:]),
        )


def guarantee(report: Report, options) -> None:
    """How often the calibrated l_inf bound is broken, and how often the error bars hold."""
    delta, trials = 0.01, 150 if options.quick else 500
    report.table(
        f"The l_inf bound at delta = 1 %, {trials} sketches of the adversary each",
        *(
            "unknowns",
            "rows of the sketch",
            "spikes",
            "block SRHT broken",
            "95 % limit, bar 2 %",
            "",
            "CountSketch",
        ),
    )
    for width in (16,) if options.quick else (16, 64, 256):
        for times in (4, 8, 32) if width < 256 else (4, 8):
            for n_spikes in (1, int(np.sqrt(width))):
                size = times * width
                A, b, _ = make_linf_adversary(8 * size, width, n_spikes)
                level = np.sqrt(2 * np.log(2 * width / delta) / (size - width))
                broken = [
                    sum(_worst_coefficient(kind(size, seed), A, b) > level for seed in range(trials))
                    for kind in (SRHT, CountSketch)
                ]
                limit = scipy.stats.binomtest(broken[0], trials, alternative="less").proportion_ci(0.95).high
                report.row(
                    width,
                    f"{times} d = {size}",
                    n_spikes,
                    f"**{broken[0] / trials:.1%}**",
                    f"{limit:.1%}",
                    report.verdict(limit <= 0.02),
                    f"{broken[1] / trials:.1%}",
                )
    _coverage(report, trials)


def _worst_coefficient(distribution, A, b):
    sketch = distribution.sample(A)
    return np.abs(scipy.linalg.lstsq(sketch.apply(A), sketch.apply(b), lapack_driver="gelsy")[0]).max()


def _coverage(report, trials):
    report.table(
        "Coverage of 95 % error bars, 8192 x 32 sketched to 256",
        *("data", "each coefficient", "bar", "", "all at once, at least 95 % asked for"),
    )
    freedom = 256 - 32
    narrow = scipy.stats.t.ppf(0.975, freedom) / scipy.stats.t.ppf(1 - 0.05 / 64, freedom)
    for coherent in (False, True):
        A, b, _ = make_regression_problem(8192, 32, coherent=coherent, condition=100, random_state=5)
        exact = np.linalg.lstsq(A, b)[0]
        inside = []
        for seed in range(trials):
            fit = lstsq(A, b, solver="sketch-and-solve", sketch_size=256, random_state=seed).solution
            inside.append(np.abs(fit.coef - exact) / fit.coef_error_bound)
        each, everyone = np.mean(np.array(inside) <= narrow), np.mean(np.max(inside, axis=1) <= 1)
        report.row(
            "coherent" if coherent else "incoherent",
            f"**{each:.1%}**",
            "95 +- 1.5 %",
            report.verdict(abs(each - 0.95) <= 0.015),
            f"{everyone:.1%}",
        )


def sketch(report: Report, options) -> None:
    """Time of the sketches against a copy of the matrix, and their distortion against that of a Gaussian."""
    n_rows, n_columns = (1 << 15, 128) if options.quick else (1 << 17, 128)
    size = 4 * n_columns
    A = np.random.default_rng(0).standard_normal((n_rows, n_columns))
    copy = np.empty_like(A)
    report.table(
        f"Sketches of {n_rows} x {n_columns} to {size} rows (ratio: time over that of np.copyto(A))",
        *("sketch", "threads", "ratio", "bar", "", "time"),
    )
    kinds = {
        "block SRHT": SRHT(size, SEED),
        "CountSketch": CountSketch(size, SEED),
        "sparse sign, 8": SparseSign(size, SEED),
    }
    samples = {name: kind.sample(A) for name, kind in kinds.items()}
    for count in options.threads:
        with threads(count):
            candidates = {"np.copyto": lambda: np.copyto(copy, A)}
            candidates |= {name: (lambda s=sample: s.apply(A)) for name, sample in samples.items()}
            candidates["scipy clarkson_woodruff"] = lambda: scipy.linalg.clarkson_woodruff_transform(
                A, size, rng=0
            )
            times = race(candidates, 3 * options.laps)
        for name in list(candidates)[1:]:
            ratio = times[name].median / times["np.copyto"].median
            bar = 2.5 if name == "block SRHT" else None
            verdict = "" if bar is None else report.verdict(ratio <= bar, of_size=True)
            report.row(name, count, f"**{ratio:.2f}**", bar or "", verdict, times[name])
    _distortion(report)


def _distortion(report):
    n_rows, n_columns, trials = 1 << 13, 64, 20
    report.table(
        f"Distortion: condition number of S Q, {n_columns} coherent columns, mean of {trials}",
        *(
            "rows of the sketch",
            "block SRHT over Gaussian",
            "bar",
            "",
            "block SRHT",
            "Gaussian",
            "CountSketch",
        ),
    )
    A, _, _ = make_regression_problem(n_rows, n_columns, coherent=True, condition=1, random_state=6)
    for size in (256, 1024):
        means = [
            np.mean([np.linalg.cond(kind(size, seed).sample(A).apply(A)) for seed in range(trials)])
            for kind in (SRHT, Gaussian, CountSketch)
        ]
        ratio = means[0] / means[1]
        report.row(
            size, f"**{ratio:.3f}**", 1.05, report.verdict(ratio <= 1.05), *(f"{mean:.2f}" for mean in means)
        )


def memory(report: Report, options) -> None:
    """Peak memory beyond the data."""
    report.table("Extra memory over the size of A", "size", "call", "extra", "bar", "")
    for n_rows, n_columns, _ in QUICK_SIZES if options.quick else (*SIZES[:2], SIZES[3]):
        setup = (
            "import scipy.linalg\n"
            "from sparsesolve import lstsq\n"
            "rng = np.random.default_rng(0)\n"
            "A = rng.standard_normal((20000, 16)); b = A.sum(axis=1)\n"
            "{call}  # warm\n"
            f"A = rng.standard_normal(({n_rows}, {n_columns})); b = A.sum(axis=1)\n"
        )
        calls = {
            "lstsq here": ("lstsq(A, b, random_state=0)", 0.05),
            "lstsq here, intercept and weights": (
                "lstsq(A, b, fit_intercept=True, sample_weight=b * b, random_state=0)",
                0.05,
            ),
            "numpy.linalg.lstsq": ("np.linalg.lstsq(A, b)", None),
        }
        for name, (call, bar) in calls.items():
            share = extra_memory(setup.replace("{call}", call), call, "A.nbytes")
            if share is None:
                report.write("\nNot measured: this needs Linux.")
                return
            verdict = "" if bar is None else report.verdict(share <= bar, of_size=True)
            report.row(
                f"{n_rows} x {n_columns}", name, f"**{share:.1%}**", f"{bar:.0%}" if bar else "", verdict
            )


def scaling(report: Report, options) -> None:
    """One thread against two: the same bits, and less time."""
    n_rows, n_columns = (1 << 15, 64) if options.quick else (1 << 17, 128)
    report.table("Two threads against one", "what", "figure", "bar", "")
    A, b = problem(n_rows, n_columns, 1e5)
    bits, seconds = [], {1: [], 2: []}
    for _ in range(options.laps):
        for count in (1, 2):
            with threads(count):
                bits.append(SRHT(512, SEED).sample(A).apply(A))
                seconds[count].append(race({"": lambda: ours(A, b)}, 1)[""].median)
    same = all(np.array_equal(bits[0], other) for other in bits)
    report.row("the same bits of a sketch", f"**{same}**", True, report.verdict(same))
    gain = np.median(seconds[1]) / np.median(seconds[2])
    report.row(
        f"gain of lstsq, {n_rows} x {n_columns}",
        f"**{gain:.2f}**",
        1.6,
        report.verdict(gain >= 1.6, of_size=True),
    )


def ridge(report: Report, options) -> None:
    """A path of 50 penalties against one fit."""
    report.table(
        "Ridge path of 50 penalties over one fit", "size", "threads", "ratio", "bar", "", "path", "fit"
    )
    for n_rows, n_columns, _ in QUICK_SIZES if options.quick else SIZES[:2]:
        A, b = problem(n_rows, n_columns, 1e5)
        alphas = np.logspace(-6, 1, 50)
        for count in options.threads:
            with threads(count):
                times = race(
                    {
                        "path": lambda: ridge_path(A, b, alphas, random_state=SEED),  # noqa: B023
                        "fit": lambda: lstsq(A, b, alpha=1e-3, random_state=SEED),  # noqa: B023
                    },
                    options.laps,
                )
            ratio = times["path"].median / times["fit"].median
            verdict = report.verdict(ratio <= 1.5, of_size=True)
            report.row(
                f"{n_rows} x {n_columns}",
                count,
                f"**{ratio:.2f}**",
                1.5,
                verdict,
                times["path"],
                times["fit"],
            )


def limits(report: Report, options) -> None:
    """What the machine can do: memory bandwidth, and the one matrix product that no exact method avoids."""
    report.table(
        "Limits of the machine", "size", "threads", "np.copyto(A)", "A.T @ A", "lstsq here", "over A.T @ A"
    )
    for n_rows, n_columns, _ in QUICK_SIZES if options.quick else SIZES:
        A, b = problem(n_rows, n_columns, 1e5)
        copy = np.empty_like(A)
        for count in options.threads:
            with threads(count):
                candidates = {
                    "copy": lambda: np.copyto(copy, A),  # noqa: B023
                    "gram": lambda: A.T @ A,  # noqa: B023
                    "here": lambda: ours(A, b),  # noqa: B023
                }
                times = race(candidates, options.laps)
            bandwidth = 2 * A.nbytes / times["copy"].median / 1e9
            rate = n_rows * n_columns**2 / times["gram"].median / 1e9
            report.row(
                f"{n_rows} x {n_columns}",
                count,
                f"{bandwidth:.1f} GB/s",
                f"{rate:.0f} Gflop/s, {times['gram']}",
                times["here"],
                f"**{times['here'].median / times['gram'].median:.2f}**",
            )


def imports(report: Report, options) -> None:
    """What `import sparsesolve` loads."""
    report.table("Import", "what", "figure", "bar", "")
    code = "import sys, sparsesolve; print(*({'sklearn', 'numba', 'scipy', 'matplotlib', 'cvxpy'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = done.stdout.strip() or "none"
    report.row(
        "of sklearn, numba, scipy, matplotlib, cvxpy",
        f"**{loaded}**",
        "none",
        report.verdict(loaded == "none"),
    )


SECTIONS = {
    section.__name__: section
    for section in (speed, condition, accuracy, guarantee, sketch, memory, scaling, ridge, limits, imports)
}


def main() -> int:
    options = arguments(__doc__, SECTIONS)
    warnings.simplefilter("ignore", scipy.linalg.LinAlgWarning)
    report = Report(options.quick)
    report.write("## Regression" + (", quick form" if options.quick else ""))
    report.write()
    describe_machine(report, PEERS)
    report.write(f"Medians of {options.laps} laps in turns, and the fastest and slowest lap.")
    for name in options.only or SECTIONS:
        SECTIONS[name](report, options)
    report.write(f"\nBars missed: {report.misses}.")
    if options.out:
        report.save(options.out)
    return 0


if __name__ == "__main__":
    sys.exit(main())
