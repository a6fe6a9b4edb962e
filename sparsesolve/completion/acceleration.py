"""Anderson acceleration of alternating sweeps, in a common gauge."""

from __future__ import annotations

import numpy as np

from ..backends.threads import single_threaded_blas

_WILD = 5.0


class Anderson:
    """Extrapolates pairs of factors from the last sweeps.

    D. G. Anderson, "Iterative procedures for nonlinear integral equations", J. ACM 12 (1965). A sweep maps B to B1 (and
    A1). Of the combinations of the last sweeps' results, with weights that sum to one, the one is taken whose
    combination of steps B1 - B is shortest. O((m + n) rank depth) a sweep.

    Parameters
    ----------
    depth : int
        How many earlier sweeps are used; 0 switches it off.
    wild : float, default=5.0
        Sum of the weights' sizes beyond which the earlier sweeps are forgotten.
    """

    def __init__(self, depth: int, wild: float = _WILD):
        self.depth, self.wild = depth, wild
        self.history: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []

    def clear(self) -> None:
        """Forget the earlier sweeps."""
        self.history = []

    @single_threaded_blas()
    def extrapolate(self, B: np.ndarray, A1: np.ndarray, B1: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the pair to go on with, after a sweep that led from B to (A1, B1), in one gauge."""
        if self.depth == 0:
            return A1, B1
        self.history = [*self.history[-self.depth :], (B1 - B, A1, B1)]
        if len(self.history) == 1:
            return A1, B1
        last = self.history[-1][0]
        steps = [last - step for step, _, _ in self.history[:-1]]
        gram = np.array([[np.vdot(a, b) for b in steps] for a in steps])
        size = np.sqrt(np.diag(gram)).clip(min=np.finfo(float).tiny)
        right = np.array([np.vdot(a, last) for a in steps]) / size
        share = np.linalg.lstsq(gram / size / size[:, None], right, rcond=1e-10)[0] / size
        if not np.abs(share).sum() < self.wild:
            self.history = self.history[-1:]
            return A1, B1
        A, B = (1.0 - share.sum()) * A1, (1.0 - share.sum()) * B1
        for weight, (_, older_A, older_B) in zip(share, self.history[:-1], strict=True):
            A += weight * older_A
            B += weight * older_B
        return A, B
