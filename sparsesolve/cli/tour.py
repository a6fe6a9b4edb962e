"""Fit real data, compare with a reference in the same run, and draw pictures."""

from __future__ import annotations

import argparse
import time
from pathlib import Path

from .progress import progress_bar
from .table import format_seconds, format_table

_HEADER = ("problem", "solver", "time", "reference", "its time", "ratio", "certificate", "agreement")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the tour."""
    parser.add_argument(
        "--out", type=Path, default=Path("tour"), help="folder for the pictures (default: tour)"
    )
    parser.add_argument("--quick", action="store_true", help="take smaller problems: some seconds")


def run(arguments: argparse.Namespace) -> int:
    """Run every row, then print the table and the names of the pictures."""
    from ..backends.threads import num_threads
    from .page import write_page
    from .rows import ROWS, Stage

    started = time.perf_counter()
    arguments.out.mkdir(parents=True, exist_ok=True)
    rows = []
    with progress_bar(len(ROWS)) as report:
        stage = Stage(arguments.out, report, arguments.quick)
        for number, make_row in enumerate(ROWS):
            stage.row = number
            rows.append(make_row(stage))
            report("done", done=1)
    cells = [
        (
            row.problem,
            row.solver,
            format_seconds(row.seconds),
            row.reference,
            format_seconds(row.reference_seconds),
            f"{row.ratio:.1f}x",
            row.certificate,
            row.agreement,
        )
        for row in rows
    ]
    print(format_table(_HEADER, cells))
    print()
    for note in stage.notes:
        print(note)
    print(f"Threads: {num_threads()}. Whole tour: {format_seconds(time.perf_counter() - started)}.")
    page = arguments.out / "index.html"
    write_page(page, rows, stage, num_threads(), time.perf_counter() - started)
    print(f"All of it on one page: {page}")
    print("Pictures:")
    for path in stage.pictures:
        print(f"  {path}")
    return 0
