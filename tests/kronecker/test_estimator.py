"""`KroneckerSBL` and `kronecker_sbl`: what users rely on."""

import pickle
import warnings

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from sparsesolve import KroneckerSBL, Status, kronecker_sbl
from sparsesolve.datasets import make_irs_uplink, make_kronecker_recovery
from sparsesolve.exceptions import ConvergenceWarning
from sparsesolve.kronecker.solver import KroneckerSolution
from sparsesolve.metrics import channel_nmse, normalized_mean_squared_error
from sparsesolve.reference import kronecker as reference

METHODS = ["auto", "am", "svd", "ksbl", "mm", "dsbl"]


def make(is_complex=False, snapshots=1, seed=0, snr_db=20.0, values=True):
    return make_kronecker_recovery(
        (7, 6, 5), (5, 6, 4), 2, snr_db=snr_db, kronecker_values=values, n_snapshots=snapshots,
        complex=is_complex, random_state=seed,
    )  # fmt: skip


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("is_complex", [False, True])
@pytest.mark.parametrize("noise", ["learn", "known"])
def test_recovers(method, is_complex, noise):
    data = make(is_complex)
    variance = data.noise_variance if noise == "known" else "learn"
    result = kronecker_sbl(
        data.factors, data.y, method=method, noise_variance=variance, max_iter=2000, random_state=0
    )
    assert result.status is Status.CONVERGED
    assert result.certificate["gamma_change"] <= 1e-4
    assert normalized_mean_squared_error(result.solution.coef, data.coef) < 0.1
    assert np.iscomplexobj(result.solution.coef) == is_complex
    if noise == "known":
        assert_allclose(result.solution.noise_variance, data.noise_variance, rtol=1e-12)


@pytest.mark.parametrize("method", ["am", "svd", "ksbl", "mm"])
@pytest.mark.parametrize("is_complex", [False, True])
@pytest.mark.parametrize("snapshots", [1, 3])
def test_the_answer_is_the_dense_posterior(method, is_complex, snapshots):
    data = make(is_complex, snapshots)
    found = kronecker_sbl(data.factors, data.y, method=method, max_iter=400, tol=1e-3).solution
    dense = reference.posterior(data.factors, data.y, found.gamma, found.noise_variance)
    size = np.abs(dense.mean).max()
    assert found.coef.shape == data.coef.shape
    assert_allclose(found.coef, dense.mean, atol=1e-8 * size)
    assert_allclose(found.coef_std**2, dense.variance, rtol=1e-6, atol=1e-9 * size**2)
    assert_allclose(found.log_evidence, dense.log_evidence, rtol=1e-9)


def test_the_certificate_is_recomputed():
    data = make()
    result = kronecker_sbl(data.factors, data.y, method="mm", tol=1e-8, max_iter=5000)
    solution = result.solution
    gradients, _ = reference.cost_gradient(data.factors, data.y, solution.gamma, solution.noise_variance)
    D = reference.kronecker(data.factors)
    gamma = reference.kronecker(solution.gamma)
    S = D @ np.diag(gamma) @ D.T + solution.noise_variance * np.eye(len(D))
    costs = (gamma * np.einsum("mn,mn->n", D, np.linalg.solve(S, D))).reshape(7, 6, 5)
    worst = 0.0
    for mode, (g, gradient) in enumerate(zip(solution.gamma, gradients, strict=True)):
        others = tuple(axis for axis in range(3) if axis != mode)
        worst = max(worst, float(np.abs(g * gradient).sum() / costs.sum(axis=others).sum()))
    assert_allclose(result.certificate["evidence_gradient"], worst, rtol=1e-4, atol=1e-9)
    assert worst < 1e-4


def test_auto_says_what_it_did():
    data = make(values=False)
    model = KroneckerSBL(random_state=0, n_starts=2).fit(data.factors, data.y)
    names = ["mm", "svd from mm", "svd", "svd, random start 1", "svd, random start 2"]
    assert list(model.candidates_)[:5] == names
    assert model.method_ in model.candidates_
    assert model.candidates_[model.method_] == model.log_evidence_
    best = max(value for name, value in model.candidates_.items() if not name.startswith("dsbl"))
    assert model.log_evidence_ >= best - 10.0
    assert not model.method_.startswith("dsbl")  # the values are no Kronecker product


