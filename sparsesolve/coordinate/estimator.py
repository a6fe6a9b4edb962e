"""`BCDRegressor` and `BCDClassifier`: sparse linear models with a certified duality gap."""

from __future__ import annotations

import numpy as np
from scipy.special import expit
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.utils import compute_sample_weight
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, column_or_1d, validate_data

from ..callbacks import CallbackSupport, managed
from ..validation import check_choice, check_matrix, check_weights
from .linear_models.options import check_options
from .linear_models.parameters import pose_fit
from .linear_models.path import PathSolution, alpha_grid, solve_path
from .linear_models.solver import solve
from .losses import LOSSES


class _SparseLinear(CallbackSupport, BaseEstimator):
    """What regressor and classifier share."""

    def _options(self):
        return check_options(self.tol, self.max_iter, self.max_time, self.backend)

    def _data(self, X, reset):
        X = validate_data(
            self,
            X,
            reset=reset,
            accept_sparse=("csc", "csr"),
            dtype=None,
            ensure_all_finite=False,
            ensure_2d=True,
        )
        return check_matrix(
            "X", X, check_finite=not reset
        )  # a fit sees from its own sums whether X is finite

    def _solve(self, X, posed):
        start = None
        before = getattr(self, "coef_", None)
        if self.warm_start and before is not None and np.size(before) == X.shape[1]:
            start = (np.ravel(before), float(np.ravel(self.intercept_)[0]))
        result = solve(posed, self._options(), start, None, self._watch(X, None, self.callback), self.verbose)
        self.result_ = result
        self.dual_gap_ = result.solution.dual_gap
        self.support_identified_at_ = result.solution.support_identified_at
        self.n_iter_ = result.n_iter
        self.converged_ = result.converged
        return result.solution

    def _linear(self, X):
        check_is_fitted(self)
        X = self._data(X, reset=False)
        return np.asarray(X @ np.ravel(self.coef_) + np.ravel(self.intercept_)[0])

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags


