"""l_p sensitivities by their definition: one convex program for each row."""

from __future__ import annotations

from typing import Any

import numpy as np


def lp_sensitivities(A, p: float) -> np.ndarray:
    """Return the largest share that each row can have of the l_p norm, to the power p.

    The inverse of row i's is the least l_p norm, to the power p, of A x with a_i'x = 1.

    Parameters
    ----------
    A : array of shape (n, d)
        A few dozen rows.
    p : float
        At least 1.

    Returns
    -------
    ndarray of shape (n,)

    Raises
    ------
    ImportError
        Where cvxpy is not installed.
    """
    import cvxpy as cp

    # Columns that are orthonormal change nothing of the answer, and much of the solver's accuracy.
    left, values, _ = np.linalg.svd(np.asarray(A, dtype=np.float64), full_matrices=False)
    basis = left[:, values > 1e-12 * values[0]]
    x, row = cp.Variable(basis.shape[1]), cp.Parameter(basis.shape[1])
    pnorm: Any = cp.pnorm  # its own types know no broken p
    norm = pnorm(basis @ x, p)
    problem = cp.Problem(cp.Minimize(norm), [row @ x == 1.0])
    shares = np.zeros(len(basis))
    for i, direction in enumerate(basis):
        length = np.linalg.norm(direction)
        if length < 1e-14:
            continue
        row.value = direction / length
        problem.solve(solver=cp.CLARABEL)
        shares[i] = (length / problem.value) ** p
    return shares
