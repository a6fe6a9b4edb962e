"""How block coordinate descent found the support of its answer."""

from __future__ import annotations

import numpy as np

from .axes import pair_or_new

_ORDERS = ("first", "index")
# A bound further than this multiple of the run is told in the legend only, or it would squeeze the picture.
_BOUND_IN_SIGHT = 1.5
# Steps that are so few that gaps between them can be seen.
_FEW_STEPS = 50
# Width in points of the lines that stand for a choice, at least.
_THINNEST = 1.0
_BLUE, _ORANGE, _GREY = "#0072B2", "#D55E00", "0.72"


class ActiveSetDisplay:
    """The size of the support in each step, and a raster of the coordinates that the steps chose.

    Use `ActiveSetDisplay.from_result` to make one.

    Parameters
    ----------
    support_size : array of shape (n_steps,)
    blocks : sequence of arrays of int
        The coordinates that each step chose.
    support : array of int
        The support of the answer.
    identified_at : int, optional
        The step from which on the support did not change.
    bound : float, optional
        A bound of that step.
    name : str, optional
        Title of the picture.

    Attributes
    ----------
    axes_ : tuple of two matplotlib Axes
        Support and raster.
    figure_ : matplotlib Figure
    line_ : matplotlib Line2D
        The support's size.
    rasters_ : tuple of two matplotlib LineCollection
        Choices of coordinates outside of the support, and within it.
    coordinates_ : ndarray of int
        The coordinate of each row of the raster.

    Examples
    --------
    >>> import numpy as np
    >>> from sparsesolve.coordinate import LeastSquares, block_coordinate_descent
    >>> from sparsesolve.plotting import ActiveSetDisplay
    >>> from sparsesolve.prox import L1
    >>> A = np.random.default_rng(0).standard_normal((50, 100))
    >>> result = block_coordinate_descent(LeastSquares(A, A[:, 3] - A[:, 7], L1(5.0)), block_size=5)
    >>> display = ActiveSetDisplay.from_result(result)  # doctest: +SKIP
    """

    def __init__(self, *, support_size, blocks, support, identified_at=None, bound=None, name=None):
        self.support_size = support_size
        self.blocks = blocks
        self.support = support
        self.identified_at = identified_at
        self.bound = bound
        self.name = name

    @classmethod
    def from_result(cls, result, *, order="first", axes=None, name=None, **kwargs):
        """Draw a result of `sparsesolve.block_coordinate_descent`.

        Parameters
        ----------
        result : Result
        order : {"first", "index"}, default="first"
            See `plot`.
        axes : sequence of two matplotlib Axes, optional
            For support and raster; those of a new figure unless given.
        name : str, optional
            Title of the picture.
        **kwargs
            For matplotlib's ``hlines`` of the raster.

        Returns
        -------
        ActiveSetDisplay

        Raises
        ------
        ValueError
            For a result of another solver, or one of no step; or as `plot`.
        """
        solution = result.solution
        if not getattr(solution, "blocks", None):
            raise ValueError("result has no blocks: give one of block_coordinate_descent, of a step or more.")
        display = cls(
            support_size=result.trace["support_size"],
            blocks=solution.blocks,
            support=solution.support,
            identified_at=solution.support_identified_at,
            bound=solution.active_set_bound,
            name=name,
        )
        return display.plot(axes, order=order, **kwargs)

    def plot(self, axes=None, *, order="first", **kwargs):
        """Draw the support's size, and below it the chosen coordinates.

        Parameters
        ----------
        axes : sequence of two matplotlib Axes, optional
            Those of a new figure unless given.
        order : {"first", "index"}, default="first"
            Rows of the raster: the coordinates that were chosen at all, in the order of their first choice; or all
            coordinates by their index.
        **kwargs
            For matplotlib's ``hlines`` of the raster.

        Returns
        -------
        ActiveSetDisplay
            Itself.

        Raises
        ------
        ValueError
            For another order, or other than two axes.
        """
        if order not in _ORDERS:
            raise ValueError(f"order={order!r} is not known: use 'first' or 'index'.")
        self.axes_ = above, below = pair_or_new(axes, sharex=True, height_ratios=(1, 2))
        self.figure_ = above.figure
        steps = np.arange(1, len(self.blocks) + 1)
        (self.line_,) = above.plot(
            steps, self.support_size, color="black", drawstyle="steps-mid", label="support"
        )
        self._draw_marks(above, steps[-1])
        above.set(ylabel="size of the support", ylim=(0, 1.1 * max(1, np.max(self.support_size))))
        if self.name is not None:
            above.set_title(self.name)
        above.legend(fontsize="small", loc="lower right")
        self._draw_raster(below, steps, order, kwargs)
        below.set(xlabel="step", ylabel="coordinate" if order == "index" else "coordinate, by first choice")
        for axis in (above.xaxis, below.xaxis, below.yaxis):
            axis.get_major_locator().set_params(integer=True)
        return self

    def _draw_marks(self, ax, last):
        if self.identified_at is not None:
            label = f"found at step {self.identified_at}"
            ax.axvline(self.identified_at, color=_ORANGE, linestyle="--", label=label)
        if self.bound is not None and np.isfinite(self.bound):
            label = f"bound: step {self.bound:.0f}"
            if self.bound <= _BOUND_IN_SIGHT * last:
                ax.axvline(self.bound, color=_BLUE, linestyle=":", label=label)
            else:
                ax.plot([], [], color=_BLUE, linestyle=":", label=label)

    def _draw_raster(self, ax, steps, order, style):
        chosen = np.concatenate(self.blocks)
        at = np.repeat(steps, [len(block) for block in self.blocks])
        coordinates, first, rows = np.unique(chosen, return_index=True, return_inverse=True)
        if order == "first":
            ranks = np.argsort(first, kind="stable")
            self.coordinates_ = coordinates[ranks]
            places = np.empty_like(ranks)
            places[ranks] = np.arange(ranks.size)
            rows = places[rows]
        else:
            self.coordinates_, rows = np.arange(coordinates[-1] + 1), chosen
        inside = np.isin(chosen, self.support)
        n_rows = self.coordinates_.size
        # Rows touch each other almost, unless there are too many of them for the picture.
        height = ax.get_position().height * ax.figure.bbox.height / ax.figure.dpi * 72
        half = 0.45 if steps.size <= _FEW_STEPS else 0.5
        style = {"linewidths": max(_THINNEST, 0.7 * height / n_rows), "rasterized": True} | style
        self.rasters_ = tuple(
            ax.hlines(rows[kind], at[kind] - half, at[kind] + half, **({"color": colour} | style))
            for kind, colour in ((~inside, _GREY), (inside, _BLUE))
        )
        # Room above for the legend, whose lines stand for all widths.
        ax.set_ylim(-0.01 * n_rows - 1, 1.12 * n_rows)
        handles = [
            ax.plot([], [], color=colour, linewidth=4, label=label)[0]
            for colour, label in ((_BLUE, "in the support"), (_GREY, "not in it"))
        ]
        ax.legend(handles=handles, ncols=2, loc="upper left", frameon=False, fontsize="small")
