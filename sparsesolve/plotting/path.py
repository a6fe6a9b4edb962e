"""The coefficients of a sparse linear model along a path of penalties."""

from __future__ import annotations

import numpy as np

from .axes import axes_or_new

#: Features that are named in the legend: those of the largest coefficients at the end of the path.
_MOST_NAMED = 10
# Gaps below have no place in a picture: they are rounding.
_LEAST_GAP = 1e-17


class CoefPathDisplay:
    """The coefficients of a model over the strength of its penalty, and the certificates of these answers.

    Use `CoefPathDisplay.from_path` to make one.

    Parameters
    ----------
    alphas : array of shape (n_alphas,)
    coefs : array of shape (n_features, n_alphas)
    dual_gaps : array of shape (n_alphas,), optional
    feature_names : sequence of str, optional

    Attributes
    ----------
    ax_ : matplotlib Axes
    gap_ax_ : matplotlib Axes or None
    figure_ : matplotlib Figure
    lines_ : list of matplotlib Line2D
        One for each feature that enters.
    features_ : ndarray of int
        Which features these are.

    Examples
    --------
    >>> import numpy as np
    >>> from sparsesolve import BCDRegressor
    >>> from sparsesolve.plotting import CoefPathDisplay
    >>> X = np.random.default_rng(0).standard_normal((50, 200))
    >>> path = BCDRegressor().path(X, X[:, 0] - X[:, 1], n_alphas=20)
    >>> display = CoefPathDisplay.from_path(path)  # doctest: +SKIP
    """

    def __init__(self, *, alphas, coefs, dual_gaps=None, feature_names=None):
        self.alphas = alphas
        self.coefs = coefs
        self.dual_gaps = dual_gaps
        self.feature_names = feature_names

    @classmethod
    def from_path(cls, path, *, target=None, feature_names=None, ax=None, gap_ax=None, **kwargs):
        """Draw a path.

        Parameters
        ----------
        path : PathSolution
            From the method ``path`` of `sparsesolve.BCDRegressor` or `sparsesolve.BCDClassifier`.
        target : int, optional
            Which class's coefficients to draw, for a path with coefficients for each class.
        feature_names : sequence of str, optional
            The largest coefficients at the end of the path then have colours and names, all others are grey.
        ax : matplotlib Axes, optional
            Those of a new figure unless given.
        gap_ax : matplotlib Axes, optional
            Where to draw the duality gaps; they are not drawn unless given.
        **kwargs
            For matplotlib's ``plot`` of the coefficients.

        Returns
        -------
        CoefPathDisplay

        Raises
        ------
        ValueError
            If there are not as many names as features, or `target` is missing or not needed.
        """
        if (path.coefs.ndim == 3) != (target is not None):
            needed = "None" if path.coefs.ndim == 2 else f"a number below {len(path.coefs)}"
            raise ValueError(
                f"target={target!r} does not suit coefs of shape {path.coefs.shape}: use {needed}."
            )
        coefs = path.coefs if target is None else path.coefs[target]
        display = cls(alphas=path.alphas, coefs=coefs, dual_gaps=path.dual_gaps, feature_names=feature_names)
        return display.plot(ax, gap_ax=gap_ax, **kwargs)

    def plot(self, ax=None, *, gap_ax=None, **kwargs):
        """Draw the path, from strong penalties on the left to weak ones on the right.

        Parameters
        ----------
        ax : matplotlib Axes, optional
            Those of a new figure unless given.
        gap_ax : matplotlib Axes, optional
            Where to draw the duality gaps.
        **kwargs
            For matplotlib's ``plot`` of the coefficients.

        Returns
        -------
        CoefPathDisplay
            Itself.

        Raises
        ------
        ValueError
            If there are not as many names as features, or no gaps to draw.
        """
        alphas, coefs = np.asarray(self.alphas), np.asarray(self.coefs)
        names = self.feature_names
        if names is not None and len(names) != len(coefs):
            raise ValueError(f"feature_names holds {len(names)} names, but there are {len(coefs)} features.")
        if gap_ax is not None and self.dual_gaps is None:
            raise ValueError("gap_ax needs the duality gaps: give dual_gaps.")
        self.ax_, self.gap_ax_ = axes_or_new(ax), gap_ax
        self.figure_ = self.ax_.figure
        self.features_ = np.flatnonzero(coefs.any(axis=1))
        style = {"linewidth": 1.0} | kwargs
        self.lines_ = [self.ax_.plot(alphas, coefs[j], **style)[0] for j in self.features_]
        if names is not None:
            self._name(names, coefs)
        self.ax_.axhline(0.0, color="black", linewidth=0.6, zorder=0)
        self.ax_.set(xscale="log", xlabel="alpha", ylabel="coefficient")
        _strong_first(self.ax_)
        if gap_ax is not None:
            gap_ax.plot(alphas, np.maximum(self.dual_gaps, _LEAST_GAP), ".", color="black")
            gap_ax.set(xscale="log", yscale="log", xlabel="alpha", ylabel="duality gap")
            _strong_first(gap_ax)
        return self

    def _name(self, names, coefs):
        """A legend of the largest coefficients, in the order of their ends; the others turn grey."""
        ends = coefs[self.features_, -1]
        largest = np.argsort(-np.abs(ends), kind="stable")[:_MOST_NAMED]
        for place in np.setdiff1d(np.arange(ends.size), largest):
            self.lines_[place].set(color="0.8", zorder=1)
        # Colours from the start of the cycle, whatever was drawn before.
        for number, place in enumerate(largest):
            self.lines_[place].set(color=f"C{number}", zorder=2, label=str(names[self.features_[place]]))
        downwards = largest[np.argsort(-ends[largest], kind="stable")]
        # Beside the ends of the curves, where it hides none of them.
        handles = [self.lines_[place] for place in downwards]
        self.ax_.legend(
            handles=handles, fontsize="small", frameon=False, loc="center left", bbox_to_anchor=(1.0, 0.5)
        )


def _strong_first(ax):
    if not ax.xaxis_inverted():  # axes that share their scale are turned once
        ax.invert_xaxis()
