"""The laboratory: every pair of choices that go together descends to the optimum; the others are refused."""

import cvxpy
import numpy as np
import pytest
import scipy.optimize
import scipy.sparse

from sparsesolve.coordinate import (
    GraphQuadratic,
    LeastSquares,
    LinearProblem,
    Logistic,
    Multinomial,
    Poisson,
    Quadratic,
    SVMDual,
    block_coordinate_descent,
    lattice_combs,
)
from sparsesolve.prox import L1, MCP, SCAD, Box, ElasticNet, GroupL2, NonNegative, SeparablePenalty
from sparsesolve.result import Status

PARTITIONS = ("variable", "order", "sort", "average")
SELECTIONS = ("random", "cyclic", "lipschitz", "gs", "gsl", "gsd", "gsq", "gsc", "mi")
SMOOTH_UPDATES = ("lipschitz", "lipschitz-search", "matrix", "newton", "cubic", "prox-newton", "two-metric")
PENALISED_UPDATES = ("lipschitz", "lipschitz-search", "matrix", "prox-newton", "two-metric")
N = 12
GROUPS = [np.array([0, 5]), np.array([1, 2, 3]), np.array([4]), np.array([6, 7, 8, 9]), np.array([10, 11])]

_rng = np.random.default_rng(8)
A = _rng.standard_normal((30, N)) * np.geomspace(0.5, 2.0, N)
Y = A[:, :3] @ [1.0, -2.0, 0.5] + 0.3 * _rng.standard_normal(30)
SIGNS = np.sign(Y + _rng.standard_normal(30))
COUNTS = _rng.poisson(np.exp(np.clip(0.3 * Y, -3, 2)))
LABELS = _rng.integers(0, 3, 30)


def _run(problem, partition, selection, update, **options):
    size = 1 if selection == "mi" and partition == "variable" else 4
    chosen = {"block_size": size, "max_iter": 10000, "tol": 1e-10, "random_state": 0} | options
    return block_coordinate_descent(
        problem, partition=partition, selection=selection, update=update, **chosen
    )


def _check(problem, result, optimum, tol=1e-10):
    """Monotone, stationary, and at the optimum's value."""
    assert result.status is Status.CONVERGED
    objective = result.trace["objective"]
    assert (np.diff(objective) <= 1e-13 * np.abs(objective[:-1]) + 1e-13).all()
    assert result.solution.objective <= optimum + 1e-7 * max(1.0, abs(optimum))
    state = problem.start(result.solution.coef)
    distance = problem.penalty.distance(problem.gradient(state), result.solution.coef).max()
    scale = np.abs(problem.gradient(problem.start())).max()
    assert distance / scale <= 1.01 * tol
    assert result.certificate["kkt_residual"] == pytest.approx(distance / scale, abs=1e-15)


# ---- smooth problems -------------------------------------------------------------------------------------------------

# A ridge makes the likelihoods' optima exist; extra rows of squared loss are a LinearProblem of its own.
SMOOTH = {
    "least squares": lambda: LeastSquares(A, Y),
    "logistic": lambda: Logistic(A[:, :8], SIGNS),
    "sparse least squares": lambda: LeastSquares(scipy.sparse.csr_array(A * (np.abs(A) > 0.5)), Y),
    "quadratic": lambda: Quadratic(A.T @ A, A.T @ Y),
}


def _smooth_optimum(problem):
    def both(x):
        state = problem.start(x)
        return problem.value(state), problem.gradient(state)

    found = scipy.optimize.minimize(
        both, np.zeros(problem.n_coordinates), jac=True, method="BFGS", options={"gtol": 1e-10}
    )
    return found.fun


@pytest.mark.parametrize("partition", PARTITIONS)
@pytest.mark.parametrize("selection", SELECTIONS)
@pytest.mark.parametrize("update", SMOOTH_UPDATES)
def test_every_choice_without_penalty(partition, selection, update):
    problem = SMOOTH["least squares"]()
    slow = partition == "variable" and selection == "lipschitz"  # small columns are hardly ever chosen
    tol = 1e-7 if slow else 1e-10
    _check(problem, _run(problem, partition, selection, update, tol=tol), _smooth_optimum(problem), tol)


