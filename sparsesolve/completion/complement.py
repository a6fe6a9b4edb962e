"""The Gauss-Newton matrix of a factorisation, its first half eliminated, for conjugate gradients."""

from __future__ import annotations

import math

import numpy as np

from . import tangent_kernels as kernels
from .tangent_entries import Entries, packed, padded


class SchurComplement:
    """The damped Gauss-Newton matrix of a state with X eliminated, as conjugate gradients need it.

    The matrix is [D + E, C; C', D' + E'] with the Gram matrices D (of V, a block a row) and D' (of U, a block a
    column), the diagonal dampings E, E', and C_ij = v_j u_i' on the observed entries.

    Parameters
    ----------
    entries : Entries
    left, right : ndarray of shape (m, rank) and (n, rank)
    grams : tuple of two ndarray
        As in `Linearisation`.
    damping : tuple of two ndarray of shape (rank,)
        Diagonals of E and E'.
    """

    def __init__(self, entries: Entries, left, right, grams, damping):
        self.entries = entries
        self.width = padded(left.shape[1])
        self.lanes = (0.0,) * self.width
        self.packs = packed(left, self.width, 2), packed(right, self.width, 2)
        self.grams, self.damping = grams, damping
        self.inverses = tuple(np.empty_like(gram) for gram in grams)
        for side in (0, 1):
            entries.each(side, kernels.invert, grams[side], damping[side], self.inverses[side])
        self.sums = np.empty((left.shape[0], self.width)), np.empty((right.shape[0], self.width))
        self.no_vector = np.zeros(left.shape), np.zeros(right.shape)

    def _cross(self, side):
        observed = self.entries.sides[side]
        arguments = (observed.starts, observed.others, self.packs[side], self.packs[1 - side], self.lanes)
        self.entries.each(side, kernels.cross, *arguments, self.sums[side])
        return self.sums[side]

    def eliminate(self, given, sign) -> None:
        """Write X = inverse (given + sign sums) beside U."""
        arguments = (self.inverses[0], given, sign, self.sums[0], self.packs[0], self.width)
        self.entries.each(0, kernels.eliminate, *arguments)

    def image(self, out) -> float:
        """Apply the complement to the vector beside V; returns their product."""
        self._cross(0)
        self.eliminate(self.no_vector[0], 1.0)
        sums = self._cross(1)
        arguments = (self.grams[1], self.damping[1], self.packs[1], self.width, sums, out)
        return math.fsum(self.entries.each(1, kernels.complement, *arguments))

    def reduced(self, given) -> np.ndarray:
        """Right-hand side of the complement: given' - C' inverse given."""
        self.sums[0][:] = 0.0
        self.eliminate(given[0], 1.0)
        return given[1] - self._cross(1)[:, : given[1].shape[1]]

    def solve(self, right_side, share, max_steps) -> tuple[np.ndarray, int]:
        """Conjugate gradients from zero, until the preconditioned residual is that share of the first."""
        answer, remainder = np.zeros_like(right_side), right_side.copy()
        image, preconditioned = np.zeros_like(right_side), np.empty_like(right_side)
        pack, width, inverses = self.packs[1], self.width, self.inverses[1]
        pack[:, width:] = 0.0

        def advance(step):
            arguments = (step, pack, width, image, inverses, answer, remainder, preconditioned)
            return math.fsum(self.entries.each(1, kernels.advance, *arguments))

        first = current = advance(0.0)
        if not current > 0.0:
            return answer, 0
        pack[:, width : width + answer.shape[1]] = preconditioned
        for count in range(1, max_steps + 1):
            curvature = self.image(image)
            if not curvature > 0.0:
                return answer, count
            before, current = current, advance(current / curvature)
            if not current > share * share * first:
                return answer, count
            self.entries.each(1, kernels.redirect, preconditioned, current / before, pack, width)
        return answer, max_steps

    def back(self, given, answer) -> np.ndarray:
        """X for a known Y: inverse (given - C Y)."""
        self.packs[1][:, self.width : self.width + answer.shape[1]] = answer
        self._cross(0)
        self.eliminate(given, -1.0)
        return self.packs[0][:, self.width : self.width + answer.shape[1]]
