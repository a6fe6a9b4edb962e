"""Measure from which size on the OpenCL device wins, kernel by kernel, and keep that for ``backend="auto"``."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from statistics import median
from typing import NamedTuple

import numpy as np

#: What a device has to save before it is preferred: near a tie, what is on the host stays there.
_MARGIN = 0.9
_LAPS = 5
#: Seconds that one call on the CPU may take before no larger size is tried.
_PATIENCE = 0.5


class Race(NamedTuple):
    """One size: its work, in the unit of the kernel, and the computation on the CPU and on the device."""

    work: float
    on_cpu: Callable[[], object]
    on_device: Callable[[], object]


def measure_crossovers() -> list[tuple[str, str]]:
    """Measure all kernels on the device of this machine, write the file, and return lines that say what was found.

    Raises
    ------
    BackendError
        Where there is no device that can be used.
    """
    from ..backends.crossovers import KERNELS, crossover_file, write_crossovers
    from ..backends.opencl import runtime

    device = runtime().device
    measured, lines = {}, []
    for kernel, races in _races().items():
        least = crossover(races())
        if least is not None:
            measured[kernel] = least
        told = (
            "the CPU won at every size"
            if least is None
            else f"the device wins from {least:.1e} {KERNELS[kernel]} on"
        )
        lines.append((kernel, told))
    write_crossovers(str(device), measured)
    return [*lines, ("kept in", str(crossover_file()))]


def crossover(races: Iterable[Race]) -> float | None:
    """The least work from which on the device won every race; None where it lost the last one.

    Examples
    --------
    >>> from time import sleep
    >>> slow, fast = (lambda: sleep(2e-3)), (lambda: None)
    >>> crossover([Race(1.0, fast, slow), Race(2.0, slow, fast), Race(4.0, slow, fast)])
    2.0
    """
    least = None
    for race in races:
        cpu, device = _times(race)
        if device > _MARGIN * cpu:
            least = None
        elif least is None:
            least = race.work
        if cpu > _PATIENCE:
            break
    return least


def _times(race: Race) -> tuple[float, float]:
    seconds: tuple[list[float], list[float]] = ([], [])
    for lap in range(_LAPS + 1):
        for run, own in zip((race.on_cpu, race.on_device), seconds, strict=True):
            start = time.perf_counter()
            run()
            if lap:  # the first one compiles
                own.append(time.perf_counter() - start)
    return median(seconds[0]), median(seconds[1])


def _races() -> dict[str, Callable[[], Iterator[Race]]]:
    return {
        "dense-sketch": _dense_sketches,
        "srht": _hadamard_sketches,
        "hessian": _hessians,
        "gram-product": _gram_products,
        "log-sum-exp": _log_sum_exps,
        "device-cg": _conjugate_gradients,
    }


def _tall(n_rows, n_columns):
    return np.random.default_rng(0).standard_normal((n_rows, n_columns))


def _dense_sketches():
    from ..sketch import Gaussian

    for n_rows, size in ((1 << 10, 64), (1 << 13, 128), (1 << 15, 256), (1 << 17, 512)):
        A, sample = _tall(n_rows, 64), Gaussian(size, 0).sample(n_rows)
        here, there = (partial(sample.apply, A, backend=backend) for backend in ("numba", "opencl"))
        yield Race(float(size) * A.size, here, there)


def _hadamard_sketches():
    from ..sketch import SRHT

    for n_rows in (1 << 11, 1 << 14, 1 << 17, 1 << 20):
        A, sample = _tall(n_rows, 64), SRHT(256, 0).sample(n_rows)
        here, there = (partial(sample.apply, A, backend=backend) for backend in ("numba", "opencl"))
        yield Race(float(A.size), here, there)


def _plans():
    import scipy.sparse

    rng = np.random.default_rng(0)
    for size in (300, 3000, 30_000, 200_000):
        yield scipy.sparse.random_array((size, size), density=30 / size, format="csr", rng=rng)


def _hessians():
    from ..backends.opencl import runtime
    from ..operators.compressed_rows import CompressedRows
    from ..operators.device import DeviceCSR, DeviceHessian
    from ..operators.hessian_products import Hessian

    for plan in _plans():
        x = np.linspace(-1.0, 1.0, sum(plan.shape))
        here, there = Hessian(CompressedRows(plan), x), DeviceHessian(DeviceCSR(runtime(), plan), x)
        yield Race(float(plan.nnz), partial(here.matvec, x), partial(there.matvec, x))


def _gram_products():
    from ..backends.opencl import runtime
    from ..operators.compressed_rows import CompressedRows
    from ..operators.device import DeviceCSR, DeviceGram
    from ..operators.gram_products import Gram

    for X in _plans():
        n, m = X.shape
        weights, ridge, x = np.ones(n), np.ones(m), np.linspace(-1.0, 1.0, m)
        here = Gram(CompressedRows(X), weights, ridge)
        there = DeviceGram(DeviceCSR(runtime(), X), weights, ridge)
        yield Race(float(X.nnz), partial(here.matvec, x), partial(there.matvec, x))


def _log_sum_exps():
    from ..backends.opencl import runtime
    from ..operators.device import DeviceCost
    from ..operators.log_sum_exp import log_sum_exp_rows

    for size in (100, 500, 2000, 6000):
        cost, g = np.abs(_tall(size, size)), np.zeros(size)
        there = DeviceCost(runtime(), cost)
        yield Race(float(cost.size), partial(log_sum_exp_rows, cost, g, 0.1), partial(there.rows, g, 0.1))


def _conjugate_gradients():
    from ..backends.opencl import runtime
    from ..operators.device import DeviceCSR, DeviceHessian, device_cg
    from ..operators.hessian_kernels import solve

    tolerance, steps = 1e-8, 200
    for plan in _plans():
        diagonal = 1.001 * np.concatenate([plan.sum(axis=1), plan.sum(axis=0)]) + 1e-3
        b, out = np.linspace(-1.0, 1.0, diagonal.size), np.zeros(diagonal.size)
        stored = plan.indptr.astype(np.uint32), plan.indices.astype(np.uint32), plan.data
        system = DeviceHessian(DeviceCSR(runtime(), plan), diagonal)
        yield Race(
            float(plan.nnz),
            partial(solve, diagonal, *stored, 0.0, b, tolerance, steps, out),
            partial(device_cg, system, b, 1.0 / diagonal, tolerance=tolerance, most_steps=steps),
        )
