"""One iteration of a method: from gammas to their cost, and to the next gammas."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from . import step_kernels
from .posterior import Posterior, posterior
from .problem import Problem
from .updates import alternating_step, coupled_step, equalise, multiplied, rank_one_step, relative_change

# Up to so many unknowns, in float64, the compiled iteration is quicker than calls of the array library.
COMPILED_SIZE = 1 << 16
# Rises of the cost that are rounding, in units of eps times its size.
_SLACK = 64.0
# What a rise of the cost multiplies the exponent of multiplicative steps by.
_DAMPING = 0.75
_RULES = {"am": step_kernels.ALTERNATE, "ksbl": step_kernels.ALTERNATE, "svd": step_kernels.RANK_ONE}
_TINY = np.finfo(np.float64).tiny

Couplings = Sequence[np.ndarray | None]


class Step(NamedTuple):
    """The cost of gammas, and what follows from them: the next ones, the noise variance, and the relative change."""

    cost: float
    gammas: list[np.ndarray]
    noise_variance: float
    change: float


class Compiled:
    """Iterations in one compiled call, for small problems; the problem is packed once."""

    def __init__(self, rule: int, tol: float, cap: int):
        self.rule, self.tol, self.cap = rule, tol, cap
        self.problem: Problem | None = None

    def suits(self, problem: Problem) -> bool:
        """Whether the problem is small, and in double precision."""
        if problem is self.problem:
            return True
        return problem.factors[0].real.dtype == np.float64 and math.prod(problem.shape) <= COMPILED_SIZE

    def advance(self, problem: Problem, gammas: Sequence[np.ndarray], noise_variance: float) -> Step:
        """One iteration."""
        if problem is not self.problem:
            self.problem = problem
            self.factors = np.concatenate([factor.reshape(-1) for factor in problem.factors])
            self.heights = np.array(problem.data.shape[1:], dtype=np.int64)
            self.starts = np.concatenate([[0], np.cumsum(problem.shape)]).astype(np.int64)
            self.data = problem.data.reshape(-1)
            self.cuts = self.starts.tolist()
        packed, cuts = np.concatenate(gammas), self.cuts
        out = np.empty_like(packed)
        logs, quadratic, noise, change = step_kernels.advance(
            self.rule,
            self.factors,
            self.heights,
            packed,
            self.starts,
            self.data,
            problem.n_snapshots,
            noise_variance,
            problem.rest,
            problem.dropped,
            self.tol,
            self.cap,
            out,
        )
        cost = problem.n_snapshots * (logs + problem.log_volume) + quadratic
        return Step(cost, [out[a:b] for a, b in pairwise(cuts)], noise, math.sqrt(change))


class Expectation:
    """EM with one of the M-steps on moments."""

    def __init__(self, method: str, couplings: Couplings | None, tol: float, cap: int):
        self.method, self.couplings, self.tol, self.cap = method, couplings, tol, cap
        self.compiled = Compiled(_RULES[method], tol, cap)

    def advance(self, problem: Problem, gammas: Sequence[np.ndarray], noise_variance: float) -> Step:
        """One iteration."""
        if self.couplings is None and self.compiled.suits(problem):
            return self.compiled.advance(problem, gammas, noise_variance)
        current = posterior(problem, gammas, noise_variance)
        moments = current.moments()
        if self.method == "svd":
            after = rank_one_step(moments)
        elif self.couplings is not None:
            after = coupled_step(moments, gammas, self.couplings, self.tol, self.cap)
        else:
            after = alternating_step(moments, gammas, self.tol, self.cap)
        return Step(current.cost, after, current.expected_noise(), relative_change(gammas, after))

    def select(self, masks: Sequence[np.ndarray]) -> None:
        """Forget pruned gammas."""
        if self.couplings is not None:
            self.couplings = [
                None if C is None else C[mask] for C, mask in zip(self.couplings, masks, strict=True)
            ]


class Multiplicative:
    """Minorise-maximise steps on the cost itself, all modes at once, with g_i = C_i u_i where there are couplings.

    For one mode's gammas and the noise variance S_y is linear, and g sqrt(numerator / denominator) cannot raise the
    cost: `one_by_one`. For all modes at once that is proved for the exponent 1 / (2 I) alone, though 1/2 nearly always
    does; the exponent goes down wherever it did not.
    """

    def __init__(self, couplings: Couplings | None, gammas: Sequence[np.ndarray]):
        self.couplings: Couplings = couplings if couplings is not None else [None] * len(gammas)
        self.coupled = any(C is not None for C in self.couplings)
        self.patterns = [
            gamma if C is None else (C.T @ gamma) / np.maximum(C.T @ C.sum(1), _TINY)
            for C, gamma in zip(self.couplings, gammas, strict=True)
        ]
        self.before = self.earlier = self.patterns
        self.exponent = 0.5
        self.compiled = Compiled(step_kernels.MULTIPLY, self.exponent, 0)

    def gammas(self) -> list[np.ndarray]:
        """C_i u_i."""
        return [u if C is None else C @ u for C, u in zip(self.couplings, self.patterns, strict=True)]

    def advance(self, problem: Problem, gammas: Sequence[np.ndarray], noise_variance: float) -> Step:
        """One iteration."""
        self.earlier, self.before = self.before, self.patterns
        if not self.coupled and self.compiled.suits(problem):
            step = self.compiled.advance(problem, gammas, noise_variance)
            self.patterns = step.gammas
            return step
        current = posterior(problem, gammas, noise_variance)
        self.patterns = [self._next(current, i, self.exponent) for i in range(len(self.patterns))]
        after, scales = equalise(self.gammas())
        self.patterns = [pattern * scale for pattern, scale in zip(self.patterns, scales, strict=True)]
        return Step(current.cost, after, _multiplied_noise(current), relative_change(gammas, after))

    def one_by_one(
        self, problem: Problem, gammas: Sequence[np.ndarray], noise_variance: float, floor: float | None
    ) -> tuple[list[np.ndarray], float]:
        """Steps on one mode after the other, from where the iteration before the last began.

        With a floor the noise variance is learned.
        """
        self.exponent = max(_DAMPING * self.exponent, 0.5 / len(self.patterns))
        self.compiled.tol = self.exponent
        self.patterns = list(self.earlier)
        current = posterior(problem, gammas, noise_variance)
        for i, C in enumerate(self.couplings):
            self.patterns[i] = self._next(current, i)
            after = list(current.gammas)
            after[i] = self.patterns[i] if C is None else C @ self.patterns[i]
            noise = current.noise_variance if floor is None else max(_multiplied_noise(current), floor)
            spectra = [None if k == i else spectrum for k, spectrum in enumerate(current.spectra)]
            current = posterior(problem, after, noise, spectra)
        return list(current.gammas), current.noise_variance

    def select(self, masks: Sequence[np.ndarray]) -> None:
        """Forget pruned gammas, and patterns that reach none of those left."""
        used = [mask if C is None else C[mask].any(0) for C, mask in zip(self.couplings, masks, strict=True)]
        self.couplings = [
            None if C is None else C[np.ix_(mask, kept)]
            for C, mask, kept in zip(self.couplings, masks, used, strict=True)
        ]
        for name in ("patterns", "before", "earlier"):
            setattr(self, name, [u[kept] for u, kept in zip(getattr(self, name), used, strict=True)])

    def _next(self, current: Posterior, mode: int, exponent: float = 0.5) -> np.ndarray:
        numerator, denominator = current.slopes(mode)
        C = self.couplings[mode]
        if C is not None:
            numerator, denominator = C.T @ numerator, C.T @ denominator
        return multiplied(self.patterns[mode], numerator, denominator, exponent)


def rises(before: float, after: float, problem: Problem) -> bool:
    """Whether a cost rose by more than rounding."""
    size = abs(before) + problem.n_measurements * problem.n_snapshots
    return after > before + _SLACK * float(np.finfo(problem.data.dtype).eps) * size


def _multiplied_noise(current: Posterior) -> float:
    numerator, denominator = current.noise_slopes()
    return current.noise_variance * math.sqrt(numerator / denominator)
