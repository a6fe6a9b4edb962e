"""The answer of a least squares fit, and how it is made from the state that a solver ends in."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.special import stdtrit

from ..driver import Iterate, Outcome, drive
from ..exceptions import warn_caller
from ..result import Result
from .certificate import forward_error_bound
from .factor import extreme_singular_values, singular_values
from .options import Options
from .preview import Preview

_EPS = np.finfo(np.float64).eps
_CONFIDENCE = 0.05


class LeastSquaresSolution(NamedTuple):
    """The answer of `lstsq`.

    Attributes
    ----------
    coef : ndarray of shape (n_columns,) or (n_columns, n_targets)
        The solution, of least norm where the rank is deficient.
    rank : int
        Numerical rank of the matrix.
    condition_number : float
        Ratio of its largest to its least nonzero singular value, to a few percent.
    coef_error_bound : ndarray, the shape of coef
        For "sketch-and-solve", half-widths of simultaneous confidence intervals for the exact least squares
        solution. For the other solvers, the first-order bound of what rounding can have done.
    intercept : ndarray of shape () or (n_targets,)
        Zero unless asked for.
    solver : str
        The engine that found the answer.
    sketch_size : int
        Rows of the sketch that was used; 0 for none.
    backward_error : float
        The largest over the targets; NaN where the solver does not look at A again.
    noise_scale : ndarray of shape () or (n_targets,)
        Standard error of a prediction at x, divided by ||x' covariance_root||.
    covariance_root : ndarray of shape (n_columns + 1, rank)
        Rows of A^+, the intercept's last (zero without one): its products give variances of predictions.
    residual_norm : ndarray of shape () or (n_targets,)
        Norm of the (weighted) residual; of the sketched one for "sketch-and-solve".
    """

    coef: np.ndarray
    rank: int
    condition_number: float
    coef_error_bound: np.ndarray
    intercept: np.ndarray
    solver: str
    sketch_size: int
    backward_error: float
    noise_scale: np.ndarray
    covariance_root: np.ndarray
    residual_norm: np.ndarray


def accurate_result(
    outcome: Outcome, n_rows: int, choice, target_scale, tol: float, of_factor=False
) -> Result:
    """The result of a run of one of the accurate engines.

    `of_factor` says that the certificate was taken in a triangular factor of the data, because they are gone.
    """
    fit = outcome.best.solution
    error, scaled_error = float(np.max(fit.backward_error)), float(np.max(fit.scaled_backward_error))
    limit = np.maximum(np.maximum(fit.backward_error, fit.scaled_backward_error), _EPS)
    inverse = fit.factor.to_unknowns(np.eye(fit.factor.rank))
    bound = forward_error_bound(
        inverse, np.linalg.norm(fit.factor.root), fit.Z, fit.objective, fit.target_norms, limit
    )
    penalties = np.einsum("j,jk->k", fit.design.penalty, fit.Z**2)
    norms = np.sqrt(np.maximum(fit.objective - penalties, 0.0))
    solution = _solution(fit.design, fit.factor, inverse, fit.Z, bound, norms, target_scale)._replace(
        solver=fit.stage,
        sketch_size=int(outcome.best.extras.get("sketch_size", 0)),
        backward_error=error,
        noise_scale=norms / target_scale / np.sqrt(max(1, n_rows - fit.factor.rank)),
    )
    prefix = "factor_" if of_factor else ""
    certificate = {f"{prefix}backward_error": error, f"{prefix}scaled_backward_error": scaled_error}
    return as_result(outcome, solution, certificate, choice, tol)


def sketched_result(view: Preview, n_rows: int, options: Options, choice, target_scale) -> Result:
    """The result of the paper's method: the solution of the sketch, with the error bars that its residual gives."""
    inverse = view.factor.to_unknowns(np.eye(view.factor.rank))
    bound = sketch_error_bound(view, inverse)
    largest = np.abs(view.Z).max()
    relative = float(bound.max() / largest) if largest > 0 else float(bound.max() > 0)
    objective = float((view.residual_norms**2).sum())
    iterate = Iterate(view, relative, objective, {"stage": "sketch-and-solve", "sketch_size": view.size})
    tol = np.inf if options.tol is None else options.tol
    outcome = drive((one for one in [iterate]), tol=tol, max_iter=1)
    mend = "Raise sketch_size, or take another solver: they are exact to rounding."
    freedom = view.size - view.factor.rank, max(1, n_rows - view.factor.rank)
    solution = _solution(
        view.design, view.factor, inverse, view.Z, bound, view.residual_norms, target_scale
    )._replace(
        solver="sketch-and-solve",
        sketch_size=view.size,
        noise_scale=view.residual_norms / target_scale * np.sqrt(1 / freedom[0] + 1 / freedom[1]),
    )
    return as_result(outcome, solution, {"relative_error_bound": relative}, choice, tol, mend)


