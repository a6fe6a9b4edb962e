"""Interrupts, budgets and callbacks: the right status, one warning, a usable state."""

import logging
import os
import signal
import warnings

import numpy as np
import pytest

from sparsesolve.exceptions import ConvergenceWarning
from sparsesolve.result import Status


def fit_and_count(model, data):
    """The fitted model and the warnings of the fit."""
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        model.fit(*data)
    return model, seen


def usable(entry, model, data):
    assert np.all(np.isfinite(entry.answer(model)))
    assert model.predict(data[0]).shape == data[1].shape
    assert len(model.result_.trace) == model.n_iter_ == model.result_.n_iter


def warned_once(seen, model, status):
    assert [warning.category for warning in seen] == [ConvergenceWarning]
    text = str(seen[0].message)
    assert status.name in text
    assert status.help in text
    assert f"{np.nanmin(model.result_.trace['certificate']):.1e}" in text
    assert model.result_.status is status
    assert not model.converged_


def test_converged_fit_is_silent(entry, data):
    model, seen = fit_and_count(entry.make(random_state=0), data)
    assert seen == []
    assert model.result_.status is Status.CONVERGED
    usable(entry, model, data)


def test_one_iteration_that_is_not_enough(entry, data):
    model, seen = fit_and_count(entry.make(random_state=0, max_iter=1, **entry.stalls), data)
    warned_once(seen, model, Status.MAX_ITER)
    assert "max_iter" in str(seen[0].message)
    assert model.n_iter_ == 1
    usable(entry, model, data)


def test_one_iteration(entry, data):
    """Whether one iteration is enough or not, the status and the certificate tell the same story."""
    model, seen = fit_and_count(entry.make(random_state=0, max_iter=1), data)
    assert model.converged_ == (not seen)
    assert model.converged_ == (entry.recomputed(model, *data) < 4e-16)
    usable(entry, model, data)


def test_tolerance_below_rounding_stalls(entry, data):
    model, seen = fit_and_count(entry.make(random_state=0, **entry.stalls), data)
    warned_once(seen, model, Status.STALLED)
    usable(entry, model, data)
    assert entry.recomputed(model, *data) < 4e-16  # stalled, but at the end of what rounding allows


def test_time_limit(entry, data):
    model, seen = fit_and_count(entry.make(random_state=0, max_time=0.0, **entry.stalls), data)
    warned_once(seen, model, Status.TIME_LIMIT)
    assert model.n_iter_ == 1
    usable(entry, model, data)


def test_warning_points_at_the_caller(entry, data):
    _, seen = fit_and_count(entry.make(random_state=0, max_iter=1, **entry.stalls), data)
    assert seen[0].filename == __file__


def test_interrupt_keeps_the_best_iterate(entry, data):
    def interrupt(iterate):
        raise KeyboardInterrupt

    model, seen = fit_and_count(entry.make(random_state=0, callback=interrupt, **entry.stalls), data)
    warned_once(seen, model, Status.STOPPED)
    usable(entry, model, data)


@pytest.mark.skipif(os.name == "nt", reason="signals")
def test_signal_keeps_the_best_iterate(entry, data):
    def press_control_c(iterate):
        os.kill(os.getpid(), signal.SIGINT)

    # A shell's background jobs are started with the signal ignored.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        model, seen = fit_and_count(
            entry.make(random_state=0, callback=press_control_c, **entry.stalls), data
        )
    finally:
        signal.signal(signal.SIGINT, before)
    warned_once(seen, model, Status.STOPPED)
    usable(entry, model, data)


def test_callback_stops(entry, data):
    calls = []

    def stop(iterate):
        calls.append(iterate)
        return len(calls) == 2

    model, seen = fit_and_count(entry.make(random_state=0, callback=stop, **entry.stalls), data)
    warned_once(seen, model, Status.STOPPED)
    assert model.n_iter_ == 2 == len(calls)
    assert calls[0].certificate == model.result_.trace["certificate"][0]


def test_callback_sees_each_iteration(entry, data):
    calls = []
    model, _ = fit_and_count(entry.make(random_state=0, callback=calls.append, **entry.stalls), data)
    assert len(calls) == model.n_iter_ > 1
    np.testing.assert_array_equal([call.certificate for call in calls], model.result_.trace["certificate"])


def test_error_in_a_callback_reaches_the_caller(entry, data):
    def fail(iterate):
        raise LookupError("mine")

    with pytest.raises(LookupError, match="mine"):
        entry.make(random_state=0, callback=fail).fit(*data)
    assert entry.make(random_state=0).fit(*data).converged_  # nothing was left locked


def test_answer_is_the_best_of_the_trace(entry, data):
    model, _ = fit_and_count(entry.make(random_state=0, **entry.stalls), data)
    assert entry.claimed(model) <= np.min(model.result_.trace["certificate"])


def test_trace(entry, data):
    trace = entry.make(random_state=0).fit(*data).result_.trace
    np.testing.assert_array_equal(trace["iteration"], np.arange(1, len(trace) + 1))
    assert np.all(np.diff(trace["time"]) >= 0)
    assert trace["objective"].shape == trace["certificate"].shape == (len(trace),)


def test_progress_is_logged_when_asked_for(entry, data, caplog, capsys):
    caplog.set_level(logging.INFO, logger="sparsesolve")
    entry.make(random_state=0).fit(*data)
    assert caplog.records == []
    model = entry.make(random_state=0, verbose=True).fit(*data)
    assert len(caplog.records) == model.n_iter_
    assert capsys.readouterr() == ("", "")


def test_scikit_learn_callbacks(entry, data):
    """The callbacks of scikit-learn 1.9 see the fit, and can stop it."""
    callback = pytest.importorskip("sklearn.callback")
    if not hasattr(entry.make(), "set_callbacks"):
        pytest.skip("scikit-learn before 1.9")

    class Watcher:
        def __init__(self):
            self.seen = []

        def setup(self, estimator, context):
            pass

        def teardown(self, estimator, context):
            pass

        def on_fit_task_begin(self, estimator, context, **more):
            pass

        def on_fit_task_end(self, estimator, context, **more):
            self.seen.append(context.task_name)
            return True

    assert isinstance(Watcher(), callback.FitCallback)
    watcher = Watcher()
    model = entry.make(random_state=0, **entry.stalls)
    model.set_callbacks(watcher)
    model, seen = fit_and_count(model, data)
    warned_once(seen, model, Status.STOPPED)
    assert watcher.seen.count("iteration") == 1
