"""Bad input: a ValueError that names the argument and the value."""

import numpy as np
import pytest
import scipy.sparse


def refused(entry, X, y, match, **more):
    with pytest.raises(ValueError, match=match):
        entry.make(random_state=0).fit(X, y, **more)


@pytest.fixture(params=[60, 8000], ids=["few-rows", "many-rows"])
def any_size(request, entry, rng):
    return entry.problem(rng, n_rows=request.param)


@pytest.mark.parametrize(("value", "text"), [(np.nan, "NaN"), (np.inf, "inf"), (-np.inf, "inf")])
@pytest.mark.parametrize("place", [(0, 0), (-1, -1), (31, 4)])
@pytest.mark.parametrize("convert", [np.array, np.float32, np.asfortranarray, scipy.sparse.csr_array])
def test_matrix_not_finite(entry, any_size, value, text, place, convert):
    X, y = any_size
    X[place] = value
    refused(entry, convert(X), y, rf"(?i)\bX\b.*{text}")


def test_message_names_the_place(entry, any_size):
    X, y = any_size
    X[31, 4] = np.nan
    refused(entry, X, y, r"X\[31, 4\] is NaN")
    y[5] = np.inf
    refused(entry, np.nan_to_num(X), y, r"y\[5\] is infinity")


@pytest.mark.parametrize("weight", [0.0, 1e-300])
def test_not_finite_in_a_row_of_little_weight(entry, any_size, weight):
    X, y = any_size
    X[3, 2] = np.nan
    weights = np.ones(len(y))
    weights[3] = weight
    refused(entry, X, y, r"\bX\b.*NaN", sample_weight=weights)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_targets_not_finite(entry, any_size, value):
    X, y = any_size
    y[-1] = value
    refused(entry, X, y, r"\by\b")


def test_missing_targets(entry, small):
    refused(entry, small[0], None, "requires y to be passed")


@pytest.mark.parametrize("shape", [(9,), (60, 3, 3), ()])
def test_matrix_of_wrong_dimension(entry, small, shape):
    refused(entry, np.zeros(shape), small[1], r"\bX\b|2D|shape|array")


@pytest.mark.parametrize("shape", [(0, 9), (60, 0), (0, 0)])
def test_empty_matrix(entry, shape):
    refused(entry, np.zeros(shape), np.zeros(shape[0]), r"0 sample|0 feature|empty")


@pytest.mark.parametrize("shape", [(59,), (61,), (0,), (), (60, 2, 2), (60, 0)])
def test_targets_of_wrong_shape(entry, small, shape):
    refused(entry, small[0], np.ones(shape), r"\by\b")


@pytest.mark.parametrize("shape", [(59,), (61,), (60, 1), (60, 2), (0,)])
def test_weights_of_wrong_shape(entry, small, shape):
    refused(entry, *small, "sample_weight", sample_weight=np.ones(shape))


@pytest.mark.parametrize("value", [-1.0, np.nan, np.inf, -np.inf])
def test_bad_weight(entry, any_size, value):
    X, y = any_size
    weights = np.ones(len(y))
    weights[7] = value
    refused(entry, X, y, r"sample_weight\[7\]", sample_weight=weights)


def test_no_positive_weight(entry, small):
    refused(entry, *small, "sample_weight", sample_weight=np.zeros(60))


@pytest.mark.parametrize("bad", ["X", "y", "sample_weight"])
def test_complex_numbers(entry, small, bad):
    data = {"X": small[0], "y": small[1], "sample_weight": np.ones(60)}
    data[bad] = data[bad].astype(complex)
    refused(entry, data["X"], data["y"], r"(?i)complex", sample_weight=data["sample_weight"])


@pytest.mark.parametrize("bad", ["X", "y", "sample_weight"])
def test_strings(entry, small, bad):
    data = {"X": small[0], "y": small[1], "sample_weight": np.ones(60)}
    data[bad] = np.full(data[bad].shape, "many")
    refused(entry, data["X"], data["y"], rf"\b{bad}\b", sample_weight=data["sample_weight"])


@pytest.mark.parametrize(
    ("name", "values"),
    {
        "tol": [-1.0, np.nan, np.inf, "small"],
        "max_iter": [0, -3, 2.5, True, "many"],
        "max_time": [-1.0, np.nan, "long"],
        "random_state": [-1, 2**64, 1.5, "seed"],
        "backend": ["cuda", 3, None, []],
    }.items(),
)
def test_bad_parameters(entry, small, name, values):
    for value in values:
        with pytest.raises(ValueError, match=name):
            entry.make(**{name: value}).fit(*small)


def test_constructor_checks_nothing(entry):
    """scikit-learn's rule: only fit looks at parameters."""
    assert entry.make(tol="nonsense").tol == "nonsense"


def test_predict_refuses_other_features(entry, small):
    model = entry.make(random_state=0).fit(*small)
    with pytest.raises(ValueError, match="features"):
        model.predict(small[0][:, :3])
    with pytest.raises(ValueError, match="NaN"):
        model.predict(np.full((2, small[0].shape[1]), np.nan))


def test_failed_fit_leaves_the_old_one(entry, small):
    model = entry.make(random_state=0).fit(*small)
    before = entry.answer(model)
    with pytest.raises(ValueError, match="y"):
        model.fit(small[0], small[1][:-1])
    np.testing.assert_array_equal(entry.answer(model), before)
