"""What can be given as rows, and how it is recognised."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import scipy.sparse

from .arrays import array_source, npy_source
from .blocks import RowBlocks
from .generators import GeneratedSource


def row_blocks(
    source,
    target=None,
    *,
    sample_weight=None,
    columns=None,
    block_rows=None,
    scheduler=None,
    progress=None,
    checkpoint=None,
    checkpoint_every=16,
) -> RowBlocks:
    """See data as blocks of rows, wherever they lie; nothing is read but shapes.

    Parameters
    ----------
    source : array, scipy sparse array or matrix, path, Zarr array, Dask array or data frame, callable, or iterator
        A path is that of a ``.npy`` or Parquet file, of a folder of such files, which are taken by name, or of a
        ``.zarr`` array. A callable makes an iterator over blocks, anew for each pass; an iterator serves one pass.
        Its items are arrays X, or tuples (X, y) or (X, y, weights).
    target : array, path, str or list of str, optional
        Targets: the name of a column, or names, for Parquet and data frames; else one row for each row of the data,
        as an array of any of these kinds, or the path of one.
    sample_weight : array, path or str, optional
        Weights of the rows, in the same way.
    columns : list of str, optional
        The features, for Parquet and data frames; all columns but targets and weights unless given.
    block_rows : int, optional
        Rows of a block, for arrays, ``.npy`` and Zarr; blocks of 128 MiB unless given. Parquet has its row groups and
        Dask its chunks.
    scheduler : {"serial", "threads", "dask"} or dask.distributed.Client, optional
        Where blocks are worked on. Unless given, the current client for Dask collections if there is one, else
        "serial": one block after the other, each with all threads.
    progress : callable, optional
        Called with a `Progress` whenever blocks are done.
    checkpoint : path, optional
        A folder where fits keep what they have summed, to go on from after an interrupt. It is deleted when a fit ends.
    checkpoint_every : int, default=16
        In blocks.

    Returns
    -------
    RowBlocks

    Raises
    ------
    ValueError
        For what is no source; `BlockError`, which is one, for files that cannot be read.

    Examples
    --------
    >>> import numpy as np
    >>> from sparsesolve.streams import row_blocks
    >>> X = np.arange(20.0).reshape(10, 2)
    >>> blocks = row_blocks(X, target=X.sum(axis=1), block_rows=4)
    >>> blocks.lengths
    (4, 4, 2)
    """
    if isinstance(source, RowBlocks):
        raise ValueError("source is a RowBlocks already: change it by its method `using`.")
    made = _source(source, target, sample_weight, columns, block_rows)
    if scheduler is None:
        scheduler = "dask" if made.wants_dask and _client_waits() else "serial"
    return RowBlocks(
        made, scheduler, progress, None if checkpoint is None else Path(checkpoint), checkpoint_every
    )


def _source(source, target, sample_weight, columns, block_rows):
    if isinstance(source, (str, Path)):
        return _path_source(Path(source), target, sample_weight, columns, block_rows)
    if hasattr(source, "__dask_graph__"):
        from . import dask_arrays

        if hasattr(source, "columns"):
            return dask_arrays.frame_source(source, columns, target, sample_weight)
        return dask_arrays.array_source(source, target, sample_weight)
    if _is_zarr(source):
        from .zarr_arrays import zarr_source

        return zarr_source(source, target, sample_weight, block_rows)
    if callable(source) or hasattr(source, "__next__"):
        if target is not None or sample_weight is not None:
            raise ValueError(
                "target and sample_weight of a generator come with its blocks, as tuples (X, y, weights)."
            )
        return GeneratedSource(source)
    if scipy.sparse.issparse(source) or isinstance(source, np.ndarray) or hasattr(source, "__array__"):
        return array_source(source, target, sample_weight, block_rows)
    raise ValueError(
        f"source is a {type(source).__name__}: give an array, a path, a Zarr array, a Dask collection, a callable that "
        "makes an iterator over blocks, or an iterator."
    )


def _path_source(path: Path, target, sample_weight, columns, block_rows):
    if not path.exists():
        raise ValueError(f"source={str(path)!r} does not exist.")
    kind = path.suffix
    if path.is_dir() and kind != ".zarr":
        kinds = {".npy": "*.npy", ".parquet": "**/*.parquet"}
        found = [kind for kind, pattern in kinds.items() if next(path.glob(pattern), None) is not None]
        if len(found) != 1:
            what = "both .npy and .parquet files" if found else "neither .npy nor .parquet files"
            raise ValueError(
                f"source={str(path)!r} is a folder with {what}: give one with files of one kind."
            )
        kind = found[0]
    if kind == ".npy":
        return npy_source(path, target, sample_weight, block_rows)
    if kind in (".parquet", ".pq"):
        from .parquet import parquet_source

        return parquet_source(path, columns, target, sample_weight)
    if kind == ".zarr":
        from .zarr_arrays import open_zarr, zarr_source

        return zarr_source(open_zarr(path), target, sample_weight, block_rows)
    raise ValueError(f"source={str(path)!r} ends in {kind!r}: .npy, .parquet and .zarr are known.")


def is_stream(X) -> bool:
    """Whether X is one of the things that a fit takes as row blocks by itself: these, a path, or Zarr's or Dask's."""
    return isinstance(X, (RowBlocks, str, Path)) or hasattr(X, "__dask_graph__") or _is_zarr(X)


def as_row_blocks(X, y=None, sample_weight=None) -> RowBlocks:
    """The row blocks that a fit works on, from its arguments."""
    if not isinstance(X, RowBlocks):
        return row_blocks(X, y, sample_weight=sample_weight)
    if y is not None or sample_weight is not None:
        raise ValueError(
            "y and sample_weight of row blocks come with them: give row_blocks(..., target=y, sample_weight=...)."
        )
    return X


def _is_zarr(source) -> bool:
    """Without importing zarr, which is there if this is one of its arrays."""
    return type(source).__module__.split(".")[0] == "zarr" and hasattr(source, "chunks")


def _client_waits() -> bool:
    from .dask_arrays import has_client

    return has_client()
