"""Least squares: one call, several engines, one certificate."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ..backends import Choice
from ..backends.threads import blas_for
from ..driver import TICK, drive
from ..operators import as_row_matrix
from ..result import Result
from ..streams import RowBlocks
from ..streams.sources import as_row_blocks, is_stream
from ..validation import check_matrix, check_real, check_targets
from . import engines
from .backend import sketch_backend
from .block_design import block_design
from .design import Design
from .options import (
    ITERATIVE_ROWS,
    Options,
    check_options,
    preconditioner_rows,
    root_weights,
    solved_sketch_rows,
)
from .preview import Preview, preview
from .solution import accurate_result, single_target, sketched_result
from .stream import fit_once
from .tensor import are_factors, pose

_ENGINES = {"gram": engines.gram, "cqrrt": engines.cqrrt, "spir": engines.spir, "fossils": engines.fossils}

# Where the engines stop being accurate: largest condition number of the scaled columns.
_GRAM_CONDITION = 1e6
_CQRRT_CONDITION = 1e10
# Where A has so many rows a column, a glance at one row in so many tells whether the simplest engine will do. A look
# at part of the rows proves nothing; the certificate does.
_GLANCE_ROWS, _GLANCE = 64, 8
# Work at which LAPACK alone is done before a sketch would pay, in entries of A.
_SMALL = 1 << 16
# Speeds in flops a second of one thread; only their ratios matter. Measured with `benchmarks/regression.py`.
_SYRK, _GEMM, _HOUSEHOLDER, _STREAM = 30e9, 40e9, 15e9, 4e9
_ITERATIVE_PASSES = 45


def lstsq(
    A,
    b=None,
    *,
    alpha=0.0,
    solver="auto",
    sketch="srht",
    sketch_size="auto",
    tol=None,
    max_iter=100,
    max_time=None,
    random_state=None,
    fit_intercept=False,
    sample_weight=None,
    backend="auto",
    callback=None,
    verbose=False,
) -> Result:
    """Solve min ||A x - b||^2 + alpha ||x||^2, with a certificate of its backward error.

    Parameters
    ----------
    A : array of shape (n_rows, n_columns), or scipy sparse array or matrix, or list of those, or row blocks
        A list stands for the Kronecker product of its entries, which is not formed. Any real type and memory layout;
        float64 in C order is read in place, other dense layouts block by block. For data beyond memory,
        `sparsesolve.streams.row_blocks` of them.
    b : array of shape (n_rows,) or (n_rows, n_targets)
        For a list of factors also a tensor with one axis a factor. None where row blocks bring it.
    alpha : float, default=0.0
        Ridge penalty, at least 0; the intercept is not penalised.
    solver : {"auto", "gram", "cqrrt", "spir", "fossils", "sketch-and-solve", "direct"}
        "auto" looks at a sketch first, takes the fastest engine that is accurate at its condition number, checks
        the backward error, and falls back where that is too large.
    sketch : str or callable
        "srht" (block SRHT), "gaussian", "rademacher", "countsketch", "sparse-sign", "leverage", "padded-srht" or
        "multisketch"; or ``function(size, random_state)`` that returns a `sparsesolve.sketch.Distribution` of your own.
    sketch_size : "auto", int or CalibratedSize
        Rows of the sketch; `from_eps(eps, delta)` gives those of the l_inf guarantee.
    tol : float, optional
        Largest backward error, relative to the Frobenius norm; 2.2e-16 unless given. For "sketch-and-solve", the
        largest error bound relative to the largest coefficient; without bound unless given.
    max_iter : int, default=100
        Largest number of refinements.
    max_time : float, optional
        Seconds after which no further refinement begins.
    random_state : None, int, Generator or RandomState
        Seed of the sketch.
    fit_intercept : bool, default=False
        Add a column of ones, which is never stored.
    sample_weight : array of shape (n_rows,), optional
        Weights of the squared residuals, at least 0.
    backend : {"auto", "numba", "opencl"}
    callback : callable, optional
        Called with each `sparsesolve.driver.Iterate`; a true value stops.
    verbose : bool, default=False
        Log each iterate on the logger "sparsesolve".

    Returns
    -------
    Result
        ``solution`` is a `LeastSquaresSolution`. The certificate holds ``backward_error`` (of A as given) and
        ``scaled_backward_error`` (of A with columns of equal norm), both relative to the Frobenius norm; for
        "sketch-and-solve" ``relative_error_bound``.

    Raises
    ------
    ValueError
        For bad arguments; the message names the argument, its value and the mend.

    Notes
    -----
    Complexity: one pass for the sketch, n d log d additions; then n d^2 flops ("gram"), 3 n d^2 ("cqrrt"),
    2 n d^2 ("direct") or about 45 passes ("spir", "fossils"). Extra memory is O(d^2), and O(n) vectors.

    References
    ----------
    Song, Ye, Yin and Zhang, "A nearly-optimal bound for fast regression with l_inf guarantee", ICML 2023.

    Examples
    --------
    >>> import numpy as np
    >>> from sparsesolve import lstsq
    >>> rng = np.random.default_rng(0)
    >>> A = rng.standard_normal((5000, 20))
    >>> result = lstsq(A, A @ np.ones(20), random_state=0)
    >>> bool(np.allclose(result.solution.coef, 1.0)), result.certificate["backward_error"] < 2.3e-16
    (True, True)
    """
    alpha = check_real("alpha", alpha, minimum=0)
    options = check_options(solver, sketch, sketch_size, tol, max_iter, max_time, random_state, backend)
    if is_stream(A):
        blocks = as_row_blocks(A, b, sample_weight)
        result = fit_blocks(
            blocks, options, bool(fit_intercept), alpha, callback, verbose, random_state=random_state
        )
        flat = blocks.source.flat_targets
        return replace(result, solution=single_target(result.solution)) if flat else result
    if are_factors(A):
        design, b = pose(A, b, sample_weight, bool(fit_intercept), alpha)
    else:
        A = check_matrix("A", A, check_finite=False)
        b = check_targets("b", b, A.shape[0])
        weights = root_weights(sample_weight, A.shape[0])
        design = Design(as_row_matrix(A), b.reshape(A.shape[0], -1), weights, bool(fit_intercept), alpha)
    result = solve_design(design, options, callback, verbose)
    return result if b.ndim == 2 else replace(result, solution=single_target(result.solution))


def solve_design(design: Design, options: Options, callback=None, verbose=False) -> Result:
    """Solve a checked problem. See `lstsq`."""
    choice = _choose_backend(design, options)
    options = options._replace(backend=choice.name)
    design, target_scale = design.with_safe_targets()
    with np.errstate(over="ignore", invalid="ignore"), blas_for(design.n_unknowns):
        if options.solver == "sketch-and-solve":
            rows = solved_sketch_rows(options, design.n_unknowns, design.n_rows)
            if rows < design.n_rows:
                view = preview_of_size(design, options, rows)
                return sketched_result(view, design.n_observed, options, choice, target_scale)
        tol = engines.EPS if options.tol is None else options.tol
        if options.solver == "auto" and design.has_closed_form:
            return design.closed_form(options, choice, target_scale, tol, callback, verbose)
        outcome = drive(
            _route(design, options, tol),
            tol=tol,
            max_iter=options.max_iter,
            max_time=options.max_time,
            callback=callback,
            verbose=verbose,
        )
    return accurate_result(outcome, design.n_observed, choice, target_scale, tol)


def _choose_backend(design: Design, options: Options) -> Choice:
    n_rows, width = design.n_rows, design.n_unknowns
    if options.solver == "sketch-and-solve":
        makes_sketch = solved_sketch_rows(options, width, n_rows) < n_rows
    else:
        own = options.solver == "auto" and (design.has_closed_form or design.own_engines(0.0) is not None)
        makes_sketch = options.solver != "direct" and not own and not without_sketch(design, options)
    return sketch_backend(options, n_rows, width, float(design.rows.n_entries), makes_sketch)


def fit_blocks(
    blocks: RowBlocks,
    options: Options,
    intercept: bool,
    alpha: float,
    callback=None,
    verbose=False,
    name="A",
    random_state=None,
) -> Result:
    """Solve a problem whose rows come in blocks; those of an iterator are seen once. See `lstsq`."""
    if blocks.source.passes == "one":
        return fit_once(blocks, options, intercept, alpha, callback, name)
    design, options = block_design(blocks, options, intercept, alpha, name, random_state)
    result = solve_design(design, options, callback, verbose)
    design.passes.done()
    return result


def _route(design: Design, options: Options, tol: float):
    """The engines in the order in which they are tried."""
    solver = options.solver
    n_rows, width = design.n_rows, design.n_unknowns
    own = design.own_engines(tol) if solver == "auto" else None
    if own is not None:
        yield from own
        return
    # "sketch-and-solve" comes here where its sketch would be no shorter than A.
    if solver in ("direct", "sketch-and-solve") or without_sketch(design, options):
        yield from engines.direct(design, tol)
        return
    if solver != "auto":
        view = look_at(design, options)
        yield from _tagged(_ENGINES[solver](view, tol), view)
        return
    view, name = first_look(design, options)
    if name == "gram":
        yield from _tagged(engines.gram(view, tol), view)
        # Still here: the glance has missed what makes A ill-conditioned.
        view = look_at(design, options)
        name = choose(view, but="gram")
    if name == "spir":
        rows = preconditioner_rows(options, width, n_rows, iterative=True)
        view = look_at(design, options, iterative=True) if rows > view.size else view
    if name != "direct":
        yield from _tagged(_ENGINES[name](view, tol), view)
    yield from engines.direct(design, tol)


def first_look(design: Design, options: Options) -> tuple[Preview, str]:
    """The preview that `auto` begins with, and the engine that it suggests.

    Where A is very tall, a part of the rows is looked at first: where they are well conditioned, so is the whole.
    """
    if design.n_rows >= _GLANCE_ROWS * design.n_unknowns and not design.rows.is_sparse:
        glance = look_at(design, options, one_in=_GLANCE)
        if choose(glance) == "gram":
            return glance, "gram"
    view = look_at(design, options)
    return view, choose(view)


def look_at(design: Design, options: Options, iterative: bool = False, one_in: int = 1) -> Preview:
    """Sketch the problem, or one row in `one_in` of it, and solve the sketch."""
    iterative = iterative or options.solver in ("spir", "fossils")
    rows = preconditioner_rows(options, design.n_unknowns, design.n_rows, iterative)
    return preview_of_size(design, options, rows, one_in)


def preview_of_size(design: Design, options: Options, rows: int, one_in: int = 1) -> Preview:
    """The preview by a sketch of so many rows."""
    return preview(design, design.sample_of(options.sketch, rows, options.key).on(options.backend), one_in)


def _tagged(iterates, view: Preview):
    """Add the size of the sketch to the trace."""
    for iterate in iterates:
        yield (
            iterate
            if iterate is TICK
            else replace(iterate, extras={**iterate.extras, "sketch_size": view.size})
        )


def choose(view: Preview, but: str = "") -> str:
    """The engine that `auto` tries, from the condition number, the rank and the cost; not the one in `but`."""
    design = view.design
    n_rows, width = design.n_rows, design.n_unknowns
    entries = design.rows.n_entries
    iterative = (
        _ITERATIVE_PASSES * design.revisit_cost * 8 * entries / _STREAM
        + 2 * ITERATIVE_ROWS * width**3 / _HOUSEHOLDER
    )
    seconds = {
        "gram": n_rows * width**2 / _SYRK,
        "cqrrt": n_rows * width**2 * (1 / _SYRK + 2 / _GEMM),
        "direct": 2 * n_rows * width**2 / _HOUSEHOLDER,
        "spir": iterative,
    }
    if view.factor.basis is not None or view.condition > _GRAM_CONDITION:
        del seconds["gram"]
    if not view.clear or view.condition > _CQRRT_CONDITION:
        del seconds["cqrrt"]
    seconds.pop(but, None)
    return min(seconds, key=seconds.get)


def without_sketch(design: Design, options: Options) -> bool:
    """Whether A is no taller than its sketch, or, for "auto", LAPACK is done before a sketch would pay."""
    n_rows, width = design.n_rows, design.n_unknowns
    if options.solver != "auto":
        return preconditioner_rows(options, width, n_rows) >= n_rows
    return (n_rows * width <= _SMALL and options.backend != "opencl") or n_rows < 4 * width