@pytest.mark.parametrize("update", SMOOTH_UPDATES)
@pytest.mark.parametrize("selection", ["cyclic", "gsq", "gsc"])
@pytest.mark.parametrize("partition", ["variable", "sort"])
@pytest.mark.parametrize("name", ["logistic", "sparse least squares", "quadratic"])
def test_other_smooth_problems(name, partition, selection, update):
    problem = SMOOTH[name]()
    _check(problem, _run(problem, partition, selection, update, tol=1e-9), _smooth_optimum(problem), 1e-9)


@pytest.mark.parametrize("update", ["lipschitz-search", "newton", "cubic", "prox-newton", "two-metric"])
@pytest.mark.parametrize("selection", ["random", "lipschitz", "gs", "gsd", "gsq"])
def test_poisson_without_bounds(selection, update):
    problem = Poisson(A[:, :6], COUNTS)
    result = _run(problem, "variable", selection, update, tol=1e-9)
    _check(problem, result, _smooth_optimum(problem), 1e-9)


@pytest.mark.parametrize("update", ["lipschitz", "matrix", "newton", "cubic"])
def test_multinomial(update):
    problem = Multinomial(A[:, :4], LABELS)
    result = _run(problem, "variable", "gsq", update, tol=1e-9)
    _check(problem, result, _smooth_optimum(problem), 1e-9)


@pytest.mark.parametrize("partition", ["variable", "sort"])
def test_maximum_improvement_beyond_quadratics(partition):
    problem = SMOOTH["logistic"]()
    _check(problem, _run(problem, partition, "mi", "newton"), _smooth_optimum(problem))


def test_iterative_hard_thresholding_finds_the_optimum_too():
    for make in (SMOOTH["least squares"], SMOOTH["logistic"]):
        problem = make()
        result = _run(problem, "variable", "gsq", "matrix", gsq_method="iht")
        _check(problem, result, _smooth_optimum(problem))


# ---- penalties -------------------------------------------------------------------------------------------------------

_W = np.linspace(0.0, 2.0, N)
PENALTIES = {
    "l1": (L1(6.0), lambda x: 6.0 * cvxpy.norm1(x)),
    "weights": (L1(6.0, _W), lambda x: 6.0 * _W @ cvxpy.abs(x)),
    "elastic-net": (ElasticNet(8.0, 0.5), lambda x: 4.0 * cvxpy.norm1(x) + 2.0 * cvxpy.sum_squares(x)),
    "non-negative": (NonNegative(2.0), lambda x: 2.0 * cvxpy.sum(x) + cvxpy.transforms.indicator([x >= 0])),
    "box": (Box(-0.3, 0.4), lambda x: cvxpy.transforms.indicator([x >= -0.3, x <= 0.4])),
    "group": (GroupL2(7.0, GROUPS), lambda x: 7.0 * sum(cvxpy.norm2(x[g]) for g in GROUPS)),
    "group-weights": (
        GroupL2(7.0, GROUPS, [1.0, 0.0, 2.0, 1.5, 0.5]),
        lambda x: 7.0 * sum(w * cvxpy.norm2(x[g]) for w, g in zip([1, 0, 2, 1.5, 0.5], GROUPS, strict=True)),
    ),
}
LOSSES = {
    "squared": (lambda penalty: LeastSquares(A, Y, penalty), lambda x: 0.5 * cvxpy.sum_squares(A @ x - Y)),
    "logistic": (
        lambda penalty: Logistic(A, SIGNS, penalty),
        lambda x: cvxpy.sum(cvxpy.logistic(-cvxpy.multiply(SIGNS, A @ x))),
    ),
}


@pytest.fixture(scope="module")
def optimum():
    known = {}

    def solve(loss, penalty):
        if (loss, penalty) not in known:
            x = cvxpy.Variable(N)
            task = cvxpy.Problem(cvxpy.Minimize(LOSSES[loss][1](x) + PENALTIES[penalty][1](x)))
            known[loss, penalty] = task.solve(solver="CLARABEL", tol_gap_abs=1e-10, tol_gap_rel=1e-10)
        return known[loss, penalty]

    return solve


def _possible(penalty):
    return [update for update in PENALISED_UPDATES if penalty.has_pieces or update != "two-metric"]


