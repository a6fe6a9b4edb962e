"""The loops: monotone costs, the paper's updates against naive ones, pruning, units."""

import tracemalloc
from functools import reduce

import numpy as np
import pytest
import scipy.optimize

from sparsesolve.driver import drive
from sparsesolve.kronecker.iteration import Compiled, Multiplicative, rises
from sparsesolve.kronecker.learning import learn
from sparsesolve.kronecker.posterior import posterior
from sparsesolve.kronecker.problem import pose, reduce_tall
from sparsesolve.kronecker.pruning import Pruning, spread
from sparsesolve.kronecker.updates import (
    alternating_step,
    coupled_step,
    equalise,
    multiplied,
    rank_one_step,
    relative_change,
)
from sparsesolve.operators.kronecker import kronecker_vector, mode_products, outer


def make(n=(6, 7, 5), m=(4, 5, 6), k=2, n_snapshots=1, is_complex=False, noise=0.05, seed=0):
    rng = np.random.default_rng(seed)

    def draw(*shape):
        values = rng.standard_normal(shape)
        return values + 1j * rng.standard_normal(shape) if is_complex else values

    factors = [draw(a, b) for a, b in zip(m, n, strict=True)]
    X = np.zeros((n_snapshots, *n), factors[0].dtype)
    support = [np.sort(rng.choice(b, k, replace=False)) for b in n]
    X[(slice(None), *np.ix_(*support))] = draw(n_snapshots, *(k for _ in n))
    Y = mode_products(X, factors)
    scale = np.sqrt(np.mean(np.abs(Y) ** 2))
    Y = Y + noise * scale * draw(*Y.shape)
    Y = Y[0] if n_snapshots == 1 else np.moveaxis(Y, 0, -1)
    return factors, Y, X, (noise * scale) ** 2 * (2 if is_complex else 1)


def run(problem, n, tol=0.0, **options):
    return drive(learn(problem, **options), tol=tol, max_iter=n)


def naive_pass(moments, gammas):
    """One pass of the paper's updates, all scale in the last factor."""
    gammas = [gamma.copy() for gamma in gammas]
    for i in range(len(gammas)):
        weights = outer([np.ones_like(g) if k == i else 1 / g for k, g in enumerate(gammas)])
        others = tuple(k for k in range(len(gammas)) if k != i)
        gammas[i] = (moments * weights).sum(others) * gammas[i].size / moments.size
    return gammas


@pytest.mark.parametrize("shape", [(5,), (4, 6), (3, 5, 4), (2, 3, 2, 4), (4, 1, 3), (4, 3, 1), (1, 1, 3)])
def test_alternating_step_equals_naive_passes(shape):
    rng = np.random.default_rng(0)
    moments = rng.random(shape) + 0.1
    gammas = [rng.random(n) + 0.1 for n in shape]
    one = naive_pass(moments, gammas)
    np.testing.assert_allclose(outer(alternating_step(moments, gammas, cap=1)), outer(one), rtol=1e-12)
    for _ in range(60):
        one = naive_pass(moments, one)
    np.testing.assert_allclose(outer(alternating_step(moments, gammas, 1e-13, 200)), outer(one), rtol=1e-9)


def test_alternating_step_is_the_convex_minimum():
    rng = np.random.default_rng(1)
    moments = rng.random((3, 4, 2)) + 0.05

    def value(logs):
        g = [logs[:3], logs[3:7], logs[7:]]
        total = reduce(np.add.outer, g)
        return float(np.sum(total + moments * np.exp(-total)))

    best = scipy.optimize.minimize(value, np.zeros(9), method="BFGS", options={"gtol": 1e-9})
    found = alternating_step(moments, [np.ones(3), np.ones(4), np.ones(2)], 1e-12, 500)
    assert value(np.log(np.concatenate(found))) <= best.fun + 1e-9


