"""A fitted model survives being copied, sent to other processes, and forked."""

import copy
import faulthandler
import multiprocessing
import os
import pickle
import signal
import sys
import threading
import time

import joblib
import numpy as np
import pytest
from sklearn.base import clone

from sparsesolve.backends.threads import num_threads, run_chunks

TIME_OUT = 30.0


def fitted(entry, data):
    return entry.make(random_state=0).fit(*data)


@pytest.mark.parametrize("protocol", range(2, pickle.HIGHEST_PROTOCOL + 1))
def test_pickle(entry, data, protocol):
    model = fitted(entry, data)
    again = pickle.loads(pickle.dumps(model, protocol))
    np.testing.assert_array_equal(entry.answer(again), entry.answer(model))
    np.testing.assert_array_equal(again.predict(data[0]), model.predict(data[0]))
    assert again.result_.status is model.result_.status
    assert dict(again.result_.certificate) == dict(model.result_.certificate)


def test_pickle_holds_no_data(entry, data):
    assert len(pickle.dumps(fitted(entry, data))) < 0.1 * data[0].nbytes


def test_deep_copy(entry, data):
    model = fitted(entry, data)
    np.testing.assert_array_equal(entry.answer(copy.deepcopy(model)), entry.answer(model))


def test_clone_is_unfitted_and_fits_alike(entry, data):
    model = fitted(entry, data)
    twin = clone(model)
    assert not hasattr(twin, "result_")
    np.testing.assert_array_equal(entry.answer(twin.fit(*data)), entry.answer(model))


@pytest.mark.parametrize("backend", ["loky", "threading"])
def test_joblib(entry, data, backend):
    expected = entry.answer(fitted(entry, data))
    with joblib.parallel_config(backend, n_jobs=2):
        models = joblib.Parallel()(joblib.delayed(entry.make(random_state=0).fit)(*data) for _ in range(3))
    for model in models:
        np.testing.assert_array_equal(entry.answer(model), expected)


def _forked(action):
    """Run `action` in a forked child; return its exit code, None where it hangs."""
    child = os.fork()
    if child == 0:
        code = 1
        faulthandler.dump_traceback_later(0.8 * TIME_OUT)  # says where it hangs
        try:
            code = 0 if action() else 2
        finally:
            os._exit(code)
    end = time.monotonic() + TIME_OUT
    while time.monotonic() < end:
        pid, status = os.waitpid(child, os.WNOHANG)
        if pid:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.01)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return None


forks = pytest.mark.skipif(not hasattr(os, "fork") or sys.platform == "darwin", reason="no safe fork here")
# Python 3.12 warns of forks beside threads: that is what is tested.
quiet = pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")


@forks
@quiet
def test_forked_child_fits(entry, data):
    expected = entry.answer(fitted(entry, data))
    assert _forked(lambda: np.array_equal(entry.answer(fitted(entry, data)), expected)) == 0


@forks
@quiet
def test_forked_child_fits_while_the_parent_does(entry, data):
    """A fork in the middle of a fit, with the parent's locks and limits held, leaves the child free."""
    expected = entry.answer(fitted(entry, data))
    codes = []

    def fork_once(_):
        if not codes:
            codes.append(_forked(lambda: np.array_equal(entry.answer(fitted(entry, data)), expected)))

    model = entry.make(random_state=0, callback=fork_once).fit(*data)
    assert codes == [0]
    np.testing.assert_array_equal(entry.answer(model), expected)


@pytest.fixture
def parallel_work():
    """Another thread stands in the middle of parallel work, BLAS held at one thread, until the test ends."""
    inside, leave = threading.Event(), threading.Event()

    def work(chunk):
        inside.set()
        return leave.wait(TIME_OUT)

    thread = threading.Thread(target=run_chunks, args=(work, 2))
    thread.start()
    inside.wait(TIME_OUT)
    yield
    leave.set()
    thread.join()


@forks
@quiet
def test_forked_child_fits_while_another_thread_works(entry, data, parallel_work):
    """Only our own locks are held here: BLAS's own do not survive a fork in the middle of its work."""
    expected = entry.answer(fitted(entry, data))
    assert _forked(lambda: np.array_equal(entry.answer(fitted(entry, data)), expected)) == 0


@forks
@quiet
def test_forked_child_may_use_as_many_threads(request):
    before = num_threads()
    request.getfixturevalue("parallel_work")
    assert num_threads() == before
    assert _forked(lambda: num_threads() == before) == 0


def _fit_and_compare(entry_name, data, expected):
    from .estimators import ENTRIES

    entry = next(entry for entry in ENTRIES if entry.name == entry_name)
    sys.exit(0 if np.array_equal(entry.answer(fitted(entry, data)), expected) else 1)


@forks
@quiet
def test_multiprocessing_fork(entry, data):
    expected = entry.answer(fitted(entry, data))
    context = multiprocessing.get_context("fork")
    child = context.Process(target=_fit_and_compare, args=(entry.name, data, expected))
    child.start()
    child.join(TIME_OUT)
    if child.exitcode is None:
        child.kill()
    assert child.exitcode == 0
