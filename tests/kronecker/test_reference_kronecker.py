"""The references agree with one another, with differences, with draws and with cvxpy."""

import numpy as np
import pytest
import scipy.stats

from sparsesolve.reference import kronecker as reference

SIZES, ROWS = (3, 4, 2), (2, 3, 3)


def draw(rng, shape, is_complex):
    real = rng.standard_normal(shape)
    return (real + 1j * rng.standard_normal(shape)) / np.sqrt(2) if is_complex else real


@pytest.fixture(params=[False, True], ids=["real", "complex"])
def problem(request):
    rng = np.random.default_rng(5)
    factors = [draw(rng, shape, request.param) for shape in zip(ROWS, SIZES, strict=True)]
    y = draw(rng, (18, 2), request.param)
    return factors, y, [rng.uniform(0.3, 2.0, n) for n in SIZES], 0.4


def test_posterior_is_that_of_jointly_normal_numbers(problem):
    factors, y, gamma, s = problem
    D, g = np.kron(np.kron(factors[0], factors[1]), factors[2]), np.kron(np.kron(*gamma[:2]), gamma[2])
    found = reference.posterior(factors, y, gamma, s)
    # The information form, from the other side of the matrix identity.
    covariance = np.linalg.inv(np.diag(1 / g) + D.conj().T @ D / s)
    np.testing.assert_allclose(found.covariance, covariance, atol=1e-12)
    np.testing.assert_allclose(found.variance, np.diag(covariance).real, rtol=1e-10)
    np.testing.assert_allclose(found.mean, covariance @ D.conj().T @ y / s, atol=1e-12)
    np.testing.assert_allclose(
        reference.posterior(factors, y[:, 0], gamma, s).mean, found.mean[:, 0], atol=1e-13
    )
    along = np.diag(D @ covariance @ D.conj().T).real
    np.testing.assert_allclose(reference.predictive_variance(factors, gamma, s), along, rtol=1e-10)


def test_evidence_is_the_density(problem):
    factors, y, gamma, s = problem
    D, g = reference.kronecker(factors), reference.kronecker(gamma)
    S = s * np.eye(18) + (D * g) @ D.conj().T
    if np.iscomplexobj(S):
        # Real and imaginary parts side by side.
        S = 0.5 * np.block([[S.real, -S.imag], [S.imag, S.real]])
        y_parts = np.vstack([y.real, y.imag])
    else:
        y_parts = y
    expected = scipy.stats.multivariate_normal(np.zeros(len(S)), S).logpdf(y_parts.T).sum()
    assert reference.posterior(factors, y, gamma, s).log_evidence == pytest.approx(expected, rel=1e-12)


def test_gradient_is_a_difference_of_the_cost(problem):
    factors, y, gamma, s = problem
    parts, in_noise = reference.cost_gradient(factors, y, gamma, s)
    step = 1e-5
    for mode, part in enumerate(parts):
        for place in range(SIZES[mode]):
            moved = [[g.copy() for g in gamma] for _ in range(2)]
            moved[0][mode][place] += step
            moved[1][mode][place] -= step
            ends = [reference.cost(factors, y, one, s) for one in moved]
            assert (ends[0] - ends[1]) / (2 * step) == pytest.approx(part[place], rel=1e-6, abs=1e-7)
    ends = [reference.cost(factors, y, gamma, s + sign * step) for sign in (1, -1)]
    assert (ends[0] - ends[1]) / (2 * step) == pytest.approx(in_noise, rel=1e-6)


def test_coloured_noise_is_white_noise_after_whitening(problem):
    factors, y, gamma, s = problem
    rng = np.random.default_rng(3)
    roots = [np.eye(m) + 0.3 * draw(rng, (m, m), np.iscomplexobj(y)) for m in ROWS]
    covariance = reference.kronecker([root @ root.conj().T for root in roots])
    coloured = reference.posterior(
        [root @ factor for root, factor in zip(roots, factors, strict=True)],
        reference.kronecker(roots) @ y, gamma, s, noise_covariance=covariance,
    )  # fmt: skip
    white = reference.posterior(factors, y, gamma, s)
    np.testing.assert_allclose(coloured.mean, white.mean, atol=1e-11)
    np.testing.assert_allclose(coloured.variance, white.variance, rtol=1e-9)
    assert coloured.cost - white.cost == pytest.approx(2 * np.linalg.slogdet(covariance)[1], rel=1e-9)


def test_noise_update_is_a_fixed_point_where_the_gradient_vanishes(problem):
    factors, y, gamma, s = problem
    for _ in range(3000):
        s = reference.noise_update(factors, y, gamma, s)
    assert abs(reference.cost_gradient(factors, y, gamma, s)[1]) * s < 1e-8
    # Coefficients without variance take no part.
    gamma[0][1] = 0.0
    D, found = reference.kronecker(factors), reference.posterior(factors, y, gamma, s)
    kept = reference.kronecker(gamma) > 0
    assert np.all(found.mean[~kept] == 0.0)
    taken = np.sum(1.0 - found.variance[kept] / reference.kronecker(gamma)[kept])
    expected = (np.linalg.norm(y - D @ found.mean) ** 2 / 2 + s * taken) / 18
    assert reference.noise_update(factors, y, gamma, s) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("sizes", [(5,), (3, 4), (3, 4, 2), (2, 3, 2, 2)])
