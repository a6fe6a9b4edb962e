"""`BCDRegressorCV` and `BCDClassifierCV`: the penalty's strength by cross-validation over a path."""

from __future__ import annotations

import numpy as np
from joblib import Parallel, delayed
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin, clone
from sklearn.model_selection import check_cv
from sklearn.utils import get_tags
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted, column_or_1d

from ..streams.sources import is_stream
from ..validation import check_weights
from .engines import PathSolution, choose_alphas, solve_path
from .estimator import BCDClassifier, BCDRegressor

#: What a fitted model takes over from the one that was fitted to all data.
_TAKEN_OVER = (
    "coef_", "intercept_", "dual_gap_", "support_identified_at_", "result_", "n_iter_", "converged_",
    "n_features_in_", "feature_names_in_", "classes_",
)  # fmt: skip


class _AlphaByCrossValidation(BaseEstimator):
    """What both classes share: paths over the folds, the mean loss on what was held out, and a fit to all data."""

    _template: type
    _is_classifier = False

    def __init__(
        self,
        estimator=None,
        *,
        alphas=None,
        n_alphas=100,
        ratio=1e-3,
        cv=None,
        one_standard_error=False,
        n_jobs=None,
    ):
        self.estimator = estimator
        self.alphas = alphas
        self.n_alphas = n_alphas
        self.ratio = ratio
        self.cv = cv
        self.one_standard_error = one_standard_error
        self.n_jobs = n_jobs

    def fit(self, X, y, sample_weight=None):
        """Choose alpha, then fit to all data.

        Parameters
        ----------
        X : array or sparse matrix of shape (n_samples, n_features)
        y : array of shape (n_samples,)
        sample_weight : float or array of shape (n_samples,), optional
            At least 0; counts in the fits and in the held-out losses.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            For bad data or parameters; the message names the argument, its value and the mend.
        """
        if is_stream(X):
            raise ValueError(
                "X comes in row blocks, whose rows are not drawn into folds: hold some rows out, and compare the "
                "answers of BCDRegressor().path(blocks) on these."
            )
        model = self._model()
        checked, engine = model._prepared(X, y, sample_weight)
        y = column_or_1d(y)
        alphas = choose_alphas(engine, self.alphas, self.n_alphas, self.ratio)
        weights = check_weights("sample_weight", sample_weight, checked.shape[0])
        weights = np.ones(checked.shape[0]) if weights is None else weights
        rows = checked.tocsr() if hasattr(checked, "tocsr") else checked
        folds = check_cv(self.cv, y, classifier=self._is_classifier).split(rows, y)
        # Kernels let go of the interpreter lock: threads share the data.
        found = Parallel(n_jobs=self.n_jobs, prefer="threads")(
            delayed(_held_out_losses)(clone(model), rows, y, weights, train, test, alphas)
            for train, test in folds
        )
        self.alphas_, self.losses_ = alphas, np.stack(found, axis=1)
        self.alpha_ = float(alphas[self._best(self.losses_)])
        self.estimator_ = model.set_params(alpha=self.alpha_).fit(X, y, sample_weight=sample_weight)
        for name in _TAKEN_OVER:
            if hasattr(self.estimator_, name):
                setattr(self, name, getattr(self.estimator_, name))
        return self

    def _model(self):
        """A copy of the given estimator, or a new one."""
        if self.estimator is None:
            return self._template()
        if not isinstance(self.estimator, self._template):
            raise ValueError(
                f"estimator={self.estimator!r} must be a {self._template.__name__}, or None for its defaults."
            )
        return clone(self.estimator)

    def _best(self, losses) -> int:
        """The alpha of the least mean loss; or the largest whose mean is within one standard error of that."""
        means = losses.mean(axis=1)
        best = int(means.argmin())
        if not self.one_standard_error:
            return best
        error = losses[best].std(ddof=1) / np.sqrt(losses.shape[1])
        return int(np.flatnonzero(means <= means[best] + error)[0])

    def path(self, X, y, *, sample_weight=None) -> PathSolution:
        """The path over `alphas_` (those of `fit`, or those that it would take) on all of the given data."""
        model = self._model()
        _, engine = model._prepared(X, y, sample_weight)
        alphas = getattr(self, "alphas_", None)
        if alphas is None:
            alphas = choose_alphas(engine, self.alphas, self.n_alphas, self.ratio)
        return solve_path(engine, alphas, model._options(engine))

    def predict(self, X):
        """Predict with the model that was fitted to all data."""
        check_is_fitted(self)
        return self.estimator_.predict(X)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        inner = get_tags(self._template() if self.estimator is None else self.estimator)
        tags.input_tags.sparse = inner.input_tags.sparse
        tags.target_tags.positive_only = inner.target_tags.positive_only
        return tags


