"""Problems of the laboratory: derivatives against finite differences, bounds against Hessians."""

import numpy as np
import pytest
import scipy.sparse

from sparsesolve.coordinate import (
    LeastSquares,
    LinearProblem,
    Logistic,
    Multinomial,
    Poisson,
    Quadratic,
    SVMDual,
)
from sparsesolve.coordinate.losses import LOSSES

ROWS, COLUMNS = 17, 9


def _data(form):
    rng = np.random.default_rng(5)
    A = rng.standard_normal((ROWS, COLUMNS)) * (rng.random((ROWS, COLUMNS)) < 0.5)
    weights = rng.random(ROWS) + 0.5
    return FORMS[form](A), rng, weights


FORMS = {
    "dense": np.asarray,
    "csr": scipy.sparse.csr_array,
    "csc": scipy.sparse.csc_matrix,
    "coo": scipy.sparse.coo_array,
}


def _least_squares(form):
    A, rng, weights = _data(form)
    return LeastSquares(A, rng.standard_normal(ROWS), sample_weight=weights)


def _logistic(form):
    A, rng, weights = _data(form)
    return Logistic(A, rng.choice([-1.0, 1.0], ROWS), sample_weight=weights)


def _poisson(form):
    A, rng, weights = _data(form)
    return Poisson(A, rng.integers(0, 4, ROWS), sample_weight=weights)


def _multinomial(form):
    A, rng, weights = _data(form)
    return Multinomial(A, rng.integers(0, 4, ROWS), sample_weight=weights)


def _svm(form):
    A, rng, _ = _data(form)
    return SVMDual(A, rng.choice([-1.0, 1.0], ROWS), 0.7)


def _kernel_svm(form):
    A, rng, _ = _data(form)
    return SVMDual.from_kernel(A @ A.T, rng.choice([-1.0, 1.0], ROWS), 0.7)


def _with_linear_term(form):
    A, rng, _ = _data(form)
    targets = rng.choice([-1.0, 1.0], ROWS)
    return LinearProblem(A, targets, LOSSES["logistic"], linear=rng.standard_normal(COLUMNS))


MAKERS = {
    "least squares": _least_squares,
    "logistic": _logistic,
    "poisson": _poisson,
    "multinomial": _multinomial,
    "svm": _svm,
    "kernel svm": _kernel_svm,
    "linear term": _with_linear_term,
}


@pytest.fixture(params=MAKERS)
def kind(request):
    return request.param


@pytest.fixture
def problem(kind):
    return MAKERS[kind]("csr")


def _point(problem, seed=0):
    return 0.3 * np.random.default_rng(seed).standard_normal(problem.n_coordinates)


def _hessian(problem, x):
    everything = np.arange(problem.n_coordinates)
    return problem.hessian_block(problem.start(x), everything)


