"""The published method: the counts of its table, its formulas, and how it behaves where it is not at home."""

import statistics
import time

import numpy as np
import pytest
import scipy.sparse

from sparsesolve.datasets import hard_transport_problems, load_digit_transport, make_assignment_problem
from sparsesolve.driver import drive
from sparsesolve.operators.hessian_kernels import multiply
from sparsesolve.transport import entropic_transport
from sparsesolve.transport import paper as module
from sparsesolve.transport.paper import paper

ETA = 1200.0


def solve(problem, reg=1 / ETA, tol=1e-11, max_newton=300, sinkhorn_sweeps=20, density=None, start=None):
    C, a, b = problem
    f, g = (np.zeros(a.size), np.zeros(b.size)) if start is None else start
    solver = paper(C, a, b, reg, f, g, sinkhorn_sweeps=sinkhorn_sweeps, density=density)
    return drive(solver, tol=tol, max_iter=sinkhorn_sweeps + max_newton)


def newton_steps(outcome):
    return int(outcome.trace["newton_steps"][-1])


def newton_errors(outcome):
    """Errors before the first Newton step and after each."""
    steps = outcome.trace["newton_steps"]
    return outcome.trace["certificate"][np.count_nonzero(steps == 0) - 1 :]


def plan_of(problem, reg, f, g):
    return np.exp((f[:, None] + g - problem[0]) / reg)


def marginal_error(problem, reg, f, g):
    plan = plan_of(problem, reg, f, g)
    return np.abs(plan.sum(1) - problem[1]).sum() + np.abs(plan.sum(0) - problem[2]).sum()


def naive_solution(problem, reg):
    """Potentials by sweeps in the log domain and then dense Newton steps, all in plain NumPy."""
    a, b = problem[1:]
    f, g = np.zeros(a.size), np.zeros(b.size)
    for _ in range(3000):
        f += reg * np.log(a / plan_of(problem, reg, f, g).sum(1))
        g += reg * np.log(b / plan_of(problem, reg, f, g).sum(0))
    for _ in range(5):
        P = plan_of(problem, reg, f, g)
        hessian = np.block([[np.diag(P.sum(1)), P], [P.T, np.diag(P.sum(0))]])
        step = reg * np.linalg.lstsq(hessian, np.concatenate((a - P.sum(1), b - P.sum(0))), rcond=1e-13)[0]
        f, g = f + step[: a.size], g + step[a.size :]
    return f, g


def small_problem(n, m, seed=0):
    rng = np.random.default_rng(seed)
    return rng.random((n, m)), rng.dirichlet(np.full(n, 5.0)), rng.dirichlet(np.full(m, 5.0))


# The table of the paper: 20 + 9, 20 + 33 and 700 + 77 sweeps and steps.


def test_assignment(full):
    """9 steps in the paper. As many need 4 to 6 entries a row here: 2 of them leave out 7 % of the plan's mass."""
    steps = []
    for seed in range(10 if full else 3):
        problem = make_assignment_problem(500, random_state=seed)
        outcome = solve(problem, tol=1e-15)  # the default keeps 4 a row
        steps.append(np.argmax(newton_errors(outcome) <= 1e-11))
        assert outcome.best.certificate <= 1e-15
        assert marginal_error(problem, 1 / ETA, *outcome.best.solution) <= 1e-13
        assert newton_steps(solve(problem, density=6 / 500)) <= 12
    assert 0 < np.median(steps) <= 12


def test_two_entries_a_row_converge_slowly(full):
    """The share of the error that a step leaves is that of a linear rate, and mostly near 0.7."""
    steps = []
    for seed in range(10 if full else 3):
        outcome = solve(make_assignment_problem(500, random_state=seed), density=2 / 500, max_newton=120)
        assert outcome.trace["density"][-1] == pytest.approx(2 / 500)
        errors = newton_errors(outcome)
        assert 0.4 < np.median((errors[1:] / errors[:-1])[-15:]) < 0.99
        steps.append(newton_steps(outcome))
    assert 40 < np.median(steps) < 100


