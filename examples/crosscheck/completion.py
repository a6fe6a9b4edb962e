"""Matrix completion in cvxpy and here, side by side.

The factored objective is not convex; but each half step is, and with a ridge the minimum over factors of any rank that
is large enough equals that of the nuclear norm. Both are written down in cvxpy as on paper, and solved by Clarabel,
a general solver for convex problems. Exits with code 1 if any entry differs by more than 1e-4 of the largest one.
"""

from __future__ import annotations

import sys
import time

import numpy as np

from sparsesolve import MatrixCompletion, complete
from sparsesolve.datasets.completion import make_low_rank
from sparsesolve.reference import completion as reference

TOLERANCE = 1e-4


def matrix():
    data = make_low_rank(30, 24, 2, oversampling=3.0, noise=0.1, random_state=0)
    M = np.full(data.X.shape, np.nan)
    entries = data.X.tocoo()
    M[entries.row, entries.col] = entries.data
    return M


def nuclear_norm():
    """The ridge on factors is half the nuclear norm's strength on each side."""
    M, alpha = matrix(), 0.8

    def ours():
        solution = complete(M, 12, alpha=alpha, tol=1e-9, random_state=0).solution
        return solution.row_factors @ solution.column_factors.T

    return lambda: reference.nuclear_norm(M, alpha).matrix, ours


def half_step():
    """Rows on given columns: what folding in does."""
    M, alpha = matrix(), 0.3

    def ours():
        model = MatrixCompletion(rank=2, alpha=alpha, random_state=0).fit(M)
        held["B"] = model.column_factors_
        return model.fold_in(M).row_factors_

    held: dict[str, np.ndarray] = {}
    found = ours()
    return lambda: reference.convex_half_step(M, held["B"], alpha), lambda: found


def timed(solve):
    start = time.perf_counter()
    answer = solve()
    return answer, time.perf_counter() - start


def main() -> int:
    """Print a table; return 1 if any problem disagrees."""
    failed = False
    print(f"{'problem':16s} {'difference':>11s} {'cvxpy':>9s} {'here':>9s}")
    for make in (nuclear_norm, half_step):
        theirs, ours = make()
        ours()  # compiles
        found, seconds = timed(ours)
        wanted, their_seconds = timed(theirs)
        difference = float(np.abs(found - wanted).max() / np.abs(wanted).max())
        print(f"{make.__name__:16s} {difference:11.1e} {their_seconds:8.3f}s {seconds:8.3f}s")
        failed |= not difference <= TOLERANCE
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