def test_auto_sees_kronecker_values():
    wins = 0
    for seed in range(10):
        data = make_kronecker_recovery(snr_db=15.0, random_state=seed)
        model = KroneckerSBL(random_state=0).fit(data.factors, data.y)
        wins += model.method_.startswith("dsbl")
        joint = kronecker_sbl(data.factors, data.y, method="svd").solution.coef
        ours, theirs = (normalized_mean_squared_error(c, data.coef) for c in (model.coef_, joint))
        assert ours < 1.2 * theirs + 1e-3
    assert wins >= 7


def test_auto_beats_the_papers_methods_on_its_channels():
    ours, theirs = [], []
    for seed in range(8):
        data = make_irs_uplink(snr_db=12.0, random_state=seed)
        arguments = {"noise_variance": data.noise_variance}
        for errors, more in (
            (ours, {"random_state": 0}),
            (theirs, {"method": "am", "preset": "paper-irs"}),
        ):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", ConvergenceWarning)  # theirs often ends after 150 steps
                coef = kronecker_sbl(data.factors, data.y, **arguments, **more).solution.coef
            errors.append(channel_nmse(data.channels_of(coef), data.channels))
    assert np.median(ours) < 0.7 * np.median(theirs)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(("a", "b"), [(1e-3, 1e4), (1e100, 1e-100), (1.0 / 256.0, 1.0)])
def test_equivariance(method, a, b):
    data = make()
    plain = kronecker_sbl(data.factors, data.y, method=method, max_iter=1000, random_state=0).solution
    factors = [data.factors[0] * a, *data.factors[1:]]
    scaled = kronecker_sbl(factors, data.y * b, method=method, max_iter=1000, random_state=0).solution
    assert_allclose(scaled.coef / (b / a), plain.coef, atol=1e-6 * np.abs(plain.coef).max())
    assert_allclose(scaled.coef_std / (b / a), plain.coef_std, atol=1e-6 * plain.coef_std.max())
    for one, other in zip(scaled.supports, plain.supports, strict=True):
        assert_array_equal(one, other)


@pytest.mark.parametrize("is_complex", [False, True])
def test_zero_measurements(is_complex):
    data = make(is_complex)
    y = np.zeros_like(data.y)
    for method in METHODS:
        model = KroneckerSBL(method).fit(data.factors, y)
        assert not model.coef_.any()
        assert model.noise_variance_ == 0.0
        mean, std = model.predict(data.factors, return_std=True)
        assert not mean.any()
        assert not std.any()
        assert not model.sample(2).any()
    known = kronecker_sbl(data.factors, y, noise_variance=0.5).solution
    assert known.noise_variance == 0.5 or known.noise_variance == 0.0
    assert np.isfinite(known.log_evidence)


@pytest.mark.parametrize("method", ["mm", "dsbl"])
@pytest.mark.parametrize("is_complex", [False, True])
def test_predictions_and_samples(method, is_complex):
    data = make(is_complex)
    model = KroneckerSBL(method, max_iter=1000).fit(data.factors, data.y)
    rng = np.random.default_rng(0)
    other = [rng.standard_normal((3, factor.shape[1])) for factor in data.factors]
    mean, std = model.predict(other, return_std=True)
    D = reference.kronecker(other)
    assert_allclose(mean, D @ model.coef_, rtol=1e-9, atol=1e-9 * np.abs(mean).max())
    drawn = model.sample(4000, random_state=1)
    assert drawn.shape == (4000, 210)
    assert_allclose(drawn.mean(axis=0), model.coef_, atol=6.0 * model.coef_std_.max() / np.sqrt(4000))
    used = model.support_
    spread = np.sqrt((np.abs(drawn - drawn.mean(axis=0)) ** 2).mean(axis=0))[used]
    assert_allclose(spread, model.coef_std_[used], rtol=0.15)
    noisy = np.sqrt((np.abs((drawn - model.coef_) @ D.T) ** 2).mean(axis=0) + model.noise_variance_)
    assert_allclose(noisy, std, rtol=0.15)
    assert 0.5 < model.score(data.factors, data.y) < 1.0


