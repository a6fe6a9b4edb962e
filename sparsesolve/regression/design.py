"""The least squares problem that every engine works on, seen through one pass over the rows at a time.

With weights w, an intercept and a ridge penalty, the problem is

    minimise over z   || s * (b - [A 1] D z) ||^2 + sum_j penalty_j z_j^2 ,     s = sqrt(w),  coef = D z ,

where D scales the columns to norms between 1/2 and 2. Its entries are powers of two, so that scaling is exact, and
nothing is ever scaled in place: D and s are applied to blocks that are in cache, or to the short vectors.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import NamedTuple

import numpy as np
from scipy.linalg import lstsq

from .. import sketch as sketches
from ..backends.threads import run_chunks
from ..exceptions import NumericalError
from ..operators import RowMatrix
from ..operators.rows import block_ranges
from ..validation import check_matrix
from .factor import root_of_blocks

# Chunks of rows for threads: each has room for a square matrix of its own, 1.5 % of the rows' own size.
_CHUNK_ROWS = 64
# A square product of a block is worth its sum into the whole from some rows a column on.
_GRAM_ROWS = 4
_MAX_CHUNKS = 8
# Runs of rows that an excerpt of the data consists of.
_RUNS = 4
# A few dense factors of this width take 8 GiB.
_MOST_UNKNOWNS = 16384
# Beyond this range, squares of column entries could overflow or underflow.
_SAFE_EXPONENT = 300


class Block(NamedTuple):
    """Some rows of the scaled matrix and targets."""

    matrix: np.ndarray
    targets: np.ndarray


@dataclass(frozen=True)
class Design:
    """The matrix, the targets and the scales of one weighted, penalised least squares problem.

    Attributes
    ----------
    rows : RowMatrix of shape (n_rows, n_columns)
        The matrix A.
    targets : ndarray of shape (n_rows, n_targets)
        The right-hand sides b.
    root_weights : ndarray of shape (n_rows,) or None
        The row scale s.
    intercept : bool
        Whether a column of ones stands behind the columns of A.
    alpha : float
        The ridge penalty on the coefficients, not on the intercept.
    column_scale : ndarray of shape (n_unknowns,)
        The diagonal of D.
    name : str
        What the caller calls A, for messages.
    """

    rows: RowMatrix
    targets: np.ndarray
    root_weights: np.ndarray | None = None
    intercept: bool = False
    alpha: float = 0.0
    column_scale: np.ndarray = field(default_factory=lambda: np.ones(0))
    name: str = "A"

    def __post_init__(self):
        if self.n_unknowns > _MOST_UNKNOWNS:
            raise ValueError(
                f"{self.name} has {self.n_columns} columns, but its factors are dense squares: at most "
                f"{_MOST_UNKNOWNS} columns are taken; for a wide sparse matrix use scipy.sparse.linalg.lsmr."
            )
        if self.column_scale.size == 0:
            object.__setattr__(self, "column_scale", np.ones(self.n_unknowns))

    @property
    def n_rows(self) -> int:
        """Rows of A."""
        return self.rows.shape[0]

    @property
    def n_observed(self) -> int:
        """Rows of positive weight: those that tell something of the noise."""
        return self.n_rows if self.root_weights is None else int(np.count_nonzero(self.root_weights))

    @property
    def n_columns(self) -> int:
        """Columns of A."""
        return self.rows.shape[1]

    @property
    def n_unknowns(self) -> int:
        """Columns of A, and one more for the intercept."""
        return self.n_columns + self.intercept

    @property
    def n_targets(self) -> int:
        """Right-hand sides."""
        return self.targets.shape[1]

    @property
    def penalty(self) -> np.ndarray:
        """The penalty of each scaled unknown: alpha D_j^2, and 0 for the intercept; shape (n_unknowns,)."""
        penalty = self.alpha * self.column_scale**2
        penalty[self.n_columns :] = 0.0
        return penalty

    def with_safe_targets(self) -> tuple[Design, np.ndarray]:
        """Return the problem with targets whose squares neither overflow nor underflow, and their scales.

        They are copied only where that is needed.
        """
        scale = power_of_two_scale(np.abs(self.targets).max(axis=0))
        if np.all(np.abs(np.log2(scale)) < _SAFE_EXPONENT):
            return self, np.ones(self.n_targets)
        return replace(self, targets=self.targets * scale), scale

    def require_finite(self, *made_of_it: np.ndarray) -> None:
        """Raise the error that names a NaN or an infinity in A, if one has reached the arrays made of A."""
        if all(np.all(np.isfinite(array)) for array in made_of_it):
            return
        check_matrix(self.name, self.rows.source)
        name = self.name
        raise NumericalError(
            f"a sum over {name} is beyond floating point: divide {name} by its largest entry."
        )

    @property
    def revisit_cost(self) -> float:
        """How much slower A is read than from memory."""
        return 1.0

    #: Whether "auto" solves the problem by `closed_form`, a method of designs whose structure gives the answer.
    has_closed_form = False

    def own_engines(self, tol: float) -> Iterator | None:
        """The engines that "auto" takes because of A's structure, one after the other; None where it has none."""
        return None

    def sample_of(self, name: str, size: int, key: int):
        """Draw a sketch of that name for the rows of A."""
        return sketches.from_name(name, size, key).sample(self.rows.source)

    def sketched(self, sample, one_in: int = 1) -> np.ndarray:
        """Return S diag(s) [A 1 b] for a sample S of a sketch, shape (m, n_unknowns + n_targets).

        With ``one_in`` above 1, of that part of the rows only, in a few evenly spread runs. One pass over them.
        """
        n_runs = 1 if one_in == 1 else _RUNS
        starts = [self.n_rows * k // n_runs for k in range(n_runs)]
        length = self.n_rows // (n_runs * one_in)
        total = sum(self.sketched_rows(sample, start, start + length) for start in starts)
        return total * np.sqrt(one_in) if one_in > 1 else total

    def sketched_rows(self, sample, start: int, stop: int, first_row: int = 0) -> np.ndarray:
        """Return what rows start:stop add to S diag(s) [A 1 b], where row 0 is row `first_row` of what S is for."""
        part, ones = slice(start, stop), np.ones((stop - start, int(self.intercept)))
        scale = None if self.root_weights is None else self.root_weights[part]
        beside = np.column_stack([ones, self.targets[part]])
        blocks = (self.rows.source[part], beside)
        return np.hstack([sample.apply_block(block, first_row + start, row_scale=scale) for block in blocks])

    def scaled_by(self, column_norms: np.ndarray) -> Design:
        """Return the same problem with D set from (estimates of) the norms of the columns of diag(s) [A 1].

        The ridge rows are counted in, so that a huge penalty costs its coefficients no digits.
        """
        norms = np.hypot(column_norms, np.sqrt(self.alpha) * (np.arange(self.n_unknowns) < self.n_columns))
        return replace(self, column_scale=power_of_two_scale(norms))

    def blocks(self, start: int = 0, stop: int | None = None, least_rows: int = 0) -> Iterator[Block]:
        """Blocks of rows of (diag(s) [A 1] D, diag(s) b), in cache; each is valid until the next is asked for.

        Parameters
        ----------
        start, stop : int
            The range of rows.
        least_rows : int
            Least number of rows of a block, the last one excepted.
        """
        stop = self.n_rows if stop is None else stop
        scaled = bool(np.any(self.column_scale != 1))
        plain = self.root_weights is None and not self.intercept and not scaled
        scratch = None
        for first, last in block_ranges(start, stop, self.n_unknowns, least_rows):
            matrix = self.rows.view_rows(first, last) if plain else None
            targets = self.targets[first:last]
            if matrix is None:
                scratch = np.empty((last - first, self.n_unknowns)) if scratch is None else scratch
                matrix = scratch[: last - first]
                self.rows.copy_rows(first, last, matrix[:, : self.n_columns])
                matrix[:, self.n_columns :] = 1.0
                if scaled:
                    matrix *= self.column_scale
            if self.root_weights is not None:
                weights = self.root_weights[first:last, None]
                matrix *= weights
                targets = targets * weights
            yield Block(matrix, targets)

    def root(self) -> np.ndarray:
        """Return the R of the QR factorisation of (diag(s) [A 1] D, diag(s) b). One pass, 2 n d^2 flops."""
        blocks = (np.hstack(block) for block in self.blocks(least_rows=2 * self.n_unknowns))
        return root_of_blocks(blocks, self.n_unknowns + self.n_targets)

    def sum_over_chunks(self, of_chunk: Callable[[Iterator[Block]], tuple]) -> tuple:
        """Return the sums of what `of_chunk` makes of the blocks of each of a few row chunks, side by side.

        The number of chunks depends on the shape alone, and so does the result.
        """
        n_chunks = int(np.clip(self.n_rows // (_CHUNK_ROWS * self.n_unknowns), 1, _MAX_CHUNKS))
        n_chunks = 1 << (
            n_chunks.bit_length() - 1
        )  # a power of two, so that two or four threads finish together
        edges = [self.n_rows * k // n_chunks for k in range(n_chunks + 1)]
        parts = run_chunks(
            lambda k: of_chunk(self.blocks(edges[k], edges[k + 1], least_rows=_GRAM_ROWS * self.n_unknowns)),
            n_chunks,
        )
        return tuple(sum(column[1:], column[0]) for column in zip(*parts, strict=True))

    def gram_and_gradient(self, Z: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the normal matrix D [A 1]' diag(w) [A 1] D + diag(penalty), and the negative half gradient at Z.

        One pass over A; n_rows n_unknowns^2 flops in BLAS.
        """
        raw, late = self.late_scaled()
        X = late[:, None] * Z

        def of_chunk(blocks):
            gram, gradient = np.zeros((len(X), len(X))), np.zeros_like(X)
            for matrix, targets in blocks:
                gram += matrix.T @ matrix
                gradient += matrix.T @ (targets - matrix @ X)
            return gram, gradient

        gram, gradient = raw.sum_over_chunks(of_chunk)
        gram *= late
        gram *= late[:, None]
        gram[np.diag_indices_from(gram)] += self.penalty
        return gram, gradient * late[:, None] - self.penalty[:, None] * Z

    def preconditioned_gram(self, P: np.ndarray) -> np.ndarray:
        """Return P' N P for the normal matrix N, computed from the products of A's rows with P.

        One pass over A; 3 n_rows n_unknowns^2 flops in BLAS for a square P.
        """
        raw, late = self.late_scaled()
        scaled = late[:, None] * P

        def of_chunk(blocks):
            gram = np.zeros((P.shape[1], P.shape[1]))
            for matrix, _ in blocks:
                product = matrix @ scaled
                gram += product.T @ product
            return (gram,)

        (gram,) = raw.sum_over_chunks(of_chunk)
        return gram + (P.T * self.penalty) @ P

    def late_scaled(self) -> tuple[Design, np.ndarray]:
        """Return this problem without D, and the D to apply to the small matrices that come out of its blocks.

        Scaling by powers of two commutes with rounding, so that it is free when done late; only where squares of
        the raw entries could overflow or underflow is D left in the blocks.
        """
        if np.abs(np.log2(self.column_scale)).max(initial=0.0) < _SAFE_EXPONENT:
            return replace(self, column_scale=np.ones(self.n_unknowns)), self.column_scale
        return self, np.ones(self.n_unknowns)

    def shortest(self, factor, Z: np.ndarray) -> np.ndarray:
        """Return the member of Z + null space whose unscaled coefficients, intercept left out, are shortest."""
        if factor.null is None or factor.null.shape[1] == 0:
            return Z
        X = (self.column_scale[:, None] * Z)[: self.n_columns]
        null = (self.column_scale[:, None] * factor.null)[: self.n_columns]
        scale = power_of_two_scale(column_norms(null))
        return Z - factor.null @ (scale[:, None] * lstsq(null * scale, X, check_finite=False)[0])

    def normal_residual(self, Z: np.ndarray, use_targets: bool = True) -> tuple[np.ndarray, np.ndarray]:
        """Return the negative half gradient at Z, and the objective, per target. One pass over A.

        Parameters
        ----------
        Z : ndarray of shape (n_unknowns, n_targets)
            Scaled unknowns.
        use_targets : bool
            False puts zero in the place of the targets: the first value is then minus the normal matrix times Z.

        Returns
        -------
        gradient : ndarray of shape (n_unknowns, n_targets)
        objective : ndarray of shape (n_targets,)
        """
        X = self.column_scale[:, None] * Z
        shift = X[self.n_columns] if self.intercept else np.zeros(Z.shape[1])
        product, total, squares = self.rows.residual_product(
            self.targets, self.root_weights, X[: self.n_columns], shift, use_targets
        )
        gradient = np.vstack([product, total]) if self.intercept else product
        pull = self.penalty[:, None] * Z
        return gradient * self.column_scale[:, None] - pull, squares + np.einsum("ij,ij->j", pull, Z)

    def residual_products(self, Z: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return A'R and R'R, penalties left out, for the residuals R of the first target at each column of Z.

        One pass over A.
        """
        raw, late = self.late_scaled()
        X = late[:, None] * Z

        def of_chunk(blocks):
            product, squares = np.zeros_like(X), np.zeros((X.shape[1], X.shape[1]))
            for matrix, targets in blocks:
                residual = targets[:, :1] - matrix @ X
                product += matrix.T @ residual
                squares += residual.T @ residual
            return product, squares

        product, squares = raw.sum_over_chunks(of_chunk)
        return late[:, None] * product, squares

    def normal_product(self, Z: np.ndarray) -> np.ndarray:
        """Return the normal matrix, penalty included, times Z. One pass over A."""
        return -self.normal_residual(Z, use_targets=False)[0]

    @cached_property
    def target_norms(self) -> np.ndarray:
        """Norms of the columns of diag(s) b, shape (n_targets,)."""
        targets = self.targets if self.root_weights is None else self.targets * self.root_weights[:, None]
        return np.sqrt(np.einsum("ij,ij->j", targets, targets))


def power_of_two_scale(norms: np.ndarray) -> np.ndarray:
    """Return powers of two that bring norms into [1/2, 1); 1 for a norm of zero."""
    exponents = np.frexp(norms)[1]
    return np.where(norms > 0, np.ldexp(1.0, -np.clip(exponents, -1000, 1000)), 1.0)


def column_norms(A: np.ndarray) -> np.ndarray:
    """Norms of columns, safe from overflow and underflow."""
    scale = power_of_two_scale(np.maximum(A.max(axis=0), -A.min(axis=0)))
    squares = np.zeros(A.shape[1])
    for rows in np.array_split(A, 1 + A.size // (1 << 16)):  # no copy of the whole
        squares += np.einsum("ij,ij->j", rows * scale, rows * scale)
    return np.sqrt(squares) / scale
