"""Tries and moves of the order search against grow-shrink in plain numpy."""

import itertools

import numpy as np
import pytest

from sparsesolve.dag.constraints import compatible, constraints_of
from sparsesolve.dag.moves import price_slots, random_order
from sparsesolve.dag.order_search import DESCENT, OrderSearch, Schedule
from sparsesolve.dag.regression_kernels import condition, eliminate, exclude, include
from sparsesolve.dag.scores import correlation, graph_score, scoring
from sparsesolve.dag.search_state import new_slots
from sparsesolve.datasets.dag import make_linear_sem


def residual_of(C, y, parents):
    parents = list(parents)
    if not parents:
        return C[y, y]
    return C[y, y] - C[y, parents] @ np.linalg.solve(C[np.ix_(parents, parents)], C[parents, y])


def cost_of(C, y, parents, n, penalty, variance):
    residual = residual_of(C, y, parents)
    fit = n * residual / variance if variance > 0 else n * np.log(residual)
    return fit + penalty * len(parents)


def grow_shrink(C, y, before, n, penalty, variance=0.0, growth=1.0, required=(), allowed=None):
    """Parents of y among those before it: greedy growth, then backward elimination."""
    parents, price = list(required), growth * penalty
    while True:
        residual = residual_of(C, y, parents)
        least = price * variance / n if variance > 0 else residual * (1 - np.exp(-price / n))
        gains = {
            i: residual - residual_of(C, y, [*parents, i])
            for i in before
            if i not in parents and (allowed is None or allowed[i, y])
        }
        best = max(gains, key=gains.get, default=None)
        if best is None or gains[best] <= least:
            break
        parents.append(best)
    while True:
        now = cost_of(C, y, parents, n, penalty, variance)
        free = [i for i in parents if i not in required]
        costs = {i: cost_of(C, y, [j for j in parents if j != i], n, penalty, variance) for i in free}
        least = min(costs, key=costs.get, default=None)
        if least is None or costs[least] >= now:
            return set(parents), now
        parents.remove(least)


def order_score(C, order, n, penalty, **options):
    return sum(grow_shrink(C, y, order[:p], n, penalty, **options)[1] for p, y in enumerate(order))


def problem(d, n, seed, standardize=True):
    X = make_linear_sem(n, d, degree=2, variances="unequal", random_state=seed).X
    X = X - X.mean(axis=0)
    C = X.T @ X / n
    return correlation(C) if standardize else C


@pytest.mark.parametrize(
    ("variance", "growth"), [(0.0, 1.0), (0.0, 0.25), (2.0, 1.0)], ids=["unequal", "eager", "equal"]
)
def test_leaves_are_those_of_grow_shrink(variance, growth):
    n, d, penalty = 200, 12, 9.0
    constraints = constraints_of(d)
    for seed in range(6):
        C = problem(d, n, seed, standardize=variance == 0)
        search = OrderSearch(scoring(C, n, penalty, constraints, variance, growth))
        for number in range(4):
            order = random_order(seed, number, d)
            score = search.begin(order)
            expected = order_score(C, list(order), n, penalty, variance=variance, growth=growth)
            assert score == pytest.approx(expected, rel=1e-9, abs=1e-6)
            graph = search.parents(order)
            for p, y in enumerate(order):
                parents, _ = grow_shrink(C, y, order[:p], n, penalty, variance, growth)
                assert set(np.flatnonzero(graph[:, y])) == parents


@pytest.mark.parametrize("variance", [0.0, 2.0])
def test_prices_of_slots_are_those_of_orders_scored_afresh(variance):
    n, d, penalty = 150, 10, 8.0
    rng = np.random.default_rng(3)
    for seed in range(4):
        C = problem(d, n, seed, standardize=variance == 0)
        score = scoring(C, n, penalty, constraints_of(d), variance)
        search, fresh, slots = OrderSearch(score), OrderSearch(score), new_slots(d)
        search.begin(random_order(seed, 0, d))
        for step in range(5):
            list(search.run_pass(20.0, 7, step))  # the leaves have been moved along many times
            order = search.state.order.copy()
            now = int(rng.integers(d))
            rest = np.delete(order, now)
            first, last = sorted((int(rng.integers(now + 1)), int(rng.integers(now, d))))
            price_slots(score, search.tries, search.state, order[now], now, first, last, slots)
            for p in range(first, last + 1):
                expected = fresh.begin(np.insert(rest, p, order[now]))
                assert slots.totals[p] == pytest.approx(expected, rel=1e-12, abs=1e-7)
            assert search.state.costs.sum() == pytest.approx(fresh.begin(order), rel=1e-12)


