r"""
Outliers are left alone
=======================

Balanced transport moves all mass, also that of points which have nothing to do with the others. With
``marginal_penalty`` nothing has to be moved: mass that is created or destroyed has a price, and outliers are dearer to
reach than to give up.
"""

# %%
# A ring, an ellipse, and five outliers
# -------------------------------------
# 60 sources on a ring, 60 targets on an ellipse, and five more targets far away. The sums of the weights are equal.

import matplotlib.pyplot as plt
import numpy as np

from sparsesolve import SinkhornNewtonSparse
from sparsesolve.plotting import TransportPlanDisplay

rng = np.random.default_rng(0)
angles = np.linspace(0, 2 * np.pi, 60, endpoint=False)
X = np.column_stack([np.cos(angles), np.sin(angles)]) + 0.04 * rng.standard_normal((60, 2))
ellipse = np.column_stack([0.6 + 1.5 * np.cos(angles), 0.6 * np.sin(angles)])
outliers = np.array([2.8, 2.1]) + 0.15 * rng.standard_normal((5, 2))
Y = np.vstack([ellipse + 0.04 * rng.standard_normal((60, 2)), outliers])
a, b = np.full(60, 1 / 60), np.full(65, 1 / 65)

# %%
# The price of not moving
# -----------------------
# The penalty is :math:`\lambda` times the Kullback-Leibler divergence of the marginals from the weights. To give up a
# unit at both ends costs :math:`2 \lambda`, so that little is sent where the way costs more than that; the squared
# distance is the cost here.

REG = 0.01
balanced = SinkhornNewtonSparse(reg=REG).fit(X, Y, a, b)
penalties = 10.0 ** np.arange(-0.5, 4.1, 0.5)
models = {
    penalty: SinkhornNewtonSparse(reg=REG, marginal_penalty=penalty).fit(X, Y, a, b) for penalty in penalties
}
chosen = models[1.0]


def received(model):
    """Shares of their weights that the ellipse and the outliers get."""
    columns = model.plan_.sum(axis=0)
    return columns[:60].sum() / b[:60].sum(), columns[60:].sum() / b[60:].sum()


# %%
# The picture
# -----------
# Left: five far points pull long links across the ellipse, and all other mass gives way. Middle: with a penalty of 1
# they get nothing, and the others are served from nearby. Right: the larger the penalty, the more arrives, up to all.

blue, orange = "#0072B2", "#D55E00"
figure, axes = plt.subplots(1, 3, figsize=(12, 3.9), layout="constrained", width_ratios=(1.2, 1.2, 1))
for ax, model, title in zip(axes[:2], (balanced, chosen), ("balanced", "marginal_penalty = 1"), strict=True):
    TransportPlanDisplay.from_estimator(model, X, Y, ax=ax)
    ax.set(title=title, xticks=[], yticks=[])
    ax.spines[:].set_visible(False)
axes[0].legend(frameon=False, loc="upper left")
shares = np.array([received(model) for model in models.values()])
for share, name, color in zip(shares.T, ("ellipse", "outliers"), (blue, orange), strict=True):
    axes[2].semilogx(penalties, share, "o-", color=color, label=name)
axes[2].set(title="share of the weight that arrives", xlabel="marginal_penalty", ylim=(-0.03, 1.1))
axes[2].legend(frameon=False, loc="center right")
axes[2].spines[["top", "right"]].set_visible(False)
plt.show()

# %%
# The check
# ---------
# The marginals of the optimal plan are no longer the weights, but :math:`a_i \exp(-f_i / \lambda)` and
# :math:`b_j \exp(-g_j / \lambda)`. ``marginal_error_`` is the distance from these, here recomputed from the data.

C = ((X[:, None] - Y) ** 2).sum(axis=2)
for penalty, model in models.items():
    f, g = model.potentials_
    plan = np.exp((f[:, None] + g - C) / REG)
    error = np.abs(plan.sum(axis=1) - a * np.exp(-f / penalty)).sum()
    error += np.abs(plan.sum(axis=0) - b * np.exp(-g / penalty)).sum()
    print(
        f"penalty {penalty:7.1f}: error {error:.1e}, mass {plan.sum():.3f}, outliers {received(model)[1]:6.1%}"
    )
    assert error / max(a.sum(), b.sum()) <= 1e-9
assert received(chosen)[1] < 0.02
assert received(chosen)[0] > 0.9
