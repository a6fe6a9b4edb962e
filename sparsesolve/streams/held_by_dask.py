"""Parts in the memory of Dask's workers."""

from __future__ import annotations

import time
import weakref
from collections.abc import Callable, Sequence
from operator import getitem
from typing import Any

from .blocks import RowBlocks
from .dask_arrays import client_of, unpickled
from .reduce import block_groups

# A call is begun anew where a worker was lost with what it had been sent, so many times.
_ATTEMPTS = 6
# Bytes of what is not worth a place of its own on every worker.
_SMALL = 1 << 16
# Seconds before the next attempt, times its number: what is lost must be noticed first.
_PAUSE = 0.2


class HeldByDask:
    """As `Held` says, on the workers of a client.

    A part is a future with all its history: where a worker is lost, Dask reads the blocks again for its parts alone.

    Parameters
    ----------
    blocks : RowBlocks
    split : callable
        Takes a group of blocks, and returns for each part a list of its pieces.
    assemble : callable
    n_parts : int
    """

    def __init__(self, blocks: RowBlocks, split: Callable, assemble: Callable, n_parts: int):
        import dask
        from distributed.protocol.pickle import dumps

        self.n_parts = n_parts
        self._client = client = client_of(blocks.scheduler)
        # What was shared is not sent again, as long as it is there to be shared.
        self._shared: dict[int, tuple[weakref.ref, Any]] = {}
        with dask.config.set({"distributed.admin.large-graph-warning-threshold": "1 GiB"}):
            functions = client.submit(unpickled, dumps((split, assemble)), pure=False)
            call = dask.delayed(_split, pure=False)
            pieces = []
            for group in block_groups(blocks):
                parts = [getattr(part, "delayed", part) for part in group.parts]
                pieces.append(client.compute(call(functions, group._replace(parts=[]), parts)))
            own = [
                [client.submit(getitem, made, number, pure=False) for made in pieces]
                for number in range(n_parts)
            ]
            workers = sorted(client.scheduler_info(n_workers=-1)["workers"])
            # Neighbours lie on different workers, so that each has as many rows as columns.
            self._parts = [
                client.submit(
                    _assembled, functions, number, some, pure=False,
                    workers=[workers[number % len(workers)]], allow_other_workers=True,
                )
                for number, some in enumerate(own)
            ]  # fmt: skip

    def call(self, function: Callable, first: int, last: int, each: Sequence[tuple], shared: tuple) -> list:
        """As `Held` says."""
        from distributed import CancelledError
        from distributed.scheduler import KilledWorker

        parts = self._parts[first:last]
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                sent = [self._sent(one) for one in shared]
                made = [
                    self._client.submit(function, part, *own, *sent, pure=False)
                    for part, own in zip(parts, each, strict=True)
                ]
                return self._client.gather(made)
            except (CancelledError, KilledWorker, OSError):
                # A worker was lost with what it had been sent, or while that was under way; Dask makes parts anew.
                self._shared.clear()
                if attempt == _ATTEMPTS:
                    raise
                time.sleep(_PAUSE * attempt)
        raise AssertionError("unreachable")

    def _sent(self, value):
        """An array on every worker; a small one goes with each task."""
        if value.nbytes <= _SMALL:
            return value
        known = self._shared.get(id(value))
        if known is not None and known[0]() is value:
            return known[1]
        future = self._client.scatter([value], broadcast=True, hash=False)[0]
        self._shared = {name: one for name, one in self._shared.items() if one[0]() is not None}
        self._shared[id(value)] = weakref.ref(value), future
        return future


def _split(functions, group, parts):
    return functions[0](group._replace(parts=parts))


def _assembled(functions, number, pieces):
    return functions[1](number, [piece for some in pieces for piece in some])
