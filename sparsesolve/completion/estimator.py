"""`MatrixCompletion`: a matrix of low rank from some of its entries."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.sparse
from sklearn.base import BaseEstimator, OneToOneFeatureMixin, TransformerMixin
from sklearn.utils.validation import check_is_fitted, validate_data

from ..callbacks import CallbackSupport, managed
from ..streams import EntryBlocks
from .completed import Biases, Completed
from .factors import Factors
from .folding import fold_in, fold_in_positive, variances
from .observations import Observations
from .options import check_observations, check_options
from .solver import solve

#: Parameters that steer a fit rather than pose a problem.
_STEERING = ("random_state", "callback", "verbose")


class MatrixCompletion(CallbackSupport, OneToOneFeatureMixin, TransformerMixin, BaseEstimator):
    r"""Completes a matrix of low rank by robust alternating minimization, with a certificate.

    Minimises :math:`\sum_{(i,j) \in \Omega} w_{ij} (\mu + r_i + c_j + a_i'b_j - M_{ij})^2 + \alpha (\sum_i d_i |a_i|^2
    + \sum_j d_j |b_j|^2)`, where the biases are there if asked for.

    Parameters
    ----------
    rank : int or "auto", default=10
        Columns of both factors, at most the smaller side of the matrix. "auto" takes the least rank of nearly the
        smallest error on entries held out.
    alpha : float, default=0.0
        Ridge, in units of the entries. Without it a matrix that can be fitted exactly is looked for with more effort.
    scale_alpha : bool, default=False
        Whether d is the number of entries of the row or column; else it is 1.
    inner : {"auto", "cholesky", "cg", "sketch"}, default="auto"
        How each row's regression is solved: exactly; by a few steps of whitened conjugate gradients; by the paper's
        sketch of each row; or by what is faster of the first two.
    loss : {"squared", "huber"}, default="squared"
        "huber" resists gross outliers.
    bias : bool, default=False
        Fit a mean, row and column effects with the factors.
    positive : bool, default=False
        Whether the factors have no negative entries.
    missing_weight : float, default=0.0
        Weight of the entries that were not observed, taken as zero; below the weights of those that were. Above 0 it
        makes implicit feedback: fit ones where something was bought or seen, with weights that say how often.
    sample_splits : int, default=0
        Above 0: the paper's scheme for the proof, so many sweeps in which each half has entries of its own.
    validation_fraction : float, default=0.0
        Share of the entries that is held out, for the error on them in the trace and the certificate. A tenth where a
        rank is to be chosen; then the fit with the rank chosen uses all entries.
    tol : float, default=1e-8
        Largest certificate, the scaled norm of the gradient; see `complete`.
    max_iter : int, default=1000
        Largest number of sweeps and steps.
    max_time : float, optional
        Seconds after which no further one begins.
    random_state : None, int, numpy.random.Generator or RandomState
    backend : {"auto", "numba", "opencl"}, default="auto"
    verbose : bool, default=False
        Log each sweep on the logger "sparsesolve".
    callback : callable, optional
        Called with each sweep's iterate; a true value stops the fit, which keeps the best one.

    Attributes
    ----------
    row_factors_ : ndarray of shape (m, rank)
        The paper's A.
    column_factors_ : ndarray of shape (n, rank)
        The paper's B.
    bias_ : Biases or None
        Mean, and the effects of rows and columns.
    rmse_ : float
        Root of the mean squared error at the observed entries.
    noise_scale_ : float
        The same with the degrees of freedom taken off: an estimate of an entry's standard deviation.
    gradient_norm_ : float
        The certificate.
    rank_ : int
        Columns of the factors: `rank`, or the one that was chosen.
    rank_errors_ : dict of int to float
        Held-out error of each rank that was tried; empty where none was to be chosen.
    held_out_error_ : float
        Root mean squared error at the entries held out; NaN if there were none.
    undetermined_rows_, undetermined_columns_ : ndarray of int
        Those with fewer entries than the rank.
    result_ : Result
    n_iter_ : int
    converged_ : bool
    n_features_in_ : int
    feature_names_in_ : ndarray of str
        Where X has string column names.

    See Also
    --------
    sparsesolve.complete : The same as a function.

    References
    ----------
    Gu, Song, Yin and Zhang, "Low rank matrix completion via robust alternating minimization in nearly linear time",
    ICLR 2024.

    Examples
    --------
    >>> import numpy as np
    >>> from sparsesolve import MatrixCompletion
    >>> rng = np.random.default_rng(0)
    >>> truth = rng.standard_normal((60, 2)) @ rng.standard_normal((2, 50))
    >>> M = np.where(rng.random(truth.shape) < 0.3, truth, np.nan)
    >>> model = MatrixCompletion(rank=2, random_state=0).fit(M)
    >>> bool(np.abs(model.predict([(0, 1), (5, 7)]) - truth[[0, 5], [1, 7]]).max() < 1e-6)
    True
    """

    def __init__(
        self,
        rank=10,
        *,
        alpha=0.0,
        scale_alpha=False,
        inner="auto",
        loss="squared",
        bias=False,
        positive=False,
        missing_weight=0.0,
        sample_splits=0,
        validation_fraction=0.0,
        tol=1e-8,
        max_iter=1000,
        max_time=None,
        random_state=None,
        backend="auto",
        verbose=False,
        callback=None,
    ):
        self.rank = rank
        self.alpha = alpha
        self.scale_alpha = scale_alpha
        self.inner = inner
        self.loss = loss
        self.bias = bias
        self.positive = positive
        self.missing_weight = missing_weight
        self.sample_splits = sample_splits
        self.validation_fraction = validation_fraction
        self.tol = tol
        self.max_iter = max_iter
        self.max_time = max_time
        self.random_state = random_state
        self.backend = backend
        self.verbose = verbose
        self.callback = callback

    @managed
    def fit(self, X, y=None, weights=None):
        """Complete a matrix.

        Parameters
        ----------
        X : array with NaN, or sparse matrix, of shape (m, n)
            What a sparse matrix stores is observed, zeros too; of a dense one all that is not NaN. For entries beyond
            memory or one machine, `sparsesolve.streams.entry_blocks` of them.
        y : ignored
        weights : matrix like X, optional
            Weights of the observed entries, at least 0.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            For bad data or parameters; the message names the argument, its value and the mend.
        """
        return self._fit(X, self._observed(X, weights, reset=True))

    @managed
    def partial_fit(self, X, y=None, weights=None, axis=0):
        """Go on with new rows or columns: sweeps over all entries seen so far, from the factors that are there.

        The first call is a fit. The entries of all calls are kept, so that the answer is that of a fit of all of them,
        from a near start.

        Parameters
        ----------
        X : array with NaN, or sparse matrix, of shape (r, n), or (m, r) for columns
            The new rows, below those that were there; or columns to the right of them.
        y : ignored
        weights : matrix like X, optional
        axis : {0, 1}, default=0
            0 for new rows, 1 for new columns.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            For another axis, another number of columns (rows, for new columns), and what `fit` refuses.
        """
        if axis not in (0, 1):
            raise ValueError(f"axis={axis!r} must be 0, for new rows, or 1, for new columns.")
        if not hasattr(self, "row_factors_"):
            return self._fit(X, self._observed(X, weights, reset=True))
        self._require_entries("partial_fit", self._seen)
        new = self._observed(X, weights, reset=False) if axis == 0 else self._new_columns(X, weights)
        seen = self._seen.transposed if axis else self._seen
        found = self._completed().transposed if axis else self._completed()
        (_, others), biases, _ = found
        ridge = self.alpha, self.scale_alpha, self.missing_weight
        factors, effects = fold_in(new, others, biases, *ridge)
        if self.positive:
            factors = fold_in_positive(new, others, *ridge)
        longer, grown = seen.stacked(new), found.with_rows(factors, effects)
        if axis:
            longer, grown = longer.transposed, grown.transposed
        self.n_features_in_ = longer.shape[1]
        return self._fit(X, longer, grown)

    def _fit(self, X, observations: Observations, start: Completed | None = None):
        params = self.get_params(deep=False)
        options = check_options(
            observations, **{name: value for name, value in params.items() if name not in _STEERING}
        )
        result, trained = solve(
            observations,
            options,
            self.random_state,
            self._watch(X, None, self.callback),
            self.verbose,
            start if start is None or options.rank == start.factors.row_factors.shape[1] else None,
        )
        solution = result.solution
        self.result_ = result
        self.row_factors_, self.column_factors_ = solution.row_factors, solution.column_factors
        self.bias_ = solution.bias
        self.rank_, self.rank_errors_ = self.row_factors_.shape[1], solution.rank_errors
        self.rmse_, self.noise_scale_ = float(solution.rmse), float(solution.noise_scale)
        self.gradient_norm_ = result.certificate["gradient_norm"]
        self.held_out_error_ = result.certificate.get("held_out_error", float("nan"))
        self.undetermined_rows_ = solution.undetermined_rows
        self.undetermined_columns_ = solution.undetermined_columns
        self.n_iter_, self.converged_ = result.n_iter, result.converged
        # Entries in partitions are gone with the fit.
        at_hand = trained.at_hand
        self._seen: Any = observations if at_hand else None
        self._observations: Any = trained if at_hand else None
        # What the columns' factors were estimated from: folded rows do not change it.
        self._trained = (trained.columns, self._with_ones(self.row_factors_)) if at_hand else None
        return self

    def _require_entries(self, what: str, entries) -> None:
        """Raise the error that says what a model of partitions does not do."""
        if entries is None:
            raise ValueError(
                f"{what} needs the entries of the fit, which were in partitions and are not kept: fit a matrix in "
                "memory for it, as of a sample of the rows by fold_in."
            )

    def _new_columns(self, X, weights) -> Observations:
        """New columns, as rows of the transposed matrix."""
        new = check_observations(X, weights, may_be_empty=True)
        if new.shape[0] != self._seen.shape[0]:
            raise ValueError(
                f"X has {new.shape[0]} rows, but the model has {self._seen.shape[0]}: give the new columns one entry, "
                "or none, for each of these."
            )
        return new.transposed

    def _completed(self) -> Completed:
        return Completed(Factors(self.row_factors_, self.column_factors_), self.bias_)

    def fit_transform(self, X, y=None, weights=None):
        """Complete a matrix, and return it with its gaps filled; observed entries stay as they are.

        Returns
        -------
        ndarray of shape (m, n)
        """
        self.fit(X, y, weights)
        self._require_entries("fit_transform", self._seen)
        return _filled(self._seen, self._everything(self.row_factors_, self._effects()))

    def transform(self, X):
        """Fill the gaps of rows, new ones or those of the fit, on the fitted column factors.

        Parameters
        ----------
        X : array with NaN, or sparse matrix, of shape (r, n)

        Returns
        -------
        ndarray of shape (r, n)
        """
        observations = self._observed(X, None, reset=False)
        factors, effects = self._folded(observations)
        return _filled(observations, self._everything(factors, effects))

    def fold_in(self, X, weights=None):
        """Factors of new rows, given some of their entries; the columns' factors stay.

        Parameters
        ----------
        X : array with NaN, or sparse matrix, of shape (r, n)
        weights : matrix like X, optional

        Returns
        -------
        MatrixCompletion
            A fitted model of these rows: its `predict` counts them from 0.
        """
        observations = self._observed(X, weights, reset=False)
        factors, effects = self._folded(observations)
        model = type(self)(**self.get_params(deep=False))
        model.__dict__.update({name: value for name, value in self.__dict__.items() if name.endswith("_")})
        model.row_factors_, model._observations = factors, observations
        model.undetermined_rows_ = np.flatnonzero(observations.rows.counts < factors.shape[1])
        model._trained = self._trained
        if self.bias_ is not None:
            model.bias_ = Biases(self.bias_.mean, effects, self.bias_.columns)
        return model

    def predict(self, pairs, return_std=False):
        """Predict entries.

        Parameters
        ----------
        pairs : array of int, shape (n_pairs, 2)
            Row and column numbers.
        return_std : bool, default=False
            Also return each prediction's standard error: what the estimation of the row's and of the column's factors
            leaves open, to first order, without the entry's own noise, `noise_scale_`. Infinite where a row or column
            has too few entries to say. Not for implicit feedback, which has no model of the noise, nor for positive
            factors.

        Returns
        -------
        values : ndarray of shape (n_pairs,)
        std : ndarray of shape (n_pairs,)
            If asked for.
        """
        check_is_fitted(self)
        rows, columns = _check_pairs(pairs, (len(self.row_factors_), len(self.column_factors_)))
        values = np.einsum("pk,pk->p", self.row_factors_[rows], self.column_factors_[columns])
        if self.bias_ is not None:
            values += self.bias_.mean + self.bias_.rows[rows] + self.bias_.columns[columns]
        if not return_std:
            return values
        if self.missing_weight > 0.0 or self.positive:
            raise ValueError(
                "return_std=True needs missing_weight=0 and positive=False: there is no theory of errors for these."
            )
        self._require_entries("return_std=True", self._trained)
        A, B = self._with_ones(self.row_factors_), self._with_ones(self.column_factors_)
        ridge = (self.alpha, self.scale_alpha)
        columns_side, design = self._trained
        total = variances(self._observations.rows, B, B[columns], rows, *ridge)
        total += variances(columns_side, design, A[rows], columns, *ridge)
        return values, self.noise_scale_ * np.sqrt(total)

    def _with_ones(self, factors):
        """An effect is a factor on ones."""
        return factors if self.bias_ is None else np.column_stack([factors, np.ones(len(factors))])

    def _observed(self, X, weights, reset):
        if isinstance(X, EntryBlocks):
            if not reset:
                raise ValueError("X is entry blocks: only fit takes them; give new rows as a matrix.")
            observations = check_observations(X, weights)
            self.n_features_in_ = observations.shape[1]
            self.__dict__.pop("feature_names_in_", None)
            return observations
        X = validate_data(
            self, X, reset=reset, accept_sparse=("csr", "csc", "coo"), dtype=None, ensure_all_finite=False
        )
        return check_observations(X, weights, may_be_empty=not reset)

    def _folded(self, observations):
        check_is_fitted(self)
        ridge = self.alpha, self.scale_alpha, self.missing_weight
        if not self.positive:
            return fold_in(observations, self.column_factors_, self.bias_, *ridge)
        return fold_in_positive(observations, self.column_factors_, *ridge), np.zeros(observations.shape[0])

    def _effects(self):
        return np.zeros(len(self.row_factors_)) if self.bias_ is None else self.bias_.rows

    def _everything(self, factors, effects):
        values = factors @ self.column_factors_.T
        if self.bias_ is not None:
            values += self.bias_.mean + effects[:, None] + self.bias_.columns
        return values

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.input_tags.allow_nan = True
        return tags


def _filled(observations, values):
    """Predictions with the observed entries put back."""
    side = observations.rows
    seen = scipy.sparse.csr_array(
        (side.values, side.others.astype(np.int64), side.starts.astype(np.int64)), shape=observations.shape
    ).tocoo()
    values[seen.row, seen.col] = seen.data
    return values


def _check_pairs(pairs, shape):
    pairs = np.asarray(pairs)
    if pairs.ndim != 2 or pairs.shape[1] != 2 or pairs.dtype.kind not in "iu":
        raise ValueError(
            f"pairs has shape {pairs.shape} and dtype {pairs.dtype}: it needs two whole numbers a line, row and column."
        )
    for numbers, size, name in zip(pairs.T, shape, ("row", "column"), strict=True):
        if numbers.size and not (numbers.min() >= 0 and numbers.max() < size):
            bad = numbers[(numbers < 0) | (numbers >= size)][0]
            raise ValueError(f"pairs holds {name} {bad}, but {name} numbers lie in [0, {size}).")
    return pairs.T
