"""The axes that a display draws on."""

from __future__ import annotations


def axes_or_new(ax=None):
    """Return the axes given, or those of a new figure.

    Raises
    ------
    ImportError
        Where matplotlib is not installed.
    """
    if ax is not None:
        return ax
    try:
        import matplotlib.pyplot as plt
    except ImportError as error:
        raise ImportError("matplotlib is needed to plot: pip install 'sparsesolve[plot]'.") from error
    return plt.subplots(layout="constrained")[1]
