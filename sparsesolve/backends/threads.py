"""Fixed chunks of work on Python threads: the answer depends on the chunks, never on the number of threads."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext

from threadpoolctl import ThreadpoolController

_NARROW = 512
_LIMITS = ("SPARSESOLVE_NUM_THREADS", "OMP_NUM_THREADS", "NUMBA_NUM_THREADS")


class _Blas:
    """The BLAS libraries of this process, and who holds them at one thread."""

    def __init__(self):
        self.reset()

    def reset(self):
        """Begin with an empty record."""
        self.lock = threading.Lock()
        self.holders = 0
        self.limiter = None
        self.threads_before = 0
        self.controller = None

    def begin_in_child(self):
        """After a fork: the parent's holders do not run here, so that their limit ends."""
        limiter, controller = self.limiter if self.holders else None, self.controller
        self.reset()
        self.controller = controller
        if limiter is not None:
            limiter.restore_original_limits()

    def libraries(self) -> ThreadpoolController:
        if self.controller is None:
            import scipy.linalg  # noqa: F401  (loads scipy's BLAS, so that the controller can see it)

            self.controller = ThreadpoolController().select(user_api="blas")
        return self.controller

    def threads(self) -> int:
        if self.holders:
            return self.threads_before
        # The most: some package may have brought a single-threaded BLAS of its own, which nobody here calls.
        counts = [library.num_threads for library in self.libraries().lib_controllers]
        return max(counts, default=os.cpu_count() or 1)


_blas = _Blas()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_blas.begin_in_child)


def num_threads() -> int:
    """Threads that a fit may use now.

    The least of: the processors this process may run on, the environment variables ``SPARSESOLVE_NUM_THREADS``,
    ``OMP_NUM_THREADS`` and ``NUMBA_NUM_THREADS``, and what BLAS is limited to at this moment, so that
    ``threadpoolctl.threadpool_limits(1)`` limits the whole fit.
    """
    affinity = getattr(os, "sched_getaffinity", None)
    limits = [len(affinity(0)) if affinity else os.cpu_count() or 1, _blas.threads()]
    limits += [int(os.environ[name]) for name in _LIMITS if os.environ.get(name, "").isdigit()]
    return max(1, min(limits))


@contextmanager
def single_threaded_blas() -> Iterator[None]:
    """Hold BLAS at one thread a call, so that chunks side by side do not fight over the processors."""
    with _blas.lock:
        if _blas.holders == 0:
            libraries = _blas.libraries()
            _blas.threads_before = _blas.threads()
            _blas.limiter = libraries.limit(limits=1)
        _blas.holders += 1
    try:
        yield
    finally:
        with _blas.lock:
            _blas.holders -= 1
            if _blas.holders == 0:
                _blas.limiter.restore_original_limits()


def blas_for(width: int):
    """A context for work on square matrices of that width: BLAS threads cost small ones more than they bring."""
    return single_threaded_blas() if width <= _NARROW else nullcontext()


def run_chunks(task: Callable[[int], object], n_chunks: int) -> list:
    """Call ``task(0) ... task(n_chunks - 1)`` on up to `num_threads()` threads; results in the order of the chunks.

    BLAS calls inside a task use one thread each, so that the results are the same for every number of threads.
    """
    workers = min(num_threads(), n_chunks)
    with single_threaded_blas():
        if workers <= 1:
            return [task(index) for index in range(n_chunks)]
        with ThreadPoolExecutor(workers, thread_name_prefix="sparsesolve") as pool:
            return list(pool.map(task, range(n_chunks)))
