"""The compiled kernels of this process."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

# Importing these rooms imports every module that has kernels.
_ROOMS = ("sketch", "regression", "transport")


def kernels() -> Iterator[tuple[str, Any]]:
    """Yield the name and the numba dispatcher of each kernel of the package, once.

    Those that only ever become part of others, and are never compiled themselves, are left out.
    """
    from numba.core.dispatcher import Dispatcher

    for room in _ROOMS:
        import_module(f"sparsesolve.{room}")
    for name, module in sorted(sys.modules.items()):
        if name.startswith("sparsesolve."):
            for attribute, value in vars(module).items():
                if not isinstance(value, Dispatcher) or value.py_func.__module__ != name:
                    continue
                if value.targetoptions.get("inline") != "always":
                    yield f"{name}.{attribute}", value


def cache_folders() -> list[Path]:
    """Return the folders in which the kernels are kept, most often ``__pycache__`` beside their sources."""
    return sorted({Path(kernel.stats.cache_path) for _, kernel in kernels() if kernel.stats.cache_path})
