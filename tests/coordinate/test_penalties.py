"""Penalties against brute force: proximal maps by search over a grid, subdifferentials by one-sided differences."""

import numpy as np
import pytest

from sparsesolve.prox import L1, MCP, SCAD, Box, ElasticNet, GroupL2, NonNegative, Zero

SEPARABLE = {
    "zero": Zero(),
    "l1": L1(0.7),
    "l1-weights": L1(0.7, weights=[1.0, 0.0, 2.0, 0.5, 3.0]),
    "elastic-net": ElasticNet(1.3, 0.4),
    "ridge": ElasticNet(1.3, 0.0),
    "non-negative": NonNegative(),
    "non-negative-l1": NonNegative(0.6),
    "box": Box(-0.5, 0.75),
    "box-by-coordinate": Box([-1.0, 0.0, 0.25, -np.inf, 0.5], [0.0, 1.0, np.inf, 0.375, 0.5]),
    "mcp": MCP(0.7, 1.5),
    "scad": SCAD(0.5, 2.5),
    "scad-weights": SCAD(0.5, 3.7, weights=[1.0, 0.0, 2.0, 0.5, 3.0]),
}
CONCAVE = [name for name, penalty in SEPARABLE.items() if not penalty.is_convex]
GROUPS = [np.array([3, 0]), np.array([1]), np.array([2, 4])]


@pytest.fixture(params=SEPARABLE)
def penalty(request):
    return SEPARABLE[request.param]


@pytest.mark.parametrize("step", [0.3, 2.0, 6.0])
def test_prox_is_the_global_minimiser(penalty, step):
    grid = np.arange(-12288, 12289) / 2048.0
    for v in np.linspace(-3.3, 3.1, 23):
        u = penalty.prox(np.full(5, v), step)
        for i in range(5):
            here = np.array([i])
            # The kinks and bounds are on the grid; other minimisers are near a point of it.
            values = np.array(penalty.values(grid, np.full(grid.size, i)))
            best = (step * values + 0.5 * (grid - v) ** 2).min()
            reached = step * penalty.values(u[here], here)[0] + 0.5 * (u[i] - v) ** 2
            assert reached <= best + 1e-12
            assert reached >= best - 1e-6


def test_prox_takes_steps_by_coordinate_and_parts(penalty):
    rng = np.random.default_rng(0)
    v, steps = rng.standard_normal(5), rng.random(5) + 0.1
    whole = penalty.prox(v, steps)
    for i in range(5):
        here = np.array([i])
        assert penalty.prox(v[here], steps[i], here) == whole[here]
    part = np.array([4, 1])
    np.testing.assert_array_equal(penalty.prox(v[part], steps[part], part), whole[part])


def test_prox_with_step_zero_projects_onto_the_domain(penalty):
    v = np.array([-3.0, -0.1, 0.0, 0.2, 5.0])
    u = penalty.prox(v, 0.0)
    assert np.isfinite(penalty.value(u))
    np.testing.assert_array_equal(penalty.prox(u, 0.0), u)


def test_distance_by_one_sided_differences(penalty):
    h, rng = 1e-6, np.random.default_rng(1)
    points = penalty.prox(rng.standard_normal((40, 5)) * 1.5, 1.0) if penalty.groups is None else None
    for x in points:
        gradient = rng.standard_normal(5)
        x = penalty.prox(x, 0.0)
        up = (penalty.values(x + h) - penalty.values(x)) / h
        down = (penalty.values(x) - penalty.values(x - h)) / h
        with np.errstate(invalid="ignore"):
            expected = np.maximum(np.maximum(gradient + down, -gradient - up), 0.0)
        np.testing.assert_allclose(penalty.distance(gradient, x), expected, atol=1e-4)
        np.testing.assert_array_equal(penalty.at_kink(x), up > down + 1e-3)


def test_fixed_points_of_the_prox_are_stationary(penalty):
    rng = np.random.default_rng(2)
    x, gradient = penalty.prox(rng.standard_normal(5), 0.5), rng.standard_normal(5)
    for _ in range(500):  # minimises <gradient, x> + |x|^2 / 2 + penalty
        x = penalty.prox(x - 0.25 * (gradient + x), 0.25)
    assert penalty.distance(gradient + x, x).max() < 1e-12
    inside = penalty.margin(gradient + x, x)
    kinks = penalty.at_kink(x)
    assert np.isinf(inside[~kinks]).all()
    assert (inside[kinks] >= 0).all()


def test_slope_and_curvature_off_the_kinks(penalty):
    h, rng = 1e-5, np.random.default_rng(3)
    x = penalty.prox(3.0 * rng.standard_normal(5), 0.1)
    smooth = ~penalty.at_kink(x)
    inside = np.flatnonzero(smooth)
    slope = np.zeros(5)
    slope[inside] = penalty.values((x + h)[inside], inside) - penalty.values((x - h)[inside], inside)
    slope /= 2 * h
    np.testing.assert_allclose(penalty.slope(x)[smooth], slope[smooth], atol=1e-6)
    bend = (penalty.slope(x + h) - penalty.slope(x - h)) / (2 * h)
    np.testing.assert_allclose(np.diag(penalty.hessian(x))[smooth], bend[smooth], atol=1e-6)