class BCDRegressor(RegressorMixin, _SparseLinear):
    r"""Sparse linear regression with a certified duality gap.

    Minimises :math:`\frac{1}{\sum_i s_i} \sum_i s_i \ell(x_i'w + c, y_i) + \alpha \, \Omega(w)`, where :math:`\Omega`
    is one of the penalties below. Working sets, screening, coordinate descent and exact Newton steps take turns; the
    answer's duality gap is computed at the end from all columns.

    Parameters
    ----------
    loss : {"squared", "poisson"}, default="squared"
        "squared" is half the squared error; "poisson" has the logarithm of the mean as its linear prediction.
    penalty : {"l1", "elastic-net", "group", "none"}, default="l1"
        The sum of ``|w|``; of ``l1_ratio |w| + (1 - l1_ratio) w^2 / 2``; of the groups' Euclidean norms; nothing.
    alpha : float, default=1.0
        Strength of the penalty, at least 0, as in scikit-learn's `Lasso`.
    l1_ratio : float, default=0.5
        For "elastic-net".
    groups : array of shape (n_features,) or list of arrays, optional
        For "group": each feature's group, or each group's features.
    group_weights : array of shape (n_groups,), optional
        Multiply the groups' norms; ones unless given. For labels, in their sorted order.
    positive : bool, default=False
        Keep the coefficients at 0 or above.
    fit_intercept : bool, default=True
        Fit a constant, which is not penalised. X is neither centred nor, in Fortran order, copied.
    tol : float, default=1e-10
        Largest duality gap, relative to the loss of the best constant prediction.
    max_iter : int, default=1000
        Largest number of working sets.
    max_time : float, optional
        Seconds after which no further working set begins.
    warm_start : bool, default=False
        Begin at the last fit's coefficients.
    backend : {"auto", "numba", "opencl"}, default="auto"
    verbose : bool, default=False
        Log each round on the logger "sparsesolve".
    callback : callable, optional
        Called with each round's iterate; a true value stops the fit, which keeps the best one.

    Attributes
    ----------
    coef_ : ndarray of shape (n_features,)
    intercept_ : float
    dual_gap_ : float
        The certificate: objective minus a lower bound of all objectives, relative as `tol` is. Where columns are not
        penalised at all, the larger of that and the residual's correlation with these columns.
    support_identified_at_ : int
        The round from which on the nonzero coefficients were those of the answer.
    result_ : Result
    n_iter_ : int
    converged_ : bool
    n_features_in_ : int
    feature_names_in_ : ndarray of str
        Where X has string column names.

    See Also
    --------
    sparsesolve.BCDClassifier : The same for labels.
    sparsesolve.BCDRegressorCV : With alpha chosen by cross-validation.

    References
    ----------
    Nutini, Laradji and Schmidt, "Let's make block coordinate descent converge faster", JMLR 23(131), 2022.

    Examples
    --------
    >>> import numpy as np
    >>> from sparsesolve import BCDRegressor
    >>> rng = np.random.default_rng(0)
    >>> X = rng.standard_normal((100, 1000))
    >>> y = X[:, :3] @ [3.0, -2.0, 1.0] + 0.1 * rng.standard_normal(100)
    >>> model = BCDRegressor(alpha=0.1).fit(X, y)
    >>> np.flatnonzero(model.coef_), model.dual_gap_ < 1e-8
    (array([0, 1, 2]), True)
    """

    def __init__(
        self,
        *,
        loss="squared",
        penalty="l1",
        alpha=1.0,
        l1_ratio=0.5,
        groups=None,
        group_weights=None,
        positive=False,
        fit_intercept=True,
        tol=1e-10,
        max_iter=1000,
        max_time=None,
        warm_start=False,
        backend="auto",
        verbose=False,
        callback=None,
    ):
        self.loss = loss
        self.penalty = penalty
        self.alpha = alpha
        self.l1_ratio = l1_ratio
        self.groups = groups
        self.group_weights = group_weights
        self.positive = positive
        self.fit_intercept = fit_intercept
        self.tol = tol
        self.max_iter = max_iter
        self.max_time = max_time
        self.warm_start = warm_start
        self.backend = backend
        self.verbose = verbose
        self.callback = callback

    @managed
    def fit(self, X, y, sample_weight=None):
        """Fit the model.

        Parameters
        ----------
        X : array or sparse matrix of shape (n_samples, n_features)
            Fastest in Fortran order, or in compressed columns; other layouts are copied once.
        y : array of shape (n_samples,)
        sample_weight : float or array of shape (n_samples,), optional
            At least 0.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            For bad data or parameters; the message names the argument, its value and the mend.
        """
        self._options()
        X, posed = self._posed(X, y, sample_weight)
        solution = self._solve(X, posed)
        self.coef_, self.intercept_ = solution.coef, solution.intercept
        return self

    def path(self, X, y, *, alphas=None, n_alphas=100, ratio=1e-3, sample_weight=None) -> PathSolution:
        """Fit a whole path of penalties, each answer the start of the next; the estimator itself is not fitted.

        Parameters
        ----------
        X, y, sample_weight
            As in `fit`.
        alphas : array of shape (n_alphas,), optional
            Made from the next two unless given: from the least alpha without any feature, down to `ratio` times it.
        n_alphas : int, default=100
        ratio : float, default=1e-3

        Returns
        -------
        PathSolution
            ``alphas``, ``coefs``, ``intercepts``, ``dual_gaps`` and ``results``.
        """
        options = self._options()
        _, posed = self._posed(X, y, sample_weight, alpha=1.0)
        alphas = (
            alpha_grid(posed, 1.0, n_alphas, ratio)
            if alphas is None
            else np.asarray(alphas, dtype=np.float64)
        )
        return solve_path(posed, 1.0, alphas, options)

    def predict(self, X):
        """Predict targets: the mean of each.

        Parameters
        ----------
        X : array or sparse matrix of shape (n_samples, n_features)

        Returns
        -------
        ndarray of shape (n_samples,)
        """
        z = self._linear(X)
        return np.exp(z) if self.loss == "poisson" else z

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.target_tags.positive_only = self.loss == "poisson"
        return tags

    def _posed(self, X, y, sample_weight, alpha=None):
        check_choice("loss", self.loss, ("squared", "poisson"))
        if y is None:
            raise ValueError("fit requires y to be passed, but the target y is None: give the targets.")
        X = self._data(X, reset=True)
        y = _targets(y, X.shape[0])
        loss = LOSSES[self.loss]
        loss.check_targets(y)
        parameters = self if alpha is None else self._at(alpha)
        return X, pose_fit(X, y, loss, parameters, check_weights("sample_weight", sample_weight, X.shape[0]))

    def _at(self, alpha):
        return type(self)(**(self.get_params(deep=False) | {"alpha": alpha}))


