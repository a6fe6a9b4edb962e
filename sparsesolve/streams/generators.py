"""Row blocks of generators: blocks that are made, not stored."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import Any

import numpy as np

from .blocks import LoadedPart, Rows


class GeneratedSource:
    """Blocks of a callable that makes a fresh iterator each time; or of one iterator, once.

    Its items are arrays X, or tuples (X, y) or (X, y, weights).

    Parameters
    ----------
    make : callable or iterator
    """

    lengths = None
    names = None
    grouped = False
    wants_dask = False

    def __init__(self, make: Callable[[], Iterable] | Iterator):
        self.passes = "many" if callable(make) else "one"
        self._make: Any = make
        self._head: Any = None
        self._began = False
        first = next(iter(make()) if callable(make) else make, None)
        if first is None:
            raise ValueError("the source has no block: it needs at least one row.")
        rows = as_rows(first)
        if np.ndim(rows.data) != 2:
            raise ValueError(
                f"blocks must have rows and columns, but the first has shape {np.shape(rows.data)}."
            )
        if self.passes == "one":
            self._head = first  # it is still to be used
        self.n_columns = int(np.shape(rows.data)[1])
        self.flat_targets = rows.targets is None or np.ndim(rows.targets) == 1

    def parts(self, start: int = 0) -> Iterator[LoadedPart]:
        """The parts from number `start` on; those before are made, too, and forgotten."""
        items = iter(self._make()) if self.passes == "many" else self._once()
        for number, item in enumerate(islice(items, start, None), start):
            yield LoadedPart(f"item {number} of the generator", as_rows(item))

    def _once(self):
        """The items of the iterator; its first one may be looked at before."""
        if self._began:
            raise ValueError(
                "the source is an iterator that was read already: give a callable that makes a fresh iterator, as "
                "`lambda: read_rows(...)`."
            )
        yield self._head
        self._began, self._head = True, None
        yield from self._make


def as_rows(item) -> Rows:
    """What a generator gave as data, targets and weights."""
    return Rows(*item) if isinstance(item, tuple) else Rows(item)
