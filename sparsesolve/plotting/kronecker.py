"""Pictures of Kronecker-structured posteriors."""

from __future__ import annotations

import numpy as np

from .axes import axes_or_new, row_or_new


class GammaDisplay:
    """The prior variances of each factor's columns: which of them are in use.

    Parameters
    ----------
    gamma : list of array of shape (n_i,)
    names : sequence of str, optional
        Of the factors.

    Attributes
    ----------
    axes_ : tuple of matplotlib Axes
        One a factor.
    figure_ : matplotlib Figure
    containers_ : list of matplotlib StemContainer

    Examples
    --------
    >>> from sparsesolve import KroneckerSBL
    >>> from sparsesolve.datasets import make_kronecker_recovery
    >>> from sparsesolve.plotting import GammaDisplay
    >>> data = make_kronecker_recovery((8, 9), (6, 7), 2, random_state=0)
    >>> model = KroneckerSBL(random_state=0).fit(data.factors, data.y)
    >>> display = GammaDisplay.from_estimator(model)  # doctest: +SKIP
    """

    def __init__(self, *, gamma, names=None):
        self.gamma = gamma
        self.names = names

    @classmethod
    def from_estimator(cls, estimator, *, names=None, axes=None, **kwargs):
        """Draw the gammas of a fitted estimator.

        Parameters
        ----------
        estimator : KroneckerSBL
            Fitted; or any object with ``gamma_``.
        names : sequence of str, optional
            Of the factors.
        axes : sequence of matplotlib Axes, optional
            One a factor; those of a new figure unless given.
        **kwargs
            For matplotlib's ``stem``.

        Returns
        -------
        GammaDisplay
        """
        return cls(gamma=estimator.gamma_, names=names).plot(axes, **kwargs)

    def plot(self, axes=None, **kwargs):
        """Draw the gammas.

        Parameters
        ----------
        axes : sequence of matplotlib Axes, optional
            One a factor; those of a new figure unless given.
        **kwargs
            For matplotlib's ``stem``.

        Returns
        -------
        GammaDisplay
            Itself.
        """
        self.axes_ = row_or_new(axes, len(self.gamma))
        self.figure_ = self.axes_[0].figure
        self.containers_ = []
        for number, (ax, gamma) in enumerate(zip(self.axes_, self.gamma, strict=True)):
            self.containers_.append(ax.stem(gamma, **({"basefmt": " "} | kwargs)))
            name = f"factor {number + 1}" if self.names is None else self.names[number]
            ax.set(title=name, xlabel="column")
        self.axes_[0].set_ylabel("gamma")
        return self


class PosteriorDisplay:
    """Posterior means of coefficients with bars of two standard deviations.

    Parameters
    ----------
    coef : array of shape (n,)
        Real.
    coef_std : array of shape (n,)
    places : array of int, optional
        Which of them are drawn; all unless given.
    reference : array of shape (n,), optional
        True values, drawn as crosses.

    Attributes
    ----------
    ax_ : matplotlib Axes
    figure_ : matplotlib Figure
    container_ : matplotlib ErrorbarContainer

    Examples
    --------
    >>> from sparsesolve import KroneckerSBL
    >>> from sparsesolve.datasets import make_kronecker_recovery
    >>> from sparsesolve.plotting import PosteriorDisplay
    >>> data = make_kronecker_recovery((8, 9), (6, 7), 2, random_state=0)
    >>> model = KroneckerSBL(random_state=0).fit(data.factors, data.y)
    >>> display = PosteriorDisplay.from_estimator(model, reference=data.coef)  # doctest: +SKIP
    """

    def __init__(self, *, coef, coef_std, places=None, reference=None):
        self.coef = coef
        self.coef_std = coef_std
        self.places = places
        self.reference = reference

    @classmethod
    def from_estimator(cls, estimator, *, reference=None, ax=None, **kwargs):
        """Draw the coefficients in the support of a fitted estimator; the moduli, where they are complex.

        Parameters
        ----------
        estimator : KroneckerSBL
            Fitted to one snapshot.
        reference : array of shape (n,), optional
            True values, drawn as crosses; where they differ from zero they are drawn too.
        ax : matplotlib Axes, optional
            Those of a new figure unless given.
        **kwargs
            For matplotlib's ``errorbar``.

        Returns
        -------
        PosteriorDisplay

        Raises
        ------
        ValueError
            For a fit of several snapshots.
        """
        coef = estimator.coef_
        if coef.ndim != 1:
            raise ValueError(
                f"estimator has coefficients of shape {coef.shape}: fit one snapshot to draw them."
            )
        places = estimator.support_
        if reference is not None:
            places = np.union1d(places, np.flatnonzero(reference))
        if np.iscomplexobj(coef):
            coef, reference = np.abs(coef), None if reference is None else np.abs(reference)
        display = cls(coef=coef, coef_std=estimator.coef_std_, places=places, reference=reference)
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
        PosteriorDisplay
            Itself.
        """
        self.ax_ = axes_or_new(ax)
        self.figure_ = self.ax_.figure
        places = np.arange(self.coef.size) if self.places is None else np.asarray(self.places)
        style = {"fmt": "o", "markersize": 3, "elinewidth": 1, "capsize": 2, "label": "posterior"} | kwargs
        line = np.arange(places.size)
        self.container_ = self.ax_.errorbar(
            line, self.coef[places], yerr=2.0 * self.coef_std[places], **style
        )
        if self.reference is not None:
            self.ax_.plot(line, np.asarray(self.reference)[places], "x", color="black", label="true")
            self.ax_.legend()
        self.ax_.axhline(0.0, color="grey", linewidth=0.8, zorder=0)
        self.ax_.set(xlabel="coefficient in use", ylabel="value")
        return self
