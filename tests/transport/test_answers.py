"""Answers and certificates of all engines against slow, obviously right code."""

import warnings

import numpy as np
import pytest
import scipy.sparse

from sparsesolve import Status, entropic_transport
from sparsesolve.datasets import (
    hard_transport_problems,
    load_digit_transport,
    make_assignment_problem,
    make_block_transport,
    make_line_transport,
    make_point_clouds,
)
from sparsesolve.exceptions import ConvergenceWarning
from sparsesolve.reference import transport as reference
from sparsesolve.transport import PointCloudCost, entropic_transport_batch, problem

PROBLEMS = {
    "assignment": lambda: make_assignment_problem(60, random_state=0),
    "clouds": lambda: make_point_clouds(50, 70, random_weights=True, random_state=1).problem(),
    "line": lambda: make_line_transport(80, 60, random_state=2),
    "digits": lambda: load_digit_transport(0, 1, side=10),
    "digits-l1": lambda: load_digit_transport(2, 5, side=10, metric="cityblock"),
    "blocks": lambda: make_block_transport(3, 20, random_state=3),
}
ENGINES = ("auto", "sinkhorn", "newton-dense", "newton-sparse", "paper")


def true_error(result, a, b, C, reg):
    plan = reference.plan_of(*result.solution.potentials, C, reg)
    return reference.marginal_error(plan, a, b)


def holds(result, a, b, C, reg, tol=1e-9):
    assert result.status is Status.CONVERGED
    true = true_error(result, a, b, C, reg)
    assert true <= tol
    assert true <= 2 * result.certificate["marginal_error"] + 1e-14


@pytest.mark.parametrize("eta", [1.0, 30.0, 300.0, 3000.0, 1e5])
@pytest.mark.parametrize("name", PROBLEMS)
def test_auto_converges_and_its_certificate_is_true(name, eta):
    C, a, b = PROBLEMS[name]()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        holds(entropic_transport(a, b, C, 1 / eta), a, b, C, 1 / eta)


@pytest.mark.parametrize("solver", ENGINES)
@pytest.mark.parametrize("name", ["assignment", "clouds", "line"])
def test_engines_agree_with_naive_sweeps(name, solver):
    C, a, b = PROBLEMS[name]()
    reg = 1 / 50
    # The paper keeps few entries of the Hessian, which is for plans that are nearly sparse: this one is not.
    result = entropic_transport(a, b, C, reg, solver=solver, tol=1e-11, density=1.0)
    holds(result, a, b, C, reg, 1e-11)
    f, g = reference.log_sinkhorn(a, b, C, reg, tol=1e-12)[:2]
    expected = reference.plan_of(f, g, C, reg)
    np.testing.assert_allclose(result.solution.dense_plan(), expected, atol=1e-11)
    assert result.solution.cost == pytest.approx((C * expected).sum(), rel=1e-9)


@pytest.mark.parametrize("solver", ENGINES[:4])
def test_cvxpy_agrees(solver):
    pytest.importorskip("cvxpy")
    C, a, b = make_point_clouds(12, 9, random_weights=True, random_state=4).problem()
    result = entropic_transport(a, b, C, 0.05, solver=solver)
    twin = reference.entropic_transport(a, b, C, 0.05)
    np.testing.assert_allclose(result.solution.dense_plan(), twin.plan, atol=1e-6)


@pytest.mark.parametrize("penalty", [0.05, 1.0, 50.0])
@pytest.mark.parametrize("eta", [10.0, 1000.0])
def test_unbalanced(eta, penalty):
    C, a, b = make_point_clouds(40, 30, random_state=5).problem()
    b = 1.4 * b
    result = entropic_transport(a, b, C, 1 / eta, marginal_penalty=penalty, tol=1e-11)
    f, g = result.solution.potentials
    plan = reference.plan_of(f, g, C, 1 / eta)
    error = np.abs(plan.sum(axis=1) - a * np.exp(-f / penalty)).sum()
    error += np.abs(plan.sum(axis=0) - b * np.exp(-g / penalty)).sum()
    assert result.converged
    assert error <= 1.5e-11
    assert 0 <= result.solution.dual_gap < 1e-9


