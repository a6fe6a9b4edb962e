"""The central path: gradients against differences, Newton's stages against Adam's, and what always holds."""

import numpy as np
import pytest

from sparsesolve.dag.central_path import Schedule, central_path
from sparsesolve.dag.central_path_columns import COURSES, _run
from sparsesolve.dag.central_path_stage import Stage, stage_gradient, stage_objective
from sparsesolve.dag.concomitant import concomitant_lasso, residual_variances, scale_floors
from sparsesolve.dag.log_determinant import acyclicity, acyclicity_gradient, invert_transposed
from sparsesolve.dag.thresholding import threshold_weights
from sparsesolve.datasets.dag import make_linear_sem
from sparsesolve.driver import drive
from sparsesolve.graphs.order import is_acyclic
from sparsesolve.metrics import structural_hamming_distance
from sparsesolve.result import Status

NOISES = ["equal", "unequal"]
SHORT = Schedule(mu=(1.0, 0.1), s=(1.0, 0.9), warm_iter=300, max_iter=300, checkpoint=100)


def covariance(n_nodes, noise, seed=0, n_samples=1000, **options):
    variances = 1.0 if noise == "equal" else "unequal"
    data = make_linear_sem(n_samples, n_nodes, variances=variances, random_state=seed, **options)
    X = data.X - data.X.mean(axis=0)
    return X.T @ X / len(X), data


def solve(C, noise, **options):
    schedule = options.setdefault("schedule", Schedule())
    iterates = []
    outcome = drive(
        central_path(C, noise=noise, **options), tol=schedule.tol, max_iter=10_000, callback=iterates.append
    )
    return outcome, iterates


def last_of_stages(iterates):
    return list({iterate.extras["stage"]: iterate for iterate in iterates}.values())


def inner_weights(d, radius=0.6, seed=0):
    W = np.random.default_rng(seed).standard_normal((d, d))
    np.fill_diagonal(W, 0.0)
    return W * np.sqrt(radius / np.abs(np.linalg.eigvals(W * W)).max())


@pytest.mark.parametrize("d", [1, 2, 7, 64, 65, 130])
def test_inverse_and_determinant_equal_numpy(d):
    W, s = inner_weights(d) if d > 1 else np.zeros((1, 1)), 0.8
    inverse = np.empty((d, d))
    h = invert_transposed(W, s, inverse)
    M = s * np.eye(d) - W * W
    np.testing.assert_allclose(inverse, np.linalg.inv(M).T, rtol=1e-9, atol=1e-12)
    assert h == pytest.approx(d * np.log(s) - np.linalg.slogdet(M)[1], rel=1e-10, abs=1e-12)
    assert acyclicity(W, s) == max(h, 0.0)


@pytest.mark.parametrize("d", [2, 10, 70])
def test_domain_ends_at_the_spectral_radius(d):
    W = inner_weights(d, radius=1.0)
    assert acyclicity(W, 1.0 + 1e-6) < np.inf
    # Further out the determinant may be positive again, but no pivot's product of signs tells so.
    for factor in (1.0 + 1e-6, 1.3, 2.0, 5.0, 100.0):
        assert acyclicity(W * factor, 1.0) == np.inf
        with pytest.raises(ValueError, match="spectral radius"):
            acyclicity_gradient(W * factor, 1.0)


def test_acyclic_weights_measure_zero():
    for d in (5, 80):
        W = np.triu(10.0 * np.random.default_rng(d).standard_normal((d, d)), 1)
        assert acyclicity(W, 0.5) == pytest.approx(0.0, abs=1e-11)


