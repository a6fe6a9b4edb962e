"""Each estimator under contract in turn."""

import gc
import tracemalloc

import numpy as np
import pytest

from .estimators import ENTRIES


@pytest.fixture(params=ENTRIES, ids=lambda entry: entry.name)
def entry(request):
    return request.param


@pytest.fixture
def growth():
    """``growth(action, count)``: bytes that the package holds on to after so many more calls.

    Only what was allocated below one of its own files counts: other tests may have left threads that allocate too.
    """

    def measure(action, count):
        def held():
            gc.collect()
            own = tracemalloc.take_snapshot().filter_traces(
                [tracemalloc.Filter(True, "*/sparsesolve/*", all_frames=True)]
            )
            return sum(trace.size for trace in own.traces)

        tracemalloc.start(5)
        try:
            action()
            before = held()
            for _ in range(count):
                action()
            return held() - before
        finally:
            tracemalloc.stop()

    return measure


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