@pytest.mark.parametrize("partition", PARTITIONS)
@pytest.mark.parametrize("selection", [name for name in SELECTIONS if name not in ("gsc", "mi")])
@pytest.mark.parametrize("name", ["l1", "group"])
def test_every_choice_with_a_penalty(name, partition, selection, optimum):
    problem = LeastSquares(A, Y, PENALTIES[name][0])
    for update in _possible(problem.penalty):
        _check(problem, _run(problem, partition, selection, update), optimum("squared", name))


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("name", PENALTIES)
@pytest.mark.parametrize(
    ("partition", "selection"), [("variable", "gsq"), ("sort", "gsq"), ("order", "cyclic")]
)
def test_every_penalty_with_every_update(loss, name, partition, selection, optimum):
    problem = LOSSES[loss][0](PENALTIES[name][0])
    for update in _possible(problem.penalty):
        result = _run(problem, partition, selection, update)
        _check(problem, result, optimum(loss, name))
        if "weights" in name:  # a coordinate that costs nothing leaves no dual point that is easy to have
            assert "duality_gap" not in result.certificate
        else:
            assert -1e-12 <= result.certificate["duality_gap"] <= 1e-6


@pytest.mark.parametrize("score", ["s", "r", "q"])
@pytest.mark.parametrize("selection", ["gs", "gsl", "gsd", "gsq"])
def test_nonsmooth_scores(score, selection, optimum):
    for name in ("l1", "box", "group"):
        problem = LeastSquares(A, Y, PENALTIES[name][0])
        result = _run(problem, "variable", selection, "prox-newton", nonsmooth_score=score)
        _check(problem, result, optimum("squared", name))


@pytest.mark.parametrize(
    "penalty", [MCP(6.0, 40.0), SCAD(6.0, 40.0), MCP(6.0), SCAD(6.0)], ids=lambda p: type(p).__name__
)
@pytest.mark.parametrize("update", ["lipschitz", "lipschitz-search", "matrix", "prox-newton", "two-metric"])
@pytest.mark.parametrize("selection", ["cyclic", "gsq"])
def test_concave_penalties_reach_a_stationary_point(penalty, update, selection):
    problem = LeastSquares(A, Y, penalty)
    result = _run(problem, "variable", selection, update)
    objective = result.trace["objective"]
    assert (np.diff(objective) <= 1e-12 * objective[:-1]).all()
    assert result.certificate["kkt_residual"] <= 1e-10


def test_svm_dual_by_features_and_by_kernel():
    x = cvxpy.Variable(N)
    hinge = 0.5 * cvxpy.sum_squares(x) + 0.8 * cvxpy.sum(cvxpy.pos(1.0 - cvxpy.multiply(SIGNS, A @ x)))
    primal = cvxpy.Problem(cvxpy.Minimize(hinge)).solve(solver="CLARABEL")
    for problem in (SVMDual(A, SIGNS, 0.8), SVMDual.from_kernel(A @ A.T, SIGNS, 0.8)):
        for update in ("matrix", "two-metric"):
            result = _run(problem, "variable", "gsq", update, tol=1e-9)
            assert -result.solution.objective == pytest.approx(primal, rel=1e-6)
    w = A.T @ (result.solution.coef * SIGNS)
    assert 0.5 * w @ w + 0.8 * np.maximum(1 - SIGNS * (A @ w), 0).sum() == pytest.approx(primal, rel=1e-6)


