"""Kronecker sparse Bayesian learning against dense computations: `python benchmarks/kronecker.py --quick`.

Times against dense numpy that does the same work: the same iterations to the same answer. Accuracy on draws that no
choice was made on, paired: everybody gets the same problems.
"""

from __future__ import annotations

import subprocess
import sys
import time

import numpy as np
from common import Report, race, run_sections
from kronecker_baselines import dense_kronecker_sbl, kronecker, kronecker_omp, smaller_side

from sparsesolve import kronecker_sbl
from sparsesolve.datasets import make_irs_uplink, make_kronecker_recovery
from sparsesolve.kronecker import step_kernels
from sparsesolve.kronecker.iteration import Compiled
from sparsesolve.kronecker.posterior import posterior
from sparsesolve.kronecker.problem import pose
from sparsesolve.metrics import channel_nmse, normalized_mean_squared_error, symbol_error_rate

PACKAGES = ("numpy", "scipy", "numba")
SEED = 700_000
#: An answer no better than zeros.
FAILED = 0.9
PAPER = {"am, paper's": "am", "svd, paper's": "svd", "ksbl, paper's": "ksbl"}
OWN = ("auto", "svd", "mm")


def step(report: Report, options) -> None:
    """One E-step: all means and variances."""
    sizes, rows = ((6, 6, 6), (4, 5, 6)) if options.quick else ((15, 15, 15), (8, 12, 15))
    data = make_kronecker_recovery(sizes, rows, random_state=SEED)
    problem = pose(data.factors, data.y.reshape(rows), rescale=False)
    gammas = [np.linspace(0.5, 1.5, n) for n in sizes]
    D = kronecker(data.factors)

    def here():
        found = posterior(problem, gammas, data.noise_variance)
        return found.mean(), found.variance()

    iteration = Compiled(step_kernels.ALTERNATE, 1e-5, 1)
    runs = {
        "here, means and variances": here,
        "here, a whole EM step": lambda: iteration.advance(problem, gammas, data.noise_variance),
        "dense numpy": lambda: smaller_side(D, data.y, kronecker(gammas), data.noise_variance),
    }
    times = race(runs, options.laps)
    title = f"One E-step, {D.shape[1]} unknowns, {D.shape[0]} measurements: dense numpy over the others"
    report.table(title, "who", "time", "ratio", "bar", "")
    for name, timing in times.items():
        ratio = times["dense numpy"].median / timing.median
        judged = name == "here, a whole EM step"
        report.row(
            name, timing, f"{ratio:.0f}", "3000" if judged else "",
            report.verdict(ratio >= 3000, of_size=True) if judged else "",
        )  # fmt: skip


def fit(report: Report, options) -> None:
    """Whole fits: the same iterations and the same answer as a dense port."""
    sizes, rows = ((6, 6, 6), (4, 5, 6)) if options.quick else ((15, 15, 15), (8, 12, 15))
    data = make_kronecker_recovery(sizes, rows, random_state=SEED)
    constants = {"am": (1e-2, "paper-synthetic"), "svd": (1e-3, "paper-synthetic")}
    report.table("Whole fits", "method", "here", "dense numpy", "ratio", "bar", "", "difference")
    for method, (prune, preset) in constants.items():

        def here(method=method, preset=preset):
            return kronecker_sbl(
                data.factors, data.y, method=method, noise_variance=data.noise_variance, preset=preset,
            ).solution.coef  # fmt: skip

        def dense(method=method, prune=prune):
            return dense_kronecker_sbl(
                data.factors, data.y, data.noise_variance, method, prune=prune, inner_relative=True,
                max_inner=100,
            ).coef  # fmt: skip

        difference = np.linalg.norm(here() - dense()) / np.linalg.norm(data.coef)
        times = race({"here": here, "dense": dense}, options.laps)
        ratio = times["dense"].median / times["here"].median
        report.row(
            method, times["here"], times["dense"], f"{ratio:.0f}", "1500",
            report.verdict(ratio >= 1500, of_size=True), f"{difference:.0e}",
        )  # fmt: skip


