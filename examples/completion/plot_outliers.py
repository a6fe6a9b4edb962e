r"""
A few wild entries
==================

One entry in twenty is off by ten standard deviations. Least squares bends the whole matrix to please them. Huber's loss
gives them little weight: without other noise it finds the true matrix, to all digits.
"""

# %%
# The same matrix, three ways
# ---------------------------

import matplotlib.pyplot as plt
import numpy as np

from sparsesolve import complete
from sparsesolve.datasets.completion import make_low_rank

data = make_low_rank(300, 300, 5, oversampling=5.0, outliers=0.05, random_state=0)
truth = data.row_factors @ data.column_factors.T
results = {
    "squares": complete(data.X, 5, alpha=1.0, random_state=0),
    "huber": complete(data.X, 5, loss="huber", random_state=0),
}


def error(result):
    filled = result.solution.row_factors @ result.solution.column_factors.T
    return np.linalg.norm(filled - truth) / np.linalg.norm(truth)


for name, result in results.items():
    print(f"{name:8s} error {error(result):.1e}, {result.n_iter} sweeps")

# %%
# Each entry's residual: where Huber's loss sees the outliers, and nothing else, squares see a fog.

entries = data.X.tocoo()
figure, axes = plt.subplots(1, 2, figsize=(9, 3.4), sharey=True, constrained_layout=True)
for ax, (name, result) in zip(axes, results.items(), strict=True):
    A, B = result.solution.row_factors, result.solution.column_factors
    rest = entries.data - (A[entries.row] * B[entries.col]).sum(axis=1)
    ax.plot(np.sort(np.abs(rest))[::-1], color="#0072B2")
    ax.set(title=name, xlabel="entries, from the worst", yscale="log", ylim=(1e-12, 1e2))
axes[0].set_ylabel("residual")

assert error(results["huber"]) < 1e-6
assert error(results["squares"]) > 0.1
