"""How a solver's certificate went down."""

from __future__ import annotations

import numpy as np

from .axes import axes_or_new


class ConvergenceDisplay:
    """The certificate of each iterate, on a logarithmic scale, against iterations or time.

    Use `ConvergenceDisplay.from_result` to make one.

    Parameters
    ----------
    progress : array of shape (n_records,)
        Iterations or seconds.
    certificate : array of shape (n_records,)
    against : {"iteration", "time"}, default="iteration"
        What `progress` is.
    name : str, optional
        Label of the curve.

    Attributes
    ----------
    ax_ : matplotlib Axes
    figure_ : matplotlib Figure
    line_ : matplotlib Line2D

    Examples
    --------
    >>> import numpy as np
    >>> from sparsesolve import lstsq
    >>> from sparsesolve.plotting import ConvergenceDisplay
    >>> A = np.random.default_rng(0).standard_normal((5000, 20))
    >>> result = lstsq(A, A[:, 0], solver="spir", random_state=0)
    >>> display = ConvergenceDisplay.from_result(result, against="time")  # doctest: +SKIP
    """

    def __init__(self, *, progress, certificate, against="iteration", name=None):
        self.progress = progress
        self.certificate = certificate
        self.against = against
        self.name = name

    @classmethod
    def from_result(cls, result, *, against="iteration", ax=None, name=None, **kwargs):
        """Draw the trace of a result.

        Parameters
        ----------
        result : Result, or a fitted estimator
            An estimator's ``result_`` is taken.
        against : {"iteration", "time"}, default="iteration"
        ax : matplotlib Axes, optional
            Those of a new figure unless given.
        name : str, optional
            Label of the curve.
        **kwargs
            For matplotlib's ``plot``.

        Returns
        -------
        ConvergenceDisplay

        Raises
        ------
        ValueError
            For another value of `against`.
        """
        if against not in ("iteration", "time"):
            raise ValueError(f"against={against!r} is not known: use 'iteration' or 'time'.")
        trace = getattr(result, "result_", result).trace
        display = cls(progress=trace[against], certificate=trace["certificate"], against=against, name=name)
        return display.plot(ax, **kwargs)

    def plot(self, ax=None, *, name=None, **kwargs):
        """Draw the curve.

        Parameters
        ----------
        ax : matplotlib Axes, optional
            Those of a new figure unless given.
        name : str, optional
            Label of the curve, in place of the display's own.
        **kwargs
            For matplotlib's ``plot``.

        Returns
        -------
        ConvergenceDisplay
            Itself.
        """
        self.ax_ = axes_or_new(ax)
        self.figure_ = self.ax_.figure
        label = self.name if name is None else name
        style = {"marker": "o", "markersize": 4, "label": label} | kwargs
        # A certificate of exactly 0 has no place on a logarithmic scale.
        shown = np.where(np.asarray(self.certificate) > 0, self.certificate, np.nan)
        (self.line_,) = self.ax_.plot(self.progress, shown, **style)
        self.ax_.set(
            yscale="log",
            xscale="linear" if self.against == "iteration" else "log",
            xlabel="iteration" if self.against == "iteration" else "seconds",
            ylabel="certificate",
        )
        if self.against == "iteration":
            self.ax_.xaxis.get_major_locator().set_params(integer=True)
        if label is not None:
            self.ax_.legend()
        return self
