"""Run every kernel, in both forms, at tiny sizes with odd edges: for a simulator of devices that finds faults.

Prints the names of the kernels that ran. The simulator writes what it finds to the standard error.
"""

import os
import sys

import numpy as np
import scipy.sparse

from sparsesolve.backends import opencl
from sparsesolve.operators.device import (
    DeviceCost,
    DeviceCSR,
    DeviceGram,
    DeviceHessian,
    DeviceSchur,
    device_cg,
)
from sparsesolve.random import Stream
from sparsesolve.sketch import SRHT, Gaussian, PaddedSRHT, Rademacher
from sparsesolve.sketch.device import srht
from sparsesolve.sketch.device.dense import entries


def watched() -> set[str]:
    """Names of kernels, filled as they are asked for."""
    names, ask = set(), opencl.Runtime.kernel

    def kernel(self, file, name, **defines):
        names.add(f"{file}:{name}")
        return ask(self, file, name, **defines)

    opencl.Runtime.kernel = kernel
    return names


def sketches(rng) -> None:
    A = rng.standard_normal((70, 3))
    sparse = scipy.sparse.random_array((70, 5), density=0.2, rng=rng, format="csr")
    for dtype in (np.float64, np.float32):
        for distribution in (Gaussian, Rademacher):
            sample = distribution(5, 0).sample(70)
            for data in (A, sparse):
                sample.apply(data, backend="opencl", dtype=dtype)
        SRHT(5, 0).sample(70).apply(A, backend="opencl", dtype=dtype)
        PaddedSRHT(5, 0).sample(70).apply(A, backend="opencl", dtype=dtype)
        entries(3, 9, 5, 7, int(Stream.GAUSSIAN), False, dtype)
    srht._MOST_ROWS = 4  # three passes over a small block
    SRHT(5, 0).sample(70).apply(A, backend="opencl")


def products(runtime, rng) -> None:
    A = scipy.sparse.random_array((9, 7), density=0.4, rng=rng, format="csr")
    there = DeviceCSR(runtime, A)
    there.matvec(rng.random(7))
    there.rmatvec(rng.random(9))
    there.rest(rng.random(9))
    diagonal = np.concatenate([A.sum(axis=1), A.sum(axis=0)]) * 1.1 + 0.1
    rows, columns = diagonal[:9], diagonal[9:]
    systems = [
        (DeviceHessian(there, diagonal), diagonal),
        (DeviceSchur(there, 1.0 / rows, columns - A.sum(axis=0)), columns),
        (DeviceGram(there, rows, columns), columns),
    ]
    for system, inverse in systems:
        system.matvec(rng.random(system.size))
        for in_one_launch in (True, False):
            b = rng.random(system.size)
            device_cg(system, b, 1.0 / inverse, most_steps=4, in_one_launch=in_one_launch)


def sums(runtime, rng) -> None:
    X, Y = rng.random((9, 2)), rng.random((7, 2))
    for cost in (
        rng.random((9, 7)),
        rng.random((9, 7)).astype(np.float32),
        (X, np.ascontiguousarray(Y.T), 0),
    ):
        there = DeviceCost(runtime, cost)
        f, g = np.zeros(9, there.dtype), np.zeros(7, there.dtype)
        for guess in (None, np.zeros(9, there.dtype)):
            there.rows(g, 0.1, guess)
        for guess in (None, np.zeros(7, there.dtype)):
            there.columns(f, 0.1, guess)
        there.count_above(f, g, 0.1, np.geomspace(1e-4, 1.0, 8))
        there.entries_above(f, g, 0.1, np.full(9, -3.0, there.dtype), np.zeros(7, there.dtype))


def main() -> int:
    names = watched()
    runtime, rng = opencl.runtime(), np.random.default_rng(0)
    for form in ("cpu", "gpu"):
        os.environ[opencl.FORM_VARIABLE] = form
        sketches(rng)
        products(runtime, rng)
        sums(runtime, rng)
    sys.stdout.write("\n".join(sorted(names)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
