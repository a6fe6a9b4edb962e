"""`BCDRegressor` and `BCDClassifier`: sparse linear models with a certified duality gap."""

from __future__ import annotations

import numpy as np
import scipy.special
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.utils import compute_sample_weight
from sklearn.utils.metaestimators import available_if
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, column_or_1d, validate_data

from ..callbacks import CallbackSupport, managed
from ..streams.blocks import keep_features
from ..streams.sources import as_row_blocks, is_stream
from ..validation import check_choice, check_matrix, check_real, check_weights
from .by_rules import RuleEngine, rules_of
from .engines import (
    Engine,
    HingeEngine,
    LinearEngine,
    MultinomialEngine,
    PathSolution,
    choose_alphas,
    solve_path,
)
from .linear_models.options import check_options
from .losses import LOSSES
from .row_blocks import block_engine


class SparseLinearModel(CallbackSupport, BaseEstimator):
    """What regressor and classifier share."""

    def _options(self, engine: Engine | None = None):
        """Checked parameters; without an engine it is not yet known what a device could do."""
        work = 0.0 if engine is None else getattr(engine, "device_work", None)
        return check_options(self.tol, self.max_iter, self.max_time, self.backend, work)

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
        # A fit sees from its own sums whether X is finite.
        return check_matrix("X", X, check_finite=not reset)

    def _solve(self, X, engine: Engine, alpha):
        start, before = None, getattr(self, "coef_", None)
        if self.warm_start and before is not None and np.size(before) == np.prod(engine.coef_shape):
            shape = engine.coef_shape
            start = (np.reshape(before, shape), np.reshape(self.intercept_, shape[:-1]))
        watch = self._watch(X, None, self.callback)
        result = engine.solve(alpha, self._options(engine), start, callback=watch, verbose=self.verbose)
        self.result_ = result
        self.dual_gap_ = result.solution.dual_gap
        self.support_identified_at_ = result.solution.support_identified_at
        self.n_iter_ = result.n_iter
        self.converged_ = result.converged
        return result.solution

    def _path(self, engine: Engine, alphas, n_alphas, ratio) -> PathSolution:
        return solve_path(engine, choose_alphas(engine, alphas, n_alphas, ratio), self._options(engine))

    def _linear(self, X):
        check_is_fitted(self)
        X = self._data(X, reset=False)
        return np.asarray(X @ self.coef_.T) + self.intercept_

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags


class BCDRegressor(RegressorMixin, SparseLinearModel):
    r"""Sparse linear regression with a certified duality gap.

    Minimises :math:`\frac{1}{\sum_i s_i} \sum_i s_i \ell(x_i'w + c, y_i) + \alpha \, \Omega(w)`, where :math:`\Omega`
    is one of the penalties below. Working sets, screening, coordinate descent and exact Newton steps take turns; the
    answer's duality gap is computed at the end from all columns.

    Parameters
    ----------
    loss : {"squared", "poisson"}, default="squared"
        "squared" is half the squared error; "poisson" has the logarithm of the mean as its linear prediction.
    penalty : {"l1", "elastic-net", "l2", "group", "none"}, default="l1"
        The sum of ``|w|``; of ``l1_ratio |w| + (1 - l1_ratio) w^2 / 2``; of ``w^2 / 2``; of the groups' Euclidean
        norms; nothing.
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
    partition, selection, update, block_size : default="auto"
        The rules of `block_coordinate_descent`, by its names. With all of them at "auto" the fast engine is used; else
        what is not given is "variable", "gsq", "matrix" ("prox-newton" for Poisson) and 10.
    tol : float, default=1e-10
        Largest duality gap, relative to the loss of the best constant prediction.
    max_iter : int, default=1000
        Largest number of working sets; with rules of your own, of blocks.
    max_time : float, optional
        Seconds after which no further working set begins.
    warm_start : bool, default=False
        Begin at the last fit's coefficients.
    random_state : None, int, numpy.random.Generator or RandomState
        For rules that choose at random.
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
        partition="auto",
        selection="auto",
        update="auto",
        block_size="auto",
        tol=1e-10,
        max_iter=1000,
        max_time=None,
        warm_start=False,
        random_state=None,
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
        self.partition = partition
        self.selection = selection
        self.update = update
        self.block_size = block_size
        self.tol = tol
        self.max_iter = max_iter
        self.max_time = max_time
        self.warm_start = warm_start
        self.random_state = random_state
        self.backend = backend
        self.verbose = verbose
        self.callback = callback

    @managed
    def fit(self, X, y=None, sample_weight=None):
        """Fit the model.

        Parameters
        ----------
        X : array or sparse matrix of shape (n_samples, n_features), or row blocks
            Fastest in Fortran order, or in compressed columns; other layouts are copied once. For data beyond memory,
            `sparsesolve.streams.row_blocks` of them; a path, a Zarr array or a Dask collection will do as it is. Blocks
            are for the squared loss with penalty "l1" or "elastic-net", and at most 10,000 features.
        y : array of shape (n_samples,)
            None where row blocks bring their targets.
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
        alpha = check_real("alpha", self.alpha, minimum=0)
        X, engine = self._prepared(X, y, sample_weight)
        self._fit(X, engine, alpha)
        engine.done()
        return self

    def path(self, X, y=None, *, alphas=None, n_alphas=100, ratio=1e-3, sample_weight=None) -> PathSolution:
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
        self._options()
        _, engine = self._prepared(X, y, sample_weight)
        found = self._path(engine, alphas, n_alphas, ratio)
        engine.done()
        return found

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

    def _prepared(self, X, y, sample_weight):
        """Checked data, and the engine that has them."""
        check_choice("loss", self.loss, ("squared", "poisson"))
        if is_stream(X):
            blocks = as_row_blocks(X, y, sample_weight)
            engine = block_engine(blocks, self)
            keep_features(self, blocks)
            return blocks, engine
        if y is None:
            raise ValueError("fit requires y to be passed, but the target y is None: give the targets.")
        X = self._data(X, reset=True)
        y = _targets(y, X.shape[0])
        LOSSES[self.loss].check_targets(y)
        return X, self._engine(X, y, check_weights("sample_weight", sample_weight, X.shape[0]))

    def _losses(self, z, y):
        """The loss of each sample, for predictions z."""
        return LOSSES[self.loss].value(z, y)

    def _engine(self, X, y, weights) -> Engine:
        rules, loss = rules_of(self), LOSSES[self.loss]
        if rules is not None:
            return RuleEngine(X, y, loss, self, weights, rules)
        return LinearEngine(X, y, loss, self, weights)

    def _fit(self, X, engine, alpha):
        solution = self._solve(X, engine, alpha)
        self.coef_, self.intercept_ = solution.coef, solution.intercept
        return self