# ---- what is refused -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("problem", "choices", "message"),
    [
        (LeastSquares(A, Y), {"partition": "trees"}, "partition='trees' is not known: use one of 'order'"),
        (
            LeastSquares(A, Y),
            {"partition": "tree"},
            "sparse graph of couplings.*Possible here: 'order', 'sort'",
        ),
        (LeastSquares(A, Y), {"partition": "red-black"}, "sparse graph"),
        (LeastSquares(A, Y), {"selection": "greedy-tree"}, "Possible here: 'random', 'cyclic'"),
        (LeastSquares(A, Y), {"update": "message-passing"}, "forests"),
        (LeastSquares(A, Y), {"selection": "mi"}, "block_size=1"),
        (LeastSquares(A, Y, L1(1.0)), {"update": "newton"}, "Possible here: 'lipschitz', .*'prox-newton'"),
        (LeastSquares(A, Y, L1(1.0)), {"update": "cubic"}, "without a penalty"),
        (LeastSquares(A, Y, L1(1.0)), {"selection": "gsc"}, "without a penalty"),
        (LeastSquares(A, Y, L1(1.0)), {"gsq_method": "iht"}, "gsq_method='omp' does not"),
        (LeastSquares(A, Y, GroupL2(1.0, GROUPS)), {"update": "two-metric"}, "unlike GroupL2"),
        (
            Poisson(A, COUNTS),
            {"update": "matrix"},
            "this loss has none. Possible here: 'lipschitz-search', 'newton'",
        ),
        (Poisson(A, COUNTS), {"selection": "gsl", "update": "newton"}, "needs a bound of the Hessian"),
        (Poisson(A, COUNTS), {"selection": "gsc", "update": "newton"}, "third derivative"),
        (LeastSquares(A, Y), {"nonsmooth_score": "t"}, "nonsmooth_score='t'"),
        (LeastSquares(A, Y), {"block_size": 0}, "block_size=0"),
        (LeastSquares(A, Y), {"x0": np.zeros(3)}, "x0 has shape"),
        (LeastSquares(A, Y, GroupL2(1.0, [[0, 1]])), {"update": "lipschitz"}, "groups hold 2 coordinates"),
        (object(), {}, "lacks n_coordinates"),
    ],
)
def test_choices_that_do_not_go_together(problem, choices, message):
    with pytest.raises(ValueError, match=message):
        block_coordinate_descent(problem, **choices)


# ---- a loss and a penalty of one's own -------------------------------------------------------------------------------


class PseudoHuber:
    """``sqrt(1 + (z - y)^2) - 1``."""

    name = "pseudo-huber"
    curvature_bound = 1.0
    is_quadratic = False

    def value(self, z, y):
        return np.sqrt(1.0 + (z - y) ** 2) - 1.0

    def derivative(self, z, y):
        return (z - y) / np.sqrt(1.0 + (z - y) ** 2)

    def curvature(self, z, y):
        return (1.0 + (z - y) ** 2) ** -1.5

    def conjugate(self, u, y):
        return np.where(np.abs(u) <= 1.0, 1.0 + u * y - np.sqrt(np.maximum(1.0 - u**2, 0.0)), np.inf)

    def check_targets(self, y):
        pass


class AsymmetricL1(SeparablePenalty):
    """``up x`` above zero, ``-down x`` below."""

    def __init__(self, down, up):
        self.down, self.up = down, up

    def values(self, x, coordinates=None):
        return np.maximum(self.up * x, -self.down * x)

    def prox(self, v, step, coordinates=None):
        return np.maximum(v - step * self.up, 0.0) + np.minimum(v + step * self.down, 0.0)

    def subgradients(self, x, coordinates=None):
        return np.where(x > 0, self.up, -self.down), np.where(x < 0, -self.down, self.up)


@pytest.mark.parametrize("update", ["lipschitz", "lipschitz-search", "matrix", "prox-newton"])
def test_own_loss_and_own_penalty(update):
    problem = LinearProblem(A, Y, PseudoHuber(), AsymmetricL1(2.0, 5.0))
    result = _run(problem, "variable", "gsq", update)
    x, t = cvxpy.Variable(N), A @ cvxpy.Variable(N)
    t = A @ x - Y
    loss = cvxpy.sum([cvxpy.norm2(cvxpy.hstack([1.0, t[i]])) for i in range(30)]) - 30
    penalty = 5.0 * cvxpy.sum(cvxpy.pos(x)) + 2.0 * cvxpy.sum(cvxpy.neg(x))
    best = cvxpy.Problem(cvxpy.Minimize(loss + penalty)).solve(solver="CLARABEL")
    _check(problem, result, best)
    assert 0 < result.solution.support.size < N


# ---- what is reported ------------------------------------------------------------------------------------------------


