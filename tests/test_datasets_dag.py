"""Random graphs and samples on them are what they say."""

import gzip
import io

import numpy as np
import pytest
import scipy.stats

from sparsesolve.datasets import fetch_sachs, make_dag, make_linear_sem, sample_linear_sem
from sparsesolve.datasets.dag import SACHS_EDGES, SACHS_NAMES
from sparsesolve.graphs import is_acyclic


@pytest.mark.parametrize("graph", ["erdos-renyi", "scale-free"])
@pytest.mark.parametrize(("d", "degree"), [(2, 1), (20, 4), (100, 2)])
def test_graph_is_acyclic_in_its_order(graph, d, degree):
    adjacency, order = make_dag(d, graph=graph, degree=degree, weights=(0.5, 2.0), random_state=0)
    assert is_acyclic(adjacency)
    assert sorted(order) == list(range(d))
    assert not np.tril(adjacency[np.ix_(order, order)]).any()
    sizes = np.abs(adjacency[adjacency != 0])
    assert sizes.min() >= 0.5
    assert sizes.max() <= 2.0
    again = make_dag(d, graph=graph, degree=degree, random_state=0)
    np.testing.assert_array_equal(again.adjacency, adjacency)
    if d > 2:
        other = make_dag(d, graph=graph, degree=degree, random_state=1)
        assert not np.array_equal(other.adjacency != 0, adjacency != 0)


def test_erdos_renyi_graphs_have_degree_times_d_edges():
    counts = [np.count_nonzero(make_dag(100, degree=4, random_state=seed).adjacency) for seed in range(40)]
    # Binomial: the mean of 40 has a standard deviation of 3.
    assert np.mean(counts) == pytest.approx(400, abs=12)
    assert np.std(counts) == pytest.approx(np.sqrt(400 * (1 - 400 / 4950)), rel=0.4)
    full = make_dag(5, degree=4, random_state=0).adjacency
    assert np.count_nonzero(full) == 10


def test_weights_are_uniform_with_either_sign_and_labels_are_shuffled():
    adjacency, order = make_dag(200, degree=20, random_state=3)
    weights = adjacency[adjacency != 0]
    assert scipy.stats.kstest(np.abs(weights), scipy.stats.uniform(0.5, 1.5).cdf).pvalue > 1e-3
    assert (weights > 0).mean() == pytest.approx(0.5, abs=0.04)
    assert abs(scipy.stats.spearmanr(order, np.arange(200)).statistic) < 0.25


def test_scale_free_graphs_have_hubs_that_are_effects():
    d, degree = 300, 4
    adjacency, order = make_dag(d, graph="scale-free", degree=degree, random_state=0)
    edges = adjacency != 0
    assert edges.sum() == degree * (d - degree)
    # Each node that came later causes `degree` earlier ones, which stand behind it in the order.
    causes = edges.sum(axis=1)[order]
    assert (causes[:-degree] == degree).all()
    assert (causes[-degree:] == 0).all()
    assert edges.sum(axis=0).max() > 10 * degree


@pytest.mark.parametrize("noise", ["gaussian", "exponential", "laplace", "gumbel"])
def test_noise_has_the_scale_it_says_and_its_shape(noise):
    data = make_linear_sem(20_000, 6, degree=1, noise=noise, variances=(0.5, 10.0), random_state=0)
    Z = data.X - data.X @ data.adjacency
    np.testing.assert_allclose(Z.mean(axis=0), 0.0, atol=0.1)
    np.testing.assert_allclose(Z.std(axis=0), data.noise_scale, rtol=0.04)
    assert np.ptp(data.noise_scale**2) > 1.0
    expected = {"gaussian": 0.0, "exponential": 6.0, "laplace": 3.0, "gumbel": 2.4}[noise]
    assert np.median(scipy.stats.kurtosis(Z)) == pytest.approx(expected, abs=0.6)
    skew = {"gaussian": 0.0, "exponential": 2.0, "laplace": 0.0, "gumbel": 1.14}[noise]
    assert np.median(scipy.stats.skew(Z)) == pytest.approx(skew, abs=0.15)


