"""Variable blocks for the GSQ rule: the k coordinates whose quadratic model falls most, found approximately.

The exact choice is sparse regression, which is NP-hard.
"""

from __future__ import annotations

import numpy as np

from .block_model import Factor, minimise_model
from .scores import scores
from .setting import Setting

_THRESHOLDING_ROUNDS, _POWER_STEPS = 10, 30


def orthogonal_pursuit(setting: Setting, state, curvature: np.ndarray, kind: str, rounds: int) -> np.ndarray:
    """Batched orthogonal matching pursuit.

    In each round the units of the best scores join the block, the model is minimised on the block, and the gradient
    is brought up to date, at the cost of one product with the Hessian.

    Returns
    -------
    ndarray of int
        The block's coordinates.
    """
    problem, units = setting.problem, setting.units
    penalty = problem.penalty
    gradient = problem.gradient(state)
    slopes = gradient
    block = np.empty(0, np.int64)
    joined = np.zeros(units.count, bool)
    size = min(setting.block_size, problem.n_coordinates)
    rounds = min(rounds, size)
    for done in range(1, rounds + 1):
        room = size * done // rounds - block.size
        values = scores(kind, penalty, state.x, slopes, curvature, units.total)
        values[joined] = -np.inf
        if room > 0:
            block = _join(units, values, room, size, joined, block)
        if done == rounds or block.size >= size:
            break
        matrix = setting.block_matrix(state, block)
        d = minimise_model(matrix, gradient[block], state.x[block], penalty, block)
        slopes = gradient + setting.model_product(state, block, d)
    return block


def _join(units, values, room, size, joined, block):
    """The block with the best units that have room; the first unit always has."""
    new = units.best(values, room)
    new = new[~joined[new]]
    if block.size and block.size + units.sizes[new].sum() > size:
        return block
    joined[new] = True
    return np.concatenate([block, units.coordinates(new)])


def hard_thresholding(setting: Setting, state, curvature: np.ndarray) -> np.ndarray:
    """Iterative hard thresholding as published, and the block of the GSD rule where that one's score is better.

    Published: ten steps ``d <- best k of d - (G + H d) / L``, from ``d = G / sqrt(L_i)``.
    """
    problem = setting.problem
    size = min(setting.block_size, problem.n_coordinates)
    gradient = problem.gradient(state)
    everything = np.arange(problem.n_coordinates)
    scaled = gradient / np.sqrt(curvature)
    largest = _largest_eigenvalue(setting, state, everything)
    block, d = everything, scaled
    for _ in range(_THRESHOLDING_ROUNDS):
        full = np.zeros_like(gradient)
        full[block] = d
        full -= (gradient + _product(problem, state, block, d)) / largest
        block = setting.units.best(np.abs(full), size)
        d = full[block]
    other = setting.units.best(np.abs(scaled), size)
    return max(
        (block, other), key=lambda b: gradient[b] @ Factor(setting.block_matrix(state, b)).solve(gradient[b])
    )


def _product(problem, state, block, d):
    """The bound's product, with which thresholding works best; the Hessian's where there is no bound."""
    product = problem.bound_product(block, d)
    return problem.hessian_product(state, block, d) if product is None else product


def _largest_eigenvalue(setting, state, everything):
    """Of the matrix of all coordinates, by power iteration; kept where it is constant."""
    if setting.bounds is not None and setting.largest is not None:
        return setting.largest
    v = np.random.default_rng(0).standard_normal(everything.size)
    value = 0.0
    for _ in range(_POWER_STEPS):
        v /= np.linalg.norm(v)
        w = _product(setting.problem, state, everything, v)
        value, v = float(np.linalg.norm(w)), w
        if value == 0.0:
            return 1.0
    setting.largest = 1.01 * value
    return setting.largest
