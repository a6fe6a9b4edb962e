r"""What the laboratory asks of a problem: one protocol, whatever the model.

A problem is :math:`F(x) = f(x) + g(x)` over :math:`x \in R^n`: a smooth f, and a penalty g that is separable over
coordinates or over groups. A *state* is a point x together with what is kept up to date beside it, such as
predictions and the gradient. A *block* is an int64 array of distinct coordinates, in any order.

A problem of your own needs the methods below, and no base class. For ``f(x) = sum_r loss(a_r'x)`` it is less work
to give a loss to `sparsesolve.coordinate.LinearProblem`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import numpy as np

from ...prox import Penalty


class State(Protocol):
    """A point, and what the problem keeps beside it.

    Attributes
    ----------
    x : ndarray of shape (n_coordinates,)
        Changed by `Problem.step` alone.
    """

    x: np.ndarray


class Problem(Protocol):
    """A smooth function plus a penalty, seen block by block.

    Attributes
    ----------
    n_coordinates : int
    penalty : Penalty
        `sparsesolve.prox.Zero` for none.
    is_quadratic : bool
        True where the Hessian of f is constant; then `bound_block` is exact.
    """

    n_coordinates: int
    penalty: Penalty
    is_quadratic: bool

    def start(self, x: np.ndarray | None = None) -> Any:
        """A state at a copy of x, zeros unless given."""

    def value(self, state: Any) -> float:
        """Value of f at the state, without the penalty."""

    def gradient(self, state: Any) -> np.ndarray:
        """Gradient of f, shape (n_coordinates,). Not to be written to; it may change with the next step."""

    def gradient_block(self, state: Any, block: np.ndarray) -> np.ndarray:
        """The gradient at a block, shape (k,)."""

    def lipschitz(self) -> np.ndarray | None:
        """Bounds L_i of the Hessian's diagonal, shape (n_coordinates,); None where there is no bound."""

    def row_bounds(self) -> np.ndarray | None:
        """D with diag(D) at least the Hessian everywhere, by Gershgorin's sums of ``|H_ij|``; None for no bound."""

    def bound_block(self, block: np.ndarray) -> np.ndarray | None:
        """A matrix H_b of shape (k, k), at least the Hessian's block everywhere; None where there is none."""

    def bound_product(self, block: np.ndarray, d: np.ndarray) -> np.ndarray | None:
        """The bounding matrix of all coordinates times a d that is zero off the block, shape (n_coordinates,)."""

    def hessian_diagonal(self, state: Any) -> np.ndarray:
        """Diagonal of the Hessian at the state, shape (n_coordinates,)."""

    def hessian_block(self, state: Any, block: np.ndarray) -> np.ndarray:
        """The Hessian's block at the state, shape (k, k)."""

    def hessian_product(self, state: Any, block: np.ndarray, d: np.ndarray) -> np.ndarray:
        """The Hessian at the state times a d that is zero off the block, shape (n_coordinates,)."""

    def third_bound(self, block: np.ndarray) -> float | None:
        """M with ``|f'''(x)[d, d, d]| <= M |d|^3`` for steps d in the block; None where none is known."""

    def line(self, state: Any, block: np.ndarray, d: np.ndarray) -> Callable[[float], float]:
        """The function t -> f(x + t d) - f(x), computed from differences, so that small changes keep their digits."""

    def step(self, state: Any, block: np.ndarray, d: np.ndarray) -> None:
        """Move the state by d in the block, in place."""

    def couplings(self) -> Any:
        """The Hessian's pattern; None where nearly all coordinates are coupled.

        A symmetric scipy CSR array with a positive entry for each coupled pair, and none on the diagonal.
        """

    def sparse_hessian(self, state: Any) -> Any:
        """The Hessian at the state as a scipy CSR array, for problems with couplings; None for the others."""

    def duality_gap(self, state: Any) -> float:
        """A bound of F(x) - min F where it is easy to have, else NaN."""


#: The names that every problem has, for checks of arguments.
PROBLEM_METHODS = (
    "start",
    "value",
    "gradient",
    "gradient_block",
    "lipschitz",
    "row_bounds",
    "bound_block",
    "bound_product",
    "hessian_diagonal",
    "hessian_block",
    "hessian_product",
    "third_bound",
    "line",
    "step",
    "couplings",
    "sparse_hessian",
    "duality_gap",
)