def test_digits_squared_distance(full):
    """33 steps in the paper; which needs more than 2 entries a row where images have few empty pixels."""
    for source in (0, 2, 4, 6, 8) if full else (0,):
        problem = load_digit_transport(source, source + 1)
        assert newton_steps(solve(problem, density=20 / 784)) <= 33
        assert newton_steps(solve(problem, density=30 / 784)) <= 20


def test_digits_squared_distance_with_few_entries():
    errors = newton_errors(solve(load_digit_transport(0, 1), max_newton=33))
    assert errors[-1] < errors[0]
    assert errors[-1] > 1e-3
    assert newton_steps(solve(load_digit_transport(0, 1), density=15 / 784)) <= 60


def test_digits_absolute_distance(full):
    """77 steps in the paper, whose 15 entries a row are too few here: see the next test."""
    if not full:
        problem = load_digit_transport(0, 1, side=14, metric="cityblock")
        assert newton_steps(solve(problem, sinkhorn_sweeps=200, density=30 / 196)) <= 77
        return
    for source in (0, 2):
        problem = load_digit_transport(source, source + 1, metric="cityblock")
        assert newton_steps(solve(problem, sinkhorn_sweeps=700, density=45 / 784)) <= 77


@pytest.mark.slow
def test_digits_absolute_distance_with_few_entries():
    problem = load_digit_transport(0, 1, metric="cityblock")
    errors = newton_errors(solve(problem, sinkhorn_sweeps=700, density=15 / 784, max_newton=300))
    assert 1e-7 < errors.min() < 1e-4


# The method


@pytest.mark.parametrize(("n", "m"), [(12, 12), (9, 17), (17, 4), (1, 6), (5, 1), (1, 1)])
@pytest.mark.parametrize("density", [None, 0.5, 1.0])
def test_equals_the_naive_solution(n, m, density):
    problem, reg = small_problem(n, m), 0.05
    outcome = solve(problem, reg, tol=1e-13, sinkhorn_sweeps=5, density=density)
    f, g = outcome.best.solution
    wanted_f, wanted_g = naive_solution(problem, reg)
    shift = wanted_f[0] - f[0]
    np.testing.assert_allclose(f + shift, wanted_f, atol=1e-12)
    np.testing.assert_allclose(g - shift, wanted_g, atol=1e-12)
    np.testing.assert_allclose(
        plan_of(problem, reg, f, g), plan_of(problem, reg, wanted_f, wanted_g), atol=1e-12
    )


def test_potential_of_the_paper():
    """The objective is the paper's potential, with its -1, at x = f + reg and y = g, less reg."""
    problem, reg = small_problem(7, 5), 0.1
    C, a, b = problem
    for iterate in drive_all(problem, reg, count=8):
        f, g = iterate.solution
        x = f + reg
        value = a @ x + b @ g - reg * np.exp((x[:, None] + g - C) / reg - 1.0).sum()
        assert iterate.objective == pytest.approx(value - reg, abs=1e-14)
        assert iterate.certificate == pytest.approx(marginal_error(problem, reg, f, g), abs=1e-14)


def test_agrees_with_the_other_engines():
    C, a, b = make_assignment_problem(500, random_state=0)
    ours = entropic_transport(a, b, C, 1 / ETA, solver="paper", tol=1e-12).solution
    other = entropic_transport(a, b, C, 1 / ETA, tol=1e-12).solution
    assert ours.solver == "paper-newton"
    assert ours.objective == pytest.approx(other.objective, abs=1e-13)
    np.testing.assert_allclose(ours.dense_plan(), other.dense_plan(), atol=1e-11)