class BCDClassifier(ClassifierMixin, _SparseLinear):
    r"""Sparse logistic regression of two classes, with a certified duality gap.

    Minimises :math:`\frac{1}{\sum_i s_i} \sum_i s_i \log(1 + e^{-y_i (x_i'w + c)}) + \alpha \, \Omega(w)` with labels
    :math:`y_i = \pm 1`; alpha corresponds to 1 / (C n_samples) of scikit-learn's `LogisticRegression`.

    Parameters
    ----------
    penalty, alpha, l1_ratio, groups, group_weights, positive, fit_intercept
        As in `BCDRegressor`.
    class_weight : dict or "balanced", optional
        Multiplies the samples' weights by one a class.
    tol, max_iter, max_time, warm_start, backend, verbose, callback
        As in `BCDRegressor`.

    Attributes
    ----------
    classes_ : ndarray of shape (2,)
    coef_ : ndarray of shape (1, n_features)
    intercept_ : ndarray of shape (1,)
    dual_gap_, support_identified_at_, result_, n_iter_, converged_, n_features_in_, feature_names_in_
        As in `BCDRegressor`.

    See Also
    --------
    sparsesolve.BCDRegressor : The same for numbers.

    Examples
    --------
    >>> import numpy as np
    >>> from sparsesolve import BCDClassifier
    >>> rng = np.random.default_rng(0)
    >>> X = rng.standard_normal((200, 500))
    >>> y = np.where(X[:, 0] - X[:, 1] + 0.1 * rng.standard_normal(200) > 0, "yes", "no")
    >>> model = BCDClassifier(alpha=0.1).fit(X, y)
    >>> np.flatnonzero(model.coef_), model.converged_
    (array([0, 1]), True)
    """

    def __init__(
        self,
        *,
        penalty="l1",
        alpha=1.0,
        l1_ratio=0.5,
        groups=None,
        group_weights=None,
        positive=False,
        fit_intercept=True,
        class_weight=None,
        tol=1e-10,
        max_iter=1000,
        max_time=None,
        warm_start=False,
        backend="auto",
        verbose=False,
        callback=None,
    ):
        self.penalty = penalty
        self.alpha = alpha
        self.l1_ratio = l1_ratio
        self.groups = groups
        self.group_weights = group_weights
        self.positive = positive
        self.fit_intercept = fit_intercept
        self.class_weight = class_weight
        self.tol = tol
        self.max_iter = max_iter
        self.max_time = max_time
        self.warm_start = warm_start
        self.backend = backend
        self.verbose = verbose
        self.callback = callback

    @managed
    def fit(self, X, y, sample_weight=None):
        """Fit the model.

        Parameters
        ----------
        X : array or sparse matrix of shape (n_samples, n_features)
        y : array of shape (n_samples,)
            Labels of two classes.
        sample_weight : float or array of shape (n_samples,), optional
            At least 0.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            For bad data or parameters; the message names the argument, its value and the mend.
        """
        self._options()
        if y is None:
            raise ValueError("fit requires y to be passed, but the target y is None: give the labels.")
        X = self._data(X, reset=True)
        y = _labels(y, X.shape[0])
        self.classes_ = np.unique(y)
        if self.classes_.size != 2:
            raise ValueError(
                f"Only binary classification is supported. The type of the target is multiclass, or one class: y has "
                f"{self.classes_.size} class(es), and this fit takes two."
            )
        weights = check_weights("sample_weight", sample_weight, X.shape[0])
        if self.class_weight is not None:
            by_class = compute_sample_weight(self.class_weight, y)
            weights = by_class if weights is None else weights * by_class
        signs = np.where(y == self.classes_[1], 1.0, -1.0)
        solution = self._solve(X, pose_fit(X, signs, LOSSES["logistic"], self, weights))
        self.coef_, self.intercept_ = solution.coef[None, :], np.array([solution.intercept])
        return self

    def decision_function(self, X):
        """Logarithms of the odds of the second class, shape (n_samples,)."""
        return self._linear(X)

    def predict_proba(self, X):
        """Probabilities of both classes, shape (n_samples, 2)."""
        z = self._linear(X)
        return np.stack([expit(-z), expit(z)], axis=1)

    def predict(self, X):
        """The more probable label of each sample, shape (n_samples,)."""
        chosen = (self._linear(X) > 0.0).astype(int)
        return self.classes_[chosen]

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_class = False
        return tags


def _targets(y, n_samples):
    y = column_or_1d(y, warn=True)
    if y.dtype.kind not in "fiub":
        y = y.astype(np.float64)
    if y.shape != (n_samples,):
        raise ValueError(f"y has {y.size} entries, but X has {n_samples} rows: give one target a row.")
    y = y.astype(np.float64)
    if not np.isfinite(y).all():
        row = int(np.flatnonzero(~np.isfinite(y))[0])
        raise ValueError(
            f"y[{row}] is {'NaN' if np.isnan(y[row]) else 'infinity'}: remove or impute such rows first."
        )
    return y


def _labels(y, n_samples):
    y = column_or_1d(y, warn=True)
    _check_finite(y)
    check_classification_targets(y)
    if y.shape != (n_samples,):
        raise ValueError(f"y has {y.size} entries, but X has {n_samples} rows: give one label a row.")
    return y


def _check_finite(y):
    if y.dtype.kind == "f" and not np.isfinite(y).all():
        row = int(np.flatnonzero(~np.isfinite(y))[0])
        raise ValueError(
            f"y[{row}] is {'NaN' if np.isnan(y[row]) else 'infinity'}: remove or impute such rows first."
        )
