"""The axes that a display draws on."""

from __future__ import annotations


def axes_or_new(ax=None):
    """Return the axes given, or those of a new figure.

    Raises
    ------
    ImportError
        Where matplotlib is not installed.
    """
    return ax if ax is not None else _pyplot().subplots(layout="constrained")[1]


def pair_or_new(axes=None, **options):
    """Return the two axes given, or those of a new figure, one above the other.

    Parameters
    ----------
    axes : sequence of two matplotlib Axes, optional
    **options
        For matplotlib's ``subplots``.

    Returns
    -------
    tuple of two matplotlib Axes

    Raises
    ------
    ImportError
        Where matplotlib is not installed.
    ValueError
        Unless two axes are given.
    """
    if axes is None:
        axes = _pyplot().subplots(2, 1, layout="constrained", **options)[1]
    axes = tuple(axes)
    if len(axes) != 2:
        raise ValueError(f"axes holds {len(axes)} axes: give two, or None for those of a new figure.")
    return axes


def row_or_new(axes, number: int):
    """Return so many axes given, or those of a new figure, side by side.

    Raises
    ------
    ImportError
        Where matplotlib is not installed.
    ValueError
        For another number of axes.
    """
    if axes is None:
        axes = (
            _pyplot()
            .subplots(1, number, figsize=(3.7 * number, 3.0), layout="constrained", squeeze=False)[1]
            .ravel()
        )
    axes = tuple(axes)
    if len(axes) != number:
        raise ValueError(f"axes holds {len(axes)} axes: give {number}, or None for those of a new figure.")
    return axes


def _pyplot():
    try:
        import matplotlib.pyplot as plt
    except ImportError as error:
        raise ImportError("matplotlib is needed to plot: pip install 'sparsesolve[plot]'.") from error
    return plt
