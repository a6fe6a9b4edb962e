"""The distributions under test, and how large the statistical tests are."""

import pytest

from sparsesolve import sketch

OBLIVIOUS = {
    "srht": sketch.SRHT,
    "padded-srht": sketch.PaddedSRHT,
    "gaussian": sketch.Gaussian,
    "rademacher": sketch.Rademacher,
    "countsketch": sketch.CountSketch,
    "sparse-sign": sketch.SparseSign,
    "multisketch": sketch.Multisketch,
}


@pytest.fixture(params=[*OBLIVIOUS, "leverage"])
def name(request):
    """Each distribution in turn, by name."""
    return request.param


@pytest.fixture(params=["srht", "padded-srht", "gaussian", "rademacher"])
def dense_name(request):
    """Each dense distribution in turn."""
    return request.param


@pytest.fixture
def draws(request):
    """A function that picks a number of draws for the quick and the full form."""
    full = request.config.getoption("--full", default=False)
    return lambda quick, more: more if full else quick
