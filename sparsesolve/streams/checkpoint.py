"""What a fit has summed so far, kept in a folder, so that another process can go on from there."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import scipy.sparse

from .blocks import RowBlocks, read

_META = "fit.json"


class Kept(NamedTuple):
    """The sums of one pass over the first so many blocks."""

    n_blocks: int
    n_rows: int
    complete: bool
    values: tuple[np.ndarray, ...]


class Checkpoint:
    """A folder with one file a pass, and one that says whose they are.

    Files are written beside their place and moved there, which is atomic: an interrupt leaves the old ones or the new
    ones. Only arrays are kept, never pickles, so that reading a folder runs no code.

    Parameters
    ----------
    path : path
        Made if it is not there.
    identity : object
        What tells this fit from another, as JSON; a folder of another fit is refused.
    """

    def __init__(self, path, identity: Any):
        self.path = Path(path)
        self._meta: dict[str, Any] = {"identity": fingerprint(identity)}
        self.path.mkdir(parents=True, exist_ok=True)
        kept = self.path / _META
        if kept.exists():
            meta = json.loads(kept.read_text(encoding="utf-8"))
            if meta["identity"] != self._meta["identity"]:
                raise ValueError(
                    f"checkpoint={str(path)!r} belongs to another fit, of other data or parameters: delete the folder, "
                    "or give another one."
                )
            self._meta = meta
        else:
            self._write_meta()

    def remember(self, name: str, value):
        """Return what was kept under a name before; else keep this value, a JSON one, and return it."""
        if name not in self._meta:
            self._meta[name] = value
            self._write_meta()
        return self._meta[name]

    def load(self, number: int) -> Kept | None:
        """What is kept of a pass, if anything is."""
        try:
            with np.load(self._file(number), allow_pickle=False) as file:
                n_blocks, n_rows, complete, count = file["state"]
                values = tuple(file[f"value_{k}"] for k in range(count))
        except FileNotFoundError:
            return None
        return Kept(int(n_blocks), int(n_rows), bool(complete), values)

    def save(self, number: int, kept: Kept) -> None:
        """Keep the state of a pass."""
        arrays: dict[str, Any] = {f"value_{k}": value for k, value in enumerate(kept.values)}
        arrays["state"] = np.array([kept.n_blocks, kept.n_rows, kept.complete, len(kept.values)])
        self._write(self._file(number), lambda file: np.savez(file, **arrays))

    def remove(self) -> None:
        """Delete the folder: the fit is done."""
        shutil.rmtree(self.path, ignore_errors=True)

    def _file(self, number: int) -> Path:
        return self.path / f"pass-{number:04d}.npz"

    def _write_meta(self) -> None:
        text = json.dumps(self._meta).encode()
        self._write(self.path / _META, lambda file: file.write(text))

    def _write(self, target: Path, write) -> None:
        beside = target.with_name(f"{target.name}.{os.getpid()}.tmp")
        with beside.open("wb") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(beside, target)


def fingerprint(identity: Any) -> str:
    """A short name of a JSON value; what JSON does not know counts by its `repr`."""
    text = json.dumps(identity, sort_keys=True, default=repr)
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def contents_name(blocks: RowBlocks) -> str:
    """A short name of what the first block and the last hold: other data of the same shape have another one.

    The last is left out where all blocks before it would have to be read for it.
    """
    name = hashlib.blake2b(digest_size=16)
    for number in [0] if blocks.source.lengths is None else sorted({0, blocks.n_blocks - 1}):
        block = read(next(blocks.parts(number)), number, 0, blocks.n_columns)
        for array in [*_arrays_of(block.data), block.targets, block.weights]:
            if array is not None:
                name.update(f"{array.dtype} {array.shape}".encode())
                name.update(np.ascontiguousarray(array).data)
    return name.hexdigest()


def _arrays_of(data) -> list[np.ndarray]:
    if not scipy.sparse.issparse(data):
        return [data]
    rows = data.tocsr()
    return [rows.indptr, rows.indices, rows.data]
