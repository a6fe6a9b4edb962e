"""What every benchmark shares: fair timing, naive checks, and tables."""

from __future__ import annotations

import argparse
import datetime as dt
import os
import platform
import subprocess
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import numpy as np
from threadpoolctl import threadpool_info, threadpool_limits


@dataclass(frozen=True)
class Timing:
    """Seconds of one candidate: the median of several laps, and the fastest and the slowest one."""

    median: float
    fastest: float
    slowest: float

    def __str__(self):
        return f"{1e3 * self.median:.1f} ms ({1e3 * self.fastest:.1f} to {1e3 * self.slowest:.1f})"


def race(candidates: dict[str, Callable[[], object]], laps: int) -> dict[str, Timing]:
    """Time candidates in turns, A B C A B C, after a warm-up lap that does not count."""
    seconds: dict[str, list[float]] = {name: [] for name in candidates}
    for lap in range(laps + 1):
        for name, run in candidates.items():
            start = time.perf_counter()
            run()
            if lap > 0:
                seconds[name].append(time.perf_counter() - start)
    return {name: Timing(float(np.median(laps)), min(laps), max(laps)) for name, laps in seconds.items()}


@contextmanager
def threads(count: int) -> Iterator[None]:
    """Give everybody so many threads: every BLAS and OpenMP in this process, and sparsesolve with them."""
    with threadpool_limits(count):
        yield


@dataclass
class Report:
    """Markdown, printed as it comes and kept for a file.

    Bars of time and memory are for the full sizes: with `quick` they are shown, but nothing is judged by them.
    """

    quick: bool = False
    lines: list[str] = field(default_factory=list)
    misses: int = 0

    def write(self, text: str = "") -> None:
        """Write a line."""
        print(text, flush=True)
        self.lines.append(text)

    def table(self, title: str, *columns: str) -> None:
        """Begin a table."""
        self.write(f"\n### {title}\n")
        self.row(*columns)
        self.row(*("---" for _ in columns))

    def row(self, *cells) -> None:
        """Write a row of a table."""
        self.write("| " + " | ".join(str(cell) for cell in cells) + " |")

    def verdict(self, good: bool, of_size: bool = False) -> str:
        """Return the word for whether a bar was reached, and count the misses.

        `of_size` says that the bar is for the full sizes.
        """
        if of_size and self.quick:
            return "(size)"
        self.misses += not good
        return "pass" if good else "**miss**"

    def save(self, path: str) -> None:
        """Append everything to a file."""
        with Path(path).open("a", encoding="utf-8") as file:
            file.write("\n".join(self.lines) + "\n")


def describe_machine(report: Report, peers: tuple[str, ...]) -> None:
    """Write the machine, the versions and the date."""
    report.write(f"{processor()}, {os.cpu_count()} logical processors, {platform.system()}.")
    report.write(f"Python {platform.python_version()}, {', '.join(map(name_and_version, peers))}.")
    blas = {
        f"{info['internal_api']} {info['version']}"
        for info in threadpool_info()
        if info["user_api"] == "blas"
    }
    report.write(f"BLAS: {', '.join(sorted(blas))}. {dt.date.today().isoformat()}.")
    if hasattr(os, "getloadavg") and os.getloadavg()[0] > 0.5:
        report.write(f"Other work was on the machine at the start: load average {os.getloadavg()[0]:.1f}.")


def processor() -> str:
    """The name of the processor."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        return next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def name_and_version(package: str) -> str:
    """A package's name and version, or that it is missing."""
    try:
        return f"{package} {version(package)}"
    except PackageNotFoundError:
        return f"{package} (not installed)"


