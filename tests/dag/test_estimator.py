"""`CoLiDE` and `estimate_dag`: what users rely on."""

import pickle
import warnings

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from sparsesolve import CoLiDE, Status, estimate_dag
from sparsesolve.dag import is_acyclic
from sparsesolve.dag.covariance import merge, moments_of
from sparsesolve.datasets import make_linear_sem
from sparsesolve.exceptions import AssumptionWarning, ConvergenceWarning
from sparsesolve.metrics import cpdag_hamming_distance, structural_hamming_distance


@pytest.fixture(scope="module")
def equal():
    return make_linear_sem(800, 12, degree=2, random_state=1)


@pytest.fixture(scope="module")
def unequal():
    return make_linear_sem(1000, 12, degree=2, variances="unequal", standardize=True, random_state=2)


def test_equal_noise(equal):
    result = estimate_dag(equal.X, noise="equal")
    assert result.status is Status.CONVERGED
    assert structural_hamming_distance(equal.adjacency, result.solution.adjacency) <= 1
    assert_allclose(result.solution.noise_scale, 1.0, atol=0.05)
    assert np.ptp(result.solution.noise_scale) == 0.0


def test_unequal_noise_on_standardised_data():
    """The class of the true graph is found in most cases, and never a graph of worse BIC than the true one's."""
    distances = []
    for seed in range(8):
        data = make_linear_sem(1000, 12, degree=2, variances="unequal", standardize=True, random_state=seed)
        result = estimate_dag(data.X, random_state=0)
        assert result.status is Status.CONVERGED
        assert len(result.solution.start_scores) == 2
        graph = result.solution.adjacency != 0.0
        assert _bic(data.X, graph) <= _bic(data.X, data.adjacency != 0.0) + 1e-3
        distances.append(cpdag_hamming_distance(data.adjacency, result.solution.adjacency))
    assert np.median(distances) <= 1


def _bic(X, graph):
    """By regressions, one at a time."""
    X = X - X.mean(axis=0)
    total = 2.0 * np.log(len(X)) * graph.sum()
    for node in range(X.shape[1]):
        parents = np.flatnonzero(graph[:, node])
        rest = X[:, node] - X[:, parents] @ np.linalg.lstsq(X[:, parents], X[:, node])[0]
        total += len(X) * np.log(np.mean(rest**2))
    return total


@pytest.mark.parametrize("noise", ["equal", "unequal"])
@pytest.mark.parametrize("alpha", ["auto", 0.05])
def test_the_certificate_is_recomputed(equal, noise, alpha):
    X = equal.X - equal.X.mean(axis=0)
    model = CoLiDE(noise, alpha=alpha).fit(X)
    assert model.converged_
    C = X.T @ X / len(X)
    W, s = model.adjacency_, model.noise_scale_
    assert is_acyclic(W)
    place = np.argsort(model.order_)
    assert (place[:, None] < place[None, :])[W != 0.0].all()
    if alpha == "auto":  # least squares: residuals are orthogonal to the parents
        gradient = (C @ (np.eye(12) - W))[W != 0.0]
        assert np.abs(gradient).max() < 1e-8 * np.diag(C).max()
        return
    deviations = np.sqrt(np.diag(C))
    unit = np.full(12, deviations.min()) if noise == "equal" else deviations
    # In those units the conditions of a square-root lasso hold on all edges that lead forward.
    C, W, s = C / unit / unit[:, None], W / unit * unit[:, None], s / unit
    gradient = -(C @ (np.eye(12) - W)) / s
    forward = place[:, None] < place[None, :]
    at = W != 0.0
    assert np.abs(gradient + alpha * np.sign(W))[at].max() < 1e-6 * alpha
    assert np.abs(gradient[forward & ~at]).max() <= alpha * (1.0 + 1e-6)
    q = np.einsum("ij,ij->j", np.eye(12) - W, C @ (np.eye(12) - W))
    assert_allclose(s, np.sqrt(q.mean() if noise == "equal" else q), rtol=1e-6)


def test_auto_tells_the_kinds_of_noise_apart():
    right = 0
    for seed in range(10):
        one = make_linear_sem(600, 8, degree=1.5, random_state=seed).X
        other = make_linear_sem(600, 8, degree=1.5, variances=(0.5, 10.0), random_state=seed).X
        right += CoLiDE("auto").fit(one).noise_ == "equal"
        model = CoLiDE("auto").fit(other)
        right += model.noise_ == "unequal"
        assert "price" in model.reason_
    assert right >= 19


@pytest.mark.parametrize("noise", ["equal", "unequal"])
def test_equal_noise_on_standardised_data_warns(equal, noise):
    X = (equal.X - equal.X.mean(axis=0)) / equal.X.std(axis=0)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        CoLiDE(noise).fit(X)
    warned = any(warning.category is AssumptionWarning for warning in caught)
    assert warned == (noise == "equal")