@pytest.mark.parametrize("noise", NOISES)
def test_gradient_equals_differences(noise):
    C, _ = covariance(6, noise)
    W, mu, s, alpha = inner_weights(6, 0.4), 0.3, 0.9, 0.05
    stage = Stage(C, ~np.eye(6, dtype=bool), scale_floors(C, noise), noise, alpha, mu, s)
    scales = stage.describe(W)[0]
    gradient = stage_gradient(W, scales, C, mu, s) + mu * alpha * np.sign(W)
    step = 1e-6
    for i, j in np.argwhere(~np.eye(6, dtype=bool)):
        E = np.zeros((6, 6))
        E[i, j] = step
        held = [stage_objective(W + t * E, scales, C, alpha, mu, s, noise) for t in (1, -1)]
        free = [stage.describe(W + t * E)[1] for t in (1, -1)]
        assert (held[0] - held[1]) / (2 * step) == pytest.approx(gradient[i, j], rel=1e-5, abs=1e-6)
        # The scales at their best make no difference to first order.
        assert (free[0] - free[1]) / (2 * step) == pytest.approx(gradient[i, j], rel=1e-5, abs=1e-6)


@pytest.mark.parametrize("noise", NOISES)
@pytest.mark.parametrize("inner", ["adam", "newton"])
def test_reports_equal_naive_sums(noise, inner):
    C, _ = covariance(8, noise)
    _, iterates = solve(C, noise, inner=inner, schedule=SHORT)
    for iterate in iterates:
        (W, scales), mu, s = iterate.solution, iterate.extras["mu"], iterate.extras["s"]
        left = np.eye(8) - W
        q = np.diag(left.T @ C @ left)
        h = 8 * np.log(s) - np.linalg.slogdet(s * np.eye(8) - W * W)[1]
        value = mu * ((q / (2 * scales) + scales / 2).sum() + 0.05 * np.abs(W).sum()) + h
        assert iterate.objective == pytest.approx(value, rel=1e-9)
        assert iterate.extras["h"] == pytest.approx(h, rel=1e-6, abs=1e-9)
        assert iterate.objective == pytest.approx(
            stage_objective(W, scales, C, 0.05, mu, s, noise), rel=1e-12
        )
        best = np.sqrt(q.mean()) if noise == "equal" else np.sqrt(q)
        np.testing.assert_allclose(scales, best, rtol=1e-9)
        assert not np.diag(W).any()
        assert np.abs(np.linalg.eigvals(W * W)).max() < s


def test_scales_that_differ_are_no_equal_noise():
    C, _ = covariance(4, "equal")
    with pytest.raises(ValueError, match="scales"):
        stage_objective(np.zeros((4, 4)), np.arange(1.0, 5.0), C, 0.05, 1.0, 1.0, "equal")


@pytest.mark.parametrize("noise", NOISES)
@pytest.mark.parametrize("d", [10, 20])
def test_newton_ends_stages_as_low_as_adam(noise, d):
    C, data = covariance(d, noise, seed=1)
    faster = Schedule(warm_iter=6000, max_iter=10_000, learning_rate=1e-3)
    _, adam = solve(C, noise, inner="adam", schedule=faster)
    _, newton = solve(C, noise, inner="newton")
    adam, newton = last_of_stages(adam), last_of_stages(newton)
    assert len(adam) == len(newton) == 4
    for slow, fast in zip(adam, newton, strict=True):
        assert fast.extras["s"] == slow.extras["s"]
        assert fast.objective <= slow.objective * (1 + 1e-3)
    found = [
        structural_hamming_distance(data.adjacency, threshold_weights(end.solution.weights).adjacency)
        for end in (adam[-1], newton[-1])
    ]
    assert found[1] <= found[0] + 2


@pytest.mark.parametrize("noise", NOISES)
def test_newton_ends_at_a_local_minimum(noise):
    C, _ = covariance(12, noise)
    outcome, iterates = solve(C, noise)
    assert outcome.status is Status.CONVERGED
    assert outcome.best is iterates[-1]
    assert outcome.best.extras["stationarity"] <= 0.2
    W = outcome.best.solution.weights
    assert (W == 0.0).sum() > 12  # exact zeros beside the diagonal
    assert outcome.best.extras["h"] < 1e-3
    mu, s = outcome.best.extras["mu"], outcome.best.extras["s"]
    rng = np.random.default_rng(0)
    for size in (1e-2, 1e-3):
        for _ in range(50):
            near = W + size * rng.standard_normal(W.shape) * (W != 0)
            value = stage_objective(near, outcome.best.solution.scales, C, 0.05, mu, s, noise)
            assert value > outcome.best.objective