def test_trace_and_solution_fields():
    problem = LeastSquares(A, Y, L1(6.0))
    result = _run(problem, "variable", "gsq", "matrix")
    solution, trace = result.solution, result.trace
    assert len(trace) == len(solution.blocks) == result.n_iter
    for name in ("iteration", "time", "objective", "certificate", "support_size", "block_size"):
        assert trace[name].shape == (result.n_iter,)
    np.testing.assert_array_equal(solution.support, np.flatnonzero(solution.coef))
    zero = solution.coef == 0
    gradient = A.T @ (A @ solution.coef - Y)
    assert solution.margin == pytest.approx((6.0 - np.abs(gradient[zero])).min())
    assert 0 < solution.support_identified_at <= result.n_iter
    assert (trace["support_size"][solution.support_identified_at - 1 :] == solution.support.size).all()
    assert solution.active_set_bound >= solution.support_identified_at


def test_start_is_projected_and_not_changed():
    problem, x0 = LeastSquares(A, Y, Box(-0.3, 0.4)), np.full(N, 7.0)
    result = _run(problem, "variable", "gsd", "lipschitz", x0=x0)
    assert (x0 == 7.0).all()
    assert result.certificate["kkt_residual"] <= 1e-10


def test_start_at_the_optimum_takes_no_step():
    problem = LeastSquares(A, Y, L1(1e6))
    result = block_coordinate_descent(problem)
    assert result.converged
    assert not result.solution.blocks
    assert not result.solution.coef.any()


def test_the_same_seed_gives_the_same_bits():
    problem = LeastSquares(A, Y, L1(6.0))
    for selection in ("random", "lipschitz", "cyclic"):
        first, second = (_run(problem, "variable", selection, "matrix", random_state=3) for _ in range(2))
        np.testing.assert_array_equal(first.solution.coef, second.solution.coef)


def test_a_run_that_ends_early_warns_once_and_says_by_how_much():
    from sparsesolve.exceptions import ConvergenceWarning

    with pytest.warns(ConvergenceWarning, match="KKT residual is .* above tol") as caught:
        result = _run(LeastSquares(A, Y), "order", "random", "lipschitz", max_iter=3)
    assert len(caught) == 1
    assert result.status is Status.MAX_ITER
    assert result.solution.support_identified_at is None
    assert np.isnan(result.solution.active_set_bound)


def test_callback_stops():
    result = _run(LeastSquares(A, Y), "order", "random", "lipschitz", callback=lambda iterate: True)
    assert result.status is Status.STOPPED
    assert result.n_iter == 1


@pytest.mark.parametrize(
    "update", ["lipschitz", "lipschitz-search", "matrix", "newton", "prox-newton", "two-metric"]
)
def test_zero_and_duplicate_columns_and_zero_targets(update):
    X = np.column_stack([A[:, :4], A[:, :4], np.zeros((30, 2))])
    for y in (Y, np.zeros(30)):
        problem = LeastSquares(X, y)
        result = _run(problem, "variable", "gsq", update)
        assert np.isfinite(result.solution.coef).all()
        best = 0.5 * ((y - X @ np.linalg.lstsq(X, y)[0]) ** 2).sum()
        assert result.solution.objective == pytest.approx(best, abs=1e-9)


# ---- graphs ----------------------------------------------------------------------------------------------------------


def _lattice_problem(penalty=None, side=7):
    """The Laplacian of a lattice whose corner nodes are known."""
    n = side * side
    nodes = np.arange(n).reshape(side, side)
    edges = np.concatenate(
        [
            np.stack([nodes[:, :-1].ravel(), nodes[:, 1:].ravel()]),
            np.stack([nodes[:-1].ravel(), nodes[1:].ravel()]),
        ],
        1,
    )
    weights = scipy.sparse.coo_array((np.ones(edges.shape[1]), tuple(edges)), shape=(n, n))
    weights = (weights + weights.T).tocsr()
    laplacian = (scipy.sparse.diags_array(weights.sum(axis=1)) - weights).tocsr()
    known = nodes[[0, 0, -1, -1], [0, -1, 0, -1]]
    unknown = np.setdiff1d(np.arange(n), known)
    values = np.array([1.0, -2.0, 3.0, 0.5])
    return Quadratic(laplacian[unknown][:, unknown], weights[unknown][:, known] @ values, penalty)


