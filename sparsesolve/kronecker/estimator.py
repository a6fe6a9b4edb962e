"""`KroneckerSBL`: sparse coefficients of a Kronecker-structured dictionary, with their uncertainty."""

from __future__ import annotations

import numpy as np
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.utils.validation import check_is_fitted, validate_data

from ..callbacks import CallbackSupport, managed
from ..random import as_key
from ..validation import check_count
from .options import check_factors, check_measurements, check_options
from .solver import solve

#: Parameters that steer a fit rather than pose a problem.
_STEERING = ("random_state", "callback", "verbose")


class KroneckerSBL(CallbackSupport, RegressorMixin, BaseEstimator):
    r"""Sparse Bayesian learning with a dictionary A_1 ⊗ ... ⊗ A_I that is never formed.

    The model is y = (A_1 ⊗ ... ⊗ A_I) x + noise with the prior :math:`x \sim N(0, \mathrm{diag}(\gamma_1 \otimes \dots
    \otimes \gamma_I))`. The gammas, and the noise variance, maximise the evidence; most of them go to zero. There is no
    intercept.

    Parameters
    ----------
    method : {"auto", "am", "svd", "ksbl", "mm", "dsbl"}, default="auto"
        The paper's EM with alternating minimization or a singular value decomposition for the M-step; the earlier one
        with a single pass; multiplicative steps on the evidence itself; mode by mode, where x is a Kronecker product
        itself. "auto" makes several runs and lets the evidence reject the bad ones.
    noise_variance : float or "learn", default="learn"
    noise_covariance : list of array of shape (m_i, m_i), or None, optional
        The noise has that variance times the Kronecker product of these; None stands for the identity.
    coupling : float, or list of float, array of shape (n_i, k_i) or None, optional
        Neighbours that are active together: gamma_i = C_i u_i. A number beta is the matrix with 1 on the diagonal and
        beta beside it.
    prune : "auto", float, or list of float, default="auto"
        Share of a factor's largest gamma below which a column is dropped for good.
    preset : {"paper-synthetic", "paper-irs"}, optional
        The constants of the paper's experiments, for "am", "ksbl" and "svd".
    n_starts : int, default=4
        Random starts that "auto" tries besides.
    tol : float, default=1e-4
        Largest relative change of the Kronecker product of the gammas in a step.
    max_iter : int, default=2000
        Largest number of steps of a run; 150 with a preset.
    max_time : float, optional
        Seconds after which no further step begins.
    random_state : None, int, numpy.random.Generator or RandomState
        For random starts.
    backend : {"auto", "numba", "opencl"}, default="auto"
    verbose : bool, default=False
        Log each step on the logger "sparsesolve".
    callback : callable, optional
        Called with each step's iterate; a true value stops the fit, which keeps the best one.

    Attributes
    ----------
    coef_ : ndarray of shape (n,) or (n, n_snapshots)
        Posterior mean; n is the product of the factors' numbers of columns, the last one's run fastest.
    coef_std_ : ndarray of shape (n,)
        Posterior standard deviation.
    gamma_ : list of ndarray of shape (n_i,)
        Prior variances, one array a factor.
    noise_variance_ : float
    supports_ : list of ndarray of int
        For each factor, the columns in use.
    support_ : ndarray of int
        Places of the coefficients that may differ from zero.
    log_evidence_ : float
    evidence_gradient_ : float
        Certificate: the gradient of the log evidence by the logarithms of the gammas, relative; see `kronecker_sbl`.
    method_ : str
        The run that gave the answer.
    candidates_ : dict of str to float
        Log evidence of each run that was made.
    result_ : Result
    n_iter_ : int
        Steps of all runs.
    converged_ : bool
    n_features_in_ : int
        Columns of the (last) factor.

    See Also
    --------
    sparsesolve.kronecker_sbl : The same as a function.

    References
    ----------
    He and Joseph, "Bayesian algorithms for Kronecker-structured sparse vector recovery with application to IRS-MIMO
    channel estimation", IEEE Transactions on Signal Processing, 2024.

    Examples
    --------
    >>> from sparsesolve import KroneckerSBL
    >>> from sparsesolve.datasets import make_kronecker_recovery
    >>> data = make_kronecker_recovery(snr_db=25.0, random_state=0)
    >>> model = KroneckerSBL(random_state=0).fit(data.factors, data.y)
    >>> [support.tolist() for support in model.supports_] == [list(s) for s in data.supports]
    True
    >>> mean, std = model.predict(data.factors, return_std=True)
    >>> mean.shape, bool(abs(model.noise_variance_ / data.noise_variance - 1.0) < 0.15)
    ((1440,), True)
    """

    def __init__(
        self,
        method="auto",
        *,
        noise_variance="learn",
        noise_covariance=None,
        coupling=None,
        prune="auto",
        preset=None,
        n_starts=4,
        tol=1e-4,
        max_iter=2000,
        max_time=None,
        random_state=None,
        backend="auto",
        verbose=False,
        callback=None,
    ):
        self.method = method
        self.noise_variance = noise_variance
        self.noise_covariance = noise_covariance
        self.coupling = coupling
        self.prune = prune
        self.preset = preset
        self.n_starts = n_starts
        self.tol = tol
        self.max_iter = max_iter
        self.max_time = max_time
        self.random_state = random_state
        self.backend = backend
        self.verbose = verbose
        self.callback = callback

    @managed
    def fit(self, factors, y):
        """Learn the coefficients.

        Parameters
        ----------
        factors : list of array of shape (m_i, n_i), or one array
            Real or complex. One array is one factor: classical sparse Bayesian learning.
        y : array of shape (m,) or (m, n_snapshots)
            m is the product of the m_i, the last factor's rows running fastest. Snapshots share the gammas.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            For bad data or parameters; the message names the argument, its value and the mend.
        """
        if isinstance(y, (list, tuple)) and y and np.ndim(y[0]) == 2 and np.ndim(factors) == 1:
            raise ValueError("y is a list of matrices: the factors come first, fit(factors, y).")
        matrices = self._matrices(factors, reset=True)
        if y is None:
            raise ValueError("This KroneckerSBL estimator requires y to be passed, but the target y is None.")
        Y = check_measurements(y, matrices)
        params = self.get_params(deep=False)
        options = check_options(
            matrices, **{name: value for name, value in params.items() if name not in _STEERING}
        )
        found = solve(
            matrices,
            Y,
            options,
            self.random_state,
            self._watch(factors, y, self.callback),
            self.verbose,
        )
        solution = found.result.solution
        self.result_ = found.result
        self.coef_, self.coef_std_ = solution.coef, solution.coef_std
        self.gamma_, self.noise_variance_ = solution.gamma, solution.noise_variance
        self.supports_ = solution.supports
        self.support_ = _places(solution.supports, [factor.shape[1] for factor in matrices])
        self.log_evidence_ = solution.log_evidence
        self.evidence_gradient_ = found.result.certificate["evidence_gradient"]
        self.method_, self.candidates_ = solution.method, solution.candidates
        self.n_iter_, self.converged_ = found.result.n_iter, found.result.converged
        self._state, self._units = found.state, found.problem.units
        return self

    def predict(self, factors, return_std=False):
        """Predict measurements through other rows of the dictionaries.

        Parameters
        ----------
        factors : list of array of shape (k_i, n_i), or one array
        return_std : bool, default=False
            Also return the standard deviation of a new measurement: that of the posterior, and the noise. With a
            `noise_covariance`, the noise is counted as white, of the variance `noise_variance_`.

        Returns
        -------
        mean : ndarray of shape (k,) or (k, n_snapshots)
        std : ndarray of shape (k,)
            If asked for.
        """
        check_is_fitted(self)
        matrices = self._matrices(factors, reset=False)
        units = self._units
        mean, variance = self._state.predict(matrices, return_std)
        values = units.coefficients(mean).reshape(mean.shape[0], -1)
        values = values[0] if self.coef_.ndim == 1 else np.ascontiguousarray(values.T)
        if not return_std:
            return values
        spread = units.coefficients(np.sqrt(variance)).reshape(-1)
        return values, np.hypot(spread, np.sqrt(self.noise_variance_))

    def sample(self, n_samples=1, random_state=None):
        """Draw coefficients from their posterior.

        Parameters
        ----------
        n_samples : int, default=1
        random_state : None, int, numpy.random.Generator or RandomState

        Returns
        -------
        ndarray of shape (n_samples, n) or (n_samples, n, n_snapshots)
        """
        check_is_fitted(self)
        n_samples = check_count("n_samples", n_samples)
        drawn = self._units.coefficients(
            self._state.sample(n_samples, np.random.default_rng(as_key(random_state)))
        )
        drawn = drawn.reshape(n_samples, drawn.shape[1], -1)
        return drawn[:, 0] if self.coef_.ndim == 1 else np.ascontiguousarray(drawn.transpose(0, 2, 1))

    def score(self, factors, y):
        """Coefficient of determination, with moduli where numbers are complex.

        Parameters
        ----------
        factors : list of array of shape (k_i, n_i), or one array
        y : array of shape (k,) or (k, n_snapshots)

        Returns
        -------
        float
            One minus the sum of squares of y minus the prediction over that of y minus its mean.
        """
        y, mean = np.asarray(y), self.predict(factors)
        total = float((np.abs(y - y.mean(axis=0)) ** 2).sum())
        left = float((np.abs(y - mean) ** 2).sum())
        return 1.0 - left / total if total > 0.0 else float(left == 0.0)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags

    def _matrices(self, factors, reset):
        """Checked dictionaries, with the columns of the fit."""
        if hasattr(factors, "shape") or hasattr(factors, "__array__"):
            # scikit-learn's own checks know no complex numbers.
            is_complex = getattr(getattr(factors, "dtype", None), "kind", "") == "c"
            checked = validate_data(self, factors, reset=reset, dtype="numeric", skip_check_array=is_complex)
            factors = np.asarray(checked)
        matrices = check_factors(factors)
        columns = [matrix.shape[1] for matrix in matrices]
        if reset:
            self.n_features_in_, self._columns = columns[-1], columns
        elif columns != self._columns:
            raise ValueError(
                f"factors have {columns} columns, but the model was fitted with {self._columns}: give the same numbers."
            )
        return matrices


def _places(supports, columns):
    """Where a Kronecker product of sets of columns lies."""
    places = np.zeros(1, dtype=np.int64)
    for support, size in zip(supports, columns, strict=True):
        places = (places[:, None] * size + support).ravel()
    return places
