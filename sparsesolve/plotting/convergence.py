"""How the certificates of one or several solvers went down."""

from __future__ import annotations

import numpy as np

from .axes import axes_or_new

_AGAINST = ("iteration", "time")
_COLUMNS = ("certificate", "objective")
_LABELS = {"certificate": "certificate", "objective": "objective above the best"}
# Curves of more records have no markers, which would cover each other.
_MOST_MARKERS = 60


class ConvergenceDisplay:
    """The certificate or the objective of each iterate, on a logarithmic scale, against iterations or time.

    Use `ConvergenceDisplay.from_result` to make one, or `ConvergenceDisplay.from_results` for several curves.

    Parameters
    ----------
    progress : array of shape (n_records,), or list of such arrays
        Iterations or seconds; one array for each curve.
    certificate : array of shape (n_records,), or list of such arrays
        What is drawn over them.
    against : {"iteration", "time"}, default="iteration"
        What `progress` is.
    name : str, or list of str, optional
        Label of each curve.
    column : {"certificate", "objective"}, default="certificate"
        What `certificate` holds: certificates, or objectives minus the best one.

    Attributes
    ----------
    ax_ : matplotlib Axes
    figure_ : matplotlib Figure
    line_ : matplotlib Line2D
        The first curve.
    lines_ : list of matplotlib Line2D

    Examples
    --------
    >>> import numpy as np
    >>> from sparsesolve import lstsq
    >>> from sparsesolve.plotting import ConvergenceDisplay
    >>> A = np.random.default_rng(0).standard_normal((5000, 20))
    >>> result = lstsq(A, A[:, 0], solver="spir", random_state=0)
    >>> display = ConvergenceDisplay.from_result(result, against="time")  # doctest: +SKIP
    >>> results = {name: lstsq(A, A[:, 0], solver=name, random_state=0) for name in ("spir", "fossils")}
    >>> display = ConvergenceDisplay.from_results(results)  # doctest: +SKIP
    """

    def __init__(self, *, progress, certificate, against="iteration", name=None, column="certificate"):
        self.progress = progress
        self.certificate = certificate
        self.against = against
        self.name = name
        self.column = column

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
        _check("against", against, _AGAINST)
        trace = getattr(result, "result_", result).trace
        display = cls(progress=trace[against], certificate=trace["certificate"], against=against, name=name)
        return display.plot(ax, **kwargs)

    @classmethod
    def from_results(
        cls,
        results,
        names=None,
        *,
        against="iteration",
        column="certificate",
        optimum=None,
        ax=None,
        **kwargs,
    ):
        """Draw the traces of several results in one picture, such as those of several rules on one problem.

        Parameters
        ----------
        results : sequence of Result or fitted estimators, or dict
            The keys of a dict are the names.
        names : sequence of str, optional
            Labels of the curves.
        against : {"iteration", "time"}, default="iteration"
        column : {"certificate", "objective"}, default="certificate"
            The objective is drawn minus the best one.
        optimum : float, optional
            The best objective, where it is known; else the least one of all traces, whose own point is left out.
        ax : matplotlib Axes, optional
            Those of a new figure unless given. Its property cycle gives the colours.
        **kwargs
            For matplotlib's ``plot``, for all curves.

        Returns
        -------
        ConvergenceDisplay

        Raises
        ------
        ValueError
            For another value of `against` or `column`, no results, a trace without the column, or names that are not
            as many as the results.
        """
        _check("against", against, _AGAINST)
        _check("column", column, _COLUMNS)
        if hasattr(results, "keys"):
            names = list(results) if names is None else names
            results = list(results.values())
        traces = [getattr(result, "result_", result).trace for result in results]
        if not traces:
            raise ValueError("results is empty: give at least one result.")
        if names is not None and len(names) != len(traces):
            raise ValueError(f"names holds {len(names)} names, but there are {len(traces)} results.")
        if any(column not in trace.columns for trace in traces):
            raise ValueError(f"column={column!r} is not in the traces of all results: use 'certificate'.")
        values = [np.asarray(trace[column], dtype=np.float64) for trace in traces]
        if column == "objective":
            best = min(float(one.min()) for one in values) if optimum is None else optimum
            values = [one - best for one in values]
        progress = [trace[against] for trace in traces]
        names = None if names is None else list(names)
        display = cls(progress=progress, certificate=values, against=against, name=names, column=column)
        return display.plot(ax, **kwargs)

    def plot(self, ax=None, *, name=None, **kwargs):
        """Draw the curves.

        Parameters
        ----------
        ax : matplotlib Axes, optional
            Those of a new figure unless given.
        name : str, or list of str, optional
            Labels of the curves, in place of the display's own.
        **kwargs
            For matplotlib's ``plot``.

        Returns
        -------
        ConvergenceDisplay
            Itself.
        """
        self.ax_ = axes_or_new(ax)
        self.figure_ = self.ax_.figure
        name = self.name if name is None else name
        self.lines_ = [self._draw(*curve, kwargs) for curve in self._curves(name)]
        self.line_ = self.lines_[0]
        self.ax_.set(
            yscale="log",
            xscale="linear" if self.against == "iteration" else "log",
            xlabel="iteration" if self.against == "iteration" else "seconds",
            ylabel=_LABELS[self.column],
        )
        if self.against == "iteration":
            self.ax_.xaxis.get_major_locator().set_params(integer=True)
        if name is not None:
            self.ax_.legend()
        return self

    def _curves(self, name):
        """Progress, values and label of each curve."""
        if np.ndim(self.certificate[0]) == 0:
            return [(self.progress, self.certificate, name)]
        names = [None] * len(self.certificate) if name is None else name
        return list(zip(self.progress, self.certificate, names, strict=True))

    def _draw(self, progress, values, label, style):
        # A value of exactly 0 has no place on a logarithmic scale, nor have objectives that rounding puts below 0.
        shown = np.where(np.asarray(values) > 0, values, np.nan)
        marker = "o" if len(shown) <= _MOST_MARKERS else ""
        (line,) = self.ax_.plot(
            progress, shown, **({"marker": marker, "markersize": 4, "label": label} | style)
        )
        return line


def _check(argument, value, names):
    if value not in names:
        raise ValueError(f"{argument}={value!r} is not known: use {' or '.join(map(repr, names))}.")