def test_column_scales_change_nothing_with_unequal_noise(unequal):
    rng = np.random.default_rng(0)
    plain = CoLiDE().fit(unequal.X)
    for _ in range(5):
        scales = 10.0 ** rng.uniform(-6.0, 6.0, 12)
        scaled = CoLiDE().fit(unequal.X * scales)
        assert_array_equal(scaled.adjacency_ != 0.0, plain.adjacency_ != 0.0)
        assert_allclose(scaled.adjacency_ * scales[:, None] / scales, plain.adjacency_, atol=1e-6)
        assert_allclose(scaled.noise_scale_ / scales, plain.noise_scale_, rtol=1e-6)


@pytest.mark.parametrize("noise", ["equal", "unequal"])
@pytest.mark.parametrize("scale", [1e-150, 1e150])
def test_extreme_units(equal, noise, scale):
    plain, scaled = CoLiDE(noise).fit(equal.X), CoLiDE(noise).fit(equal.X * scale)
    assert_allclose(scaled.adjacency_, plain.adjacency_, rtol=1e-6, atol=1e-9)
    assert_allclose(scaled.noise_scale_ / scale, plain.noise_scale_, rtol=1e-6)


@pytest.mark.parametrize("noise", ["equal", "unequal"])
def test_constraints_are_kept(equal, noise):
    rng = np.random.default_rng(0)
    for seed in range(15):
        order = rng.permutation(12)
        required = [(int(order[i]), int(order[i + 3])) for i in rng.choice(9, 2, replace=False)]
        forbidden = [
            (int(a), int(b)) for a, b in rng.integers(0, 12, (6, 2)) if (a, b) not in required and a != b
        ]
        model = CoLiDE(noise, required=required, forbidden=forbidden, random_state=seed, n_starts=1).fit(
            equal.X
        )
        for edge in required:
            assert model.adjacency_[edge] != 0.0
            assert model.cpdag_[edge]
            assert not model.cpdag_[edge[::-1]]
        assert not any(model.adjacency_[edge] for edge in forbidden)
        tiers = rng.integers(0, 3, 12)
        adjacency = CoLiDE(noise, tiers=tiers, n_starts=1).fit(equal.X).adjacency_
        assert not adjacency[tiers[:, None] > tiers[None, :]].any()
        assert is_acyclic(adjacency)


def test_names_in_constraints(equal):
    pandas = pytest.importorskip("pandas", reason="names come with data frames")
    names = [f"gene {i}" for i in range(12)]
    frame = pandas.DataFrame(equal.X, columns=names)
    model = CoLiDE(required=[("gene 3", "gene 0")], n_starts=1).fit(frame)
    assert model.adjacency_[3, 0] != 0.0


@pytest.mark.parametrize("noise", ["equal", "unequal"])
def test_blocks_of_rows(equal, noise):
    whole = CoLiDE(noise).fit(equal.X)
    blocks = CoLiDE(noise)
    for first in range(0, 800, 150):
        blocks.partial_fit(equal.X[first : first + 150])
    assert blocks.n_samples_seen_ == 800
    assert_array_equal(blocks.adjacency_ != 0.0, whole.adjacency_ != 0.0)
    assert_allclose(blocks.adjacency_, whole.adjacency_, atol=1e-9)
    assert_allclose(blocks.mean_, equal.X.mean(axis=0), atol=1e-12)


def test_moments_of_blocks_are_those_of_all():
    rng = np.random.default_rng(0)
    X = 1e6 + rng.standard_normal((50, 3)) * [1.0, 1e-3, 1e5]
    first = moments_of(X[:20])
    both, whole = merge(first, moments_of(X[20:], first.units)), moments_of(X, first.units)
    assert_allclose(both.products, whole.products, rtol=1e-5)
    assert_allclose(both.covariance * first.units * first.units[:, None], np.cov(X.T, bias=True), rtol=1e-5)


def test_gaps(unequal):
    rng = np.random.default_rng(0)
    X = unequal.X.copy()
    X[rng.random(X.shape) < 0.02] = np.nan
    model = CoLiDE(missing="pairwise").fit(X)
    assert cpdag_hamming_distance(unequal.adjacency, model.adjacency_) <= 6
    with pytest.raises(ValueError, match="NaN"):
        CoLiDE().fit(X)
    X[:, 0] = np.nan
    with pytest.raises(ValueError, match=r"X has 0 rows with both columns 0 and 0"):
        CoLiDE(missing="pairwise").fit(X)