def test_gap_brackets_the_optimum():
    """The rounded plan is feasible; its value is the dual value plus the gap, and both enclose a finer solution."""
    C, a, b = PROBLEMS["clouds"]()
    reg = 1 / 200
    rough = entropic_transport(a, b, C, reg, tol=1e-3).solution
    fine = entropic_transport(a, b, C, reg, tol=1e-13).solution
    dual = reference.dual_value(*rough.potentials, a, b, C, reg)
    optimum = reference.dual_value(*fine.potentials, a, b, C, reg)
    assert 0 < rough.dual_gap < 1e-3
    assert dual <= optimum + 1e-15 <= dual + rough.dual_gap + 1e-12
    rounded = rough.rounded_plan()
    np.testing.assert_allclose(rounded.sum(axis=1), a, rtol=1e-12)
    np.testing.assert_allclose(rounded.sum(axis=0), b, rtol=1e-12)
    assert rounded.min() >= 0


def test_plan_is_sparse_and_holds_all_that_matters():
    C, a, b = make_assignment_problem(200, random_state=6)
    solution = entropic_transport(a, b, C, 1e-4).solution
    assert isinstance(solution.plan, scipy.sparse.csr_array)
    assert solution.plan.nnz < 0.05 * C.size
    assert np.abs(solution.plan.toarray() - solution.dense_plan()).sum() < 2e-12


def test_gradient_of_the_cost():
    C, a, b = make_point_clouds(9, 7, random_weights=True, random_state=7).problem()
    gradient = entropic_transport(a, b, C, 0.1, tol=1e-13).solution.grad_cost().toarray()
    for i, j in ((0, 0), (3, 5), (8, 6)):
        moved = []
        for step in (1e-5, -1e-5):
            other = C.copy()
            other[i, j] += step
            moved.append(entropic_transport(a, b, other, 0.1, tol=1e-13).solution.cost)
        assert gradient[i, j] == pytest.approx((moved[0] - moved[1]) / 2e-5, rel=1e-5, abs=1e-9)


@pytest.mark.parametrize("metric", ["sqeuclidean", "euclidean", "cityblock", "cosine"])
@pytest.mark.parametrize("eta", [20.0, 2000.0])
def test_points_without_a_matrix(monkeypatch, metric, eta):
    """The same answer, whether costs are stored or computed again in every pass."""
    clouds = make_point_clouds(70, 90, random_weights=True, random_state=8)
    points = PointCloudCost(clouds.X, clouds.Y, metric)
    C = points.toarray()
    reg = np.ptp(C) / eta
    monkeypatch.setattr(problem, "_STORED_PAIRS", 0)
    result = entropic_transport(clouds.a, clouds.b, points, reg)
    holds(result, clouds.a, clouds.b, C, reg)
    stored = entropic_transport(clouds.a, clouds.b, C, reg)
    np.testing.assert_allclose(result.solution.dense_plan(), stored.solution.dense_plan(), atol=1e-9)


def test_metrics_are_those_of_scipy():
    from scipy.spatial.distance import cdist

    rng = np.random.default_rng(9)
    X, Y = rng.standard_normal((5, 3)), rng.standard_normal((4, 3))
    for metric in ("sqeuclidean", "euclidean", "cityblock", "cosine"):
        np.testing.assert_allclose(PointCloudCost(X, Y, metric).toarray(), cdist(X, Y, metric), atol=1e-14)


def test_batch_equals_a_loop():
    rng = np.random.default_rng(10)
    C = rng.random((20, 12, 15))
    a, b = rng.dirichlet(np.ones(12), 20), rng.dirichlet(np.ones(15), 20)
    C[3] *= 40.0  # too sharp for the compiled loop
    a[5, :4] = 0.0
    a[5] /= a[5].sum()
    result = entropic_transport_batch(a, b, C, 0.02)
    assert result.status is Status.CONVERGED
    for k in range(20):
        one = entropic_transport(a[k], b[k], C[k], 0.02).solution
        np.testing.assert_allclose(result.solution.couplings[k].dense(), one.dense_plan(), atol=2e-9)
        assert result.solution.objective[k] == pytest.approx(one.objective, abs=1e-9)
    assert result.certificate["marginal_error"] == result.solution.marginal_error.max() <= 1e-9


