"""Coefficients that are themselves a Kronecker product: the data's best rank-one tensor, then one small fit a mode."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..driver import TICK, Iterate, Solver
from ..operators.kronecker import energy, mode_gram, mode_product, outer
from .learning import State, learn
from .problem import Problem
from .pruning import Pruning

_SWEEPS, _SETTLED = 30, 1e-8
# Of a start, relative to the largest gamma.
_FLOOR = 1e-12


@dataclass(frozen=True, eq=False)
class RankOne:
    """The tensor scale * outer(snapshots, vectors[0], ...) nearest to a given one, all vectors of norm 1."""

    scale: float
    snapshots: np.ndarray
    vectors: tuple[np.ndarray, ...]


@dataclass(frozen=True, eq=False)
class DecomposedState:
    """Independent posteriors of the modes, and the scale that joins them, in the problem's units.

    Attributes
    ----------
    states : tuple of State
        One a mode, each with a single factor; its data are the rank-one tensor's vector times its scale.
    scale : float
        Of the rank-one tensor; 0 where all data are zero.
    snapshots : ndarray of shape (T,)
        What each snapshot is multiplied by; of norm 1.
    noise_variance : float
    """

    states: tuple[State, ...]
    scale: float
    snapshots: np.ndarray
    noise_variance: float

    @property
    def keep(self) -> tuple[np.ndarray, ...]:
        """For each mode, the indices that were not pruned."""
        return tuple(state.keep[0] for state in self.states)

    @property
    def shape(self) -> tuple[int, ...]:
        """Unknowns in each mode."""
        return tuple(state.shape[0] for state in self.states)

    @property
    def degrees_of_freedom(self) -> float:
        """Numbers that the fit spends on the data; the modes' scales are one number."""
        return sum(state.degrees_of_freedom for state in self.states) - len(self.states) + self.snapshots.size

    def gammas(self) -> list[np.ndarray]:
        """One array a mode; their Kronecker product is the variance of a coefficient before the data."""
        share = self._share() ** (2.0 / len(self.states))
        return [
            state.gammas()[0] * share / self.snapshots.size ** (1.0 / len(self.states))
            for state in self.states
        ]

    def mean(self) -> np.ndarray:
        """Posterior mean, of shape (T, n_1, ..., n_I)."""
        dtype = self.snapshots.dtype
        means = [state.mean()[0] for state in self.states]
        return outer([self.snapshots * dtype.type(self._share()), *means])

    def variance(self) -> np.ndarray:
        """Posterior variance of the product of the modes' independent coefficients, mean over the snapshots.

        Returns
        -------
        ndarray of shape (n_1, ..., n_I)
        """
        return self._variance_of([(state.mean()[0], state.variance()) for state in self.states])

    def predict(self, factors: Sequence[np.ndarray], with_variance: bool = False):
        """Posterior mean of kron(B_1, ..., B_I) x, and its variance if asked for; as `State.predict`."""
        found = [state.predict([B], True) for state, B in zip(self.states, factors, strict=True)]
        parts = [(mean[0], variance) for mean, variance in found]
        dtype = self.snapshots.dtype
        mean = outer([self.snapshots * dtype.type(self._share()), *(mean for mean, _ in parts)])
        return mean, self._variance_of(parts) if with_variance else None

    def sample(self, n_samples: int, rng: np.random.Generator) -> np.ndarray:
        """Draws from the posterior, of shape (S, T, n_1, ..., n_I)."""
        modes = [state.sample(n_samples, rng)[:, 0] for state in self.states]
        weights = self.snapshots * self.snapshots.dtype.type(self._share())
        return np.stack([outer([weights, *(mode[s] for mode in modes)]) for s in range(n_samples)])

    def _variance_of(self, parts: Sequence[tuple[np.ndarray, np.ndarray]]) -> np.ndarray:
        """Variance of a product of independent numbers with these means and variances."""
        real = self.snapshots.real.dtype
        total, square = np.zeros(()), np.ones(())
        for mean, variance in parts:
            size = np.abs(mean) ** 2
            total = np.multiply.outer(total, size + variance) + np.multiply.outer(square, variance)
            square = np.multiply.outer(square, size)
        return total * real.type(self._share() ** 2 / self.snapshots.size)

    def _share(self) -> float:
        """Each mode's data have the whole scale; the product of the modes must have it once."""
        return self.scale ** (1 - len(self.states)) if self.scale > 0.0 else 0.0


