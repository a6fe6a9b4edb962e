"""The loop of all methods: E-step, M-step, noise, pruning; for `sparsesolve.driver.drive`."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ..driver import Iterate, Solver
from ..operators.kronecker import mode_products
from .iteration import Expectation, Multiplicative, rises
from .posterior import Posterior, posterior
from .problem import Problem, matched_start
from .pruning import Pruning, spread
from .sampling import draw
from .updates import relative_change

# The noise variance that learning begins with, as a share of the data's mean square.
FIRST_NOISE = 0.1


@dataclass(frozen=True, eq=False)
class State:
    """What a method has learned so far, in the units of the problem it was given.

    Attributes
    ----------
    problem : Problem
        Of the kept coefficients.
    kept_gammas : tuple of ndarray of shape (k_i,)
    noise_variance : float
        0 where all data are zero: then so are all coefficients.
    keep : tuple of ndarray of int, shape (k_i,)
        For each mode, the indices that were not pruned.
    shape : tuple of int
        Unknowns in each mode before pruning.
    """

    problem: Problem
    kept_gammas: tuple[np.ndarray, ...]
    noise_variance: float
    keep: tuple[np.ndarray, ...]
    shape: tuple[int, ...]

    @cached_property
    def posterior(self) -> Posterior:
        """Of the kept coefficients; computed when first asked for. Needs a noise variance above 0."""
        return posterior(self.problem, self.kept_gammas, self.noise_variance)

    @property
    def degrees_of_freedom(self) -> float:
        """Numbers that the fit spends on the data."""
        if self.noise_variance == 0.0:
            return 0.0
        return self.problem.n_snapshots * self.posterior.degrees_of_freedom

    def gammas(self) -> list[np.ndarray]:
        """One array a mode, with zeros where it was pruned."""
        kept = zip(self.kept_gammas, self.keep, self.shape, strict=True)
        return [spread(gamma, (keep,), (n,)) for gamma, keep, n in kept]

    def mean(self) -> np.ndarray:
        """Posterior mean of shape (T, n_1, ..., n_I)."""
        if self.noise_variance == 0.0:
            return np.zeros((self.problem.n_snapshots, *self.shape), self.problem.data.dtype)
        return spread(self.posterior.mean(), self.keep, self.shape)

    def variance(self) -> np.ndarray:
        """Posterior variance of shape (n_1, ..., n_I)."""
        if self.noise_variance == 0.0:
            return np.zeros(self.shape, self.problem.data.real.dtype)
        return spread(self.posterior.variance(), self.keep, self.shape)

    def predict(self, factors: Sequence[np.ndarray], with_variance: bool = False):
        """Posterior mean of kron(B_1, ..., B_I) x, and its variance if asked for.

        Parameters
        ----------
        factors : sequence of ndarray of shape (k_i, n_i)
        with_variance : bool

        Returns
        -------
        mean : ndarray of shape (T, k_1, ..., k_I)
        variance : ndarray of shape (k_1, ..., k_I), or None
        """
        if self.noise_variance == 0.0:
            sizes = tuple(B.shape[0] for B in factors)
            return np.zeros((self.problem.n_snapshots, *sizes), self.problem.data.dtype), np.zeros(sizes)
        kept = [np.ascontiguousarray(B[:, index]) for B, index in zip(factors, self.keep, strict=True)]
        mean = mode_products(self.posterior.mean(), kept)
        return mean, self.posterior.predictive_variance(kept) if with_variance else None

    def sample(self, n_samples: int, rng: np.random.Generator) -> np.ndarray:
        """Draws from the posterior, of shape (S, T, n_1, ..., n_I)."""
        shape, snapshots = self.shape, self.problem.n_snapshots
        if self.noise_variance == 0.0:
            return np.zeros((n_samples, snapshots, *shape), self.problem.data.dtype)
        prior = _normals((n_samples, *self.problem.shape), self.problem, rng)
        noise = _normals((n_samples, *self.problem.data.shape[1:]), self.problem, rng)
        return spread(draw(self.posterior, prior, noise), self.keep, shape)


def _normals(shape, problem: Problem, rng: np.random.Generator) -> np.ndarray:
    """Standard normal numbers, circular where the data are complex."""
    real = rng.standard_normal(shape)
    if problem.is_complex:
        real = (real + 1j * rng.standard_normal(shape)) / math.sqrt(2.0)
    return real.astype(problem.data.dtype)


def learn(
    problem: Problem,
    method: str = "mm",
    *,
    noise_variance: float | None = None,
    start: Sequence[np.ndarray] | None = None,
    pruning: Pruning | None = None,
    couplings: Sequence[np.ndarray | None] | None = None,
    inner_tol: float = 1e-5,
    inner_cap: int = 100,
) -> Solver:
    """Learn gammas, and the noise variance, by type-II maximum likelihood; a generator for `drive`.

    Parameters
    ----------
    problem : Problem
    method : {"am", "ksbl", "svd", "mm"}, default="mm"
        EM with the paper's two M-steps or the earlier one; or multiplicative steps on the cost itself.
    noise_variance : float, optional
        In the problem's units; learned unless given.
    start : sequence of ndarray of shape (n_i,), optional
        First gammas; by default equal ones that match the data's size.
    pruning : Pruning, optional
        By default nothing but numerical zeros.
    couplings : sequence of ndarray of shape (n_i, k_i), or None, optional
        g_i = C_i u_i; for "am", "ksbl" and "mm".
    inner_tol, inner_cap : float, int
        For "am": see `alternating_step`.

    Yields
    ------
    Iterate
        Solution `State`. The certificate is |kron(g) - kron(g before)| / |kron(g before)|, the objective the cost,
        both of that state. Extras "noise_variance" and "active", the numbers of kept indices.

    Notes
    -----
    Cost never rises without pruning for "am", "ksbl" and "mm" without couplings, and for "mm" with them.
    """
    keep, shape = tuple(np.arange(n) for n in problem.shape), problem.shape
    scale = problem.mean_square
    if scale == 0.0:
        zeros = State(problem, tuple(np.zeros(n) for n in shape), 0.0, keep, shape)
        yield Iterate(zeros, 0.0, _cost_of_zeros(problem, noise_variance))
        return None
    learned = noise_variance is None
    floor = float(np.finfo(problem.data.dtype).eps) * scale
    s2 = max(FIRST_NOISE * scale, floor) if noise_variance is None else noise_variance
    gammas = list(start) if start is not None else matched_start(problem, s2)
    pruning = pruning or Pruning()
    rule: Expectation | Multiplicative
    guarded: Multiplicative | None = None
    if method == "mm":
        rule = guarded = Multiplicative(couplings, gammas)
        gammas = rule.gammas()
    else:
        rule = Expectation(method, couplings, inner_tol, 1 if method == "ksbl" else inner_cap)
    change = 1.0
    last: tuple[float, list[np.ndarray], float] | None = None
    while True:
        masks = pruning.masks(gammas)
        if masks is not None:
            problem = problem.select(masks)
            keep = tuple(index[mask] for index, mask in zip(keep, masks, strict=True))
            gammas = _masked(gammas, masks)
            rule.select(masks)
            if last is not None:
                last = last[0], _masked(last[1], masks), last[2]
        step = rule.advance(problem, gammas, s2)
        if guarded is not None and last is not None and rises(last[0], step.cost, problem):
            # Pruning may raise the cost too: only what lies above that is the step's fault.
            before = last[0] if masks is None else posterior(problem, *last[1:]).cost
            if rises(before, step.cost, problem):
                gammas, s2 = guarded.one_by_one(problem, *last[1:], floor if learned else None)
                change = relative_change(last[1], gammas)
                step = rule.advance(problem, gammas, s2)
        extras = {"noise_variance": s2, "active": problem.shape}
        yield Iterate(State(problem, tuple(gammas), s2, keep, shape), change, step.cost, extras)
        last = step.cost, gammas, s2
        gammas, change = step.gammas, step.change
        if learned:
            s2 = max(step.noise_variance, floor)


def _masked(gammas: Sequence[np.ndarray], masks: Sequence[np.ndarray]) -> list[np.ndarray]:
    return [gamma[mask] for gamma, mask in zip(gammas, masks, strict=True)]


def _cost_of_zeros(problem: Problem, noise_variance: float | None) -> float:
    """The least cost where all data are zero: without coefficients, and without noise if that may be learned."""
    if noise_variance is None:
        return -math.inf
    per_snapshot = problem.n_measurements * math.log(noise_variance) + problem.log_volume
    return problem.n_snapshots * per_snapshot
