"""Where groups of blocks are worked on: here, on threads, or on Dask workers. Values come back in order."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from ..backends.threads import num_threads, single_threaded_blas


def group_values(scheduler, groups: Iterator, function: Callable, wants_dask: bool) -> Generator[Any]:
    """Yield ``function(group)`` for each group, in order.

    Parameters
    ----------
    scheduler : {"serial", "threads", "dask"} or dask.distributed.Client
    groups : iterator
        Read no faster than the work goes on.
    function : callable
    wants_dask : bool
        Whether parts lie in a Dask collection.
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