def test_derivatives_of_the_potential():
    """Minus the Hessian has plus signs in all four blocks; the augmentation adds v v'."""
    C, a, b = small_problem(6, 4)
    reg, n = 0.1, 6
    problem = module.PaperProblem(C, a, b, reg)
    rng = np.random.default_rng(3)
    f, g = 0.1 * rng.standard_normal(6), 0.1 * rng.standard_normal(4)

    def at(z):
        return problem.at(z[:n], z[n:], np.empty(C.shape))

    z = np.concatenate((f, g))
    steps = 1e-5 * np.eye(10)
    slopes = [(problem.augmented(at(z + h)) - problem.augmented(at(z - h))) / 2e-5 for h in steps]
    np.testing.assert_allclose(problem.gradient(at(z)), slopes, atol=1e-7)
    curvatures = [(problem.gradient(at(z - h)) - problem.gradient(at(z + h))) / 2e-5 for h in steps]
    point = at(z)
    support = module._largest_entries(point.plan, point.plan.size)
    diagonal = np.concatenate((point.rows, point.columns))
    product = np.empty(10)
    hessian = np.empty((10, 10))
    for k, unit in enumerate(np.eye(10)):
        multiply(diagonal, *support, problem.weight * reg, unit, product)
        hessian[k] = product / reg
    np.testing.assert_allclose(hessian, curvatures, rtol=1e-5, atol=1e-5)
    P, v = point.plan, np.repeat([1.0, -1.0], [6, 4])
    plus = np.block([[np.diag(P.sum(1)), P], [P.T, np.diag(P.sum(0))]]) / reg
    np.testing.assert_allclose(hessian, plus + problem.weight * np.outer(v, v), rtol=1e-12, atol=1e-13)
    assert np.linalg.eigvalsh(hessian)[0] > 0.0
    assert np.linalg.norm(plus @ v) < 1e-12 * np.linalg.norm(plus)


@pytest.mark.parametrize("n_kept", [1, 7, 12, 20])
def test_sparse_hessian_is_positive(n_kept):
    """Whatever is dropped, the exact diagonal keeps the matrix positive definite."""
    rng = np.random.default_rng(n_kept)
    plan = rng.random((4, 5)) ** 4
    starts, indices, values = module._largest_entries(plan, n_kept)
    kept = scipy.sparse.csr_array((values, indices.astype(np.int64), starts), shape=plan.shape).toarray()
    assert np.count_nonzero(kept) == n_kept
    np.testing.assert_array_equal(np.sort(kept[kept > 0]), np.sort(plan.ravel())[-n_kept:])
    v = np.repeat([1.0, -1.0], [4, 5])
    matrix = np.block([[np.diag(plan.sum(1)), kept], [kept.T, np.diag(plan.sum(0))]]) + np.outer(v, v)
    assert np.linalg.eigvalsh(matrix)[0] > 0.0
    right = rng.standard_normal(9)
    out = np.zeros(9)
    diagonal = np.concatenate((plan.sum(1), plan.sum(0)))
    steps = module._solve(diagonal, starts, indices, values, 1.0, right, 1e-12, 90, out)
    assert 1 < steps < 90
    np.testing.assert_allclose(out, np.linalg.solve(matrix, right), rtol=1e-9, atol=1e-9)


def test_exact_diagonal_matters(monkeypatch):
    """With the sums of the kept entries on the diagonal, four entries a row are not enough."""
    exact = module._solve

    def with_kept_sums(diagonal, starts, indices, values, *rest):
        n, m = starts.size - 1, diagonal.size - starts.size + 1
        kept = scipy.sparse.csr_array((values, indices.astype(np.int64), starts), shape=(n, m))
        sums = np.concatenate((kept.sum(1), kept.sum(0)))
        return exact(np.maximum(sums, 1e-12 * diagonal), starts, indices, values, *rest)

    problem = make_assignment_problem(500, random_state=0)
    assert newton_errors(solve(problem, density=4 / 500, max_newton=12)).min() <= 1e-11
    monkeypatch.setattr(module, "_solve", with_kept_sums)
    assert newton_errors(solve(problem, density=4 / 500, max_newton=12)).min() > 1e-4


