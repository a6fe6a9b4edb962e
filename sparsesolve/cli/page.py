"""The tour as one page: a file that opens in any browser, with the pictures inside."""

from __future__ import annotations

import base64
import math
import platform
from collections.abc import Sequence
from datetime import date
from html import escape
from importlib.metadata import version
from pathlib import Path

from .rows import Stage, TourRow
from .table import format_seconds

_STYLE = """
:root { color-scheme: light dark; --line: #8884; --soft: #8881; --accent: #0072b2; }
@media (prefers-color-scheme: dark) { :root { --accent: #56b4e9; } figure img { background: #fff; } }
* { box-sizing: border-box; }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 68rem; margin: 0 auto; padding: 1.5rem 1rem 4rem; }
h1 { margin: 0 0 .25rem; } h2 { margin: 3rem 0 .5rem; padding-top: 1rem; border-top: 1px solid var(--line); }
p { max-width: 46rem; } a { color: var(--accent); }
dl { display: grid; grid-template-columns: repeat(auto-fit, minmax(11rem, 1fr)); gap: .75rem; margin: 1rem 0; }
dl div { background: var(--soft); border-radius: .5rem; padding: .6rem .8rem; }
dt { font-size: .8rem; opacity: .75; } dd { margin: 0; font-weight: 600; overflow-wrap: anywhere; }
.scroll { overflow-x: auto; margin: 1.5rem 0; }
table { border-collapse: collapse; width: 100%; font-size: .92rem; }
th, td { text-align: left; padding: .45rem .7rem; border-bottom: 1px solid var(--line); vertical-align: top; }
th { font-size: .8rem; opacity: .75; } td.number { text-align: right; white-space: nowrap; }
.bar { display: inline-block; height: .55rem; border-radius: .3rem; background: var(--accent); vertical-align: middle; }
.slower .bar { background: #d55e00; }
figure { margin: 1rem 0; } figure img { width: 100%; height: auto; border-radius: .4rem; }
figcaption, footer, .note { font-size: .9rem; opacity: .85; }
@media (max-width: 40rem) {
  body { padding: 1rem .8rem 3rem; } h1 { font-size: 1.5rem; }
  .wide { display: none; } th, td { padding: .4rem .3rem; }
  figure { overflow-x: auto; } figure img { width: auto; max-width: none; height: 15rem; }
}
"""


def write_page(path: Path, rows: Sequence[TourRow], stage: Stage, threads: int, seconds: float) -> None:
    """Write the page.

    Parameters
    ----------
    path : Path
    rows : sequence of TourRow
    stage : Stage
        Whose pictures and notes are shown, each beside the row that it was made for.
    threads : int
        Threads that a fit had.
    seconds : float
        How long the tour took.
    """
    parts = [
        "<!doctype html>",
        '<html lang="en"><head><meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<title>The tour of sparsesolve</title><style>{_STYLE}</style></head><body>",
        "<h1>The tour of sparsesolve</h1>",
        "<p>Real data, fitted on this machine a moment ago, with a reference in the same run. Every fit comes with a "
        "certificate: a number that anyone can recompute from the data and the answer.</p>",
        _overview(rows),
        *(_section(number, row, stage) for number, row in enumerate(rows)),
        f"<footer><p>{escape(_machine())} Threads of a fit: {threads}. Whole tour: {format_seconds(seconds)}, "
        "compilation and references included. Ratios are the reference's time over ours.</p></footer>",
        "</body></html>",
    ]
    path.write_text("\n".join(parts), encoding="utf-8")


def _overview(rows):
    longest = max(row.ratio for row in rows)
    lines = [
        f'<tr{"" if row.ratio >= 1 else " class=slower"}><td><a href="#row-{number}">{escape(row.problem)}</a></td>'
        f'<td class="wide">{escape(row.solver)}</td><td class="number">{format_seconds(row.seconds)}</td>'
        f'<td class="wide">{escape(row.reference)}</td>'
        f'<td class="number wide">{format_seconds(row.reference_seconds)}</td>'
        f'<td class="number">{row.ratio:.1f}x</td><td>{_bar(row.ratio, longest)}</td></tr>'
        for number, row in enumerate(rows)
    ]
    wide = ("solver", "reference", "its time")
    head = "".join(
        f"<th{' class=wide' if name in wide else ''}>{name}</th>"
        for name in ("problem", "solver", "time", "reference", "its time", "ratio", "")
    )
    return f'<div class="scroll"><table><thead><tr>{head}</tr></thead><tbody>{"".join(lines)}</tbody></table></div>'


def _bar(ratio, longest):
    """A bar as long as the logarithm of the ratio: a hundredfold and a threefold gain are both seen."""
    share = math.log1p(ratio) / math.log1p(longest)
    return f'<span class="bar" style="width:{6.0 * share:.2f}rem"></span>'


def _section(number, row, stage):
    facts = [
        ("solver", row.solver),
        ("time", format_seconds(row.seconds)),
        (f"time of {row.reference}", format_seconds(row.reference_seconds)),
        ("certificate", row.certificate),
        ("agreement", row.agreement),
    ]
    tiles = "".join(f"<div><dt>{escape(name)}</dt><dd>{escape(value)}</dd></div>" for name, value in facts)
    notes = "".join(
        f'<p class="note">{escape(note)}</p>' for note, owner in stage.placed_notes if owner == number
    )
    figures = "".join(
        f'<figure><img alt="{escape(caption)}" src="{_embedded(path)}"><figcaption>{escape(caption)}</figcaption>'
        "</figure>"
        for path, caption, owner in stage.placed_pictures
        if owner == number
    )
    return f'<h2 id="row-{number}">{escape(row.problem)}</h2><dl>{tiles}</dl>{figures}{notes}'


def _embedded(path):
    return "data:image/png;base64," + base64.b64encode(path.read_bytes()).decode()


def _machine():
    from .. import __version__

    packages = ", ".join(f"{name} {version(name)}" for name in ("numpy", "scipy", "scikit-learn", "numba"))
    return (
        f"sparsesolve {__version__}, Python {platform.python_version()}, {packages}, {platform.system()} on "
        f"{platform.machine()}, {date.today().isoformat()}."
    )