@pytest.mark.parametrize("update", ["lipschitz", "matrix", "newton", "message-passing"])
@pytest.mark.parametrize(
    ("partition", "selection"),
    [
        ("red-black", "cyclic"),
        ("red-black", "gsl"),
        ("tree", "cyclic"),
        ("tree", "gsq"),
        ("tree", "random"),
        ("variable", "greedy-tree"),
    ],
)
def test_graph_choices(partition, selection, update):
    problem = _lattice_problem()
    result = _run(problem, partition, selection, update, tol=1e-9)
    x = np.linalg.solve(
        problem.bound_block(np.arange(problem.n_coordinates)), -problem.gradient(problem.start())
    )
    _check(problem, result, problem.value(problem.start(x)), 1e-9)
    np.testing.assert_allclose(result.solution.coef, x, atol=1e-6)


def test_message_passing_is_the_matrix_update_in_linear_time():
    problem = _lattice_problem()
    runs = [_run(problem, "tree", "cyclic", update, tol=1e-9) for update in ("matrix", "message-passing")]
    assert runs[0].n_iter == runs[1].n_iter
    np.testing.assert_allclose(runs[0].solution.coef, runs[1].solution.coef, atol=1e-12)


def test_blocks_of_ones_own():
    problem = _lattice_problem()
    n = problem.n_coordinates
    whole = block_coordinate_descent(problem, partition=[np.arange(n)], selection="cyclic")
    assert whole.n_iter == 1
    columns = [np.flatnonzero(np.arange(n) % 3 == c) for c in range(3)]
    assert _run(problem, columns, "cyclic", "matrix").converged
    for partition, message in (
        ([[0, 1]], "exactly one block"),
        ([], "non-empty arrays"),
        ([[0.5]], "non-empty"),
    ):
        with pytest.raises(ValueError, match=message):
            block_coordinate_descent(problem, partition=partition)
    grouped = LeastSquares(A, Y, GroupL2(7.0, GROUPS))
    with pytest.raises(ValueError, match="splits a group"):
        block_coordinate_descent(grouped, partition=[np.arange(5), np.arange(5, N)])


def test_tree_rules_beat_red_black_on_the_lattice_of_the_paper():
    problem, combs = _paper_lattice()
    optimum = -1045999575.2270696
    found = {}
    for name, (partition, selection) in {
        "combs": (combs, "cyclic"),
        "greedy": ("variable", "greedy-tree"),
        "colours": ("red-black", "cyclic"),
    }.items():
        with pytest.warns(Warning, match="MAX_ITER"):
            result = block_coordinate_descent(
                problem,
                partition=partition,
                selection=selection,
                update="message-passing",
                tol=0.0,
                max_iter=500,
            )
        found[name] = result.solution.objective - optimum
    assert problem.n_coordinates == 2400
    assert 0.1 < found["combs"] / found["greedy"] < 10
    assert found["colours"] > 1000 * max(found["combs"], found["greedy"])


def _paper_lattice(side=50):
    """The paper's data D, with its own random numbers."""
    random = np.random.RandomState(1)
    labelled = random.choice(side * side, 100, replace=False)
    values = random.randn(100) * 10
    nodes = np.arange(side * side).reshape(side, side)
    ends = [nodes[:, :-1].ravel(), nodes[:-1].ravel()], [nodes[:, 1:].ravel(), nodes[1:].ravel()]
    rows, columns = (np.concatenate(end) for end in ends)
    weights = scipy.sparse.coo_array(
        (np.full(rows.size, 1e5), (rows, columns)), shape=(nodes.size, nodes.size)
    )
    problem = GraphQuadratic.from_labels((weights + weights.T).tocsr(), labelled, values)
    return problem, lattice_combs(side, side, np.setdiff1d(nodes.ravel(), labelled))


def test_bounds_on_a_graph():
    problem = _lattice_problem(Box(-0.5, 0.5))
    result = _run(problem, "red-black", "cyclic", "matrix", tol=1e-9)
    assert result.converged
    with pytest.raises(ValueError, match="without a penalty"):
        _run(problem, "red-black", "cyclic", "message-passing")


# ---- the paper's findings, at reduced size ---------------------------------------------------------------------------


