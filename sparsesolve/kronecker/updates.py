"""M-steps: from moments, or from slopes of the cost, to the next gammas.

All return new lists of float64 arrays whose norms are equal, which leaves their Kronecker product as it is.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from scipy.optimize import nnls

from ..operators.kronecker import marginal
from .kernels import alternate, norm_of, squared_change

_TINY = np.finfo(np.float64).tiny


def equalise(gammas: Sequence[np.ndarray]) -> tuple[list[np.ndarray], list[float]]:
    """Give all factors of a Kronecker product the same norm.

    Parameters
    ----------
    gammas : sequence of ndarray of shape (n_i,)

    Returns
    -------
    gammas : list of ndarray
    scales : list of float
        What each was multiplied by; their product is 1.
    """
    norms = [norm_of(gamma) for gamma in gammas]
    if min(norms) == 0.0:
        return [gamma * 0.0 for gamma in gammas], [0.0] * len(norms)
    common = math.exp(sum(math.log(norm) for norm in norms) / len(norms))
    scales = [common / norm for norm in norms]
    return [gamma * scale for gamma, scale in zip(gammas, scales, strict=True)], scales


def alternating_step(
    moments: np.ndarray, gammas: Sequence[np.ndarray], tol: float = 1e-5, cap: int = 100
) -> list[np.ndarray]:
    """The paper's alternating minimization (AM): the exact M-step of EM.

    Parameters
    ----------
    moments : ndarray of shape (n_1, ..., n_I)
        E |x_n|^2.
    gammas : sequence of ndarray of shape (n_i,)
        The start. Zeros stay zero.
    tol : float, default=1e-5
        Passes end when the Kronecker product of the gammas changes by less, relative to its norm.
    cap : int, default=100
        Largest number of passes. One pass is the earlier algorithm (KSBL): it lowers the cost too.

    Returns
    -------
    list of ndarray of shape (n_i,)

    Notes
    -----
    In the logarithms of gamma the problem is convex, so passes converge to its minimum. One costs I sweeps over the
    moments.
    """
    packed, starts = _pack(gammas)
    alternate(moments.reshape(-1), packed, starts, tol, cap)
    return equalise(_unpack(packed, starts))[0]


def coupled_step(
    moments: np.ndarray,
    gammas: Sequence[np.ndarray],
    couplings: Sequence[np.ndarray | None],
    tol: float = 1e-4,
    cap: int = 10,
    floor: float = 1e-5,
) -> list[np.ndarray]:
    """The paper's alternating minimization with coupled patterns (PC-AM): g_i = C_i u_i with u_i >= 0.

    Parameters
    ----------
    moments : ndarray of shape (n_1, ..., n_I)
    gammas : sequence of ndarray of shape (n_i,)
        The start.
    couplings : sequence of ndarray of shape (n_i, k_i), or None
        C_i >= 0; None leaves a mode uncoupled.
    tol, cap : float, int
        As in `alternating_step`.
    floor : float, default=1e-5
        Added to coupled gammas, as a share of the mean of what they are fitted to.

    Returns
    -------
    list of ndarray of shape (n_i,)

    Notes
    -----
    Each u_i is a nonnegative least-squares fit to what AM would take, so the cost may rise.
    """
    current, size = list(gammas), moments.size
    for _ in range(cap):
        before = current.copy()
        for i, C in enumerate(couplings):
            inverse = [np.divide(1.0, g, out=np.zeros_like(g), where=g > 0.0) for g in current]
            target = marginal(moments, inverse, i) * (current[i].size / size)
            current[i] = target if C is None else C @ nnls(C, target)[0] + floor * target.mean()
        current = equalise(current)[0]
        if relative_change(before, current) <= tol:
            break
    return current


def rank_one_step(moments: np.ndarray) -> list[np.ndarray]:
    """The paper's second M-step (SVD): the moments' best Kronecker approximation, one mode after the other.

    Parameters
    ----------
    moments : ndarray of shape (n_1, ..., n_I)
        At least 0, so that the leading singular vectors are too.

    Returns
    -------
    list of ndarray of shape (n_i,)

    Notes
    -----
    The leading singular vector of an unfolding n_i x rest comes from the eigendecomposition of its smaller Gram matrix:
    O(N n_1) in all.
    """
    gammas: list[np.ndarray] = []
    rest = moments.reshape(-1)
    for n in moments.shape[:-1]:
        unfolding = rest.reshape(n, -1)
        if n <= unfolding.shape[1]:
            vector = np.linalg.eigh(unfolding @ unfolding.T)[1][:, -1]
            left = np.abs(vector)
            rest = left.astype(unfolding.dtype) @ unfolding
        else:
            rest = np.abs(np.linalg.eigh(unfolding.T @ unfolding)[1][:, -1])
            left = unfolding @ rest
            norm = norm_of(left)
            left, rest = left / norm if norm > 0.0 else left, rest * norm
        gammas.append(left.astype(np.float64))
    gammas.append(rest.astype(np.float64))
    return equalise(gammas)[0]


def multiplied(
    gamma: np.ndarray, numerator: np.ndarray, denominator: np.ndarray, exponent: float = 0.5
) -> np.ndarray:
    """The minorise-maximise step g (numerator / denominator)^exponent; zero where the gamma is not seen at all.

    Parameters
    ----------
    gamma, numerator, denominator : ndarray of shape (n,)
        See `Posterior.slopes`; with g = C u, take u, C^T numerator and C^T denominator.
    exponent : float, default=0.5
        1/2 cannot raise the cost where one mode moves, 1 / (2 I) where all do.

    Returns
    -------
    ndarray of shape (n,)
    """
    ratio = numerator / np.maximum(denominator, _TINY)
    return gamma * (np.sqrt(ratio) if exponent == 0.5 else ratio**exponent)


def relative_change(old: Sequence[np.ndarray], new: Sequence[np.ndarray]) -> float:
    """|kron(new) - kron(old)| / |kron(old)|, from the factors.

    Parameters
    ----------
    old, new : sequence of ndarray of shape (n_i,)

    Returns
    -------
    float
    """
    packed, starts = _pack(old)
    change, norm = squared_change(packed, _pack(new)[0], starts)
    return math.sqrt(change / norm) if norm > 0.0 else 0.0


def _pack(vectors: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    starts = np.zeros(len(vectors) + 1, dtype=np.int64)
    np.cumsum([vector.size for vector in vectors], out=starts[1:])
    return np.concatenate(vectors), starts


def _unpack(packed: np.ndarray, starts: np.ndarray) -> list[np.ndarray]:
    return [packed[starts[i] : starts[i + 1]] for i in range(starts.size - 1)]