def test_several_snapshots():
    data = make(snapshots=4)
    model = KroneckerSBL(max_iter=1000, random_state=0).fit(data.factors, data.y)
    assert model.coef_.shape == (210, 4)
    assert model.predict(data.factors).shape == data.y.shape
    assert model.sample(3).shape == (3, 210, 4)
    assert normalized_mean_squared_error(model.coef_, data.coef) < 0.02


def test_coupling_brings_neighbours_in():
    """A block of neighbours: with coupled patterns the gammas of a block rise together."""
    rng = np.random.default_rng(0)
    A, B = rng.standard_normal((12, 20)), rng.standard_normal((9, 12))
    X = np.zeros((20, 12))
    X[5:9, 3:6] = rng.standard_normal((4, 3))
    y = (A @ X @ B.T).ravel()
    noise = 0.3 * np.sqrt(np.mean(y**2))
    y = y + noise * rng.standard_normal(y.size)
    for method in ("auto", "mm", "am"):
        found = kronecker_sbl([A, B], y, method=method, coupling=0.5, max_iter=3000, tol=1e-3).solution
        assert set(range(5, 9)) <= set(found.supports[0].tolist())
        assert normalized_mean_squared_error(found.coef, X.ravel()) < 0.3


def test_coloured_noise_is_whitened():
    data = make(snr_db=10.0)
    rng = np.random.default_rng(3)
    roots = [np.eye(f.shape[0]) + 0.5 * rng.standard_normal((f.shape[0],) * 2) for f in data.factors]
    covariances = [R @ R.T for R in roots]
    whitened = [np.linalg.solve(R, f) for R, f in zip(roots, data.factors, strict=True)]
    y_white = reference.kronecker(whitened) @ data.coef + np.sqrt(data.noise_variance) * rng.standard_normal(
        data.y.size
    )
    y = reference.kronecker(roots) @ y_white
    coloured = kronecker_sbl(data.factors, y, method="mm", noise_covariance=covariances, max_iter=1000)
    white = kronecker_sbl(whitened, y_white, method="mm", max_iter=1000)
    assert_allclose(coloured.solution.coef, white.solution.coef, atol=1e-6)
    volume = sum(2.0 * np.log(np.abs(np.linalg.det(R))) * data.y.size / len(R) for R in roots)
    assert_allclose(coloured.solution.log_evidence, white.solution.log_evidence - 0.5 * volume, rtol=1e-6)


def test_classical_sparse_bayesian_learning():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((80, 30))
    y = X[:, [3, 17]] @ [2.0, -1.0] + 0.1 * rng.standard_normal(80)
    model = KroneckerSBL().fit(X, y)
    assert model.support_.tolist() == [3, 17]
    assert_allclose(model.coef_[[3, 17]], [2.0, -1.0], atol=0.05)
    assert_allclose(model.predict(X[:5]), X[:5] @ model.coef_)
    assert model.n_features_in_ == 30


def test_single_precision_stays():
    data = make()
    factors = [factor.astype(np.float32) for factor in data.factors]
    solution = kronecker_sbl(factors, data.y.astype(np.float32), method="mm", max_iter=500).solution
    assert solution.coef.dtype == np.float32
    double = kronecker_sbl(data.factors, data.y, method="mm", max_iter=500).solution
    assert_allclose(solution.coef, double.coef, atol=1e-2 * np.abs(double.coef).max())


def test_same_answer_twice_and_after_pickling():
    data = make()
    before = [factor.copy() for factor in data.factors]
    one = KroneckerSBL(random_state=3).fit(data.factors, data.y)
    two = KroneckerSBL(random_state=3).fit(data.factors, data.y)
    assert_array_equal(one.coef_, two.coef_)
    assert_array_equal(pickle.loads(pickle.dumps(one)).predict(data.factors), two.predict(data.factors))
    for factor, kept in zip(data.factors, before, strict=True):
        assert_array_equal(factor, kept)


