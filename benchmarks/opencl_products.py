"""Sparse products, log-sum-exp and conjugate gradients, compiled and on the OpenCL device that is there.

`python benchmarks/opencl_products.py --quick`. The device is the one that SPARSESOLVE_OPENCL_DEVICE names, else the
first GPU, else the first device. Against numpy and scipy that do the same; and against what the memory can do.
"""

from __future__ import annotations

import sys
import time

import numpy as np
import scipy.sparse
import scipy.sparse.linalg
from common import Report, race, run_sections

from sparsesolve.backends.opencl import runtime
from sparsesolve.operators.compressed_rows import CompressedRows
from sparsesolve.operators.device import DeviceCost, DeviceCSR, DeviceGram, DeviceHessian, device_cg
from sparsesolve.operators.gram_products import Gram
from sparsesolve.operators.hessian_kernels import solve
from sparsesolve.operators.hessian_products import Hessian
from sparsesolve.operators.log_sum_exp import log_sum_exp_columns, log_sum_exp_rows

PACKAGES = ("numpy", "scipy", "numba", "pyopencl", "pocl-binary-distribution")


def _is_gpu():
    return runtime().device.kind == "gpu"


def _there(start, laps):
    """Seconds of work that stays on the device: many starts, one wait."""
    start()
    runtime().finish()
    found = []
    for _ in range(laps):
        begun = time.perf_counter()
        for _ in range(10):
            start()
        runtime().finish()
        found.append((time.perf_counter() - begun) / 10)
    return float(np.median(found))


def memory(report: Report, options) -> None:
    """What copies reach: the limit that the other tables are fractions of."""
    there = runtime()
    size = 1 << (22 if options.quick else 26)
    source, target = there.zeros(size, np.float32), there.zeros(size, np.float32)
    copy = there._cl.enqueue_copy
    seconds = _there(lambda: copy(there.queue, target.buffer, source.buffer), options.laps)
    array = np.zeros(size, np.float32)
    times = race({"numpy": lambda: array.copy()}, options.laps)
    report.table(f"Copies of {4 * size >> 20} MiB on {there.device}", "who", "GB/s, read and written")
    report.row("device", f"{8 * size / seconds / 1e9:.1f}")
    report.row("numpy, fresh memory", f"{8 * size / times['numpy'].median / 1e9:.1f}")
    _limit["device"] = 8 * size / seconds


_limit: dict[str, float] = {}


def _share(n_bytes, seconds):
    """The fraction of the measured bandwidth."""
    return f"{n_bytes / seconds / _limit['device']:.0%}" if _limit else ""


def _table(report, title, times, baseline, bars, bytes_read):
    report.table(title, "who", "time", "ratio", "bar", "", "share of the copy's bandwidth")
    for name, timing in times.items():
        ratio = times[baseline].median / timing.median
        bar = bars.get(name, "")
        judged = bar and not (_is_gpu() and name.startswith("device"))
        report.row(
            name, timing, f"{ratio:.2f}", bar, report.verdict(ratio >= bar, of_size=True) if judged else "",
            _share(bytes_read, timing.median),
        )  # fmt: skip


def products(report: Report, options) -> None:
    """The transport Hessian and X'DXv."""
    n, a_row = (20_000, 10) if options.quick else (200_000, 30)
    rng = np.random.default_rng(0)
    columns = rng.integers(0, n, n * a_row).astype(np.int32)
    starts = np.arange(0, n * a_row + 1, a_row, dtype=np.int32)
    A = scipy.sparse.csr_array((rng.random(n * a_row), columns, starts), shape=(n, n))
    A.sum_duplicates()
    turned, rows, there = A.T, CompressedRows(A), DeviceCSR(runtime(), A)
    d, z = rng.random(2 * n), rng.random(2 * n)
    x, n_bytes = z[n:], 12 * A.nnz
    z_there, x_there, out = (runtime().input(v) for v in (z, x, np.zeros(2 * n)))

    def naive():
        return np.concatenate([d[:n] * z[:n] + A @ z[n:], turned @ z[:n] + d[n:] * z[n:]])

    hessian, on_device = Hessian(rows, d), DeviceHessian(there, d)
    times = race(
        {
            "scipy, two products": naive,
            "numba": lambda: hessian.matvec(z),
            "device": lambda: on_device.matvec(z),
        },
        options.laps,
    )
    title = f"Transport Hessian, {A.nnz:,} nonzeros in {n:,} rows, float64"
    _table(report, title, times, "scipy, two products", {"numba": 2.2, "device": 2.0}, n_bytes)
    room = runtime().empty(2 * n, np.float64)
    seconds = _there(lambda: on_device.start(z_there, room), options.laps)
    reads = n_bytes * (2 if there.columns is not None else 1)
    report.row("device, vectors there", f"{1e3 * seconds:.2f} ms", "", "", "", _share(reads, seconds))

    gram, on_device = Gram(rows, d[:n], d[n:]), DeviceGram(there, d[:n], d[n:])
    times = race(
        {
            "scipy, two products": lambda: turned @ (d[:n] * (A @ x)) + d[n:] * x,
            "numba": lambda: gram.matvec(x),
            "device": lambda: on_device.matvec(x),
        },
        options.laps,
    )
    title = f"X'DXv, {A.nnz:,} nonzeros, float64"
    _table(report, title, times, "scipy, two products", {"numba": 2.3, "device": 2.0}, n_bytes)
    seconds = _there(lambda: on_device.start(x_there, out), options.laps)
    report.row("device, vectors there", f"{1e3 * seconds:.2f} ms", "", "", "", _share(reads, seconds))