def test_prediction_likelihood_and_samples(equal):
    model = CoLiDE("equal").fit(equal.X)
    centred = equal.X - equal.X.mean(axis=0)
    assert_allclose(model.predict(equal.X), equal.X.mean(axis=0) + centred @ model.adjacency_)
    drawn = model.sample(60_000, random_state=0)
    cov = np.cov(equal.X.T)
    assert np.abs(np.cov(drawn.T) - cov).max() < 0.1 * cov.max()
    # The mean log-likelihood of many samples is minus the entropy.
    d = 12
    entropy = 0.5 * d * np.log(2.0 * np.pi * np.e) + np.log(model.noise_scale_).sum()
    assert_allclose(model.score(drawn), -entropy, atol=0.05)


def test_bootstrap(equal):
    model = CoLiDE("equal").fit(equal.X)
    found = model.bootstrap(equal.X, n_resamples=20, random_state=0)
    true = equal.adjacency != 0.0
    assert found.adjacencies.shape == (20, 12, 12)
    assert found.edge_probability[true].mean() > 0.9
    assert found.edge_probability[~true].mean() < 0.05
    assert_array_equal(found.edge_probability, (found.adjacencies != 0.0).mean(axis=0))
    both = found.direction_probability + found.direction_probability.T
    assert set(np.unique(both.round(12))) <= {0.0, 1.0}
    again = model.bootstrap(equal.X, n_resamples=20, random_state=0)
    assert_array_equal(again.adjacencies, found.adjacencies)


def test_path(equal):
    model = CoLiDE("equal").fit(equal.X)
    path = model.path(20)
    counts = (path.adjacencies != 0.0).sum(axis=(1, 2))
    assert counts[0] == 0
    assert counts[-1] > counts[5]
    empty = int((equal.adjacency != 0.0).sum())
    assert structural_hamming_distance(equal.adjacency, path.adjacencies[path.best]) < 0.8 * empty
    one = CoLiDE("equal", alpha=float(path.alphas[10])).fit(equal.X)
    assert_allclose(one.adjacency_, path.adjacencies[10], atol=1e-7)


@pytest.mark.parametrize("noise", ["equal", "unequal"])
def test_degenerate_columns(noise):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((40, 5))
    X[:, 1], X[:, 3] = 2.0, X[:, 0]
    before = X.copy()
    X.setflags(write=False)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = CoLiDE(noise).fit(np.asfortranarray(X))
    assert np.isfinite(model.adjacency_).all()
    assert np.isfinite(model.noise_scale_).all()
    assert is_acyclic(model.adjacency_)
    assert not model.adjacency_[1].any()
    assert not model.adjacency_[:, 1].any()
    assert_array_equal(X, before)


@pytest.mark.parametrize("shape", [(2, 3), (5, 1), (3, 8)])
@pytest.mark.parametrize("noise", ["equal", "unequal"])
def test_small_data(shape, noise):
    X = np.random.default_rng(0).standard_normal(shape)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", AssumptionWarning)
        model = CoLiDE(noise).fit(X)
    assert model.adjacency_.shape == (shape[1],) * 2
    assert np.isfinite(model.adjacency_).all()


def test_same_answer_twice_and_after_pickling(unequal):
    one, two = CoLiDE().fit(unequal.X), CoLiDE().fit(unequal.X)
    assert_array_equal(one.adjacency_, two.adjacency_)
    assert_array_equal(pickle.loads(pickle.dumps(one)).adjacency_, one.adjacency_)


def test_stopping(unequal):
    with pytest.warns(ConvergenceWarning, match="STOPPED"):
        result = estimate_dag(unequal.X, callback=lambda iterate: True)
    assert result.status is Status.STOPPED
    assert is_acyclic(result.solution.adjacency)
    assert np.isfinite(result.solution.adjacency).all()
    with pytest.warns(ConvergenceWarning, match="MAX_ITER"):
        result = estimate_dag(unequal.X, max_iter=3)
    assert result.status is Status.MAX_ITER
    with pytest.warns(ConvergenceWarning, match="TIME_LIMIT"):
        result = estimate_dag(unequal.X, max_time=0.0)
    assert result.status is Status.TIME_LIMIT


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"noise": "some"}, "noise='some'"),
        ({"method": "magic"}, "method='magic'"),
        ({"inner": "sgd"}, "inner='sgd'"),
        ({"alpha": 0.0}, "alpha=0.0 must be above 0"),
        ({"alpha": "some"}, "alpha='some'"),
        ({"threshold": -1.0}, "threshold"),
        ({"missing": "drop"}, "missing='drop'"),
        ({"n_starts": 0}, "n_starts"),
        ({"required": [(0, 1), (1, 0)]}, "cycle"),
        ({"required": [(0, 1)], "forbidden": [(0, 1)]}, "required and forbidden both hold"),
        ({"required": [(0, 99)]}, "99"),
        ({"tiers": [0, 1]}, "tiers"),
        ({"method": "central-path", "noise": "auto"}, "noise='auto' needs method='order'"),
        ({"method": "central-path", "required": [(0, 1)]}, "required edges need method='order'"),
        ({"tol": -1.0}, "tol"),
    ],
)
def test_bad_parameters(equal, arguments, message):
    with pytest.raises(ValueError, match=message):
        estimate_dag(equal.X, **arguments)


