"""`CoLiDE`: directed acyclic graphs of linear effects."""

from __future__ import annotations

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted, validate_data

from ..callbacks import CallbackSupport, managed
from ..random import as_key
from ..streams import Passes
from ..streams.blocks import keep_features
from ..streams.sources import as_row_blocks, is_stream
from ..validation import check_choice, check_count
from .block_bootstrap import bootstrap_blocks
from .bootstrap import Bootstrap, bootstrap
from .covariance import (
    Moments,
    in_common_units,
    merge,
    moments_of,
    moments_of_blocks,
    pairwise_moments,
)
from .interventions import Contexts, contexts_of
from .lasso_path import LassoPath, lasso_path
from .options import MISSING, check_options
from .solver import solve

#: Parameters that steer a fit rather than pose a problem.
_STEERING = ("random_state", "callback", "verbose")


class CoLiDE(CallbackSupport, BaseEstimator):
    r"""Concomitant estimation of a linear directed acyclic graph and of its noise.

    The model is X = X W + noise with an acyclic W. From observations alone, without equal noise variances, directions
    are known only as far as `cpdag_` says.

    Parameters
    ----------
    noise : {"unequal", "equal", "auto"}, default="unequal"
        Whether all variables have noise of one size. "equal" is a strong assumption: it makes all directions known, and
        is wrong once columns were scaled. "auto" compares both by BIC.
    method : {"auto", "order", "central-path"}, default="auto"
        A search over orders with parents by BIC; or the paper's path of penalised problems with a log-determinant for
        acyclicity. "auto" is "order".
    inner : {"auto", "newton", "adam"}, default="auto"
        How the problems of the central path are solved: by Newton's method column by column, or as in the authors'
        code, which is reproduced with ``tol=1e-6``.
    alpha : "auto" or float, default="auto"
        Penalty of the concomitant lassos (the paper's lambda) that give the weights along the order found; "auto" takes
        parents by BIC and least squares, and 0.05 on the central path. It is meant for columns of unit deviation; for
        equal noise, and on the path, for data whose column of least deviation has unit deviation.
    threshold : "auto" or float, default="auto"
        Weights up to this size are set to 0, in the data's units; "auto" is 0.3 on the central path, and 0 else.
    required, forbidden : list of pairs, or array of bool of shape (d, d), optional
        Edges (i, j), for i -> j, that must or must not be there, by number or by name; kept exactly.
    tiers : list of lists, or array of int of shape (d,), optional
        Groups of columns: no edge leads back to an earlier one.
    missing : {"error", "pairwise"}, default="error"
        What NaN is: an error, or a gap; then each covariance comes from the rows that have both columns.
    n_starts : int, default=2
        Random orders that the search starts from.
    tol : float, default=1e-8
        Largest certificate, the KKT residual of the regressions.
    max_iter : int, default=10000
        Largest number of passes over the nodes, or of checkpoints of the path.
    max_time : float, optional
        Seconds after which no further step begins.
    random_state : None, int, numpy.random.Generator or RandomState, default=0
        Of the search. A number, so that two fits are equal unless asked otherwise.
    backend : {"auto", "numba", "opencl"}, default="auto"
    verbose : bool, default=False
        Log each step on the logger "sparsesolve".
    callback : callable, optional
        Called with each step's iterate; a true value stops the fit, which keeps the best one.

    Attributes
    ----------
    adjacency_ : ndarray of shape (d, d)
        [i, j] is the weight of the edge i -> j.
    noise_scale_ : ndarray of shape (d,)
    mean_ : ndarray of shape (d,)
    intercept_ : ndarray of shape (d,)
        Rows are ``intercept_ + X @ adjacency_`` plus noise.
    order_ : ndarray of int, shape (d,)
        In which every edge leads forward.
    cpdag_ : ndarray of bool, shape (d, d)
        A compelled edge i -> j stands at [i, j] alone, a reversible one at [j, i] too.
    noise_ : str
        "equal" or "unequal".
    reason_ : str
        Why.
    score_ : float
        BIC in units of twice the log-likelihood.
    start_scores_ : tuple of float
        The best score from each random start.
    varsortability_, r2_sortability_ : float
        How much of the graph sorting by variance, or by explained share, would find: near 1, beware.
    kkt_residual_ : float
        The certificate.
    n_samples_seen_ : int
    result_ : Result
    n_iter_ : int
    converged_ : bool
    n_features_in_ : int
    feature_names_in_ : ndarray of str
        Where X has string column names.

    See Also
    --------
    sparsesolve.estimate_dag : The same as a function.

    References
    ----------
    Saboksayr, Mateos and Tepper, "CoLiDE: concomitant linear DAG estimation", ICLR 2024.

    Examples
    --------
    >>> from sparsesolve import CoLiDE
    >>> from sparsesolve.datasets import make_linear_sem
    >>> from sparsesolve.metrics import cpdag_hamming_distance
    >>> data = make_linear_sem(1000, 12, degree=2, variances="unequal", standardize=True, random_state=1)
    >>> model = CoLiDE().fit(data.X)
    >>> int(cpdag_hamming_distance(data.adjacency, model.adjacency_))
    0
    """

    def __init__(
        self,
        noise="unequal",
        *,
        method="auto",
        inner="auto",
        alpha="auto",
        threshold="auto",
        required=None,
        forbidden=None,
        tiers=None,
        missing="error",
        n_starts=2,
        tol=1e-8,
        max_iter=10_000,
        max_time=None,
        random_state=0,
        backend="auto",
        verbose=False,
        callback=None,
    ):
        self.noise = noise
        self.method = method
        self.inner = inner
        self.alpha = alpha
        self.threshold = threshold
        self.required = required
        self.forbidden = forbidden
        self.tiers = tiers
        self.missing = missing
        self.n_starts = n_starts
        self.tol = tol
        self.max_iter = max_iter
        self.max_time = max_time
        self.random_state = random_state
        self.backend = backend
        self.verbose = verbose
        self.callback = callback

    @managed
    def fit(self, X, y=None, interventions=None):
        """Estimate the graph.

        Parameters
        ----------
        X : array of shape (n, d), or row blocks
            For data beyond memory, `sparsesolve.streams.row_blocks` of them; a path, a Zarr array or a Dask collection
            will do as it is. They are read once.
        y : ignored
        interventions : array of int, shape (n,), or of bool, shape (n, d), optional
            The column that was set from outside in each row, a negative number for none; or a mask. A column is then
            regressed on the other rows only; edges of columns that were set become directed.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            For bad data or parameters; the message names the argument, its value and the mend.
        """
        if is_stream(X):
            return self._fit_blocks(as_row_blocks(X), interventions)
        X = self._checked(X, reset=True)
        moments = pairwise_moments(X) if self.missing == "pairwise" else moments_of(X)
        options = self._options(X.shape[1])
        return self._fit(X, moments, contexts_of(X, interventions, options, moments, self.missing))

    def _fit_blocks(self, blocks, interventions):
        check_choice("missing", self.missing, MISSING)
        self._options(blocks.n_columns)
        passes = Passes(blocks, "moments")
        moments = moments_of_blocks(passes, self.missing, interventions)
        keep_features(self, blocks)
        fitted = self._fit(blocks, moments)
        passes.done()
        return fitted

    @managed
    def partial_fit(self, X, y=None):
        """Take in another block of rows, and estimate the graph of all rows so far; none of them is kept.

        Parameters
        ----------
        X : array of shape (n, d)
            Without gaps.
        y : ignored

        Returns
        -------
        self
        """
        if self.missing == "pairwise":
            raise ValueError(
                "missing='pairwise' needs all rows at once: use fit, or leave out rows with gaps."
            )
        first = not hasattr(self, "_moments")
        X = self._checked(X, reset=first)
        if first:
            return self._fit(X, moments_of(X))
        return self._fit(X, merge(self._moments, moments_of(X, self._moments.units)))

    def _fit(self, X, moments: Moments, contexts: Contexts | None = None):
        options = self._options(moments.mean.size)
        watch = self._watch(X, None, self.callback)
        result = solve(moments, options, self.random_state, watch, self.verbose, contexts)
        solution = result.solution
        self.result_, self._moments = result, moments
        self.adjacency_, self.noise_scale_ = solution.adjacency, solution.noise_scale
        self.mean_, self.intercept_ = moments.mean, solution.intercept
        self.order_, self.cpdag_ = solution.order, solution.cpdag
        self.noise_, self.reason_ = solution.noise, solution.reason
        self.score_, self.start_scores_ = solution.score, solution.start_scores
        self.varsortability_ = solution.varsortability
        self.r2_sortability_ = solution.r2_sortability
        self.kkt_residual_ = result.certificate["kkt_residual"]
        self.n_samples_seen_ = int(moments.n)
        self.n_iter_, self.converged_ = result.n_iter, result.converged
        return self

    def predict(self, X):
        """Each variable's conditional mean given its parents.

        Parameters
        ----------
        X : array of shape (n, d)

        Returns
        -------
        ndarray of shape (n, d)
        """
        check_is_fitted(self)
        X = self._checked(X, reset=False)
        return self.intercept_ + X @ self.adjacency_

    def score(self, X, y=None):
        """Mean log-likelihood of rows under normal noise.

        Parameters
        ----------
        X : array of shape (n, d)
        y : ignored

        Returns
        -------
        float
        """
        rest = np.asarray(X, dtype=np.float64) - self.predict(X)
        scales = np.maximum(self.noise_scale_, np.finfo(float).tiny)
        logs = -0.5 * (rest / scales) ** 2 - np.log(scales) - 0.5 * np.log(2.0 * np.pi)
        return float(logs.sum(axis=1).mean())

    def sample(self, n_samples=1, random_state=None):
        """Draw rows from the fitted model with normal noise.

        Parameters
        ----------
        n_samples : int, default=1
        random_state : None, int, numpy.random.Generator or RandomState

        Returns
        -------
        ndarray of shape (n_samples, d)
        """
        check_is_fitted(self)
        rng = np.random.default_rng(as_key(random_state))
        size = check_count("n_samples", n_samples), self.noise_scale_.size
        X = rng.standard_normal(size) * self.noise_scale_
        for node in self.order_:
            X[:, node] += self.intercept_[node] + X @ self.adjacency_[:, node]
        return X

    def bootstrap(self, X, n_resamples=200, random_state=None) -> Bootstrap:
        """Fit again to rows drawn with replacement, and count how often each edge and direction comes back.

        Parameters
        ----------
        X : array of shape (n, d), or row blocks
            Without gaps. Blocks are read once; each row then counts in a resample a Poisson number of times.
        n_resamples : int, default=200
        random_state : None, int, numpy.random.Generator or RandomState

        Returns
        -------
        Bootstrap
            `edge_probability`, `direction_probability` and `adjacencies`.
        """
        check_is_fitted(self)
        n_resamples = check_count("n_resamples", n_resamples)
        options = self._options(self.n_features_in_)
        if is_stream(X):
            return bootstrap_blocks(as_row_blocks(X), options, n_resamples, random_state)
        X = validate_data(self, X, reset=False, dtype=np.float64, ensure_min_samples=2)
        return bootstrap(X, options, n_resamples, random_state)

    def path(self, alphas=30) -> LassoPath:
        """The weights along the order found, for many penalties, with extended BIC.

        Parameters
        ----------
        alphas : int or array, default=30
            How many penalties, from the least without an edge down to a thousandth of it; or which.

        Returns
        -------
        LassoPath
            Penalties are in the units of the parameter `alpha`.
        """
        check_is_fitted(self)
        moments = self._moments if self.noise_ == "unequal" else in_common_units(self._moments)
        allowed = self._options(self.adjacency_.shape[0]).constraints.allowed
        found = lasso_path(moments.covariance, int(moments.n), self.order_, allowed, self.noise_, alphas)
        ratio = moments.units / moments.units[:, None]
        return found._replace(
            adjacencies=found.adjacencies * ratio, noise_scales=found.noise_scales * moments.units
        )

    def _options(self, n_columns):
        params = self.get_params(deep=False)
        return check_options(
            n_columns,
            names=getattr(self, "feature_names_in_", None),
            **{name: value for name, value in params.items() if name not in _STEERING},
        )

    def _checked(self, X, reset):
        check_choice("missing", self.missing, MISSING)
        X = validate_data(
            self,
            X,
            reset=reset,
            dtype=np.float64,
            ensure_all_finite="allow-nan",
            ensure_min_samples=2 if reset else 1,
        )
        if self.missing != "pairwise" and np.isnan(X).any():
            row, column = np.argwhere(np.isnan(X))[0]
            raise ValueError(f"X[{row}, {column}] is NaN: fill gaps first, or use missing='pairwise'.")
        return X

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = self.missing == "pairwise"
        return tags
