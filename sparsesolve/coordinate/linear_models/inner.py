"""What a working set is handed to: a Gram matrix for squares on dense data, proximal Newton steps for all else."""

from __future__ import annotations

import numpy as np

from .gram import add_gram_columns, minimise_gram
from .model import LinearModel, Point
from .proximal_newton import minimise_working_set
from .working_set import Inner

#: Entries of a sparse matrix, zeros included, up to which its columns are treated as dense ones.
_SMALL = 1 << 20
#: Correlations with the dual point that agree so well are those of multiples of one column.
_SAME = 1e-11


def choose_inner(model: LinearModel) -> Inner:
    """The faster one for this model."""
    dense = not model.X.is_sparse or np.prod(model.X.shape) <= _SMALL
    if model.loss.is_quadratic and dense and (model.l1.any() or model.positive):
        return GramInner(model)
    return NewtonInner(model)


class GramInner:
    """The Gram matrix of the working set, in single precision, kept and grown from round to round.

    Columns are centred, weighted and of norm 1. What single precision loses concerns only the change of the
    coefficients within a round, since every round begins with a gradient in double precision.
    """

    growth = 0.5

    def __init__(self, model: LinearModel):
        self.model = model
        self.dtype: type = np.float32
        self.root = np.sqrt(model.weights)
        self.most_violators = max(model.X.shape[0] // 2, 10)
        self.least_violators = self.most_violators // 5
        self.share = min(1.0, 2.0 / np.sqrt(model.X.shape[0]))
        self._forget()

    def _forget(self):
        self.members = np.empty(0, np.int64)
        self.rows = np.empty((0, self.model.X.shape[0]), self.dtype)
        self.gram = np.empty((0, 0), self.dtype)

    def sharpen(self):
        """Double precision from now on."""
        self.dtype = np.float64
        self._forget()

    def minimise(self, point, violators, factor):
        """Return new coefficients, of all columns, and an intercept to start from."""
        model = self.model
        violators = without_copies(model, point, violators)
        self._take(np.flatnonzero(point.w), violators)
        members, norms = self.members, model.norms[self.members]
        ridge = model.l2[members] / norms**2
        gram = self.gram
        if ridge.any():
            gram = gram.copy()
            gram[np.diag_indices_from(gram)] += ridge
        start = point.w[members] * norms
        pull = np.empty(model.norms.size)
        pull[point.units] = point.pulls
        target = pull[members] / norms - ridge * start
        add_gram_columns(gram, np.flatnonzero(start), start, target)
        threshold = factor * model.l1[members] / norms
        tol, sweeps, finish = self._effort(point, violators.size, factor)
        solved, _ = minimise_gram(gram, target, threshold, start, model.positive, tol, sweeps, finish)
        w = np.zeros(model.norms.size)
        w[members] = solved / norms
        return w, point.intercept

    def _effort(self, point, n_violators, factor):
        """How well to solve this round's problem: no better than the choice of the working set deserves.

        With as many columns as samples an exact solve for the present signs has no one answer. Once sharpened, each
        round goes on until its problem is solved: where nearly all samples are fitted, a few sweeps bring next to
        nothing, and steps towards one of the answers still go down.
        """
        if factor > 1.0:
            return 1e-2, 50, False
        size = np.count_nonzero(point.w)
        too_many, too_early = size >= point.z.size, point.gap > 1e-5 and n_violators > 0.02 * size
        if self.dtype is np.float32 and (too_many or too_early):
            return max(0.1 * min(point.gap, 1.0), 1e-9), 60, False
        return (0.1 if point.gap > 1e-5 else 1e-3) * point.gap, 1500, True

    def _take(self, support, violators):
        """Keep the members of the support, unless hardly any would go; add the new ones."""
        wanted = np.zeros(self.model.norms.size, bool)
        wanted[support] = True
        stays = wanted[self.members]
        if np.count_nonzero(stays) > 0.85 * self.members.size:
            stays[:] = True
        kept = self.members[stays]
        wanted[violators] = True
        wanted[kept] = False
        new = np.flatnonzero(wanted)
        rows = self._normalised(new)
        old_rows = self.rows if stays.all() else self.rows[stays]
        k = kept.size
        gram = np.empty((k + new.size, k + new.size), self.dtype)
        gram[:k, :k] = self.gram if stays.all() else self.gram[np.ix_(stays, stays)]
        if new.size:
            gram[:k, k:] = old_rows @ rows.T
            gram[k:, :k] = gram[:k, k:].T
            gram[k:, k:] = rows @ rows.T
        self.members, self.gram = np.concatenate([kept, new]), gram
        self.rows = np.concatenate([old_rows, rows])

    def _normalised(self, columns):
        model = self.model
        inverse = 1.0 / model.norms[columns]
        if not model.fit_intercept and (model.weights == 1.0).all():
            return model.X.scaled_rows(columns, inverse, self.dtype)
        rows = model.X.scaled_rows(columns, inverse, np.float64)
        rows -= (model.means[columns] * inverse)[:, None]
        rows *= self.root
        return rows.astype(self.dtype)


class NewtonInner:
    """Proximal Newton steps on a copy of the working set's columns."""

    most_violators, growth = 300, 1.0
    share = 0.1

    def __init__(self, model: LinearModel):
        self.model = model
        self.rounds, self.sweeps = 12, 2
        self.least_violators = 0
        self.floor = 1e-11

    def sharpen(self):
        """More rounds, and more sweeps in each."""
        self.rounds, self.sweeps, self.floor = 200, 50, 1e-13

    def minimise(self, point, violators, factor):
        """Return new coefficients, of all columns, and an intercept to start from."""
        model = self.model
        violators = without_copies(model, point, violators)
        members = np.union1d(np.flatnonzero(point.w), violators)
        part = model.restricted(members)
        if factor > 1.0:
            tol, rounds = 1e-2, 3
        else:
            tol = max(0.1 * min(point.gap, 0.1) if point.gap > 1e-4 else 0.01 * point.gap, self.floor)
            rounds = self.rounds
        solved, intercept, _ = minimise_working_set(
            part, point.w[members], point.intercept, factor, tol, rounds, self.sweeps
        )
        w = np.zeros(model.norms.size)
        w[members] = solved
        return w, intercept


def without_copies(model: LinearModel, point: Point, violators: np.ndarray) -> np.ndarray:
    """The violators without those that are multiples of a better one, or of a column of the support that is as good.

    Of columns that are multiples of one another the longest alone is needed: it has the smallest penalty for the same
    effect. Two of the same length would leave the coefficients undetermined. Multiples are known by their correlation
    with the dual point, in units of their lengths; a column that only looks like one comes again in the next round.
    """
    if violators.size == 0 or model.l2.any():
        return violators  # with squares in the penalty copies share the work
    active = point.units[point.active]
    columns = np.concatenate([active, violators])
    correlation = point.pulls[np.searchsorted(point.units, columns)] / model.norms[columns]
    key = correlation if model.positive else np.abs(correlation)
    threshold = model.l1[columns] / model.norms[columns]
    order = np.argsort(key)
    family = np.empty(key.size, np.int64)
    family[order] = np.cumsum(np.diff(key[order], prepend=-np.inf) > _SAME * np.abs(key[order]))
    is_new = np.arange(columns.size) >= active.size
    ranked = np.lexsort((is_new, threshold, family))
    first = np.ones(columns.size, bool)
    first[1:] = np.diff(family[ranked]) > 0
    kept = ranked[first & is_new[ranked]]
    return np.sort(columns[kept])