def test_little_memory_changes_no_answer():
    C = problem(20, 300, 5)
    score = scoring(C, 300, 8.0, constraints_of(20))
    searches = [OrderSearch(score, memory) for memory in (200_000_000, 150_000)]
    for search in searches:
        search.begin(random_order(1, 0, 20))
        list(search.run(Schedule(30.0, 1.0, 8), 11, 1))
    assert searches[0].resets == 0
    assert searches[1].resets > 0
    np.testing.assert_array_equal(searches[0].best, searches[1].best)
    assert searches[0].score == pytest.approx(searches[1].score, abs=1e-6)


def test_descent_ends_where_no_move_helps():
    d, n, penalty = 7, 100, 7.0
    C = problem(d, n, 8)
    search = OrderSearch(scoring(C, n, penalty, constraints_of(d)))
    search.begin(random_order(2, 0, d))
    list(search.run(DESCENT, 2, 1))
    best = list(search.best)
    least = order_score(C, best, n, penalty)
    assert search.score == pytest.approx(least, abs=1e-6)
    for v, place in itertools.product(range(d), range(d)):
        moved = [w for w in best if w != v]
        moved.insert(place, v)
        assert order_score(C, moved, n, penalty) >= least - 1e-3


def test_required_and_forbidden_edges_enter_growth_exactly():
    rng = np.random.default_rng(0)
    n, d, penalty = 120, 9, 8.0
    for seed in range(10):
        C = problem(d, n, seed)
        required = np.triu(rng.random((d, d)) < 0.1, 1)
        forbidden = (rng.random((d, d)) < 0.3) & ~required
        constraints = constraints_of(d, required, forbidden)
        search = OrderSearch(scoring(C, n, penalty, constraints))
        order = compatible(random_order(seed, 0, d), constraints)
        search.begin(order)
        graph = search.parents(order)
        for p, y in enumerate(order):
            parents, _ = grow_shrink(
                C,
                y,
                order[:p],
                n,
                penalty,
                required=list(np.flatnonzero(required[:, y])),
                allowed=constraints.allowed,
            )
            assert set(np.flatnonzero(graph[:, y])) == parents


def test_regressions_in_and_out_equal_least_squares():
    rng = np.random.default_rng(1)
    C = problem(8, 60, 2, standardize=False)
    inverse, weights, work, members = np.empty((8, 8)), np.empty(8), np.empty(8), np.empty(8, np.int64)
    count, residual = 0, C[7, 7]
    for node in (3, 0, 5, 1):
        residual -= include(C, C[7], members, count, node, inverse, weights, work)
        count += 1
    for _ in range(2):
        place = int(rng.integers(count))
        residual += exclude(members, count, place, inverse, weights)
        count -= 1
        inside = members[:count]
        expected = np.linalg.inv(C[np.ix_(inside, inside)])
        np.testing.assert_allclose(inverse[:count, :count], expected, rtol=1e-9)
        np.testing.assert_allclose(weights[:count], expected @ C[inside, 7], rtol=1e-9)
        assert residual == pytest.approx(residual_of(C, 7, inside), rel=1e-9)


def test_nodes_that_others_determine_have_no_variance_left():
    C = np.array([[1.0, 1.0, 0.5], [1.0, 1.0, 0.5], [0.5, 0.5, 1.0]])
    variances, covariances = np.empty(3), np.empty(3)
    residual = condition(C, 2, np.array([0]), 1, np.empty((3, 3)), variances, covariances)
    assert residual == pytest.approx(0.75)
    assert variances[1] == 0.0
    score = scoring(C, 100, 5.0, constraints_of(3))
    members = np.array([0, 1])
    _, count = eliminate(score, 2, members, 2, 0)
    assert count == 1
    members = np.array([0, 1])
    _, count = eliminate(score, 2, members, 2, 2)
    assert sorted(members[:count]) == [0, 1]  # required, though one tells nothing more


def test_graph_score_is_that_of_regressions():
    C = problem(6, 80, 1)
    graph = np.triu(np.random.default_rng(0).random((6, 6)) < 0.5, 1)
    expected = sum(cost_of(C, y, np.flatnonzero(graph[:, y]), 80, 4.0, 0.0) for y in range(6))
    assert graph_score(scoring(C, 80, 4.0, constraints_of(6)), graph) == pytest.approx(expected)
