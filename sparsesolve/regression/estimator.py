"""`SketchedLinearRegression`: the estimator of system 1."""

from __future__ import annotations

import numpy as np
import scipy.sparse
from sklearn.base import BaseEstimator, MultiOutputMixin, RegressorMixin
from sklearn.utils.validation import check_is_fitted, validate_data

from ..callbacks import CallbackSupport, managed
from ..operators import as_row_matrix
from ..streams.blocks import keep_features
from ..streams.sources import as_row_blocks, is_stream
from ..validation import check_matrix, check_real, check_targets
from .design import Design
from .options import check_options, root_weights
from .solver import fit_blocks, solve_design
from .stream import RowStream
from .tensor import are_factors, pose, predict_means, prediction_lengths
from .tensor.pose import check_factors


class SketchedLinearRegression(CallbackSupport, MultiOutputMixin, RegressorMixin, BaseEstimator):
    """Linear least squares and ridge regression, fast on tall data, with a certificate.

    Minimises ``||y - X w - c||^2 + alpha ||w||^2``. A sketch of the data is looked at first; the fastest engine
    that is accurate at its condition number solves the problem; the backward error of the answer is checked in the
    data, and a slower engine takes over where it is too large.

    Parameters
    ----------
    alpha : float, default=0.0
        Ridge penalty, at least 0. The intercept is not penalised.
    fit_intercept : bool, default=True
        Fit a constant. X is neither centred nor copied for it.
    solver : {"auto", "gram", "cqrrt", "spir", "fossils", "sketch-and-solve", "direct"}, default="auto"
        "sketch-and-solve" is the paper's method: it solves the sketch alone, with simultaneous error bars for every
        coefficient. The others are as accurate as a QR factorisation.
    sketch : str or callable, default="srht"
        "srht" (block SRHT), "gaussian", "rademacher", "countsketch", "sparse-sign", "leverage", "padded-srht" or
        "multisketch"; or ``function(size, random_state)`` that returns a `sparsesolve.sketch.Distribution` of your own.
        The l_inf guarantee needs a dense one of the first three.
    sketch_size : "auto", int or CalibratedSize, default="auto"
        Rows of the sketch; `sparsesolve.regression.from_eps` gives those that meet the guarantee.
    tol : float, optional
        Largest backward error relative to the Frobenius norm of X; 2.2e-16 unless given.
    max_iter : int, default=100
        Largest number of refinements.
    max_time : float, optional
        Seconds after which no further refinement begins.
    random_state : None, int, Generator or RandomState
        Seed of the sketch.
    backend : {"auto", "numba", "opencl"}, default="auto"
    verbose : bool, default=False
        Log each iterate on the logger "sparsesolve".
    callback : callable, optional
        Called with each iterate; a true value stops the fit, which keeps the best one.

    Attributes
    ----------
    coef_ : ndarray of shape (n_features,) or (n_targets, n_features)
        Always float64. Of least norm where the rank is deficient.
    intercept_ : float or ndarray of shape (n_targets,)
    rank_ : int
        Numerical rank of X, centred if there is an intercept.
    condition_number_ : float
        Ratio of the largest to the least nonzero singular value of X (with its column of ones), to a few percent;
        within the sketch's distortion for "sketch-and-solve", "spir" and "fossils".
    backward_error_ : float
        The certificate: relative size of the least change of X that makes the answer exact. NaN for
        "sketch-and-solve", which does not look at X twice.
    coef_error_bound_ : ndarray of shape (n_features,) or (n_targets, n_features)
        For "sketch-and-solve", half-widths of simultaneous 95 % confidence intervals around ``coef_`` for the exact
        least squares coefficients; for the others, what rounding can have done to first order.
    solver_ : str
        The engine that found the answer.
    result_ : Result
        Status, certificate, trace and times.
    n_iter_ : int
    converged_ : bool
    n_features_in_ : int
    feature_names_in_ : ndarray of str
        Where X has string column names.

    See Also
    --------
    sparsesolve.lstsq : The same as a function.
    sparsesolve.regression.ridge_path : Many penalties from one factorisation.

    Notes
    -----
    With a list of factors as X, "auto" solves the problem by a QR factorisation of each factor, for any penalty,
    intercept and rank ("factored" in ``solver_``, where the product has many columns). With weights it forms the normal
    matrix from the factors ("array" in ``solver_``), and refines in the product; only where that matrix is singular are
    rows of the product made, block by block.

    References
    ----------
    Song, Ye, Yin and Zhang, "A nearly-optimal bound for fast regression with l_inf guarantee", ICML 2023.

    Examples
    --------
    >>> import numpy as np
    >>> from sparsesolve import SketchedLinearRegression
    >>> rng = np.random.default_rng(0)
    >>> X = rng.standard_normal((10000, 30))
    >>> y = X @ np.arange(30.0) + 3.0
    >>> model = SketchedLinearRegression(random_state=0).fit(X, y)
    >>> print(round(model.intercept_, 6), model.backward_error_ < 2.3e-16)
    3.0 True
    """

    def __init__(
        self,
        *,
        alpha=0.0,
        fit_intercept=True,
        solver="auto",
        sketch="srht",
        sketch_size="auto",
        tol=None,
        max_iter=100,
        max_time=None,
        random_state=None,
        backend="auto",
        verbose=False,
        callback=None,
    ):
        self.alpha = alpha
        self.fit_intercept = fit_intercept
        self.solver = solver
        self.sketch = sketch
        self.sketch_size = sketch_size
        self.tol = tol
        self.max_iter = max_iter
        self.max_time = max_time
        self.random_state = random_state
        self.backend = backend
        self.verbose = verbose
        self.callback = callback

    @managed
    def fit(self, X, y=None, sample_weight=None):
        """Fit the model.

        Parameters
        ----------
        X : array or sparse matrix of shape (n_samples, n_features), or list of those, or row blocks
            Any real type and layout, memory maps included; it is not copied. A list of matrices stands for their
            Kronecker product, which is not formed; row and column indices of the last factor run fastest. For data
            beyond memory, `sparsesolve.streams.row_blocks` of them; a path, a Zarr array or a Dask collection will do
            as it is.
        y : array of shape (n_samples,) or (n_samples, n_targets)
            For a list of factors also a tensor with one axis a factor. None where row blocks bring their targets; for
            tables the name of a column, or names.
        sample_weight : float or array of shape (n_samples,), optional
            Weights of the squared residuals, at least 0. For a list of factors also a tensor like y; weights of 0 leave
            out what is missing, whose y is then any finite number.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            For bad data or parameters; the message names the argument, its value and the mend.
        """
        options = self._options()
        if is_stream(X):
            return self._fit_blocks(as_row_blocks(X, y, sample_weight), options)
        design, y = self._design(X, y, sample_weight, reset=True)
        watch = self._watch(X, y, self.callback)
        self._keep(solve_design(design, options, watch, self.verbose), y.ndim)
        self.__dict__.pop("_stream", None)
        return self

    def _fit_blocks(self, blocks, options):
        alpha = check_real("alpha", self.alpha, minimum=0)
        watch = self._watch(blocks, None, self.callback)
        result = fit_blocks(
            blocks, options, bool(self.fit_intercept), alpha, watch, self.verbose, "X", self.random_state
        )
        keep_features(self, blocks)
        self._keep(result, 1 if blocks.source.flat_targets else 2)
        self.__dict__.pop("_stream", None)
        return self

    def partial_fit(self, X, y, sample_weight=None):
        """Take more rows into the fit; each row is looked at once, and none is kept.

        With solver="sketch-and-solve" the sketch is accumulated; else the triangular factor of [X 1 y], which gives
        the fit of all rows seen as exactly as `fit` does. The first call after `fit` starts anew.

        Parameters
        ----------
        X, y, sample_weight
            As in `fit`. For a list of factors: more rows of the first one, with the same others.

        Returns
        -------
        self
        """
        stream = getattr(self, "_stream", None)
        options = self._options()
        design, y = self._design(X, y, sample_weight, reset=stream is None)
        if not are_factors(X):
            check_matrix("X", design.rows.source)
        if stream is None:
            stream = RowStream.start(design, options)
        elif stream.n_targets != design.n_targets:
            raise ValueError(
                f"y has {design.n_targets} targets, but {stream.n_targets} in earlier calls of partial_fit."
            )
        self._stream = stream.add(design)
        self._keep(self._stream.solve(design, options, self.callback), y.ndim)
        return self

    def predict(self, X, return_std=False):
        """Predict targets.

        Parameters
        ----------
        X : array or sparse matrix of shape (n_samples, n_features), or list of those
            A list of factors where the model was fitted to one.
        return_std : bool, default=False
            Return the standard error of each predicted mean as well: that of the data's noise and, for
            "sketch-and-solve", that of the sketch.

        Returns
        -------
        y : ndarray of shape (n_samples,) or (n_samples, n_targets)
        std : ndarray, the shape of y
            Only with ``return_std=True``.
        """
        check_is_fitted(self)
        if are_factors(X):
            return self._predict_product(check_factors("X", X), return_std)
        X = validate_data(self, X, accept_sparse=("csr", "csc"), reset=False, ensure_2d=True)
        y = X @ self.coef_.T + self.intercept_
        if not return_std:
            return y
        root = self._covariance_root
        lengths = np.sqrt((np.asarray(X @ root[:-1] + root[-1] * bool(self.fit_intercept)) ** 2).sum(axis=1))
        return y, np.multiply.outer(lengths, self._noise_scale)

    def _predict_product(self, factors, return_std):
        self._check_widths(tuple(factor.shape[1] for factor in factors), reset=False)
        y = predict_means(factors, self.coef_) + self.intercept_
        if not return_std:
            return y
        lengths = prediction_lengths(factors, self._covariance_root, bool(self.fit_intercept))
        return y, np.multiply.outer(lengths, self._noise_scale)

    def _check_widths(self, widths, reset):
        """Keep the factors' numbers of columns, or compare with those of `fit`."""
        if reset:
            self.n_features_in_, self._widths = int(np.prod(widths)), widths
            self.__dict__.pop("feature_names_in_", None)
        elif widths != getattr(self, "_widths", None):
            fitted = getattr(self, "_widths", None)
            seen = f"factors with {fitted} columns" if fitted else f"one matrix with {self.n_features_in_}"
            raise ValueError(f"X has factors with {widths} columns, but this model was fitted to {seen}.")

    def _options(self):
        return check_options(
            self.solver,
            self.sketch,
            self.sketch_size,
            self.tol,
            self.max_iter,
            self.max_time,
            self.random_state,
            self.backend,
        )

    def _design(self, X, y, sample_weight, reset):
        alpha = check_real("alpha", self.alpha, minimum=0)
        if are_factors(X):
            design, y = pose(X, y, sample_weight, bool(self.fit_intercept), alpha, names=("X", "y"))
            self._check_widths(design.rows.widths, reset)
            return design, y
        # What is not finite in a dense X, the solver finds on its way.
        X, y = data_of(self, X, y, reset, check_finite=scipy.sparse.issparse(X))
        weights = root_weights(sample_weight, X.shape[0])
        design = Design(
            as_row_matrix(X), y.reshape(len(y), -1), weights, bool(self.fit_intercept), alpha, name="X"
        )
        return design, y

    def _keep(self, result, y_ndim):
        solution = result.solution
        pick = (lambda values: values[..., 0]) if y_ndim == 1 else np.transpose
        self.result_ = result
        self.coef_ = pick(solution.coef)
        self.coef_error_bound_ = pick(solution.coef_error_bound)
        self.intercept_ = float(solution.intercept[0]) if y_ndim == 1 else solution.intercept
        self.rank_ = solution.rank
        self.condition_number_ = solution.condition_number
        self.backward_error_ = solution.backward_error
        self.solver_ = solution.solver
        self.n_iter_ = result.n_iter
        self.converged_ = result.converged
        self._covariance_root = solution.covariance_root
        scale = solution.noise_scale
        self._noise_scale = float(scale[0]) if y_ndim == 1 else scale

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags


def data_of(estimator, X, y, reset: bool, check_finite: bool = True):
    """Return `rows_of` X, and y as float64, one entry or row for each."""
    if y is None:
        raise ValueError("fit requires y to be passed, but the target y is None: give the targets.")
    X = rows_of(estimator, X, reset, check_finite)
    return X, check_targets("y", np.asarray(y), X.shape[0])


def rows_of(estimator, X, reset: bool, check_finite: bool = True):
    """Return X as it is, uncopied, and checked; scikit-learn's bookkeeping of feature names and counts done."""
    X = validate_data(
        estimator,
        X,
        reset=reset,
        accept_sparse=("csr", "csc"),
        dtype=None,
        ensure_all_finite=False,
        ensure_2d=True,
    )
    return check_matrix("X", X, check_finite=check_finite)
