"""No growth over many fits, and no copy of the data."""

import gc
import tracemalloc

import numpy as np
import pytest


def peak_of(action):
    gc.collect()
    tracemalloc.start()
    try:
        action()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(("n_rows", "count"), [(30, 100), (8000, 5)])
def test_no_growth_over_many_fits(entry, rng, growth, n_rows, count):
    data = entry.problem(rng, n_rows=n_rows)
    model = entry.make(random_state=0).fit(*data)
    # Interned names and caches of other packages; one vector of targets kept a fit would be more.
    assert growth(lambda: model.fit(*data), count) < max(50_000, 0.5 * count * data[1].nbytes)


@pytest.fixture(scope="module")
def big():
    rng = np.random.default_rng(0)
    X = np.empty((1 << 17, 128))
    for start in range(0, len(X), 1 << 14):
        X[start : start + (1 << 14)] = rng.standard_normal((1 << 14, 128))
    return X, X[:, 0] + rng.standard_normal(len(X))


@pytest.mark.parametrize(("dtype", "order"), [(np.float64, "C"), (np.float64, "F"), (np.float32, "C")])
def test_extra_memory_of_a_big_fit(entry, big, dtype, order):
    """At most 5 % of X in float64, that of X in float32 included."""
    X, y = np.asarray(big[0], dtype=dtype, order=order), big[1]
    entry.make(random_state=0).fit(X[:2000], y[:2000])  # compiles
    extra = peak_of(lambda: entry.make(random_state=0).fit(X, y))
    assert extra <= 0.05 * big[0].nbytes
