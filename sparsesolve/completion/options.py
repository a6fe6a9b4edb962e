"""The choices a user has, checked once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse

from ..backends import Choice, select
from ..streams.entries import EntryBlocks
from ..validation import check_choice, check_count, check_real
from .observations import Observations, observe
from .partitions import partitioned
from .row_solvers import INNER

LOSSES = ("squared", "huber")


@dataclass(frozen=True)
class Options:
    """Checked parameters of a completion.

    Attributes
    ----------
    rank : int
        0 where it is to be chosen.
    background : float
        `missing_weight`.
    """

    rank: int
    alpha: float
    scale_alpha: bool
    inner: str
    loss: str
    bias: bool
    positive: bool
    background: float
    sample_splits: int
    validation_fraction: float
    tol: float
    max_iter: int
    max_time: float | None
    choice: Choice


#: Held out to choose a rank where no other share is given.
_SHARE = 0.1
#: What does not go together, and what to do instead; the first of a pair is told what the second one is.
_APART = (
    ("missing_weight", ("loss", "bias", "scale_alpha", "sample_splits")),
    ("positive", ("loss", "bias", "sample_splits")),
    ("sample_splits", ("loss", "bias")),
)


def check_options(
    observations: Observations,
    *,
    rank,
    alpha,
    scale_alpha,
    inner,
    loss,
    bias,
    positive,
    missing_weight,
    sample_splits,
    validation_fraction,
    tol,
    max_iter,
    max_time,
    backend,
) -> Options:
    """Return the options, or raise a ValueError that names the one that is wrong."""
    smallest = min(observations.shape)
    if isinstance(rank, str):
        check_choice("rank", rank, ("auto",))
        rank = 0
        validation_fraction = validation_fraction or _SHARE
    else:
        rank = check_count("rank", rank)
    if rank > smallest:
        raise ValueError(f"rank={rank} is above the smaller side of M, {smallest}: take a smaller rank.")
    check_choice("inner", inner, INNER)
    check_choice("loss", loss, LOSSES)
    missing_weight = check_real("missing_weight", missing_weight, minimum=0)
    least = observations.least_weight
    if missing_weight >= least:
        raise ValueError(
            f"missing_weight={missing_weight} must be below the weights of observed entries, of which the least is "
            f"{least:g}: lower it, or raise the weights."
        )
    sample_splits = check_count("sample_splits", sample_splits, minimum=0)
    if not observations.at_hand:
        _require_sweeps(rank, positive, sample_splits, validation_fraction)
    given = {
        "missing_weight": missing_weight,
        "positive": positive,
        "sample_splits": sample_splits,
        "loss": loss if loss != "squared" else "",
        "bias": bias,
        "scale_alpha": scale_alpha,
    }
    for name, others in _APART:
        for other in others:
            if given[name] and given[other]:
                raise ValueError(
                    f"{other}={given[other]!r} is not known together with {name}={given[name]!r}: leave out one "
                    "of them."
                )
    return Options(
        rank,
        check_real("alpha", alpha, minimum=0),
        bool(scale_alpha),
        inner,
        loss,
        bool(bias),
        bool(positive),
        missing_weight,
        sample_splits,
        check_real("validation_fraction", validation_fraction, minimum=0, below=1),
        check_real("tol", tol, minimum=0),
        check_count("max_iter", max_iter),
        None if max_time is None else check_real("max_time", max_time, minimum=0),
        select(backend),
    )


def _require_sweeps(rank, positive, sample_splits, validation_fraction) -> None:
    """Raise the error that says what partitions of the entries cannot do, and what to do instead."""
    mends = (
        ("rank", "auto", rank == 0, "give a number: compare ranks on a sample that fits into memory"),
        ("validation_fraction", validation_fraction, validation_fraction > 0.0,
         "hold entries out yourself, and compare predict with them"),
        ("positive", positive, positive, "leave it out, or fit a matrix in memory"),
        ("sample_splits", sample_splits, sample_splits > 0, "leave it out, or fit a matrix in memory"),
    )  # fmt: skip
    for name, value, wrong, mend in mends:
        if wrong:
            raise ValueError(f"{name}={value!r} is not known for entries in partitions: {mend}.")


def check_observations(M, weights=None, *, may_be_empty: bool = False) -> Any:
    """Observed entries: those that a sparse matrix stores, zeros too, or those of a dense one that are not NaN.

    Entry blocks become partitions, which have the face of `Observations`.

    Raises
    ------
    ValueError
        For another shape, infinite values, entries that are no real numbers, nothing observed, or bad weights.
    """
    if isinstance(M, Observations):
        return M
    if isinstance(M, EntryBlocks):
        if weights is not None:
            raise ValueError("weights of entry blocks come with them: give entry_blocks(..., weights=...).")
        return partitioned(M)
    if scipy.sparse.issparse(M):
        seen = _canonical(M)
        starts, others, values, shape = seen.indptr, seen.indices, seen.data, seen.shape
    else:
        M = _dense("M", M)
        mask = ~np.isnan(M)
        starts = np.concatenate([[0], np.cumsum(mask.sum(axis=1))])
        others, values, shape = np.nonzero(mask)[1], M[mask], M.shape
    if values.dtype.kind not in "fiub":
        raise ValueError(f"M has entries of dtype {values.dtype}: real numbers are needed.")
    values = np.asarray(values, dtype=np.float64)
    if values.size == 0 and not may_be_empty:
        raise ValueError("M has no observed entry: store some, or leave some that are not NaN.")
    if not np.isfinite(values).all():
        raise ValueError(
            "M has an observed entry that is NaN or infinite: leave such entries out, or mend them."
        )
    weights = _weights(weights, M, starts, others, shape)
    if weights is not None and not weights.all():  # weight zero is as good as not observed
        kept = weights > 0.0
        rows = np.repeat(np.arange(shape[0]), np.diff(starts.astype(np.int64)))[kept]
        starts = np.concatenate([[0], np.cumsum(np.bincount(rows, minlength=shape[0]))])
        others, values, weights = others[kept], values[kept], weights[kept]
        if values.size == 0 and not may_be_empty:
            raise ValueError("weights is zero at every observed entry: give some of them a weight.")
    return observe(starts, others, values, shape, weights)


def _dense(name, M):
    M = np.asarray(M)
    if M.ndim != 2 or M.size == 0:
        raise ValueError(f"{name} has shape {M.shape}: a matrix with rows and columns is needed.")
    if M.dtype.kind not in "fiub":
        if M.dtype.kind == "c":
            raise ValueError(f"{name} has complex entries: real numbers are needed.")
        try:
            M = M.astype(np.float64)
        except ValueError as error:
            raise ValueError(f"{name} has entries of dtype {M.dtype}: real numbers are needed.") from error
    return np.asarray(M, dtype=np.float64)


def _canonical(M):
    """Compressed rows, sorted, with duplicates summed up as scipy does; zeros that are stored stay."""
    M = scipy.sparse.csr_array(M)
    if not M.has_canonical_format:
        M = M.copy()
        M.sum_duplicates()
    return M


def _weights(weights, M, starts, others, shape):
    """The observed entries' weights in the order of the rows; None where all are 1."""
    if weights is None:
        return None
    if scipy.sparse.issparse(weights):
        weights = _canonical(weights)
        if weights.shape != shape or not (
            np.array_equal(weights.indptr, starts) and np.array_equal(weights.indices, others)
        ):
            raise ValueError("weights stores other entries than M: give one weight for each observed entry.")
        given = weights.data
    else:
        weights = _dense("weights", weights)
        if weights.shape != shape:
            raise ValueError(f"weights has shape {weights.shape}, but M has {shape}: give it M's shape.")
        rows = np.repeat(np.arange(shape[0]), np.diff(np.asarray(starts, dtype=np.int64)))
        given = weights[rows, others]
    given = np.asarray(given, dtype=np.float64)
    if not np.isfinite(given).all() or given.min(initial=0.0) < 0.0:
        raise ValueError(
            "weights has an entry that is negative, NaN or infinite: give finite ones, at least 0."
        )
    return given