@pytest.mark.parametrize("noise", NOISES)
@pytest.mark.parametrize("course", [course for course in COURSES if course.hot == 1.0])
def test_every_round_of_newton_lowers_the_objective(noise, course):
    C, _ = covariance(10, noise)
    stage = Stage(C, ~np.eye(10, dtype=bool), scale_floors(C, noise), noise, 0.05, 0.1, 0.9)
    values = []
    W = np.zeros((10, 10))
    for tol in (0.5, 0.1, 1e-2, 1e-4, 1e-6):
        W, value, _ = [news for news in _run(stage, W, course, tol, 0.1) if news is not None][-1]
        values.append(value)
    assert (np.diff(values) <= 1e-12 * abs(values[0])).all()
    assert values[-1] < values[0]


@pytest.mark.parametrize("noise", NOISES)
def test_a_fixed_order_gives_the_concomitant_lasso(noise):
    """Where only forward edges are allowed h is zero, and the stage is convex."""
    C, data = covariance(10, noise, seed=2)
    place = np.argsort(data.order)
    allowed = place[:, None] < place
    for inner in ("newton", "adam"):
        schedule = Schedule(mu=(1.0,), s=(1.0,), max_iter=12_000, learning_rate=3e-3, tol=1e-9)
        outcome, _ = solve(C, noise, inner=inner, allowed=allowed, schedule=schedule)
        exact = concomitant_lasso(C, allowed, 0.05, noise=noise)
        W = outcome.best.solution.weights
        assert not W[~allowed].any()
        assert outcome.best.extras["h"] == pytest.approx(0.0, abs=1e-10)
        rel = 1e-8 if inner == "newton" else 1e-3
        assert outcome.best.objective == pytest.approx(exact.objective, rel=rel)
        np.testing.assert_allclose(W, exact.weights, atol=5e-3 if inner == "newton" else 0.05)


@pytest.mark.parametrize("noise", NOISES)
@pytest.mark.parametrize("inner", ["adam", "newton"])
def test_forbidden_edges_stay_away(noise, inner):
    C, _ = covariance(8, noise)
    allowed = np.random.default_rng(0).random((8, 8)) < 0.5
    kept = allowed.copy()
    outcome, _ = solve(C, noise, inner=inner, allowed=allowed, schedule=SHORT)
    assert not outcome.best.solution.weights[~allowed].any()
    assert not np.diag(outcome.best.solution.weights).any()
    np.testing.assert_array_equal(allowed, kept)


@pytest.mark.parametrize("noise", NOISES)
def test_the_order_of_the_columns_does_not_matter(noise):
    C, _ = covariance(12, noise, seed=3)
    first = solve(C, noise)[0].best
    turn = np.random.default_rng(0).permutation(12)
    second = solve(C[np.ix_(turn, turn)], noise)[0].best
    np.testing.assert_allclose(second.solution.weights, first.solution.weights[np.ix_(turn, turn)], atol=1e-5)
    np.testing.assert_allclose(second.solution.scales, first.solution.scales[turn], rtol=1e-6)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("noise", NOISES)
@pytest.mark.parametrize("inner", ["adam", "newton"])
def test_degenerate_columns_give_finite_graphs(noise, inner):
    X = make_linear_sem(200, 8, random_state=0).X.copy()
    X -= X.mean(axis=0)
    X[:, 3] = 0.0
    X[:, 5] = X[:, 2]
    X[:, 6] = -2.0 * X[:, 1]
    few = np.random.default_rng(0).standard_normal((2, 6))
    for C in (X.T @ X / 200, np.zeros((4, 4)), np.ones((3, 3)), np.array([[2.0]]), few.T @ few / 2):
        before = C.copy()
        C.flags.writeable = False
        outcome, iterates = solve(C, noise, inner=inner, schedule=SHORT)
        W, scales = outcome.best.solution
        assert np.isfinite(W).all()
        assert np.isfinite(scales).all()
        assert (scales > 0).all()
        assert all(np.isfinite(iterate.objective) for iterate in iterates)
        assert is_acyclic(threshold_weights(W).adjacency)
        np.testing.assert_array_equal(C, before)