def test_variances():
    assert np.all(make_linear_sem(10, 5, degree=1, variances=4.0, random_state=0).noise_scale == 2.0)
    scales = make_linear_sem(10, 400, degree=1, variances="unequal", random_state=0).noise_scale
    assert scipy.stats.kstest(scales**2, scipy.stats.uniform(0.5, 9.5).cdf).pvalue > 1e-3


def test_covariance_is_that_of_the_model():
    data = make_linear_sem(100_000, 8, degree=2, variances="unequal", random_state=2)
    total = np.linalg.inv(np.eye(8) - data.adjacency)
    covariance = total.T * data.noise_scale**2 @ total
    sizes = np.sqrt(covariance.diagonal())
    np.testing.assert_allclose(
        np.cov(data.X.T) / sizes / sizes[:, None], covariance / sizes / sizes[:, None], atol=0.03
    )


@pytest.mark.parametrize("how", [True, "internal"])
def test_standardised_data_and_their_model(how):
    data = make_linear_sem(5000, 20, variances="unequal", standardize=how, random_state=1)
    np.testing.assert_allclose(data.X.std(axis=0), 1.0, rtol=1e-9)
    np.testing.assert_allclose(data.X.mean(axis=0), 0.0, atol=1e-9)
    Z = data.X - data.X @ data.adjacency
    np.testing.assert_allclose(Z.std(axis=0), data.noise_scale, rtol=0.06)
    raw = make_linear_sem(5000, 20, variances="unequal", random_state=1)
    np.testing.assert_array_equal(raw.adjacency != 0, data.adjacency != 0)
    if how is True:
        np.testing.assert_allclose((raw.X - raw.X.mean(axis=0)) / raw.X.std(axis=0), data.X, atol=1e-9)


def test_sample_from_a_given_graph():
    weights = np.array([[0, 0, 0], [2.0, 0, 0], [0, -1.0, 0]])
    weights.flags.writeable = False
    data = sample_linear_sem(weights, 500, noise_scale=[1.0, 0.0, 3.0], random_state=0)
    assert data.order.tolist() == [2, 1, 0]
    np.testing.assert_allclose(data.X[:, 1], -data.X[:, 2])
    np.testing.assert_array_equal(data.adjacency, weights)
    again = sample_linear_sem(weights, 500, noise_scale=[1.0, 0.0, 3.0], random_state=0)
    np.testing.assert_array_equal(again.X, data.X)
    still = sample_linear_sem(weights, 5, noise_scale=0.0, standardize="internal", random_state=0)
    assert not still.X.any()
    with pytest.raises(ValueError, match="cycle 0 -> 1 -> 0"):
        sample_linear_sem([[0, 1], [1, 0]])
    with pytest.raises(ValueError, match=r"noise_scale has shape \(3,\)"):
        sample_linear_sem([[0, 1], [0, 0]], noise_scale=[1, 1, 1])
    with pytest.raises(ValueError, match="noise_scale=-1"):
        sample_linear_sem([[0, 1], [0, 0]], noise_scale=-1)


def test_global_random_state_is_left_alone():
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    make_linear_sem(10, 5, random_state=0)
    np.testing.assert_array_equal(np.random.get_state()[1], before)  # noqa: NPY002


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"n_nodes": 0}, "n_nodes=0"),
        ({"n_samples": 0}, "n_samples=0"),
        ({"graph": "ring"}, "graph='ring'"),
        ({"degree": -1}, "degree=-1"),
        ({"graph": "scale-free", "degree": 2.5}, "degree=2.5 must be whole"),
        ({"graph": "scale-free", "degree": 10}, "below n_nodes=10"),
        ({"weights": 0.5}, "weights=0.5"),
        ({"weights": (2.0, 0.5)}, "swap them"),
        ({"weights": (0.0, 0.5)}, r"weights\[0\]=0.0"),
        ({"noise": "cauchy"}, "noise='cauchy'"),
        ({"variances": "odd"}, "variances='odd'"),
        ({"variances": 0.0}, "variances=0.0"),
        ({"standardize": "yes"}, "standardize='yes'"),
    ],
)
def test_bad_arguments_are_named(options, message):
    with pytest.raises(ValueError, match=message):
        make_linear_sem(**{"n_samples": 20, "n_nodes": 10, "random_state": 0, **options})


