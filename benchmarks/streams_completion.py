"""Matrix completion on Dask workers against one process: `python benchmarks/streams_completion.py --quick`.

Triplets lie in three files. In one process they are read into a sparse matrix, and fitted; on workers they are read,
brought to their partitions by rows and by columns, and fitted there. Both go on to the same certificate.
"""

from __future__ import annotations

import logging
import sys
import tempfile
import time
import warnings
from pathlib import Path
from typing import NamedTuple

import numpy as np
import scipy.sparse
from common import Report, run_sections, threads

from sparsesolve import MatrixCompletion
from sparsesolve.exceptions import ConvergenceWarning
from sparsesolve.streams import entry_blocks

PACKAGES = ("numpy", "scipy", "numba", "dask", "distributed")
RANK, TOL = 16, 1e-7
SETTINGS = {
    "ridge": {"alpha": 5.0},
    "ridge and biases": {"alpha": 5.0, "bias": True},
    "implicit feedback": {"alpha": 5.0, "missing_weight": 0.1},
}


def write(folder: Path, n_entries: int, shape: tuple[int, int]) -> list[str]:
    """Noisy entries of a matrix of low rank, at random places, rows more or less popular."""
    rng = np.random.default_rng(0)
    A, B = (rng.standard_normal((size, RANK)) / RANK**0.25 for size in shape)
    made: dict[str, list] = {"rows": [], "columns": [], "values": []}
    for start in range(0, n_entries, 1 << 22):
        size = min(1 << 22, n_entries - start)
        rows = (shape[0] * rng.random(size) ** 1.5).astype(np.int32)
        columns = (shape[1] * rng.random(size) ** 1.5).astype(np.int32)
        values = np.einsum("ij,ij->i", A[rows], B[columns]) + 0.3 * rng.standard_normal(size)
        for name, part in zip(made, (rows, columns, values), strict=True):
            made[name].append(part)
    paths = [str(folder / f"{name}.npy") for name in made]
    for path, parts in zip(paths, made.values(), strict=True):
        np.save(path, np.concatenate(parts))
    return paths


def model(setting: dict, sweeps: list) -> MatrixCompletion:
    """One that keeps the times of its sweeps."""
    return MatrixCompletion(
        RANK, random_state=0, tol=TOL, max_iter=60, **setting,
        callback=lambda iterate: sweeps.append(time.perf_counter()),
    )  # fmt: skip


class Timed(NamedTuple):
    """A fit: all its seconds, those of a sweep, and those of the processors that must come one after the other."""

    model: MatrixCompletion
    total: float
    sweep: float
    processor: float

    def __str__(self):
        return f"{self.total:.1f}, {self.sweep:.2f} x {self.model.n_iter_} ({self.processor:.1f})"


def timed(setting: dict, entries, client=None) -> Timed:
    """A fit of what a function makes.

    Processor seconds say what a machine without other work would need: those of this process, and of the busiest
    worker, as if these two never worked at the same time.
    """

    def spent() -> np.ndarray:
        return np.array([] if client is None else list(client.run(time.process_time).values()))

    sweeps: list[float] = []
    before, start, mine = spent(), time.perf_counter(), time.process_time()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        fitted = model(setting, sweeps).fit(entries())
    total, mine = time.perf_counter() - start, time.process_time() - mine
    return Timed(
        fitted,
        total,
        (sweeps[-1] - sweeps[0]) / (len(sweeps) - 1),
        mine + (spent() - before).max(initial=0.0),
    )


def completion(report: Report, options) -> None:
    """One process with one thread and with two, against two workers of one thread."""
    from distributed import Client, LocalCluster

    logging.getLogger("distributed").setLevel(logging.ERROR)
    n_entries, shape = (4_000_000, (40_000, 5_000)) if options.quick else (50_000_000, (250_000, 25_000))
    with (
        tempfile.TemporaryDirectory() as name,
        LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=":0") as cluster,
        Client(cluster, set_as_default=False) as client,
    ):
        paths = write(Path(name), n_entries, shape)

        def matrix():
            rows, columns, values = (np.load(path) for path in paths)
            return scipy.sparse.csr_array((values, (rows, columns)), shape=shape)

        def blocks():
            return entry_blocks(paths, shape=shape, scheduler=client)

        report.table(
            f"{n_entries / 1e6:.0f} million entries, {shape[0]} x {shape[1]}, rank {RANK}, certificate {TOL:g}: "
            "seconds from the files to the answer, of each sweep (and of processors)",
            "", "one process, 1 thread", "one process, 2 threads", "2 workers of 1 thread",
            "over 1 thread (processors)", "over 2 threads", "error", "there", "difference", "",
        )  # fmt: skip
        pairs = np.column_stack([np.random.default_rng(1).integers(size, size=100_000) for size in shape])
        for name, setting in SETTINGS.items():
            with threads(1):
                one = timed(setting, matrix)
            with threads(2):
                two = timed(setting, matrix)
            spread = timed(setting, blocks, client)
            here, there = (fit.model.predict(pairs) for fit in (one, spread))
            difference = float(np.abs(here - there).max() / np.abs(here).max())
            ratios = spread.total / one.total, spread.processor / one.processor
            report.row(
                name, one, two, spread,
                f"{ratios[0]:.2f} ({ratios[1]:.2f})", f"{spread.total / two.total:.2f}",
                f"{one.model.rmse_:.8f}", f"{spread.model.rmse_:.8f}", f"{difference:.0e}",
                report.verdict(min(ratios) <= 1.5 and difference <= 100 * TOL, of_size=True),
            )  # fmt: skip


if __name__ == "__main__":
    sys.exit(run_sections("Completion on workers", __doc__, {"completion": completion}, PACKAGES))
