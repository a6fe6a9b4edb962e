"""The coefficients of a linear model with their error bars."""

from __future__ import annotations

import numpy as np

from .axes import axes_or_new


class CoefficientDisplay:
    """The coefficients of a linear model, with their error bars.

    Use `CoefficientDisplay.from_estimator` to make one.

    Parameters
    ----------
    coef : array of shape (n_features,) or (n_targets, n_features)
    error_bound : array, the shape of coef, optional
        Half-widths of the error bars.
    feature_names : sequence of str, optional
    reference : array, the shape of coef, optional
        True values, drawn as crosses.

    Attributes
    ----------
    ax_ : matplotlib Axes
    figure_ : matplotlib Figure
    containers_ : list of matplotlib ErrorbarContainer
        One for each target.
    """

    def __init__(self, *, coef, error_bound=None, feature_names=None, reference=None):
        self.coef = coef
        self.error_bound = error_bound
        self.feature_names = feature_names
        self.reference = reference

    @classmethod
    def from_estimator(cls, estimator, *, feature_names=None, reference=None, ax=None, **kwargs):
        """Draw the coefficients of a fitted estimator.

        Parameters
        ----------
        estimator : object with ``coef_``
            Its ``coef_error_bound_``, where it has one, gives the error bars; its ``feature_names_in_`` the names.
        feature_names : sequence of str, optional
        reference : array, the shape of ``coef_``, optional
            True values, drawn as crosses.
        ax : matplotlib Axes, optional
            Those of a new figure unless given.
        **kwargs
            For matplotlib's ``errorbar``.

        Returns
        -------
        CoefficientDisplay
        """
        if feature_names is None:
            feature_names = getattr(estimator, "feature_names_in_", None)
        display = cls(
            coef=estimator.coef_,
            error_bound=getattr(estimator, "coef_error_bound_", None),
            feature_names=feature_names,
            reference=reference,
        )
        return display.plot(ax, **kwargs)

    def plot(self, ax=None, **kwargs):
        """Draw the coefficients.

        Parameters
        ----------
        ax : matplotlib Axes, optional
            Those of a new figure unless given.
        **kwargs
            For matplotlib's ``errorbar``.

        Returns
        -------
        CoefficientDisplay
            Itself.
        """
        self.ax_ = axes_or_new(ax)
        self.figure_ = self.ax_.figure
        coef = np.atleast_2d(self.coef)
        bounds = [None] * len(coef) if self.error_bound is None else np.atleast_2d(self.error_bound)
        places = np.arange(coef.shape[1])
        style = {"fmt": "o", "markersize": 3, "elinewidth": 1, "capsize": 2} | kwargs
        self.containers_ = [
            self.ax_.errorbar(places, values, yerr=bound, **style)
            for values, bound in zip(coef, bounds, strict=True)
        ]
        if self.reference is not None:
            for values in np.atleast_2d(self.reference):
                self.ax_.plot(places, values, "x", color="black", label="reference")
            self.ax_.legend()
        self.ax_.axhline(0.0, color="grey", linewidth=0.8, zorder=0)
        self.ax_.set(xlabel="feature", ylabel="coefficient")
        if self.feature_names is not None:
            self.ax_.set_xticks(places, self.feature_names, rotation=45, ha="right")
            self.ax_.set_xlabel("")
        return self