def _has_probabilities(model) -> bool:
    if model.loss == "hinge":
        raise AttributeError("loss='hinge' has no probabilities: use loss='logistic', or decision_function.")
    return True


class BCDClassifier(ClassifierMixin, SparseLinearModel):
    r"""Sparse linear classification with a certified duality gap.

    Minimises :math:`\frac{1}{\sum_i s_i} \sum_i s_i \ell(x_i'w + c, y_i) + \alpha \, \Omega(w)`; alpha corresponds to
    1 / (C n_samples) of scikit-learn's `LogisticRegression` and `LinearSVC`.

    Parameters
    ----------
    loss : {"logistic", "multinomial", "hinge"}, default="logistic"
        "logistic" is ``log(1 + exp(-y z))`` with labels -1 and +1, and for more than two classes the same as
        "multinomial": minus the logarithm of the class's probability, which is in proportion to ``exp(z)``. "hinge" is
        the support vector machine's ``max(0, 1 - y z)``, of every class against the rest where there are more than
        two; it takes ``penalty="l2"``.
    penalty : {"l1", "elastic-net", "l2", "group", "none"}, default="l1"
        As in `BCDRegressor`. A group holds the coefficients of its features for all classes.
    alpha, l1_ratio, groups, group_weights, fit_intercept
        As in `BCDRegressor`.
    positive : bool, default=False
        Keep the coefficients at 0 or above; for two classes only.
    class_weight : dict or "balanced", optional
        Multiplies the samples' weights by one a class.
    partition, selection, update, block_size : default="auto"
        As in `BCDRegressor`, for the logistic loss of two classes.
    tol, max_iter, max_time, warm_start, random_state, backend, verbose, callback
        As in `BCDRegressor`.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
    coef_ : ndarray of shape (1, n_features) or (n_classes, n_features)
        One row for two classes, unless the loss is "multinomial".
    intercept_ : ndarray of shape (1,) or (n_classes,)
    dual_gap_, support_identified_at_, result_, n_iter_, converged_, n_features_in_, feature_names_in_
        As in `BCDRegressor`.

    See Also
    --------
    sparsesolve.BCDRegressor : The same for numbers.
    sparsesolve.BCDClassifierCV : With alpha chosen by cross-validation.

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
        loss="logistic",
        penalty="l1",
        alpha=1.0,
        l1_ratio=0.5,
        groups=None,
        group_weights=None,
        positive=False,
        fit_intercept=True,
        class_weight=None,
        partition="auto",
        selection="auto",
        update="auto",
        block_size="auto",
        tol=1e-10,
        max_iter=1000,
        max_time=None,
        warm_start=False,
        random_state=None,
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
        self.class_weight = class_weight
        self.partition = partition
        self.selection = selection
        self.update = update
        self.block_size = block_size
        self.tol = tol
        self.max_iter = max_iter
        self.max_time = max_time
        self.warm_start = warm_start
        self.random_state = random_state
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
            Labels of at least two classes.
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
        alpha = check_real("alpha", self.alpha, minimum=0)
        X, engine = self._prepared(X, y, sample_weight)
        return self._fit(X, engine, alpha)

    def path(self, X, y, *, alphas=None, n_alphas=100, ratio=1e-3, sample_weight=None) -> PathSolution:
        """Fit a whole path of penalties, each answer the start of the next.

        Parameters
        ----------
        X, y, sample_weight
            As in `fit`.
        alphas, n_alphas, ratio
            As in `BCDRegressor.path`.

        Returns
        -------
        PathSolution
            With one coefficient a feature for two classes, else one a class and feature.
        """
        self._options()
        _, engine = self._prepared(X, y, sample_weight)
        return self._path(engine, alphas, n_alphas, ratio)

    def decision_function(self, X):
        """How much speaks for each class, shape (n_samples, n_classes); for the second of two, (n_samples,)."""
        z = self._linear(X)
        if self.classes_.size > 2:
            return z
        return z[:, 1] - z[:, 0] if z.shape[1] == 2 else z[:, 0]

    @available_if(_has_probabilities)
    def predict_proba(self, X):
        """Probabilities of the classes, shape (n_samples, n_classes); not for the hinge loss, which has none."""
        z = self.decision_function(X)
        if z.ndim == 1:
            return np.stack([scipy.special.expit(-z), scipy.special.expit(z)], axis=1)
        return scipy.special.softmax(z, axis=1)

    def predict(self, X):
        """The most probable label of each sample, shape (n_samples,)."""
        z = self.decision_function(X)
        chosen = (z > 0.0).astype(int) if z.ndim == 1 else z.argmax(axis=1)
        return self.classes_[chosen]

    def _prepared(self, X, y, sample_weight):
        """Checked data, and the engine that has them."""
        check_choice("loss", self.loss, ("logistic", "multinomial", "hinge"))
        if y is None:
            raise ValueError("fit requires y to be passed, but the target y is None: give the labels.")
        X = self._data(X, reset=True)
        y = _labels(y, X.shape[0])
        self.classes_, codes = np.unique(y, return_inverse=True)
        if self.classes_.size < 2:
            raise ValueError(
                f"y holds one class only, {self.classes_[0]}: a classifier needs at least two classes."
            )
        weights = check_weights("sample_weight", sample_weight, X.shape[0])
        if self.class_weight is not None:
            by_class = compute_sample_weight(self.class_weight, y)
            weights = by_class if weights is None else weights * by_class
        return X, self._engine(X, codes, weights)

    def _losses(self, z, y):
        """The loss of each sample, for the linear predictions z of one class, or of all."""
        codes = np.searchsorted(self.classes_, y)
        if self.loss != "hinge" and z.ndim == 2:
            return scipy.special.logsumexp(z, axis=1) - z[np.arange(codes.size), codes]
        signs = (
            2.0 * codes - 1.0 if z.ndim == 1 else np.where(codes[:, None] == np.arange(z.shape[1]), 1.0, -1.0)
        )
        if self.loss == "logistic":
            return LOSSES["logistic"].value(z, signs)
        hinges = np.maximum(1.0 - signs * z, 0.0)
        return hinges if z.ndim == 1 else hinges.sum(axis=1)

    def _engine(self, X, codes, weights) -> Engine:
        n_classes, rules = self.classes_.size, rules_of(self)
        if rules is not None:
            if self.loss != "logistic" or n_classes > 2:
                raise ValueError(
                    "partition, selection, update and block_size are for loss='logistic' and two classes here: leave "
                    "them at 'auto', or use sparsesolve.block_coordinate_descent with Multinomial or SVMDual."
                )
            return RuleEngine(X, 2.0 * codes - 1.0, LOSSES["logistic"], self, weights, rules)
        if self.loss == "hinge":
            return HingeEngine(X, codes, n_classes, self, weights)
        if self.loss == "multinomial" or n_classes > 2:
            return MultinomialEngine(X, codes, n_classes, self, weights)
        return LinearEngine(X, 2.0 * codes - 1.0, LOSSES["logistic"], self, weights)

    def _fit(self, X, engine, alpha):
        solution = self._solve(X, engine, alpha)
        self.coef_, self.intercept_ = np.atleast_2d(solution.coef), np.atleast_1d(solution.intercept)
        return self


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