def arguments(description: str, sections) -> argparse.Namespace:
    """The options that all benchmarks have."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--quick", action="store_true", help="small sizes, less than a minute")
    parser.add_argument("--threads", type=int, nargs="+", help="thread counts; by default 1 and 2")
    parser.add_argument("--only", nargs="+", choices=list(sections), help="sections to run")
    parser.add_argument(
        "--laps", type=int, default=5, help="laps that count, at least 5 for a figure to quote"
    )
    parser.add_argument("--out", help="append the tables to this file")
    options = parser.parse_args()
    options.laps = options.laps or (3 if options.quick else 5)
    options.threads = options.threads or [1, 2]
    return options


def run_sections(
    title: str,
    description: str,
    sections,
    packages: tuple[str, ...],
    *,
    note: str = "",
    one_thread: bool = False,
) -> int:
    """The main part of a benchmark: arguments, the machine, then each section's tables.

    Parameters
    ----------
    title : str
    description : str
        For ``--help``.
    sections : dict of str to callable
        Each takes a `Report` and the options.
    packages : tuple of str
        Whose versions are told.
    note : str
        Below the machine; ``{laps}`` stands for the number of laps.
    one_thread : bool
        Whether sections run under one thread; else under the first number of ``--threads``.
    """
    options = arguments(description, sections)
    report = Report(options.quick)
    report.write(f"## {title}" + (", quick form" if options.quick else ""))
    report.write()
    describe_machine(report, packages)
    if note:
        report.write(note.format(laps=options.laps))
    with threads(1 if one_thread else options.threads[0]), warnings.catch_warnings():
        # Peers warn at each tolerance that they do not reach; what counts is the certificate of their answers.
        warnings.simplefilter("ignore")
        for name in options.only or sections:
            start = time.perf_counter()
            sections[name](report, options)
            report.write(f"\nThis took {time.perf_counter() - start:.0f} s.")
    report.write(f"\nBars missed: {report.misses}.")
    if options.out:
        report.save(options.out)
    return 0


class BackwardError:
    """The backward error of any answer to one least squares problem, computed naively.

    The estimate of Karlson and Walden, relative to the Frobenius norm, with residuals in extended precision. It
    shares no code with the solvers: the singular values are those of a QR factorisation by row blocks.
    """

    def __init__(self, A, b, block_rows=1 << 15):
        self.A, self.b = A, b
        self.blocks = [slice(i, i + block_rows) for i in range(0, len(b), block_rows)]
        root = np.linalg.qr(np.vstack([np.linalg.qr(A[rows], mode="r") for rows in self.blocks]), mode="r")
        self.values, self.right = np.linalg.svd(root)[1:]
        self.norm = np.linalg.norm(self.values)

    def __call__(self, x) -> float:
        """Return the backward error of the answer x; NaN if it is not finite."""
        if not np.all(np.isfinite(x)):
            return np.nan
        wide = x.astype(np.longdouble)
        gradient, square = np.zeros(len(x), np.longdouble), np.longdouble(0)
        for rows in self.blocks:
            A = self.A[rows].astype(np.longdouble)
            residual = self.b[rows] - A @ wide
            gradient += residual @ A
            square += residual @ residual
        theta = self.norm / np.linalg.norm(self.b)
        length = np.hypot(1.0, theta * np.linalg.norm(x))
        damping = theta * np.sqrt(float(square)) / length
        coordinates = self.right @ gradient.astype(np.float64) / np.hypot(self.values, damping)
        return float(theta / length * np.linalg.norm(coordinates) / self.norm)


_MEASURE = """
import numpy as np

def peak(key):
    lines = open("/proc/self/status").read().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(key)) * 1024

{setup}
open("/proc/self/clear_refs", "w").write("5")  # forget the highest memory use so far
before = peak("VmRSS")
{run}
print((peak("VmHWM") - before) / {against})
"""


def extra_memory(setup: str, run: str, against: str) -> float | None:
    """Peak memory that `run` takes beyond what is there before it, in a process of its own; None off Linux.

    Parameters
    ----------
    setup, run : str
        Python code; warm everything up in `setup`.
    against : str
        An expression: the bytes to compare with.
    """
    if not Path("/proc/self/clear_refs").exists():
        return None
    code = _MEASURE.format(setup=setup, run=run, against=against)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return float(done.stdout)