def test_alternating_step_keeps_zeros_and_survives_extremes():
    rng = np.random.default_rng(2)
    gammas = [np.array([1e-50, 0.0, 1.0]), np.array([1e40, 1e-10])]
    moments = outer(gammas) * (rng.random((3, 2)) + 0.5)
    found = alternating_step(moments, gammas)
    assert found[0][1] == 0.0
    assert all(np.all(np.isfinite(g)) for g in found)
    assert (found[0][[0, 2]] > 0).all()


@pytest.mark.parametrize("shape", [(5,), (4, 6), (3, 5, 4), (40, 3, 2), (2, 3, 2, 4)])
def test_rank_one_step_equals_full_decompositions(shape):
    rng = np.random.default_rng(0)
    moments = rng.random(shape)
    expected, rest = [], moments.reshape(-1)
    for n in shape[:-1]:
        U, s, V = np.linalg.svd(rest.reshape(n, -1), full_matrices=False)
        expected.append(np.abs(U[:, 0]))
        rest = s[0] * np.abs(V[0])
    found = rank_one_step(moments)
    np.testing.assert_allclose(outer(found), outer([*expected, rest]), rtol=1e-10)
    np.testing.assert_allclose([np.linalg.norm(g) for g in found], np.linalg.norm(found[0]), rtol=1e-12)


@pytest.mark.parametrize("is_complex", [False, True])
@pytest.mark.parametrize("learned", [False, True])
@pytest.mark.parametrize("method", ["am", "ksbl", "mm"])
def test_cost_never_rises(method, learned, is_complex):
    for seed in range(3):
        factors, Y, _, s2 = make(is_complex=is_complex, seed=seed, n_snapshots=1 + seed)
        problem = pose(factors, Y)
        own = None if learned else problem.units.own_noise_variance(s2)
        cost = run(problem, 60, method=method, noise_variance=own).trace["objective"]
        assert np.all(np.diff(cost) <= 1e-11 * np.abs(cost[0]))
        assert cost[-1] < cost[0] - 10


@pytest.mark.parametrize(
    "shape", [((8,), (20,)), ((20,), (8,)), ((4, 4), (6, 3)), ((2, 3, 3, 3), (3, 4, 3, 2))]
)
@pytest.mark.parametrize("method", ["am", "svd", "ksbl", "mm"])
def test_any_number_of_factors(method, shape):
    m, n = shape
    factors, Y, _, _ = make(n=n, m=m, k=2)
    found = run(pose(factors, Y), 30, method=method)
    assert np.all(np.isfinite(found.trace["objective"]))
    if method != "svd" or len(n) == 1:
        assert np.all(np.diff(found.trace["objective"]) <= 1e-9 * abs(found.trace["objective"][0]))


def test_one_factor_is_classical_sparse_bayesian_learning():
    factors, Y, _, s2 = make(n=(20,), m=(12,), k=3)
    A, g = factors[0], None
    problem = pose(factors, Y, rescale=False)
    states = [step.solution for step in _iterates(learn(problem, "am", noise_variance=s2), 11)]
    g = states[0].gammas()[0]
    for state in states[1:]:
        S = s2 * np.eye(12) + (A * g) @ A.T
        mean = g * (A.T @ np.linalg.solve(S, Y))
        g = g - g**2 * np.einsum("mn,mn->n", A, np.linalg.solve(S, A)) + mean**2
        np.testing.assert_allclose(state.gammas()[0], g, rtol=1e-8, atol=1e-12)


def _iterates(generator, n):
    found = [next(generator) for _ in range(n)]
    generator.close()
    return found


def test_one_mode_after_the_other_lowers_the_cost():
    factors, Y, _, _ = make(seed=4)
    problem = pose(factors, Y)
    gammas = [np.full(n, 1.0) for n in problem.shape]
    rule = Multiplicative(None, gammas)
    first = rule.advance(problem, gammas, 1.0)
    rule.advance(problem, first.gammas, 1.0)
    after, noise = rule.one_by_one(problem, gammas, 1.0, 1e-16)
    assert not rises(first.cost, posterior(problem, after, noise).cost, problem)
    np.testing.assert_allclose(outer(rule.gammas()), outer(after))