_LARGE = """
import resource, sys, time
import numpy as np
from sparsesolve import kronecker_sbl
n, m, dtype, method = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3], sys.argv[4]
rng = np.random.default_rng(0)
factors = [rng.standard_normal((m, n)).astype(dtype) for _ in range(3)]
support = [np.sort(rng.choice(n, 4, replace=False)) for _ in range(3)]
core = rng.standard_normal((4, 4, 4)).astype(dtype)
Y = core
for i, (A, s) in enumerate(zip(factors, support)):
    Y = np.moveaxis(np.tensordot(A[:, s], Y, axes=(1, i)), 0, i)
noise = 0.1 * np.sqrt(np.mean(Y**2))
Y = (Y + noise * rng.standard_normal(Y.shape)).astype(dtype).reshape(-1)
small = [A[:6, :8] for A in factors]
kronecker_sbl(small, Y[:216], method=method, max_iter=3)
before, start = resource.getrusage(resource.RUSAGE_SELF), time.process_time()
found = kronecker_sbl(factors, Y, method=method, random_state=0).solution
cpu, after = time.process_time() - start, resource.getrusage(resource.RUSAGE_SELF)
exact = all(np.array_equal(a, b) for a, b in zip(found.supports, support))
print(cpu, after.ru_maxrss / 1e6, exact)
"""


def scale(report: Report, options) -> None:
    """Millions of unknowns, in a process of their own; noise learned, 20 dB, four columns in use a factor."""
    cases = [(24, 12, "float64", "svd")]
    if not options.quick:
        cases = [
            (64, 32, "float64", "auto"), (64, 32, "float64", "svd"), (256, 128, "float64", "svd"),
            (256, 128, "float64", "auto"), (512, 256, "float32", "mm"),
        ]  # fmt: skip
    report.table(
        "Large problems", "unknowns", "measurements", "type", "method", "CPU time", "peak memory", "support"
    )
    for n, m, dtype, method in cases:
        call = [sys.executable, "-W", "ignore", "-c", _LARGE, str(n), str(m), dtype, method]
        answer = subprocess.run(call, capture_output=True, text=True, check=True).stdout.split()
        exact = "exact" if answer[2] == "True" else "**not exact**"
        report.row(
            f"{n}^3",
            f"{m}^3",
            dtype,
            method,
            f"{float(answer[0]):.2f} s",
            f"{float(answer[1]):.2f} GB",
            exact,
        )


def _solvers(problem_kind: str):
    preset = "paper-irs" if problem_kind == "irs" else "paper-synthetic"
    for name in OWN:
        yield name, {"method": name, "random_state": 0}
    for name, method in PAPER.items():
        yield name, {"method": method, "preset": preset}
    if problem_kind != "irs":
        yield "dsbl", {"method": "dsbl"}


def _compare(report: Report, title: str, draws, kind: str, error, known: bool, extra=None) -> dict:
    """Errors of all solvers on the same draws."""
    errors: dict[str, list[float]] = {}
    seconds: dict[str, float] = {}
    for data in draws:
        for name, arguments_ in _solvers(kind):
            noise = data.noise_variance if known else "learn"
            start = time.perf_counter()
            found = kronecker_sbl(data.factors, data.y, noise_variance=noise, **arguments_).solution
            seconds[name] = seconds.get(name, 0.0) + time.perf_counter() - start
            errors.setdefault(name, []).append(error(data, found.coef))
        for name, coef in (extra or (lambda data: {}))(data).items():
            errors.setdefault(name, []).append(error(data, coef))
    report.table(title, "who", "mean", "median", "failed", "auto better in", "time a fit")
    best = np.array(errors["auto"])
    for name, values in errors.items():
        those = np.array(values)
        wins = "" if name == "auto" else f"{np.mean(best < those):.0%}"
        spent = f"{1e3 * seconds[name] / len(those):.0f} ms" if name in seconds else ""
        failed = int((those > FAILED).sum())
        report.row(
            name, f"{those.mean():.3g}", f"{np.median(those):.3g}", f"{failed} of {len(those)}", wins, spent
        )
    return {name: np.array(values) for name, values in errors.items()}


def irs(report: Report, options) -> None:
    """Channels through a reflecting surface: the paper's setting."""
    draws = 5 if options.quick else 200
    for snr in (4.0, 12.0, 20.0):
        for known in (True, False):
            data = (make_irs_uplink(snr_db=snr, random_state=SEED + seed) for seed in range(draws))
            label = "known" if known else "learned"
            errors = _compare(
                report, f"IRS, {snr:g} dB, noise {label}: channel NMSE", data, "irs",
                lambda data, coef: channel_nmse(data.channels_of(coef), data.channels), known,
            )  # fmt: skip
            best = min(errors[name].mean() for name in ("am, paper's", "svd, paper's"))
            good = errors["auto"].mean() < best
            report.write(f"\nMean below the paper's am and svd: {report.verdict(bool(good), of_size=True)}")