class BCDRegressorCV(RegressorMixin, _AlphaByCrossValidation):
    """`BCDRegressor` with alpha chosen by cross-validation.

    Every fold solves a whole path of alphas, each answer the start of the next; the alpha of the least mean loss on
    what was held out is taken, and the model is fitted to all data.

    Parameters
    ----------
    estimator : BCDRegressor, optional
        Says loss, penalty and all else; its alpha is not used. A copy is fitted.
    alphas : array of shape (n_alphas,), optional
        Made from the next two unless given: from the least alpha without any feature, down to `ratio` times it.
    n_alphas : int, default=100
    ratio : float, default=1e-3
    cv : int, splitter or iterable, optional
        As in scikit-learn; five folds unless given.
    one_standard_error : bool, default=False
        Take the largest alpha whose mean loss is within one standard error of the least: a simpler model.
    n_jobs : int, optional
        Folds fitted side by side, in threads.

    Attributes
    ----------
    alpha_ : float
    alphas_ : ndarray of shape (n_alphas,)
        In descending order.
    losses_ : ndarray of shape (n_alphas, n_folds)
        Mean losses on what was held out: half the squared error, or the Poisson loss.
    estimator_ : BCDRegressor
        Fitted to all data.
    coef_, intercept_, dual_gap_, support_identified_at_, result_, n_iter_, converged_, n_features_in_,
    feature_names_in_
        Those of `estimator_`.

    See Also
    --------
    sparsesolve.BCDRegressor : One alpha, or a path.

    Examples
    --------
    >>> import numpy as np
    >>> from sparsesolve import BCDRegressorCV
    >>> rng = np.random.default_rng(0)
    >>> X = rng.standard_normal((100, 300))
    >>> y = X[:, :3] @ [3.0, -2.0, 1.0] + 0.5 * rng.standard_normal(100)
    >>> model = BCDRegressorCV(cv=3, one_standard_error=True).fit(X, y)
    >>> np.flatnonzero(np.abs(model.coef_) > 0.1), model.converged_
    (array([0, 1, 2]), True)
    """

    _template = BCDRegressor


class BCDClassifierCV(ClassifierMixin, _AlphaByCrossValidation):
    """`BCDClassifier` with alpha chosen by cross-validation.

    Parameters
    ----------
    estimator : BCDClassifier, optional
        Says loss, penalty and all else; its alpha is not used. A copy is fitted.
    alphas, n_alphas, ratio, cv, one_standard_error, n_jobs
        As in `BCDRegressorCV`; folds are stratified.

    Attributes
    ----------
    alpha_, alphas_, estimator_
        As in `BCDRegressorCV`.
    losses_ : ndarray of shape (n_alphas, n_folds)
        Mean losses on what was held out: minus the logarithm of the true class's probability, or the hinge loss.
    classes_, coef_, intercept_, dual_gap_, support_identified_at_, result_, n_iter_, converged_, n_features_in_,
    feature_names_in_
        Those of `estimator_`.

    See Also
    --------
    sparsesolve.BCDClassifier : One alpha, or a path.

    Examples
    --------
    >>> import numpy as np
    >>> from sparsesolve import BCDClassifierCV
    >>> rng = np.random.default_rng(0)
    >>> X = rng.standard_normal((200, 100))
    >>> y = np.where(X[:, 0] - X[:, 1] + 0.5 * rng.standard_normal(200) > 0, "yes", "no")
    >>> model = BCDClassifierCV(cv=3, n_alphas=20, ratio=0.01).fit(X, y)
    >>> bool(model.score(X, y) > 0.9), model.converged_
    (True, True)
    """

    _template = BCDClassifier
    _is_classifier = True

    def decision_function(self, X):
        """How much speaks for each class; see `BCDClassifier.decision_function`."""
        check_is_fitted(self)
        return self.estimator_.decision_function(X)

    @available_if(lambda self: self.estimator is None or self.estimator.loss != "hinge")
    def predict_proba(self, X):
        """Probabilities of the classes, shape (n_samples, n_classes); not for the hinge loss, which has none."""
        check_is_fitted(self)
        return self.estimator_.predict_proba(X)


def _held_out_losses(model, X, y, weights, train, test, alphas):
    """Mean loss on the test part at every alpha."""
    _, engine = model._prepared(X[train], y[train], weights[train])
    path = solve_path(engine, alphas, model._options(engine))
    losses = [
        model._losses(X[test] @ path.coefs[..., k].T + path.intercepts[..., k], y[test])
        for k in range(alphas.size)
    ]
    return np.array([np.average(values, weights=weights[test]) for values in losses])