def test_convergence_is_superlinear_at_the_end(full):
    """Where next to nothing is dropped, each of the last steps leaves a much smaller share of the error."""
    for seed in range(4 if full else 1):
        outcome = solve(make_assignment_problem(500, random_state=seed), tol=1e-15, density=15 / 500)
        errors = newton_errors(outcome)
        errors = errors[errors > 1e-15]
        shares = errors[1:] / errors[:-1]
        assert shares[-2] < 0.2
        assert shares[-1] < 1e-2
        assert shares[-1] < 0.1 * shares[-2]


def test_iterates():
    problem = make_assignment_problem(100, random_state=0)
    iterates = drive_all(problem, 1 / ETA, count=20, sinkhorn_sweeps=6)
    engines = [iterate.extras["engine"] for iterate in iterates]
    assert engines == ["paper-sinkhorn"] * 6 + ["paper-newton"] * 14
    assert [iterate.extras["sweeps"] for iterate in iterates] == [*range(1, 7)] + [6] * 14
    assert [iterate.extras["newton_steps"] for iterate in iterates] == [0] * 6 + [*range(1, 15)]
    for name in ("cg_steps", "evaluations", "dense_passes"):
        assert np.all(np.diff([iterate.extras[name] for iterate in iterates])[6:] > 0)
    assert len({id(iterate.solution[0]) for iterate in iterates}) == 20
    objectives = [iterate.objective for iterate in iterates]
    assert np.diff(objectives).min() > -1e-12


def test_units_of_the_costs_do_not_matter():
    C, a, b = make_assignment_problem(60, random_state=1)
    outcome = solve((C, a, b), density=0.1)
    for scale in (2.0**20, 2.0**-20):
        scaled = solve((scale * C, a, b), scale / ETA, density=0.1)
        np.testing.assert_array_equal(scaled.trace["certificate"], outcome.trace["certificate"])
        np.testing.assert_array_equal(scaled.best.solution[0], scale * outcome.best.solution[0])


def test_nothing_is_changed():
    rng = np.random.default_rng(0)
    arguments = (*small_problem(8, 6), rng.standard_normal(8), rng.standard_normal(6))
    copies = [array.copy() for array in arguments]
    C, a, b, f, g = arguments
    solve((C, a, b), 0.1, start=(f, g))
    for array, copy in zip(arguments, copies, strict=True):
        np.testing.assert_array_equal(array, copy)


def test_more_costs_than_sources():
    """The default density leaves an entry for every row and column of any shape."""
    problem = small_problem(200, 6, seed=2)
    assert solve(problem, 0.02, max_newton=60).best.certificate <= 1e-11


# Where it is not at home


@pytest.mark.parametrize("start", [0.0, 1e2, 1e5])
@pytest.mark.parametrize("sinkhorn_sweeps", [0, 2, 20])
def test_numbers_stay_finite(full, start, sinkhorn_sweeps):
    """Whatever the potentials, costs and weights: no NaN, and no floating point error but underflow."""
    rng = np.random.default_rng(0)
    for problem in hard_transport_problems(200 if full else 40, random_state=1):
        rows, columns = problem.a > 0, problem.b > 0
        a, b = problem.a[rows], problem.b[columns]
        C = np.ascontiguousarray(problem.cost[np.ix_(rows, columns)])
        size = start * problem.reg
        potentials = size * rng.standard_normal(a.size), size * rng.standard_normal(b.size)
        with np.errstate(all="raise", under="ignore"):
            outcome = solve(
                (C, a / a.sum(), b / b.sum()),
                problem.reg,
                max_newton=15,
                sinkhorn_sweeps=sinkhorn_sweeps,
                start=potentials,
            )
        assert np.isfinite(outcome.best.certificate), problem.name
        assert all(np.isfinite(potential).all() for potential in outcome.best.solution), problem.name


def test_starved_rows_and_columns():
    """A sweep feeds rows and columns that get nothing that float64 can hold."""
    C, a, b = small_problem(5, 4)
    f, g = np.zeros(5), np.zeros(4)
    f[2], g[1], g[3] = -500.0, -2000.0, 3000.0
    with np.errstate(all="raise", under="ignore"):
        outcome = solve((C, a, b), 0.1, start=(f, g), sinkhorn_sweeps=3)
    assert outcome.trace["certificate"][0] < 1.0
    assert outcome.best.certificate <= 1e-11


