"""Print versions, libraries, devices and what backend="auto" chooses here."""

from __future__ import annotations

import argparse
import os
import platform
import tempfile
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from .table import format_pairs

_REQUIRED = ("numpy", "scipy", "scikit-learn", "numba", "threadpoolctl", "joblib")
_OPTIONAL = ("matplotlib", "pillow", "rich", "cvxpy", "clarabel", "dask", "pyopencl")
_VARIABLES = (
    "SPARSESOLVE_NUM_THREADS",
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "NUMBA_NUM_THREADS",
    "NUMBA_CACHE_DIR",
    "NUMBA_DISABLE_JIT",
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.add_argument(
        "--calibrate",
        action="store_true",
        help="measure from which size on the OpenCL device wins, and keep that for backend='auto' (a minute)",
    )


def run(arguments: argparse.Namespace) -> int:
    """Print the report; the exit status is 1 where a required package is missing."""
    missing = [name for name in _REQUIRED if _version(name) is None]
    _section("versions", _versions())
    if missing:
        print(f"Missing: {', '.join(missing)}. Install them: pip install {' '.join(missing)}")
        return 1
    _section("processors and threads", _processors())
    _section("BLAS", _blas())
    _section("kernel cache", _cache())
    _section("OpenCL devices", _devices())
    if arguments.calibrate:
        _section("measured now", _calibrate())
    _section("backends", _backends())
    return 0


def _section(title: str, pairs: list[tuple[str, str]]) -> None:
    print(title)
    print(format_pairs(pairs))
    print()


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _versions() -> list[tuple[str, str]]:
    from .. import __version__

    pairs = [
        ("sparsesolve", f"{__version__} in {Path(__file__).parents[1]}"),
        ("python", f"{platform.python_version()} on {platform.platform()}"),
    ]
    pairs += [(name, _version(name) or "MISSING") for name in _REQUIRED]
    return pairs + [(name, _version(name) or "not installed (optional)") for name in _OPTIONAL]


def _processors() -> list[tuple[str, str]]:
    from ..backends.threads import num_threads

    affinity = getattr(os, "sched_getaffinity", None)
    usable = len(affinity(0)) if affinity else os.cpu_count()
    pairs = [("processors", f"{os.cpu_count()}, of which this process may use {usable}")]
    pairs += [("threads of a fit", str(num_threads()))]
    return pairs + [(name, os.environ[name]) for name in _VARIABLES if name in os.environ]


def _blas() -> list[tuple[str, str]]:
    import scipy.linalg  # noqa: F401  (loads its BLAS)
    from threadpoolctl import threadpool_info

    return [
        (
            f"{library['internal_api']} {library['version'] or ''}".rstrip(),
            f"{library['num_threads']} threads, {library.get('architecture', 'unknown architecture')}, "
            f"{library['filepath']}",
        )
        for library in threadpool_info()
        if library["user_api"] == "blas"
    ] or [("none", "no BLAS library that threadpoolctl knows")]


def _cache() -> list[tuple[str, str]]:
    from .kernels import cache_folders

    return [(_access(folder), str(folder)) for folder in cache_folders()] or [
        ("none", "kernels are not cached")
    ]


def _access(folder: Path) -> str:
    """Whether a file can be written where the kernels are kept."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return "writable"
    except OSError:
        return "NOT WRITABLE"


def _devices() -> list[tuple[str, str]]:
    from ..backends import opencl
    from ..exceptions import BackendError

    try:
        found = opencl.devices()
    except BackendError as error:
        return [("none", str(error))]
    return [(str(device.index), f"{device}: {_facts(device)}; {_self_test(device)}") for device in found] or [
        ("none", "no OpenCL platform; pip install 'sparsesolve[opencl]' brings one for the CPU")
    ]


def _facts(device) -> str:
    precision = "float64" if device.has_float64 else "NO float64"
    return f"{device.kind}, {device.global_bytes / 2**30:.1f} GiB, {precision}, {device.compute_units} units"


def _self_test(device) -> str:
    from ..backends import opencl
    from ..exceptions import BackendError

    try:
        opencl.runtime(device)
    except BackendError as error:
        return f"REFUSED: {error}"
    return "self test passed"


def _calibrate() -> list[tuple[str, str]]:
    from ..exceptions import BackendError
    from .calibrate import measure_crossovers

    try:
        return measure_crossovers()
    except BackendError as error:
        return [("none", str(error))]


def _backends() -> list[tuple[str, str]]:
    from ..backends import select
    from ..backends.crossovers import KERNELS, read_crossovers

    choice = select("auto", "dense-sketch", float("inf"))
    auto = f"{choice.name} on {choice.device} in {choice.dtype}: {choice.reason} (for the largest sketches)"
    pairs = [("auto chooses", auto)]
    for device, table in read_crossovers().items():
        for kernel, unit in KERNELS.items():
            least = table.get(kernel)
            pairs.append((kernel, f"{device}: " + (f"from {least:.1e} {unit}" if least else "never")))
    return pairs
