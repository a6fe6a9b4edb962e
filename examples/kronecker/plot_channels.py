"""
Channels through a reflecting surface
=====================================

A phone, a surface that reflects, an antenna array: the channel is sparse in angles, and the pilots see it through a
Kronecker product of three small dictionaries with 5832 columns together. The paper's setting, at few draws.
"""

# %%
# One estimate
# ------------
# 288 complex measurements, 5832 unknowns, nine or so of them in use.

import warnings

import matplotlib.pyplot as plt
import numpy as np

from sparsesolve import KroneckerSBL
from sparsesolve.datasets import make_irs_uplink
from sparsesolve.exceptions import ConvergenceWarning
from sparsesolve.metrics import channel_nmse
from sparsesolve.plotting import GammaDisplay

uplink = make_irs_uplink(snr_db=12.0, random_state=5)
model = KroneckerSBL(noise_variance=uplink.noise_variance, random_state=0).fit(uplink.factors, uplink.y)
error = channel_nmse(uplink.channels_of(model.coef_), uplink.channels)
print(f"{model.method_}: channel NMSE {error:.4f}, columns in use {[len(s) for s in model.supports_]}")
GammaDisplay.from_estimator(model, names=("reflection angle", "departure angle", "arrival angle"))

# %%
# Against the paper's algorithms
# ------------------------------
# The same draws for all, with the authors' constants for theirs. Medians: single bad draws rule the mean.

levels, draws = (4.0, 12.0, 20.0), 9
solvers = {
    "auto": {"random_state": 0},
    "SVD, paper's": {"method": "svd", "preset": "paper-irs"},
    "AM, paper's": {"method": "am", "preset": "paper-irs"},
}
medians = {name: [] for name in solvers}
for snr in levels:
    errors = {name: [] for name in solvers}
    for seed in range(draws):
        data = make_irs_uplink(snr_db=snr, random_state=100 + seed)
        for name, parameters in solvers.items():
            fit = KroneckerSBL(noise_variance=data.noise_variance, **parameters)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", ConvergenceWarning)  # the paper's runs end after 150 steps
                fit.fit(data.factors, data.y)
            errors[name].append(channel_nmse(data.channels_of(fit.coef_), data.channels))
    for name, values in errors.items():
        medians[name].append(float(np.median(values)))

_, ax = plt.subplots(layout="constrained")
for name, values in medians.items():
    ax.semilogy(levels, values, marker="o", label=name)
ax.set(xlabel="signal to noise, dB", ylabel="channel NMSE, median")
ax.legend()

assert all(ours < theirs for ours, theirs in zip(medians["auto"], medians["AM, paper's"], strict=True))
assert error < 0.05
