"""`LpRegression` and `QuantileRegression`: linear models in other norms."""

from __future__ import annotations

import scipy.sparse
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.utils.validation import check_is_fitted, column_or_1d, validate_data

from ...callbacks import CallbackSupport, managed
from ..estimator import data_of
from .loss import Norm, Pinball
from .options import check_options, check_power, check_quantile
from .problem import pose
from .solver import solve_posed


class _LinearFit(CallbackSupport, RegressorMixin, BaseEstimator):
    """What the two estimators share: all but the loss."""

    @managed
    def fit(self, X, y, sample_weight=None):
        """Fit the model.

        Parameters
        ----------
        X : array or sparse matrix of shape (n_samples, n_features)
            Any real type and layout; computed in float64.
        y : array of shape (n_samples,)
        sample_weight : float or array of shape (n_samples,), optional
            Weights of the samples in the loss, at least 0.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            For bad data or parameters; the message names the argument, its value and the mend.
        """
        p, make_loss = self._loss()
        options = check_options(
            p, self.solver, self.tol, self.max_iter, self.max_time, self.random_state, self.backend
        )
        X, y = self._data(X, y)
        posed = pose(X, y, make_loss, sample_weight, bool(self.fit_intercept), "X")
        result = solve_posed(posed, options, self._watch(X, y, self.callback), self.verbose)
        solution = result.solution
        self.result_ = result
        self.coef_ = solution.coef
        self.intercept_ = solution.intercept
        self.objective_ = solution.objective
        self.lower_bound_ = solution.lower_bound
        self.duality_gap_ = result.certificate["duality_gap"]
        self.dual_coef_ = solution.dual
        self.rank_ = solution.rank
        self.solver_ = solution.solver
        self.n_iter_ = result.n_iter
        self.converged_ = result.converged
        return self

    def predict(self, X):
        """Predict targets.

        Parameters
        ----------
        X : array or sparse matrix of shape (n_samples, n_features)

        Returns
        -------
        ndarray of shape (n_samples,)
        """
        check_is_fitted(self)
        X = validate_data(self, X, accept_sparse=("csr", "csc"), reset=False, ensure_2d=True)
        return X @ self.coef_ + self.intercept_

    def _data(self, X, y):
        X, y = data_of(self, X, y, reset=True)
        if y.ndim == 2 and y.shape[1] > 1:
            raise ValueError(f"y has shape {y.shape}: it must have one column; fit one target at a time.")
        y = column_or_1d(y, warn=True)
        return X.tocsr() if scipy.sparse.issparse(X) else X, y

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags


