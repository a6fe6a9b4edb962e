"""Alternating minimization: each factor in turn, row by row, on the other."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ..backends.threads import single_threaded_blas
from ..driver import TICK, Iterate, Solver
from ..random import as_key
from ..result import Status
from .acceleration import Anderson
from .factors import Factors
from .gauge import align, balance
from .joint import JointIterate, Slowness, newton_steps
from .observations import Observations
from .regressions import Posed, pose
from .row_solvers import choose, gradient_sums, half_sweep, make_solver
from .spectral import spectral_start

# Below these float32 brings no more: the relative change of a factor in a sweep, and the certificate.
_SINGLE_CHANGE = 1e-5
_SINGLE_CERTIFICATE = 1e-6
# What rounding may add to the share of the objective, in float32 and in float64.
_NOISE = {False: 1e-6, True: 1e-13}
# Rounding may stop the certificate from here on; so many sweeps without progress show that it did.
_ROUNDING = 1e-11
_PATIENCE = 4
# The share of the present distance to which the paper's solver computes each row.
_SHARE = 0.1


@dataclass(frozen=True)
class Measure:
    """How far a pair of factors is from a stationary point.

    Attributes
    ----------
    certificate : float
        See `certify`.
    objective : float
        In the data's units.
    rmse : float
        Root of the weighted mean of squared residuals.
    share : float
        The objective divided by the weighted sum of squared data.
    """

    certificate: float
    objective: float
    rmse: float
    share: float


def certify(
    observations: Observations,
    factors: Factors,
    alpha: float = 0.0,
    scale_alpha: bool = False,
    background: float = 0.0,
) -> Measure:
    """Measure the gradient of the objective at a pair of factors, in float64; O(entries rank).

    With g_i the gradient for row i of A (half of it), W_i the row's sum of weights, alpha_i its ridge, G_B the mean
    of b_j b_j' weighted by the columns' sums of weights, and likewise for the columns, the certificate is

        sqrt((sum_i g_i' (W_i G_B + alpha_i I)^+ g_i + sum_j g_j' (W_j G_A + alpha_j I)^+ g_j) / sum w M^2).

    It does not change when the data are scaled or transposed, nor, without a ridge, with the gauge of the factors; its
    square is about the share of the data's sum of squares by which one more sweep would lower the objective. With a
    background c, the weight of the zeros elsewhere, W_i counts what the weights are above it, the means are unweighted,
    and c n G_B, c m G_A are added to what is inverted.
    """
    posed = pose(observations, alpha, scale_alpha, background)
    root = np.sqrt(posed.scale)
    return _measure(posed, factors.row_factors / root, factors.column_factors / root)


def alternate(
    observations: Observations,
    rank: int,
    *,
    alpha: float = 0.0,
    scale_alpha: bool = False,
    background: float = 0.0,
    inner: str = "auto",
    cg_steps: int = 2,
    start: Factors | None = None,
    tol: float = 1e-9,
    random_state=None,
    single_precision: bool = True,
    memory: int = 4,
) -> Solver:
    """Complete a matrix by alternating minimization; a generator for `sparsesolve.driver.drive`.

    Minimises over A and B: sum over the observed entries of w_ij (a_i.b_j - M_ij)^2, plus
    alpha (sum_i d_i |a_i|^2 + sum_j d_j |b_j|^2).

    Parameters
    ----------
    observations : Observations
    rank : int
        At most the least of the matrix's dimensions.
    alpha : float, default=0.0
        Ridge.
    scale_alpha : bool, default=False
        Whether d_i is the number of entries of row i; else 1.
    background : float, default=0.0
        Weight of zeros at the entries that were not observed; below all weights.
    inner : {"auto", "cholesky", "cg", "sketch"}, default="auto"
        How each row's regression is solved: exactly, by a few steps from where it was, or by the paper's sketch.
    cg_steps : int, default=2
        Steps of "cg".
    start : Factors, optional
        Default: the spectral start.
    tol : float
        Of the certificate, see `certify`: an iterate that seems to meet it is measured in full.
    random_state : None, int, Generator or RandomState
        For the spectral start and the sketches.
    single_precision : bool, default=True
        Whether the early sweeps run in float32.
    memory : int, default=4
        Sweeps from which Anderson's method extrapolates; 0 for none.

    Yields
    ------
    Iterate
        Solution `Factors`; extras "rmse" and "change" (relative, of the column factors in the sweep).

    Returns
    -------
    Status
        STALLED when rounding stops progress.

    Raises
    ------
    ValueError
        When the rank is above the least of the matrix's dimensions, or nothing was observed.

    Notes
    -----
    Y. Gu, Z. Song, J. Yin, L. Zhang, "Low rank matrix completion via robust alternating minimization in nearly linear
    time", ICLR 2024. A sweep costs O(entries rank) by "cg", O(entries rank^2 + (m + n) rank^3) by "cholesky".
    """
    if rank > min(observations.shape):
        raise ValueError(
            f"rank={rank} is above the least of the matrix's dimensions {observations.shape}: use a smaller rank."
        )
    key = as_key(random_state)
    exact = not single_precision
    given = observations, alpha, scale_alpha, background
    posed = pose(*given, np.float64 if exact and start is not None else np.float32)
    root = np.sqrt(posed.scale)
    A, B = spectral_start(posed, rank, key) if start is None else (factor / root for factor in start)
    yield TICK
    posed = pose(*given) if exact and posed.rows.dtype == np.float32 else posed
    # Without a ridge the entries may leave room to run away: what comes then is not for Newton's method.
    held = posed.rows.regularised or background > 0.0 or start is not None
    if posed.rows.regularised:
        A, B = balance(A, B, posed.rows.penalties, posed.columns.penalties)
    sweeps = _Sweeps(inner, cg_steps, key, single_precision)
    anderson = Anderson(memory)
    plain, lowest, change = (A, B), np.inf, np.inf
    best, waited, extrapolated = np.inf, 0, False
    slowness = Slowness()
    while True:
        A, before = sweeps.solve(posed, A, B)
        yield TICK
        B1, after = sweeps.solve(posed.transposed, B, A)
        # The second half sweep began with the gradient at (A, B): the iterate is that pair, certified at no cost.
        measure = _from_sums(posed, A, B, after.squares, before.after + after.before)
        if extrapolated and not measure.share <= lowest * (1.0 + 1e-3) + _NOISE[exact]:
            A, B = plain
            anderson.clear()
            extrapolated = False
            continue
        lowest = min(lowest, measure.share)
        if measure.certificate <= tol:
            measure = _measure(posed if exact else pose(*given), A, B)
        elif not exact:
            measure = replace(measure, certificate=max(measure.certificate, _SINGLE_CERTIFICATE))
        yield Iterate(
            Factors(A * root, B * root),
            measure.certificate,
            measure.objective,
            {"rmse": measure.rmse, "change": change},
        )
        waited = 0 if measure.certificate < 0.9 * best else waited + 1
        best = min(best, measure.certificate)
        if exact and best <= _ROUNDING and waited >= _PATIENCE:
            return Status.STALLED
        sweeps.distance = min(sweeps.distance, measure.certificate)
        A1, B1 = _in_gauge(posed, A, B1, B)
        change = _relative(B1, B)
        plain = A1, B1
        spent = change < _SINGLE_CHANGE or measure.certificate <= _SINGLE_CERTIFICATE or waited >= _PATIENCE
        if not exact and spent:
            # Only one precision is held at a time: entries may fill the memory.
            del posed
            posed, lowest, exact = pose(*given), np.inf, True
        if held and slowness.seen(measure.certificate) and exact:
            for found in newton_steps(posed, *plain, tol=tol):
                yield found if found is TICK else _newton_iterate(posed, found)
            return Status.STALLED
        A, B = anderson.extrapolate(B, A1, B1)
        extrapolated = len(anderson.history) > 1


class _Sweeps:
    """Half sweeps by the solver that was asked for."""

    def __init__(self, inner: str, cg_steps: int, key: int, single_precision: bool):
        self.single_precision = single_precision
        self.inner, self.cg_steps, self.key = inner, cg_steps, key
        self.distance = 1.0
        self.count = 0

    def solve(self, posed: Posed, A, B):
        """Solve for the rows of A."""
        name = choose(self.inner, posed.rows, A.shape[1], self.cg_steps)
        self.count += 1
        solver = make_solver(name, self.cg_steps, _SHARE * self.distance, self.key, self.count)
        mixed = name == "cg" and self.single_precision and posed.rows.dtype == np.float64
        return half_sweep(posed.rows, posed.columns.masses, A, B, solver, mixed)


# More BLAS threads than one cost more than they bring at these widths, and other bits.
@single_threaded_blas()
def _in_gauge(posed: Posed, A, B, goal):
    """The pair in the gauge in which B is nearest to `goal`; under a ridge, among those where the ridge is least."""
    if posed.rows.regularised:
        A, B = balance(A, B, posed.rows.penalties, posed.columns.penalties)
        W = align(B, goal, True)
        return A @ W, B @ W
    W = align(B, goal, False)
    return A @ np.linalg.inv(W).T, B @ W


def _measure(posed: Posed, A, B) -> Measure:
    own = gradient_sums(posed.rows, posed.columns.masses, A, B)
    other = gradient_sums(posed.columns, posed.rows.masses, B, A)
    return _from_sums(posed, A, B, own.squares, own.before + other.before)


def _from_sums(posed: Posed, A, B, squares: float, gradient: float) -> Measure:
    energy = posed.energy
    squares = max(squares, 0.0)
    penalty = energy - posed.rows.energy  # the constant that a background brings; zero without
    if posed.background > 0.0:
        penalty += posed.background * float(((A.T @ A) * (B.T @ B)).sum())
    if posed.rows.regularised:
        sides = ((posed.rows, A), (posed.columns, B))
        penalty += float(
            sum(side.penalties @ np.einsum("ij,ij->i", factor, factor) for side, factor in sides)
        )
    mass = float(posed.rows.masses.sum())
    return Measure(
        float(np.sqrt(gradient / energy)) if energy > 0.0 else 0.0,
        (squares + penalty) * posed.scale * posed.weight_scale * posed.scale,
        float(np.sqrt(squares / mass)) * posed.scale,
        (squares + penalty) / energy if energy > 0.0 else 0.0,
    )


def _newton_iterate(posed: Posed, found: JointIterate) -> Iterate:
    root, units = np.sqrt(posed.scale), posed.scale**2 * posed.weight_scale
    mass = float(posed.rows.masses.sum())
    objective = (found.objective + posed.energy - posed.rows.energy) * units
    extras = {"rmse": float(np.sqrt(found.squares / mass)) * posed.scale, "change": np.nan}
    return Iterate(Factors(found.A * root, found.B * root), found.certificate, objective, extras)


def _relative(B1, B) -> float:
    size = np.linalg.norm(B)
    return float(np.linalg.norm(B1 - B) / size) if size > 0.0 else 0.0