def test_warm_start_saves_work():
    C, a, b = PROBLEMS["clouds"]()
    first = entropic_transport(a, b, C, 1 / 500)
    again = entropic_transport(a, b, C, 1 / 520, potentials=first.solution.potentials)
    cold = entropic_transport(a, b, C, 1 / 520)
    holds(again, a, b, C, 1 / 520)
    assert again.solution.counts["cg_steps"] < cold.solution.counts["cg_steps"]
    far = entropic_transport(a, b, C, 1 / 520, potentials=(np.full(50, 3.0), np.linspace(-5, 5, 70)))
    holds(far, a, b, C, 1 / 520)


@pytest.mark.parametrize("seed", [0, 1])
def test_hard_problems_converge_or_tell_the_truth(seed, full):
    failed = 0
    for case in hard_transport_problems(200 if full else 100, random_state=seed):
        a, b = case.a, case.b * (case.a.sum() / case.b.sum())
        floor = np.abs(case.cost).max() / case.reg * np.finfo(float).eps
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            warnings.simplefilter("ignore", ConvergenceWarning)
            result = entropic_transport(case.a, case.b, case.cost, case.reg)
            true = true_error(result, a, b, case.cost, case.reg)
            gap = result.solution.dual_gap
        assert np.isfinite(gap), case.name
        assert gap >= 0, case.name
        # Within what different orders of summation make of the same potentials.
        assert true <= 2 * result.certificate["marginal_error"] + 0.1 * floor + 1e-13, case.name
        assert result.converged or floor > 1e-10, case.name
        failed += not result.converged
    assert failed < 60


def test_tolerance_out_of_reach_is_said_before_and_after():
    C, a, b = PROBLEMS["line"]()
    with pytest.warns(ConvergenceWarning, match="below what float64") as seen:
        result = entropic_transport(a, b, C + 1e4, 1e-4, tol=1e-12)
    assert len(seen) == 1
    assert result.status is Status.STALLED
    assert true_error(result, a, b, C + 1e4, 1e-4) <= 2 * result.certificate["marginal_error"]


def test_interrupted_annealing_has_a_true_certificate():
    C, a, b = PROBLEMS["digits"]()
    with pytest.warns(ConvergenceWarning, match="STOPPED"):
        result = entropic_transport(a, b, C, 1e-4, callback=lambda iterate: True)
    assert result.status is Status.STOPPED
    assert true_error(result, a, b, C, 1e-4) == pytest.approx(result.certificate["marginal_error"], rel=1e-6)
    assert result.certificate["marginal_error"] > 1e-3


def test_few_passes_where_parts_hardly_touch():
    """A bar of the design: blocks that exchange a little mass, at most 12 looks at all entries."""
    for seed in range(5):
        C, a, b = make_block_transport(4, 50, random_state=seed)
        result = entropic_transport(a, b, C, 1 / 1200)
        holds(result, a, b, C, 1 / 1200)
        assert result.solution.counts["dense_passes"] <= 12


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"a": np.array([0.5, -0.5, 1.0])}, r"a\[1\]=-0.5 is negative"),
        ({"a": np.full(3, 1.0)}, "a sums to 3, but b to 1"),
        ({"a": np.zeros(3)}, "a is zero"),
        ({"a": np.full(4, 0.25)}, r"a has shape \(4,\), but the cost has 3 rows"),
        ({"b": None}, "b is None"),
        ({"a": np.array([np.nan, 0.5, 0.5])}, r"a\[0\] is NaN"),
        ({"C": np.full((3, 2), np.nan)}, r"C\[0, 0\] is NaN"),
        ({"C": np.full(3, 1.0)}, "two-dimensional"),
        ({"C": scipy.sparse.eye_array(3, 2)}, "sparse"),
        ({"reg": 0.0}, "reg=0.0 must be above 0"),
        ({"reg": np.inf}, "reg=inf"),
        ({"marginal_penalty": -1.0}, "marginal_penalty"),
        ({"solver": "simplex"}, "solver='simplex'"),
        ({"solver": "paper", "marginal_penalty": 1.0}, "marginal_penalty"),
        ({"potentials": (np.zeros(3), np.zeros(3))}, "potentials"),
        ({"potentials": (np.zeros(3), np.array([0.0, np.nan]))}, "potentials hold NaN"),
        ({"density": -1.0}, "density"),
    ],
)
def test_bad_arguments(changes, match):
    arguments = {"a": np.full(3, 1 / 3), "b": np.full(2, 1 / 2), "C": np.ones((3, 2)), "reg": 0.1} | changes
    with pytest.raises(ValueError, match=match):
        entropic_transport(**arguments)