class LpRegression(_LinearFit):
    """Linear regression in the p-norm, 1 <= p <= inf, with a proof that the fit is optimal.

    Minimises ``||y - X w - c||_p``: least absolute deviations for p = 1, which outliers move little; least squares for
    p = 2; the least largest error for p = inf. Where there are many rows, a sample of them shows the way, and the
    answer is exact nevertheless.

    Parameters
    ----------
    p : float, default=1.0
        At least 1; ``numpy.inf`` for the largest absolute residual.
    fit_intercept : bool, default=True
        Fit a constant.
    solver : {"auto", "newton", "interior-point", "highs", "sampled"}, default="auto"
        "newton" is for 1 < p < inf; "interior-point" on all rows and "highs" of scipy are for p = 1 and p = inf;
        "sampled" solves a sample alone, certifies that on all rows, and doubles it until the certificate holds.
    tol : float, optional
        Largest duality gap relative to the objective; 1e-8 unless given, 1e-2 for "sampled".
    max_iter : int, default=200
        Largest number of iterates.
    max_time : float, optional
        Seconds after which no further step begins.
    random_state : None, int, Generator or RandomState
        Seed of the samples.
    backend : {"auto", "numba", "opencl"}, default="auto"
    verbose : bool, default=False
        Log each iterate on the logger "sparsesolve".
    callback : callable, optional
        Called with each iterate; a true value stops the fit, which keeps the best one.

    Attributes
    ----------
    coef_ : ndarray of shape (n_features,)
        Always float64. Of least norm where the rank is deficient; of several minimisers for p = 1 and p = inf any.
    intercept_ : float
    objective_ : float
        The (weighted) p-norm of the residuals.
    lower_bound_ : float
        No coefficients have a smaller one.
    duality_gap_ : float
        The certificate: (objective - lower bound) / objective, where an objective below 1e-6 ||y||_p counts
        as that.
    dual_coef_ : ndarray of shape (n_samples,)
        The proof of the lower bound: orthogonal to the columns of X, and of dual norm at most 1.
    rank_ : int
        Numerical rank of X, with its column of ones.
    solver_ : str
        What found the answer.
    result_ : Result
        Status, certificate, trace and times.
    n_iter_ : int
    converged_ : bool
    n_features_in_ : int
    feature_names_in_ : ndarray of str
        Where X has string column names.

    See Also
    --------
    QuantileRegression : Tilted absolute values: a quantile instead of the median.
    SketchedLinearRegression : Least squares.

    Examples
    --------
    >>> import numpy as np
    >>> from sparsesolve.regression import LpRegression
    >>> X = np.linspace(0, 1, 40)[:, None]
    >>> y = 3 * X[:, 0] + 1
    >>> y[::9] = 50.0  # outliers
    >>> model = LpRegression(1).fit(X, y)
    >>> print(round(float(model.coef_[0]), 6), round(model.intercept_, 6), model.duality_gap_ < 1e-12)
    3.0 1.0 True
    """

    def __init__(
        self,
        p=1.0,
        *,
        fit_intercept=True,
        solver="auto",
        tol=None,
        max_iter=200,
        max_time=None,
        random_state=None,
        backend="auto",
        verbose=False,
        callback=None,
    ):
        self.p = p
        self.fit_intercept = fit_intercept
        self.solver = solver
        self.tol = tol
        self.max_iter = max_iter
        self.max_time = max_time
        self.random_state = random_state
        self.backend = backend
        self.verbose = verbose
        self.callback = callback

    def _loss(self):
        p = check_power(self.p)
        return p, lambda weights: Norm(p, weights)


class QuantileRegression(_LinearFit):
    """Linear model of a conditional quantile, with a proof that the fit is optimal.

    Minimises ``sum_i max(quantile r_i, (quantile - 1) r_i)`` for the residuals r = y - X w - c: about the share
    ``quantile`` of the targets lies below the fit. Where there are many rows, a sample of them shows the way, and the
    answer is exact nevertheless.

    Parameters
    ----------
    quantile : float, default=0.5
        Strictly between 0 and 1.
    fit_intercept, solver, tol, max_iter, max_time, random_state, backend, verbose, callback
        As for `LpRegression` with p = 1.

    Attributes
    ----------
    coef_ : ndarray of shape (n_features,)
        Always float64. Of least norm where the rank is deficient; of several minimisers any.
    intercept_ : float
    objective_ : float
        The sum of the tilted absolute residuals.
    lower_bound_ : float
        No coefficients have a smaller one.
    duality_gap_ : float
        The certificate: (objective - lower bound) / objective.
    dual_coef_ : ndarray of shape (n_samples,)
        The proof of the lower bound: orthogonal to the columns of X, between ``w_i (quantile - 1)`` and
        ``w_i quantile``.
    rank_, solver_, result_, n_iter_, converged_, n_features_in_, feature_names_in_
        As for `LpRegression`.

    See Also
    --------
    LpRegression : Norms of the residuals.

    Examples
    --------
    >>> import numpy as np
    >>> from sparsesolve.regression import QuantileRegression
    >>> rng = np.random.default_rng(0)
    >>> X = rng.uniform(size=(2000, 1))
    >>> y = X[:, 0] * (1 + rng.standard_normal(2000))
    >>> model = QuantileRegression(0.9).fit(X, y)
    >>> print(round(float(np.mean(y <= model.predict(X) + 1e-12)), 3))
    0.9
    """

    def __init__(
        self,
        quantile=0.5,
        *,
        fit_intercept=True,
        solver="auto",
        tol=None,
        max_iter=200,
        max_time=None,
        random_state=None,
        backend="auto",
        verbose=False,
        callback=None,
    ):
        self.quantile = quantile
        self.fit_intercept = fit_intercept
        self.solver = solver
        self.tol = tol
        self.max_iter = max_iter
        self.max_time = max_time
        self.random_state = random_state
        self.backend = backend
        self.verbose = verbose
        self.callback = callback

    def _loss(self):
        quantile = check_quantile(self.quantile)
        return 1.0, lambda weights: Pinball(quantile, weights)
