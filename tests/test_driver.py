"""The iteration driver, with toy solvers."""

import logging
import math
import time

import numpy as np
import pytest

from sparsesolve.driver import TICK, Iterate, drive
from sparsesolve.result import Result, Status, Trace


def toy(certificates, status=None, closed=None):
    """A solver that yields iterates of these certificates, or ticks for None."""
    try:
        for k, certificate in enumerate(certificates):
            yield TICK if certificate is None else Iterate(k, certificate, objective=float(k))
        return status
    finally:
        if closed is not None:
            closed.append(True)


def run(certificates, status=None, tol=0.1, max_iter=100, **more):
    return drive(toy(certificates, status), tol=tol, max_iter=max_iter, **more)


def test_converges_at_the_tolerance():
    outcome = run([1.0, 0.5, 0.1, 0.01])
    assert outcome.status is Status.CONVERGED
    assert outcome.best.solution == 2
    assert outcome.n_iter == 3


def test_goes_on_below_the_tolerance_while_that_is_cheap():
    iterates = [
        Iterate(k, value, goes_on=value > 0.01) for k, value in enumerate([0.05, 0.02, 0.001, 0.0001])
    ]
    outcome = drive((iterate for iterate in iterates), tol=0.1, max_iter=100)
    assert outcome.best.solution == 2
    assert outcome.status is Status.CONVERGED


def test_keeps_the_best_not_the_last():
    outcome = run([1.0, 0.3, 0.7])
    assert outcome.best.solution == 1
    assert outcome.status is Status.STALLED


def test_best_within_the_tolerance_is_converged_however_it_ended():
    iterates = [Iterate(0, 0.05, goes_on=True), Iterate(1, 0.5, goes_on=True)]
    outcome = drive((iterate for iterate in iterates), tol=0.1, max_iter=2)
    assert outcome.status is Status.CONVERGED
    assert outcome.best.solution == 0


def test_the_solver_may_know_better_why_it_ended():
    assert run([1.0], Status.ILL_POSED).status is Status.ILL_POSED


def test_iteration_budget():
    outcome = run([1.0] * 50, max_iter=7)
    assert outcome.status is Status.MAX_ITER
    assert outcome.n_iter == len(outcome.trace) == 7


def test_ticks_are_no_iterations():
    outcome = run([None, None, 1.0, None, 0.5, None], max_iter=2)
    assert outcome.n_iter == 2
    assert outcome.status is Status.MAX_ITER


def test_time_limit_is_met_between_ticks():
    def slow():
        yield Iterate("kept", 1.0)
        while True:
            time.sleep(0.01)
            yield TICK

    outcome = drive(slow(), tol=0.1, max_iter=10, max_time=0.05)
    assert outcome.status is Status.TIME_LIMIT
    assert outcome.best.solution == "kept"
    assert outcome.solve_time < 5.0


def test_time_limit_waits_for_the_first_iterate():
    outcome = run([None, None, 1.0, 0.5], max_time=0.0)
    assert outcome.status is Status.TIME_LIMIT
    assert outcome.n_iter == 1


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_not_finite(value):
    assert run([value, value]).status is Status.NON_FINITE


def test_a_number_beats_nan():
    assert run([math.nan, 5.0, math.nan]).best.solution == 1
    assert run([math.nan, 0.05]).status is Status.CONVERGED


def test_callback_stops():
    outcome = run([3.0, 2.0, 1.0], callback=lambda iterate: iterate.certificate < 2.5)
    assert outcome.status is Status.STOPPED
    assert outcome.n_iter == 2


def test_callback_cannot_make_a_converged_run_a_stopped_one():
    assert run([0.01], callback=lambda iterate: True).status is Status.CONVERGED


def test_interrupt_keeps_the_best():
    def interrupted():
        yield Iterate("kept", 1.0)
        raise KeyboardInterrupt

    outcome = drive(interrupted(), tol=0.1, max_iter=10)
    assert outcome.status is Status.STOPPED
    assert outcome.best.solution == "kept"


def test_interrupt_before_the_first_iterate_is_passed_on():
    def interrupted():
        yield TICK
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        drive(interrupted(), tol=0.1, max_iter=10)


def test_error_of_a_solver_is_passed_on():
    def broken():
        yield Iterate("kept", 1.0)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        drive(broken(), tol=0.1, max_iter=10)


def test_solver_without_an_iterate():
    with pytest.raises(RuntimeError, match="without an iterate"):
        run([None])


@pytest.mark.parametrize("more", [{}, {"max_iter": 1}, {"callback": lambda iterate: True}])
def test_solver_is_always_closed(more):
    closed = []
    drive(toy([1.0, 1.0, 1.0], closed=closed), **{"tol": 0.1, "max_iter": 10} | more)
    assert closed == [True]


def test_solver_is_closed_after_an_error_in_the_callback():
    closed = []
    with pytest.raises(ZeroDivisionError):
        drive(toy([1.0], closed=closed), tol=0.1, max_iter=10, callback=lambda iterate: 1 / 0)
    assert closed == [True]


def test_trace_has_a_row_an_iterate_and_fills_gaps():
    iterates = [Iterate(0, 3.0, 9.0, {"stage": "a"}), Iterate(1, 2.0, 4.0, {"stage": "b", "size": 7})]
    trace = drive((iterate for iterate in iterates), tol=0.0, max_iter=10).trace
    assert len(trace) == 2
    np.testing.assert_array_equal(trace["iteration"], [1, 2])
    np.testing.assert_array_equal(trace["certificate"], [3.0, 2.0])
    np.testing.assert_array_equal(trace["objective"], [9.0, 4.0])
    np.testing.assert_array_equal(trace["size"], [np.nan, 7.0])
    assert list(trace["stage"]) == ["a", "b"]
    assert np.all(np.diff(trace["time"]) >= 0)


def test_times_add_up():
    def slow():
        time.sleep(0.03)
        yield Iterate(0, 1.0)
        time.sleep(0.02)
        yield Iterate(1, 0.5)

    outcome = drive(slow(), tol=0.1, max_iter=10)
    assert outcome.setup_time >= 0.03
    assert outcome.solve_time >= 0.02
    assert outcome.trace["time"][0] == pytest.approx(outcome.setup_time, abs=1e-3)


def test_verbose_logs_each_iterate(caplog):
    caplog.set_level(logging.INFO, logger="sparsesolve")
    run([3.0, None, 2.0], verbose=True)
    assert [record.getMessage() for record in caplog.records] == [
        "iteration 1: certificate 3.000e+00",
        "iteration 2: certificate 2.000e+00",
    ]


def test_every_status_says_what_it_means():
    for status in Status:
        assert status.help.endswith(".")
        assert len(status.help) > 20


def test_result_is_frozen():
    from sparsesolve.backends import select

    result = Result(None, Status.STALLED, 1, {}, Trace({}), 0.0, 0.0, select())
    assert not result.converged
    assert len(result.trace) == 0
    with pytest.raises(AttributeError):
        result.status = Status.CONVERGED