def nearest_rank_one(data: np.ndarray) -> RankOne:
    """A locally best rank-one approximation, by alternating least squares from the leading singular vectors.

    Parameters
    ----------
    data : ndarray of shape (T, m_1, ..., m_I)

    Returns
    -------
    RankOne

    Notes
    -----
    O(M sum m_i) for the start, O(M I) for each of at most 30 sweeps.
    """
    grown = data[None]
    n_modes = data.ndim
    vectors = [np.linalg.eigh(mode_gram(grown, grown, i))[1][:, -1] for i in range(n_modes)]
    scale = 0.0
    for _ in range(_SWEEPS):
        before = scale
        for i in range(n_modes):
            rest = grown
            for k in range(n_modes):
                if k != i:
                    rest = mode_product(rest, vectors[k].conj()[None, :], k)
            vector = rest.reshape(-1)
            scale = math.sqrt(energy(vector))
            vectors[i] = vector / data.real.dtype.type(scale)
        if scale - before <= _SETTLED * scale:
            break
    return RankOne(scale, vectors[0], tuple(vectors[1:]))


def decompose(
    problem: Problem,
    *,
    noise_variance: float | None = None,
    pruning: Pruning | None = None,
    method: str = "ksbl",
    start: Sequence[np.ndarray] | None = None,
) -> Solver:
    """Learn Kronecker-valued coefficients mode by mode (dSBL); a generator for `drive`.

    Parameters
    ----------
    problem : Problem
    noise_variance : float, optional
        In the problem's units. Unless given it is estimated from what the rank-one tensor leaves of the data.
    pruning : Pruning, optional
    method : {"ksbl", "mm"}, default="ksbl"
        EM or multiplicative steps; the modes take them side by side.
    start : sequence of ndarray of shape (n_i,), optional
        First gammas, but for their scales: where a joint fit has found which columns are in use. A mode's own few
        measurements may not tell.

    Yields
    ------
    Iterate
        Solution `DecomposedState`; the certificate is the largest relative change of a mode's gammas, the objective the
        sum of the modes' costs.

    Notes
    -----
    Valid only where x is a Kronecker product in every snapshot, up to a factor. Contracted with the other modes' unit
    vectors, the data of a mode keep white noise of the same variance. After Y. He and G. Joseph, arXiv 2412.00310; here
    the scales are matched, and all modes share one noise variance.
    """
    if problem.mean_square == 0.0:
        empty = tuple(
            State(_part(problem, i, np.zeros(m)), (np.zeros(n),), 0.0, (np.arange(n),), (n,))
            for i, (m, n) in enumerate(zip(problem.data.shape[1:], problem.shape, strict=True))
        )
        snapshots = np.ones(problem.n_snapshots, problem.data.dtype)
        yield Iterate(DecomposedState(empty, 0.0, snapshots, 0.0), 0.0, -math.inf, {"active": problem.shape})
        return None
    nearest = nearest_rank_one(problem.data)
    if noise_variance is None:
        noise_variance = _noise_beside(problem, nearest)
    parts = [_part(problem, i, nearest.scale * vector) for i, vector in enumerate(nearest.vectors)]
    starts = (
        [None] * len(parts) if start is None else [_scaled(*pair) for pair in zip(start, parts, strict=True)]
    )
    runs = [
        learn(part, method, noise_variance=noise_variance, pruning=pruning, start=None if g is None else [g])
        for part, g in zip(parts, starts, strict=True)
    ]
    while True:
        iterates = [iterate for iterate in map(next, runs) if iterate is not TICK]
        states = tuple(iterate.solution for iterate in iterates)
        yield Iterate(
            DecomposedState(states, nearest.scale, nearest.snapshots, noise_variance),
            max(iterate.certificate for iterate in iterates),
            math.fsum(iterate.objective for iterate in iterates),
            {"noise_variance": noise_variance, "active": tuple(state.keep[0].size for state in states)},
        )


def _part(problem: Problem, mode: int, vector: np.ndarray) -> Problem:
    """One mode's problem."""
    data = vector.astype(problem.data.dtype)[None]
    return Problem((problem.factors[mode],), data, vector.size)


def _scaled(gamma: np.ndarray, part: Problem) -> np.ndarray:
    """The gammas times what makes a mode's data as large as they are; zeros may still grow."""
    gamma = np.maximum(gamma, _FLOOR * gamma.max(initial=0.0))
    factor = part.factors[0]
    return gamma * (energy(part.data) / float((np.abs(factor) ** 2).sum(0) @ gamma))


def _noise_beside(problem: Problem, nearest: RankOne) -> float:
    """Mean square of what the rank-one tensor leaves, over the dimensions it leaves."""
    total = problem.mean_square * problem.n_measurements * problem.n_snapshots
    size = problem.n_measurements * problem.n_snapshots
    fitted = sum(problem.data.shape) - problem.data.ndim + 1
    left = max(total - nearest.scale**2, 0.0) / max(size - fitted, 1)
    return max(left, float(np.finfo(problem.data.dtype).eps) * problem.mean_square)
