"""Run every benchmark, keep its report, and make the page docs/benchmarks.md with its pictures from all reports.

Reports lie in benchmarks/reports; one that was not run again keeps its own machine and date. The page begins with the
places where we lose.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent
REPORTS = HERE / "reports"
PICTURES = HERE.parent / "docs" / "benchmarks"
PAGE = HERE.parent / "docs" / "benchmarks.md"
#: Scripts in the order of the page.
SCRIPTS = [
    path.stem
    for path in sorted(HERE.glob("*.py"))
    if "run_sections(" in path.read_text(encoding="utf-8")
    and path.stem not in ("common", "page", "dag_controls")
]

INTRODUCTION = """# Benchmarks

Every figure on this page was printed by a script in `benchmarks/`; `make bench` runs them all, in an environment with
the peers at pinned versions, and writes this page. Candidates take turns in one process, warm, with equal threads; all
of them are asked for the same accuracy, which is recomputed by independent code for each. A ratio is their time over
ours: **above one we are faster**. A *bar* is what we set out to reach before measuring; a miss is printed like
everything else.

Machines differ, and so do data. `python benchmarks/NAME.py --quick` takes a minute and tells your figures.
"""


@dataclass(frozen=True)
class Comparison:
    """One row of a table that compares times: their time over ours."""

    report: str
    table: str
    label: str
    ratio: float


def tables(text: str):
    """Yield the title, the header and the rows of each table of a report; cells are stripped."""
    for part in re.split(r"^### ", text, flags=re.MULTILINE)[1:]:
        title, _, body = part.partition("\n")
        cells = [
            [cell.strip() for cell in line.strip()[1:-1].split(" | ")]
            for line in body.splitlines()
            if line.startswith("|")
        ]
        if len(cells) > 2:
            yield title.strip(), cells[0], cells[2:]


def comparisons(report: str, text: str) -> list[Comparison]:
    """The rows of a report that compare somebody's time with ours."""
    found = []
    for title, header, rows in tables(text):
        column = next((place for place, name in enumerate(header) if name.startswith("ratio")), None)
        if column is None or " over that " in title:
            continue
        for row in rows:
            match = re.search(r"[0-9][0-9.]*", row[column]) if len(row) > column else None
            names = [cell for name, cell in zip(header, row, strict=False) if name in _NAMES and cell]
            if match and not any(name.startswith(("here", "ours")) for name in names):
                found.append(Comparison(report, title, ", ".join(names), float(match[0].rstrip("."))))
    return found


# Columns that say what was compared.
_NAMES = ("problem", "problems", "size", "matrix", "who", "against", "method", "kernel", "threads", "what")


def misses(report: str, text: str) -> list[str]:
    """The bars of a report that were missed, in words."""
    found = []
    for title, header, rows in tables(text):
        for row in rows:
            verdict = next((place for place, cell in enumerate(row) if "miss" in cell), None)
            if verdict is not None:
                facts = zip(header[:verdict], row[:verdict], strict=False)
                words = [
                    cell if name in _NAMES else f"{name} {cell}" for name, cell in facts if cell and name
                ]
                found.append(f"{report}, {title}: {', '.join(words).replace('**', '')}")
    return found


def draw(name: str, found: list[Comparison]) -> Path:
    """Draw the ratios of one report on a logarithmic axis; what is left of one, we lose."""
    from matplotlib.figure import Figure

    found = sorted(found, key=lambda one: (one.table, one.ratio))[:60]
    figure = Figure(figsize=(9, 0.9 + 0.24 * len(found)), layout="constrained")
    ax = figure.subplots()
    colours = ["#0072B2" if one.ratio >= 1 else "#D55E00" for one in found]
    ax.hlines(range(len(found)), 1.0, [one.ratio for one in found], colors=colours, linewidth=3)
    ax.scatter([one.ratio for one in found], range(len(found)), c=colours, s=18, zorder=3)
    short = [one.label if len(one.label) < 60 else one.label[:57] + "..." for one in found]
    ax.set_yticks(range(len(found)), short, fontsize=8)
    ax.axvline(1.0, color="black", linewidth=0.8)
    ax.set_xscale("log")
    ax.set_xlabel("their time over ours")
    ax.margins(y=0.02)
    ax.grid(axis="x", alpha=0.3)
    PICTURES.mkdir(exist_ok=True)
    path = PICTURES / f"{name}.png"
    figure.savefig(path, dpi=110)
    return path


def run(name: str, options: list[str]) -> bool:
    """Run one benchmark and keep its report; whether it ended well."""
    REPORTS.mkdir(exist_ok=True)
    new = REPORTS / f"{name}.new"
    new.unlink(missing_ok=True)
    print(f"== {name}", flush=True)
    done = subprocess.run(
        [sys.executable, str(HERE / f"{name}.py"), *options, "--out", str(new)], check=False
    )
    if done.returncode == 0 and new.exists():
        new.replace(REPORTS / f"{name}.md")
    return done.returncode == 0


def write_page() -> None:
    """Make the page from the reports that there are."""
    texts = {path.stem: path.read_text(encoding="utf-8") for path in sorted(REPORTS.glob("*.md"))}
    found = {name: comparisons(name, text) for name, text in texts.items()}
    lost = sorted(
        (one for group in found.values() for one in group if one.ratio < 1), key=lambda one: one.ratio
    )
    missed = [line for name, text in texts.items() for line in misses(name, text)]
    lines = [INTRODUCTION, "## Where we lose", ""]
    if lost:
        lines += ["| report | what | their time over ours |", "|---|---|---|"]
        lines += [f"| {one.report}: {one.table} | {one.label} | {one.ratio:g} |" for one in lost]
    else:
        lines.append("Nowhere, in the comparisons below.")
    lines += ["", "Bars that were missed:", ""]
    lines += [f"- {line}" for line in missed] or ["- none"]
    for name, text in texts.items():
        heading, _, body = text.partition("\n")
        lines += ["", heading, ""]
        if found[name]:
            picture = draw(name, found[name])
            lines += [
                f"![Times of others over ours; what is left of one, we lose.](benchmarks/{picture.name})",
                "",
            ]
        lines += [f"`python benchmarks/{name}.py`", "", body.strip()]
    PAGE.write_text("\n".join(lines).rstrip() + "\n", encoding="utf-8")
    print(f"{PAGE} is written, from {len(texts)} reports.")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--only", nargs="*", choices=SCRIPTS, default=SCRIPTS, help="benchmarks to run; others keep theirs"
    )
    options, passed_on = parser.parse_known_args()
    failed = [name for name in options.only if not run(name, passed_on)]
    write_page()
    if failed:
        print(f"Failed: {', '.join(failed)}. Their old reports were kept.")
    return bool(failed)


if __name__ == "__main__":
    sys.exit(main())
