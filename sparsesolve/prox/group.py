"""The group lasso's penalty."""

import numpy as np

from .penalty import Pieces, check_factors, check_strength, largest_multiple, within


class GroupL2:
    """``alpha sum_g w_g |x_g|`` with Euclidean norms of groups of coordinates.

    Parameters
    ----------
    alpha : float
        At least 0.
    groups : array of int of shape (n,), or sequence of arrays of int
        The number of each coordinate's group, from 0; or the coordinates of each group. Every coordinate belongs to
        exactly one.
    weights : array of shape (n_groups,), optional
        The w, at least 0; ones unless given. A group of weight 0 is not penalised.

    Examples
    --------
    >>> import numpy as np
    >>> from sparsesolve.prox import GroupL2
    >>> GroupL2(1.0, [0, 0, 1]).prox(np.array([3.0, 4.0, 0.5]), 1.0)
    array([2.4, 3.2, 0. ])
    """

    is_convex = True
    has_pieces = False

    def __init__(self, alpha, groups, weights=None):
        self._labels = _labels(groups)
        n_groups = int(self._labels.max()) + 1
        order = np.argsort(self._labels, kind="stable")
        starts = np.searchsorted(self._labels[order], np.arange(1, n_groups))
        self.groups = tuple(np.split(order, starts))
        weights = np.ones(n_groups) if weights is None else check_factors("weights", weights)
        if weights.shape != (n_groups,):
            raise ValueError(
                f"weights has shape {weights.shape}, but there are {n_groups} groups: give one each."
            )
        self._strengths = check_strength("alpha", alpha) * weights

    def _split(self, coordinates):
        """The groups' numbers, and the position of each coordinate's group among them."""
        if coordinates is None:
            return slice(None), self._labels
        return np.unique(self._labels[coordinates], return_inverse=True)

    @staticmethod
    def _norms(x, units):
        return np.sqrt(np.bincount(units, x * x))

    def values(self, x, coordinates=None):
        """The term of each group."""
        groups, units = self._split(coordinates)
        return self._strengths[groups] * self._norms(x, units)

    def value(self, x, coordinates=None):
        """The sum of the terms."""
        return float(self.values(x, coordinates).sum())

    def prox(self, v, step, coordinates=None):
        """Every group is shortened by ``step w_g alpha``; `step` must be constant on groups."""
        groups, units = self._split(coordinates)
        norms = self._norms(v, units)[units]
        shorter = np.maximum(norms - step * self._strengths[groups][units], 0.0)
        return v * np.divide(shorter, norms, out=np.zeros_like(norms), where=norms > 0)

    def distance(self, gradient, x, coordinates=None):
        """Distance of -gradient from the unit vector times the weight; at zero from the ball."""
        groups, units = self._split(coordinates)
        strengths, norms = self._strengths[groups], self._norms(x, units)
        away = self._norms(gradient + self._slope(x, strengths, norms, units), units)
        return np.where(norms > 0, away, np.maximum(away - strengths, 0.0))

    @staticmethod
    def _slope(x, strengths, norms, units):
        inverse = np.divide(strengths, norms, out=np.zeros_like(norms), where=norms > 0)
        return x * inverse[units]

    def slope(self, x, coordinates=None):
        """The gradient, zero in groups of zeros."""
        groups, units = self._split(coordinates)
        return self._slope(x, self._strengths[groups], self._norms(x, units), units)

    def at_kink(self, x, coordinates=None):
        """Whether the group is zero, and its weight is not."""
        groups, units = self._split(coordinates)
        return ((self._norms(x, units) == 0) & (self._strengths[groups] > 0))[units]

    def margin(self, gradient, x, coordinates=None):
        """Weight minus norm of the gradient, for groups of zeros."""
        groups, units = self._split(coordinates)
        strengths = self._strengths[groups]
        inside = np.maximum(strengths - self._norms(gradient, units), 0.0)
        return np.where((self._norms(x, units) == 0) & (strengths > 0), inside, np.inf)

    def hessian(self, x, coordinates=None):
        """``w alpha (I - x x' / |x|^2) / |x|`` for each group that is not zero."""
        groups, units = self._split(coordinates)
        norms = self._norms(x, units)
        inverse = np.divide(1.0, norms, out=np.zeros_like(norms), where=norms > 0)
        direction = x * inverse[units]
        factors = (self._strengths[groups] * inverse)[units]
        same = units[:, None] == units[None, :]
        return factors[:, None] * (np.eye(x.size) - np.where(same, np.outer(direction, direction), 0.0))

    def pieces(self, x, gradient, coordinates=None) -> Pieces:
        """There are none: the kink is a point in the space of the group."""
        raise NotImplementedError("GroupL2 has no intervals on which it is smooth.")

    def conjugate(self, u):
        """Zero while the norm is at most the weight, infinity beyond."""
        return within(self._norms(u, self._labels), self._strengths)

    def reach(self, u):
        """What the weights allow."""
        return largest_multiple(self._norms(u, self._labels), self._strengths)


def _labels(groups):
    """The number of each coordinate's group."""
    if np.ndim(groups[0]) == 0:
        labels = np.array(groups)
        if labels.ndim != 1 or labels.dtype.kind not in "iu" or labels.min() < 0:
            raise ValueError("groups must hold the number, at least 0, of each coordinate's group.")
        sizes = np.bincount(labels)
        if (sizes == 0).any():
            raise ValueError(
                f"groups has no coordinate in group {int(np.argmin(sizes))}: number them 0, 1, 2 ..."
            )
        return labels.astype(np.int64)
    members = [np.asarray(group) for group in groups]
    if any(group.ndim != 1 or group.size == 0 or group.dtype.kind not in "iu" for group in members):
        raise ValueError("groups must hold a non-empty array of integers for each group.")
    joined = np.concatenate(members)
    if not np.array_equal(np.sort(joined), np.arange(joined.size)):
        raise ValueError(
            f"groups holds {joined.size} coordinates, but not each of 0 ... {joined.size - 1} once: every coordinate "
            "must belong to exactly one group."
        )
    labels = np.empty(joined.size, np.int64)
    labels[joined] = np.repeat(np.arange(len(members)), [group.size for group in members])
    return labels