def test_gradient_and_hessian_by_differences(problem):
    x, h = _point(problem), 1e-5
    gradient = problem.gradient(problem.start(x))
    numeric = np.empty_like(gradient)
    numeric_hessian = np.empty((x.size, x.size))
    for i, e in enumerate(h * np.eye(x.size)):
        above, below = problem.start(x + e), problem.start(x - e)
        numeric[i] = (problem.value(above) - problem.value(below)) / (2 * h)
        numeric_hessian[i] = (problem.gradient(above) - problem.gradient(below)) / (2 * h)
    np.testing.assert_allclose(gradient, numeric, rtol=1e-7, atol=1e-7)
    np.testing.assert_allclose(_hessian(problem, x), numeric_hessian, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("form", FORMS)
def test_every_form_of_the_matrix_gives_the_same(kind, form):
    expected, problem = MAKERS[kind]("dense"), MAKERS[kind](form)
    x, block = _point(problem), np.array([4, 0, 7])
    d = np.array([0.2, -0.1, 0.3])
    for name in ("value", "gradient", "hessian_diagonal"):
        values = [getattr(p, name)(p.start(x)) for p in (expected, problem)]
        np.testing.assert_allclose(values[1], values[0], rtol=1e-12, atol=1e-13)
    for name in ("lipschitz", "row_bounds"):
        first, second = getattr(expected, name)(), getattr(problem, name)()
        assert (first is None) == (second is None)
        if first is not None:
            np.testing.assert_allclose(second, first, rtol=1e-12, atol=1e-13)
    first, second = (p.hessian_block(p.start(x), block) for p in (expected, problem))
    np.testing.assert_allclose(second, first, rtol=1e-12, atol=1e-13)
    first, second = (p.line(p.start(x), block, d)(0.5) for p in (expected, problem))
    np.testing.assert_allclose(second, first, rtol=1e-10)


def test_blocks_products_and_lines_agree_with_the_whole(problem):
    x, block = _point(problem), np.array([6, 2, 3])
    d = np.array([0.2, -0.1, 0.3])
    state, hessian = problem.start(x), _hessian(problem, x)
    np.testing.assert_allclose(
        problem.gradient_block(state, block), problem.gradient(problem.start(x))[block]
    )
    np.testing.assert_allclose(problem.hessian_block(state, block), hessian[np.ix_(block, block)], atol=1e-12)
    np.testing.assert_allclose(problem.hessian_diagonal(state), hessian.diagonal(), atol=1e-12)
    np.testing.assert_allclose(problem.hessian_product(state, block, d), hessian[:, block] @ d, atol=1e-12)
    moved = x.copy()
    moved[block] += 0.7 * d
    change = problem.value(problem.start(moved)) - problem.value(state)
    np.testing.assert_allclose(problem.line(state, block, d)(0.7), change, rtol=1e-9)


def test_small_changes_keep_their_digits(problem):
    state, block = problem.start(_point(problem)), np.array([1, 5])
    d = -problem.gradient(state)[block]
    slope = -float(d @ d)
    assert problem.line(state, block, d)(1e-7) == pytest.approx(1e-7 * slope, rel=1e-5)


def test_steps_keep_everything_up_to_date(problem):
    rng = np.random.default_rng(1)
    state, x = problem.start(), np.zeros(problem.n_coordinates)
    problem.gradient(state)
    for _ in range(60):
        block = rng.choice(problem.n_coordinates, int(rng.integers(1, 4)), replace=False)
        d = 0.1 * rng.standard_normal(block.size)
        problem.step(state, block, d)
        x[block] += d
        np.testing.assert_allclose(problem.gradient(state), problem.gradient(problem.start(x)), atol=1e-11)
    np.testing.assert_allclose(state.x, x)
    assert problem.value(state) == pytest.approx(problem.value(problem.start(x)), abs=1e-11)


def test_start_copies(problem):
    x = _point(problem)
    kept = x.copy()
    state = problem.start(x)
    problem.step(state, np.array([0]), np.array([1.0]))
    np.testing.assert_array_equal(x, kept)


@pytest.mark.parametrize("name", [name for name in MAKERS if name != "poisson"])
def test_bounds_dominate_the_hessian_everywhere(name):
    problem, rng = MAKERS[name]("csr"), np.random.default_rng(2)
    n = problem.n_coordinates
    everything = np.arange(n)
    L, rows = problem.lipschitz(), problem.row_bounds()
    for trial in range(20):
        hessian = _hessian(problem, trial * _point(problem, trial))
        assert (hessian.diagonal() <= L + 1e-12).all()
        assert np.linalg.eigvalsh(np.diag(rows) - hessian)[0] >= -1e-10
        block = rng.choice(n, 4, replace=False)
        part = hessian[np.ix_(block, block)]
        assert np.linalg.eigvalsh(problem.bound_block(block) - part)[0] >= -1e-10
    whole = problem.bound_block(everything)
    d = rng.standard_normal(3)
    block = np.array([2, 8, 5])
    if name != "multinomial":  # its blocks have a smaller bound than the whole
        np.testing.assert_allclose(problem.bound_product(block, d), whole[:, block] @ d, atol=1e-12)
    else:
        product = problem.bound_product(everything, np.eye(n)[0])
        np.testing.assert_allclose(product, whole[:, 0], atol=1e-12)


def test_bounds_of_single_coordinates_are_the_lipschitz_constants():
    for name in ("least squares", "logistic", "multinomial", "svm"):
        problem = MAKERS[name]("dense")
        blocks = [problem.bound_block(np.array([i]))[0, 0] for i in range(problem.n_coordinates)]
        np.testing.assert_allclose(blocks, problem.lipschitz(), rtol=1e-12)


def test_poisson_has_no_bounds():
    problem = _poisson("dense")
    assert problem.lipschitz() is None
    assert problem.row_bounds() is None
    assert problem.bound_block(np.arange(2)) is None
    assert problem.bound_product(np.arange(2), np.ones(2)) is None
    assert problem.third_bound(np.arange(2)) is None


def test_third_bound_holds():
    problem, rng, h = _logistic("dense"), np.random.default_rng(3), 1e-4
    for _ in range(50):
        block, d, x = (
            rng.choice(COLUMNS, 3, replace=False),
            rng.standard_normal(3),
            rng.standard_normal(COLUMNS),
        )
        e = np.zeros(COLUMNS)
        e[block] = d
        curvature = [d @ problem.hessian_block(problem.start(x + t * e), block) @ d for t in (-h, h)]
        third = abs(curvature[1] - curvature[0]) / (2 * h)
        assert third <= problem.third_bound(block) * np.linalg.norm(d) ** 3 * (1 + 1e-6)


def test_kernel_and_features_give_the_same_svm():
    X, rng, _ = _data("dense")
    y = rng.choice([-1.0, 1.0], ROWS)
    features, kernel = SVMDual(X, y, 2.0), SVMDual.from_kernel(X @ X.T, y, 2.0)
    a = rng.random(ROWS)
    states = features.start(a), kernel.start(a)
    assert features.value(states[0]) == pytest.approx(kernel.value(states[1]))
    np.testing.assert_allclose(features.gradient(states[0]), kernel.gradient(states[1]))


def test_svm_duality_gap_is_that_of_the_hinge_loss():
    X, rng, _ = _data("dense")
    y = rng.choice([-1.0, 1.0], ROWS)
    problem = SVMDual(X, y, 0.7)
    a = 0.7 * rng.random(ROWS)
    w = X.T @ (a * y)
    primal = 0.5 * w @ w + 0.7 * np.maximum(1.0 - y * (X @ w), 0.0).sum()
    state = problem.start(a)
    assert problem.duality_gap(state) == pytest.approx(primal + problem.value(state))


def test_one_hot_rows_and_labels_agree():
    A, rng, _ = _data("dense")
    labels = rng.integers(0, 3, ROWS)
    first, second = Multinomial(A, labels), Multinomial(A, np.eye(3)[labels])
    x = _point(first)
    np.testing.assert_array_equal(first.gradient(first.start(x)), second.gradient(second.start(x)))


def test_sparse_quadratics_have_couplings():
    Q = scipy.sparse.csr_array(np.array([[2.0, -1.0, 0.0], [-1.0, 2.0, 0.0], [0.0, 0.0, 1.0]]))
    graph = Quadratic(Q, np.ones(3)).couplings()
    np.testing.assert_array_equal(
        graph.toarray() != 0, [[False, True, False], [True, False, False], [False] * 3]
    )
    assert Quadratic(Q.toarray(), np.ones(3)).couplings() is None


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda A: LeastSquares(A, np.ones(3)), "b has shape"),
        (lambda A: LeastSquares(A, np.ones((ROWS, 2))), "b has shape"),
        (lambda A: LeastSquares(A[0], np.ones(3)), "A must be two-dimensional"),
        (lambda A: Logistic(A, np.zeros(ROWS)), "labels -1 and"),
        (lambda A: Poisson(A, -np.ones(ROWS)), "at least 0"),
        (lambda A: LeastSquares(A, np.ones(ROWS), sample_weight=-np.ones(ROWS)), "is negative"),
        (lambda A: Multinomial(A, np.full(ROWS, -1)), "integer labels"),
        (lambda A: Multinomial(A, [1, 2]), "B has shape"),
        (lambda A: SVMDual(A, np.ones(ROWS), 0.0), "C=0.0"),
        (lambda A: SVMDual.from_kernel(A, np.ones(ROWS)), "K has shape"),
    ],
)
def test_bad_data_is_named(make, message):
    with pytest.raises(ValueError, match=message):
        make(np.ones((ROWS, COLUMNS)))
