"""Least squares fits that see each row once and keep only small sums."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from .. import sketch as sketches
from ..backends import select
from ..backends.threads import blas_for
from ..driver import drive
from ..result import Result
from ..streams import Progress, RowBlocks
from ..streams.blocks import require_finite
from . import engines
from .backend import sketch_backend
from .block_design import Recipe
from .design import Design, column_norms
from .factor import stacked_root
from .options import Options, solved_sketch_rows
from .preview import solve_rotated, split_root, view_of, with_penalty
from .refine import iterate_from
from .solution import accurate_result, sketched_result

# No stream has more rows; a sketch's column depends on the row's number alone, so that the bound costs nothing.
_MOST_ROWS = 1 << 40
_ROUNDS = 3
# What sees each row once.
_IN_ONE_PASS = ("auto", "direct", "sketch-and-solve")


@dataclass(frozen=True)
class RowStream:
    """What is kept of the rows seen so far.

    Attributes
    ----------
    n_rows : int
        Rows seen.
    width : int
        Unknowns, the intercept included.
    root : ndarray of shape (width + n_targets, width + n_targets) or None
        R of the QR factorisation of [A b]; the exact fit needs nothing else.
    sketched : ndarray of shape (m, width + n_targets) or None
        S [A b], kept instead for "sketch-and-solve".
    sample : Sketch or None
        The sketch S.
    """

    n_rows: int
    width: int
    root: np.ndarray | None = None
    sketched: np.ndarray | None = None
    sample: object = None

    @classmethod
    def start(cls, design: Design, options: Options) -> RowStream:
        """An empty stream for problems of this width."""
        total = design.n_unknowns + design.n_targets
        if options.solver != "sketch-and-solve":
            return cls(0, design.n_unknowns, root=np.zeros((total, total), order="F"))
        if options.sketch in ("leverage", "padded-srht"):
            raise ValueError(
                f"sketch={options.sketch!r} needs all rows at once: use sketch='srht' or another one for partial_fit."
            )
        rows = solved_sketch_rows(options, design.n_unknowns, _MOST_ROWS)
        choice = sketch_backend(options, design.n_rows, design.n_unknowns, float(design.rows.n_entries), True)
        sample = sketches.from_name(options.sketch, rows, options.key).sample(_MOST_ROWS).on(choice.name)
        return cls(0, design.n_unknowns, sketched=np.zeros((rows, total)), sample=sample)

    @property
    def n_targets(self) -> int:
        """Right-hand sides."""
        return (self.sketched if self.root is None else self.root).shape[1] - self.width

    def add(self, design: Design) -> RowStream:
        """Return the stream that has seen these rows too. Cost: 2 n d^2 flops, or that of the sketch."""
        n_rows = self.n_rows + design.n_rows
        if self.sample is None:
            return replace(self, n_rows=n_rows, root=stacked_root(self.root, design.root(), triangular=True))
        sketched, first = self.sketched.copy(), self.n_rows
        for block in design.blocks():
            sketched += self.sample.apply_block(np.hstack(block), first)
            first += len(block.matrix)
        return replace(self, n_rows=n_rows, sketched=sketched)

    def solve(self, design: Design, options: Options, callback=None) -> Result:
        """Return the fit of all rows seen. The design gives the intercept and the penalty.

        The backward error is that of the triangular factor: it is what is left of the data, and it carries rounding
        errors of a few machine precisions itself.
        """
        on_device = self.sample is not None and self.sample.backend == "opencl"
        choice = (
            select("opencl", sketches.kernel_of(options.sketch)) if on_device else select(options.backend)
        )
        unscaled = np.ones(design.n_targets)
        with np.errstate(over="ignore", invalid="ignore"), blas_for(self.width):
            if self.sample is not None:
                view = view_of(design, self.sketched.copy())
                return sketched_result(view, self.n_rows, options, choice, unscaled)
            tol = engines.EPS if options.tol is None else options.tol
            outcome = drive(self._exact(design), tol=tol, max_iter=options.max_iter, callback=callback)
        return accurate_result(outcome, self.n_rows, choice, unscaled, tol, of_factor=True)

    def _exact(self, design: Design):
        root, rotated, left = split_root(self.root, self.width)
        design = design.scaled_by(column_norms(root))
        target_norms = np.hypot(np.linalg.norm(rotated, axis=0), left)
        root, rotated, left = with_penalty(root * design.column_scale, rotated, left, design.penalty)
        factor = engines.revealed_factor(root, rotated, left, self.n_rows)
        Z = design.shortest(factor, solve_rotated(factor, root, rotated))
        for _ in range(_ROUNDS):
            gone = rotated - root @ Z
            objective = np.einsum("ij,ij->j", gone, gone) + left**2
            yield iterate_from(design, factor, Z, root.T @ gone, objective, target_norms, "direct")
            Z = design.shortest(factor, Z + factor.solve_normal(root.T @ gone))


def fit_once(
    blocks: RowBlocks, options: Options, intercept: bool, alpha: float, callback=None, name="A"
) -> Result:
    """Return the fit of row blocks that can be read only once; as for `partial_fit`, only small sums are kept."""
    if options.solver not in _IN_ONE_PASS:
        blocks.require_passes(f"solver={options.solver!r}")
    if blocks.checkpoint is not None:
        blocks.require_passes("checkpoint")
    blocks.require_targets()
    width = blocks.n_columns + intercept
    recipe = Recipe(intercept, np.ones(width), np.ones(blocks.n_targets), name)
    stream = design = None
    for block in blocks:
        design = recipe(block).design
        stream = (RowStream.start(design, options) if stream is None else stream).add(design)
        if not np.all(np.isfinite(stream.sketched if stream.root is None else stream.root)):
            require_finite(block)
        if blocks.progress is not None:
            blocks.progress(Progress(0, block.number + 1, None, stream.n_rows))
    return stream.solve(replace(design, alpha=alpha), options, callback)
