"""Matrix completion against cmfrec: `python benchmarks/completion.py --quick`.

Time from the entries to factors whose completion is within 1e-6 of the truth, all set-up included. Everybody has the
same number of workers and one BLAS thread each. cmfrec gets a ridge of 1e-12 (its error floor is its ridge), both its
modes, and the least number of sweeps that gets there, looked for before the clock runs.
"""

from __future__ import annotations

import sys
import time
import warnings

import numpy as np
from common import Report, arguments, describe_machine, race, threads

import sparsesolve
from sparsesolve.datasets.completion import make_low_rank
from sparsesolve.exceptions import ConvergenceWarning

try:
    import cmfrec
except ImportError:
    cmfrec = None

PACKAGES = ("numpy", "scipy", "numba", "cmfrec")
TARGET = 1e-6
SWEEPS = (5, 8, 11, 15, 20, 30, 45, 60)
TOLERANCES = (1e-5, 3e-6, 1e-6, 3e-7, 1e-7, 1e-8, 1e-9)
SEED = 100
#: Seconds after which the search for a peer's number of sweeps is given up.
SEARCH = 120.0


def error(data, A, B) -> float:
    """Of the completed matrix, relative, from the factors alone: |A B' - U V'| by small Gram matrices."""
    U, V = data.row_factors, data.column_factors
    left, right = np.hstack([A, U]), np.hstack([B, -V])
    # |left right'| by QR: the differences would cancel in Gram matrices.
    R, S = np.linalg.qr(left, mode="r"), np.linalg.qr(right, mode="r")
    return float(
        np.linalg.norm(R @ S.T) / np.linalg.norm(np.linalg.qr(U, mode="r") @ np.linalg.qr(V, mode="r").T)
    )


def ours(data, rank, tol):
    solution = sparsesolve.complete(data.X, rank, tol=tol, random_state=0).solution
    return solution.row_factors, solution.column_factors


def peer(data, rank, use_cg, sweeps, workers):
    model = cmfrec.CMF(
        k=rank, lambda_=1e-12, method="als", use_cg=use_cg, niter=sweeps, center=False, user_bias=False,
        item_bias=False, nthreads=workers, verbose=False, finalize_chol=False, random_state=1,
    )  # fmt: skip
    model.fit(data.X.tocoo())
    return model.A_, model.B_


def first_that_gets_there(solve, settings, data):
    """The first setting whose answer is right, and its error; the last one if none is."""
    start = time.perf_counter()
    for setting in settings:
        reached = error(data, *solve(setting))
        if reached <= TARGET or time.perf_counter() - start > SEARCH:
            break
    return setting, reached


def speed(report: Report, options) -> None:
    """Random matrices of condition 1 with five to ten times as many entries as degrees of freedom."""
    cases = [(2000, 5, 5.0, 4.0)] if options.quick else [(20_000, 10, 5.0, 4.0), (6000, 50, 8.0, 3.0)]
    report.table(
        "To a relative error of 1e-6", "matrix", "who", "time", "ratio to ours", "bar", "", "setting", "error"
    )
    workers = options.threads[0]
    for size, rank, oversampling, bar in cases:
        data = make_low_rank(size, size, rank, oversampling=oversampling, random_state=SEED)
        entries = {"here": (lambda tol, d=data, k=rank: ours(d, k, tol), TOLERANCES)}
        if cmfrec is not None:
            for name, use_cg in (("cmfrec, cg", True), ("cmfrec, cholesky", False)):
                entries[name] = (lambda n, d=data, k=rank, cg=use_cg: peer(d, k, cg, n, workers), SWEEPS)
        found = {
            name: first_that_gets_there(solve, settings, data) for name, (solve, settings) in entries.items()
        }
        runs = {name: (lambda s=solve, x=found[name][0]: s(x)) for name, (solve, _) in entries.items()}
        times = race(runs, options.laps)
        there = {name for name, (_, reached) in found.items() if reached <= TARGET}
        best = min((times[name].median for name in there - {"here"}), default=np.inf)
        for name, timing in times.items():
            ratio = timing.median / times["here"].median
            judged = name in there and name != "here" and timing.median == best
            report.row(
                f"{size} x {size}, rank {rank}, oversampling {oversampling:g}", name, timing,
                "" if name == "here" else f"{ratio:.2f}", bar if judged else "",
                report.verdict(ratio >= bar, of_size=True) if judged else "" if name in there else "not there",
                found[name][0], f"{found[name][1]:.1e}",
            )  # fmt: skip


def recovery(report: Report, options) -> None:
    """How often a matrix is found, of random masks with hardly more entries than degrees of freedom."""
    size, masks = (200, 3) if options.quick else (1000, 10)
    report.table(
        f"Exact recovery of {size} x {size}, rank 5",
        "spectrum",
        "oversampling",
        "found",
        "bar",
        "",
        "median time",
    )
    for label, shape in (
        ("condition 1", {}),
        ("condition 1e5", {"condition": 1e5}),
        ("clustered", {"condition": 1e5, "spectrum": "clustered"}),
    ):
        for oversampling in (1.5, 2.0) if label != "clustered" else (2.0,):
            good, seconds = 0, []
            for seed in range(masks):
                data = make_low_rank(
                    size, size, 5, oversampling=oversampling, random_state=SEED + seed, **shape
                )
                start = time.perf_counter()
                good += error(data, *ours(data, 5, 1e-8)) <= 1e-5
                seconds.append(time.perf_counter() - start)
            share = good / masks
            report.row(
                label, oversampling, f"{good} of {masks}", "96 %", report.verdict(share >= 0.96),
                f"{np.median(seconds):.2f} s",
            )  # fmt: skip


SECTIONS = {section.__name__: section for section in (speed, recovery)}


def main() -> int:
    options = arguments(__doc__, SECTIONS)
    report = Report(options.quick)
    report.write("## Matrix completion" + (", quick form" if options.quick else ""))
    report.write()
    describe_machine(report, PACKAGES)
    with threads(options.threads[0]), warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        for name in options.only or SECTIONS:
            start = time.perf_counter()
            SECTIONS[name](report, options)
            report.write(f"\nThis table took {time.perf_counter() - start:.0f} s.")
    report.write(f"\nBars missed: {report.misses}.")
    if options.out:
        report.save(options.out)
    return 0


if __name__ == "__main__":
    sys.exit(main())
