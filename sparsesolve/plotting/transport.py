"""The plan of an optimal transport problem: as a matrix, or between points in the plane."""

from __future__ import annotations

import numpy as np

from .axes import axes_or_new

_KINDS = ("auto", "image", "dots", "links", "arrows")
# Kinds that need the points.
_BETWEEN_POINTS = ("links", "arrows")
# Dots are drawn where no more than this share of all could be seen: more would cover each other.
_FEW = 0.05
# Cells a side of an image: larger plans are summed up in cells.
_MOST_CELLS = 500
# Area in square points of the largest dot, and width in points of the widest link.
_LARGEST_DOT, _WIDEST_LINK = 40.0, 2.5
# Dots and lines below this share of the largest are not seen.
_SMALLEST_DOT, _THINNEST = 1e-3, 1e-2
_MOST_LINKS = 5000


class TransportPlanDisplay:
    """A transport plan: as an image, as dots, or as links or arrows between points in the plane.

    Use `TransportPlanDisplay.from_estimator` or `TransportPlanDisplay.from_result` to make one.

    Parameters
    ----------
    plan : sparse array or ndarray of shape (n, m)
        Mass that goes from each source to each target.
    X : array of shape (n, 2), optional
        Sources, to draw links or arrows.
    Y : array of shape (m, 2), optional
        Targets.

    Attributes
    ----------
    ax_ : matplotlib Axes
    figure_ : matplotlib Figure
    artist_ : matplotlib artist
        What stands for the plan: an AxesImage, a PathCollection of dots, a LineCollection or a Quiver.
    kind_ : {"image", "dots", "links", "arrows"}
        What was drawn.

    Examples
    --------
    >>> import numpy as np
    >>> from sparsesolve import SinkhornNewtonSparse
    >>> from sparsesolve.plotting import TransportPlanDisplay
    >>> rng = np.random.default_rng(0)
    >>> X, Y = rng.standard_normal((100, 2)), rng.standard_normal((120, 2)) + 3.0
    >>> model = SinkhornNewtonSparse(reg=0.05).fit(X, Y)
    >>> display = TransportPlanDisplay.from_estimator(model, X, Y)  # doctest: +SKIP
    """

    def __init__(self, *, plan, X=None, Y=None):
        self.plan = plan
        self.X = X
        self.Y = Y

    @classmethod
    def from_estimator(cls, estimator, X=None, Y=None, *, kind="auto", ax=None, **kwargs):
        """Draw the plan of a fitted estimator.

        Parameters
        ----------
        estimator : object with ``plan_``
        X : array of shape (n, 2), optional
            The sources of the fit, to draw links or arrows.
        Y : array of shape (m, 2), optional
            The targets of the fit.
        kind : {"auto", "image", "dots", "links", "arrows"}, default="auto"
            See `plot`.
        ax : matplotlib Axes, optional
            Those of a new figure unless given.
        **kwargs
            For the artist of matplotlib that stands for the plan.

        Returns
        -------
        TransportPlanDisplay

        Raises
        ------
        ValueError
            As `plot`.
        """
        return cls(plan=estimator.plan_, X=X, Y=Y).plot(ax, kind=kind, **kwargs)

    @classmethod
    def from_result(cls, result, X=None, Y=None, *, kind="auto", ax=None, **kwargs):
        """Draw the plan of a result of `entropic_transport`.

        Parameters
        ----------
        result : Result
        X : array of shape (n, 2), optional
            The sources, to draw links or arrows.
        Y : array of shape (m, 2), optional
            The targets.
        kind : {"auto", "image", "dots", "links", "arrows"}, default="auto"
            See `plot`.
        ax : matplotlib Axes, optional
            Those of a new figure unless given.
        **kwargs
            For the artist of matplotlib that stands for the plan.

        Returns
        -------
        TransportPlanDisplay

        Raises
        ------
        ValueError
            As `plot`.
        """
        return cls(plan=result.solution.plan, X=X, Y=Y).plot(ax, kind=kind, **kwargs)

    def plot(self, ax=None, *, kind="auto", **kwargs):
        """Draw the plan.

        Parameters
        ----------
        ax : matplotlib Axes, optional
            Those of a new figure unless given.
        kind : {"auto", "image", "dots", "links", "arrows"}, default="auto"
            "image" shows the mass of each entry as a colour; plans of more than 500 rows or columns are summed up in
            cells. "dots" draws entries as dots whose area is their mass. "links" draws lines from sources to
            targets whose width is the mass, the 5000 heaviest at most. "arrows" draws one arrow from each source to
            the mean of where its mass goes. "auto" takes links where there are points, else dots where few entries
            are large enough to be seen, else an image.
        **kwargs
            For matplotlib's ``imshow``, ``scatter``, ``LineCollection`` or ``quiver``.

        Returns
        -------
        TransportPlanDisplay
            Itself.

        Raises
        ------
        ValueError
            For another kind, points missing or not in the plane, or numbers of points that are not the plan's.
        """
        from scipy.sparse import coo_array

        if kind not in _KINDS:
            raise ValueError(f"kind={kind!r} is not known: use one of {', '.join(map(repr, _KINDS))}.")
        plan = coo_array(self.plan)
        points = self._points(plan.shape)
        if kind in _BETWEEN_POINTS and points is None:
            raise ValueError(f"kind={kind!r} needs the points: give X and Y, or use kind='image' or 'dots'.")
        if kind == "auto":
            few = _heaviest(plan, _SMALLEST_DOT).size <= _FEW * plan.shape[0] * plan.shape[1]
            kind = "links" if points is not None else "dots" if few else "image"
        self.kind_ = kind
        self.ax_ = axes_or_new(ax)
        self.figure_ = self.ax_.figure
        if kind in _BETWEEN_POINTS:
            draw = _draw_links if kind == "links" else _draw_arrows
            self.artist_ = draw(self.ax_, plan, *points, kwargs)
            self.ax_.set_aspect("equal")
        else:
            draw = _draw_image if kind == "image" else _draw_dots
            self.artist_ = draw(self.ax_, plan, kwargs)
            self.ax_.set(xlabel="target", ylabel="source")
            for axis in (self.ax_.xaxis, self.ax_.yaxis):
                axis.get_major_locator().set_params(integer=True)
        return self

    def _points(self, shape):
        """Sources and targets as arrays, or None."""
        if self.X is None and self.Y is None:
            return None
        if self.X is None or self.Y is None:
            missing = "X" if self.X is None else "Y"
            raise ValueError(f"{missing} is None: give both the sources X and the targets Y, or neither.")
        points = np.asarray(self.X), np.asarray(self.Y)
        for name, array, size in zip("XY", points, shape, strict=True):
            if array.shape != (size, 2):
                raise ValueError(
                    f"{name} has shape {array.shape}, but the plan needs {size} points in the plane: give an array of "
                    f"shape ({size}, 2), or use kind='image' or 'dots' without points."
                )
        return points


