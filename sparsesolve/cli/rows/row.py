"""What a row of the tour's table says."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any, TypeVar

T = TypeVar("T")


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
    row : int
        Number of the row at work.
    placed_pictures : list of tuple
        File, caption and row of each picture written so far.
    placed_notes : list of tuple
        Text and row of each remark to print under the table.
    """

    out: Path
    report: Callable[[str], None]
    quick: bool = False
    row: int = 0
    placed_pictures: list[tuple[Path, str, int]] = field(default_factory=list)
    placed_notes: list[tuple[str, int]] = field(default_factory=list)
    _shared: dict[str, Any] = field(default_factory=dict)

    def shared(self, name: str, make: Callable[[], T]) -> T:
        """Return what `make` returned when a row first asked for this name."""
        if name not in self._shared:
            self._shared[name] = make()
        return self._shared[name]

    @property
    def pictures(self) -> list[Path]:
        """Files of the pictures written so far."""
        return [path for path, _, _ in self.placed_pictures]

    @property
    def notes(self) -> list[str]:
        """Remarks so far."""
        return [text for text, _ in self.placed_notes]

    def note(self, text: str) -> None:
        """Remark something."""
        self.placed_notes.append((text, self.row))

    def save(self, figure, name: str, caption: str) -> None:
        """Write a picture into the folder, and remember what it shows."""
        path = self.out / name
        figure.savefig(path, dpi=120)
        self.placed_pictures.append((path, caption, self.row))


def timed(call: Callable[[], Any]) -> tuple[Any, float]:
    """Return what a call returns, and its time in seconds."""
    started = time.perf_counter()
    value = call()
    return value, time.perf_counter() - started


def timed_in_turn(
    calls: Sequence[Callable[[], Any]], rounds: int = 3, limit: float = 20.0
) -> list[tuple[Any, float]]:
    """Return what each call returns, and the median of its times, taken in turn so that all meet the same load.

    Parameters
    ----------
    calls : sequence of callables
    rounds : int, default=3
    limit : float, default=20.0
        Seconds after which no further round begins.
    """
    values: list[Any] = []
    times: list[list[float]] = [[] for _ in calls]
    started = time.perf_counter()
    for _ in range(rounds):
        if values and time.perf_counter() - started > limit:
            break
        values.clear()
        for call, own in zip(calls, times, strict=True):
            value, seconds = timed(call)
            values.append(value)
            own.append(seconds)
    return [(value, median(own)) for value, own in zip(values, times, strict=True)]
