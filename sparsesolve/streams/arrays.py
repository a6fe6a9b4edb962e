"""Row blocks of arrays, sparse matrices, memory maps and `.npy` files."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse

from ..validation import check_count
from .blocks import BlockError, Rows

#: Bytes of a block, unless the columns are so many that a block would have fewer rows than columns.
BLOCK_BYTES = 1 << 27
# Blocks are whole runs of so many rows, which suits sketches.
_ROW_STEP = 1024
# Linux's MADV_POPULATE_READ: all pages of a window at once, a fifth faster than one after the other.
_POPULATE = 22


@dataclass(frozen=True)
class Slice:
    """Rows start:stop of something that can be sliced; sent elsewhere, an array in memory takes these rows only."""

    of: Any
    start: int
    stop: int

    def load(self):
        """The rows, without a copy where slicing makes none."""
        return self.of[self.start : self.stop]

    def __reduce__(self):
        if isinstance(self.of, np.ndarray) or scipy.sparse.issparse(self.of):
            return Slice, (self.load(), 0, self.stop - self.start)
        return Slice, (self.of, self.start, self.stop)  # a file is opened where it is read


@dataclass(frozen=True)
class SlicedPart:
    """The rows of a block as slices."""

    place: str
    data: Slice
    targets: Slice | None = None
    weights: Slice | None = None

    def load(self) -> Rows:
        """Read the rows."""
        return Rows(*(None if one is None else one.load() for one in (self.data, self.targets, self.weights)))


@dataclass(frozen=True)
class MappedFile:
    """A C-ordered array in a file, of which some rows at a time are mapped into memory."""

    path: str
    offset: int
    dtype: np.dtype
    shape: tuple[int, ...]

    def __getitem__(self, rows: slice) -> np.ndarray:
        row_bytes = self.dtype.itemsize * int(np.prod(self.shape[1:], dtype=np.int64))
        shape = (rows.stop - rows.start, *self.shape[1:])
        window = np.memmap(
            self.path, self.dtype, mode="r", offset=self.offset + rows.start * row_bytes, shape=shape
        )
        if sys.platform == "linux":
            with suppress(OSError):  # before Linux 5.14
                getattr(window, "_mmap").madvise(_POPULATE)  # noqa: B009
        return window.view(np.ndarray)

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self.shape)

    def check_length(self) -> None:
        """Raise the error that names the file, where it is shorter than its header says."""
        wanted = self.offset + self.dtype.itemsize * int(np.prod(self.shape, dtype=np.int64))
        found = Path(self.path).stat().st_size
        if found < wanted:
            raise BlockError(
                f"{self.path} is truncated: its header promises {wanted} bytes, but it has {found}. "
                "Write or copy it again."
            )


@dataclass(frozen=True)
class SlicedSource:
    """Parts of one or several sliceable things, one after the other.

    Attributes
    ----------
    pieces : tuple of (name, data, rows)
        What is sliced, what errors call it, and how many rows it has.
    ranges : tuple of (piece, start, stop)
        One a block.
    targets, weights : sliceable of as many rows as all pieces together, or None
    """

    pieces: tuple[tuple[str, Any, int], ...]
    ranges: tuple[tuple[int, int, int], ...]
    n_columns: int
    targets: Any = None
    weights: Any = None
    flat_targets: bool = True
    names: tuple[str, ...] | None = None
    passes: str = "many"
    grouped: bool = True
    wants_dask: bool = False

    @property
    def lengths(self) -> tuple[int, ...]:
        """Rows of each block."""
        return tuple(stop - start for _, start, stop in self.ranges)

    def parts(self, start: int = 0) -> Iterator:
        """The parts from number `start` on."""
        edges = np.concatenate([[0], np.cumsum([rows for _, _, rows in self.pieces])])
        for piece, first, last in self.ranges[start:]:
            name, data, rows = self.pieces[piece]
            place = name if (first, last) == (0, rows) else f"{name}, rows {first} to {last}"
            base = int(edges[piece])
            beside = (
                None if one is None else Slice(one, base + first, base + last)
                for one in (self.targets, self.weights)
            )
            yield SlicedPart(place, Slice(data, first, last), *beside)


def sliced_source(
    pieces, n_columns, targets, weights, block_rows, itemsize=8, steps=None, names=None
) -> SlicedSource:
    """The source that cuts each piece into blocks.

    Parameters
    ----------
    pieces : list of (name, data, rows)
    n_columns : int
    targets, weights : sliceable, or None
    block_rows : int or None
    itemsize : int
        Bytes of an entry.
    steps : int, optional
        Rows that are stored together: blocks begin at multiples of it.
    names : tuple of str, optional
    """
    rows = block_rows_for(n_columns, itemsize, block_rows)
    if steps is not None and block_rows is None:
        rows = max(steps, rows // steps * steps)
    ranges = [
        (k, start, min(start + rows, length))
        for k, (_, _, length) in enumerate(pieces)
        for start in range(0, length, rows)
    ]
    flat = targets is None or len(np.shape(targets)) == 1
    return SlicedSource(tuple(pieces), tuple(ranges), n_columns, targets, weights, flat, names)


def block_rows_for(n_columns: int, itemsize: int, block_rows: int | None) -> int:
    """Rows of a block: as asked, or so many that a block is large, and no smaller than a square."""
    if block_rows is not None:
        return check_count("block_rows", block_rows)
    rows = max(BLOCK_BYTES // (itemsize * n_columns), n_columns)
    return max(1, rows // _ROW_STEP) * _ROW_STEP


def aside(name: str, given, n_rows: int):
    """Targets or weights as something that can be sliced, one entry a row; None for none."""
    if given is None:
        return None
    if isinstance(given, (str, Path)):
        given = npy_file(Path(given))
    elif not hasattr(given, "shape"):
        given = np.asarray(given)
    given = as_file(given)
    if given.shape[0] != n_rows:
        raise ValueError(f"{name} has {given.shape[0]} rows, but X has {n_rows}: give one a row.")
    return given


def as_file(array):
    """A memory map as its file, so that no more of it is mapped than is worked on; all else as it is."""
    if (
        not isinstance(array, np.memmap)
        or array.mode == "c"
        or not array.flags.c_contiguous
        or array.ndim == 0
    ):
        return array
    mapped = getattr(array, "_mmap", None)
    if mapped is None or array.filename is None:
        return array
    # `offset` is that of the map it was cut from: what counts is where its first entry lies.
    begin = np.frombuffer(mapped, np.uint8).__array_interface__["data"][0]
    inside = array.__array_interface__["data"][0] - begin
    if not 0 <= inside <= len(mapped) - array.nbytes:
        return array
    base = array.offset - array.offset % _granularity()
    if array.flags.writeable:
        array.flush()
    return MappedFile(str(array.filename), base + inside, array.dtype, array.shape)


def _granularity() -> int:
    import mmap

    return mmap.ALLOCATIONGRANULARITY


def array_source(X, targets, weights, block_rows) -> SlicedSource:
    """Blocks of an array, a memory map or a sparse matrix."""
    if scipy.sparse.issparse(X):
        X = X.tocsr()
        name, itemsize = "sparse matrix", max(1, 12 * X.nnz // max(1, X.shape[0] * X.shape[1]))
    else:
        X = as_file(X if isinstance(X, np.memmap) else np.asarray(X))
        name, itemsize = getattr(X, "path", "array"), X.dtype.itemsize
    if len(X.shape) != 2 or 0 in X.shape:
        raise ValueError(f"X must have rows and columns, but its shape is {X.shape}.")
    n_rows, n_columns = X.shape
    targets, weights = aside("target", targets, n_rows), aside("sample_weight", weights, n_rows)
    return sliced_source([(name, X, n_rows)], n_columns, targets, weights, block_rows, itemsize)


def npy_file(path: Path):
    """An array in a `.npy` file: C order by rows, without reading it; Fortran order as a memory map."""
    try:
        with path.open("rb") as file:
            version = np.lib.format.read_magic(file)
            read_header = {
                (1, 0): np.lib.format.read_array_header_1_0,
                (2, 0): np.lib.format.read_array_header_2_0,
            }[version]
            shape, is_fortran, dtype = read_header(file)
            mapped = MappedFile(str(path), file.tell(), dtype, shape)
    except (ValueError, EOFError, KeyError) as error:
        raise BlockError(f"{path} is no .npy file: {error}") from error
    mapped.check_length()
    return np.load(path, mmap_mode="r") if is_fortran and len(shape) > 1 else mapped


def npy_source(path: Path, targets, weights, block_rows) -> SlicedSource:
    """Blocks of a `.npy` file, or of all those in a folder, by name."""
    files = sorted(path.glob("*.npy")) if path.is_dir() else [path]
    pieces = [(str(file), npy_file(file)) for file in files]
    n_columns = pieces[0][1].shape[-1]
    for name, data in pieces:
        if len(data.shape) != 2 or data.shape[1] != n_columns:
            raise BlockError(f"{name} has shape {data.shape}, but {n_columns} columns were expected.")
    n_rows = sum(data.shape[0] for _, data in pieces)
    targets, weights = aside("target", targets, n_rows), aside("sample_weight", weights, n_rows)
    itemsize = pieces[0][1].dtype.itemsize
    lengths = [(name, data, data.shape[0]) for name, data in pieces]
    return sliced_source(lengths, n_columns, targets, weights, block_rows, itemsize)
