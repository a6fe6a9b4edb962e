"""
Ratings, and people who just came
=================================

Users rate a few films each. Their taste has few dimensions, films and users have levels of their own, and somebody new
has rated hardly anything.
"""

# %%
# How many dimensions?
# --------------------
# The rank with the least error on ratings held out is looked for; the ridge keeps users with few ratings near the mean.

import matplotlib.pyplot as plt
import numpy as np

from sparsesolve import MatrixCompletion
from sparsesolve.datasets import make_ratings
from sparsesolve.plotting import HeldOutErrorDisplay

ratings = make_ratings(1500, 600, n_ratings=90_000, rank=5, random_state=0)
old, new = ratings.X[:1400], ratings.X[1400:]
chosen = MatrixCompletion("auto", alpha=8.0, bias=True, tol=1e-3, random_state=0).fit(old)
print({rank: round(error, 4) for rank, error in chosen.rank_errors_.items()}, "->", chosen.rank_)

# %%
# Sweep by sweep
# --------------
# The error at known ratings falls on; at those held out it comes to rest.

model = MatrixCompletion(
    chosen.rank_, alpha=8.0, bias=True, tol=1e-3, validation_fraction=0.1, random_state=0
).fit(old)
HeldOutErrorDisplay.from_result(model, marker="o", markersize=3)

# %%
# New users
# ---------
# Each of a hundred new users tells us one rating, then two, then more: `fold_in` finds their taste and level without
# another fit. What is left of the others' error falls with each rating; before the first one, a film's level is all we
# know.

test = ratings.test[1400:].tocoo()
places = np.column_stack([test.row, test.col])
told = (0, 1, 2, 4, 8, 16, 32)
errors = []
for count in told:
    few = new.tolil(copy=True)
    for user in range(few.shape[0]):
        few.rows[user], few.data[user] = few.rows[user][:count], few.data[user][:count]
    guests = chosen.fold_in(few.tocsr())
    errors.append(np.sqrt(np.mean((guests.predict(places) - test.data) ** 2)))
    print(f"{count:2d} ratings told: error {errors[-1]:.3f}")

_, ax = plt.subplots(layout="constrained")
ax.plot(told, errors, marker="o")
ax.axhline(np.std(test.data), color="grey", linestyle="--", label="spread of the ratings")
ax.set(xlabel="ratings that a new user told", ylabel="error of the others")
ax.legend()

assert errors[-1] < errors[2] < errors[0] < np.std(test.data)
assert model.held_out_error_ < 0.95 * np.std(test.data)
