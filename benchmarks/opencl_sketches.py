"""Sketches on the processor and on an OpenCL device: `python benchmarks/opencl_sketches.py --quick`.

Independent entries, never stored, against BLAS with S stored and against numpy that draws S first; Hadamard sketches
against the same transform level by level. A device's figures are of whole calls, the way there and back included.
"""

from __future__ import annotations

import sys

import numpy as np
from common import Report, race, run_sections
from numba import njit

from sparsesolve.backends import opencl
from sparsesolve.random import fill_normal_panel, fill_sign_panel
from sparsesolve.sketch import SRHT, Gaussian, PaddedSRHT, Rademacher

PACKAGES = ("numpy", "numba", "pyopencl", "pocl-binary-distribution")
FLOAT32 = np.float32
#: Of the issue's sizes: largest time over BLAS with S stored, and least gain over numpy that draws S.
DENSE_BARS = {
    ("gaussian", "numba"): (1.6, 4.0),
    ("gaussian", "opencl"): (2.1, 3.0),
    ("rademacher", "numba"): (1.3, None),
    ("rademacher", "opencl"): (1.7, None),
}
#: Least gain over the transform level by level.
SRHT_BARS = {"numba": 5.0, "opencl": 3.3}


def backends() -> list[str]:
    """The backends of this machine."""
    return ["numba", "opencl"] if opencl.installed() and opencl.devices() else ["numba"]


def limits(report: Report, options) -> None:
    """What the processor can do: the arithmetic, the memory, and the generator."""
    side, cells = (512, 1 << 22) if options.quick else (2048, 1 << 26)
    rng = np.random.default_rng(0)
    square = rng.standard_normal((side, side), dtype=FLOAT32)
    stream, panel = np.ones(cells, FLOAT32), np.empty((512, 512), FLOAT32)
    entries = {"normals": fill_normal_panel, "signs": fill_sign_panel}
    runs = {"BLAS": lambda: square @ square, "a read": stream.sum}
    for name, fill in entries.items():
        runs[name] = lambda fill=fill: fill(np.uint64(1), 5, 0, 0, panel)
    times = race(runs, options.laps)
    report.table("Limits of this processor, one thread for the generator", "what", "time", "rate")
    amounts = {"BLAS": (2 * side**3, "GFLOP/s"), "a read": (stream.nbytes, "GB/s")}
    for name, timing in times.items():
        amount, unit = amounts.get(name, (panel.size, "billion numbers/s"))
        report.row(name, timing, f"{amount / timing.median / 1e9:.2f} {unit}")
    if "opencl" in backends():
        report.write(f"\nOpenCL: {opencl.runtime().device}, {opencl.runtime().form} form.")


def dense(report: Report, options) -> None:
    """Gaussian and Rademacher sketches of one matrix of float32."""
    cases = [(128, 4096, 32)] if options.quick else [(512, 32768, 64), (512, 32768, 256), (128, 65536, 16)]
    for size, n_rows, n_columns in cases:
        rng = np.random.Generator(np.random.SFC64(0))
        A = rng.standard_normal((n_rows, n_columns), dtype=FLOAT32)
        S = rng.standard_normal((size, n_rows), dtype=FLOAT32)
        drawn = np.empty_like(S)

        def draw_first(rng=rng, drawn=drawn, A=A):
            rng.standard_normal(out=drawn, dtype=FLOAT32)
            return drawn @ A

        runs = {"BLAS, S stored": lambda S=S, A=A: S @ A, "numpy draws S, BLAS": draw_first}
        for name, distribution in (("gaussian", Gaussian), ("rademacher", Rademacher)):
            sample = distribution(size, random_state=0).sample(n_rows)
            for backend in backends():
                runs[f"{name}, {backend}"] = lambda sample=sample, A=A, backend=backend: sample.apply(
                    A, backend=backend, dtype=FLOAT32
                )
        times = race(runs, options.laps)
        stored, draws = times["BLAS, S stored"].median, times["numpy draws S, BLAS"].median
        flops = 2 * size * n_rows * n_columns
        report.table(
            f"S A for S of {size} by {n_rows}, {n_columns} columns, float32",
            "who", "time", "GFLOP/s", "over BLAS", "bar", "gain over drawing", "bar", "",
        )  # fmt: skip
        judged = (size, n_rows, n_columns) == (512, 32768, 64) or options.quick
        for name, timing in times.items():
            most, least = DENSE_BARS.get(tuple(name.split(", ")), (None, None)) if judged else (None, None)
            over, gain = timing.median / stored, draws / timing.median
            good = (most is None or over <= most) and (least is None or gain >= least)
            report.row(
                name, timing, f"{flops / timing.median / 1e9:.0f}", f"{over:.2f}", most or "", f"{gain:.1f}",
                least or "", report.verdict(good, of_size=True) if most else "",
            )  # fmt: skip


@njit(nogil=True)
def level_by_level(X):
    """The transform in place, one level after the other: what a first program does."""
    distance = 1
    while distance < X.shape[0]:
        for first in range(0, X.shape[0], 2 * distance):
            for row in range(first, first + distance):
                for column in range(X.shape[1]):
                    upper, lower = X[row, column], X[row + distance, column]
                    X[row, column] = upper + lower
                    X[row + distance, column] = upper - lower
        distance *= 2


def srht(report: Report, options) -> None:
    """Both Hadamard sketches with 512 rows against the whole transform, its signs and its sampling included."""
    n_rows = 1 << (14 if options.quick else 20)
    for n_columns in (16,) if options.quick else (16, 64, 256):
        rng = np.random.default_rng(0)
        A = rng.standard_normal((n_rows, n_columns), dtype=FLOAT32)
        signs = rng.choice(np.array([-1.0, 1.0], FLOAT32), n_rows)[:, None]
        rows = np.sort(rng.choice(n_rows, 512, replace=False))

        def levels(A=A, signs=signs, rows=rows):
            X = A * signs
            level_by_level(X)
            return X[rows] / FLOAT32(np.sqrt(512))

        runs = {"level by level": levels, "a copy": A.copy}
        for name, distribution in (("block", SRHT), ("padded", PaddedSRHT)):
            sample = distribution(512, random_state=0).sample(n_rows)
            for backend in backends():
                runs[f"{name}, {backend}"] = lambda sample=sample, A=A, backend=backend: sample.apply(
                    A, backend=backend, dtype=FLOAT32
                )
        times = race(runs, options.laps)
        report.table(
            f"SRHT to 512 rows of {n_rows} by {n_columns}, float32",
            "who", "time", "GB/s of A", "over a copy", "gain", "bar", "",
        )  # fmt: skip
        for name, timing in times.items():
            gain = times["level by level"].median / timing.median
            bar = SRHT_BARS.get(name.split(", ")[-1])
            report.row(
                name, timing, f"{A.nbytes / timing.median / 1e9:.1f}",
                f"{timing.median / times['a copy'].median:.2f}", f"{gain:.1f}", bar or "",
                report.verdict(gain >= bar, of_size=True) if bar else "",
            )  # fmt: skip


if __name__ == "__main__":
    sys.exit(
        run_sections(
            "Sketches on the processor and on OpenCL devices",
            __doc__,
            {"limits": limits, "dense": dense, "srht": srht},
            PACKAGES,
            note="Each figure is the median of {laps} laps in turns, with the fastest and the slowest.",
        )
    )
