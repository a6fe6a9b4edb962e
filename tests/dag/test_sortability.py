"""Sortability, against its definition by all directed paths."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from sparsesolve.dag.sortability import explained_shares, path_lengths, r2_sortability, varsortability
from sparsesolve.datasets import make_linear_sem


def paths(edges, node):
    """All directed paths from a node, as lists of nodes."""
    for child in np.flatnonzero(edges[node]):
        yield [node, child]
        for path in paths(edges, child):
            yield [node, *path]


def naive_agreement(edges, scores):
    """Pairs count once for each length of a path between them; ties count one half."""
    ends = {(path[0], path[-1], len(path)) for node in range(len(edges)) for path in paths(edges, node)}
    if not ends:
        return 0.5
    return np.mean([0.5 * (1 + np.sign(scores[last] - scores[first])) for first, last, _ in ends])


def random_graph(rng, d, share):
    edges = np.triu(rng.random((d, d)) < share, 1)
    shuffled = rng.permutation(d)
    return edges[np.ix_(shuffled, shuffled)]


@pytest.mark.parametrize(("d", "share"), [(1, 0.5), (2, 0.5), (4, 0.5), (9, 0.4), (15, 0.2)])
def test_sortability_equals_its_definition(d, share):
    rng = np.random.default_rng(d)
    for _ in range(20):
        edges = random_graph(rng, d, share)
        A = rng.standard_normal((2 * d + 3, d))
        # Whole numbers for variances bring ties.
        covariance = A.T @ A
        covariance[np.diag_indices(d)] = rng.integers(1, 4, d) + 1e3
        assert_allclose(
            varsortability(edges, covariance), naive_agreement(edges, covariance.diagonal()), rtol=1e-12
        )
        shares = 1.0 - 1.0 / (np.diag(np.linalg.inv(covariance)) * covariance.diagonal())
        assert_allclose(explained_shares(covariance), shares, rtol=0, atol=1e-10)
        assert_allclose(
            r2_sortability(edges, covariance), naive_agreement(edges, np.round(shares, 9)), rtol=1e-12
        )


def test_path_lengths_by_powers():
    rng = np.random.default_rng(0)
    edges = random_graph(rng, 25, 0.3)
    expected = sum(np.linalg.matrix_power(edges.astype(object), k) > 0 for k in range(1, 26))
    np.testing.assert_array_equal(path_lengths(edges), expected.astype(int))


def test_shares_are_those_of_regressions():
    rng = np.random.default_rng(1)
    X = rng.standard_normal((200, 5)) @ rng.standard_normal((5, 5)) * [1e-6, 1.0, 1e6, 3.0, 0.1]
    X -= X.mean(axis=0)
    shares = explained_shares(X.T @ X / 200)
    for j in range(5):
        others = np.delete(X, j, axis=1)
        left = X[:, j] - others @ np.linalg.lstsq(others, X[:, j], rcond=None)[0]
        assert shares[j] == pytest.approx(1 - left @ left / (X[:, j] @ X[:, j]), abs=1e-9)


def test_raw_simulations_are_sortable_and_scaled_ones_are_not():
    raw = make_linear_sem(1000, 30, variances="unequal", random_state=0)
    assert varsortability(raw.adjacency, np.cov(raw.X.T)) > 0.9
    scaled = make_linear_sem(1000, 30, variances="unequal", standardize=True, random_state=0)
    assert varsortability(scaled.adjacency, np.cov(scaled.X.T)) == 0.5
    ours = r2_sortability(scaled.adjacency, np.cov(scaled.X.T))
    assert ours == pytest.approx(r2_sortability(raw.adjacency, np.cov(raw.X.T)), abs=1e-12)
    values = [
        [
            r2_sortability(data.adjacency, np.cov(data.X.T))
            for data in (make_linear_sem(1000, 30, standardize=how, random_state=seed) for seed in range(8))
        ]
        for how in (True, "internal")
    ]
    assert abs(np.mean(values[1]) - 0.5) < abs(np.mean(values[0]) - 0.5)


def test_singular_covariances_have_finite_answers():
    edges = np.eye(4, k=1)
    X = np.random.default_rng(0).standard_normal((50, 4))
    X[:, 1] = X[:, 0]
    X[:, 3] = 7.0
    covariance = np.cov(X.T)
    shares = explained_shares(covariance)
    assert np.isfinite(shares).all()
    assert_allclose(shares[:2], 1.0, atol=1e-9)
    assert shares[2] < 0.2
    assert shares[3] == 0.0
    assert 0.0 <= r2_sortability(edges, covariance) <= 1.0
    assert 0.0 <= varsortability(edges, covariance) <= 1.0
    assert np.isfinite(explained_shares(np.cov(X[:3].T))).all()


def test_bad_input_is_named():
    with pytest.raises(ValueError, match=r"covariance has shape \(3, 3\)"):
        varsortability(np.eye(2, k=1), np.eye(3))
    with pytest.raises(ValueError, match="adjacency has the cycle"):
        r2_sortability([[0, 1], [1, 0]], np.eye(2))
    with pytest.raises(ValueError, match=r"covariance\[0, 0\] is NaN"):
        varsortability([[0]], [[np.nan]])
