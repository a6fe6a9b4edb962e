"""What a row of the tour's table says."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any


@dataclass(frozen=True)
class TourRow:
    """One problem, solved and checked.

    Attributes
    ----------
    problem : str
    solver : str
        The engine that was chosen or asked for.
    seconds : float
        Time of a fit, after compilation.
    reference : str
        Name of the peer.
    reference_seconds : float
        Its time on the same problem in the same run.
    certificate : str
        Name and value.
    agreement : str
        How close the answer is to the reference's.
    """

    problem: str
    solver: str
    seconds: float
    reference: str
    reference_seconds: float
    certificate: str
    agreement: str

    @property
    def ratio(self) -> float:
        """How many times faster than the reference."""
        return self.reference_seconds / self.seconds


@dataclass
class Stage:
    """What the rows of one tour share.

    Attributes
    ----------
    out : Path
        Folder for the pictures.
    report : callable
        Shows a line of progress.
    quick : bool
        Whether to take smaller problems.
    pictures : list of Path
        Those written so far.
    notes : list of str
        Remarks to print under the table.
    """

    out: Path
    report: Callable[[str], None]
    quick: bool = False
    pictures: list[Path] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def save(self, figure, name: str) -> None:
        """Write a picture into the folder, and remember its name."""
        path = self.out / name
        figure.savefig(path, dpi=120)
        self.pictures.append(path)


def timed(call: Callable[[], Any], repeats: int = 1) -> tuple[Any, float]:
    """Return what a call returns, and the median of its times in seconds."""
    times = []
    for _ in range(repeats):
        started = time.perf_counter()
        value = call()
        times.append(time.perf_counter() - started)
    return value, median(times)
