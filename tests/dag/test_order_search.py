"""The order search as a whole: optimal on small graphs, constraints kept, and what it must not depend on."""

import itertools
import threading

import numpy as np
import pytest

from sparsesolve.dag.constraints import compatible, constraints_of
from sparsesolve.dag.full_regressions import full_gains, refit
from sparsesolve.dag.minimum_pivot import (
    equal_variance_penalty,
    fit_equal_variance,
    minimum_pivot_order,
    search_equal_variance,
)
from sparsesolve.dag.moves import random_order
from sparsesolve.dag.order_search import OrderSearch
from sparsesolve.dag.polish import polish
from sparsesolve.dag.scores import correlation, graph_score, scoring
from sparsesolve.dag.unequal_variance import (
    fit_unequal_variance,
    search_unequal_variance,
    unequal_variance_penalty,
)
from sparsesolve.datasets.dag import make_linear_sem
from sparsesolve.graphs import is_acyclic
from sparsesolve.metrics import cpdag_hamming_distance, structural_hamming_distance


def covariance(X):
    X = X - X.mean(axis=0)
    return X.T @ X / len(X)


def last(search):
    """What a search ends with."""
    result = None
    for news in search:
        result = result if news is None else news
    return result


def unequal(C, n, constraints=None, key=0, **options):
    constraints = constraints_of(len(C)) if constraints is None else constraints
    progress = last(search_unequal_variance(C, n, constraints, key=key, **options))
    penalty = unequal_variance_penalty(n)
    return fit_unequal_variance(C, progress.order, n, constraints, penalty, progress.graph), progress


def equal(C, n, constraints=None, **options):
    constraints = constraints_of(len(C)) if constraints is None else constraints
    return last(search_equal_variance(C, n, constraints, **options))[0]


def acyclic(graph):
    return is_acyclic(graph)


def some_constraints(rng, d):
    """Required and forbidden edges, and tiers, that agree with one another."""
    hidden = rng.permutation(d)
    place = np.argsort(hidden)
    forward = place[:, None] < place[None, :]
    required = forward & (rng.random((d, d)) < 0.15)
    forbidden = (rng.random((d, d)) < 0.3) & ~required
    tiers = np.sort(rng.integers(0, 3, d))[place]
    return required, forbidden, tiers


@pytest.mark.parametrize("d", [3, 4, 5])
def test_search_finds_the_best_of_all_orders(d):
    for seed in range(6):
        n = 80 + 40 * seed
        C = covariance(make_linear_sem(n, d, degree=1, random_state=seed).X)
        search = search_unequal_variance(C, n, constraints_of(d), key=seed)
        *_, refined, _ = [news for news in search if news is not None]
        score = scoring(correlation(C), n, unequal_variance_penalty(n), constraints_of(d), growth=0.25)
        every = OrderSearch(score)
        least = min(every.begin(np.array(order)) for order in itertools.permutations(range(d)))
        assert refined.stage == "refine"
        assert refined.score == pytest.approx(least, abs=1e-3)


def test_score_is_the_bic_of_naive_regressions():
    n, d = 300, 15
    X = make_linear_sem(n, d, variances="unequal", random_state=4).X
    X = X - X.mean(axis=0)
    fit, _ = unequal(X.T @ X / n, n)
    bic = 0.0
    for y in range(d):
        parents = np.flatnonzero(fit.graph[:, y])
        weights = np.linalg.lstsq(X[:, parents], X[:, y], rcond=None)[0]
        np.testing.assert_allclose(fit.weights[parents, y], weights, rtol=1e-8)
        left = np.mean((X[:, y] - X[:, parents] @ weights) ** 2)
        assert fit.variances[y] == pytest.approx(left, rel=1e-8)
        bic += n * np.log(left / np.mean(X[:, y] ** 2)) + unequal_variance_penalty(n) * parents.size
    assert fit.score == pytest.approx(bic, abs=1e-5)