@pytest.mark.parametrize(
    ("X", "message"),
    [
        (np.ones((1, 3)), "n_samples=1"),
        (np.ones(3), "X"),
        (np.array([[1.0, np.inf], [0.0, 1.0]]), "X"),
        (np.array([[1.0, np.nan], [0.0, 1.0]]), "X"),
        (np.array([["a", "b"], ["c", "d"]]), "X"),
    ],
)
def test_bad_data(X, message):
    with pytest.raises(ValueError, match=message):
        estimate_dag(X)


def test_interventions_direct_edges():
    """A chain's directions are open from observations; where its middle was set from outside they are not."""
    rng = np.random.default_rng(0)
    n = 1500
    first = rng.standard_normal(n)
    middle = 0.9 * first + 0.6 * rng.standard_normal(n)
    target = np.full(n, -1)
    target[:500] = 1
    middle[:500] = 2.0 + 1.5 * rng.standard_normal(500)
    last = -0.8 * middle + 0.7 * rng.standard_normal(n)
    X = np.column_stack([first, middle, last])
    model = CoLiDE().fit(X, interventions=target)
    assert (model.adjacency_ != 0.0).tolist() == [[False, True, False], [False, False, True], [False] * 3]
    assert_array_equal(model.cpdag_, model.adjacency_ != 0.0)
    assert_allclose(model.adjacency_[[0, 1], [1, 2]], [0.9, -0.8], atol=0.06)
    assert_allclose(model.noise_scale_, [1.0, 0.6, 0.7], atol=0.06)
    assert_allclose(model.intercept_, 0.0, atol=0.1)
    mask = np.zeros(X.shape, dtype=bool)
    mask[:500, 1] = True
    assert_array_equal(CoLiDE().fit(X, interventions=mask).adjacency_, model.adjacency_)
    # Naive: each column regressed on its parents over the rows where it was not set.
    slope = np.polyfit(first[500:], middle[500:], 1)
    assert_allclose([model.adjacency_[0, 1], model.intercept_[1]], slope, rtol=1e-8)
    open_graph = CoLiDE().fit(X[500:])
    assert open_graph.cpdag_.sum() == 4


def test_no_intervention_changes_nothing(equal):
    plain = CoLiDE().fit(equal.X)
    same = CoLiDE().fit(equal.X, interventions=np.full(len(equal.X), -1))
    assert_allclose(same.adjacency_, plain.adjacency_, atol=1e-12)


@pytest.mark.parametrize(
    ("interventions", "message"),
    [
        (np.zeros(3, dtype=int), r"interventions has shape \(3,\)"),
        (np.zeros(800), "dtype float64"),
        (np.full(800, 12), "holds column 12"),
        (np.full(800, 4), "leaves 0 rows for column 4"),
    ],
)
def test_bad_interventions(equal, interventions, message):
    with pytest.raises(ValueError, match=message):
        CoLiDE().fit(equal.X, interventions=interventions)


def test_interventions_need_unequal_noise(equal):
    with pytest.raises(ValueError, match="interventions need noise='unequal'"):
        CoLiDE("equal").fit(equal.X, interventions=np.full(len(equal.X), -1))


@pytest.mark.parametrize("noise", ["equal", "unequal"])
def test_central_path(equal, noise):
    model = CoLiDE(noise, method="central-path", forbidden=[(0, 1), (1, 0)]).fit(equal.X)
    assert model.converged_
    assert is_acyclic(model.adjacency_)
    assert model.adjacency_[0, 1] == 0.0
    assert model.adjacency_[1, 0] == 0.0
    assert np.abs(model.adjacency_[model.adjacency_ != 0.0]).min() > 0.3
    scaled = CoLiDE(noise, method="central-path", forbidden=[(0, 1), (1, 0)]).fit(equal.X * 1e3)
    assert_allclose(scaled.adjacency_, model.adjacency_, atol=1e-5)


def test_the_order_is_never_worse_than_the_path():
    ours, theirs = 0, 0
    for seed in range(4):
        data = make_linear_sem(800, 12, degree=2, random_state=seed)
        ours += structural_hamming_distance(data.adjacency, CoLiDE("equal").fit(data.X).adjacency_)
        path = CoLiDE("equal", method="central-path").fit(data.X)
        theirs += structural_hamming_distance(data.adjacency, path.adjacency_)
    assert ours <= theirs