def test_stopping():
    data = make()
    with pytest.warns(ConvergenceWarning, match="MAX_ITER: the gammas still changed"):
        result = kronecker_sbl(data.factors, data.y, method="am", max_iter=2)
    assert result.status is Status.MAX_ITER
    with pytest.warns(ConvergenceWarning, match="STOPPED"):
        result = kronecker_sbl(data.factors, data.y, callback=lambda iterate: True)
    assert result.status is Status.STOPPED
    assert isinstance(result.solution, KroneckerSolution)
    with pytest.warns(ConvergenceWarning, match="TIME_LIMIT"):
        result = kronecker_sbl(data.factors, data.y, method="am", tol=0.0, max_iter=10**6, max_time=0.05)
    assert result.status is Status.TIME_LIMIT


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"y": np.ones(7)}, r"y has 7 entries, but the factors have 2 x 3 = 6 rows"),
        ({"y": np.full(6, np.nan)}, "y has an entry that is NaN or infinite"),
        ({"y": np.ones((6, 1, 1))}, r"y has shape \(6, 1, 1\)"),
        ({"factors": []}, "factors is empty"),
        ({"factors": [np.zeros((2, 2)), np.ones((3, 2))]}, r"factors\[0\] is zero"),
        ({"factors": [np.ones((2, 2)), np.full((3, 2), np.inf)]}, r"factors\[1\] has an entry that is NaN"),
        ({"factors": [np.ones((2, 2)), np.ones((3, 2, 1))]}, r"factors\[1\] has shape \(3, 2, 1\)"),
        ({"factors": [np.ones((2, 2)), np.array([["a"], ["b"], ["c"]])]}, r"factors\[1\] has entries of dtype"),
        ({"method": "best"}, "method='best'"),
        ({"noise_variance": 0.0}, "noise_variance=0.0 must be above 0"),
        ({"noise_variance": -1.0}, "noise_variance"),
        ({"noise_variance": "guess"}, "noise_variance='guess'"),
        ({"coupling": [0.5]}, "coupling has 1 entries for 2 factors"),
        ({"coupling": -0.5}, r"coupling\[0\]"),
        ({"coupling": 0.5, "method": "svd"}, "method='svd' knows no coupling"),
        ({"coupling": [np.ones((5, 5)), None]}, r"coupling\[0\] has shape \(5, 5\)"),
        ({"noise_covariance": [None]}, "noise_covariance has 1 entries"),
        ({"noise_covariance": [np.ones((2, 3)), None]}, r"noise_covariance\[0\] has shape \(2, 3\)"),
        ({"noise_covariance": [-np.eye(2), None]}, r"noise_covariance\[0\] is not positive definite"),
        ({"prune": [0.1]}, "prune has 1 entries for 2 factors"),
        ({"prune": 1.0}, "prune=1.0 must be at least 0 and below 1"),
        ({"preset": "paper-irs", "method": "am"}, "for three factors, but there are 2"),
        ({"preset": "paper-synthetic"}, "not for method='auto'"),
        ({"preset": "mine"}, "preset='mine'"),
        ({"n_starts": -1}, "n_starts"),
        ({"tol": -1.0}, "tol"),
    ],
)  # fmt: skip
def test_bad_input(arguments, message):
    given = {"factors": [np.ones((2, 2)), np.ones((3, 2))], "y": np.ones(6)} | arguments
    with pytest.raises(ValueError, match=message):
        kronecker_sbl(given.pop("factors"), given.pop("y"), **given)


def test_predicting_with_other_columns():
    data = make()
    model = KroneckerSBL("mm", max_iter=500).fit(data.factors, data.y)
    with pytest.raises(ValueError, match=r"factors have \[7, 6, 4\] columns, but .* \[7, 6, 5\]"):
        model.predict([*data.factors[:2], data.factors[2][:, :4]])
    with pytest.raises(ValueError, match="n_samples"):
        model.sample(0)


def test_intervals_cover():
    inside = total = 0
    for seed in range(40):
        data = make(seed=seed, values=False, snr_db=15.0)
        found = kronecker_sbl(data.factors, data.y, random_state=0, max_iter=1000).solution
        off = np.abs(found.coef - data.coef)[data.support]
        inside += int((off <= 1.96 * found.coef_std[data.support]).sum())
        total += off.size
    assert inside >= 0.88 * total  # 0.9 less two standard deviations of 320 draws or more


def test_swapped_arguments_are_told_apart():
    factors = [np.eye(3), np.eye(2)]
    with pytest.raises(ValueError, match="the factors come first"):
        KroneckerSBL().fit(np.ones(6), factors)