def _heaviest(plan, share):
    """Places of the entries above that share of the largest one, the heaviest first."""
    order = np.argsort(plan.data)[::-1]
    return order[plan.data[order] > share * plan.data.max(initial=0.0)]


def _draw_image(ax, plan, style):
    n, m = plan.shape
    # Cells of equal size, or sums over fewer entries would look like stripes.
    tall, wide = -(-n // _MOST_CELLS), -(-m // _MOST_CELLS)
    height, width = -(-n // tall), -(-m // wide)
    cells = (plan.row // tall).astype(np.int64) * width + plan.col // wide
    image = np.bincount(cells, plan.data, height * width).reshape(height, width)
    extent = (-0.5, width * wide - 0.5, height * tall - 0.5, -0.5)
    style = {"cmap": "Blues", "aspect": "auto", "interpolation": "nearest", "vmin": 0.0} | style
    if "norm" in style:
        del style["vmin"]
    shown = ax.imshow(image, extent=extent, **style)
    ax.set(xlim=(-0.5, m - 0.5), ylim=(n - 0.5, -0.5))
    return shown


def _draw_dots(ax, plan, style):
    n, m = plan.shape
    seen = _heaviest(plan, _SMALLEST_DOT)
    areas = _LARGEST_DOT * plan.data[seen] / plan.data.max(initial=0.0)
    style = {"s": areas, "linewidths": 0} | style
    dots = ax.scatter(plan.col[seen], plan.row[seen], **style)
    ax.set(xlim=(-0.5, m - 0.5), ylim=(n - 0.5, -0.5))
    return dots


def _draw_links(ax, plan, X, Y, style):
    from matplotlib.collections import LineCollection

    seen = _heaviest(plan, _THINNEST)[:_MOST_LINKS]
    i, j = plan.row[seen], plan.col[seen]
    widths = _WIDEST_LINK * plan.data[seen] / plan.data.max(initial=0.0)
    style = {"colors": "grey", "linewidths": widths, "alpha": 0.6, "zorder": 1} | style
    links = ax.add_collection(LineCollection(np.stack([X[i], Y[j]], axis=1), **style))
    _draw_points(ax, X, Y)
    return links


def _draw_arrows(ax, plan, X, Y, style):
    mass = plan.sum(axis=1)
    used = mass > 0
    steps = (plan @ Y)[used] / mass[used, None] - X[used]
    style = {
        "angles": "xy",
        "scale_units": "xy",
        "scale": 1.0,
        "width": 0.003,
        "color": "grey",
        "zorder": 1,
    } | style
    arrows = ax.quiver(*X[used].T, *steps.T, **style)
    _draw_points(ax, X, Y)
    return arrows


def _draw_points(ax, X, Y):
    ax.scatter(*X.T, s=12, color="tab:blue", label="sources", zorder=2)
    ax.scatter(*Y.T, s=12, color="tab:orange", marker="s", label="targets", zorder=2)