def synthetic(report: Report, options) -> None:
    """The paper's recovery problem, against least squares on the true support."""
    draws = 5 if options.quick else 200
    for snr in (5.0, 15.0, 25.0, 30.0):
        for known in (True, False):
            data = (make_kronecker_recovery(snr_db=snr, random_state=SEED + seed) for seed in range(draws))
            label = "known" if known else "learned"
            errors = _compare(
                report, f"Synthetic, {snr:g} dB, noise {label}: NMSE", data, "synthetic",
                lambda data, coef: normalized_mean_squared_error(coef, data.coef), known,
                lambda data: {
                    "true support": data.oracle(),
                    "Kronecker OMP, true sparsity": kronecker_omp(data.factors, data.y, (3, 3, 3)),
                },
            )  # fmt: skip
            ratio = np.median(errors["auto"]) / np.median(errors["true support"])
            good = (ratio <= 1.2 or snr < 15.0) and np.mean(errors["auto"] > FAILED) <= 0.01
            report.write(
                f"\nMedian {ratio:.2f} times that on the true support: {report.verdict(bool(good), of_size=True)}"
            )


def free(report: Report, options) -> None:
    """The same where the coefficients on the support are no Kronecker product: what dsbl cannot do."""
    draws = 5 if options.quick else 200
    data = (
        make_kronecker_recovery(snr_db=15.0, kronecker_values=False, random_state=SEED + seed)
        for seed in range(draws)
    )
    errors = _compare(
        report, "Free values on the support, 15 dB, noise learned: NMSE", data, "synthetic",
        lambda data, coef: normalized_mean_squared_error(coef, data.coef), False,
        lambda data: {"true support": data.oracle()},
    )  # fmt: skip
    good = np.median(errors["auto"]) < np.median(errors["dsbl"])
    report.write(f"\nBetter than dsbl: {report.verdict(bool(good))}")


def symbols(report: Report, options) -> None:
    """Symbol error rates with the estimated channels."""
    draws = 3 if options.quick else 50
    report.table("IRS: symbol error rate, mean", "SNR", *(name for name, _ in _solvers("irs")))
    for snr in (4.0, 12.0, 20.0):
        rates: dict[str, list[float]] = {}
        for seed in range(draws):
            data = make_irs_uplink(snr_db=snr, random_state=SEED + seed)
            for name, arguments_ in _solvers("irs"):
                found = kronecker_sbl(data.factors, data.y, noise_variance=data.noise_variance, **arguments_)
                channels = data.channels_of(found.solution.coef)
                rate = symbol_error_rate(channels, data.channels, snr, n_symbols=2000, random_state=seed)
                rates.setdefault(name, []).append(rate)
        report.row(f"{snr:g} dB", *(f"{np.mean(values):.3f}" for values in rates.values()))


def coverage(report: Report, options) -> None:
    """How many of the true coefficients lie within 95 % of their posterior, where the model holds."""
    draws = 5 if options.quick else 200
    report.table("Coverage of 95 % intervals on the support", "SNR", "covered", "bar", "")
    for snr in (10.0, 20.0):
        inside, total = 0, 0
        for seed in range(draws):
            data = make_kronecker_recovery(snr_db=snr, kronecker_values=False, random_state=SEED + seed)
            found = kronecker_sbl(data.factors, data.y, random_state=0).solution
            missing = np.abs(found.coef - data.coef)[data.support]
            inside += int((missing <= 1.96 * found.coef_std[data.support]).sum())
            total += missing.size
        report.row(f"{snr:g} dB", f"{inside / total:.1%}", "90 %", report.verdict(inside >= 0.9 * total))


SECTIONS = {
    section.__name__: section for section in (step, fit, scale, irs, synthetic, free, symbols, coverage)
}


if __name__ == "__main__":
    sys.exit(
        run_sections(
            "Kronecker sparse Bayesian learning",
            __doc__,
            SECTIONS,
            PACKAGES,
        )
    )
