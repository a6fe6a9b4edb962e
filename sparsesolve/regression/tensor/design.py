"""The least squares problem with a Kronecker matrix: what its structure makes cheap."""

from __future__ import annotations

from dataclasses import dataclass
from functools import reduce

import numpy as np

from ... import sketch as sketches
from ...exceptions import NumericalError
from ...operators.kronecker import mode_products
from ...sketch.kronecker_srht import KroneckerSRHT
from ..design import Design
from ..factor import root_of_blocks
from .array_gram import array_gram
from .engines import own_engines
from .factored import solve_factored
from .rows import KroneckerRows

# Columns of a product above which no d x d factor is made of it.
MOST_DENSE = 512


@dataclass(frozen=True)
class KroneckerDesign(Design):
    """A `Design` whose rows are `KroneckerRows`. Every engine runs on it; some passes need no row of the product."""

    rows: KroneckerRows

    @property
    def has_closed_form(self) -> bool:
        """Where the dense factors of many columns would cost more than all else, and no weights are there."""
        wide = self.root_weights is None and self.n_columns > MOST_DENSE
        return wide and all(np.any(factor) for factor in self.rows.factors)

    def closed_form(self, options, choice, target_scale, tol, callback, verbose):
        """See `solve_factored`."""
        return solve_factored(self, options, choice, target_scale, tol, callback, verbose)

    def own_engines(self, tol):
        """QR factorisations of the factors where all rows weigh the same; else the array method's normal matrix."""
        return own_engines(self, tol)

    def sample_of(self, name: str, size: int, key: int):
        """A sketch of the factors where there is one for it, else one of the product's rows, made block by block."""
        if name == "leverage":
            raise ValueError(
                "sketch='leverage' needs the rows of the product: use sketch='srht' for a list of factors."
            )
        if name == "srht" and self.root_weights is None:
            return KroneckerSRHT(size, key).sample(self.rows.counts)
        made = sketches.from_name(name, size, key)
        if not isinstance(made, sketches.KroneckerDistribution):
            return made.sample(self.n_rows)
        if self.root_weights is not None:
            raise ValueError(
                f"sketch={name!r} makes sketches of factors, but with weights rows are no products of the factors' "
                "rows: use sketch='srht'."
            )
        return made.sample(self.rows.counts)

    def sketched(self, sample, one_in=1):
        """Return S diag(s) [A 1 b], shape (m, n_unknowns + n_targets)."""
        if isinstance(sample, sketches.KroneckerSketch):
            ones = [
                sample.apply_factors([np.ones((count, 1)) for count in self.rows.counts])
            ] * self.intercept
            return np.hstack([sample.apply_factors(self.rows.factors), *ones, sample.apply(self.targets)])
        total, first = 0.0, 0
        for block in self.blocks(least_rows=2 * sample.shape[0]):
            total += sample.apply_block(np.hstack(block), first)
            first += len(block.matrix)
        return total

    def require_finite(self, *made_of_it):
        """Raise an error for an overflow; the factors themselves were checked before."""
        if not all(np.all(np.isfinite(array)) for array in made_of_it):
            name = self.name
            raise NumericalError(
                f"a sum over {name} is beyond floating point: divide its factors by their largest entry."
            )

    def gram_and_gradient(self, Z):
        """As that of `Design`: the normal matrix by the array method, in n d_k^2 flops for the smallest d_k."""
        gram = array_gram(self.rows.factors, self.weights_tensor(), self.intercept)
        gram *= self.column_scale
        gram *= self.column_scale[:, None]
        gram[np.diag_indices_from(gram)] += self.penalty
        return gram, self.normal_residual(Z)[0]

    def weights_tensor(self) -> np.ndarray:
        """The weights s^2, shape (1, n_1, n_2, ...)."""
        counts = (1, *self.rows.counts)
        return np.ones(counts) if self.root_weights is None else (self.root_weights**2).reshape(counts)

    def root(self):
        """As that of `Design`. Where all rows weigh the same, from the QR factorisations of the factors.

        The sum of n_k d_k^2 flops, n d_1 for the targets, and where a factor is wider than tall, d^3.
        """
        if self.root_weights is not None:
            return super().root()
        orthonormal, triangles = zip(*(np.linalg.qr(factor) for factor in self.rows.factors), strict=True)
        beside = np.hstack([np.ones((self.n_rows, int(self.intercept))), self.targets])
        inside, outside = _parted(beside, orthonormal, self.rows.counts)
        rank, width = len(inside), self.n_unknowns + self.n_targets
        joined = np.zeros((rank + beside.shape[1], width), order="F")
        joined[:rank, : self.n_columns] = reduce(np.kron, triangles)
        joined[:rank, self.n_columns :] = inside
        joined[rank:, self.n_columns :] = root_of_blocks([outside], beside.shape[1])
        joined[:, : self.n_unknowns] *= self.column_scale
        return (
            np.asfortranarray(np.triu(joined)) if rank == self.n_columns else root_of_blocks([joined], width)
        )


def _parted(columns, orthonormal, counts):
    """Coordinates of columns in the span of the Kronecker product of orthonormal matrices, and what is left of them."""
    n_columns = columns.shape[1]
    tensor = np.ascontiguousarray(columns.T).reshape(n_columns, *counts)
    inside = mode_products(tensor, [Q.T for Q in orthonormal])
    outside = tensor - mode_products(inside, orthonormal)
    return inside.reshape(n_columns, -1).T, outside.reshape(n_columns, -1).T
