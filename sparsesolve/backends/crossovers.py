"""From which size on a GPU was measured to be faster: kept for each user, written by ``doctor --calibrate``."""

from __future__ import annotations

import json
import logging
import os
from functools import lru_cache
from pathlib import Path

logger = logging.getLogger("sparsesolve")

#: Kernels that have an OpenCL form, and what their work is counted in.
KERNELS = {
    "dense-sketch": "multiplications, m n d",
    "srht": "numbers read, n d",
    "hessian": "nonzeros",
    "gram-product": "nonzeros",
    "log-sum-exp": "pairs",
    "device-cg": "nonzeros",
}


def crossover_file() -> Path:
    """The file of the measured crossovers; the variable SPARSESOLVE_CROSSOVERS names another one."""
    return Path(_place())


def _place() -> str:
    named = os.environ.get("SPARSESOLVE_CROSSOVERS")
    base = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    return named or os.path.join(base, "sparsesolve", "crossovers.json")


def read_crossovers() -> dict[str, dict[str, float]]:
    """Return the measured crossovers, ``{device: {kernel: work}}``; empty where nothing was measured.

    A kernel that is missing there never won.
    """
    place = _place()
    try:
        written = os.stat(place).st_mtime_ns
    except OSError:
        return {}
    return _parsed(place, written)


@lru_cache(maxsize=1)
def _parsed(place: str, written: int) -> dict[str, dict[str, float]]:
    """The table as it was at that time: every fit asks, and the file hardly ever changes."""
    try:
        return json.loads(Path(place).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        logger.warning("%s cannot be read (%s): measure anew by doctor --calibrate", place, error)
        return {}


def write_crossovers(device: str, measured: dict[str, float]) -> None:
    """Keep what was measured on a device, beside what was measured on others."""
    file = crossover_file()
    file.parent.mkdir(parents=True, exist_ok=True)
    table = {**read_crossovers(), device: measured}
    partial = file.with_suffix(f".{os.getpid()}")
    partial.write_text(json.dumps(table, indent=2), encoding="utf-8")
    partial.replace(file)
