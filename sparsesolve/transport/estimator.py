"""`SinkhornNewtonSparse`: the estimator of system 2."""

from __future__ import annotations

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_is_fitted, validate_data

from ..callbacks import CallbackSupport, managed
from ..validation import check_choice, check_matrix
from .costs import METRICS, PointCloudCost
from .coupling import entropic_map
from .options import check_options
from .problem import cost_of, pose
from .solver import solve


class SinkhornNewtonSparse(CallbackSupport, TransformerMixin, BaseEstimator):
    """Entropic optimal transport between two weighted point sets, at any regularisation, with a certificate.

    Finds the plan P that minimises ``<C, P> + reg sum(P log P - P)`` with given marginals, where C holds the costs
    between sources and targets, and maps sources to where their mass goes.

    Parameters
    ----------
    reg : float, default=1e-2
        Strength of the entropy, in the units of the cost: a hundredth of its range blurs, a thousandth is sharp.
    metric : str or callable, default="sqeuclidean"
        "sqeuclidean", "euclidean", "cityblock" ("l1", "manhattan"), "cosine", "precomputed" (X is the cost), or a
        function of X and Y that returns the cost of shape (n, m).
    solver : {"auto", "sinkhorn", "newton-dense", "newton-sparse", "paper"}, default="auto"
        See `entropic_transport`. "paper" is Sinkhorn-Newton-Sparse as published.
    tol : float, default=1e-9
        Largest L1 error of the marginals, relative to the mass.
    max_iter : int, default=1000
        Largest number of rounds; see `entropic_transport`.
    max_time : float, optional
        Seconds after which no further round begins.
    marginal_penalty : float, optional
        Unbalanced transport: the marginals cost this much times their Kullback-Leibler divergence from the weights.
    warm_start : bool, default=False
        Begin at the potentials of the last fit, where the sizes agree.
    sinkhorn_sweeps : int, default=20
    density : float, optional
        For "paper"; see `entropic_transport`.
    backend : {"auto", "numba", "opencl"}, default="auto"
    verbose : bool, default=False
        Log each round on the logger "sparsesolve".
    callback : callable, optional
        Called with each round's iterate; a true value stops the fit, which keeps the best one.

    Attributes
    ----------
    potentials_ : tuple of ndarray of shape (n_sources,) and (n_targets,)
        f and g; the plan is exp((f_i + g_j - C_ij) / reg).
    marginal_error_ : float
        The certificate: L1 error of the plan's marginals, relative to the mass.
    plan_ : csr_array of shape (n_sources, n_targets)
        Entries that matter; computed when first asked for.
    cost_ : float
        What the plan costs, without the entropy; computed when first asked for.
    dual_gap_ : float
        Gap between a feasible plan near this one and the potentials; computed when first asked for.
    solver_ : str
        The engine that found the answer.
    result_ : Result
    n_iter_ : int
    converged_ : bool
    n_features_in_ : int

    See Also
    --------
    sparsesolve.entropic_transport : The same as a function.

    References
    ----------
    Tang, Shavlovsky, Rahmanian, Tardini, Thekumparampil, Xiao and Ying, "Accelerating Sinkhorn algorithm with sparse
    Newton iterations", ICLR 2024.

    Examples
    --------
    >>> import numpy as np
    >>> from sparsesolve import SinkhornNewtonSparse
    >>> rng = np.random.default_rng(0)
    >>> X = rng.standard_normal((200, 2))
    >>> model = SinkhornNewtonSparse(reg=0.05).fit(X, X + [3.0, 0.0])
    >>> bool(np.abs(model.transform(X) - X - [3.0, 0.0]).max() < 0.5), model.converged_
    (True, True)
    """

    def __init__(
        self,
        *,
        reg=1e-2,
        metric="sqeuclidean",
        solver="auto",
        tol=1e-9,
        max_iter=1000,
        max_time=None,
        marginal_penalty=None,
        warm_start=False,
        sinkhorn_sweeps=20,
        density=None,
        backend="auto",
        verbose=False,
        callback=None,
    ):
        self.reg = reg
        self.metric = metric
        self.solver = solver
        self.tol = tol
        self.max_iter = max_iter
        self.max_time = max_time
        self.marginal_penalty = marginal_penalty
        self.warm_start = warm_start
        self.sinkhorn_sweeps = sinkhorn_sweeps
        self.density = density
        self.backend = backend
        self.verbose = verbose
        self.callback = callback

    @managed
    def fit(self, X, Y=None, sample_weight=None, target_weight=None):
        """Find the plan.

        Parameters
        ----------
        X : array of shape (n_sources, n_features), or (n_sources, n_targets) with metric="precomputed"
        Y : array of shape (n_targets, n_features), optional
            Targets; X itself unless given. With metric="precomputed" the points that `transform` maps to, of any
            number of features, or nothing.
        sample_weight : array of shape (n_sources,), optional
            Weights of the sources, at least 0; equal ones of sum 1, or of the sum of `target_weight`, unless given.
        target_weight : array of shape (n_targets,), optional
            Weights of the targets, of the same sum, unless the marginals are penalised.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            For bad data or parameters; the message names the argument, its value and the mend.
        """
        X = validate_data(self, X, dtype=None, ensure_all_finite=False)
        cost, targets, map_to = self._cost(X, Y)
        options = check_options(
            self.solver, self.tol, self.max_iter, self.max_time, self.backend, self.sinkhorn_sweeps, self.density,
            self.marginal_penalty, float(np.prod(cost.shape)),
        )  # fmt: skip
        a, b = _weights(sample_weight, target_weight, cost.shape)
        posed = pose(a, b, cost, self.reg, self.marginal_penalty, ("sample_weight", "target_weight", "X"))
        watch = self._watch(X, Y, self.callback)
        result = solve(posed, options, self._start(cost.shape), watch, self.verbose)
        result.solution.coupling.forget_kernel()
        self._targets, self._map_to = targets, map_to
        self.result_ = result
        self.potentials_ = result.solution.potentials
        self.marginal_error_ = result.solution.marginal_error
        self.solver_ = result.solution.solver
        self.n_iter_ = result.n_iter
        self.converged_ = result.converged
        return self

    @property
    def plan_(self):
        """The plan's entries that matter, as a CSR array."""
        check_is_fitted(self)
        return self.result_.solution.plan

    @property
    def cost_(self):
        """What the plan costs, without the entropy."""
        check_is_fitted(self)
        return self.result_.solution.cost

    @property
    def dual_gap_(self):
        """Certified gap of the regularised problem."""
        check_is_fitted(self)
        return self.result_.solution.dual_gap

    def transform(self, X):
        """Map sources to the mean of where their mass goes.

        Sources that were not in the fit are mapped by the entropic map (Pooladian and Niles-Weed 2021), which agrees
        with the barycentric map on those that were.

        Parameters
        ----------
        X : array of shape (n, n_features), or costs of shape (n, n_targets) with metric="precomputed"

        Returns
        -------
        ndarray of shape (n, n_features)
        """
        check_is_fitted(self)
        X = validate_data(self, X, dtype=np.float64, reset=False)
        if self._map_to is None:
            raise ValueError(
                "transform needs the target points, but this fit got costs only: give them as Y to fit."
            )
        return entropic_map(
            cost_of("X", self._cost_to_targets(X)), self.potentials_[1], self.reg, self._map_to
        )

    def get_feature_names_out(self, input_features=None):
        """Names of the columns that `transform` returns: the coordinates of the targets.

        Parameters
        ----------
        input_features : array of str, optional
            Names of the sources' coordinates, if they were not seen in fit.

        Returns
        -------
        ndarray of str
        """
        check_is_fitted(self)
        names = getattr(self, "feature_names_in_", input_features)
        count = self.n_features_in_ if self._map_to is None else self._map_to.shape[1]
        if names is None or len(names) != count or self.metric == "precomputed":
            names = [f"x{column}" for column in range(count)]
        return np.asarray(names, dtype=object)

    def predict(self, X):
        """The same as `transform`."""
        return self.transform(X)

    def _cost(self, X, Y):
        """What the solver takes as the cost; the targets that new costs are computed to; and what is mapped to."""
        if isinstance(self.metric, str):
            check_choice("metric", self.metric, ("precomputed", *METRICS))
        elif not callable(self.metric):
            raise ValueError(
                f"metric={self.metric!r} must be a name or a function of X and Y: use one of "
                f"{', '.join(map(repr, ('precomputed', *METRICS)))}."
            )
        if Y is not None:
            Y = np.asarray(check_matrix("Y", Y), dtype=np.float64)
        if self.metric == "precomputed":
            if Y is not None and Y.shape[0] != X.shape[1]:
                raise ValueError(
                    f"Y has {Y.shape[0]} points, but X has costs to {X.shape[1]} targets: both need the same."
                )
            return X, None, Y
        X = np.asarray(check_matrix("X", X), dtype=np.float64)
        Y = X if Y is None else Y
        if Y.shape[1] != X.shape[1]:
            raise ValueError(
                f"Y has {Y.shape[1]} features, but X has {X.shape[1]}: sources and targets need the same."
            )
        return self._between(X, Y), Y, Y

    def _between(self, X, Y):
        if isinstance(self.metric, str):
            return PointCloudCost(X, Y, self.metric)
        cost = np.asarray(self.metric(X, Y))
        if cost.shape != (X.shape[0], Y.shape[0]):
            raise ValueError(
                f"metric returned an array of shape {cost.shape}: it must give a cost for each of the "
                f"{X.shape[0]} x {Y.shape[0]} pairs."
            )
        return cost

    def _cost_to_targets(self, X):
        return X if self._targets is None else self._between(X, self._targets)

    def _start(self, shape):
        before = getattr(self, "potentials_", None)
        if not self.warm_start or before is None or (before[0].size, before[1].size) != shape:
            return None
        return tuple(np.where(np.isneginf(values), 0.0, values) for values in before)


def _weights(sample_weight, target_weight, shape):
    """Weights of sources and targets; equal ones, of the other's sum, for those not given."""
    mass = 1.0
    given = [weights for weights in (sample_weight, target_weight) if weights is not None]
    if len(given) == 1:
        (known,) = given
        mass = float(np.sum(np.asarray(known))) if np.asarray(known).dtype.kind in "fiub" else 1.0
    sides = zip((sample_weight, target_weight), shape, strict=True)
    return [np.full(size, mass / size) if weights is None else weights for weights, size in sides]
