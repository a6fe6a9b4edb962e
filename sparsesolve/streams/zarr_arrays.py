"""Row blocks of Zarr arrays."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from .arrays import SlicedSource, aside, sliced_source
from .blocks import READING_ERRORS, BlockError
from .parquet import missing_extra


def open_zarr(path: Path) -> Any:
    """A Zarr array in a folder or a zip file, read only."""
    try:
        import zarr
    except ImportError as error:
        raise missing_extra("Zarr arrays", "zarr") from error
    try:
        return zarr.open_array(path, mode="r")
    except READING_ERRORS as error:
        raise BlockError(
            f"{path} is no Zarr array that can be read: {type(error).__name__}: {error}"
        ) from error


def zarr_source(array, targets, weights, block_rows) -> SlicedSource:
    """Blocks of a Zarr array, which begin where its chunks do."""
    if array.ndim != 2:
        raise ValueError(f"X must have rows and columns, but the Zarr array has shape {array.shape}.")
    n_rows, n_columns = array.shape
    targets, weights = _beside("target", targets, n_rows), _beside("sample_weight", weights, n_rows)
    name = f"Zarr array {array.store_path}"
    piece = (name, array, n_rows)
    return sliced_source(
        [piece], n_columns, targets, weights, block_rows, array.dtype.itemsize, steps=array.chunks[0]
    )


def _beside(name, given, n_rows):
    if isinstance(given, (str, Path)) and str(given).endswith(".zarr"):
        given = open_zarr(Path(given))
    return aside(name, given, n_rows)
