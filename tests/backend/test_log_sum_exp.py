"""Log-sum-exp over rows and columns, and the entries of a plan that matter, against scipy in float64."""

import numpy as np
import pytest
from scipy.spatial.distance import cdist
from scipy.special import logsumexp

from sparsesolve.operators.log_sum_exp import log_sum_exp_columns, log_sum_exp_rows

REG = 0.01
# A unit of the exponents' size, (f - c) / reg up to 100.
TOLERANCE = {np.float64: 1e-13, np.float32: 5e-5}


def problem(n, m, dtype, seed=0):
    rng = np.random.default_rng(seed)
    C, f, g = rng.random((n, m)).astype(dtype), rng.random(n).astype(dtype), rng.random(m).astype(dtype)
    if min(n, m) > 2:
        f[1], g[2] = -np.inf, -np.inf
    return C, f, g


def check(rows, columns, C, f, g, dtype):
    """Without a guess, and with good and bad ones."""
    exact_rows = logsumexp((g.astype(float) - C) / REG, axis=1)
    exact_columns = logsumexp((f[:, None].astype(float) - C) / REG, axis=0)
    for by, potential, exact in ((rows, g, exact_rows), (columns, f, exact_columns)):
        found = by(potential, REG)
        assert found.dtype == dtype
        assert np.abs(found - exact).max() < TOLERANCE[dtype]
        mixed = np.where(np.arange(exact.size) % 2 == 0, found, -1e5).astype(dtype)
        for guess in (found, found + dtype(3.0), found + dtype(1e4), np.full_like(found, -np.inf), mixed):
            assert np.abs(by(potential, REG, guess) - exact).max() < TOLERANCE[dtype]
        assert np.array_equal(by(potential, REG), found)
        nothing = by(np.full_like(potential, -np.inf), REG)
        assert np.isneginf(nothing).all()
        # A guess of -inf is no reason to believe it.
        assert np.abs(by(potential, REG, nothing) - exact).max() < TOLERANCE[dtype]


# Float64 is compiled for costs of points, below; for stored ones too in the full form.
@pytest.mark.parametrize("dtype", [pytest.param(np.float64, marks=pytest.mark.slow), np.float32])
def test_compiled(dtype):
    for n, m in ((1, 1), (5, 7), (40, 513)):
        C, f, g = problem(n, m, dtype)
        check(
            lambda *given, C=C: log_sum_exp_rows(C, *given), lambda *given, C=C: log_sum_exp_columns(C, *given),
            C, f, g, dtype,
        )  # fmt: skip


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.usefixtures("poisoned")
def test_on_device(device_runtime, each_form, dtype):
    from sparsesolve.operators.device import DeviceCost

    for n, m in ((1, 1), (5, 7), (300, 513)):
        C, f, g = problem(n, m, dtype)
        cost = DeviceCost(device_runtime, C)
        check(cost.rows, cost.columns, C, f, g, dtype)


def test_empty():
    assert log_sum_exp_rows(np.empty((0, 3)), np.zeros(3), 1.0).shape == (0,)
    assert np.isneginf(log_sum_exp_columns(np.empty((0, 3)), np.empty(0), 1.0)).all()
    assert np.isneginf(log_sum_exp_rows(np.empty((2, 0)), np.empty(0), 1.0)).all()


@pytest.mark.usefixtures("poisoned")
def test_empty_on_device(device_runtime):
    from sparsesolve.operators.device import DeviceCost

    assert DeviceCost(device_runtime, np.empty((0, 3))).rows(np.zeros(3), 1.0).shape == (0,)
    assert np.isneginf(DeviceCost(device_runtime, np.empty((2, 0))).rows(np.empty(0), 1.0)).all()


