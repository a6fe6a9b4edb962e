"""Row blocks of Parquet files: one for each row group."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..exceptions import SparseSolveError
from .blocks import READING_ERRORS, BlockError, Rows

_ROWS_AT_ONCE = 2048


@dataclass(frozen=True)
class TableColumns:
    """Which columns of a table are what.

    Attributes
    ----------
    features : tuple of str
    targets : tuple of str
    flat_targets : bool
        One target, of shape (n_rows,).
    weight : str or None
    """

    features: tuple[str, ...]
    targets: tuple[str, ...]
    flat_targets: bool
    weight: str | None

    @classmethod
    def choose(cls, names, features, target, weight) -> TableColumns:
        """All columns but targets and weights are features, unless these are named."""
        names = [str(name) for name in names]
        flat = target is None or isinstance(target, str)
        targets = () if target is None else (target,) if isinstance(target, str) else tuple(target)
        if weight is not None and not isinstance(weight, str):
            raise ValueError("sample_weight of a table must be the name of one of its columns.")
        if not all(isinstance(name, str) for name in targets):
            raise ValueError(
                "target of a table must be the name of a column, or a list of names: write the targets into the "
                f"table, or give one of {', '.join(names[:8])}."
            )
        taken = {*targets, weight}
        chosen = tuple(name for name in names if name not in taken) if features is None else tuple(features)
        for name in (*chosen, *targets, *([] if weight is None else [weight])):
            if name not in names:
                raise ValueError(
                    f"the table has no column {name!r}: its columns are {', '.join(names[:20])}."
                )
        return cls(chosen, targets, flat, weight)

    @property
    def all(self) -> list[str]:
        """Every column that is read."""
        return [*self.features, *self.targets, *([] if self.weight is None else [self.weight])]

    def rows_of(self, column) -> Rows:
        """The rows of a table, given a function from a name to the column's numbers."""
        data = _columns(column, self.features)
        targets = _columns(column, self.targets) if self.targets else None
        if targets is not None and self.flat_targets:
            targets = targets[:, 0]
        return Rows(data, targets, None if self.weight is None else np.asarray(column(self.weight)))


def _columns(column, names) -> np.ndarray:
    """Columns side by side, some rows of all of them at a time: whole columns would be written entry by entry."""
    columns = [np.asarray(column(name)) for name in names]
    for name, values in zip(names, columns, strict=True):
        if values.dtype.kind not in "fiub":
            raise TypeError(f"column {name!r} has dtype {values.dtype}, which holds no real numbers.")
    out = np.empty((columns[0].size, len(names)))
    for start in range(0, len(out), _ROWS_AT_ONCE):
        rows = slice(start, start + _ROWS_AT_ONCE)
        part = out[rows]
        for k, values in enumerate(columns):
            part[:, k] = values[rows]
    return out


@dataclass(frozen=True)
class RowGroup:
    """One row group of one file."""

    place: str
    path: str
    group: int
    columns: TableColumns

    def load(self) -> Rows:
        """Read and decode it."""
        with _pyarrow().ParquetFile(self.path) as file:
            table = file.read_row_group(self.group, columns=self.columns.all)
        return self.columns.rows_of(lambda name: table.column(name).to_numpy())


@dataclass(frozen=True)
class ParquetSource:
    """The row groups of some files, in order."""

    groups: tuple[RowGroup, ...]
    lengths: tuple[int, ...]
    columns: TableColumns
    passes: str = "many"
    grouped: bool = True
    wants_dask: bool = False

    @property
    def n_columns(self) -> int:
        """Features."""
        return len(self.columns.features)

    @property
    def names(self) -> tuple[str, ...]:
        """Of the features."""
        return self.columns.features

    @property
    def flat_targets(self) -> bool:
        """Whether there is one target, given by its name alone."""
        return self.columns.flat_targets

    def parts(self, start: int = 0) -> Iterator[RowGroup]:
        """The row groups from number `start` on."""
        return iter(self.groups[start:])


def parquet_source(path: Path, features, target, weight) -> ParquetSource:
    """Row groups of a Parquet file, or of all those in a folder, by name; only footers are read."""
    parquet = _pyarrow()
    files = sorted(path.glob("**/*.parquet")) if path.is_dir() else [path]
    columns, groups, lengths = None, [], []
    for file in files:
        try:
            with parquet.ParquetFile(file) as opened:
                metadata, names = opened.metadata, opened.schema_arrow.names
        except READING_ERRORS as error:
            raise BlockError(f"{file} is no Parquet file that can be read: {error}") from error
        if columns is None:
            columns = TableColumns.choose(names, features, target, weight)
        missing = set(columns.all) - set(names)
        if missing:
            raise BlockError(f"{file} has no column {sorted(missing)[0]!r}, which the first file has.")
        for group in range(metadata.num_row_groups):
            rows = metadata.row_group(group).num_rows
            if rows:
                groups.append(RowGroup(f"{file}, row group {group}", str(file), group, columns))
                lengths.append(rows)
    if columns is None or not groups:
        raise ValueError(f"{path} holds no row group: it needs at least one row.")
    return ParquetSource(tuple(groups), tuple(lengths), columns)


def _pyarrow() -> Any:
    try:
        import pyarrow.parquet
    except ImportError as error:
        raise missing_extra("Parquet files", "pyarrow") from error
    return pyarrow.parquet


class MissingPackage(SparseSolveError, ImportError):
    """An optional package is needed; the message names the extra that brings it."""


def missing_extra(what: str, package: str) -> MissingPackage:
    """The error for a package that is not there."""
    return MissingPackage(f"{what} need {package}: install it with `pip install sparsesolve[dask]`.")
