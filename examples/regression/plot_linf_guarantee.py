r"""
Why the sketch has to be dense
==============================

Sketch and solve replaces :math:`\min_x \|Ax - b\|_2`, with :math:`n` rows, by
:math:`\min_x \|SAx - Sb\|_2`, with :math:`m \ll n` rows. How far can a *single* coefficient be off? For a dense
sketch the paper of Song, Ye, Yin and Zhang (ICML 2023) promises

.. math:: \|x' - x^*\|_\infty \le \frac{\varepsilon}{\sqrt d} \, \|Ax^* - b\|_2 \, \|A^+\|_2 ,

and it shows that sparse sketches cannot keep this promise at the same size. This example makes both visible. Each
dot below is one random sketch; dots above the line break the promise.
"""

# %%
# The problem
# -----------
# The matrix is the identity on top of zeros. The residual sits in a few of the last rows, as spikes. The solution
# is zero, so every coefficient that is not zero is an error. Nothing here is ill-conditioned: :math:`\|A^+\| = 1`.

import matplotlib.pyplot as plt
import numpy as np

from sparsesolve.datasets import make_linf_adversary
from sparsesolve.sketch import SRHT, CountSketch, Gaussian, SparseSign

n_rows, n_unknowns, size, n_trials = 2048, 32, 256, 100
spikes = (1, 6)

sketches = {
    "block SRHT\n(dense)": lambda seed: SRHT(size, seed),
    "Gaussian\n(dense)": lambda seed: Gaussian(size, seed),
    "sparse sign\n8 nonzeros": lambda seed: SparseSign(size, seed, nonzeros=8),
    "sparse sign\n4 nonzeros": lambda seed: SparseSign(size, seed, nonzeros=4),
    "CountSketch\n1 nonzero": lambda seed: CountSketch(size, seed),
}

# %%
# The promise as a number
# -----------------------
# The theorem has a factor :math:`\log^3(n/\delta)` in front, too large to be of use. In practice dense sketches
# follow a Gaussian law: with probability :math:`1 - \delta` no coefficient is off by more than
# :math:`\sqrt{2 \ln(2d/\delta) / (m - d)}`, times the residual's norm. ``from_eps`` turns this law into a sketch
# size; here the size is given, and the law gives the level.

delta = 0.01
level = np.sqrt(size) * np.sqrt(2 * np.log(2 * n_unknowns / delta) / (size - n_unknowns))


# %%
# Many sketches of each kind
# --------------------------


def scaled_errors(distribution, A, b):
    """Largest error of a coefficient, times sqrt(m), for many sketches."""
    errors = []
    for seed in range(n_trials):
        sketch = distribution(seed).sample(A)
        SA, Sb = sketch.apply(A), sketch.apply(b)
        x = np.linalg.lstsq(SA, Sb)[0]  # of least norm: CountSketch often loses rank
        errors.append(np.abs(x).max())  # the solution is zero
    return np.sqrt(size) * np.array(errors)


errors = {}
for n_spikes in spikes:
    A, b, _ = make_linf_adversary(n_rows, n_unknowns, n_spikes)
    for name, distribution in sketches.items():
        errors[n_spikes, name] = scaled_errors(distribution, A, b)

# %%
# The picture
# -----------
# A sparse sketch may throw a spike as a whole onto a row of the identity. CountSketch then errs by the whole spike,
# however large :math:`m` is: it is right most of the time and completely wrong the rest of the time. A dense sketch
# spreads every row over all others, and all its dots stay below the line.

blue, orange = "#0072B2", "#D55E00"
jitter = np.random.default_rng(0).uniform(-0.3, 0.3, n_trials)
figure, axes = plt.subplots(2, 1, figsize=(8, 7.5), sharex=True, sharey=True, layout="constrained")
for ax, n_spikes in zip(axes, spikes, strict=True):
    for place, name in enumerate(sketches):
        values = errors[n_spikes, name]
        broken = values > level
        ax.plot(place + jitter[~broken], values[~broken], "o", color=blue, markersize=3, alpha=0.5)
        ax.plot(place + jitter[broken], values[broken], "x", color=orange, markersize=5, alpha=0.8)
        ax.text(
            place, 18.2, f"{broken.mean():.1%} broken", ha="center", color=orange if broken.any() else blue
        )
    ax.axhline(level, color="black", linestyle="--", linewidth=1)
    ax.text(-0.45, level + 0.3, rf"the promise, $\delta$ = {delta:.0%}", ha="left")
    title = "one spike in the residual" if n_spikes == 1 else f"{n_spikes} spikes in the residual"
    ax.set(title=title, ylim=(-0.7, 20), ylabel=r"$\sqrt{m}\;\|x' - x^*\|_\infty$")
    ax.spines[["top", "right"]].set_visible(False)
axes[-1].set_xticks(range(len(sketches)), list(sketches))
axes[-1].set_yticks([0, 5, 10, 15])
axes[-1].set_xlim(-0.5, len(sketches) - 0.5)
figure.suptitle(f"{n_trials} sketches of each kind: {n_rows} rows to {size}, {n_unknowns} unknowns")
plt.show()

# %%
# The same in numbers: the dense sketches keep the promise, and CountSketch breaks it far more often than the
# :math:`\delta` that was asked for.

for (n_spikes, name), values in errors.items():
    rate = np.mean(values > level)
    kind = name.replace("\n", " ")
    print(
        f"{n_spikes} spikes, {kind:23s}: broken {rate:6.1%}, largest {values.max():5.1f}, level {level:.1f}"
    )
    if "dense" in kind:
        assert rate <= 3 * delta
    if "CountSketch" in kind:
        assert rate >= 0.05
