"""Lewis weights: the row scores that make weighted least squares geometry fit the l_p norm."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ..exceptions import NumericalError, warn_caller
from ..operators.rows import RowMatrix
from ..validation import check_count, check_real
from .whitening import scored_rows, sum_over_blocks, whitened_again, whitening

# Steps of the scheme that always contracts, before the fast one begins.
_PLAIN_STEPS = 3
# The fast scheme is left for a while when the residual grows beyond this many times the least one so far.
_TOLERATED_GROWTH = 2.0


class LewisFixedPoint(NamedTuple):
    """Lewis weights with the proof that they are such.

    Attributes
    ----------
    weights : ndarray of shape (n,)
        In [0, 1]; their sum is the rank; zero rows have none.
    residual : float
        Largest absolute logarithm of the ratio of w_i and the leverage score of row i of diag(w)^(1/2 - 1/p) A.
    n_iter : int
        Passes over A.
    """

    weights: np.ndarray
    residual: float
    n_iter: int


def lewis_weights(A, p, *, tol=1e-8, max_iter=1000) -> np.ndarray:
    """Return the l_p Lewis weights of the rows of A.

    They are the only w with w_i = leverage score of row i of diag(w)^(1/2 - 1/p) A. For p = 2 they are the leverage
    scores. Then :math:`|a_i'x|^p` is at most w_i times :math:`||Ax||_p^p` for p up to 2, and at most
    :math:`r^{p/2-1} w_i` times that for larger p, where r is the rank.

    Parameters
    ----------
    A : array or scipy sparse array or matrix of shape (n, d)
    p : float
        In [1, infinity).
    tol : float, default=1e-8
        Largest residual of the fixed point, relative for each weight.
    max_iter : int, default=1000
        Largest number of passes over A; a warning tells when they do not do.

    Returns
    -------
    ndarray of shape (n,), float64
        The same bits for any number of threads.

    Raises
    ------
    ValueError
        For bad arguments; the message names the argument, its value and the mend.

    See Also
    --------
    lewis_fixed_point : The same, with the residual.

    References
    ----------
    Cohen and Peng, "l_p row sampling by Lewis weights", STOC 2015. Fazel, Lee, Padmanabhan and Sidford, "Computing
    Lewis weights to high precision", SODA 2022.

    Examples
    --------
    >>> import numpy as np
    >>> from sparsesolve.sketch import lewis_weights
    >>> A = np.array([[1.0, 0.0], [1.0, 0.0], [0.0, 3.0]])
    >>> lewis_weights(A, 1.0).round(6)
    array([0.5, 0.5, 1. ])
    """
    return lewis_fixed_point(A, p, tol=tol, max_iter=max_iter).weights


def lewis_fixed_point(A, p, *, tol=1e-8, max_iter=1000) -> LewisFixedPoint:
    r"""Return the l_p Lewis weights of the rows of A, with the residual of the equation that defines them.

    Parameters
    ----------
    A : array or scipy sparse array or matrix of shape (n, d)
    p : float
        In [1, infinity).
    tol : float, default=1e-8
        Largest residual of the fixed point, relative for each weight.
    max_iter : int, default=1000
        Largest number of passes over A.

    Returns
    -------
    LewisFixedPoint

    Notes
    -----
    With u = log w and the residual r(u) = log leverage - u, the Jacobian of -r is a matrix with eigenvalues between 1
    and 2/p: the identity plus (2/p - 1) times (I - P), P stochastic and similar to a positive semidefinite matrix. So
    Chebyshev iteration for those bounds takes the error down by :math:`(\sqrt k - 1) / (\sqrt k + 1)`, k = max(p/2,
    2/p), in a pass: 0.17 for p = 1, 0.10 for p = 3, 0.27 for p = 6. It starts behind a few steps of the scheme that
    contracts from everywhere (u + p/2 r for p up to 2, u + r beyond), and goes back to that where the residual grows.
    Complexity: one pass over A and 4 n d^2 flops a step.
    """
    A = scored_rows(A)
    p = check_real("p", p, minimum=1)
    tol = check_real("tol", tol, above=0)
    max_iter = check_count("max_iter", max_iter)
    found = _iterate(A, p, tol, max_iter)
    if found.residual > tol:
        warn_caller(
            f"Lewis weights: the residual is {found.residual:.1e} after {found.n_iter} passes, above tol={tol:.1e}: "
            "raise max_iter or tol."
        )
    return found


def _iterate(A: RowMatrix, p: float, tol: float, max_iter: int) -> LewisFixedPoint:
    state = _State(np.zeros(A.shape[0]), np.zeros(A.shape[0]), np.zeros(A.shape[0], dtype=bool))
    T = whitening(A)
    schedule = _Schedule(p)
    n_iter = 0
    while True:
        n_iter += 1
        gram, residual = _advance(A, T, p, schedule, state)
        if residual <= tol or n_iter == max_iter:
            # The residual is that of the weights before this step.
            weights = np.where(state.positive, np.exp(state.log_weights - state.step), 0.0)
            return LewisFixedPoint(weights, residual, n_iter)
        try:
            T = whitened_again(T, gram)
        except np.linalg.LinAlgError as error:
            raise NumericalError(
                f"Lewis weights for p={p:g}: the weighted Gram matrix is singular to rounding: scale the rows of A."
            ) from error
        schedule.advance(residual)


class _State(NamedTuple):
    """The logarithms of the weights, the last step that they took, and which rows have any."""

    log_weights: np.ndarray
    step: np.ndarray
    positive: np.ndarray


class _Schedule:
    """The step to take: ``momentum`` times the last one, and ``length`` times the residual."""

    def __init__(self, p: float):
        low, high = sorted((1.0, 2.0 / p))
        self._middle, self._half = (high + low) / 2.0, (high - low) / 2.0
        self._plain_length = min(1.0, p / 2.0)
        self._least = np.inf
        self._next_plain = _PLAIN_STEPS
        self._be_plain()

    def _be_plain(self) -> None:
        self.momentum, self.length = 0.0, self._plain_length
        self._plain_left, self._next_plain = self._next_plain, 2 * self._next_plain
        self._ratio = 0.0

    def advance(self, residual: float) -> None:
        """Choose the next step; `residual` is that before the last one."""
        if self._plain_left > 0:
            self._plain_left -= 1
        elif residual > _TOLERATED_GROWTH * self._least:
            self._be_plain()
        elif self._half == 0.0:
            self.momentum, self.length = 0.0, 1.0 / self._middle
        elif self._ratio == 0.0:
            self._ratio = self._half / self._middle
            self.momentum, self.length = 0.0, 1.0 / self._middle
        else:
            new = 1.0 / (2.0 * self._middle / self._half - self._ratio)
            self.momentum, self.length = new * self._ratio, 2.0 * new / self._half
            self._ratio = new
        self._least = min(self._least, residual)


def _advance(A: RowMatrix, T, p: float, schedule: _Schedule, state: _State):
    """Take a step, in place; return the weighted Gram matrix of A T behind it, and the residual before it."""
    residuals: list[float] = []

    def gram_of(part, block):
        product = block @ T
        squares = np.einsum("ij,ij->i", product, product)
        zero = squares == 0.0
        state.positive[part] = ~zero
        squares[zero] = 1.0
        log_weights, step = state.log_weights[part], state.step[part]
        residual = np.log(squares)
        residual -= (2.0 / p) * log_weights
        residuals.append(float(np.abs(residual).max()))
        step *= schedule.momentum
        step += schedule.length * residual
        log_weights += step
        product *= np.exp((0.5 - 1.0 / p) * log_weights)[:, None]
        return product.T @ product

    return sum_over_blocks(A, gram_of), max(residuals)
