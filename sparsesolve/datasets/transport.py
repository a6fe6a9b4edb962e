"""Optimal transport problems: the ones of the literature, and ones made to be hard."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np

_METRICS = {"sqeuclidean": 2, "cityblock": 1}


class TransportProblem(NamedTuple):
    """Costs, and what is to be moved.

    Attributes
    ----------
    cost : ndarray of shape (n, m)
    a : ndarray of shape (n,)
        Weights of the sources; they sum to 1.
    b : ndarray of shape (m,)
        Weights of the targets; they sum to 1.
    """

    cost: np.ndarray
    a: np.ndarray
    b: np.ndarray


class PointClouds(NamedTuple):
    """Two sets of points with weights.

    Attributes
    ----------
    X : ndarray of shape (n, d)
    Y : ndarray of shape (m, d)
    a : ndarray of shape (n,)
    b : ndarray of shape (m,)
    """

    X: np.ndarray
    Y: np.ndarray
    a: np.ndarray
    b: np.ndarray

    def problem(self) -> TransportProblem:
        """The squared Euclidean costs, divided by the largest one; an n x m array is made."""
        return TransportProblem(_scaled(_distances(self.X, self.Y, 2)), self.a, self.b)


class HardTransportProblem(NamedTuple):
    """A problem that some solver is likely to fail on, and why.

    Attributes
    ----------
    name : str
        What makes it hard.
    cost, a, b : ndarray
        As in `TransportProblem`; but the weights may sum to something other than 1.
    reg : float
        Regularisation to solve it with, in the units of the cost.
    """

    name: str
    cost: np.ndarray
    a: np.ndarray
    b: np.ndarray
    reg: float


def make_assignment_problem(n: int, *, random_state=None) -> TransportProblem:
    """Make a random linear assignment: independent costs, uniform on [0, 1], and equal weights.

    Parameters
    ----------
    n : int
        Number of sources, and of targets.
    random_state : None, int or numpy.random.Generator

    Returns
    -------
    TransportProblem

    Raises
    ------
    ValueError
        If n < 1.

    References
    ----------
    Tang, Shavlovsky, Rahmanian, Tardini, Thekumparampil, Xiao and Ying, "Accelerating Sinkhorn algorithm with sparse
    Newton iterations", ICLR 2024: the first of its experiments.

    Examples
    --------
    >>> from sparsesolve.datasets import make_assignment_problem
    >>> cost, a, b = make_assignment_problem(4, random_state=0)
    >>> cost.shape, a
    ((4, 4), array([0.25, 0.25, 0.25, 0.25]))
    """
    _check_sizes(n=n)
    cost = np.random.default_rng(random_state).random((n, n))
    return TransportProblem(cost, np.full(n, 1.0 / n), np.full(n, 1.0 / n))


def load_digit_transport(
    source: int, target: int, *, side: int = 28, metric: str = "sqeuclidean", smoothing: float = 0.01
) -> TransportProblem:
    """Load two handwritten digits, one of which is to be moved onto the other.

    Images of scikit-learn's digits, enlarged by cubic splines, are mixed with a little of the uniform density, so
    that no pixel is empty.

    Parameters
    ----------
    source, target : int
        Numbers of the images, 0 to 1796.
    side : int, default=28
        Side of the enlarged images in pixels: there are side**2 sources and targets.
    metric : {"sqeuclidean", "cityblock"}, default="sqeuclidean"
        Of the distance between pixels. The largest one is 1.
    smoothing : float, default=0.01
        Mass of the uniform density, relative to that of the digit.

    Returns
    -------
    TransportProblem

    Raises
    ------
    ValueError
        For an unknown image or metric, a side below 2, or smoothing below 0.

    Examples
    --------
    >>> from sparsesolve.datasets import load_digit_transport
    >>> load_digit_transport(0, 1).cost.shape
    (784, 784)
    """
    from sklearn.datasets import load_digits

    images = load_digits().images
    for name, number in (("source", source), ("target", target)):
        if not 0 <= number < len(images):
            raise ValueError(f"{name}={number} must be the number of an image, 0 to {len(images) - 1}.")
    if metric not in _METRICS:
        raise ValueError(f"metric={metric!r} is not known: use one of {', '.join(map(repr, _METRICS))}.")
    if side < 2:
        raise ValueError(f"side={side} must be at least 2.")
    if not smoothing >= 0:
        raise ValueError(f"smoothing={smoothing} must be at least 0.")
    pixels = np.indices((side, side)).reshape(2, -1).T / (side - 1)
    weights = [_density(images[number], side, smoothing) for number in (source, target)]
    return TransportProblem(_scaled(_distances(pixels, pixels, _METRICS[metric])), *weights)


def make_line_transport(
    n: int, m: int | None = None, *, power: float = 2.0, random_state=None
) -> TransportProblem:
    """Make two densities on a line, with costs ``|x - y|**power``.

    One density falls exponentially, the other has two peaks; both are taken on a grid. The rate, places and widths are
    drawn at random, within some 20 % of those that the literature uses.

    Parameters
    ----------
    n : int
        Grid points of the sources.
    m : int, optional
        Grid points of the targets; n unless given.
    power : float, default=2.0
        Above 0. The largest cost is 1.
    random_state : None, int or numpy.random.Generator

    Returns
    -------
    TransportProblem

    Raises
    ------
    ValueError
        If a size is below 2, or power is not above 0.

    References
    ----------
    Tang and Qiu, "Safe and sparse Newton method for entropic-regularized optimal transport", NeurIPS 2024.
    """
    m = n if m is None else m
    _check_sizes(2, n=n, m=m)
    if not power > 0:
        raise ValueError(f"power={power} must be above 0.")
    rate, near, far, narrow, wide = 1.0 + 0.2 * np.random.default_rng(random_state).uniform(-1, 1, 5)
    x, y = np.linspace(0.0, 5.0, n), np.linspace(0.0, 5.0, m)
    a = np.exp(-rate * x)
    peaks = ((0.2, near, 0.2 * narrow), (0.8, 3.0 * far, 0.5 * wide))
    b = sum(share / width * np.exp(-0.5 * ((y - place) / width) ** 2) for share, place, width in peaks)
    a, b = a + 1e-6 * a.max(), b + 1e-6 * b.max()
    cost = np.abs(x[:, None] - y) ** power
    return TransportProblem(_scaled(cost), a / a.sum(), b / b.sum())


def make_point_clouds(
    n: int, m: int | None = None, n_features: int = 2, *, random_weights: bool = False, random_state=None
) -> PointClouds:
    """Make two clouds of normally distributed points: the second is smaller, and lies to one side.

    Parameters
    ----------
    n : int
        Number of sources, drawn from N(0, I).
    m : int, optional
        Number of targets, drawn from N(1, 0.49 I); n unless given.
    n_features : int, default=2
        Dimension of the points.
    random_weights : bool, default=False
        Draw weights from the flat Dirichlet distribution instead of giving all points the same.
    random_state : None, int or numpy.random.Generator

    Returns
    -------
    PointClouds

    Raises
    ------
    ValueError
        If a size is below 1.
    """
    m = n if m is None else m
    _check_sizes(n=n, m=m, n_features=n_features)
    rng = np.random.default_rng(random_state)
    X = rng.standard_normal((n, n_features))
    Y = 1.0 + 0.7 * rng.standard_normal((m, n_features))
    if random_weights:
        return PointClouds(X, Y, rng.dirichlet(np.ones(n)), rng.dirichlet(np.ones(m)))
    return PointClouds(X, Y, np.full(n, 1.0 / n), np.full(m, 1.0 / m))


def make_block_transport(
    n_blocks: int = 4,
    block_size: int = 50,
    *,
    imbalance: float = 1e-6,
    gap: float = 0.5,
    random_state=None,
) -> TransportProblem:
    """Make a problem of nearly independent parts.

    To move within a block is cheap, to move between blocks is dear; but a little mass must. Where it does so is decided
    by entries of the plan that are far smaller than the others, which is what truncated plans miss.

    Parameters
    ----------
    n_blocks : int, default=4
    block_size : int, default=50
        Sources, and targets, of each block.
    imbalance : float, default=1e-6
        Largest difference between the weights of the targets and the sources of a block, relative to the latter.
    gap : float, default=0.5
        Costs are uniform on [0, (1 - gap) / 2] within blocks, and on [(1 + gap) / 2, 1] between them.
    random_state : None, int or numpy.random.Generator

    Returns
    -------
    TransportProblem
        The blocks lie in order.

    Raises
    ------
    ValueError
        If there are fewer than two blocks, or imbalance or gap are not in [0, 1).
    """
    _check_sizes(block_size=block_size)
    _check_sizes(2, n_blocks=n_blocks)
    for name, value in (("imbalance", imbalance), ("gap", gap)):
        if not 0 <= value < 1:
            raise ValueError(f"{name}={value} must be at least 0 and below 1.")
    rng = np.random.default_rng(random_state)
    n = n_blocks * block_size
    block = np.arange(n) // block_size
    cost = 0.5 * (1.0 - gap) * rng.random((n, n))
    cost += 0.5 * (1.0 + gap) * (block[:, None] != block)
    excess = rng.standard_normal(n_blocks)
    excess -= excess.mean()
    excess *= imbalance / np.abs(excess).max()
    b = (1.0 + excess[block]) / n
    return TransportProblem(cost, np.full(n, 1.0 / n), b / b.sum())


def hard_transport_problems(n_problems: int, random_state=None) -> Iterator[HardTransportProblem]:
    """Make problems on which solvers tend to fail, no two alike.

    Kinds of costs (random, rank one, constant, tied, sums of a row and a column term, points, lines, blocks, a
    permutation), shapes (square, tall, wide, a single row or column), weights (equal, random, zero, 1e-300, skewed like
    the sixth power of a uniform number, all in one place), sums of the weights, scales of the costs from 1e-8 to 1e8,
    offsets up to 1e6 times their range and regularisations down to 1e-5 of it are combined at random, each choice
    as often as any other.

    Parameters
    ----------
    n_problems : int
    random_state : None, int or numpy.random.Generator

    Yields
    ------
    HardTransportProblem

    Examples
    --------
    >>> from sparsesolve.datasets import hard_transport_problems
    >>> for problem in hard_transport_problems(2, random_state=0):
    ...     print(problem.cost.shape == (problem.a.size, problem.b.size), problem.reg > 0)
    True True
    True True
    """
    rng = np.random.default_rng(random_state)
    columns = (
        list(_COSTS),
        list(_SHAPES),
        list(_WEIGHTS),
        list(_WEIGHTS),
        [1.0, 1.0, 255.0, 1e-6],
        list(10.0 ** np.arange(-8, 9, 2)),
        [0.0, 0.0, 1.0, -5.0, 1e6],
        [1.0, 10.0, 1e2, 1e3, 1e4, 1e5],
    )
    choices = zip(*(_equally_often(rng, options, n_problems) for options in columns), strict=True)
    for number, (kind, shape, a_kind, b_kind, mass, scale, offset, eta) in enumerate(choices):
        n, m = _SHAPES[shape](rng)
        cost = scale * (_COSTS[kind](rng, n, m) + offset)
        a, b = mass * _WEIGHTS[a_kind](rng, n), mass * _WEIGHTS[b_kind](rng, m)
        name = (
            f"{number}: {kind}, {n} x {m}, weights {a_kind} and {b_kind}, mass {mass:g}, scale {scale:g}, "
            f"offset {offset:g}, eta {eta:g}"
        )
        yield HardTransportProblem(name, cost, a, b, scale / eta)


def _equally_often(rng, options, count):
    """A random sequence in which all options occur as often as each other, give or take one."""
    rounds = -(-count // len(options))
    return [options[k] for _ in range(rounds) for k in rng.permutation(len(options))][:count]


def _distances(X, Y, power):
    """Sums over the coordinates of |x - y|**power."""
    total = np.zeros((len(X), len(Y)))
    for x, y in zip(X.T, Y.T, strict=True):
        total += np.abs(x[:, None] - y) ** power
    return total


def _scaled(cost):
    """The cost divided by its largest entry."""
    largest = cost.max()
    return cost / largest if largest > 0 else cost


def _density(image, side, smoothing):
    from scipy.ndimage import zoom

    density = np.maximum(zoom(image, side / image.shape[0], order=3), 0.0).ravel()
    density = density / density.sum() + smoothing / density.size
    return density / density.sum()


def _check_sizes(least=1, **sizes):
    for name, size in sizes.items():
        if size < least:
            raise ValueError(f"{name}={size} must be at least {least}.")


def _blocks(rng, n, m):
    rows, columns = np.arange(n) * 3 // n, np.arange(m) * 3 // m
    return 0.25 * rng.random((n, m)) + 0.75 * (rows[:, None] != columns)


def _permutation(rng, n, m):
    size = max(n, m)
    return 1.0 - np.eye(size)[rng.permutation(size)][:n, :m]


# Costs between 0 and 1.
_COSTS: dict[str, Callable[..., np.ndarray]] = {
    "random costs": lambda rng, n, m: rng.random((n, m)),
    "rank one": lambda rng, n, m: np.outer(rng.random(n), rng.random(m)),
    "constant costs": lambda rng, n, m: np.ones((n, m)),
    "tied costs": lambda rng, n, m: rng.integers(0, 4, (n, m)) / 3.0,
    "sums": lambda rng, n, m: 0.5 * (rng.random(n)[:, None] + rng.random(m)),
    "points": lambda rng, n, m: _scaled(
        _distances(rng.standard_normal((n, 2)), rng.standard_normal((m, 2)), 2)
    ),
    "line": lambda rng, n, m: np.abs(np.linspace(0, 1, n)[:, None] - np.linspace(0, 1, m)),
    "blocks": _blocks,
    "permutation": _permutation,
}

_SHAPES: dict[str, Callable[..., tuple[int, int]]] = {
    "square": lambda rng: (int(rng.integers(40, 90)),) * 2,
    "tall": lambda rng: (int(rng.integers(60, 150)), int(rng.integers(5, 40))),
    "wide": lambda rng: (int(rng.integers(5, 40)), int(rng.integers(60, 150))),
    "tiny": lambda rng: (int(rng.integers(2, 5)), int(rng.integers(2, 5))),
    "row": lambda rng: (1, int(rng.integers(1, 50))),
    "column": lambda rng: (int(rng.integers(1, 50)), 1),
}


def _normalised(weights):
    return weights / weights.sum()


def _some(weights, rng, value):
    """Give a third of the weights, but not all, another value."""
    weights[rng.permutation(weights.size)[: weights.size // 3]] = 0.0
    weights = _normalised(weights)
    weights[weights == 0.0] = value
    return weights


# Weights that sum to 1.
_WEIGHTS: dict[str, Callable[..., np.ndarray]] = {
    "equal": lambda rng, n: np.full(n, 1.0 / n),
    "random": lambda rng, n: rng.dirichlet(np.ones(n)),
    "with zeros": lambda rng, n: _some(rng.uniform(0.1, 1.0, n), rng, 0.0),
    "with 1e-300": lambda rng, n: _some(rng.uniform(0.1, 1.0, n), rng, 1e-300),
    "skewed": lambda rng, n: _normalised(rng.random(n) ** 6),
    "in one place": lambda rng, n: np.eye(n)[rng.integers(n)],
}
