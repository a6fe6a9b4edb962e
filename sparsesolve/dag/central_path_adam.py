"""Adam on a stage of the central path: the paper's inner solver."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from ..driver import TICK
from .central_path_kernels import adam_direction, fill_residuals, fill_variances
from .central_path_stage import Stage
from .log_determinant import invert_transposed

_PIECE = 100  # steps between two looks at the clock
_MOST_HALVINGS = 60


class AdamOptions(NamedTuple):
    """Learning rate, decay of the two moments, steps between checkpoints, and the largest number of steps."""

    learning_rate: float
    betas: tuple[float, float]
    checkpoint: int
    max_iter: int


def adam(stage: Stage, weights: np.ndarray, options: AdamOptions) -> Iterator[np.ndarray | None]:
    """Yield the weights at each checkpoint, and None on the way.

    One inverse and one product an iteration. A step that would leave the domain is halved until it stays inside, from
    the same weights and the same moments; the rate stays lower up to the next checkpoint. Where that happens again and
    again, the momentum points out of the domain: then the moments begin anew.
    """
    C, d = stage.C, len(stage.C)
    W, new = np.where(stage.allowed, weights, 0.0), np.zeros((d, d))
    inverse, spare = np.empty((d, d)), np.empty((d, d))
    first, second, direction = np.zeros((d, d)), np.zeros((d, d)), np.empty((d, d))
    R, product, variances = np.empty((d, d)), np.empty((d, d)), np.empty(d)
    rate, since = options.learning_rate, 0
    invert_transposed(W, stage.s, inverse)
    for step in range(1, options.max_iter + 1):
        fill_residuals(W, R)
        np.matmul(C, R, out=product)
        fill_variances(R, product, variances)
        since += 1
        adam_direction(
            W, product, stage.scales(variances), inverse, stage.allowed, stage.mu, stage.alpha,
            options.betas, since, first, second, direction,
        )  # fmt: skip
        halvings = 0
        while halvings <= _MOST_HALVINGS:
            np.multiply(direction, -rate, out=new)
            new += W
            if invert_transposed(new, stage.s, spare) < np.inf:
                W, new, inverse, spare = new, W, spare, inverse
                break
            rate *= 0.5
            halvings += 1
        if rate < 1e-3 * options.learning_rate:
            first[:], second[:], since = 0.0, 0.0, 0
            rate = 0.5 * options.learning_rate
        if step % options.checkpoint == 0 or step == options.max_iter:
            yield W.copy()
            rate = options.learning_rate
        elif step % _PIECE == 0:
            yield TICK
