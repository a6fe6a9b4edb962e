"""The choices a user has, checked once."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..backends import Choice, select
from ..validation import check_choice, check_count, check_real
from .presets import PRESETS, Preset, preset_of
from .pruning import Pruning

METHODS = ("auto", "am", "svd", "ksbl", "mm", "dsbl")
#: Methods that can hold patterns together.
_COUPLED = ("auto", "am", "mm")
#: Slices whose gamma is below this share of their mode's largest are dropped on the way.
PRUNE = {"am": 1e-3, "ksbl": 1e-3, "svd": 1e-3, "mm": 0.0, "dsbl": 1e-3}


@dataclass(frozen=True)
class Options:
    """Checked parameters of a fit.

    Attributes
    ----------
    noise_variance : float or None
        In the caller's units; None to learn it.
    couplings : tuple of ndarray or None, or None
        C_i for each factor.
    pruning : Pruning or None
        None for that of the method.
    """

    method: str
    noise_variance: float | None
    noise_covariance: tuple[np.ndarray | None, ...] | None
    couplings: tuple[np.ndarray | None, ...] | None
    pruning: Pruning | None
    preset: Preset | None
    n_starts: int
    tol: float
    max_iter: int
    max_time: float | None
    choice: Choice

    def pruning_of(self, method: str) -> Pruning:
        """What the method drops."""
        return Pruning(PRUNE[method]) if self.pruning is None else self.pruning


def check_options(
    factors: Sequence[np.ndarray],
    *,
    method,
    noise_variance,
    noise_covariance,
    coupling,
    prune,
    preset,
    n_starts,
    tol,
    max_iter,
    max_time,
    backend,
) -> Options:
    """Return the options, or raise a ValueError that names the one that is wrong."""
    check_choice("method", method, METHODS)
    learned = isinstance(noise_variance, str)
    if learned:
        check_choice("noise_variance", noise_variance, ("learn",))
    couplings = _check_coupling(coupling, factors)
    if couplings is not None and method not in _COUPLED:
        raise ValueError(f"method={method!r} knows no coupling: take one of {', '.join(_COUPLED)}.")
    chosen = None
    if preset is not None:
        check_choice("preset", preset, PRESETS)
        chosen = preset_of(preset, method, len(factors), learned)
    return Options(
        method,
        None if learned else check_real("noise_variance", noise_variance, above=0),
        _check_covariance(noise_covariance, factors),
        couplings,
        _check_prune(prune, len(factors)),
        chosen,
        check_count("n_starts", n_starts, minimum=0),
        check_real("tol", tol, minimum=0),
        check_count("max_iter", max_iter),
        None if max_time is None else check_real("max_time", max_time, minimum=0),
        select(backend),
    )


def check_factors(factors, name: str = "factors") -> tuple[np.ndarray, ...]:
    """The dictionaries as arrays of one floating type; a single matrix is one factor.

    Raises
    ------
    ValueError
        For none, other shapes, entries that are no numbers, not finite, or all zero.
    """
    given = [factors] if hasattr(factors, "ndim") or np.isscalar(factors) else list(factors)
    if len(given) > 0 and all(np.ndim(row) <= 1 for row in given):
        given = [given]  # a matrix as a list of rows
    if not given:
        raise ValueError(f"{name} is empty: give at least one matrix.")
    matrices = [np.asarray(factor) for factor in given]
    for i, matrix in enumerate(matrices):
        label = f"{name}[{i}]" if len(matrices) > 1 else name
        if matrix.ndim != 2 or matrix.size == 0:
            raise ValueError(f"{label} has shape {matrix.shape}: a matrix with rows and columns is needed.")
        _check_numbers(label, matrix)
        if not matrix.any():
            raise ValueError(f"{label} is zero: nothing can be seen through it; leave it out, or mend it.")
    return tuple(matrix.astype(_floating(matrices), copy=False) for matrix in matrices)


def check_measurements(y, factors: Sequence[np.ndarray]) -> np.ndarray:
    """Y as an array of shape (M_1, ..., M_I) or (M_1, ..., M_I, T)."""
    y = np.asarray(y)
    if y.dtype == object:
        y = _as_numbers("y", y)
    if y.ndim not in (1, 2) or y.size == 0:
        raise ValueError(f"y has shape {y.shape}: give a vector, or a column for each snapshot.")
    _check_numbers("y", y)
    rows = [factor.shape[0] for factor in factors]
    if y.shape[0] != math.prod(rows):
        raise ValueError(
            f"y has {y.shape[0]} entries, but the factors have {' x '.join(map(str, rows))} = {math.prod(rows)} rows: "
            "give one measurement for each combination of rows, the last factor's running fastest."
        )
    return y.astype(_floating([y]), copy=False).reshape(*rows, *y.shape[1:])


def _as_numbers(name: str, array: np.ndarray) -> np.ndarray:
    try:
        return array.astype(np.float64)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{name} has entries that are no numbers: Unknown label type, {error}.") from error


def _floating(arrays) -> np.dtype:
    """The common floating type: float32 and complex64 stay, whole numbers become float64."""
    kind = np.result_type(*arrays)
    return kind if kind in (np.float32, np.complex64) else np.result_type(kind, np.float64)


def _check_numbers(name: str, array: np.ndarray) -> None:
    if array.dtype.kind not in "fiubc":
        raise ValueError(f"{name} has entries of dtype {array.dtype}: real or complex numbers are needed.")
    if not np.isfinite(array).all():
        raise ValueError(f"{name} has an entry that is NaN or infinite: mend it, or leave its row out.")


def _check_prune(prune, n_factors: int) -> Pruning | None:
    if isinstance(prune, str):
        check_choice("prune", prune, ("auto",))
        return None
    shares = [prune] * n_factors if np.isscalar(prune) else list(prune)
    if len(shares) != n_factors:
        raise ValueError(
            f"prune has {len(shares)} entries for {n_factors} factors: give one each, or a number."
        )
    return Pruning([check_real("prune", share, minimum=0, below=1) for share in shares])


def _check_covariance(covariance, factors):
    if covariance is None:
        return None
    given = list(covariance)
    if len(given) != len(factors):
        raise ValueError(
            f"noise_covariance has {len(given)} entries for {len(factors)} factors: give a matrix or None for each."
        )
    out: list[np.ndarray | None] = []
    for i, (matrix, factor) in enumerate(zip(given, factors, strict=True)):
        if matrix is None:
            out.append(None)
            continue
        matrix, size = np.asarray(matrix), factor.shape[0]
        _check_numbers(f"noise_covariance[{i}]", matrix)
        if matrix.shape != (size, size) or not np.allclose(matrix, matrix.conj().T):
            raise ValueError(
                f"noise_covariance[{i}] has shape {matrix.shape}: a Hermitian matrix of shape {(size, size)} is needed."
            )
        out.append(matrix)
    return tuple(out)


def _check_coupling(coupling, factors):
    """C_i for each factor: a number stands for the matrix with ones on the diagonal and itself beside it."""
    if coupling is None:
        return None
    given = [coupling] * len(factors) if np.isscalar(coupling) else list(coupling)
    if len(given) != len(factors):
        raise ValueError(
            f"coupling has {len(given)} entries for {len(factors)} factors: give a number, a matrix or None for each."
        )
    out: list[np.ndarray | None] = []
    for i, (C, factor) in enumerate(zip(given, factors, strict=True)):
        n = factor.shape[1]
        if C is None:
            out.append(None)
            continue
        if np.ndim(C) == 0:
            beside = check_real(f"coupling[{i}]", C, minimum=0)
            C = np.eye(n) + beside * (np.eye(n, k=1) + np.eye(n, k=-1))
        C = np.asarray(C, dtype=np.float64)
        if C.ndim != 2 or C.shape[0] != n or not np.isfinite(C).all() or C.min() < 0.0 or not C.any(1).all():
            raise ValueError(
                f"coupling[{i}] has shape {C.shape}: a matrix with {n} rows is needed, at least 0, and no row of zeros."
            )
        out.append(C)
    return tuple(out) if any(C is not None for C in out) else None
