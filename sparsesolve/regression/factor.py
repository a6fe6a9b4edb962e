"""Factors of the normal matrix: what every engine has in hand once it knows the shape of the problem."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np
from scipy.linalg import lapack, solve_triangular, svd

from ..backends.threads import single_threaded_blas

_PANEL = 16  # fastest here for widths from 64 to 512
_LANCZOS_STEPS = 20
# Singular values of an exactly singular matrix come out at a few eps of the largest.
_NULL = 50 * np.finfo(np.float64).eps


@dataclass(frozen=True)
class NormalFactor:
    """A factor of the normal matrix N of the scaled problem.

    Attributes
    ----------
    root : ndarray of shape (n_unknowns, n_unknowns)
        Upper triangular R with R'R = N, up to rounding, or up to `distortion`.
    triangle : ndarray of shape (rank, rank)
        Upper triangular T such that T^-T basis' N basis T^-1 is (nearly) the identity.
    basis, null : ndarray of shape (n_unknowns, rank) and (n_unknowns, n_null), or None
        Where the rank is deficient, columns that span the space of the solution, and directions that change
        nothing; None stands for the identity and for nothing.
    left : ndarray of shape (n_unknowns, rank) or None
        Where the rank is deficient, the left singular vectors: root basis, free of the rounding of that product.
    distortion : float
        Singular values of the root and of the matrix agree within a factor of 1 - distortion; 0 for a factor of
        the matrix itself, more for that of a sketch.
    """

    root: np.ndarray
    triangle: np.ndarray
    basis: np.ndarray | None = None
    null: np.ndarray | None = None
    left: np.ndarray | None = None
    distortion: float = 0.0

    @property
    def rank(self) -> int:
        """Dimension of the space in which the solution is sought."""
        return self.triangle.shape[0]

    def to_unknowns(self, Y: np.ndarray) -> np.ndarray:
        """Return basis T^-1 Y."""
        Y = solve_triangular(self.triangle, Y, check_finite=False)
        return Y if self.basis is None else self.basis @ Y

    def adjoint(self, G: np.ndarray) -> np.ndarray:
        """Return T^-T basis' G."""
        G = G if self.basis is None else self.basis.T @ G
        return solve_triangular(self.triangle, G, trans="T", check_finite=False)

    def solve_normal(self, G: np.ndarray) -> np.ndarray:
        """Return the solution of N Z = G in the span of the basis."""
        return self.to_unknowns(self.adjoint(G))

    def improved(self, inner: np.ndarray) -> NormalFactor:
        """Return the exact factor, where `inner` is the Cholesky factor of what this one leaves of N."""
        if self.basis is None:
            root = np.asfortranarray(np.triu(inner @ self.root))
            return replace(self, root=root, triangle=root, distortion=0.0)
        # root = basis^+ restricted: (inner T) basis^+ squares to N, made triangular again.
        lengths = np.einsum("ij,ij->j", self.basis, self.basis)
        rows = inner @ self.triangle @ (self.basis / lengths).T
        width = self.root.shape[0]
        root = stacked_root(np.zeros((width, width), order="F"), rows)
        return replace(self, root=root, triangle=np.asfortranarray(inner @ self.triangle), distortion=0.0)


def full_rank_factor(root: np.ndarray, distortion: float = 0.0) -> NormalFactor:
    """The factor whose root has full rank."""
    return NormalFactor(root, root, distortion=distortion)


def truncated_factor(
    root: np.ndarray, decomposition: tuple, rank: int, distortion: float = 0.0
) -> NormalFactor:
    """The factor that keeps the `rank` largest singular values of the root, given its decomposition."""
    left, values, right = decomposition
    basis = right[:rank].T / values[:rank]
    null = right[rank:][values[rank:] <= _NULL * values[0]].T
    return NormalFactor(root, np.eye(rank, order="F"), basis, null, left[:, :rank], distortion)


def stacked_root(root: np.ndarray, block: np.ndarray, triangular: bool = False) -> np.ndarray:
    """Return the R of the QR factorisation of [root; block] by Householder reflections, in BLAS-3 panels.

    Parameters
    ----------
    root : ndarray of shape (width, width)
        Upper triangular.
    block : ndarray of shape (n_rows, width)
    triangular : bool
        The block is square and upper triangular too, which saves two thirds of the work.

    Notes
    -----
    Complexity: 2 n_rows width^2 flops; LAPACK's tpqrt uses that the root is triangular.
    """
    width = root.shape[1]
    rows = width if triangular else 0
    block = np.array(block, order="F")
    result, _, _, info = lapack.dtpqrt(rows, min(_PANEL, width), root, block, overwrite_b=True)
    if info != 0:
        raise ValueError(f"LAPACK dtpqrt refused argument {-info}; this is a fault of sparsesolve")
    return np.triu(result)


def root_of_blocks(blocks: Iterable[np.ndarray], width: int) -> np.ndarray:
    """Return the R of the QR factorisation of stacked row blocks, without storing Q.

    Backward stable for any condition and rank (a sequential tall-skinny QR: Demmel, Grigori, Hoemmen and Langou,
    SIAM J. Sci. Comput. 34, 2012). One pass, 2 n_rows width^2 flops.
    """
    root = np.zeros((width, width), order="F")
    with single_threaded_blas():  # LAPACK's panels are too small to gain from more
        for block in blocks:
            root = stacked_root(root, block)
    return root


def singular_values(root: np.ndarray) -> np.ndarray:
    """Singular values of a root, largest first."""
    return svd(root, compute_uv=False, check_finite=False)


def root_svd(root: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Singular value decomposition of a root."""
    return svd(root, check_finite=False)


def extreme_singular_values(root: np.ndarray) -> tuple[float, float]:
    """Return the largest and the smallest singular value of an upper triangular root, the latter 0 if singular.

    From the singular values where the root is small, else from a few Lanczos steps with the root and its inverse,
    which give them to a few percent at O(width^2) cost.
    """
    width = root.shape[0]
    if width <= 128:
        values = singular_values(root)
        return float(values[0]), float(values[-1])
    largest = _lanczos(lambda x: root.T @ (root @ x), width)
    if np.any(np.diag(root) == 0):
        return largest, 0.0

    def inverse(x):
        return solve_triangular(
            root, solve_triangular(root, x, trans="T", check_finite=False), check_finite=False
        )

    with np.errstate(all="ignore"):
        inverse_of_smallest = _lanczos(inverse, width)
    return largest, 1.0 / inverse_of_smallest if np.isfinite(inverse_of_smallest) else 0.0


def _lanczos(product, width: int) -> float:
    """The square root of the largest eigenvalue of a symmetric product, by Lanczos with reorthogonalisation."""
    basis = np.zeros((_LANCZOS_STEPS, width))
    projected = np.zeros((_LANCZOS_STEPS, _LANCZOS_STEPS))
    vector = np.cos(np.arange(1, width + 1.0) ** 2)  # any vector that is not aligned with the data
    for step in range(_LANCZOS_STEPS):
        for _ in range(2):
            vector = vector - basis[:step].T @ (basis[:step] @ vector)
        length = np.linalg.norm(vector)
        if not np.isfinite(length):
            return np.inf
        if length == 0:
            break
        basis[step] = vector / length
        vector = product(basis[step])
        projected[: step + 1, step] = projected[step, : step + 1] = basis[: step + 1] @ vector
    if not np.all(np.isfinite(projected)):
        return np.inf
    return float(np.sqrt(np.linalg.eigvalsh(projected)[-1]))