@pytest.mark.parametrize(("form", "code", "metric"), [
    ("cpu", 0, "sqeuclidean"), ("gpu", 0, "sqeuclidean"), ("gpu", 1, "euclidean"), ("cpu", 2, "cityblock"),
    ("gpu", 3, "cosine"),
])  # fmt: skip
@pytest.mark.usefixtures("poisoned")
def test_costs_of_points(device_runtime, monkeypatch, form, code, metric):
    from sparsesolve.backends import opencl
    from sparsesolve.operators.device import DeviceCost

    monkeypatch.setenv(opencl.FORM_VARIABLE, form)
    rng = np.random.default_rng(6)
    X, Y = rng.random((300, 3)) + 0.1, rng.random((140, 3)) + 0.1
    if metric == "cosine":
        X, Y = (points / np.linalg.norm(points, axis=1)[:, None] for points in (X, Y))
    C, f, g = cdist(X, Y, metric), rng.random(300), rng.random(140)
    points = (X, np.ascontiguousarray(Y.T), code)
    cost = DeviceCost(device_runtime, points)
    for rows, columns in ((cost.rows, cost.columns), (
        lambda *given: log_sum_exp_rows(points, *given), lambda *given: log_sum_exp_columns(points, *given)
    )):  # fmt: skip
        assert np.abs(rows(g, 0.1) - logsumexp((g - C) / 0.1, axis=1)).max() < 1e-13
        assert np.abs(columns(f, 0.1) - logsumexp((f[:, None] - C) / 0.1, axis=0)).max() < 1e-13


@pytest.mark.usefixtures("poisoned")
def test_entries_above(device_runtime, each_form):
    from sparsesolve.operators.device import DeviceCost

    C, f, g = problem(300, 270, np.float64)
    f[1] = g[2] = 0.0
    f -= 1.0  # exponents up to 100 - 0
    row_levels, column_levels = np.linspace(-30.0, -20.0, 300), np.linspace(-5.0, 5.0, 270)
    exponents = (f[:, None] + g - C) * (1.0 / REG)
    kept = exponents > row_levels[:, None] + column_levels
    kept[7] = False
    row_levels[7] = np.inf  # an empty row
    plan = np.where(kept, np.exp(exponents), 0.0)
    cost = DeviceCost(device_runtime, C)
    found = cost.entries_above(f, g, REG, row_levels, column_levels)
    assert found.n_entries == kept.sum() > 1000
    x, y = np.random.default_rng(7).random((2, 300))
    assert np.allclose(found.matvec(x[:270]), plan @ x[:270], rtol=1e-12)
    assert np.allclose(found.rmatvec(y), plan.T @ y, rtol=1e-12)
    assert cost.entries_above(f, g, REG, row_levels, column_levels, most=100) is None
    levels = np.linspace(-40.0, 0.0, 8)
    assert np.array_equal(
        cost.count_above(f, g, REG, levels), [(exponents > level).sum() for level in levels]
    )


@pytest.mark.parametrize("form", ["cpu", "gpu"])
def test_bits_do_not_depend_on_buffers(device_runtime, monkeypatch, form):
    from dataclasses import replace

    from sparsesolve.backends import opencl
    from sparsesolve.operators.device import DeviceCost

    monkeypatch.setenv(opencl.FORM_VARIABLE, form)
    C, f, g = problem(900, 40, np.float64)
    f[1] = g[2] = 0.0
    answers = []
    for largest in (device_runtime.device.largest_buffer, 100_000):
        monkeypatch.setattr(device_runtime, "device", replace(device_runtime.device, largest_buffer=largest))
        cost = DeviceCost(device_runtime, C)
        rows, columns = cost.rows(g, REG), cost.columns(f, REG)
        kept = cost.entries_above(f - 1.0, g, REG, np.full(900, -9.0), np.zeros(40))
        answers.append([
            rows, columns, cost.rows(g, REG, rows), cost.columns(f, REG, columns), kept.matvec(g), kept.rmatvec(f)
        ])  # fmt: skip
    assert len(cost._bounds) > 1
    for one, other in zip(*answers, strict=True):
        assert np.array_equal(one, other)


def test_bits_do_not_depend_on_threads(monkeypatch):
    from sparsesolve.operators import log_sum_exp

    monkeypatch.setattr(log_sum_exp, "_CHUNK", 1 << 12)
    C, f, g = problem(200, 300, np.float32)
    answers = []
    for threads in ("1", "4"):
        monkeypatch.setenv("SPARSESOLVE_NUM_THREADS", threads)
        answers.append(np.concatenate([log_sum_exp_rows(C, g, REG), log_sum_exp_columns(C, f, REG)]))
    assert np.array_equal(*answers)