def _data_a(seed, n_rows, n_columns):
    """The paper's data A: columns of wild scales, few entries; and labels for its data B."""
    rng = np.random.default_rng(seed)
    X = (rng.standard_normal((n_rows, n_columns)) + 1.0) * (10.0 * rng.standard_normal(n_columns))
    X *= rng.random((n_rows, n_columns)) < min(10 * np.log(n_rows) / n_rows, 1.0)
    w = rng.standard_normal(n_columns) * (rng.random(n_columns) < 0.1)
    return scipy.sparse.csc_array(X), X @ w + rng.standard_normal(n_rows)


def _until(problem, goal, **choices):
    """Steps until the objective is below the goal."""
    result = block_coordinate_descent(
        problem,
        tol=0.0,
        max_iter=2000,
        random_state=0,
        callback=lambda iterate: iterate.objective <= goal,
        **choices,
    )
    assert result.status is Status.STOPPED
    return result.n_iter


def test_greedy_rules_order_as_in_the_paper():
    values = {}
    choices = {
        "gsl": ("variable", "gsl"),
        "gs": ("variable", "gs"),
        "fixed": ("sort", "gs"),
        "random": ("sort", "random"),
    }
    for seed in range(3):
        problem = LeastSquares(*_data_a(seed, 400, 4000))
        for name, (partition, selection) in choices.items():
            with pytest.warns(Warning, match="MAX_ITER"):
                result = block_coordinate_descent(
                    problem, partition=partition, selection=selection, update="lipschitz", block_size=5, max_iter=200,
                    tol=0.0, random_state=seed,
                )  # fmt: skip
            values.setdefault(name, []).append(result.solution.objective)
    gsl, gs, fixed, random = (np.median(values[name]) for name in choices)
    assert gsl < gs / 2 < fixed / 4 < random / 8


def test_pursuit_needs_fewer_steps_than_thresholding_and_the_diagonal():
    problem = LeastSquares(*_data_a(1, 1000, 10000))
    steps = {
        name: _until(problem, 8e-6, block_size=50, **choices)
        for name, choices in {
            "gsd": {"selection": "gsd"},
            "iht": {"selection": "gsq", "gsq_method": "iht"},
            "omp": {"selection": "gsq"},
        }.items()
    }
    assert steps["omp"] <= 0.40 * steps["gsd"]
    assert steps["iht"] <= 0.70 * steps["gsd"]


@pytest.mark.parametrize("selection", ["gsd", "gsq"])
@pytest.mark.parametrize("update", ["prox-newton", "two-metric"])
def test_variable_blocks_identify_the_support_and_finish(selection, update):
    X, y = _data_a(1, 400, 4000)
    problem = LeastSquares(X, y, NonNegative(np.abs(X.T @ y).max() / 8))
    result = _run(problem, "variable", selection, update, block_size=100)
    assert result.solution.support.size <= 100
    assert result.solution.support_identified_at <= 10
    assert result.n_iter <= result.solution.support_identified_at + 2
    assert result.solution.active_set_bound >= result.solution.support_identified_at


def test_a_rule_of_ones_own_sees_the_state_and_is_checked():
    rng = np.random.default_rng(0)
    A = rng.standard_normal((40, 12))
    problem = LeastSquares(A, A[:, 2] - A[:, 7], L1(1.0))
    seen = []

    def largest(x, gradient, curvature, block_size):
        assert np.allclose(gradient, A.T @ (A @ x - (A[:, 2] - A[:, 7])))
        assert np.all(curvature > 0)
        x[:] = np.nan  # a copy: the solver's own state stays
        seen.append(block_size)
        return np.argsort(-np.abs(gradient))[:block_size]

    own = block_coordinate_descent(problem, selection=largest, block_size=3, max_iter=2000)
    assert own.status.name == "CONVERGED"
    assert set(seen) == {3}
    built_in = block_coordinate_descent(problem, block_size=3)
    assert np.allclose(own.solution.coef, built_in.solution.coef, atol=1e-6)
    for wrong in ([], [12], [-1], [0.5]):
        with pytest.raises(ValueError, match="whole numbers from 0 to 11"):
            block_coordinate_descent(problem, selection=lambda *state, wrong=wrong: wrong)
    with pytest.raises(ValueError, match="partition='variable'"):
        block_coordinate_descent(problem, selection=largest, partition="order")
