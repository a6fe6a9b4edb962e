"""Both Hadamard sketches on a device."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .chunks import column_panels, for_dense_chunks, key_words, macros, runtime_for, sum_parts

FILE = "srht.cl"
_TASKS = {"cpu": 16, "gpu": 512}
# Local memory of a tile of the GPU form, in bytes, and its greatest height.
_TILE_BYTES = 1 << 15
_MOST_ROWS = 512
_ITEMS = 256
_LEAST_BLOCKS = 8


@dataclass(frozen=True)
class Transform:
    """What a Hadamard sketch is made of.

    Attributes
    ----------
    key : int
    row_stream, block_stream : int
        Streams of the signs; the padded transform has none for blocks.
    block : int
        Rows of a block.
    rows : ndarray of shape (m,), int64
        The sampled rows.
    padded : bool
        Whether the rows are those of one Hadamard matrix of all blocks.
    """

    key: int
    row_stream: int
    block_stream: int
    block: int
    rows: np.ndarray
    padded: bool


def hadamard_sketch(A, first_row: int, row_scale, transform: Transform) -> np.ndarray:
    """Return S diag(row_scale) A, shape (m, d).

    Parameters
    ----------
    A : RowMatrix
        Sparse rows are made dense, chunk by chunk.
    first_row : int
    row_scale : ndarray of shape (n_rows,) or (0,)
    transform : Transform
    """
    device = runtime_for(A.dtype)
    run = _CpuRun if device.form == "cpu" else _GpuRun
    block = transform.block
    size = transform.rows.size
    origin, lead = divmod(first_row, block)
    n_blocks = -(-(lead + A.shape[0]) // block)
    height = size if transform.padded else block
    largest = device.device.largest_buffer
    itemsize = A.dtype.itemsize
    shape = run.shape_of(A.shape[1], A.dtype, block)
    part_blocks = _part_blocks(device.form, n_blocks, -(-A.shape[1] // shape.width))
    n_parts = -(-n_blocks // part_blocks)
    most = (
        min(largest // (n_parts * height * itemsize), largest // (block * itemsize))
        // shape.width
        * shape.width
    )
    panel = min(A.shape[1], max(shape.width, most))
    out = np.empty((size, A.shape[1]), A.dtype)
    for columns in column_panels(A.shape[1], panel):
        d = columns.stop - columns.start
        pitch = -(-d // shape.width) * shape.width
        sums = device.zeros((n_parts, height, pitch), A.dtype)
        work = run(device, A.dtype, shape, transform, d, pitch)

        def add(first, last, rows, d=d, sums=sums, pitch=pitch, work=work):
            first_block, offset = divmod(first_row + first, block)
            last_block = -(-(first_row + last) // block)
            first_part = (first_block - origin) // part_blocks
            parts = -(-(last_block - origin) // part_blocks) - first_part
            chunk = (
                np.uint64(last - first),
                np.uint32(d),
                device.input(row_scale[first:last]),
                np.uint32(row_scale.size > 0),
                np.uint64(first_block),
                np.uint32(offset),
                np.uint32(block),
            )
            into = (
                *map(np.uint64, (last_block, origin)),
                *map(np.uint32, (part_blocks, first_part, transform.padded, size)),
                work.fine,
                work.coarse,
                *map(np.uint32, (height, pitch)),
                sums,
            )
            work.start(rows, chunk, into, int(last_block - first_block), int(parts))

        for_dense_chunks(device, A, columns, block, lead, work.row_bytes, add)
        where = work.order if transform.padded else transform.rows
        product = sum_parts(
            device, FILE, work.defines, sums, n_parts, where, (pitch, 1), d, 1 / np.sqrt(size)
        )
        out[:, columns] = product
    return out


def _part_blocks(form, n_blocks, n_tiles):
    """Blocks of a part: a function of shapes and the form only; enough that the sums are small beside the blocks."""
    n_parts = max(1, min(n_blocks // _LEAST_BLOCKS, -(-_TASKS[form] // n_tiles)))
    return -(-n_blocks // n_parts)


@dataclass(frozen=True)
class _Shape:
    """Columns of a tile, and the rows of the tiles of each pass, first to last."""

    width: int
    heights: tuple[int, ...] = ()


class _CpuRun:
    """Blocks are transformed one after the other, each in the scratch of a work item."""

    @staticmethod
    def shape_of(n_columns, dtype, block):
        """Tiles of at most 64 columns, and at least a cache line."""
        line = 64 // dtype.itemsize
        return _Shape(
            64 if n_columns >= 48 else min(64, line << max(0, (-(-n_columns // line) - 1).bit_length()))
        )

    def __init__(self, device, dtype, shape, transform, d, pitch):
        self.device, self.dtype, self.shape, self.transform = device, dtype, shape, transform
        self.tiles = pitch // shape.width
        self.defines = macros(device, dtype, WIDTH=shape.width)
        self.row_bytes = d * dtype.itemsize
        fine, coarse = transform.rows % transform.block, transform.rows // transform.block
        self.order = np.arange(transform.rows.size)
        self.fine, self.coarse = device.input(fine.astype(np.int32)), device.input(coarse.astype(np.uint64))
        self.kernel = device.kernel(FILE, "add_blocks", **self.defines)

    def start(self, rows, chunk, into, n_blocks, n_parts):
        """Start the kernel on one chunk."""
        block, items = self.transform.block, self.tiles * n_parts
        self.kernel(
            (self.tiles, n_parts),
            (1, 1),
            rows,
            *chunk,
            *into,
            *map(np.uint32, (self.transform.row_stream, self.transform.block_stream)),
            *key_words(self.transform.key),
            self.device.empty((items, block, self.shape.width), self.dtype),
            self.device.empty((items, block // 32 + 2), np.uint32),
        )


class _GpuRun:
    """Tiles are transformed in local memory; a block too tall for one goes through global memory between passes."""

    @staticmethod
    def shape_of(n_columns, dtype, block):
        """Passes of equal height, as few as local memory allows, on tiles of at least 16 columns."""
        levels = block.bit_length() - 1
        line = 16
        most = min(_MOST_ROWS, _TILE_BYTES // (line * dtype.itemsize)).bit_length() - 1
        n_passes = -(-levels // most)
        least, more = divmod(levels, n_passes)
        return _Shape(line, tuple(1 << (least + (k < more)) for k in range(n_passes)))

    def __init__(self, device, dtype, shape, transform, d, pitch):
        self.device, self.dtype, self.transform, self.pitch = device, dtype, transform, pitch
        self.tiles, self.heights = pitch // shape.width, shape.heights
        self.steps = [macros(device, dtype, WIDTH=shape.width, HEIGHT=height) for height in shape.heights]
        self.defines = self.steps[-1]
        many = len(self.heights) > 1
        self.row_bytes = (pitch if many else d) * dtype.itemsize
        self.apart = transform.block // self.heights[-1]
        # The samples in the order of the groups that hold them.
        fine, coarse = transform.rows % transform.block, transform.rows // transform.block
        sorting = np.argsort(fine % self.apart, kind="stable")
        self.order = np.argsort(sorting)
        self.fine = device.input(fine[sorting].astype(np.int32))
        self.coarse = device.input(coarse[sorting].astype(np.uint64))
        starts = np.searchsorted(fine[sorting] % self.apart, np.arange(self.apart + 1))
        self.starts = device.input(starts.astype(np.int32))

    def start(self, rows, chunk, into, n_blocks, n_parts):
        """Start the passes on one chunk."""
        block = self.transform.block
        key = key_words(self.transform.key)
        apart = 1
        for k, (height, defines) in enumerate(zip(self.heights[:-1], self.steps, strict=False)):
            sizes = (self.tiles * _ITEMS, block // height, n_blocks), (_ITEMS, 1, 1)
            if k == 0:
                between = self.device.empty((n_blocks, block, self.pitch), self.dtype)
                kernel = self.device.kernel(FILE, "first_levels", **defines)
                kernel(
                    *sizes,
                    rows,
                    *chunk,
                    np.uint32(self.transform.row_stream),
                    *key,
                    np.uint32(self.pitch),
                    between,
                )
                rows = between
            else:
                kernel = self.device.kernel(FILE, "middle_levels", **defines)
                kernel(*sizes, *map(np.uint32, (block, apart, self.pitch)), rows)
            apart *= height
        kernel = self.device.kernel(FILE, "add_blocks", **self.defines)
        kernel(
            (self.tiles * _ITEMS, self.apart, n_parts),
            (_ITEMS, 1, 1),
            rows,
            *chunk,
            *into,
            *map(np.uint32, (self.transform.row_stream, self.transform.block_stream)),
            *key,
            np.uint32(self.apart),
            self.starts,
        )
