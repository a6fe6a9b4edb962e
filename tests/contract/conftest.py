"""Each estimator under contract in turn."""

import numpy as np
import pytest

from .estimators import ENTRIES


@pytest.fixture(params=ENTRIES, ids=lambda entry: entry.name)
def entry(request):
    return request.param


@pytest.fixture
def rng():
    return np.random.default_rng(20260101)


@pytest.fixture
def data(entry, rng):
    """A problem that is large enough for the fast engines."""
    return entry.problem(rng)


@pytest.fixture
def small(entry, rng):
    return entry.problem(rng, n_rows=60)
