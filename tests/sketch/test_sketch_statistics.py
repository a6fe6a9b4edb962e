"""The guarantees, over many seeds: subspaces, coordinates, and the adversary of sparse sketches."""

import numpy as np
import pytest
from scipy.stats import binomtest

from sparsesolve.sketch import from_name


def orthonormal(kind, n, d, seed=0):
    """A basis of n rows: of random directions, or with d rows that carry nearly everything."""
    rng = np.random.default_rng(seed)
    A = rng.standard_normal((n, d))
    if kind == "coherent":
        A *= 1e-3
        A[rng.choice(n, d, replace=False)] += np.eye(d)
    return np.linalg.qr(A)[0]


@pytest.mark.parametrize("kind", ["incoherent", "coherent"])
def test_dense_sketches_keep_subspaces_as_gaussians_do(dense_name, kind, draws):
    n, d, size = 4096, 32, 256
    Q = orthonormal(kind, n, d)
    edge = np.sqrt(d / size)  # Marchenko and Pastur: the singular values fill [1 - edge, 1 + edge]
    for seed in range(draws(10, 60)):
        values = np.linalg.svd(from_name(dense_name, size, seed).sample(n).apply(Q), compute_uv=False)
        assert values[0] < 1 + edge + 0.15
        assert values[-1] > 1 - edge - 0.15


@pytest.mark.parametrize("kind", ["incoherent", "coherent"])
def test_srht_distorts_no_more_than_a_gaussian(kind, draws):
    n, d = 4096, 48
    Q = orthonormal(kind, n, d)
    count = draws(10, 60)
    for size in (2 * d, 4 * d, 8 * d):
        conditions = {
            name: np.median(
                [np.linalg.cond(from_name(name, size, s).sample(n).apply(Q)) for s in range(count)]
            )
            for name in ("srht", "gaussian")
        }
        assert conditions["srht"] <= 1.05 * conditions["gaussian"]


@pytest.mark.parametrize("name", ["countsketch", "sparse-sign", "leverage"])
def test_other_sketches_keep_incoherent_subspaces(name):
    n, d, size = 4096, 16, 1024
    Q = orthonormal("incoherent", n, d)
    for seed in range(10):
        values = np.linalg.svd(from_name(name, size, seed).sample(Q).apply(Q), compute_uv=False)
        assert 0.6 < values[-1] < values[0] < 1.4


def coordinate_error(name, size, vectors, seeds):
    """The 90 % quantile, over seeds, of the largest sqrt(m) |g'S'Sh - g'h| among pairs of vectors."""
    exact = vectors.T @ vectors
    errors = []
    for seed in seeds:
        sketched = from_name(name, size, seed).sample(vectors.shape[0]).apply(vectors)
        errors.append(
            np.sqrt(size) * np.abs(sketched.T @ sketched - exact)[np.triu_indices_from(exact, 1)].max()
        )
    return np.quantile(errors, 0.9)


def unit_vectors(kind, n=2048, count=24):
    rng = np.random.default_rng(17)
    if kind == "gaussian":
        vectors = rng.standard_normal((n, count))
    else:
        spikes = 1 if kind == "coordinate" else 3
        vectors = np.zeros((n, count))
        rows = rng.choice(n, (count, spikes), replace=False)
        vectors[rows, np.arange(count)[:, None]] = rng.choice([-1.0, 1.0], (count, spikes))
    return vectors / np.linalg.norm(vectors, axis=0)


@pytest.mark.parametrize("kind", ["coordinate", "spiky", "gaussian"])
def test_dense_sketches_embed_coordinates(dense_name, kind, draws):
    seeds = range(draws(30, 300))
    errors = [coordinate_error(dense_name, size, unit_vectors(kind), seeds) for size in (64, 256, 1024)]
    # 276 pairs: the largest of as many standard normals is below 4.5 with probability 0.998.
    assert max(errors) < 4.8
    assert errors[-1] < 1.15 * errors[0]


def test_countsketch_does_not_embed_coordinates(draws):
    seeds = range(draws(60, 300))
    errors = [
        coordinate_error("countsketch", size, unit_vectors("coordinate"), seeds) for size in (64, 256, 1024)
    ]
    # A collision of two coordinates costs sqrt(m), whatever m.
    np.testing.assert_allclose(errors, [8, 16, 32])


def violations(name, spikes, count, d=64, n=4096, size=512):
    """How often the sketched solution leaves the l_inf band on the adversary.

    A = [I; 0] and a residual of few equal entries in the last rows, so that they share no Hadamard block with
    I.
    """
    problem = np.zeros((n, d + 1))
    problem[:d, :d] = np.eye(d)
    problem[n - spikes :, d] = 1 / np.sqrt(spikes)
    failures = 0
    for seed in range(count):
        sketched = from_name(name, size, seed).sample(n).apply(problem)
        solution = np.linalg.lstsq(sketched[:, :d], sketched[:, d])[0]
        failures += np.sqrt(size) * np.abs(solution).max() > 4.65
    return failures


@pytest.mark.parametrize("spikes", [1, 8, 64])
def test_srht_keeps_the_band_on_the_adversary(spikes, draws):
    count = draws(300, 2000)
    failures = violations("srht", spikes, count)
    assert binomtest(failures, count).proportion_ci(0.95, "exact").high <= 0.02


@pytest.mark.parametrize(("spikes", "rate"), [(1, 0.05), (8, 0.4)])
def test_countsketch_leaves_the_band_on_the_adversary(spikes, rate, draws):
    count = draws(300, 2000)
    failures = violations("countsketch", spikes, count)
    assert binomtest(failures, count).proportion_ci(0.95, "exact").low >= rate
