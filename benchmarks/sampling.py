"""Sampling rows: its promises, counted, and its cost: `python benchmarks/sampling.py --quick`.

Distortion is the largest relative error of an l_p norm of A x over all x. For p = 2 it is exact; elsewhere
an ascent from several starts searches for it, and what it finds is computed on all rows.
"""

from __future__ import annotations

import sys
import time

import numpy as np
from common import Report, race, run_sections
from numpy.polynomial.legendre import legvander
from scipy import stats

from sparsesolve.regression.sampled import METHODS, SampledLeastSquares
from sparsesolve.sketch import (
    LpSampling,
    RescaledVolumeSampling,
    VolumeSampling,
    from_name,
    leverage_scores,
    lewis_fixed_point,
    lp_distortion,
    row_scores,
)

PACKAGES = ("numpy", "scipy", "numba")
SKETCHES = ("srht", "gaussian", "countsketch", "sparse-sign", "multisketch", "leverage")


def coherent(n_rows: int, n_columns: int, seed: int = 0) -> np.ndarray:
    """A quarter of the columns live on ten rows each, among rows with heavy tails."""
    rng = np.random.default_rng(seed)
    A = rng.standard_normal((n_rows, n_columns)) * rng.standard_t(3.0, n_rows)[:, None]
    A[:, : n_columns // 4] *= 30.0 / n_rows
    for column in range(n_columns // 4):
        A[rng.choice(n_rows, 10, replace=False), column] += 30.0
    return A


def lewis(report: Report, options) -> None:
    """Lewis weights: passes and time, against the plain fixed point in numpy."""
    A = coherent(*((50_000, 10) if options.quick else (1_000_000, 20)))
    report.table(
        f"Lewis weights, {A.shape[0]} x {A.shape[1]}", "p", "time", "passes", "residual", "bar", "", "plain passes",
        "time of plain numpy", "sum minus rank",
    )  # fmt: skip
    for p in (1.0, 1.5, 2.0, 3.0, 6.0, 20.0):
        start = time.perf_counter()
        found = lewis_fixed_point(A, p)
        seconds = time.perf_counter() - start
        plain = ("diverges", "") if p >= 4.0 else _plain_lewis(A, p)
        report.row(
            f"{p:g}", f"{seconds:.2f} s", found.n_iter, f"{found.residual:.1e}", "1e-8",
            report.verdict(found.residual <= 1e-8), *plain, f"{found.weights.sum() - A.shape[1]:.0e}",
        )  # fmt: skip
    gap = np.abs(lewis_fixed_point(A, 2.0).weights / leverage_scores(A) - 1.0).max()
    report.write(f"\np = 2 against leverage scores: {gap:.0e}: {report.verdict(bool(gap <= 1e-8))}")


def _plain_lewis(A, p):
    """Cohen and Peng's iteration, written as it stands."""
    start = time.perf_counter()
    weights, passes, residual = np.ones(len(A)), 0, np.inf
    while residual > 1e-8:
        passes += 1
        root = np.linalg.cholesky((A * weights[:, None] ** (1.0 - 2.0 / p)).T @ A)
        new = (np.linalg.solve(root, A.T) ** 2).sum(axis=0) ** (p / 2.0)
        residual = np.abs(np.log(new / weights)).max() * 2.0 / p
        weights = new
    return passes, f"{time.perf_counter() - start:.2f} s"


def norms(report: Report, options) -> None:
    """The promise of l_p sampling: distortion of at most 0.1 from a fiftieth of the rows."""
    n_rows, n_columns, draws = (50_000, 6, 10) if options.quick else (1_000_000, 20, 100)
    size = n_rows // 50
    A = coherent(n_rows, n_columns)
    report.table(
        f"Distortion of {size} of {n_rows} rows, {n_columns} columns", "p", "scores", "draws", "median",
        "95 %", "at most 0.1", "bar", "", "time of the scores",
    )  # fmt: skip
    for p in (1.0, 1.5, 3.0):
        for scores in ("augmented", "lewis", "leverage", "uniform"):
            start = time.perf_counter()
            known = row_scores(A, p, scores)
            seconds = time.perf_counter() - start
            count = draws if scores == "augmented" else max(5, draws // 5)
            found = [
                lp_distortion(
                    A, LpSampling(size, p, random_state=seed).sample_by(known), n_starts=4, n_steps=10
                )
                for seed in range(count)
            ]
            kept = np.mean(np.array(found) <= 0.1)
            judged = {"augmented": ("95 %", kept >= 0.95), "uniform": ("fails", kept < 0.05)}.get(scores)
            report.row(
                f"{p:g}", scores, count, f"{np.median(found):.3f}", f"{np.quantile(found, 0.95):.3f}", f"{kept:.0%}",
                judged[0] if judged else "", report.verdict(judged[1], of_size=True) if judged else "",
                f"{seconds:.2f} s",
            )  # fmt: skip


def unbiased(report: Report, options) -> None:
    """The mean of least squares on rows drawn by volume."""
    n_rows, n_columns, draws = (500, 5, 2000) if options.quick else (2000, 10, 20_000)
    rng = np.random.default_rng(0)
    A = rng.standard_normal((n_rows, n_columns)) * rng.standard_t(4.0, n_rows)[:, None]
    b = A @ rng.standard_normal(n_columns) + A[:, 0] ** 3 + rng.standard_normal(n_rows)
    exact = np.linalg.lstsq(A, b)[0]
    least = ((A @ exact - b) ** 2).sum()
    size = 3 * n_columns
    leverage = leverage_scores(A)
    volume, rescaled = VolumeSampling(size, 0).of(A), RescaledVolumeSampling(size, 0).of(A)
    reverse = VolumeSampling(size, 0, "reverse").of(A)
    ways = {
        "volume": volume.draw,
        "volume, reverse": reverse.draw,
        "leveraged volume": rescaled.draw,
        "determinantal, 3 rounds": RescaledVolumeSampling(size, 0, "most").of(A).draw,
        "leverage": lambda i: LpSampling(size, 2.0, random_state=i).sample_by(leverage),
        "uniform": lambda i: LpSampling(size, 2.0, random_state=i).sample_by(np.ones(n_rows)),
    }
    limit = stats.norm.isf(5e-4 / n_columns)
    report.table(
        f"Mean of {draws} least squares fits on {size} of {n_rows} rows, {n_columns} columns", "rows by",
        "largest z", "bar", "", "median loss over the least", "time of a draw",
    )  # fmt: skip
    for name, draw in ways.items():
        count = draws if name != "volume, reverse" else draws // 4
        estimates, losses, seconds = np.empty((count, n_columns)), np.empty(count), 0.0
        for i in range(count):
            start = time.perf_counter()
            drawn = draw(i)
            seconds += time.perf_counter() - start
            root = np.sqrt(drawn.weights)
            estimates[i] = np.linalg.lstsq(A[drawn.rows] * root[:, None], b[drawn.rows] * root)[0]
            losses[i] = ((A @ estimates[i] - b) ** 2).sum() / least
        z = np.abs((estimates.mean(axis=0) - exact) / (estimates.std(axis=0) / np.sqrt(count))).max()
        promised = "volume" in name
        report.row(
            name, f"{z:.1f}", f"{limit:.1f}" if promised else "",
            report.verdict(bool(z <= limit)) if promised else "", f"{np.median(losses):.2f}",
            f"{1e6 * seconds / count:.0f} us",
        )  # fmt: skip


def cost(report: Report, options) -> None:
    """How the cost of volume sampling grows with the rows."""
    sizes = (2000, 8000, 32_000) if options.quick else (15_625, 62_500, 250_000, 1_000_000)
    rng = np.random.default_rng(0)
    report.table("Volume sampling, 20 columns, 60 rows", "rows", "set-up", "a draw", "a draw, reverse")
    seconds = []
    for n_rows in sizes:
        A = rng.standard_normal((n_rows, 20))
        chain, reverse = VolumeSampling(60, 0).of(A), VolumeSampling(60, 0, "reverse").of(A)
        times = race(
            {
                "set-up": lambda A=A: VolumeSampling(60, 0).of(A),
                "chain": lambda chain=chain: chain.draw(0),
                "reverse": lambda reverse=reverse: reverse.draw(0),
            },
            options.laps,
        )
        report.row(n_rows, times["set-up"], times["chain"], times["reverse"])
        seconds.append([timing.median for timing in times.values()])
    slopes = np.polyfit(np.log(sizes), np.log(np.array(seconds)), 1)[0]
    good = bool(0.8 <= slopes[2] <= 1.2)
    verdict = report.verdict(good, of_size=True)
    report.write(f"\nSlopes: set-up {slopes[0]:.2f}, reverse {slopes[2]:.2f}; O(n d^2) is 1: {verdict}")


def embedding(report: Report, options) -> None:
    """Sketches and sampling, side by side: time, and distortion for p = 2 on coherent rows."""
    n_rows, n_columns = (32_768, 16) if options.quick else (1 << 20, 32)
    A = coherent(n_rows, n_columns)
    # A basis of known columns, so that the distortion is that of singular values.
    root = np.linalg.inv(np.linalg.cholesky(A.T @ A)).T
    report.table(f"{n_rows} x {n_columns}, p = 2", "which", "rows", "time", "distortion, median of 5")
    for size in (8 * n_columns, 32 * n_columns):
        runs = {
            name: lambda seed=0, name=name, size=size: from_name(name, size, seed).sample(A).apply(A)
            for name in SKETCHES
        }
        runs["LpSampling"] = lambda seed=0, size=size: (
            LpSampling(size, 2.0, "leverage", seed).sample(A).apply(A)
        )
        runs["uniform rows"] = lambda seed=0, size=size: (
            LpSampling(size, 2.0, "uniform", seed).sample(A).apply(A)
        )
        times = race(runs, 1 if options.quick else 3)
        for name, run in runs.items():
            found = []
            for seed in range(5):
                values = np.linalg.svd(run(seed) @ root, compute_uv=False)
                found.append(np.abs(values - 1.0).max())
            report.row(name, size, times[name], f"{np.median(found):.3f}")


def evaluations(report: Report, options) -> None:
    """Polynomials from few evaluations: the loss over the least possible."""
    degree, draws = (14, 20) if options.quick else (39, 100)
    points = np.linspace(-1.0, 1.0, 20_001)
    _evaluations(report, "grid, in order", points, degree, draws)
    _evaluations(report, "grid, shuffled", np.random.default_rng(0).permutation(points), degree, draws)


def _evaluations(report, title, points, degree, draws):
    basis = legvander(points, degree)
    y = 1.0 / (1.0 + 25.0 * points**2)
    best = np.linalg.norm(y - basis @ np.linalg.lstsq(basis, y)[0])
    report.table(
        f"Legendre polynomials to degree {degree}, 1 / (1 + 25 t^2), {draws} draws, {title}", "rows by", "evaluations",
        "error over the best, median", "95 %", "condition, median",
    )  # fmt: skip
    for factor in (1.5, 2.0, 4.0):
        for method in METHODS:
            errors, conditions = [], []
            for seed in range(draws):
                model = SampledLeastSquares(
                    method=method, n_evaluations=int(factor * (degree + 1)), random_state=seed
                ).fit(basis, y)
                errors.append(np.linalg.norm(y - model.predict(basis)) / best)
                conditions.append(model.condition_number_)
            report.row(
                method, int(factor * (degree + 1)), f"{np.median(errors):.3g}", f"{np.quantile(errors, 0.95):.3g}",
                f"{np.median(conditions):.3g}",
            )  # fmt: skip


SECTIONS = {section.__name__: section for section in (lewis, norms, unbiased, cost, embedding, evaluations)}


if __name__ == "__main__":
    sys.exit(run_sections("Row sampling", __doc__, SECTIONS, PACKAGES))
