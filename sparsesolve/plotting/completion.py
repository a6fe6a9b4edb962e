"""Pictures of completed matrices."""

from __future__ import annotations

import numpy as np

from .axes import axes_or_new, row_or_new


class FactorSpectrumDisplay:
    """The singular values of a completed matrix, those of the product of its factors.

    A gap shows the rank; values that fall to nothing before the last one show that it was taken too large.

    Parameters
    ----------
    singular_values : array of shape (rank,)
        Falling.

    Attributes
    ----------
    ax_ : matplotlib Axes
    figure_ : matplotlib Figure
    line_ : matplotlib Line2D

    Examples
    --------
    >>> import numpy as np
    >>> from sparsesolve import MatrixCompletion
    >>> from sparsesolve.plotting import FactorSpectrumDisplay
    >>> M = np.outer(np.arange(1.0, 7.0), np.arange(1.0, 6.0))
    >>> M[0, 0] = M[3, 2] = np.nan
    >>> display = FactorSpectrumDisplay.from_estimator(MatrixCompletion(1).fit(M))  # doctest: +SKIP
    """

    def __init__(self, *, singular_values):
        self.singular_values = singular_values

    @classmethod
    def from_estimator(cls, estimator, *, ax=None, **kwargs):
        """Draw the spectrum of a fitted completion; O((m + n) rank^2).

        Parameters
        ----------
        estimator : MatrixCompletion
            Fitted; or any object with ``row_factors_`` and ``column_factors_``.
        ax : matplotlib Axes, optional
            Those of a new figure unless given.
        **kwargs
            For matplotlib's ``plot``.

        Returns
        -------
        FactorSpectrumDisplay
        """
        left = np.linalg.qr(estimator.row_factors_, mode="r")
        right = np.linalg.qr(estimator.column_factors_, mode="r")
        display = cls(singular_values=np.linalg.svd(left @ right.T, compute_uv=False))
        return display.plot(ax, **kwargs)

    def plot(self, ax=None, **kwargs):
        """Draw the spectrum on a logarithmic scale.

        Parameters
        ----------
        ax : matplotlib Axes, optional
            Those of a new figure unless given.
        **kwargs
            For matplotlib's ``plot``.

        Returns
        -------
        FactorSpectrumDisplay
            Itself.
        """
        self.ax_ = axes_or_new(ax)
        self.figure_ = self.ax_.figure
        style = {"marker": "o", "markersize": 4} | kwargs
        places = np.arange(1, len(self.singular_values) + 1)
        (self.line_,) = self.ax_.plot(places, self.singular_values, **style)
        self.ax_.set(xlabel="number", ylabel="singular value", yscale="log")
        self.ax_.xaxis.get_major_locator().set_params(integer=True)
        return self


class HeldOutErrorDisplay:
    """The error at held-out entries and at the known ones, sweep by sweep.

    Parameters
    ----------
    iteration : array of shape (n_records,)
    held_out_error : array of shape (n_records,)
    rmse : array of shape (n_records,)

    Attributes
    ----------
    ax_ : matplotlib Axes
    figure_ : matplotlib Figure
    lines_ : list of matplotlib Line2D
        Of the held-out entries, and of the known ones.

    Examples
    --------
    >>> from sparsesolve import complete
    >>> from sparsesolve.datasets import make_low_rank
    >>> from sparsesolve.plotting import HeldOutErrorDisplay
    >>> data = make_low_rank(60, 50, 2, oversampling=5.0, noise=0.1, random_state=0)
    >>> result = complete(data.X, 2, validation_fraction=0.1, random_state=0)
    >>> display = HeldOutErrorDisplay.from_result(result)  # doctest: +SKIP
    """

    def __init__(self, *, iteration, held_out_error, rmse):
        self.iteration = iteration
        self.held_out_error = held_out_error
        self.rmse = rmse

    @classmethod
    def from_result(cls, result, *, ax=None, **kwargs):
        """Draw the errors in a result's trace.

        Parameters
        ----------
        result : Result, or a fitted estimator
            Of a fit with ``validation_fraction`` above 0.
        ax : matplotlib Axes, optional
            Those of a new figure unless given.
        **kwargs
            For matplotlib's ``plot``.

        Returns
        -------
        HeldOutErrorDisplay

        Raises
        ------
        ValueError
            Where no entries were held out.
        """
        trace = getattr(result, "result_", result).trace
        if "held_out_error" not in trace.columns:
            raise ValueError(
                "result has no held-out error: fit with validation_fraction above 0, and a rank."
            )
        display = cls(
            iteration=trace["iteration"], held_out_error=trace["held_out_error"], rmse=trace["rmse"]
        )
        return display.plot(ax, **kwargs)

    def plot(self, ax=None, **kwargs):
        """Draw both curves.

        Parameters
        ----------
        ax : matplotlib Axes, optional
            Those of a new figure unless given.
        **kwargs
            For matplotlib's ``plot``.

        Returns
        -------
        HeldOutErrorDisplay
            Itself.
        """
        self.ax_ = axes_or_new(ax)
        self.figure_ = self.ax_.figure
        curves = {"held out": self.held_out_error, "known": self.rmse}
        self.lines_ = [
            self.ax_.plot(self.iteration, values, label=name, **kwargs)[0] for name, values in curves.items()
        ]
        self.ax_.set(xlabel="sweep", ylabel="root mean squared error", yscale="log")
        self.ax_.legend()
        return self


class CompletedImageDisplay:
    """A picture with its missing pixels, and completed; and as it was, where that is known.

    Parameters
    ----------
    known : array of shape (height, width) or (height, width, 3)
        NaN where missing.
    completed : array of the same shape
    truth : array of the same shape, optional

    Attributes
    ----------
    axes_ : array of matplotlib Axes
    figure_ : matplotlib Figure
    images_ : list of matplotlib AxesImage

    Examples
    --------
    >>> import numpy as np
    >>> from sparsesolve.plotting import CompletedImageDisplay
    >>> known = np.array([[0.0, np.nan], [0.5, 1.0]])
    >>> display = CompletedImageDisplay(known=known, completed=np.nan_to_num(known)).plot()  # doctest: +SKIP
    """

    def __init__(self, *, known, completed, truth=None):
        self.known = known
        self.completed = completed
        self.truth = truth

    def plot(self, axes=None, **kwargs):
        """Draw the pictures side by side.

        Parameters
        ----------
        axes : sequence of matplotlib Axes, optional
            Two, or three with the truth; those of a new figure unless given.
        **kwargs
            For matplotlib's ``imshow``.

        Returns
        -------
        CompletedImageDisplay
            Itself.
        """
        views = {"known": np.nan_to_num(self.known, nan=1.0), "completed": self.completed}
        if self.truth is not None:
            views["true"] = self.truth
        self.axes_ = row_or_new(axes, len(views))
        self.figure_ = self.axes_[0].figure
        style = {"cmap": "gray", "vmin": 0.0, "vmax": 1.0} | kwargs
        self.images_ = []
        for ax, (title, view) in zip(self.axes_, views.items(), strict=True):
            self.images_.append(ax.imshow(np.clip(view, 0.0, 1.0), **style))
            ax.set_title(title)
            ax.axis("off")
        return self