@pytest.mark.parametrize("graph", ["erdos-renyi", "scale-free"])
def test_standardized_data_from_random_orders(graph):
    distances = []
    for seed in range(3):
        data = make_linear_sem(
            1000, 20, graph=graph, degree=2, variances="unequal", standardize=True, random_state=seed
        )
        C = covariance(data.X)
        fit, progress = unequal(C, 1000, key=seed)
        truth = data.adjacency != 0
        score = scoring(correlation(C), 1000, unequal_variance_penalty(1000), constraints_of(20))
        assert fit.score <= graph_score(score, truth) + 1e-3
        assert fit.score <= progress.score + 1e-3
        distances.append(cpdag_hamming_distance(truth, fit.graph))
    assert np.median(distances) <= 2


def test_constraints_are_kept_always(full):
    rng = np.random.default_rng(5)
    for case in range(1000 if full else 150):
        d = int(rng.integers(2, 9))
        n = int(rng.integers(5, 60))
        required, forbidden, tiers = some_constraints(rng, d)
        forbidden &= ~required
        broken = required & (tiers[:, None] > tiers[None, :])
        constraints = constraints_of(d, required & ~broken, forbidden, tiers)
        C = covariance(rng.standard_normal((n, d)) @ rng.standard_normal((d, d)))
        fits = [unequal(C, n, constraints, key=case, starts=1)[0], equal(C, n, constraints, search=True)]
        for fit in fits:
            assert not (constraints.required & ~fit.graph).any()
            assert not (fit.graph & ~constraints.allowed).any()
            assert acyclic(fit.graph)
            place = np.argsort(fit.order)
            assert all(place[i] < place[j] for i, j in np.argwhere(fit.graph))


def test_constraints_that_contradict_are_refused():
    edge = np.zeros((3, 3), dtype=bool)
    edge[0, 1] = True
    with pytest.raises(ValueError, match="0 -> 1, which is forbidden"):
        constraints_of(3, edge, edge)
    with pytest.raises(ValueError, match="0 -> 1, which is forbidden"):
        constraints_of(3, edge, tiers=[1, 0, 0])
    with pytest.raises(ValueError, match="cycle"):
        constraints_of(3, edge | edge.T)
    with pytest.raises(ValueError, match=r"required has shape \(2, 2\)"):
        constraints_of(3, np.eye(2))
    with pytest.raises(ValueError, match=r"tiers has shape \(2,\)"):
        constraints_of(3, tiers=[0, 1])


def test_compatible_orders_lead_required_edges_forward():
    rng = np.random.default_rng(0)
    for case in range(50):
        d = int(rng.integers(1, 12))
        required, _, tiers = some_constraints(rng, d)
        required &= tiers[:, None] <= tiers[None, :]
        constraints = constraints_of(d, required, tiers=tiers)
        order = compatible(random_order(case, 0, d), constraints)
        assert sorted(order) == list(range(d))
        place = np.argsort(order)
        assert all(place[i] < place[j] for i, j in np.argwhere(required))
        assert (np.diff(tiers[order]) >= 0).all()
    assert list(compatible(np.array([2, 0, 1]), constraints_of(3))) == [2, 0, 1]


def test_column_scales_do_not_change_the_graph(full):
    rng = np.random.default_rng(6)
    for seed in range(100 if full else 15):
        X = make_linear_sem(200, 12, variances="unequal", random_state=seed).X
        X = X - X.mean(axis=0)
        scaled = X * 10.0 ** rng.uniform(-6, 6, 12)
        first, second = (unequal(M.T @ M / 200, 200, key=seed)[0] for M in (X, scaled))
        np.testing.assert_array_equal(first.graph, second.graph)
        np.testing.assert_array_equal(first.order, second.order)
    twos = 2.0 ** rng.integers(-300, 300, 12)
    C = covariance(X)
    np.testing.assert_array_equal(correlation(C), correlation(C * twos[:, None] * twos))


