"""Row blocks of Dask collections, and work on Dask's workers."""

from __future__ import annotations

import pickle
from collections import deque
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from .blocks import LoadedPart, Rows
from .parquet import TableColumns, missing_extra

# Groups that are on their way for each thread of a worker: enough that none waits, and few results lie about.
_AHEAD = 3


def _dask() -> Any:
    try:
        import dask
        import dask.array
    except ImportError as error:
        raise missing_extra("Dask collections", "dask") from error
    return dask


@dataclass(frozen=True)
class DaskPart:
    """A promise of Dask's: computed here, or on the worker that has it.

    Attributes
    ----------
    place : str
    delayed : dask.delayed.Delayed
        Of a `LoadedPart`.
    """

    place: str
    delayed: Any

    def load(self) -> Rows:
        """The rows, computed in this thread."""
        return self.delayed.compute(scheduler="synchronous").rows


@dataclass(frozen=True)
class DaskSource:
    """The blocks of a Dask collection."""

    delayed: tuple[DaskPart, ...]
    lengths: tuple[int, ...]
    n_columns: int
    flat_targets: bool
    names: tuple[str, ...] | None = None
    passes: str = "many"
    grouped: bool = False  # a worker gets all blocks of a group at once
    wants_dask: bool = True

    def parts(self, start: int = 0) -> Iterator[DaskPart]:
        """The parts from number `start` on."""
        return iter(self.delayed[start:])


def array_source(X, target, weight) -> DaskSource:
    """Blocks of a `dask.array`, whole rows each; targets and weights are arrays of Dask's or of numpy's."""
    dask = _dask()
    if X.ndim != 2:
        raise ValueError(f"X must have rows and columns, but the Dask array has shape {X.shape}.")
    if any(np.isnan(rows) for rows in X.chunks[0]):
        X = X.compute_chunk_sizes()
    X = X.rechunk({1: -1})
    rows = X.chunks[0]
    beside = [
        _beside(dask, name, given, rows) for name, given in (("target", target), ("sample_weight", weight))
    ]
    edges = np.concatenate([[0], np.cumsum(rows)])
    make = dask.delayed(_loaded, pure=True)
    parts = []
    for k, block in enumerate(X.to_delayed(optimize_graph=True)[:, 0]):
        place = f"block {k} of the Dask array, rows {edges[k]} to {edges[k + 1]}"
        parts.append(DaskPart(place, make(place, block, *(one[k] for one in beside))))
    flat = target is None or target.ndim == 1
    return DaskSource(tuple(parts), tuple(int(n) for n in rows), int(X.shape[1]), flat)


def _beside(dask, name, given, rows):
    """Blocks of targets or weights that go with those of the rows."""
    if given is None:
        return [None] * len(rows)
    if hasattr(given, "to_dask_array"):
        given = given.to_dask_array(lengths=True)
    if not hasattr(given, "__dask_graph__"):
        given = dask.array.from_array(np.asarray(given), chunks=-1)
    if given.shape[0] != sum(rows):
        raise ValueError(f"{name} has {given.shape[0]} rows, but X has {sum(rows)}: give one a row.")
    given = given.rechunk({0: rows, **({1: -1} if given.ndim == 2 else {})})
    blocks = given.to_delayed(optimize_graph=True)
    return list(blocks if given.ndim == 1 else blocks[:, 0])


def frame_source(frame, features, target, weight) -> DaskSource:
    """Blocks of a `dask.dataframe`: its partitions. Their lengths are counted, which is a pass of its own."""
    dask = _dask()
    columns = TableColumns.choose(frame.columns, features, target, weight)
    frame = frame[columns.all]
    lengths = [int(n) for n in frame.map_partitions(len).compute()]
    make = dask.delayed(_loaded_table, pure=True)
    parts = [
        DaskPart(place, make(place, block, columns))
        for k, block in enumerate(frame.to_delayed())
        for place in [f"partition {k} of the Dask dataframe"]
        if lengths[k]
    ]
    rows = tuple(n for n in lengths if n)
    return DaskSource(tuple(parts), rows, len(columns.features), columns.flat_targets, columns.features)


def _loaded(place, data, targets, weights) -> LoadedPart:
    return LoadedPart(place, Rows(data, targets, weights))


def _loaded_table(place, frame, columns: TableColumns) -> LoadedPart:
    return LoadedPart(place, columns.rows_of(lambda name: frame[name].to_numpy()))


def has_client() -> bool:
    """Whether there is a current client of `dask.distributed`."""
    try:
        from distributed import get_client
    except ImportError:
        return False
    try:
        get_client()
    except ValueError:
        return False
    return True


def client_of(scheduler) -> Any:
    """The client that was given, or for "dask" the current one."""
    _dask()
    try:
        from distributed import get_client
    except ImportError as error:
        raise missing_extra("Dask workers", "distributed") from error
    if not isinstance(scheduler, str):
        return scheduler
    try:
        return get_client()
    except ValueError as error:
        raise ValueError(
            "scheduler='dask' needs a current client: make one with dask.distributed.Client(), or give the client."
        ) from error


def on_workers(scheduler, groups: Iterator, function: Callable) -> Generator[Any]:
    """Yield ``function(group)`` for each group, in order; groups are worked on by Dask's workers.

    A group whose worker is lost goes to another one. The function is pickled once, and travels between workers.
    """
    dask = _dask()
    client = client_of(scheduler)
    from distributed.protocol.pickle import dumps

    ahead = _AHEAD * max(1, sum(client.nthreads().values()))
    pending: deque = deque()
    with dask.config.set({"distributed.admin.large-graph-warning-threshold": "1 GiB"}):
        held = client.submit(unpickled, dumps(function), pure=False)
        call = dask.delayed(_call, pure=False)
        try:
            for group in groups:
                parts = [getattr(part, "delayed", part) for part in group.parts]
                pending.append(client.compute(call(held, group._replace(parts=[]), parts)))
                if len(pending) > ahead:
                    yield pending.popleft().result()
            while pending:
                yield pending.popleft().result()
        finally:
            client.cancel([*pending, held])


def unpickled(data: bytes) -> Any:
    """What a function and all that it refers to were pickled as, once for all workers."""
    return pickle.loads(data)


def _call(function, group, parts):
    return function(group._replace(parts=parts))