def test_stalls_at_rounding():
    outcome = solve(make_assignment_problem(50, random_state=0), 0.01, tol=0.0, density=0.5)
    assert outcome.status.name == "STALLED"
    assert outcome.best.certificate <= 1e-13
    assert newton_steps(outcome) < 30


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("density", 0.0),
        ("density", -1.0),
        ("density", np.nan),
        ("sinkhorn_sweeps", -1),
        ("sinkhorn_sweeps", 2.5),
    ],
)
def test_bad_options(name, value):
    with pytest.raises(ValueError, match=f"{name}="):
        solve(small_problem(3, 3), **{name: value})


# Time


def naive_steps(problem, reg, f, g, n_steps, n_kept):
    """Newton steps of the method, written down in NumPy and SciPy."""
    C, a, b = problem
    n, m = C.shape
    x, y, P = f + reg, g, plan_of(problem, reg, f, g)
    v = np.repeat([1.0, -1.0], [n, m])

    def value(x, y):
        plan = np.exp((x[:, None] + y - C) / reg - 1.0)
        return a @ x + b @ y - reg * plan.sum() - 0.5 * (x.sum() - y.sum()) ** 2, plan

    current = value(x, y)[0]
    for _ in range(n_steps):
        rows, columns = P.sum(1), P.sum(0)
        least = np.partition(P, P.size - n_kept, axis=None)[P.size - n_kept]
        sparse = scipy.sparse.csr_array(np.where(least <= P, P, 0.0))
        matrix = scipy.sparse.block_array(
            [[scipy.sparse.diags_array(rows), sparse], [sparse.T, scipy.sparse.diags_array(columns)]],
            format="csr",
        )
        right = np.concatenate((a - rows, b - columns)) - (x.sum() - y.sum()) * v
        direction, residual = np.zeros(n + m), right.copy()
        inverse = 1.0 / matrix.diagonal()
        along = inverse * residual
        energy = residual @ along
        goal = 1e-6 * np.linalg.norm(right)
        while np.linalg.norm(residual) > goal:
            product = matrix @ along + reg * (v @ along) * v
            length = energy / (along @ product)
            direction += length * along
            residual -= length * product
            before, energy = energy, residual @ (inverse * residual)
            along = inverse * residual + energy / before * along
        direction *= reg
        slope, step = right @ direction, 1.0
        while True:
            reached, P = value(x + step * direction[:n], y + step * direction[n:])
            if reached >= current + 1e-4 * step * slope - 1e-14:
                break
            step *= 0.5
        x, y, current = x + step * direction[:n], y + step * direction[n:], reached
    return x - reg, y


def test_no_slower_than_numpy():
    """A Newton step takes less time than the same step in NumPy."""
    problem = make_assignment_problem(500, random_state=0)
    reg, n_steps = 1 / ETA, 6
    f, g = drive_all(problem, reg, count=20)[-1].solution
    times = {"ours": [], "naive": []}
    for _ in range(6):
        started = time.perf_counter()
        ours = drive_all(problem, reg, count=n_steps, start=(f, g), sinkhorn_sweeps=0, density=4 / 500)
        times["ours"].append(time.perf_counter() - started)
        started = time.perf_counter()
        naive = naive_steps(problem, reg, f, g, n_steps, 2000)
        times["naive"].append(time.perf_counter() - started)
    ours, first = ours[-1].solution, marginal_error(problem, reg, f, g)
    assert marginal_error(problem, reg, *ours) < 0.1 * first
    assert marginal_error(problem, reg, *naive) < 0.1 * first
    assert statistics.median(times["ours"][1:]) <= statistics.median(times["naive"][1:])


def drive_all(problem, reg, count, start=None, **options):
    """The first iterates."""
    C, a, b = problem
    f, g = (np.zeros(a.size), np.zeros(b.size)) if start is None else start
    solver = paper(C, a, b, reg, f, g, **options)
    return [next(solver) for _ in range(count)]
