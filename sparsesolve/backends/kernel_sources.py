"""The text of the OpenCL kernels: found in the checkout or in the installed package, with its headers inlined."""

from __future__ import annotations

import re
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path

_INCLUDE = re.compile(r'^[ \t]*#include "([^"]+)"[ \t]*$', re.MULTILINE)


def kernel_folder() -> Traversable:
    """The folder of the kernels.

    In a checkout they stand beside pyproject.toml, and are taken from there, so that an edit is seen at once; in an
    installed package they are in `sparsesolve/_cl`.
    """
    root = Path(__file__).parents[2]
    if (root / "pyproject.toml").is_file() and (root / "opencl" / "philox.h").is_file():
        return root / "opencl"
    return files("sparsesolve") / "_cl"


@cache
def kernel_source(name: str) -> str:
    """Return the text of one kernel file, each header that it includes written in once, where it is first asked for.

    The compiler is given no folders to search: a path inside a zipped package means nothing to it.
    """
    folder, seen = kernel_folder(), set()

    def text_of(part: str) -> str:
        if part in seen:
            return ""
        seen.add(part)
        return _INCLUDE.sub(lambda line: text_of(line[1]), (folder / part).read_text(encoding="utf-8"))

    return text_of(name)


def kernel_files() -> list[str]:
    """Names of all kernel files, sorted."""
    return sorted(entry.name for entry in kernel_folder().iterdir() if entry.name.endswith(".cl"))