def sketch_error_bound(view: Preview, inverse: np.ndarray) -> np.ndarray:
    """Half-widths of simultaneous confidence intervals for the scaled unknowns of the exact solution.

    For a Gaussian sketch the error given S A is normal with covariance |e|^2 / m ((S A)'(S A))^-1, so that the
    sketched problem's own standard errors are those of the sketch: Student's t with m - rank degrees of freedom,
    with a union bound over the unknowns.
    """
    penalty, Z = view.design.penalty, view.Z
    pulled = (inverse.T * penalty) @ inverse
    # Under a penalty P the sketch acts on A'A alone: its inverse N^-1 becomes N^-1 (N - P) N^-1, and the gradient
    # of the data's part, P z, is not zero; what the sketch does to that is the second term.
    variances = np.einsum("ij,ij->i", inverse @ (np.eye(view.factor.rank) - pulled), inverse)
    bias = inverse @ (inverse.T @ (penalty[:, None] * Z))
    freedom = view.size - view.factor.rank + np.trace(pulled)
    quantile = stdtrit(freedom, 1 - _CONFIDENCE / (2 * Z.shape[0]))  # scipy.stats takes 50 MB to load
    return (
        quantile
        / np.sqrt(freedom)
        * np.sqrt(np.maximum(variances, 0.0)[:, None] * view.residual_norms**2 + bias**2)
    )


def _solution(design, factor, inverse, Z, bound, residual_norms, target_scale) -> LeastSquaresSolution:
    n_columns = design.n_columns
    scale = design.column_scale[:, None]
    X = scale * Z / target_scale
    bound = scale * bound / target_scale
    pseudo_inverse = np.zeros((n_columns + 1, factor.rank))
    pseudo_inverse[: design.n_unknowns] = scale * inverse
    intercept = X[n_columns] if design.intercept else np.zeros(design.n_targets)
    return LeastSquaresSolution(
        coef=X[:n_columns],
        rank=factor.rank - design.intercept,
        condition_number=_condition_number(design, factor),
        coef_error_bound=bound[:n_columns],
        intercept=intercept,
        solver="",
        sketch_size=0,
        backward_error=np.nan,
        noise_scale=np.zeros(design.n_targets),
        covariance_root=pseudo_inverse,
        residual_norm=residual_norms / target_scale,
    )


def _condition_number(design, factor) -> float:
    """Of the matrix as given: its columns unscaled, null directions left out."""
    if factor.rank == 0:
        return 1.0
    if factor.basis is None:
        largest, smallest = extreme_singular_values(factor.root / design.column_scale)
        return float(largest / smallest) if smallest > 0 else np.inf
    values = singular_values(factor.root / design.column_scale)
    return float(values[0] / values[factor.rank - 1])


def as_result(outcome: Outcome, solution, certificate, choice, tol, mend="") -> Result:
    """Join an outcome and a solution; warn once where the certificate does not hold."""
    result = Result(
        solution,
        outcome.status,
        outcome.n_iter,
        certificate,
        outcome.trace,
        outcome.setup_time,
        outcome.solve_time,
        choice,
    )
    if not result.converged:
        name = next(iter(certificate))
        warn_caller(
            f"The fit ended with {name} = {outcome.best.certificate:.1e} above tol = {tol:.1e} "
            f"({outcome.status.name}). {mend or outcome.status.help}",
        )
    return result


def single_target(solution: LeastSquaresSolution) -> LeastSquaresSolution:
    """Drop the axis of targets."""
    return solution._replace(
        coef=solution.coef[:, 0],
        coef_error_bound=solution.coef_error_bound[:, 0],
        intercept=solution.intercept[0],
        noise_scale=solution.noise_scale[0],
        residual_norm=solution.residual_norm[0],
    )
