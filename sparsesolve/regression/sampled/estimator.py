"""`SampledLeastSquares`: least squares from a few evaluations, at rows that it chooses."""

from __future__ import annotations

from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.utils.validation import check_is_fitted

from ...callbacks import CallbackSupport, managed
from ...random import as_key
from ...validation import check_targets
from ..estimator import rows_of
from .solver import choose_evaluations, sampled_lstsq


class SampledLeastSquares(CallbackSupport, RegressorMixin, BaseEstimator):
    r"""Least squares on all candidates from the values at a few of them.

    For functions that are dear to evaluate: each row of X holds the values of the basis functions at a candidate
    point, the estimator chooses rows, only these are evaluated, and weighted least squares on them stands for least
    squares on all. There is no intercept: give X a column of ones.

    Parameters
    ----------
    n_evaluations : "auto" or int, default="auto"
        Draws; a row that is drawn twice is evaluated once. "auto" is 2 d log(2 d), at least 2 d, for d columns. With
        as many as candidates, all are taken.
    method : {"determinantal", "leveraged-volume", "volume", "leverage", "uniform"}, default="determinantal"
        "determinantal": as many determinantal sets of d rows as there is room for, weighted by inverse leverage. The
        rows always determine the coefficients, and errors are the least where candidates come in no order.
        "leveraged-volume": one such set, and independent rows by leverage: the coefficients are unbiased.
        "volume": one such set, and uniform rows: unbiased, but slow to improve where few rows matter.
        "leverage": rows by leverage, spread evenly along the candidates' order: the best choice where neighbours are
        alike, as on a grid, and no better than independent rows elsewhere. "uniform": for comparison.
    tol : float, optional
        Largest backward error of the weighted problem; 2.2e-16 unless given.
    max_iter : int, default=100
        Largest number of refinements.
    max_time : float, optional
        Seconds after which no further refinement begins.
    random_state : None, int, numpy.random.Generator or RandomState
        Which rows are drawn.
    backend : {"auto", "numba", "opencl"}, default="auto"
    verbose : bool, default=False
        Log each iterate on the logger "sparsesolve".
    callback : callable, optional
        Called with each iterate; a true value stops the fit.

    Attributes
    ----------
    coef_ : ndarray of shape (n_features,) or (n_targets, n_features)
    plan_ : EvaluationPlan
        Rows, weights, rank and condition number.
    evaluated_rows_ : ndarray of int64
        Rows that were evaluated, ascending.
    condition_number_ : float
        Of the weighted Gram matrix of these rows, in a basis that is orthonormal on all candidates: at 1 nothing is
        lost against evaluating everywhere.
    residual_norm_ : float or ndarray of shape (n_targets,)
        Weighted, at the rows.
    backward_error_ : float
        Of the weighted problem.
    rank_ : int
        Of the candidates.
    result_ : Result
    n_iter_ : int
    converged_ : bool
    n_features_in_ : int

    References
    ----------
    Derezinski, Warmuth and Hsu, "Leveraged volume sampling for linear regression", NeurIPS 2018. Nouy and Michel,
    "Weighted least-squares approximation with determinantal point processes and generalized volume sampling", 2023.
    Cohen and Migliorati, "Optimal weighted least-squares methods", 2017.

    Examples
    --------
    >>> import numpy as np
    >>> from sparsesolve.regression.sampled import SampledLeastSquares
    >>> points = np.linspace(-1.0, 1.0, 10001)
    >>> X = np.polynomial.legendre.legvander(points, 12)
    >>> model = SampledLeastSquares(random_state=0).fit(X, lambda rows: np.exp(points[rows]))
    >>> model.evaluated_rows_.size, bool(abs(model.predict(X) - np.exp(points)).max() < 1e-10)
    (85, True)
    """

    def __init__(
        self,
        *,
        n_evaluations="auto",
        method="determinantal",
        tol=None,
        max_iter=100,
        max_time=None,
        random_state=None,
        backend="auto",
        verbose=False,
        callback=None,
    ):
        self.n_evaluations = n_evaluations
        self.method = method
        self.tol = tol
        self.max_iter = max_iter
        self.max_time = max_time
        self.random_state = random_state
        self.backend = backend
        self.verbose = verbose
        self.callback = callback

    def choose(self, X, sample_weight=None):
        """Choose the rows to evaluate, without a fit.

        Parameters
        ----------
        X : array or sparse matrix of shape (n_candidates, n_features)
        sample_weight : array of shape (n_candidates,), optional
            How much each candidate counts, as the weights of a quadrature rule.

        Returns
        -------
        EvaluationPlan
            For ``fit(X, values, plan=plan)``, with the values at ``plan.rows``.
        """
        return self._choose(rows_of(self, X, reset=True), sample_weight, as_key(self.random_state))

    @managed
    def fit(self, X, y, sample_weight=None, plan=None):
        """Choose rows, evaluate them, and fit.

        Parameters
        ----------
        X : array or sparse matrix of shape (n_candidates, n_features)
        y : callable, or array of shape (n_candidates,) or (n_candidates, n_targets)
            A callable gets the rows, an array of int64, and returns a value, or several, for each. An array holds the
            values at all candidates; with a `plan`, those at its rows.
        sample_weight : array of shape (n_candidates,), optional
            How much each candidate counts; not with a `plan`, which was made with them.
        plan : EvaluationPlan, optional
            From `choose`.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            For bad data or parameters; the message names the argument, its value and the mend.
        """
        if y is None:
            raise ValueError(
                "fit requires y to be passed, but the target y is None: give values, or a callable."
            )
        X = rows_of(self, X, reset=True)
        key = as_key(self.random_state)
        if plan is not None and sample_weight is not None:
            raise ValueError(
                "sample_weight was given with a plan: give it to `choose`, which puts it into the plan."
            )
        values = None if callable(y) else check_targets("y", y, len(plan.rows) if plan else X.shape[0])
        if plan is None:
            plan = self._choose(X, sample_weight, key)
            values = values if values is None else values[plan.rows]
        if values is None:
            values = check_targets("y", y(plan.rows), plan.rows.size)
        self.result_ = sampled_lstsq(
            X,
            values,
            plan,
            tol=self.tol,
            max_iter=self.max_iter,
            max_time=self.max_time,
            random_state=key,
            backend=self.backend,
            verbose=self.verbose,
            callback=self._watch(X, y, self.callback),
        )
        solution = self.result_.solution
        self.plan_ = plan
        self.coef_ = solution.coef.T
        self.residual_norm_ = (
            solution.residual_norm if solution.coef.ndim == 2 else float(solution.residual_norm)
        )
        self.evaluated_rows_, self.rank_ = plan.rows, plan.rank
        self.condition_number_ = plan.condition_number
        self.backward_error_ = self.result_.certificate["backward_error"]
        self.n_iter_, self.converged_ = self.result_.n_iter, self.result_.converged
        return self

    def predict(self, X):
        """Predict values.

        Parameters
        ----------
        X : array or sparse matrix of shape (n, n_features)

        Returns
        -------
        ndarray of shape (n,) or (n, n_targets)
        """
        check_is_fitted(self)
        return rows_of(self, X, reset=False) @ self.coef_.T

    def _choose(self, X, sample_weight, key):
        return choose_evaluations(
            X,
            n_evaluations=self.n_evaluations,
            method=self.method,
            sample_weight=sample_weight,
            random_state=key,
        )

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.target_tags.multi_output = True
        return tags
