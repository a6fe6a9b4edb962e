"""Compile every kernel and keep it on disk, so that nobody waits in the first fit.

It runs small problems of every kind through every solver and every sketch.
"""

from __future__ import annotations

import argparse
import time
import warnings
from collections.abc import Callable, Iterator
from functools import partial

import numpy as np

from .kernels import cache_folders, kernels
from .progress import progress_bar
from .table import format_seconds

_ROWS, _COLUMNS = 1024, 20
# Points of a transport problem: so many that their costs are not stored, but computed in every pass.
_POINTS = 4100


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add nothing: the command has no options."""


def run(arguments: argparse.Namespace) -> int:
    """Compile, and say how long it took."""
    started = time.perf_counter()
    steps = list(_steps())
    with progress_bar(len(steps)) as report:
        for text, step in steps:
            report(f"compiling: {text}")
            step()
            report(f"compiling: {text}", done=1)
    seconds = time.perf_counter() - started
    found = [kernel for _, kernel in kernels()]
    made = sum(sum(kernel.stats.cache_misses.values()) for kernel in found)
    print(
        f"{len(found)} kernels are ready after {format_seconds(seconds)}; {made} compilations, the rest cached."
    )
    for folder in cache_folders():
        print(f"  {folder}")
    return 0


def _steps() -> Iterator[tuple[str, Callable[[], object]]]:
    """Everything that compiles a kernel, with a name."""
    from ..regression.options import SKETCHES, SOLVERS
    from ..sketch import from_name
    from ..transport.options import SOLVERS as TRANSPORT_SOLVERS

    for kind, A in _matrices().items():
        for name in SKETCHES:
            yield f"sketch {name}, {kind}", partial(_use, from_name(name, 64, 0), A)
        for name in ("srht", "padded-srht", "gaussian", "rademacher"):
            yield f"sketch {name} in float32, {kind}", partial(_use_float32, from_name(name, 64, 0), A)
        for solver in SOLVERS:
            yield f"solver {solver}, {kind}", partial(_fit, A, solver)
    for solver in TRANSPORT_SOLVERS:
        yield f"transport {solver}", partial(_transport, solver)
    yield "transport of a batch", _transport_batch
    yield "transport of points", _transport_points
    yield "labels on graphs", _graphs
    yield "matrix completion", _completion
    yield "Kronecker sparse Bayesian learning", _kronecker
    yield "directed acyclic graphs", _dags
    yield "sparse projections", _projections
    yield "volume sampling", _volumes
    for sparse in (False, True):
        for loss in ("squared", "poisson"):
            yield (
                f"linear models, {loss}, {'sparse' if sparse else 'dense'}",
                partial(_linear_models, loss, sparse),
            )
        yield f"classifiers, {'sparse' if sparse else 'dense'}", partial(_classifiers, sparse)


def _matrices() -> dict[str, object]:
    """Small matrices of every type and layout that kernels are compiled for."""
    import scipy.sparse

    dense = np.random.default_rng(0).standard_normal((_ROWS, _COLUMNS))
    kinds: dict[str, object] = {}
    for dtype in ("float64", "float32"):
        A = dense.astype(dtype)
        kinds[dtype] = A
        kinds[f"{dtype} read-only"] = A.copy()
        kinds[f"{dtype} read-only"].flags.writeable = False  # type: ignore[attr-defined]
        kinds[f"{dtype} by columns"] = np.asfortranarray(A)
        kinds[f"{dtype} CSR"] = scipy.sparse.csr_array(A)
    return kinds


def _use(distribution, A) -> None:
    sample = distribution.sample(A)
    sample.adjoint(sample.apply(A))
    sample.to_array()


def _use_float32(distribution, A) -> None:
    distribution.sample(A).apply(A, dtype=np.float32)


def _fit(A, solver: str) -> None:
    from ..regression import lstsq

    targets = np.random.default_rng(1).standard_normal((A.shape[0], 2))
    options = {"solver": solver, "random_state": 0}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # whether these problems converge is of no interest here
        lstsq(A, targets[:, 0], **options)
        lstsq(A, targets, fit_intercept=True, sample_weight=np.ones(A.shape[0]), **options)


def _transport(solver: str) -> None:
    from ..datasets import make_block_transport, make_point_clouds
    from ..transport import entropic_transport

    clouds = make_point_clouds(100, 90, random_state=0).problem()
    blocks = make_block_transport(random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for (C, a, b), reg in ((clouds, 0.1), (clouds, 1e-3), (blocks, 1e-3), (clouds, 1e-5)):
            for penalty in (None,) if solver == "paper" else (None, 1.0):
                result = entropic_transport(
                    a, b, C, reg, solver=solver, marginal_penalty=penalty, max_iter=40
                )
                _ask_all(result.solution)


def _transport_batch() -> None:
    from ..transport import entropic_transport_batch

    costs = np.random.default_rng(0).random((3, 20, 30))
    entropic_transport_batch(np.full(20, 1 / 20), np.full(30, 1 / 30), costs, 0.05).solution.dense_plans()


def _transport_points() -> None:
    from ..transport import SinkhornNewtonSparse

    X = np.random.default_rng(0).standard_normal((_POINTS, 2))
    weights = np.full(_POINTS, 1.0 / _POINTS)
    weights[0] = 1e-30  # is left out, and gets its potential at the end
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for solver, reg in (("sinkhorn", 10.0), ("newton-sparse", 0.03)):
            model = SinkhornNewtonSparse(reg=reg, solver=solver, tol=1e-2, max_iter=5).fit(
                X, X + 1.0, weights, weights
            )
        model.transform(X[:100])
        _ask_all(model.result_.solution)


def _linear_models(loss: str, sparse: bool) -> None:
    """Every inner solver of sparse linear models, in both precisions."""
    import scipy.sparse

    from ..coordinate import BCDRegressor

    rng = np.random.default_rng(0)
    X = rng.standard_normal((40, 60))
    X[:, 1] = X[:, 0]  # a duplicate: the problem gets hard
    y = rng.poisson(1.0, 40).astype(float)
    data = scipy.sparse.csc_array(X) if sparse else X
    groups = np.arange(60) // 3
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # tol=0 is out of reach: all that can be tried is tried
        for weights in (None, np.arange(1.0, 41.0)):
            BCDRegressor(loss=loss, alpha=0.01, tol=0.0, max_iter=40).fit(data, y, weights)
        BCDRegressor(loss=loss, penalty="none", max_iter=3).fit(data, y)
        BCDRegressor(loss=loss, alpha=0.05, penalty="group", groups=groups, tol=0.0, max_iter=40).fit(data, y)


def _classifiers(sparse: bool) -> None:
    """Several classes with every kind of penalty, and support vector machines with and without an intercept."""
    import scipy.sparse

    from ..coordinate import BCDClassifier

    rng = np.random.default_rng(0)
    X = rng.standard_normal((60, 90))
    y = np.argmax(X[:, :3] + rng.standard_normal((60, 3)), axis=1)
    data = scipy.sparse.csr_array(X) if sparse else X
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for parameters in (
            {"penalty": "l1"},
            {"penalty": "l2"},
            {"penalty": "group", "groups": np.arange(90) // 3},
        ):
            BCDClassifier(alpha=0.01, tol=0.0, max_iter=20, **parameters).fit(data, y)
        for fit_intercept in (True, False):
            for alpha in (1.0, 1e-3, 1e-7):
                machine = BCDClassifier(
                    loss="hinge", penalty="l2", alpha=alpha, fit_intercept=fit_intercept, tol=0.0, max_iter=10
                )
                machine.fit(data, y > 0)


def _completion() -> None:
    """Every inner solver with and without weights, in both precisions; recovery, biases, outliers, error bars."""
    from ..completion import MatrixCompletion
    from ..datasets.completion import make_low_rank

    X = make_low_rank(60, 50, 2, oversampling=4.0, noise=0.01, random_state=0).X
    weights = X.copy()
    weights.data = np.linspace(0.5, 1.5, X.nnz)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for inner in ("cholesky", "cg", "sketch"):
            for given in (None, weights):
                for rank, alpha in ((2, 0.0), (12, 0.1)):
                    MatrixCompletion(rank, alpha=alpha, inner=inner, tol=1e-10, max_iter=30).fit(
                        X, weights=given
                    )
        exact = make_low_rank(60, 60, 2, oversampling=1.5, condition=1e4, random_state=1).X
        MatrixCompletion(2, random_state=0, max_time=5.0).fit(exact)
        for more in (None, weights):
            MatrixCompletion(2, loss="huber", max_iter=5).fit(X, weights=more)
            MatrixCompletion(2, positive=True, max_iter=5).fit(X, weights=more)
            MatrixCompletion(8, alpha=0.02, random_state=0, max_iter=60).fit(X, weights=more)
        model = MatrixCompletion(2, bias=True, max_iter=5).fit(X)
    model.fold_in(X[:5]).predict([(0, 0)], return_std=True)


def _kronecker() -> None:
    """All methods, real and complex, with the noise known and learned; and one factor alone."""
    from ..datasets import make_kronecker_recovery
    from ..kronecker import kronecker_sbl

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for is_complex in (False, True):
            data = make_kronecker_recovery((5, 4, 4), (4, 5, 3), 2, complex=is_complex, random_state=0)
            for method in ("auto", "am", "ksbl", "dsbl"):
                for noise_variance in ("learn", data.noise_variance):
                    kronecker_sbl(
                        data.factors,
                        data.y,
                        method=method,
                        noise_variance=noise_variance,
                        random_state=0,
                        max_iter=20,
                    )
            kronecker_sbl(data.factors[0], data.y[:4], max_iter=5)
            kronecker_sbl(data.factors, data.y, method="am", coupling=0.5, max_iter=3)
            kronecker_sbl(data.factors, data.y, method="mm", coupling=0.5, max_iter=3)
            single = [factor.astype(np.complex64 if is_complex else np.float32) for factor in data.factors]
            kronecker_sbl(single, data.y.astype(single[0].dtype), method="am", max_iter=3)
            kronecker_sbl(single, data.y.astype(single[0].dtype), method="mm", max_iter=3)


def _dags() -> None:
    """Both kinds of noise, few rows and many, with and without constraints, lassos, the path; classes of graphs."""
    from ..dag import CoLiDE
    from ..dag.thresholding import threshold_weights
    from ..datasets import make_linear_sem
    from ..metrics import structural_intervention_distance

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for n, d in ((60, 6), (12, 8)):
            data = make_linear_sem(n, d, degree=1.5, random_state=0)
            for noise in ("equal", "unequal"):
                CoLiDE(noise, n_starts=1, required=[(0, 1)], threshold=0.1).fit(data.X)
                model = CoLiDE(noise, alpha=0.1, n_starts=1).fit(data.X)
                for inner in ("newton", "adam"):
                    CoLiDE(noise, method="central-path", inner=inner, max_iter=20).fit(data.X)
                model.bootstrap(data.X, 2)
        structural_intervention_distance(data.adjacency, model.adjacency_)
        threshold_weights(
            [[0, 0.9, 0.1], [0.4, 0, -0.6], [0, 0, 0]], restore=True
        )  # a cycle, which a fit may not meet


def _volumes() -> None:
    """Rows drawn by their volume, in both ways."""
    from ..sketch import VolumeSampling

    A = np.random.default_rng(0).standard_normal((60, 3))
    for method in ("chain", "reverse"):
        VolumeSampling(8, method=method, random_state=0).sample(A)


def _projections() -> None:
    """Projections of features and of graphs, in both types."""
    from ..projection import FastRP, SparseProjection

    for dtype in (np.float32, np.float64):
        SparseProjection(5, random_state=0).fit_transform(np.ones((40, 100), dtype=dtype))
        FastRP(8, dtype=np.dtype(dtype).name, random_state=0).fit(np.ones((20, 20)))


def _graphs() -> None:
    """Labels on graphs with equal weights and with others, a few columns at a time, and with bounds; forests."""
    from ..coordinate import GraphQuadratic, colour_blocks, label_propagation, lattice_combs, tree_blocks
    from ..datasets import make_lattice_labels
    from ..operators.forest import ForestFactor, greedy_forest, is_forest, partition_into_forests

    lattice = make_lattice_labels(12, labelled=0.1)
    uneven = lattice.weights.copy()
    uneven.data = uneven.data * (1.0 + np.arange(uneven.nnz) % 3)
    uneven = (uneven + uneven.T).tocsr()
    rng = np.random.default_rng(0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for weights in (lattice.weights, uneven):
            for columns in range(1, 10):
                label_propagation(
                    weights, lattice.labelled, rng.standard_normal((lattice.labels.size, columns))
                )
            label_propagation(weights, lattice.labelled, lattice.labels, lower=-1.0, upper=1.0)
    problem = GraphQuadratic.from_labels(lattice.weights, lattice.labelled, lattice.labels)
    couplings = problem.couplings()
    colour_blocks(couplings), tree_blocks(couplings, None), lattice_combs(12, 12)
    nodes = partition_into_forests(couplings)[0]
    is_forest(couplings, nodes), greedy_forest(couplings, rng.random(couplings.shape[0]))
    factor = ForestFactor(problem.Q, nodes)
    factor.solve(rng.random(nodes.size)), factor.solve(rng.random((nodes.size, 2)))
    state = problem.start()
    problem.step(state, nodes, rng.random(nodes.size))


def _ask_all(solution) -> None:
    """Everything that is computed on demand."""
    solution.dense_plan(), solution.plan, solution.cost, solution.dual_gap
    solution.grad_cost()
