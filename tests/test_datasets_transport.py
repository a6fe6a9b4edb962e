"""Transport problems are what they say."""

import numpy as np
import pytest

from sparsesolve.datasets import (
    hard_transport_problems,
    load_digit_transport,
    make_assignment_problem,
    make_block_transport,
    make_line_transport,
    make_point_clouds,
)

GENERATORS = {
    "assignment": lambda seed: make_assignment_problem(20, random_state=seed),
    "line": lambda seed: make_line_transport(20, 30, random_state=seed),
    "clouds": lambda seed: make_point_clouds(20, 30, random_weights=True, random_state=seed).problem(),
    "blocks": lambda seed: make_block_transport(3, 5, random_state=seed),
    "digits": lambda seed: load_digit_transport(seed, 9, side=12),
}


@pytest.mark.parametrize("name", GENERATORS)
def test_costs_and_weights_are_scaled_and_seeded(name):
    before = np.random.get_state()[1].copy()  # noqa: NPY002  (the state that is to be left alone)
    first, second, other = (GENERATORS[name](seed) for seed in (3, 3, 4))
    cost, a, b = first
    assert cost.shape == (a.size, b.size)
    assert 0 <= cost.min() <= cost.max() <= 1
    for weights in (a, b):
        assert weights.sum() == pytest.approx(1.0, abs=1e-14)
        assert weights.min() > 0
    for one, two in zip(first, second, strict=True):
        np.testing.assert_array_equal(one, two)
    assert any(not np.array_equal(one, two) for one, two in zip(first, other, strict=True))
    np.testing.assert_array_equal(np.random.get_state()[1], before)  # noqa: NPY002


@pytest.mark.parametrize("metric", ["sqeuclidean", "cityblock"])
def test_digits_lie_on_the_pixels_of_a_square(metric):
    cost, a, _ = load_digit_transport(0, 1, side=8, metric=metric, smoothing=0.01)
    assert cost[0, 63] == cost.max() == 1.0
    assert cost[0, 7] == pytest.approx(0.5)
    assert cost[0, 1] == pytest.approx({"sqeuclidean": 0.5 / 49, "cityblock": 0.5 / 7}[metric])
    # The corners of the image of a zero are empty, but for the smoothing.
    assert a[0] == pytest.approx(0.01 / 1.01 / 64)
    from sklearn.datasets import load_digits

    image = load_digits().images[0].ravel()
    np.testing.assert_allclose(a, (image / image.sum() + 0.01 / 64) / 1.01, atol=1e-12)


def test_points_and_problem_agree():
    clouds = make_point_clouds(6, 5, 3, random_state=0)
    cost = clouds.problem().cost
    expected = ((clouds.X[:, None, :] - clouds.Y) ** 2).sum(axis=2)
    np.testing.assert_allclose(cost, expected / expected.max())


def test_blocks_differ_by_the_imbalance():
    cost, a, b = make_block_transport(4, 10, imbalance=1e-3, gap=0.5, random_state=1)
    sums = [weights.reshape(4, 10).sum(axis=1) for weights in (a, b)]
    assert np.abs(sums[1] / sums[0] - 1).max() == pytest.approx(1e-3)
    block = np.arange(40) // 10
    within = block[:, None] == block
    assert cost[within].max() <= 0.25
    assert cost[~within].min() >= 0.75


def test_hard_problems_cover_what_they_promise():
    problems = list(hard_transport_problems(200, random_state=0))
    assert len({problem.name for problem in problems}) == 200
    seen = set()
    for problem in problems:
        n, m = problem.cost.shape
        assert (problem.a.size, problem.b.size) == (n, m)
        assert np.isfinite(problem.cost).all()
        assert problem.reg > 0
        assert min(problem.a.min(), problem.b.min()) >= 0
        assert problem.a.sum() == pytest.approx(problem.b.sum(), rel=1e-12)
        size, spread = np.abs(problem.cost).max(), np.ptp(problem.cost)
        checks = {
            "zero weight": (problem.a == 0).any(),
            "tiny weight": (problem.a == 1e-300).any() or (problem.b == 255e-300).any(),
            "skewed weights": problem.a[problem.a > 0].min() < 1e-9 * problem.a.max(),
            "one row": n == 1,
            "one column": m == 1,
            "not square": n != m,
            "constant": spread == 0,
            "rank one": min(n, m) > 1 and np.linalg.matrix_rank(problem.cost) == 1 and spread > 0,
            "ties": spread > 0 and min(n, m) > 4 and np.unique(problem.cost).size <= 4,
            "large": size >= 1e7,
            "small": size <= 1e-7,
            "far from zero": 0 < spread < 1e-5 * size,
            "eta 1e5": problem.reg <= 1.01e-5 * spread,
            "eta 1": spread > 0.5 * problem.reg > 0,
        }
        seen |= {name for name, holds in checks.items() if holds}
        all_checks = set(checks)
    assert seen == all_checks


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: make_assignment_problem(0), "n=0 must be at least 1"),
        (lambda: load_digit_transport(0, 1797), "target=1797 must be the number of an image"),
        (lambda: load_digit_transport(0, 1, metric="l3"), "metric='l3' is not known"),
        (lambda: load_digit_transport(0, 1, side=1), "side=1"),
        (lambda: load_digit_transport(0, 1, smoothing=-1), "smoothing=-1"),
        (lambda: make_line_transport(10, 1), "m=1 must be at least 2"),
        (lambda: make_line_transport(10, power=0), "power=0 must be above 0"),
        (lambda: make_point_clouds(5, n_features=0), "n_features=0"),
        (lambda: make_block_transport(1), "n_blocks=1 must be at least 2"),
        (lambda: make_block_transport(gap=1.0), "gap=1.0 must be at least 0 and below 1"),
    ],
)
def test_bad_arguments_are_named(make, message):
    with pytest.raises(ValueError, match=message):
        make()