def test_pieces_hold_x_and_the_side_on_which_the_objective_falls(penalty):
    rng = np.random.default_rng(4)
    for _ in range(30):
        x, gradient = penalty.prox(rng.standard_normal(5), 1.0), rng.standard_normal(5)
        low, high, slope = penalty.pieces(x, gradient)
        assert ((low <= x) & (x <= high)).all()
        move = np.clip(x - 1e-6 * np.sign(gradient + slope), low, high) - x
        change = penalty.values(x + move) - penalty.values(x)
        assert (np.isfinite(change)).all()
        np.testing.assert_allclose(change, slope * move, atol=1e-10)
        stationary = penalty.distance(gradient, x) == 0
        assert not (move * (gradient + slope) * stationary).any()


# ---- groups ----------------------------------------------------------------------------------------------------------


def test_group_penalty_by_its_definition():
    weights = np.array([1.0, 0.5, 2.0])
    penalty = GroupL2(0.8, GROUPS, weights)
    x = np.random.default_rng(0).standard_normal(5)
    norms = np.array([np.linalg.norm(x[g]) for g in GROUPS])
    np.testing.assert_allclose(penalty.values(x), 0.8 * weights * norms)
    v, step = 1.5 * x, 0.7
    for number, g in enumerate(GROUPS):
        threshold = step * 0.8 * weights[number]
        expected = v[g] * max(1.0 - threshold / np.linalg.norm(v[g]), 0.0)
        np.testing.assert_allclose(penalty.prox(v[g], step, g), expected)
        np.testing.assert_allclose(penalty.prox(v, step)[g], expected)
        norm = np.linalg.norm(x[g])
        np.testing.assert_allclose(penalty.slope(x)[g], 0.8 * weights[number] * x[g] / norm)


def test_group_distance_margin_and_hessian():
    penalty = GroupL2(1.0, GROUPS)
    x = np.array([0.0, 2.0, 3.0, 0.0, -4.0])
    gradient = np.array([0.3, -0.2, 0.1, 0.4, 0.2])
    distance = penalty.distance(gradient, x)
    expected = [0.0, 0.8, np.linalg.norm(gradient[[2, 4]] + np.array([0.6, -0.8]))]
    np.testing.assert_allclose(distance, expected)
    np.testing.assert_allclose(penalty.margin(gradient, x), [0.5, np.inf, np.inf])
    np.testing.assert_array_equal(penalty.at_kink(x), [True, False, False, True, False])
    part, h = np.array([1, 2, 4]), 1e-6
    numeric = np.stack(
        [
            (penalty.slope(x[part] + h * e, part) - penalty.slope(x[part] - h * e, part)) / (2 * h)
            for e in np.eye(3)
        ]
    )
    np.testing.assert_allclose(penalty.hessian(x[part], part), numeric, atol=1e-8)


def test_groups_as_labels_and_as_lists_agree():
    lists, labels = GroupL2(1.0, GROUPS), GroupL2(1.0, [0, 1, 2, 0, 2])
    x = np.arange(5.0)
    np.testing.assert_array_equal(lists.values(x), labels.values(x))


def test_group_of_weight_zero_is_free():
    penalty = GroupL2(1.0, GROUPS, [0.0, 1.0, 1.0])
    v = np.ones(5)
    np.testing.assert_array_equal(penalty.prox(v, 9.0), [1.0, 0.0, 0.0, 1.0, 0.0])
    assert not penalty.at_kink(np.zeros(5))[[0, 3]].any()


@pytest.mark.parametrize("name", CONCAVE)
def test_concave_penalties_leave_large_coefficients_alone(name):
    v = np.array([50.0, -60.0, 70.0, 80.0, -90.0])
    np.testing.assert_array_equal(SEPARABLE[name].prox(v, 1.0), v)
    assert not SEPARABLE[name].slope(v).any()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: L1(-1.0), "alpha=-1.0 must be a finite number of at least 0"),
        (lambda: L1(1.0, weights=[1.0, -2.0]), "weights must be"),
        (lambda: ElasticNet(1.0, 1.5), "l1_ratio=1.5 must lie in"),
        (lambda: Box(1.0, 0.0), "lower must be at most upper"),
        (lambda: Box(np.inf, np.inf), "lower must be below infinity"),
        (lambda: MCP(1.0, 1.0), "gamma=1.0 must be a finite number above 1.0"),
        (lambda: SCAD(1.0, 2.0), "gamma=2.0 must be a finite number above 2.0"),
        (lambda: GroupL2(1.0, [[0, 1], [1, 2]]), "every coordinate"),
        (lambda: GroupL2(1.0, [[0, 1], []]), "non-empty"),
        (lambda: GroupL2(1.0, [0, 2]), "no coordinate in group 1"),
        (lambda: GroupL2(1.0, [0.5, 2.0]), "groups must hold the number"),
        (lambda: GroupL2(1.0, [0, 1], weights=[1.0]), "there are 2 groups"),
        (lambda: NonNegative(np.nan), "alpha=nan"),
    ],
)
def test_bad_parameters_are_named(make, message):
    with pytest.raises(ValueError, match=message):
        make()
