"""Fixtures of the regression tests."""

import numpy as np
import pytest


@pytest.fixture
def rng():
    return np.random.default_rng(7)


@pytest.fixture
def full(request):
    return request.config.getoption("--full", default=False)
