"""From which size on a GPU was measured to be faster: kept for each user, written by ``doctor --calibrate``."""

from __future__ import annotations

import json
import logging
import os
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
    named = os.environ.get("SPARSESOLVE_CROSSOVERS")
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return Path(named) if named else base / "sparsesolve" / "crossovers.json"


def read_crossovers() -> dict[str, dict[str, float]]:
    """Return the measured crossovers, ``{device: {kernel: work}}``; empty where nothing was measured.

    A kernel that is missing there never won.
    """
    try:
        return json.loads(crossover_file().read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        logger.warning("%s cannot be read (%s): measure anew by doctor --calibrate", crossover_file(), error)
        return {}


def write_crossovers(device: str, measured: dict[str, float]) -> None:
    """Keep what was measured on a device, beside what was measured on others."""
    file = crossover_file()
    file.parent.mkdir(parents=True, exist_ok=True)
    table = {**read_crossovers(), device: measured}
    partial = file.with_suffix(f".{os.getpid()}")
    partial.write_text(json.dumps(table, indent=2), encoding="utf-8")
    partial.replace(file)
