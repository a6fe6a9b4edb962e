"""The problems are what they say: condition, residual, certified values."""

from fractions import Fraction
from importlib.resources import files

import numpy as np
import pytest

from sparsesolve.datasets import (
    load_image_regression,
    load_nist,
    make_linf_adversary,
    make_regression_problem,
)
from sparsesolve.metrics import digits_of_agreement


@pytest.mark.parametrize("condition", [1.0, 1e3, 1e8])
@pytest.mark.parametrize("coherent", [False, True])
def test_regression_problem_is_as_asked(condition, coherent):
    A, b, x = make_regression_problem(
        600, 12, condition=condition, residual=0.5, coherent=coherent, random_state=1
    )
    values = np.linalg.svd(A, compute_uv=False)
    np.testing.assert_allclose(values, np.geomspace(1, 1 / condition, 12), rtol=1e-7)
    residual = b - A @ x
    assert np.linalg.norm(residual) == pytest.approx(0.5, rel=1e-12)
    # Orthogonal to the columns, compared with their lengths.
    assert np.max(np.abs(A.T @ residual)) < 1e-15
    assert np.linalg.norm(x) == pytest.approx(1.0)


def test_coherent_means_leverage_near_one():
    def leverages(coherent):
        A, _, _ = make_regression_problem(2000, 16, coherent=coherent, random_state=3)
        return (np.linalg.svd(A, full_matrices=False)[0] ** 2).sum(axis=1)

    assert np.count_nonzero(leverages(True) > 0.99) == 8
    assert leverages(False).max() < 0.1


def test_column_scales_change_coordinates_only():
    scales = np.array([1e-8, 1.0, -3.0, 1e8])
    A, b, x = make_regression_problem(50, 4, random_state=5)
    scaled, same_b, scaled_x = make_regression_problem(50, 4, column_scales=scales, random_state=5)
    np.testing.assert_array_equal(scaled, A * scales)
    np.testing.assert_array_equal(same_b, b)
    np.testing.assert_array_equal(scaled_x, x / scales)


def test_same_seed_same_problem_and_global_state_is_left_alone():
    before = np.random.get_state()[1].copy()  # noqa: NPY002  (the state that is to be left alone)
    first, second, other = (make_regression_problem(30, 3, random_state=seed) for seed in (7, 7, 8))
    for one, two in zip(first, second, strict=True):
        np.testing.assert_array_equal(one, two)
    assert not np.array_equal(first[0], other[0])
    np.testing.assert_array_equal(np.random.get_state()[1], before)  # noqa: NPY002


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"n_samples": 3}, "n_samples=3 must exceed n_features=3"),
        ({"n_features": 0}, "at least 1"),
        ({"condition": 0.5}, "condition=0.5 must be at least 1"),
        ({"residual": -1}, "residual=-1 must be at least 0"),
        ({"column_scales": [1.0, 2.0]}, r"column_scales has shape \(2,\)"),
        ({"column_scales": [1.0, 0.0, 2.0]}, "1 zeros"),
    ],
)
def test_bad_arguments_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        make_regression_problem(**({"n_samples": 10, "n_features": 3} | arguments))


def test_adversary():
    A, b, x = make_linf_adversary(20, 5, n_spikes=4)
    np.testing.assert_array_equal(A[:5], np.eye(5))
    assert not A[5:].any()
    assert not x.any()
    np.testing.assert_array_equal(b[-4:], 0.5)
    assert np.count_nonzero(b) == 4
    np.testing.assert_array_equal(np.linalg.lstsq(A, b)[0], x)
    with pytest.raises(ValueError, match="n_spikes=16 must be between 1 and n_samples - n_features = 15"):
        make_linf_adversary(20, 5, n_spikes=16)


def exact_least_squares(rows, y):
    """Solve the normal equations in rational arithmetic."""
    width = len(rows[0])
    system = [
        [sum(row[i] * row[j] for row in rows) for j in range(width)]
        + [sum(row[i] * value for row, value in zip(rows, y, strict=True))]
        for i in range(width)
    ]
    for i in range(width):
        system[i] = [entry / system[i][i] for entry in system[i]]
        for k in range(width):
            if k != i:
                factor = system[k][i]
                system[k] = [a - factor * b for a, b in zip(system[k], system[i], strict=True)]
    return [float(line[-1]) for line in system]


@pytest.mark.parametrize(
    ("name", "shape", "model"),
    [
        ("longley", (16, 7), lambda x: [Fraction(1), *x]),
        ("filip", (82, 11), lambda x: [x[0] ** power for power in range(11)]),
    ],
)
def test_certified_values_are_the_exact_solution(name, shape, model):
    """A slip in any figure of the stored data would show here."""
    X, y, certified = load_nist(name)
    assert X.shape == shape
    lines = (files("sparsesolve.datasets") / "data" / f"nist_{name}.txt").read_text().splitlines()
    table = [[Fraction(entry) for entry in line.split()] for line in lines if not line.startswith("#")]
    rows, targets = [model(line[1:]) for line in table], [line[0] for line in table]
    assert digits_of_agreement(exact_least_squares(rows, targets), certified) > 13
    np.testing.assert_allclose(X, np.array(rows, dtype=float), rtol=2.3e-16)
    np.testing.assert_array_equal(y, np.array(targets, dtype=float))


def test_unknown_nist_name():
    with pytest.raises(ValueError, match="name='norris' is not known: use one of 'filip', 'longley'"):
        load_nist("norris")


@pytest.mark.parametrize("window", [2, 3, 8])
def test_image_regression_is_the_neighbourhood(window):
    pytest.importorskip("PIL")
    from sklearn.datasets import load_sample_image

    image = load_sample_image("china.jpg")[:20] / 255
    X, y, shape = load_image_regression("china", window=window, channel=2, n_image_rows=20)
    assert X.shape == (20 * 640, 3 * (window**2 - 1))
    np.testing.assert_array_equal(y.reshape(shape), image[:, :, 2])
    row, column = 10, 300
    first, last = -(window // 2), window - window // 2
    around = image[row + first : row + last, column + first : column + last]
    expected = [
        around[i, j, colour]
        for colour in range(3)
        for i in range(window)
        for j in range(window)
        if (i + first, j + first) != (0, 0)
    ]
    np.testing.assert_array_equal(X[row * 640 + column], expected)
    # No feature is the target itself.
    assert not any(np.array_equal(feature, y) for feature in X.T)


@pytest.mark.parametrize("arguments", [{"name": "cat"}, {"channel": 3}, {"window": 1}])
def test_image_regression_names_bad_arguments(arguments):
    name, value = next(iter(arguments.items()))
    with pytest.raises(ValueError, match=f"{name}={value!r}"):
        load_image_regression(**arguments)


def test_digits_of_agreement():
    assert digits_of_agreement([1.001, 5.0], [1.0, 5.0]) == pytest.approx(3.0)
    assert digits_of_agreement([1.0], [1.0]) == pytest.approx(15.65, abs=0.01)
    assert digits_of_agreement([7.0], [1.0]) == 0.0
    assert digits_of_agreement([1e-5], [0.0]) == pytest.approx(5.0)
    assert digits_of_agreement([1e-3, 1e3], [0.0, 1e3], relative_to="largest") == pytest.approx(6.0)
    assert np.isnan(digits_of_agreement([np.nan], [1.0]))
    with pytest.raises(ValueError, match=r"estimate has shape \(1,\), but reference has \(2,\)"):
        digits_of_agreement([1.0], [1.0, 2.0])
    with pytest.raises(ValueError, match="relative_to='x'"):
        digits_of_agreement([1.0], [1.0], relative_to="x")
