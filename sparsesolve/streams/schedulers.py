"""Where groups of blocks are worked on: here, on threads, or on Dask workers. Values come back in order."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, NamedTuple

from ..backends.threads import num_threads, single_threaded_blas
from ..validation import check_choice


class _Item(NamedTuple):
    """One item as a group of its own."""

    parts: list


@dataclass(frozen=True)
class _OfItem:
    """A function of an item as one of a group."""

    function: Callable

    def __call__(self, group: _Item):
        return self.function(group.parts[0])


def map_in_order(function: Callable, items: Iterable, *, scheduler="serial") -> Generator[Any]:
    """Yield ``function(item)`` for each item, in order, worked on here, on threads or on Dask workers.

    Parameters
    ----------
    function : callable
        For Dask it is pickled once, with all that it refers to.
    items : iterable
        Read no faster than the work goes on; for Dask items are pickled.
    scheduler : {"serial", "threads", "dask"} or dask.distributed.Client
        "dask" is the current client. An item whose worker is lost goes to another one.

    Yields
    ------
    object
        What the function returned.

    Examples
    --------
    >>> from sparsesolve.streams import map_in_order
    >>> list(map_in_order(len, [(1, 2), (3,)], scheduler="threads"))
    [2, 1]
    """
    if isinstance(scheduler, str):
        check_choice("scheduler", scheduler, ("serial", "threads", "dask"))
    groups = (_Item([item]) for item in items)
    return group_values(scheduler, groups, _OfItem(function))


def group_values(scheduler, groups: Iterator, function: Callable) -> Generator[Any]:
    """Yield ``function(group)`` for each group, in order.

    Parameters
    ----------
    scheduler : {"serial", "threads", "dask"} or dask.distributed.Client
    groups : iterator
        Read no faster than the work goes on.
    function : callable
    """
    if isinstance(scheduler, str):
        if scheduler == "serial":
            return _in_turn(groups, function)
        if scheduler == "threads":
            return _on_threads(groups, function)
    from .dask_arrays import on_workers

    return on_workers(scheduler, groups, function)


def _in_turn(groups, function):
    for group in groups:
        yield function(group)


def _on_threads(groups, function):
    workers = num_threads()
    pool = ThreadPoolExecutor(workers, thread_name_prefix="sparsesolve-blocks")
    pending: deque = deque()
    try:
        with single_threaded_blas():
            for group in groups:
                pending.append(pool.submit(function, group))
                if len(pending) > workers:
                    yield pending.popleft().result()
            while pending:
                yield pending.popleft().result()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
