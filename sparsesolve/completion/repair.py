"""Repair of a fit that is right but for a few rows and columns.

Where descent fails near the limit, it has most often taken a wrong turn in a few rows or columns with few entries, and
their misfit keeps the others from fitting. So the rows and columns that fit worst, or that stick out, are left out, and
the descent goes on among the others, the core. Once the core fits exactly, its factors determine the rest row by row.
"""

from __future__ import annotations

import math
from collections.abc import Generator
from typing import NamedTuple

import numpy as np

from .observations import Observations, observe
from .tangent import decompose, descend, no_ridge
from .tangent_entries import Entries, Linearisation, State

# Share of the rows and columns that leave the core in a round, rounds, and the share of them that must stay.
_LEAVING, _ROUNDS, _CORE = 0.05, 5, 0.5
# A round that leaves more than this share of the relative residual is the last.
_HOPE = 0.75
# Rows whose squared norm is so many times the mean stick out.
_STICKS_OUT = 4.0
# Descent in the core: damping at its start, steps, steps of conjugate gradients, patience.
_DAMPING, _STEPS, _PASSES, _PATIENCE = 1e-2, 60, 200, 12


class _Places(NamedTuple):
    """The observed entries as triplets, by rows."""

    rows: np.ndarray
    columns: np.ndarray
    values: np.ndarray
    shape: tuple[int, int]


def repair(
    entries: Entries, point: Linearisation, target: float
) -> Generator[Linearisation | None, None, Linearisation]:
    """Leave rows and columns out until the others fit, then put them back.

    Parameters
    ----------
    entries : Entries
    point : Linearisation
        Where a descent without a ridge has failed.
    target : float
        Loss of an exact fit.

    Yields
    ------
    Linearisation or None
        None while only a part of the matrix is being fitted.

    Returns
    -------
    Linearisation
        The point itself where no core fits.

    Notes
    -----
    Complexity: that of a descent a round, at most five rounds.
    """
    side = entries.sides[0]
    places = _Places(
        np.repeat(np.arange(side.n_rows), side.counts),
        side.others.astype(np.int64),
        side.values,
        entries.shape,
    )
    relative = target / entries.total
    row_factors, column_factors = point.state.left * point.state.spectrum, point.state.right.copy()
    kept = np.ones(entries.shape[0], dtype=bool), np.ones(entries.shape[1], dtype=bool)
    misfit = math.sqrt(point.loss / entries.total)
    for _ in range(_ROUNDS):
        kept = _core(places, _without_worst(places, row_factors, column_factors, kept), point.state.rank)
        if any(part.sum() < max(_CORE * part.size, point.state.rank) for part in kept):
            return point
        part = Entries(_restricted(places, kept))
        if part.total == 0.0:
            return point
        inner = yield from _descended(
            part, decompose(row_factors[kept[0]], column_factors[kept[1]]), relative
        )
        row_factors[kept[0]], column_factors[kept[1]] = inner.left * inner.spectrum, inner.right
        before, misfit = misfit, math.sqrt(part.residuals(inner)[0] / part.total)
        if misfit <= math.sqrt(relative):
            break
        if misfit > _HOPE * before:
            return point
    else:
        return point
    _extend(places, row_factors, column_factors, kept)
    whole = entries.linearise(decompose(row_factors, column_factors))
    yield whole
    if whole.loss > target:
        whole = (yield from _descend(entries, whole, target)).point
    return whole if whole.loss < point.loss else point


def _descend(entries, point, target):
    options = {"max_steps": _STEPS, "patience": _PATIENCE, "target": target, "max_passes": _PASSES}
    return descend(entries, point, no_ridge, _DAMPING, **options)


def _descended(entries: Entries, state: State, relative: float) -> Generator[None, None, State]:
    """Where the descent in a core ends."""
    steps = _descend(entries, entries.linearise(state), relative * entries.total)
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return end.value.point.state
        yield None


def _without_worst(places, row_factors, column_factors, kept):
    """The kept rows and columns but for a share of them: those that fit worst, or stick out most."""
    state = decompose(row_factors[kept[0]], column_factors[kept[1]])
    inside = kept[0][places.rows] & kept[1][places.columns]
    rows, columns = places.rows[inside], places.columns[inside]
    fitted = np.einsum("ij,ij->i", row_factors[rows], column_factors[columns])
    squares = (places.values[inside] - fitted) ** 2
    scores = []
    for numbers, factor, keep in zip((rows, columns), (state.left, state.right), kept, strict=True):
        counts = np.bincount(numbers, minlength=keep.size)[keep]
        misfits = np.bincount(numbers, weights=squares, minlength=keep.size)[keep]
        scores.append((misfits / np.maximum(counts, 1), np.mean(factor**2, axis=1)))
    usual = float(np.median(np.concatenate([misfit for misfit, _ in scores])))
    usual = usual if usual > 0.0 else 1.0
    totals = [misfit / usual + (norm / _STICKS_OUT) ** 4 for misfit, norm in scores]
    everyone = np.sort(np.concatenate(totals))
    limit = everyone[-max(1, int(_LEAVING * everyone.size))]
    left = []
    for keep, total in zip(kept, totals, strict=True):
        rest = keep.copy()
        rest[keep] = total < limit
        left.append(rest)
    return tuple(left)


def _core(places, kept, rank):
    """Take rows and columns away until all have more than `rank` entries among those that are left."""
    while True:
        inside = kept[0][places.rows] & kept[1][places.columns]
        counts = (
            np.bincount(numbers[inside], minlength=size)
            for numbers, size in zip(places[:2], places.shape, strict=True)
        )
        rest = tuple(keep & (count > rank) for keep, count in zip(kept, counts, strict=True))
        if all(map(np.array_equal, rest, kept)):
            return kept
        kept = rest


def _restricted(places, kept) -> Observations:
    inside = kept[0][places.rows] & kept[1][places.columns]
    numbers = [np.cumsum(keep) - 1 for keep in kept]
    shape = int(kept[0].sum()), int(kept[1].sum())
    rows, columns = numbers[0][places.rows[inside]], numbers[1][places.columns[inside]]
    starts = np.concatenate([[0], np.cumsum(np.bincount(rows, minlength=shape[0]))])
    return observe(starts, columns, places.values[inside], shape)


def _extend(places, row_factors, column_factors, kept) -> None:
    """Fit rows and columns to the factors that are known, in place, those with most entries among them first.

    A row with too few is left at zero until its columns are known, or for good.
    """
    rank = row_factors.shape[1]
    factors, known = (row_factors, column_factors), tuple(keep.copy() for keep in kept)
    orders = np.argsort(places.rows, kind="stable"), np.argsort(places.columns, kind="stable")
    ends = tuple(
        np.concatenate([[0], np.cumsum(np.bincount(places[side], minlength=places.shape[side]))])
        for side in (0, 1)
    )
    for side in (0, 1):
        factors[side][~known[side]] = 0.0
    enough = rank + 1
    while enough >= rank:
        found = 0
        for side in (0, 1):
            other = 1 - side
            for number in np.flatnonzero(~known[side]):
                mine = orders[side][ends[side][number] : ends[side][number + 1]]
                mine = mine[known[other][places[other][mine]]]
                if mine.size >= enough:
                    design = factors[other][places[other][mine]]
                    factors[side][number] = np.linalg.lstsq(design, places.values[mine], rcond=None)[0]
                    known[side][number] = True
                    found += 1
        if found == 0:
            enough -= 1
        else:
            enough = rank + 1