def test_a_rise_of_the_cost_is_repaired(monkeypatch):
    """Modes that jump too far at once: the loop goes back, and the cost falls all the same."""
    factors, Y, _, _ = make(seed=4)
    problem = pose(factors, Y)
    plain = Multiplicative.advance

    def too_far(self, problem, gammas, noise_variance):
        step = plain(self, problem, gammas, noise_variance)
        self.patterns = [gamma * 30.0 for gamma in step.gammas]
        return step._replace(gammas=self.patterns)

    monkeypatch.setattr(Multiplicative, "advance", too_far)
    cost = run(problem, 20, method="mm").trace["objective"]
    assert np.all(np.diff(cost) <= 1e-11 * np.abs(cost[0]))
    assert cost[-1] < cost[0] - 10


@pytest.mark.parametrize("is_complex", [False, True])
@pytest.mark.parametrize("n_snapshots", [1, 3])
@pytest.mark.parametrize("method", ["am", "svd", "mm"])
@pytest.mark.parametrize("m", [(8, 4, 5), (3, 5, 6), (1, 7, 5), (6, 7, 1)])
def test_compiled_iterations_equal_the_general_ones(method, n_snapshots, is_complex, m, monkeypatch):
    factors, Y, _, _ = make(m=m, n_snapshots=n_snapshots, is_complex=is_complex)
    problem = pose(factors, Y)
    compiled = run(problem, 12, method=method, pruning=Pruning(1e-4))
    monkeypatch.setattr(Compiled, "suits", lambda self, problem: False)
    general = run(problem, 12, method=method, pruning=Pruning(1e-4))
    for name in ("objective", "noise_variance", "certificate"):
        np.testing.assert_allclose(compiled.trace[name], general.trace[name], rtol=1e-7)
    np.testing.assert_array_equal(compiled.trace["active"], general.trace["active"])


@pytest.mark.parametrize("method", ["am", "svd", "ksbl", "mm"])
def test_support_is_found_with_pruning(method):
    factors, Y, X, _ = make(n=(10, 12, 9), m=(6, 8, 9), k=2, noise=0.01, n_snapshots=2)
    problem = pose(factors, Y)
    state = run(problem, 300, tol=1e-6, method=method, pruning=Pruning(1e-3)).best.solution
    expected = [np.flatnonzero(np.abs(X).sum(tuple(k for k in range(4) if k != i + 1))) for i in range(3)]
    for found, true in zip(state.keep, expected, strict=True):
        np.testing.assert_array_equal(found, true)
    mean = problem.units.coefficients(state.mean())
    assert np.linalg.norm(mean - X) < 0.02 * np.linalg.norm(X)


def test_zero_slices_may_be_dropped():
    factors, Y, _, _ = make()
    problem = pose(factors, Y)
    rng = np.random.default_rng(0)
    gammas = [rng.random(n) for n in problem.shape]
    for gamma, zeros in zip(gammas, ([1, 3, 4], [0, 2, 4, 6], [2]), strict=True):
        gamma[zeros] = 0.0
    masks = Pruning().masks(gammas)
    keep = [np.flatnonzero(mask) for mask in masks]
    whole = posterior(problem, gammas, 0.1)
    part = posterior(problem.select(masks), [g[k] for g, k in zip(gammas, keep, strict=True)], 0.1)
    np.testing.assert_allclose(part.cost, whole.cost, rtol=1e-12)
    np.testing.assert_allclose(part.expected_noise(), whole.expected_noise(), rtol=1e-10)
    np.testing.assert_allclose(spread(part.mean(), keep, problem.shape), whole.mean(), atol=1e-12)
    np.testing.assert_allclose(
        spread(part.variance(), keep, problem.shape), whole.variance(), rtol=1e-9, atol=1e-14
    )
    for i, index in enumerate(keep):
        for ours, theirs in zip(part.slopes(i), whole.slopes(i), strict=True):
            np.testing.assert_allclose(ours, theirs[index], rtol=1e-9)


