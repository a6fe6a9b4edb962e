"""
What the uncertainty is worth
=============================

A posterior that is right says how far to trust each coefficient: of 95 % intervals about 95 % hold the truth. And it
says which measurements are still open.
"""

# %%
# Error bars
# ----------
# Two factors, a few columns of each in use, values free on the product of the supports.

import matplotlib.pyplot as plt
import numpy as np

from sparsesolve import KroneckerSBL
from sparsesolve.datasets import make_kronecker_recovery
from sparsesolve.plotting import PosteriorDisplay

sizes, rows = (20, 18), (12, 10)


def draw(seed, snr_db):
    return make_kronecker_recovery(sizes, rows, 3, snr_db=snr_db, kronecker_values=False, random_state=seed)


data = draw(0, 10.0)
model = KroneckerSBL(random_state=0).fit(data.factors, data.y)
print(f"noise variance {model.noise_variance_:.2f}, true {data.noise_variance:.2f}; {model.method_}")
PosteriorDisplay.from_estimator(model, reference=data.coef)

# %%
# Coverage
# --------
# Over many problems, intervals of each level hold the truth about as often as they say: a little less, because the
# gammas and the noise are taken as known once they are learned.

levels = np.array([0.5, 0.68, 0.8, 0.9, 0.95, 0.99])
widths = np.array([0.674, 0.994, 1.282, 1.645, 1.96, 2.576])
inside, total = np.zeros(levels.size), 0
for seed in range(60):
    problem = draw(1 + seed, 15.0)
    fit = KroneckerSBL(random_state=0).fit(problem.factors, problem.y)
    off = np.abs(fit.coef_ - problem.coef)[problem.support] / np.maximum(
        fit.coef_std_[problem.support], 1e-12
    )
    inside += (off[:, None] <= widths).sum(axis=0)
    total += off.size
covered = inside / total
print({float(level): round(float(share), 3) for level, share in zip(levels, covered, strict=True)})

_, ax = plt.subplots(layout="constrained")
ax.plot(levels, covered, marker="o", label="measured")
ax.plot([0.5, 1.0], [0.5, 1.0], color="grey", linestyle="--", label="as promised")
ax.set(xlabel="level of the interval", ylabel="share that holds the truth")
ax.legend()

assert covered[levels == 0.95] > 0.88