def sums(report: Report, options) -> None:
    """Row and column log-sum-exp."""
    n, reg = (512 if options.quick else 2048), 0.02
    rng = np.random.default_rng(0)
    for dtype in (np.float32, np.float64):
        X, Y = rng.random((2, n, 3)).astype(dtype)
        C, g = ((X[:, None] - Y) ** 2).sum(axis=2).astype(dtype), rng.random(n).astype(dtype)
        cost, scale = DeviceCost(runtime(), C), dtype(1.0 / reg)
        for name, ours, device, axis in (
            ("Row", log_sum_exp_rows, cost.rows, 1), ("Column", log_sum_exp_columns, cost.columns, 0)
        ):  # fmt: skip
            known = ours(C, g, reg)

            def plain(axis=axis, C=C, g=g, scale=scale):
                z = ((g if axis else g[:, None]) - C) * scale
                most = z.max(axis=axis, keepdims=True)
                z -= most
                return most.ravel() + np.log(np.exp(z, out=z).sum(axis=axis))

            runs = {
                "numpy": plain,
                "numba, known shift": lambda f=ours, C=C, g=g, k=known: f(C, g, reg, k),
                "numba": lambda f=ours, C=C, g=g: f(C, g, reg),
                "device, known shift": lambda f=device, g=g, k=known: f(g, reg, k),
                "device": lambda f=device, g=g: f(g, reg),
            }
            bars = {"numba, known shift": 3.5, "numba": 2.0, "device, known shift": 3.0, "device": 1.9}
            title = f"{name} log-sum-exp, {n}^2, {np.dtype(dtype).name}"
            times = race(runs, options.laps)
            _table(report, title, times, "numpy", bars if dtype == np.float32 else {}, C.nbytes)


def gradients(report: Report, options) -> None:
    """Conjugate gradients of small systems, and of one large system on the device."""
    n = 500
    rng = np.random.default_rng(1)
    columns = np.concatenate([np.arange(n)[:, None], rng.integers(0, n, (n, 3))], axis=1)
    values = rng.random((n, 4)) * np.array([1.0, 0.05, 0.05, 0.05])
    A = scipy.sparse.csr_array((values.ravel(), (np.repeat(np.arange(n), 4), columns.ravel())), shape=(n, n))
    d = np.concatenate([A.sum(axis=1), A.sum(axis=0)]) * (1 + 1e-4)
    H = scipy.sparse.block_array([[None, A], [A.T, None]]).tocsr() + scipy.sparse.diags_array(d)
    b = rng.standard_normal(2 * n)
    system = DeviceHessian(DeviceCSR(runtime(), A), d)
    starts, indices = A.indptr.astype(np.uint32), A.indices.astype(np.uint32)
    scaled = scipy.sparse.linalg.LinearOperator(H.shape, matvec=lambda z: z / d)

    def compiled():
        x = np.zeros(2 * n)
        return solve(d, starts, indices, A.data, 0.0, b, 1e-8, 2000, x)

    def on_device():
        return device_cg(system, b, 1.0 / d, tolerance=1e-8, most_steps=2000)

    times = race(
        {
            "scipy.sparse.linalg.cg": lambda: scipy.sparse.linalg.cg(H, b, rtol=1e-8, M=scaled),
            "numba": compiled,
            "device": on_device,
        },
        max(options.laps, 15),
    )
    title = f"Conjugate gradients, n = {n}, {A.nnz} nonzeros, {on_device().steps} steps"
    _table(report, title, times, "scipy.sparse.linalg.cg", {"numba": 5.0, "device": 5.0}, 12 * A.nnz)


SECTIONS = {"memory": memory, "products": products, "sums": sums, "gradients": gradients}


if __name__ == "__main__":
    sys.exit(
        run_sections(
            "Products, sums and conjugate gradients on a device",
            __doc__,
            SECTIONS,
            PACKAGES,
            note="Median of {laps} laps in turns. Ratios are those of the first row's time.",
        )
    )
