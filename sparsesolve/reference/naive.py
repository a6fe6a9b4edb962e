"""Oracles in plain numpy and exact rational arithmetic, which share no code with the solvers."""

from __future__ import annotations

from fractions import Fraction

import numpy as np


def augmented(A, b, *, alpha=0.0, weights=None, fit_intercept=False) -> tuple[np.ndarray, np.ndarray]:
    """Write a weighted ridge problem with an intercept as plain least squares.

    The matrix is [diag(sqrt(weights)) [A 1]; sqrt(alpha) [I 0]], and the targets [diag(sqrt(weights)) b; 0].

    Parameters
    ----------
    A : array or sparse matrix of shape (n_rows, n_columns)
    b : array of shape (n_rows,)
    alpha : float, default=0.0
    weights : array of shape (n_rows,), optional
    fit_intercept : bool, default=False

    Returns
    -------
    matrix : ndarray of shape (n_rows [+ n_columns], n_columns [+ 1])
    targets : ndarray of shape (n_rows [+ n_columns],)
    """
    A = np.asarray(A.toarray() if hasattr(A, "toarray") else A, dtype=np.float64)
    b = np.asarray(b, dtype=np.float64)
    n_rows, n_columns = A.shape
    matrix = np.hstack([A, np.ones((n_rows, int(fit_intercept)))])
    if weights is not None:
        root = np.sqrt(np.asarray(weights, dtype=np.float64))
        matrix, b = matrix * root[:, None], b * root
    if alpha > 0:
        ridge = np.sqrt(alpha) * np.eye(n_columns, matrix.shape[1])
        matrix, b = np.vstack([matrix, ridge]), np.concatenate([b, np.zeros(n_columns)])
    return matrix, b


def backward_error(A, b, x) -> float:
    """Karlson and Walden's estimate of the backward error of x for min ||A x - b||, by a plain SVD.

    With theta = ||A||_F / ||b||, the least ||[dA, theta db]||_F / ||A||_F for which x solves
    min ||(A + dA) x - (b + db)|| lies within a factor of sqrt(2) of the number returned (Gratton, Jiranek and
    Titley-Peloquin, 2012). Products with A are in extended precision where the machine has it.

    Parameters
    ----------
    A : array of shape (n_rows, n_columns)
    b : array of shape (n_rows,)
    x : array of shape (n_columns,)

    Returns
    -------
    float

    Examples
    --------
    >>> import numpy as np
    >>> from sparsesolve.reference.naive import backward_error
    >>> backward_error(np.eye(3)[:, :2], np.array([3.0, 4.0, 12.0]), np.array([3.0, 4.0]))
    0.0
    """
    A = np.asarray(A, dtype=np.longdouble)
    b = np.asarray(b, dtype=np.longdouble)
    x = np.asarray(x, dtype=np.longdouble)
    size_A, size_b = np.abs(A).max(), np.abs(b).max()
    if size_A == 0 or size_b == 0:
        return 0.0 if size_A == 0 or not np.any(x) else 1.0
    A, b, x = A / size_A, b / size_b, x * size_A / size_b
    residual = b - A @ x
    gradient = (A.T @ residual).astype(np.float64)
    norm_A = np.sqrt((A**2).sum())
    size = np.sqrt((b**2).sum() / norm_A**2 + (x**2).sum())
    damping = float(np.sqrt((residual**2).sum()) / size)
    _, values, right = np.linalg.svd(A.astype(np.float64), full_matrices=False)
    coordinates = right @ gradient
    lengths = np.hypot(values, damping)
    keep = lengths > 0
    return float(np.linalg.norm(coordinates[keep] / lengths[keep]) / float(size * norm_A))


def minimum_norm_solution(A, b) -> np.ndarray:
    """The shortest x that minimises ||A x - b||, without rounding errors but the last.

    The row space of A'A is found by Gaussian elimination in rational arithmetic, where each rank is exact.

    Parameters
    ----------
    A : array of shape (n_rows, n_columns)
        Small: the cost is n_rows n_columns^2 + n_columns^3 operations on long integers.
    b : array of shape (n_rows,)

    Returns
    -------
    ndarray of shape (n_columns,)

    Examples
    --------
    >>> from sparsesolve.reference.naive import minimum_norm_solution
    >>> minimum_norm_solution([[1.0, 1.0], [2.0, 2.0]], [2.0, 4.0])
    array([1., 1.])
    """
    A, unit = _integers(A)
    b, target_unit = _integers(b)
    return np.array([float(value * target_unit / unit) for value in _minimum_norm(A, b)])


def minimum_norm_affine_solution(A, b) -> np.ndarray:
    """The least squares fit A x + c of b with the shortest x, in rational arithmetic: the entries of x, then c.

    Parameters
    ----------
    A : array of shape (n_rows, n_columns)
    b : array of shape (n_rows,)

    Returns
    -------
    ndarray of shape (n_columns + 1,)
    """
    A, unit = _integers(A)
    b, target_unit = _integers(b)
    n_rows, sums, total = len(b), A.sum(axis=0), b.sum()
    x = _minimum_norm(n_rows * A - sums, n_rows * b - total)
    constant = (total - sum(v * s for v, s in zip(x, sums, strict=True))) / Fraction(n_rows)
    return np.array([float(value * target_unit / unit) for value in x] + [float(constant * target_unit)])


def _minimum_norm(A, b) -> list[Fraction]:
    gram = [[Fraction(value) for value in row] for row in (A.T @ A).tolist()]
    target = [[Fraction(value)] for value in (A.T @ b).tolist()]
    rows = _row_space(gram)
    if not rows:
        return [Fraction(0)] * len(gram)
    inner = _product(_product(rows, gram), _transposed(rows))
    coordinates = _solve(inner, _product(rows, target))
    return [value for (value,) in _product(_transposed(rows), coordinates)]


def _integers(values) -> tuple[np.ndarray, Fraction]:
    """Python integers, and the power of two by which they are to be multiplied to give the values exactly."""
    mantissas, exponents = np.frexp(np.asarray(values, dtype=np.float64))
    least = int(exponents[mantissas != 0].min(initial=0))
    shifts = np.where(mantissas != 0, exponents - least, 0)
    integers = (mantissas * 2.0**53).astype(np.int64).astype(object) * 2 ** shifts.astype(object)
    return integers, Fraction(2) ** (least - 53)


def _transposed(A):
    return [list(column) for column in zip(*A, strict=True)]


def _product(A, B):
    columns = _transposed(B)
    return [[sum(a * b for a, b in zip(row, column, strict=True)) for column in columns] for row in A]


def _eliminate(rows, n_pivots):
    """Bring rows to reduced echelon form in their first `n_pivots` columns; return those that hold a pivot."""
    rows = [list(row) for row in rows]
    done = 0
    for column in range(n_pivots):
        pivot = next((k for k in range(done, len(rows)) if rows[k][column] != 0), None)
        if pivot is None:
            continue
        rows[done], rows[pivot] = rows[pivot], rows[done]
        head = rows[done][column]
        rows[done] = [value / head for value in rows[done]]
        for k, row in enumerate(rows):
            if k != done and row[column] != 0:
                factor = row[column]
                rows[k] = [value - factor * lead for value, lead in zip(row, rows[done], strict=True)]
        done += 1
    return rows[:done]


def _row_space(A):
    return _eliminate(A, len(A[0]))


def _solve(A, B):
    n = len(A)
    return [row[n:] for row in _eliminate([a + b for a, b in zip(A, B, strict=True)], n)]
