"""Matrix completion against cmfrec: `python benchmarks/completion.py --quick`.

Time from the entries to factors whose completion is within 1e-6 of the truth, all set-up included. Everybody has the
same number of workers and one BLAS thread each. cmfrec gets a ridge of 1e-12 (its error floor is its ridge), both its
modes, and the least number of sweeps that gets there, looked for before the clock runs.
"""

from __future__ import annotations

import sys
import time

import numpy as np
import scipy.sparse
from common import Report, race, run_sections

import sparsesolve
from sparsesolve.completion.options import check_observations
from sparsesolve.completion.regressions import pose
from sparsesolve.completion.row_solvers import half_sweep, make_solver
from sparsesolve.datasets.completion import make_low_rank, make_ratings

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
    cases = [(2000, 5, 5.0, 4.0)]
    if not options.quick:
        cases = [(20_000, 10, 5.0, 4.0), (6000, 50, 8.0, 3.0), (20_000, 50, 10.0, 3.0)]
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


def phase(report: Report, options) -> None:
    """The same over ranks and numbers of entries at one size; rho is how many there are over the degrees of freedom."""
    size, masks = (150, 2) if options.quick else (500, 20)
    rhos = (1.2, 1.5, 2.0, 2.5, 3.0, 5.0)
    bars = {1.5: 0.9} | {rho: 0.95 for rho in rhos if rho >= 2.0}
    report.table(
        f"Found of {masks} random masks, {size} x {size}", "rank", "condition", *(f"rho {r:g}" for r in rhos)
    )
    total = dict.fromkeys(rhos, 0)
    for rank in (2, 5, 10):
        for condition in (1.0, 1e5):
            cells = []
            for rho in rhos:
                found = 0
                for seed in range(masks):
                    data = make_low_rank(
                        size,
                        size,
                        rank,
                        oversampling=rho,
                        condition=condition,
                        random_state=SEED + 1000 + seed,
                    )
                    found += error(data, *ours(data, rank, 1e-8)) <= 1e-5
                total[rho] += found
                cells.append(found)
            report.row(rank, f"{condition:g}", *cells)
    for rho, bar in bars.items():
        share = total[rho] / (6 * masks)
        report.write(f"\nrho {rho:g}: {share:.1%}, bar {bar:.0%}: {report.verdict(share >= bar)}")


def ratings(report: Report, options) -> None:
    """Time to the error, on ratings held out, that cmfrec has at its best ridge and the fewest sweeps it needs."""
    shape = (600, 300, 20_000) if options.quick else (6000, 3000, 600_000)
    data = make_ratings(shape[0], shape[1], n_ratings=shape[2], random_state=SEED)
    test, train, workers = data.test.tocoo(), data.X.tocoo(), options.threads[0]
    pairs = np.column_stack([test.row, test.col])

    def rmse(values):
        return float(np.sqrt(np.mean((values - test.data) ** 2)))

    def here(alpha, tol):
        model = sparsesolve.MatrixCompletion(10, alpha=alpha, bias=True, tol=tol, random_state=0)
        return rmse(model.fit(data.X).predict(pairs))

    ridges = (3.0, 6.0, 10.0, 15.0, 25.0)
    report.table(
        f"Ratings: {shape[0]} users, {shape[1]} items, {train.nnz} ratings, rank 10, biases",
        "who", "time", "ratio to ours", "bar", "", "ridge", "setting", "error held out",
    )  # fmt: skip
    alpha = min(ridges, key=lambda ridge: here(ridge, 1e-3))
    runs, found = {"here": lambda: here(alpha, 1e-2)}, {"here": (alpha, "tol 0.01", here(alpha, 1e-2))}
    if cmfrec is not None:

        def peer_error(use_cg, ridge, sweeps):
            model = cmfrec.CMF(
                k=10, lambda_=ridge, method="als", use_cg=use_cg, niter=sweeps, nthreads=workers, verbose=False,
                random_state=1,
            )  # fmt: skip
            return rmse(model.fit(train).predict(test.row, test.col))

        for name, use_cg in (("cmfrec, cg", True), ("cmfrec, cholesky", False)):
            ridge = min(ridges, key=lambda ridge, cg=use_cg: peer_error(cg, ridge, 15))
            best = peer_error(use_cg, ridge, 15)
            sweeps = next(
                n for n in (2, 3, 4, 6, 8, 11, 15) if peer_error(use_cg, ridge, n) <= 1.001 * best or n == 15
            )
            found[name] = (ridge, f"{sweeps} sweeps", peer_error(use_cg, ridge, sweeps))
            runs[name] = lambda cg=use_cg, r=ridge, n=sweeps: peer_error(cg, r, n)
    times = race(runs, options.laps)
    fastest = min((times[name].median for name in runs if name != "here"), default=np.inf)
    for name, timing in times.items():
        ratio = timing.median / times["here"].median
        judged = name != "here" and timing.median == fastest
        good = ratio >= 2.0 and found["here"][2] <= found[name][2]
        report.row(
            name, timing, "" if name == "here" else f"{ratio:.2f}", "2" if judged else "",
            report.verdict(good, of_size=True) if judged else "", found[name][0], found[name][1],
            f"{found[name][2]:.4f}",
        )  # fmt: skip


def inner(report: Report, options) -> None:
    """A sweep by each inner solver from the same start, by rank: its growth with the rank, and against Cholesky."""
    ranks = (20, 50) if options.quick else (50, 100, 200, 350, 500)
    size, per_row = (800, 200) if options.quick else (1500, 750)
    report.table(
        f"One sweep of {size} x {size} with {size * per_row} entries", "rank", "cg", "cholesky", "ratio"
    )
    rng = np.random.default_rng(SEED)
    mask = scipy.sparse.csr_array(rng.random((size, size)) < per_row / size, dtype=float)
    mask.data = rng.standard_normal(mask.nnz)
    seconds = {}
    for rank in ranks:
        posed = pose(check_observations(mask), alpha=1.0)
        A, B = rng.standard_normal((size, rank)), rng.standard_normal((size, rank))

        def sweep(name, A=A, B=B, posed=posed):
            half_sweep(posed.rows, posed.columns.masses, A, B, make_solver(name))

        times = race({name: (lambda n=name: sweep(n)) for name in ("cg", "cholesky")}, options.laps)
        seconds[rank] = times["cg"].median
        report.row(
            rank,
            times["cg"],
            times["cholesky"],
            f"{times['cholesky'].median / times['cg'].median:.1f}",
        )
    slope = np.polyfit(np.log(list(seconds)), np.log(list(seconds.values())), 1)[0]
    report.write(f"\nLog-log slope of a sweep by cg in the rank: {slope:.2f}, bar 1.15.")


SECTIONS = {section.__name__: section for section in (speed, recovery, phase, ratings, inner)}


if __name__ == "__main__":
    sys.exit(
        run_sections(
            "Matrix completion",
            __doc__,
            SECTIONS,
            PACKAGES,
        )
    )