def test_alternating_minimisation_finds_the_convex_optimum(sizes):
    pytest.importorskip("cvxpy")
    rng = np.random.default_rng(len(sizes))
    second_moments = 1e-3 * rng.uniform(0.05, 3.0, sizes)
    start = [rng.uniform(0.1, 2.0, n) for n in sizes]
    found = reference.am_step(second_moments, start, tol=1e-14, relative=True)
    convex = reference.convex_m_step(second_moments)
    np.testing.assert_allclose(reference.kronecker(found), reference.kronecker(convex), rtol=1e-5)
    least = reference.surrogate(second_moments, found)
    assert least == pytest.approx(reference.surrogate(second_moments, convex), abs=1e-8)
    for step in (reference.ksbl_step, reference.svd_step):
        assert reference.surrogate(second_moments, step(second_moments, start)) >= least - 1e-10
    for _ in range(5):
        moved = [g * np.exp(0.1 * rng.standard_normal(g.size)) for g in found]
        assert reference.surrogate(second_moments, moved) > least


def test_steps_keep_what_is_a_kronecker_product():
    rng = np.random.default_rng(0)
    parts = [rng.uniform(0.1, 2.0, n) for n in (3, 4, 5)]
    second_moments = reference.kronecker(parts).reshape(3, 4, 5)
    ones = [np.ones(n) for n in (3, 4, 5)]
    for step in (reference.am_step, reference.ksbl_step, reference.svd_step):
        found = step(second_moments, ones)
        np.testing.assert_allclose(reference.kronecker(found).reshape(3, 4, 5), second_moments, rtol=1e-12)
    for step in (reference.am_step, reference.svd_step):
        assert [np.linalg.norm(g) for g in step(second_moments, ones)[:2]] == pytest.approx([1.0, 1.0])


def test_coupled_step():
    rng = np.random.default_rng(1)
    second_moments = rng.uniform(0.1, 2.0, (5, 4))
    start = [np.ones(5), np.ones(4)]
    uncoupled = reference.coupled_step(second_moments, start, [None, None])
    np.testing.assert_array_equal(uncoupled[0], reference.ksbl_step(second_moments, start)[0])
    coupling = np.eye(5) + 0.5 * (np.eye(5, k=1) + np.eye(5, k=-1))
    weights = rng.uniform(0.5, 1.0, 5)
    # Where the target is itself coupled, it is found.
    second_moments = np.outer(coupling @ weights, np.ones(4))
    found = reference.coupled_step(second_moments, start, [coupling, None], floor=0.0)
    np.testing.assert_allclose(found[0], coupling @ weights, rtol=1e-10)


@pytest.mark.parametrize("learn_noise", [False, True])
@pytest.mark.parametrize("step", [reference.am_step, reference.ksbl_step])
def test_expectation_maximisation_never_raises_the_cost(problem, step, learn_noise):
    factors, y, gamma, s = problem
    run = reference.expectation_maximisation(factors, y, gamma, s, step, 25, learn_noise=learn_noise)
    assert np.all(np.diff(run.costs) <= 1e-9)
    assert run.costs[0] - run.costs[-1] > 1.0
    assert (run.noise_variance != s) == learn_noise
    assert run.costs[-1] == reference.cost(factors, y, run.gamma, run.noise_variance)


def test_multiplicative_steps_never_raise_the_cost_and_end_where_the_gradient_does(problem):
    factors, y, gamma, s = problem
    together, in_turn, before = gamma, gamma, reference.cost(factors, y, gamma, s)
    costs = [[before], [before]]
    for turn in range(60):
        together = reference.mm_step(factors, y, together, s, exponent=1 / 6)
        in_turn = reference.mm_step(factors, y, in_turn, s, modes=[turn % 3])
        costs[0].append(reference.cost(factors, y, together, s))
        costs[1].append(reference.cost(factors, y, in_turn, s))
    assert max(np.diff(costs[0]).max(), np.diff(costs[1]).max()) <= 1e-10
    assert before - costs[1][-1] > 1.0
    for _ in range(4000):
        gamma = reference.mm_step(factors, y, gamma, s)
    parts, _ = reference.cost_gradient(factors, y, gamma, s)
    assert max(np.abs(part * g).max() for part, g in zip(parts, gamma, strict=True)) < 1e-3


def test_map_estimate_of_cvxpy_is_the_mean(problem):
    pytest.importorskip("cvxpy")
    factors, y, gamma, s = problem
    gamma[1][2] = 0.0
    mean = reference.posterior(factors, y[:, 0], gamma, s).mean
    np.testing.assert_allclose(
        reference.convex_map_estimate(factors, y[:, 0], gamma, s), mean, atol=1e-6 * np.abs(mean).max()
    )
