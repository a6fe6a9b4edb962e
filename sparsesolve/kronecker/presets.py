"""The constants of the paper's experiments, as in the authors' code."""

from __future__ import annotations

from typing import NamedTuple

from .pruning import Pruning


class Preset(NamedTuple):
    """How a method of the paper was run.

    Gammas begin at one, nothing is rescaled, the noise variance, if learned, at a tenth of the data's variance; a run
    ends when the gammas change by 1e-4, or after 150 steps.
    """

    pruning: Pruning


# Relative thresholds with known noise, and with learned noise.
_SYNTHETIC = {"am": (1e-2, 5e-3), "ksbl": (1e-2, 5e-3), "svd": (1e-3, 5e-4)}
# Of patterns, pilots and antennas; with an absolute threshold besides.
_IRS = {"am": (1e-2, 1e-1, 1e-3), "ksbl": (1e-2, 1e-1, 1e-3), "svd": (0.0, 0.0, 0.0)}
_IRS_ABSOLUTE = 1e-4
PRESET_STEPS = 150
PRESETS = ("paper-synthetic", "paper-irs")


def preset_of(name: str, method: str, n_factors: int, learned: bool) -> Preset:
    """The constants of an experiment for a method.

    Raises
    ------
    ValueError
        For a method, or a number of factors, that the experiment does not have.
    """
    if method not in _SYNTHETIC:
        known = ", ".join(_SYNTHETIC)
        raise ValueError(f"preset={name!r} is for the methods {known}: not for method={method!r}.")
    if name == "paper-synthetic":
        return Preset(Pruning(_SYNTHETIC[method][int(learned)]))
    if n_factors != 3:
        raise ValueError(f"preset='paper-irs' is for three factors, but there are {n_factors}.")
    return Preset(Pruning(_IRS[method], _IRS_ABSOLUTE))
