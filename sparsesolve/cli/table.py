"""Plain text tables."""

from __future__ import annotations

from collections.abc import Sequence


def format_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table with aligned columns and a line under its header.

    Parameters
    ----------
    header : sequence of str
    rows : sequence of sequences of str
        Each as long as the header.

    Examples
    --------
    >>> print(format_table(["name", "value"], [["a", "1"], ["long name", "22"]]))
    name       value
    ---------  -----
    a          1
    long name  22
    """
    widths = [max(map(len, column)) for column in zip(header, *rows, strict=True)]
    lines = [header, ["-" * width for width in widths], *rows]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    )


def format_pairs(pairs: Sequence[tuple[str, str]]) -> str:
    """Return lines of names and values, the values aligned.

    Examples
    --------
    >>> print(format_pairs([("python", "3.12"), ("os", "Linux")]))
      python  3.12
      os      Linux
    """
    width = max(len(name) for name, _ in pairs)
    return "\n".join(f"  {name.ljust(width)}  {value}".rstrip() for name, value in pairs)


def format_seconds(seconds: float) -> str:
    """Return a time with three significant digits.

    Examples
    --------
    >>> format_seconds(0.01234), format_seconds(12.345)
    ('12.3 ms', '12.3 s')
    """
    return f"{1e3 * seconds:.3g} ms" if seconds < 1 else f"{seconds:.3g} s"