def test_same_key_same_bits_on_any_thread():
    C = covariance(make_linear_sem(300, 15, variances="unequal", random_state=2).X)
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    alone = [news for news in search_unequal_variance(C, 300, constraints_of(15), key=9) if news is not None]
    found = [None] * 4

    def run(place):
        found[place] = last(search_unequal_variance(C, 300, constraints_of(15), key=9))

    threads = [threading.Thread(target=run, args=(place,)) for place in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for progress in found:
        assert progress.score == alone[-1].score
        np.testing.assert_array_equal(progress.order, alone[-1].order)
    assert len(alone[-1].start_scores) == 2
    scores = [news.score for news in alone if news.stage == "anneal"]
    assert scores == sorted(scores, reverse=True)
    np.testing.assert_array_equal(before, np.random.get_state()[1])  # noqa: NPY002


@pytest.mark.parametrize("case", ["constant", "duplicate", "near", "one", "two-rows", "zero", "few-rows"])
def test_degenerate_data_gives_finite_answers(case):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((50, 5))
    X[:, 4] += X[:, 0]
    if case == "constant":
        X[:, 2] = 0.0
    elif case == "duplicate":
        X[:, 1] = X[:, 4]
    elif case == "near":
        X[:, 1] = X[:, 4] + 1e-9 * X[:, 1]
    elif case == "one":
        X = X[:, :1]
    elif case == "two-rows":
        X = X[:2]
    elif case == "zero":
        X[:] = 0.0
    elif case == "few-rows":
        X = np.repeat(X, 4, axis=1)[:6] + rng.standard_normal((6, 20))
    C = covariance(X)
    n, d = X.shape
    must = np.zeros((d, d), dtype=bool)
    if d > 2:
        must[1, 4] = must[2, 4] = True
    for constraints in (constraints_of(d), constraints_of(d, must)):
        for fit in (unequal(C, n, constraints)[0], equal(C, n, constraints, search=True)):
            assert np.isfinite(fit.weights).all()
            assert np.isfinite(fit.score)
            assert acyclic(fit.graph)
            assert (constraints.required <= fit.graph).all()
    assert np.isfinite(refit(C, must)[1]).all()


@pytest.mark.parametrize("graph", ["erdos-renyi", "scale-free"])
@pytest.mark.parametrize("d", [20, 50])
def test_equal_variances_by_least_pivots(graph, d):
    for seed in range(3):
        data = make_linear_sem(1000, d, graph=graph, random_state=seed)
        fit = equal(covariance(data.X), 1000)
        kept = np.abs(fit.weights) > 0.3
        assert structural_hamming_distance(data.adjacency, kept) <= 1
        assert fit.variance == pytest.approx(1.0, abs=0.05)


def test_many_causes_of_one_node_are_found():
    rng = np.random.default_rng(1)
    X = rng.standard_normal((1000, 90))
    X[:, 89] += X[:, :89] @ rng.uniform(0.5, 1.5, 89)
    fit = equal(covariance(X), 1000)
    assert fit.graph[:, 89].sum() == 89
    assert fit.graph.sum() <= 91


def test_equal_variances_with_fewer_rows_than_columns():
    distances, alone = [], []
    for seed in range(3):
        data = make_linear_sem(75, 100, degree=1, random_state=seed)
        C = covariance(data.X)
        alone.append(structural_hamming_distance(data.adjacency, equal(C, 75, search=False).graph))
        distances.append(structural_hamming_distance(data.adjacency, equal(C, 75).graph))
    assert np.median(distances) <= 12
    assert np.median(distances) < np.median(alone)


def test_least_pivots_are_conditional_variances():
    C = covariance(make_linear_sem(100, 8, degree=2, random_state=0).X)
    order, pivots = minimum_pivot_order(C, constraints_of(8))
    for p in range(8):
        rest = [i for i in range(8) if i not in order[:p]]
        inside = order[:p]
        left = [
            C[i, i] - C[i, inside] @ np.linalg.solve(C[np.ix_(inside, inside)], C[inside, i])
            if p
            else C[i, i]
            for i in rest
        ]
        assert order[p] == rest[int(np.argmin(left))]
        assert pivots[p] == pytest.approx(min(left))


def test_full_gains_are_those_of_regressions():
    C = covariance(make_linear_sem(60, 7, degree=2, random_state=3).X)
    gains, residuals = full_gains(C)
    for p in range(7):
        everyone = list(range(p))
        full = C[p, p] - (C[p, :p] @ np.linalg.solve(C[:p, :p], C[:p, p]) if p else 0.0)
        assert residuals[p] == pytest.approx(full)
        for i in everyone:
            others = [j for j in everyone if j != i]
            left = C[p, p]
            if others:
                left -= C[p, others] @ np.linalg.solve(C[np.ix_(others, others)], C[others, p])
            assert gains[p, i] == pytest.approx(left - full, rel=1e-7, abs=1e-10)


def test_polish_never_raises_the_score():
    rng = np.random.default_rng(2)
    for seed in range(10):
        C = correlation(covariance(make_linear_sem(150, 10, random_state=seed).X))
        order = random_order(seed, 0, 10)
        place = np.argsort(order)
        graph = (place[:, None] < place[None, :]) & (rng.random((10, 10)) < 0.4)
        score = scoring(C, 150, 8.0, constraints_of(10))
        polished = polish(score, order, graph)
        assert polished.costs.sum() <= graph_score(score, graph) + 1e-9
        assert polished.costs.sum() == pytest.approx(graph_score(score, polished.graph), abs=1e-7)
        grown = OrderSearch(score).parents(order)
        assert polished.costs.sum() <= graph_score(score, grown) + 1.0
        again = polish(score, order, polished.graph)
        assert again.costs.sum() == pytest.approx(polished.costs.sum(), abs=1e-7)


def test_variance_and_score_of_an_equal_variance_fit():
    data = make_linear_sem(400, 10, random_state=1)
    C, n = covariance(data.X), 400
    penalty = equal_variance_penalty(n, 10)
    fit = fit_equal_variance(C, data.order, n, constraints_of(10), penalty)
    residuals = refit(C, fit.graph)[1]
    expected = n * 10 * np.log(residuals.mean()) + penalty * fit.graph.sum()
    assert fit.score == pytest.approx(expected)
    freedom = 10 * n - fit.graph.sum()
    assert fit.variance == pytest.approx(n * residuals.sum() / freedom)


@pytest.mark.parametrize("unit", [1e-200, 1e200])
def test_units_of_the_data_do_not_matter(unit):
    data = make_linear_sem(100, 8, degree=2, random_state=1)
    C = covariance(data.X)
    first, second = equal(C, 100, search=True), equal(unit * C, 100, search=True)
    np.testing.assert_array_equal(first.graph, second.graph)
    np.testing.assert_allclose(first.weights, second.weights, rtol=1e-9)
    assert second.variance == pytest.approx(unit * first.variance)
    assert second.score == pytest.approx(first.score + 800 * np.log(unit))
    np.testing.assert_array_equal(unequal(C, 100)[0].graph, unequal(unit * C, 100)[0].graph)


def test_permuted_columns_give_the_permuted_class():
    rng = np.random.default_rng(8)
    for seed in range(5):
        C = covariance(make_linear_sem(1000, 10, degree=2, random_state=seed).X)
        names = rng.permutation(10)
        first, second = unequal(C, 1000)[0], unequal(C[np.ix_(names, names)], 1000)[0]
        assert first.score == pytest.approx(second.score, abs=1e-3)
        assert cpdag_hamming_distance(first.graph[np.ix_(names, names)], second.graph) == 0
        equals = equal(C, 1000), equal(C[np.ix_(names, names)], 1000)
        np.testing.assert_array_equal(equals[0].graph[np.ix_(names, names)], equals[1].graph)
