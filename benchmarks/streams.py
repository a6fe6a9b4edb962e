"""Row blocks: larger than memory, as fast as reading, on workers: `python benchmarks/streams.py --quick`.

Files are written to a folder beside this one's temporary files and deleted at the end. They are read warm, from the
operating system's cache: what is measured is what this package adds to reading.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from common import Report, race, run_sections, threads

from sparsesolve import lstsq
from sparsesolve.sketch import SRHT
from sparsesolve.streams import reduce_blocks, row_blocks

PACKAGES = ("numpy", "scipy", "numba", "dask", "distributed", "pyarrow", "zarr")
COLUMNS = 200
MIB = 1 << 20
BLOCK = 128 * MIB


def write(folder: Path, n_rows: int, n_columns: int = COLUMNS) -> tuple[str, str]:
    """Rows of standard normals, and targets, as two files."""
    rng = np.random.default_rng(0)
    X = np.lib.format.open_memmap(folder / "X.npy", "w+", np.float64, (n_rows, n_columns))
    y = np.lib.format.open_memmap(folder / "y.npy", "w+", np.float64, (n_rows,))
    base = rng.standard_normal((min(n_rows, 50_000), n_columns))
    for start in range(0, n_rows, len(base)):
        stop = min(n_rows, start + len(base))
        X[start:stop] = base[: stop - start] * (1.0 + 1e-3 * rng.standard_normal((stop - start, 1)))
        y[start:stop] = X[start:stop].sum(axis=1) + rng.standard_normal(stop - start)
    X.flush()
    y.flush()
    return str(folder / "X.npy"), str(folder / "y.npy")


CHILD = """
import json, resource, sys, time
import numpy as np
from sparsesolve.regression.solver import lstsq
from sparsesolve.streams import row_blocks

X, y, limit = sys.argv[1], sys.argv[2], int(sys.argv[3])
rng = np.random.default_rng(0)
lstsq(row_blocks(rng.standard_normal((60_000, 8)), rng.standard_normal(60_000)), random_state=0)  # compiled by now
passes = set()
if limit:
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    A, b = row_blocks(X, y, progress=lambda step: passes.add(step.pass_number)), None
else:
    A, b = np.load(X), np.load(y)
