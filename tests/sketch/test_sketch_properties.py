"""Laws that hold for every matrix: linearity, order of columns, odd shapes."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sparsesolve.sketch import from_name

NAMES = ["srht", "padded-srht", "gaussian", "rademacher", "countsketch", "sparse-sign", "leverage"]
EXAMPLES = settings(max_examples=40, deadline=None, derandomize=True)


@st.composite
def problems(draw):
    """A sample of any distribution, and a matrix of any small shape that it applies to."""
    name = draw(st.sampled_from(NAMES))
    n = draw(st.integers(1, 400))
    size = draw(st.integers(8 if name == "sparse-sign" else 1, n if name == "padded-srht" else 300))
    d = draw(st.integers(1, 80))
    seed = draw(st.integers(0, 2**64 - 1))
    A = np.random.default_rng(draw(st.integers(0, 1000))).standard_normal((n, d))
    return from_name(name, size, seed).sample(A), A


@EXAMPLES
@given(problems())
def test_product_and_adjoint_equal_those_of_the_array(problem):
    sample, A = problem
    S = sample.to_array()
    scale = max(1.0, np.abs(S).max())
    np.testing.assert_allclose(sample.apply(A), S @ A, rtol=0, atol=1e-12 * scale * A.shape[0])
    Y = sample.apply(A)[:, :5]
    np.testing.assert_allclose(sample.adjoint(Y), S.T @ Y, rtol=0, atol=1e-12 * scale**2 * A.shape[0])


@EXAMPLES
@given(problems(), st.floats(-10, 10))
def test_linearity(problem, factor):
    sample, A = problem
    B = np.cos(A)
    together = sample.apply(A + factor * B)
    apart = sample.apply(A) + factor * sample.apply(B)
    np.testing.assert_allclose(together, apart, rtol=0, atol=1e-12 * (1 + np.abs(apart).max()) * A.shape[0])


@EXAMPLES
@given(problems(), st.randoms(use_true_random=False))
def test_columns_do_not_meet(problem, random):
    sample, A = problem
    order = random.sample(range(A.shape[1]), A.shape[1])
    np.testing.assert_allclose(sample.apply(A[:, order]), sample.apply(A)[:, order], rtol=1e-12, atol=1e-12)


@EXAMPLES
@given(problems(), st.data())
def test_two_blocks_add_up(problem, data):
    sample, A = problem
    cut = data.draw(st.integers(0, A.shape[0]))
    parts = [(A[:cut], 0), (A[cut:], cut)]
    total = sum(sample.apply_block(block, first) for block, first in parts if len(block))
    np.testing.assert_allclose(
        total, sample.apply(A), rtol=0, atol=1e-12 * A.shape[0] * max(1, np.abs(total).max())
    )


@pytest.mark.parametrize("n", [1, 7, 8, 63, 64, 65, 127, 129, 1025])
@pytest.mark.parametrize("size", [1, 64, 65, 1024])
def test_srht_of_shapes_around_its_blocks(n, size):
    sample = from_name("srht", size, 1).sample(n)
    for d in (1, 8, 9):
        A = np.random.default_rng(d).standard_normal((n, d))
        np.testing.assert_allclose(sample.apply(A), sample.to_array() @ A, atol=1e-11)
