"""`GraphLabelPropagation`: the estimator of label propagation on graphs."""

from __future__ import annotations

import warnings
from typing import NamedTuple

import numpy as np
import scipy.sparse
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.metrics import r2_score
from sklearn.neighbors import NearestNeighbors
from sklearn.utils.metaestimators import available_if
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_consistent_length, check_is_fitted, column_or_1d, validate_data

from ..callbacks import CallbackSupport, managed
from ..validation import check_choice, check_count
from .labels.propagation import check_options, pose, solve, undetermined_message

_TASKS = ("auto", "classification", "regression")
_WEIGHTS = ("uniform", "gaussian")
_UNLABELLED = -1


class _Targets(NamedTuple):
    """What y says: which nodes are labelled, the columns to solve for, and the classes, None for regression."""

    labelled: np.ndarray
    columns: np.ndarray
    classes: np.ndarray | None


def _classifies(model) -> bool:
    """Whether a model gives classes, as far as is known."""
    if model.task == "auto" and hasattr(model, "result_"):
        return hasattr(model, "classes_")
    return model.task != "regression"


class GraphLabelPropagation(CallbackSupport, ClassifierMixin, BaseEstimator):
    """Labels or numbers for all nodes of a graph, from those of a few: each value is the mean of its neighbours'.

    Minimises ``1/2 sum_{i<j} w_ij (v_i - v_j)^2`` over the values v of unlabelled nodes, to a certified residual. For
    classes v is the distribution over classes: the share of random walks that meet a label of a class first.

    Parameters
    ----------
    metric : str or callable, default="euclidean"
        "precomputed": X holds the weights of the edges, symmetric, at least 0, dense or sparse. Else X holds points,
        and this is a metric of `sklearn.neighbors.NearestNeighbors`.
    n_neighbors : int, default=7
        An edge joins two points where one is among so many nearest neighbours of the other. All others are
        neighbours where there are fewer.
    weights : {"uniform", "gaussian"}, default="uniform"
        Weights between points: 1, or ``exp(-d_ij^2 / (s_i s_j))``, where s is the distance to a point's last neighbour
        (Zelnik-Manor and Perona 2004).
    task : {"auto", "classification", "regression"}, default="auto"
        "auto" is regression where y has NaN.
    lower, upper : float, optional
        For regression: bounds of the values of unlabelled nodes.
    tol : float, default=1e-10
        Largest relative residual; see `label_propagation`.
    max_iter : int, default=100000
        Largest number of steps.
    max_time : float, optional
        Seconds after which no further step begins.
    backend : {"auto", "numba", "opencl"}, default="auto"
    verbose : bool, default=False
        Log each step on the logger "sparsesolve".
    callback : callable, optional
        Called with each step's iterate; a true value stops the fit.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        For classification.
    label_distributions_ : ndarray of shape (n_nodes, n_classes)
        For classification.
    transduction_ : ndarray of shape (n_nodes,)
        For classification: the class of each node; labelled ones keep theirs.
    values_ : ndarray of shape (n_nodes,)
        For regression.
    graph_ : csr_array of shape (n_nodes, n_nodes)
        The weights.
    undetermined_ : ndarray of int
        Nodes without a path to a label; they have the mean of all labels, for classes their shares.
    result_ : Result
        For two classes, of the second one's column alone.
    n_iter_ : int
    converged_ : bool
    n_features_in_ : int

    See Also
    --------
    sparsesolve.coordinate.label_propagation : The same as a function.

    References
    ----------
    Zhu, Ghahramani and Lafferty, "Semi-supervised learning using Gaussian fields and harmonic functions", ICML 2003.

    Examples
    --------
    >>> import numpy as np
    >>> from sparsesolve import GraphLabelPropagation
    >>> from sparsesolve.datasets import make_two_moons_graph
    >>> moons = make_two_moons_graph(500, noise=0.1, random_state=0)
    >>> y = np.full(500, -1)
    >>> y[moons.labelled] = moons.classes[moons.labelled]
    >>> model = GraphLabelPropagation(n_neighbors=5).fit(moons.points, y)
    >>> bool((model.transduction_ == moons.classes).mean() > 0.95), model.converged_
    (True, True)
    """

    def __init__(
        self,
        *,
        metric="euclidean",
        n_neighbors=7,
        weights="uniform",
        task="auto",
        lower=None,
        upper=None,
        tol=1e-10,
        max_iter=100_000,
        max_time=None,
        backend="auto",
        verbose=False,
        callback=None,
    ):
        self.metric = metric
        self.n_neighbors = n_neighbors
        self.weights = weights
        self.task = task
        self.lower = lower
        self.upper = upper
        self.tol = tol
        self.max_iter = max_iter
        self.max_time = max_time
        self.backend = backend
        self.verbose = verbose
        self.callback = callback

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.input_tags.pairwise = self.metric == "precomputed"
        return tags

    @managed
    def fit(self, X, y):
        """Find the values of unlabelled nodes.

        Parameters
        ----------
        X : array or scipy sparse array of shape (n_nodes, n_features), or (n_nodes, n_nodes) for "precomputed"
        y : array of shape (n_nodes,)
            Numbers, with NaN where there is no label; or classes, with -1 where there is none. Two cases in which -1
            is a class: y holds -1 and 1 alone; y holds None, or NaN with task="classification", which are the marks
            then.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            For bad data or parameters; the message names the argument, its value and the mend.
        """
        options = check_options(self.tol, self.max_iter, self.max_time, self.backend)
        check_choice("task", self.task, _TASKS)
        check_choice("weights", self.weights, _WEIGHTS)
        n_neighbors = check_count("n_neighbors", self.n_neighbors)
        X = validate_data(self, X, accept_sparse="csr", dtype=np.float64, ensure_min_samples=2)
        targets = self._targets(y, X.shape[0])
        graph = self._graph(X, n_neighbors)
        posed = pose(graph, targets.labelled, targets.columns, self.lower, self.upper)
        result = solve(posed, options, self._watch(X, y, self.callback), self.verbose)
        lost = result.solution.undetermined
        if lost.size:
            warnings.warn(undetermined_message(lost), UserWarning, stacklevel=3)
        self.graph_, self.undetermined_, self.result_ = graph, lost, result
        self.n_iter_, self.converged_ = result.n_iter, result.converged
        self._keep(targets, result.solution.values)
        return self

    def predict(self, X):
        """Classes, or numbers, of new nodes, from the mean of their neighbours' values.

        Parameters
        ----------
        X : array of shape (n, n_features), or weights of shape (n, n_nodes) for "precomputed"
            A point that was in the fit gets the value that it had there.

        Returns
        -------
        ndarray of shape (n,)
        """
        values = self._extend(X)
        return self.classes_[values.argmax(axis=1)] if hasattr(self, "classes_") else values[:, 0]

    @available_if(_classifies)
    def predict_proba(self, X):
        """Distributions over the classes of new nodes, of shape (n, n_classes); see `predict`."""
        return self._extend(X)

    def score(self, X, y, sample_weight=None):
        """The share of right classes, or R^2 of numbers."""
        if hasattr(self, "values_"):
            return r2_score(y, self.predict(X), sample_weight=sample_weight)
        return super().score(X, y, sample_weight)

    def _targets(self, y, n):
        if y is None:
            raise ValueError(
                f"This {type(self).__name__} estimator requires y to be passed, but the target y is None."
            )
        y = column_or_1d(y, warn=True)
        if y.shape[0] != n:
            check_consistent_length(np.empty(n), y)
        is_float = y.dtype.kind == "f"
        if is_float and np.isinf(y).any():
            raise ValueError(
                "Input y contains infinity or a value too large: correct it, or mark it as unlabelled."
            )
        if self.task == "regression" or (self.task == "auto" and is_float and np.isnan(y).any()):
            y = y.astype(np.float64)
            labelled = ~np.isnan(y)
            _demand_labels(labelled, "NaN marks nodes without")
            return _Targets(labelled, y[labelled], None)
        if self.lower is not None or self.upper is not None:
            raise ValueError(
                f"lower={self.lower!r} and upper={self.upper!r} bound numbers, not classes: leave them out, or use "
                "task='regression'."
            )
        labelled = _labelled_classes(y)
        _demand_labels(labelled, "-1 marks nodes without")
        check_classification_targets(y[labelled])
        classes, codes = np.unique(y[labelled], return_inverse=True)
        if classes.size == 2:
            return _Targets(labelled, codes.astype(np.float64), classes)
        return _Targets(labelled, np.eye(classes.size)[codes], classes)

    def _keep(self, targets, values):
        for name in ("classes_", "label_distributions_", "transduction_", "values_"):
            if hasattr(self, name):
                delattr(self, name)
        if targets.classes is None:
            self.values_ = values
            return
        shares = np.stack([1.0 - values, values], axis=1) if values.ndim == 1 else values
        shares = np.clip(shares, 0.0, 1.0)
        self.classes_ = targets.classes
        self.label_distributions_ = shares / shares.sum(axis=1, keepdims=True)
        self.transduction_ = self.classes_[self.label_distributions_.argmax(axis=1)]

    def _graph(self, X, n_neighbors):
        if self.metric == "precomputed":
            return scipy.sparse.csr_array(X)
        n = X.shape[0]
        self._neighbors = NearestNeighbors(n_neighbors=min(n_neighbors, n - 1), metric=self.metric).fit(X)
        distances, near = self._neighbors.kneighbors()
        self._scales = distances[:, -1]
        weights = self._edge_weights(distances, self._scales, near)
        starts = np.arange(0, near.size + 1, near.shape[1])
        directed = scipy.sparse.csr_array((weights.ravel(), near.ravel(), starts), shape=(n, n))
        return directed.maximum(directed.T).tocsr()

    def _edge_weights(self, distances, scales, near):
        """Weights of edges to near points, by their distances, and the scales of the points that they start from."""
        if self.weights == "uniform":
            return np.ones_like(distances)
        product = scales[:, None] * self._scales[near]
        exponent = np.divide(distances**2, product, out=np.full_like(distances, np.inf), where=product > 0)
        return np.exp(-np.where(distances == 0.0, 0.0, exponent))

    def _extend(self, X):
        """The means of the neighbours' values, of shape (n, n_columns)."""
        check_is_fitted(self)
        X = validate_data(self, X, accept_sparse="csr", dtype=np.float64, reset=False)
        known = self.label_distributions_ if hasattr(self, "classes_") else self.values_[:, None]
        if self.metric == "precomputed":
            total = np.asarray(X.sum(axis=1), dtype=np.float64).reshape(-1, 1)
            if total.min() <= 0.0:
                row = int(total.argmin())
                raise ValueError(
                    f"X[{row}] has no positive weight: a new node needs an edge to one of the fit."
                )
            return (X @ known) / total
        distances, near = self._neighbors.kneighbors(X)
        weights = self._edge_weights(distances, distances[:, -1], near)
        weights[weights.sum(axis=1) == 0.0] = 1.0
        same = distances == 0.0
        is_old = same.any(axis=1)
        weights[is_old] = same[is_old]
        weights /= weights.sum(axis=1, keepdims=True)
        return np.einsum("ij,ijk->ik", weights, known[near])


def _labelled_classes(y):
    """Which entries are classes: not None and NaN, or not -1 where there is neither of them."""
    if y.dtype.kind in "US":
        return np.ones(y.shape, np.bool_)
    missing = np.array([value is None or value != value for value in y.tolist()], np.bool_)
    if missing.any():
        return ~missing
    is_mark = y == _UNLABELLED
    # With -1 and 1 alone both are classes, as everywhere else: one class would leave nothing to find.
    is_one = y == 1
    return is_mark | is_one if is_one.any() and (is_mark | is_one).all() else ~is_mark


def _demand_labels(labelled, mark):
    if not labelled.any():
        raise ValueError(f"y labels no node: {mark} a label, and at least one needs one.")