def test_no_mode_is_emptied():
    gammas = [np.array([0.0, 0.0]), np.array([1e-9, 1e-12])]
    masks = Pruning(0.5, 1e-4).masks(gammas)
    assert masks[0].tolist() == [True, True]
    assert masks[1].tolist() == [True, False]
    # Absolute cuts see all scale in the last mode.
    masks = Pruning(absolute=0.1).masks([np.array([30.0, 2.0]), np.array([0.03, 0.001])])
    assert [mask.tolist() for mask in masks] == [[True, False], [True, False]]
    assert Pruning(absolute=0.01).masks([np.array([30.0, 2.0]), np.array([0.03, 0.001])]) is None
    assert Pruning([0.0, 1e-6]).masks([np.array([1.0, 1e-9]), np.array([1.0, 1e-5])]) is None


def test_reduction_is_exact():
    rng = np.random.default_rng(0)
    factors = [rng.standard_normal((9, 4)), rng.standard_normal((3, 5))]
    Y = rng.standard_normal((9, 3))
    problem = pose(factors, Y, rescale=False)
    assert problem.data.shape == (1, 4, 3)
    assert problem.dropped == 15
    X = rng.standard_normal((1, 4, 5))
    residual = np.sum((Y - mode_products(X, factors)) ** 2)
    reduced = np.sum((problem.data - mode_products(X, problem.factors)) ** 2) + problem.rest
    np.testing.assert_allclose(reduced, residual, rtol=1e-12)
    assert reduce_tall(problem) is problem


@pytest.mark.parametrize("learned", [False, True])
@pytest.mark.parametrize("method", ["am", "svd", "ksbl", "mm"])
def test_rescaling_rescales_the_answer(method, learned):
    factors, Y, _, s2 = make(n_snapshots=2)
    answers = []
    for scales, b in (((1, 1, 1), 1.0), ((3e-60, 7e80, 1e-9), 1e-100), ((1e150, 1e140, 0.7), 3e120)):
        problem = pose([a * A for a, A in zip(scales, factors, strict=True)], Y * b)
        noise = None if learned else problem.units.own_noise_variance(s2 * b * b)
        outcome = run(problem, 25, method=method, noise_variance=noise, pruning=Pruning(1e-5))
        factor = b / scales[0] / scales[1] / scales[2]
        answers.append(problem.units.coefficients(outcome.best.solution.mean()) / factor)
    for answer in answers[1:]:
        np.testing.assert_allclose(answer, answers[0], rtol=0, atol=1e-6 * np.abs(answers[0]).max())


@pytest.mark.parametrize("noise", [None, 0.5])
def test_zero_data_give_zero(noise):
    factors, Y, _, _ = make()
    outcome = run(pose(factors, Y * 0), 5, tol=1e-4, noise_variance=noise)
    state = outcome.best.solution
    assert outcome.n_iter == 1
    assert not state.mean().any()
    assert not state.variance().any()
    assert state.noise_variance == 0.0
    assert all(not gamma.any() for gamma in state.gammas())


@pytest.mark.parametrize("method", ["am", "mm"])
def test_coupled_gammas_have_their_pattern(method):
    n = (8, 6, 5)
    C = np.eye(8) + 0.5 * (np.eye(8, k=1) + np.eye(8, k=-1))
    factors, Y, _, s2 = make(n=n, m=(5, 5, 5))
    problem = pose(factors, Y)
    own = problem.units.own_noise_variance(s2)
    outcome = run(
        problem,
        40,
        method=method,
        noise_variance=own,
        couplings=[C, None, None],
        inner_tol=1e-4,
        inner_cap=10,
    )
    gamma = outcome.best.solution.gammas()[0]
    _, misfit = scipy.optimize.nnls(C, gamma)
    assert misfit <= 1e-4 * np.linalg.norm(gamma)
    if method == "mm":
        cost = outcome.trace["objective"]
        assert np.all(np.diff(cost) <= 1e-11 * abs(cost[0]))


