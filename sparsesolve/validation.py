"""Checks of arguments, in one place, with messages that name the argument, its value and the mend."""

from __future__ import annotations

import math
import numbers

import numpy as np
import scipy.sparse

# Sparse formats that keep their numbers in one array, `data`.
_PLAIN_FORMATS = ("csr", "csc", "coo", "bsr")


def check_choice(name: str, value, choices) -> None:
    """Raise a ValueError unless `value` is one of `choices`."""
    if not isinstance(value, str) or value not in choices:
        raise ValueError(f"{name}={value!r} is not known: use one of {', '.join(map(repr, choices))}.")


def check_real(name: str, value, *, minimum=None, above=None, below=None) -> float:
    """Return `value` as a float in its range; raise a ValueError that names the range otherwise."""
    wanted = [f"at least {minimum}"] * (minimum is not None) + [f"above {above}"] * (above is not None)
    wanted += [f"below {below}"] * (below is not None)
    if not isinstance(value, numbers.Real) or isinstance(value, bool) or not math.isfinite(value):
        raise ValueError(
            f"{name}={value!r} must be a finite number{', ' if wanted else ''}{' and '.join(wanted)}."
        )
    out_of_range = (minimum is not None and value < minimum) or (above is not None and value <= above)
    if out_of_range or (below is not None and value >= below):
        raise ValueError(f"{name}={value!r} must be {' and '.join(wanted)}.")
    return float(value)


def check_count(name: str, value, *, minimum: int = 1) -> int:
    """Return `value` as an int of at least `minimum`; raise a ValueError otherwise."""
    if not isinstance(value, numbers.Integral) or isinstance(value, bool) or value < minimum:
        raise ValueError(f"{name}={value!r} must be an integer of at least {minimum}.")
    return int(value)


def check_matrix(name: str, A, *, check_finite: bool = True):
    """Return a real two-dimensional array or scipy sparse matrix as it is, uncopied.

    Raises
    ------
    ValueError
        For another number of dimensions, an empty array, complex numbers, values that are no numbers, NaN and
        infinity; the message names the first bad entry.
    """
    if not scipy.sparse.issparse(A):
        A = np.asarray(A)
    elif A.format not in _PLAIN_FORMATS:
        A = A.tocsr()
    if A.ndim != 2:
        mend = "reshape(-1, 1) makes one column of it" if A.ndim == 1 else "it needs rows and columns"
        raise ValueError(f"{name} must be two-dimensional, but its shape is {A.shape}: {mend}.")
    if 0 in A.shape:
        raise ValueError(
            f"{name} is empty: its shape is {A.shape}, and it needs at least one row and one column."
        )
    return _check_numbers(name, A, check_finite)


def check_targets(name: str, b, n_rows: int) -> np.ndarray:
    """Return `b` as float64 of shape (n_rows,) or (n_rows, n_targets), with the errors of `check_matrix`."""
    b = np.asarray(b)
    if b.ndim not in (1, 2) or b.shape[0] != n_rows or b.size == 0:
        raise ValueError(
            f"{name} has shape {b.shape}, but there are {n_rows} rows: {name} needs one entry, or row, for each."
        )
    return _check_numbers(name, b, True).astype(np.float64, copy=False)


def check_weights(name: str, weights, n_rows: int) -> np.ndarray | None:
    """Return non-negative weights of shape (n_rows,), or None for none.

    A number stands for that weight on every row.
    """
    if weights is None:
        return None
    weights = np.asarray(weights)
    if weights.ndim == 0:
        weights = np.full(n_rows, weights)
    if weights.shape != (n_rows,):
        raise ValueError(
            f"{name} has shape {weights.shape}, but there are {n_rows} rows: give one weight a row."
        )
    weights = _check_numbers(name, weights, True).astype(np.float64)
    if weights.min() < 0:
        row = int(weights.argmin())
        raise ValueError(f"{name}[{row}]={weights[row]} is negative: weights must be at least 0.")
    if weights.max() == 0:
        raise ValueError(f"{name} is zero on every row: at least one weight must be positive.")
    return weights


def _check_numbers(name, A, check_finite):
    if A.dtype.kind == "c":
        raise ValueError(
            f"Complex data not supported: {name} has dtype {A.dtype}; give its real and imaginary parts."
        )
    if A.dtype.kind in "mMV":
        raise ValueError(
            f"{name} has dtype {A.dtype}, which holds no real numbers: convert it to float64 first."
        )
    if A.dtype.kind not in "fiub":
        try:
            A = A.astype(np.float64)
        except (TypeError, ValueError) as error:
            what = f"{name} has dtype {A.dtype} and holds values that are no real numbers: {error}"
            raise type(error)(what) from error
    if check_finite and A.dtype.kind == "f":
        _check_finite(name, A)
    return A


def _check_finite(name, A):
    values = A.data if scipy.sparse.issparse(A) else A
    # One pass without a temporary: a NaN or an infinity anywhere makes the sum not finite. A finite overflow of
    # the sum is looked at again, entry by entry.
    with np.errstate(over="ignore", invalid="ignore"):
        if np.isfinite(values.sum(dtype=np.float64)):
            return
    step = max(1, (1 << 20) // max(1, values[:1].size))
    for start in range(0, values.shape[0], step):
        bad = np.argwhere(~np.isfinite(values[start : start + step]))
        if bad.size:
            index = (start + int(bad[0, 0]), *map(int, bad[0, 1:]))
            where = f"[{', '.join(map(str, index))}]" if not scipy.sparse.issparse(A) else ""
            value = "NaN" if np.isnan(values[index]) else "infinity"
            raise ValueError(f"{name}{where} is {value}: remove or impute such rows first.")