@pytest.mark.parametrize("noise", NOISES)
@pytest.mark.parametrize("scale", [1e-4, 1e4])
def test_units_far_off_give_finite_graphs(noise, scale):
    C, _ = covariance(8, noise)
    W, scales = solve(C * scale**2, noise)[0].best.solution
    assert np.isfinite(W).all()
    assert np.isfinite(scales).all()
    assert is_acyclic(threshold_weights(W).adjacency)


def test_adam_steps_back_from_the_border():
    C, _ = covariance(8, "equal")
    schedule = SHORT._replace(learning_rate=0.5)
    _, iterates = solve(C, "equal", inner="adam", schedule=schedule)
    for iterate in iterates:
        assert np.abs(np.linalg.eigvals(iterate.solution.weights**2)).max() < iterate.extras["s"]
    assert min(i.objective for i in iterates if i.extras["stage"] == 0) < stage_objective(
        np.zeros((8, 8)), np.sqrt(np.diag(C).mean()), C, 0.05, 1.0, 1.0
    )


@pytest.mark.parametrize("inner", ["adam", "newton"])
def test_s_grows_where_the_start_lies_outside(inner):
    C, _ = covariance(10, "equal")
    schedule = Schedule(mu=(1.0, 0.5), s=(1.0, 0.05), warm_iter=3000, max_iter=200, checkpoint=100)
    _, iterates = solve(C, "equal", inner=inner, schedule=schedule)
    for iterate in iterates:
        steps = (iterate.extras["s"] - schedule.s[iterate.extras["stage"]]) / 0.1
        assert steps == pytest.approx(round(steps), abs=1e-9)
        assert np.abs(np.linalg.eigvals(iterate.solution.weights**2)).max() < iterate.extras["s"]
    assert iterates[-1].extras["s"] > 0.1


def test_a_budget_that_ends_says_so():
    C, _ = covariance(8, "equal")
    outcome, iterates = solve(C, "equal", inner="adam", schedule=SHORT._replace(tol=1e-12))
    assert outcome.status is Status.MAX_ITER
    assert outcome.best is iterates[-1]
    assert [i.extras["stage"] for i in iterates] == [0, 0, 0, 1, 1, 1]
    assert (np.diff([i.certificate for i in iterates]) <= 0).all()


def test_two_runs_are_equal():
    C, _ = covariance(10, "unequal")
    first, second = (solve(C, "unequal")[0].best.solution.weights for _ in range(2))
    np.testing.assert_array_equal(first, second)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"noise": "same"}, "noise='same'"),
        ({"inner": "lbfgs"}, "inner='lbfgs'"),
        ({"alpha": 0.0}, "alpha=0.0"),
        ({"schedule": Schedule(mu=(1.0,), s=(1.0, 0.9))}, "schedule"),
    ],
)
def test_bad_arguments_are_named(options, message):
    with pytest.raises(ValueError, match=message):
        central_path(np.eye(3), **options)


@pytest.mark.slow
@pytest.mark.parametrize("noise", NOISES)
def test_newton_is_not_worse_than_adam_at_fifty_nodes(noise):
    found = []
    for seed in range(3):
        C, data = covariance(50, noise, seed=seed)
        ends = [last_of_stages(solve(C, noise, inner=inner)[1]) for inner in ("adam", "newton")]
        for slow, fast in zip(*ends, strict=True):
            assert fast.objective <= slow.objective * (1 + 2e-2)
        found.append(
            [
                structural_hamming_distance(
                    data.adjacency, threshold_weights(e[-1].solution.weights).adjacency
                )
                for e in ends
            ]
        )
        assert np.isfinite(residual_variances(C, ends[1][-1].solution.weights)).all()
    assert np.median([b - a for a, b in found]) <= 2