def test_coupling_by_the_identity_changes_nothing():
    factors, Y, _, _ = make()
    problem = pose(factors, Y)
    plain = run(problem, 15, method="mm").best.solution.gammas()
    coupled = run(
        problem, 15, method="mm", couplings=[np.eye(n) for n in problem.shape]
    ).best.solution.gammas()
    np.testing.assert_allclose(outer(coupled), outer(plain), rtol=1e-9)
    rng = np.random.default_rng(0)
    moments = rng.random((3, 4)) + 0.1
    start = [np.ones(3), np.ones(4)]
    one = coupled_step(moments, start, [np.eye(3), None], 1e-12, 100, floor=0.0)
    np.testing.assert_allclose(outer(one), outer(alternating_step(moments, start, 1e-12, 100)), rtol=1e-8)


def test_small_helpers():
    old, new = (
        [np.array([1.0, 2.0]), np.array([3.0, 1.0])],
        [np.array([1.0, 2.0 + 1e-9]), np.array([3.0, 1.0])],
    )
    a, b = kronecker_vector(old), kronecker_vector(new)
    np.testing.assert_allclose(
        relative_change(old, new), np.linalg.norm(a - b) / np.linalg.norm(a), rtol=1e-6
    )
    even, scales = equalise([np.array([1e-200, 0.0]), np.array([3e200, 4e200])])
    np.testing.assert_allclose(np.linalg.norm(even[0]), np.linalg.norm(even[1]))
    np.testing.assert_allclose(np.prod(scales), 1.0)
    np.testing.assert_array_equal(
        multiplied(np.ones(2), np.array([4.0, 0.0]), np.array([1.0, 0.0])), [2.0, 0.0]
    )


@pytest.mark.parametrize("method", ["am", "svd", "ksbl", "mm"])
def test_single_precision_finds_the_same(method):
    factors, Y, _, _ = make(n=(10, 12, 9), m=(6, 8, 9), noise=0.05)
    pruning = Pruning(1e-3)
    exact = run(pose(factors, Y), 200, tol=1e-5, method=method, pruning=pruning).best.solution
    problem = pose([factor.astype(np.float32) for factor in factors], Y.astype(np.float32))
    single = run(problem, 200, tol=1e-5, method=method, pruning=pruning).best.solution
    assert single.mean().dtype == single.variance().dtype == np.float32
    for ours, theirs in zip(single.keep, exact.keep, strict=True):
        np.testing.assert_array_equal(ours, theirs)
    np.testing.assert_allclose(single.mean(), exact.mean(), atol=1e-3 * np.abs(exact.mean()).max())


def test_multiplicative_steps_hold_nothing_of_the_size_of_the_coefficients():
    factors, Y, _, _ = make(n=(70, 70, 70), m=(20, 20, 20))
    problem = pose(factors, Y)
    steps = learn(problem, "mm")
    next(steps)
    tracemalloc.start()
    next(steps)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    steps.close()
    assert peak < 0.25 * 8 * 70**3


def test_stationary_gammas_have_no_gradient():
    factors, Y, _, s2 = make(n=(6, 7, 5), m=(5, 6, 6))
    problem = pose(factors, Y)
    states = run(problem, 3000, tol=1e-13, method="mm", noise_variance=problem.units.own_noise_variance(s2))
    first = next(learn(problem, "mm")).solution.posterior.stationarity()
    assert first > 0.1
    assert states.best.solution.posterior.stationarity() < 1e-6