ROWS = [
    "26.4 13.2 8.82 18.3 58.8 6.61 17 414 17 44.9 40",
    "35.9 16.5 12.3 16.8 8.13 18.6 32.5 352 3.37 16.5 61.5",
]


def sachs_text(names=SACHS_NAMES):
    return "\n".join(["\t".join(names), *(row.replace(" ", "\t") for row in ROWS)]) + "\n"


def test_sachs_network():
    data = fetch_sachs(file=io.StringIO(sachs_text()))
    assert data.names == SACHS_NAMES
    assert data.adjacency.sum() == len(set(SACHS_EDGES)) == 17
    assert is_acyclic(data.adjacency)
    place = {name: index for index, name in enumerate(SACHS_NAMES)}
    assert data.adjacency[place["Raf"], place["Mek"]]
    assert not data.adjacency[place["Mek"], place["Raf"]]
    # In the model string of Scutari and Denis: [PKC][Plcg][PKA|PKC]... with 2, 3 and 2 parents.
    assert data.adjacency.sum(axis=0).tolist() == [2, 3, 0, 2, 1, 2, 2, 1, 0, 2, 2]


def test_sachs_files(tmp_path):
    plain, packed = tmp_path / "sachs.txt", tmp_path / "sachs.data.txt.gz"
    plain.write_text(sachs_text())
    packed.write_bytes(gzip.compress(sachs_text().encode()))
    expected = np.array([row.split() for row in ROWS], dtype=float)
    for data in (
        fetch_sachs(file=plain),
        fetch_sachs(file=str(packed)),
        fetch_sachs(data_home=tmp_path, download=False),
    ):
        np.testing.assert_array_equal(data.X, expected)
    # Other orders of the columns, and names in quotes, make no difference.
    turned = "\n".join(
        " ".join(reversed(line.split()))
        for line in sachs_text([f'"{name}"' for name in SACHS_NAMES]).splitlines()
    )
    np.testing.assert_array_equal(fetch_sachs(file=io.StringIO(turned)).X, expected)


@pytest.mark.parametrize(
    "text", ["", "a b c\n1 2 3\n", "\t".join(SACHS_NAMES), "\t".join(SACHS_NAMES) + "\n1 2\n"]
)
def test_files_that_are_not_sachs(text):
    with pytest.raises(ValueError, match="it needs"):
        fetch_sachs(file=io.StringIO(text))


def test_sachs_is_downloaded_once_and_leaves_nothing_half_done(tmp_path, monkeypatch):
    with pytest.raises(FileNotFoundError, match="download=True"):
        fetch_sachs(data_home=tmp_path, download=False)
    asked = []

    def answer(url):
        asked.append(url)
        if len(asked) == 1:
            raise OSError("no network")
        return io.BytesIO(gzip.compress(sachs_text().encode()))

    monkeypatch.setattr("urllib.request.urlopen", answer)
    with pytest.raises(OSError, match="no network"):
        fetch_sachs(data_home=tmp_path / "new")
    assert list((tmp_path / "new").iterdir()) == []
    for _ in range(2):
        assert fetch_sachs(data_home=tmp_path / "new").X.shape == (2, 11)
    assert len(asked) == 2
    assert asked[1].endswith("/sachs.data.txt.gz")
