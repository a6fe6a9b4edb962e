r"""
How few entries are enough?
===========================

A matrix of rank k has k (m + n - k) degrees of freedom. With fewer entries than that, nothing helps. With a little
more, alternating sweeps get stuck; steps in the tangent space, with a ridge that fades, do not.
"""

# %%
# A map of successes
# ------------------
# Matrices of 150 x 150, three masks a cell. A success is an error below 1e-5 in the entries that nobody showed.

import warnings

import matplotlib.pyplot as plt
import numpy as np

from sparsesolve import complete
from sparsesolve.datasets.completion import make_low_rank
from sparsesolve.exceptions import ConvergenceWarning

ranks, oversamplings, n_masks = (2, 4), (1.25, 1.5, 2.0, 3.0), 3


def recovers(rank, oversampling, seed):
    data = make_low_rank(150, 150, rank, oversampling=oversampling, random_state=seed)
    truth = data.row_factors @ data.column_factors.T
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        solution = complete(data.X, rank, max_time=1.5, random_state=seed).solution
    return np.linalg.norm(solution.row_factors @ solution.column_factors.T - truth) < 1e-5 * np.linalg.norm(
        truth
    )


found = np.array([[sum(recovers(k, rho, s) for s in range(n_masks)) for rho in oversamplings] for k in ranks])
print(found)

# %%

figure, ax = plt.subplots(figsize=(6, 2.8), constrained_layout=True)
picture = ax.imshow(found, cmap="Blues", vmin=0, vmax=n_masks, aspect="auto")
ax.set_xticks(range(len(oversamplings)), oversamplings)
ax.set_yticks(range(len(ranks)), ranks)
ax.set(xlabel="entries, in degrees of freedom", ylabel="rank", title=f"exact recoveries of {n_masks}")
for (row, column), number in np.ndenumerate(found):
    ax.text(column, row, number, ha="center", va="center", color="white" if number > n_masks / 2 else "black")

assert (found[:, 2:] == n_masks).all()