start = time.perf_counter(), time.process_time()
result = lstsq(A, b, random_state=0)
end = time.perf_counter(), time.process_time()
lines = open("/proc/self/status").read().splitlines()
peak = next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) * 1024
print(json.dumps({
    "seconds": end[0] - start[0], "processor": end[1] - start[1], "peak": peak, "passes": len(passes),
    "error": result.certificate["backward_error"], "coef": result.solution.coef.tolist(),
    "solver": result.solution.solver,
}))
"""


def child(files, limit: int) -> dict:
    """A fit in a process of its own, under a limit of its address space in bytes; in memory for 0."""
    command = [sys.executable, "-c", CHILD, *files, str(limit)]
    return json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def memory(report: Report, options) -> None:
    """An accurate fit of a file four times larger than the process may be."""
    limit = 1024 * MIB
    n_rows = (1024 if options.quick else 4096) * MIB // (8 * COLUMNS)
    with tempfile.TemporaryDirectory() as name:
        files = write(Path(name), n_rows)
        laps = [(child(files, limit), child(files, 0)) for _ in range(options.laps)]
    blocks, whole = laps[0]
    title = (
        f"{n_rows * COLUMNS * 8 / 2**30:.1f} GiB, {COLUMNS} columns, by a process that may have 1 GiB in all"
    )
    report.table(title, "", "found", "bar", "")
    report.row("engine, passes", f"{blocks['solver']}, {blocks['passes']}", "3 to 6", "")
    report.row(
        "backward error", f"{blocks['error']:.1e}", "2.2e-16", report.verdict(blocks["error"] < 2.3e-16)
    )
    difference = np.abs(np.subtract(blocks["coef"], whole["coef"])).max() / np.abs(whole["coef"]).max()
    report.row("difference from in memory", f"{difference:.1e}", "1e-10", report.verdict(difference < 1e-10))
    for what, key in (("time", "seconds"), ("time of the processor", "processor")):
        here, there = (float(np.median([lap[k][key] for lap in laps])) for k in (0, 1))
        report.row(
            f"{what} over in memory", f"{here:.2f} s / {there:.2f} s = {here / there:.2f}", "1.4",
            report.verdict(here <= 1.4 * there, of_size=True),
        )  # fmt: skip
    bar = 1.2 * BLOCK + 200e6
    report.row(
        "peak memory, the interpreter included", f"{blocks['peak'] / 1e6:.0f} MB", f"{bar / 1e6:.0f} MB",
        report.verdict(blocks["peak"] <= bar),
    )  # fmt: skip
    report.row("peak memory of the fit in memory", f"{whole['peak'] / 1e6:.0f} MB", "", "")


def sketch(report: Report, options) -> None:
    """One pass that sketches a file with all threads, against one that only reads it, which one thread does."""
    n_rows = (256 if options.quick else 2048) * MIB // (8 * COLUMNS)
    with tempfile.TemporaryDirectory() as name:
        path, _ = write(Path(name), n_rows)
        buffer = bytearray(BLOCK)

        def read():
            with open(path, "rb", buffering=0) as file:
                while file.readinto(buffer):
                    pass

        def touch():
            reduce_blocks(row_blocks(path), lambda block: (block.data.sum(),))

        runs = {"read into a buffer": read, "sum of all entries, by blocks": touch}
        sizes = 512, 4096
        samples = {size: SRHT(size, random_state=0).sample(n_rows) for size in sizes}
        for size, sample in samples.items():
            runs[f"SRHT, {size} rows"] = lambda sample=sample: reduce_blocks(
                row_blocks(path), lambda block: (sample.apply_block(block.data, block.first_row),)
            )
        with threads(os.cpu_count() or 1):
            times = race(runs, options.laps)
    title = f"One pass over {n_rows * COLUMNS * 8 / 2**30:.1f} GiB in a file, warm"
    report.table(title, "what", "time", "speed over reading", "bar", "")
    for name, timing in times.items():
        ratio = times["read into a buffer"].median / timing.median
        judged = name == "SRHT, 512 rows"
        report.row(
            name, timing, f"{100 * ratio:.0f} %", "80 %" if judged else "",
            report.verdict(ratio >= 0.8, of_size=True) if judged else "",
        )  # fmt: skip


@contextlib.contextmanager
def cluster(n_workers: int):
    """A client of so many processes of one thread."""
    from distributed import Client, LocalCluster

    with (
        LocalCluster(n_workers=n_workers, threads_per_worker=1, dashboard_address=":0") as workers,
        Client(workers, set_as_default=False) as client,
    ):
        yield client


def workers(report: Report, options) -> None:
    """Two workers against one, and against this process with one thread."""
    n_rows = (512 if options.quick else 5120) * MIB // (8 * COLUMNS)
    with tempfile.TemporaryDirectory() as name:
        files = write(Path(name), n_rows)
        runs = {"this process, one thread": lambda: lstsq(row_blocks(*files), random_state=0)}
        with cluster(1) as one, cluster(2) as two:
            for label, client in (("1 worker", one), ("2 workers", two)):
                runs[label] = lambda client=client: lstsq(
                    row_blocks(*files, scheduler=client), random_state=0
                )
            times = race(runs, max(1, options.laps // 2))
    title = f"An accurate fit of {n_rows * COLUMNS * 8 / 2**30:.1f} GiB on Dask's workers, warm"
    report.table(title, "who", "time", "faster than 1 worker", "bar", "")
    for name, timing in times.items():
        ratio = times["1 worker"].median / timing.median
        judged = name == "2 workers"
        report.row(
            name, timing, f"{ratio:.2f}", "1.6" if judged else "",
            report.verdict(ratio >= 1.6, of_size=True) if judged else "",
        )  # fmt: skip


def processor_time(run) -> float:
    """Seconds of the processor that a call takes: other work on the machine counts less than on the clock."""
    start = time.process_time()
    run()
    return time.process_time() - start


def overhead(report: Report, options) -> None:
    """An array in memory by blocks, against the plain call; and what is imported."""
    rng = np.random.default_rng(0)
    sizes = [(40_000, 100)] if options.quick else [(200_000, 50), (400_000, 200), (100_000, 500)]
    title = "Blocks of an array in memory over the plain call, time of the processor with one thread"
    report.table(title, "shape", "plain", "blocks", "ratio", "bar", "")
    for shape in sizes:
        A = rng.standard_normal(shape)
        b = A.sum(axis=1) + rng.standard_normal(shape[0])
        runs = [lambda A=A, b=b: lstsq(A, b, random_state=0)]
        runs.append(lambda A=A, b=b: lstsq(row_blocks(A, b), random_state=0))
        laps = [[processor_time(run) for run in runs] for _ in range(1 + 4 * options.laps)][1:]
        plain, blocks = np.median(laps, axis=0)
        report.row(
            shape, f"{1e3 * plain:.1f} ms", f"{1e3 * blocks:.1f} ms", f"{blocks / plain:.3f}", "1.03",
            report.verdict(blocks <= 1.03 * plain, of_size=True),
        )  # fmt: skip
    code = "import sys, sparsesolve.streams, sparsesolve.regression.solver; print('dask' in sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    report.write(
        f"\nDask is imported unless asked: {loaded.strip()}. {report.verdict(loaded.strip() == 'False')}"
    )


def sources(report: Report, options) -> None:
    """Speed of one pass from each kind of source: what the growth model of the documentation is made of."""
    import pyarrow as pa
    import zarr
    from pyarrow import parquet

    n_rows = (64 if options.quick else 512) * MIB // (8 * COLUMNS)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        path, _ = write(folder, n_rows)
        X = np.load(path)
        table = pa.table({f"x{k}": column for k, column in enumerate(X.T)})
        group = BLOCK // (8 * COLUMNS)
        parquet.write_table(table, folder / "plain.parquet", row_group_size=group, compression="none",
                                    use_dictionary=False)  # fmt: skip
        parquet.write_table(table, folder / "default.parquet", row_group_size=group)
        array = zarr.create_array(
            store=str(folder / "X.zarr"), shape=X.shape, chunks=(8192, COLUMNS), dtype="f8"
        )
        array[:] = X
        made = {
            "array in memory": lambda: row_blocks(X),
            "npy": lambda: row_blocks(path),
            "Parquet, plain": lambda: row_blocks(folder / "plain.parquet"),
            "Parquet, default": lambda: row_blocks(folder / "default.parquet"),
            "Zarr, default": lambda: row_blocks(folder / "X.zarr"),
        }
        times = race(
            {
                kind: lambda make=make: reduce_blocks(make(), lambda block: (block.data.sum(),))
                for kind, make in made.items()
            },
            options.laps,
        )
        report.table(f"One pass over {X.nbytes / 2**30:.2f} GiB that only adds up", "source", "time", "GB/s")
        for kind, timing in times.items():
            report.row(kind, timing, f"{X.nbytes / timing.median / 1e9:.2f}")


def growth(report: Report, options) -> None:
    """The model of the documentation: so many bytes a second for each pass, and so many products for the factor."""
    sizes = [(100_000, 50), (50_000, 100)] if options.quick else [
        (n * 100_000, d) for n, d in ((2, 50), (8, 50), (2, 100), (8, 100), (2, 200), (8, 200), (1, 400), (2, 400))
    ]  # fmt: skip
    found = []
    with tempfile.TemporaryDirectory() as name:
        for n_rows, n_columns in sizes:
            files = write(Path(name), n_rows, n_columns)
            steps: list = []
            lstsq(row_blocks(*files, progress=steps.append), random_state=0)
            times = race({"fit": lambda files=files: lstsq(row_blocks(*files), random_state=0)}, options.laps)
            passes = len({step.pass_number for step in steps})
            read = passes * n_rows * n_columns * 8
            found.append((n_rows, n_columns, passes, read, n_rows * n_columns**2, times["fit"].median))
    terms = np.array([[read, work] for *_, read, work, _ in found], dtype=float)
    seconds = np.array([row[-1] for row in found])
    # Relative errors are minimised, and no rate may be negative.
    from scipy.optimize import nnls

    rates = nnls(terms / seconds[:, None], np.ones(len(found)))[0]
    report.table(
        "Growth: seconds = bytes read / rate + n d^2 / speed", "rows", "columns", "passes", "time", "model"
    )
    for (n_rows, n_columns, passes, *_, taken), model in zip(found, terms @ rates, strict=True):
        report.row(n_rows, n_columns, passes, f"{taken:.3f} s", f"{model:.3f} s")
    with np.errstate(divide="ignore"):
        report.write(f"\nRate {1e-9 / rates[0]:.1f} GB/s, speed {1e-9 / rates[1]:.1f} G products a second.")


if __name__ == "__main__":
    SECTIONS = {
        "memory": memory,
        "sketch": sketch,
        "workers": workers,
        "overhead": overhead,
        "sources": sources,
        "growth": growth,
    }
    sys.exit(
        run_sections(
            "Row blocks", __doc__, SECTIONS, PACKAGES, note="Medians of {laps} laps.", one_thread=True
        )
    )
