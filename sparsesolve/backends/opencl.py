"""The OpenCL runtime: devices, programs, kernels, buffers. The only module that imports pyopencl.

One runtime for each process and device, made under a lock. Queues, kernel objects and pools of memory belong to one
thread each: a kernel that two threads share mixes up their arguments, and a buffer its contents. A child that was
forked after OpenCL was used would hang inside the driver, and is refused.

Environment
-----------
SPARSESOLVE_OPENCL_DEVICE
    Number of a device in `devices()`, or a part of its or its platform's name.
SPARSESOLVE_OPENCL_MAX_BYTES
    No buffer larger than this; work is cut into smaller chunks, and gives the same bits.
SPARSESOLVE_OPENCL_FORM
    "cpu" or "gpu": which form of the kernels to use, whatever the device is.
"""

from __future__ import annotations

import atexit
import gc
import getpass
import hashlib
import logging
import os
import shutil
import tempfile
import threading
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np

from ..exceptions import BackendError
from .kernel_sources import kernel_source
from .threads import num_threads

logger = logging.getLogger("sparsesolve")

DEVICE_VARIABLE = "SPARSESOLVE_OPENCL_DEVICE"
BYTES_VARIABLE = "SPARSESOLVE_OPENCL_MAX_BYTES"
FORM_VARIABLE = "SPARSESOLVE_OPENCL_FORM"

_INSTALL = "install it with: pip install 'sparsesolve[opencl]'; see: python -m sparsesolve doctor"
# Their compiler is clang, whose own builtins are inlined; calls into the device library are not.
_CLANG_PLATFORMS = ("Portable Computing Language", "Intel")
_POCL_THREADS = ("POCL_MAX_PTHREAD_COUNT", "POCL_CPU_MAX_CU_COUNT", "POCL_MAX_COMPUTE_UNITS")
# Finds faults in kernels, a thousand times slower than they run elsewhere: only for those who ask for it.
_SIMULATOR = "Oclgrind"
_HALVINGS = 4

_lock = threading.RLock()
_first_pid: int | None = None
_runtimes: dict[tuple[int, int], Runtime] = {}


@atexit.register
def _release() -> None:
    # PoCL ends the process with an error where programs outlive the interpreter.
    _runtimes.clear()
    gc.collect()


class DeviceMemoryError(BackendError, MemoryError):
    """The device has no room for a buffer of the smallest useful size."""


@dataclass(frozen=True)
class Device:
    """What is known of an OpenCL device.

    Attributes
    ----------
    index : int
        Its number in `devices()`.
    name, platform : str
    kind : {"gpu", "cpu"}
        What kernels are written for; an accelerator counts as "gpu".
    has_float64 : bool
    global_bytes, largest_buffer : int
        Memory of the device and of its largest buffer, as the driver says now.
    compute_units : int
    """

    index: int
    name: str
    platform: str
    kind: str
    has_float64: bool
    global_bytes: int
    largest_buffer: int
    compute_units: int

    def __str__(self):
        return f"{self.name} ({self.platform})"


def installed() -> bool:
    """Whether pyopencl is there; it is not imported."""
    try:
        version("pyopencl")
    except PackageNotFoundError:
        return False
    return True


def devices() -> tuple[Device, ...]:
    """All OpenCL devices of this machine, GPUs first; empty where there is no platform.

    Raises
    ------
    BackendError
        Where pyopencl is missing, or in a child that was forked after OpenCL was used.
    """
    return tuple(described for described, _ in _found())


def find_device(name: str | int | None = None) -> Device:
    """Return the device with that number, or with that text in its name or its platform's.

    None asks the variable SPARSESOLVE_OPENCL_DEVICE, and without it takes the first GPU, else the first device.

    Raises
    ------
    BackendError
        Where there is no platform, or no such device; the message lists those there are.
    """
    found = devices()
    if not found:
        raise BackendError(f"no OpenCL platform was found on this machine: {_INSTALL}.")
    wanted = str(os.environ.get(DEVICE_VARIABLE, "") if name is None else name)
    if not wanted:
        return found[0]
    for device in found:
        if wanted == str(device.index) or (
            not wanted.isdigit() and wanted.casefold() in str(device).casefold()
        ):
            return device
    known = "; ".join(f"{device.index}: {device}" for device in found)
    raise BackendError(
        f"no OpenCL device {wanted!r}: give a number or a part of a name of one of these: {known}."
    )


def runtime(device: Device | None = None) -> Runtime:
    """Return this process's runtime for a device, made and tested at first use.

    Raises
    ------
    BackendError
        Where there is no device, or where it fails the self test.
    """
    device = find_device() if device is None else device
    with _lock:
        here = (os.getpid(), device.index)
        if here not in _runtimes:
            made = Runtime(device, _found()[device.index][1])
            from .self_test import check_device  # needs a runtime itself

            check_device(made)
            _runtimes[here] = made
        return _runtimes[here]


def _found() -> list[tuple[Device, Any]]:
    global _first_pid
    with _lock:
        if _first_pid not in (None, os.getpid()):
            raise BackendError(
                "OpenCL was used before this process was forked, and would hang here: use backend='numba', "
                "or start processes by 'spawn' or 'loky'."
            )
        try:
            _prepare_environment()
            import pyopencl as cl
        except ImportError as error:
            raise BackendError(
                f"backend='opencl' needs pyopencl, which is not installed: {_INSTALL}."
            ) from error
        _first_pid = os.getpid()
        try:
            platforms = cl.get_platforms()
        except cl.LogicError:  # the loader's way to say that there is none
            return []
        handles = [handle for platform in platforms for handle in platform.get_devices()]
        handles.sort(key=lambda handle: (handle.platform.name == _SIMULATOR, not _is_gpu(handle)))
        return [(_describe(index, handle), handle) for index, handle in enumerate(handles)]


def _is_gpu(handle) -> bool:
    import pyopencl as cl

    return not handle.type & cl.device_type.CPU


def _describe(index: int, handle) -> Device:
    largest = min(handle.max_mem_alloc_size, handle.global_mem_size // 4)
    return Device(
        index=index,
        name=handle.name.strip(),
        platform=handle.platform.name.strip(),
        kind="gpu" if _is_gpu(handle) else "cpu",
        has_float64=bool(handle.double_fp_config),
        global_bytes=handle.global_mem_size,
        largest_buffer=min(largest, int(os.environ.get(BYTES_VARIABLE, largest))),
        compute_units=handle.max_compute_units,
    )


def cache_folder() -> Path:
    """Where PoCL keeps what it has compiled: a folder of ours, so that it can be wiped when it is spoilt."""
    return Path(os.environ["POCL_CACHE_DIR"])


def _prepare_environment() -> None:
    """Set what PoCL and pyopencl read when they are loaded, where the user has not."""
    for variable in _POCL_THREADS:
        os.environ.setdefault(variable, str(num_threads()))
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    try:
        release = version("pocl-binary-distribution")
    except PackageNotFoundError:
        release = "system"
    folder = base / "sparsesolve" / f"pocl-{release}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError:
        folder = Path(tempfile.gettempdir()) / f"sparsesolve-pocl-{release}-{getpass.getuser()}"
        logger.info("no kernels can be kept in %s: they are kept in %s", base, folder)
        os.environ.setdefault("PYOPENCL_NO_CACHE", "1")  # it would fail in the same place
    os.environ.setdefault("POCL_CACHE_DIR", str(folder))


class Runtime:
    """A context on one device, with what threads need to run kernels on it.

    Parameters
    ----------
    device : Device
    handle : pyopencl.Device
    """

    def __init__(self, device: Device, handle):
        import pyopencl as cl

        self.device = device
        self._cl = cl
        self._context = cl.Context([handle])
        self._programs: dict[str, Any] = {}
        self._local = threading.local()

    def __repr__(self):
        return f"Runtime({self.device})"

    @property
    def form(self) -> str:
        """Which form of a kernel suits the device: "cpu" or "gpu"."""
        return os.environ.get(FORM_VARIABLE) or self.device.kind

    @property
    def queue(self):
        """The queue of the thread that asks."""
        if not hasattr(self._local, "queue"):
            self._local.queue = self._cl.CommandQueue(self._context)
        return self._local.queue

    @property
    def _pool(self):
        """Where a GPU's buffers come from, of the thread that asks; None for a CPU device.

        What is let go of while kernels still run is given to later ones of the same queue, which wait for them; those
        of another queue would not.
        """
        if self.device.kind != "gpu":
            return None
        if not hasattr(self._local, "pool"):
            tools = self._cl.tools
            self._local.pool = tools.MemoryPool(tools.ImmediateAllocator(self.queue))
        return self._local.pool

    def need_float64(self) -> None:
        """Raise where the device has no float64: nothing is narrowed silently."""
        if not self.device.has_float64:
            raise BackendError(
                f"{self.device} has no float64: use backend='numba', or give float32 where the method takes it."
            )

    def kernel(self, file: str, name: str, **defines) -> Callable[..., None]:
        """Return a kernel of a file, compiled with these macros, as a function ``(global, local, *arguments)``.

        The function starts the kernel on this thread's queue and returns at once. Sizes are tuples; the global size
        is a multiple of the local one.
        """
        options = tuple(f"-D{key}={value}" for key, value in sorted(defines.items()))
        kernels = self._local.__dict__.setdefault("kernels", {})
        key = (file, name, options)
        if key not in kernels:
            kernels[key] = self._make_kernel(file, name, options)
        made = kernels[key]

        def start(global_size, local_size, *arguments):
            made(self.queue, global_size, local_size, *[_raw(argument) for argument in arguments])
            if self._pool is None:
                # A CPU device reads the host's arrays in place, maybe after the caller has let go of them.
                self._held.extend(argument for argument in arguments if isinstance(argument, DeviceArray))

        return start

    @property
    def _held(self) -> list[DeviceArray]:
        """What the kernels that this thread has started may still use."""
        return self._local.__dict__.setdefault("held", [])

    def _make_kernel(self, file, name, options):
        try:
            return self._cl.Kernel(self._program(file, options), name)
        except (self._cl.RuntimeError, self._cl.LogicError) as error:
            # An interrupted compilation can leave a spoilt entry in PoCL's cache, which then fails for ever.
            logger.warning("the OpenCL kernel cache is spoilt (%s): it is emptied and made anew", error)
            self.empty_cache()
            try:
                return self._cl.Kernel(self._program(file, options), name)
            except (self._cl.RuntimeError, self._cl.LogicError) as again:
                raise BackendError(f"{self.device} cannot compile {name} of {file}: {again}") from again

    def _program(self, file, options):
        with _lock:
            key = hashlib.sha256("\0".join([kernel_source(file), *options]).encode()).hexdigest()
            if key not in self._programs:
                clang = self.device.kind == "cpu" and self.device.platform.startswith(_CLANG_PLATFORMS)
                flags = ["-DCLANG_BUILTINS"] if clang and self.form == "cpu" else []
                flags += ["-DHAS_FLOAT64"] if self.device.has_float64 else []
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore", self._cl.CompilerWarning)
                    program = self._cl.Program(self._context, kernel_source(file))
                    self._programs[key] = program.build([*flags, *options], cache_dir=False)
            return self._programs[key]

    def empty_cache(self) -> None:
        """Forget all compiled kernels, of this process and on the disk."""
        with _lock:
            self._programs.clear()
            self._local.__dict__.pop("kernels", None)
            if self.device.platform == "Portable Computing Language":
                shutil.rmtree(cache_folder(), ignore_errors=True)
                cache_folder().mkdir(parents=True, exist_ok=True)

    # Buffers -----------------------------------------------------------------------------------------------------

    def input(self, array: np.ndarray) -> DeviceArray:
        """A read-only array on the device. A CPU device reads the array where it lies; else it is copied."""
        array = np.ascontiguousarray(array)
        if array.size == 0:
            return self.empty(array.shape, array.dtype)
        flags = self._cl.mem_flags
        if self._pool is None:
            return DeviceArray(
                self, self._buffer(flags.READ_ONLY | flags.USE_HOST_PTR, array.nbytes, array), array
            )
        out = self.empty(array.shape, array.dtype)
        self._cl.enqueue_copy(self.queue, out.buffer, array, is_blocking=True)
        return out

    def output(self, array: np.ndarray) -> DeviceArray:
        """The device's side of an array that is to be written, C-contiguous; `DeviceArray.read` brings it home."""
        if not (array.flags.c_contiguous and array.flags.writeable):
            raise ValueError("array must be contiguous and writeable, so that a device can write it.")
        if array.size and self._pool is None:
            flags = self._cl.mem_flags
            return DeviceArray(
                self, self._buffer(flags.READ_WRITE | flags.USE_HOST_PTR, array.nbytes, array), array
            )
        return self.empty(array.shape, array.dtype)

    def empty(self, shape, dtype) -> DeviceArray:
        """An array on the device, not initialised."""
        like = np.broadcast_to(np.empty((), dtype), shape)
        size = max(1, like.nbytes)
        if self._pool is not None and size <= self.device.largest_buffer:
            with self._errors():
                return DeviceArray(self, self._pool.allocate(size), like)
        return DeviceArray(self, self._buffer(self._cl.mem_flags.READ_WRITE, size, None), like)

    def zeros(self, shape, dtype) -> DeviceArray:
        """An array of zeros on the device."""
        out = self.empty(shape, dtype)
        self._cl.enqueue_fill_buffer(self.queue, out.buffer, np.zeros(1, np.uint8), 0, max(1, out.nbytes))
        return out

    def _buffer(self, flags, size, array):
        if size > self.device.largest_buffer:
            raise DeviceMemoryError(
                f"a buffer of {size} bytes is larger than the largest of {self.device}, "
                f"{self.device.largest_buffer}: give fewer rows at once."
            )
        with self._errors():
            if array is None:
                return self._cl.Buffer(self._context, flags, size=size)
            return self._cl.Buffer(self._context, flags, hostbuf=array)

    def finish(self) -> None:
        """Wait until all that this thread has started is done."""
        with self._errors():
            self.queue.finish()
        self._held.clear()

    def _errors(self):
        return _MemoryErrors(self)

    def in_chunks(
        self, task: Callable[[int, int], None], n_items: int, bytes_each: int, step: int = 1
    ) -> None:
        """Call ``task(first, last)`` over ranges of items whose memory fits into one buffer, in order.

        Ranges begin at multiples of `step`, so that sums over fixed blocks of so many items are the same for any
        chunk. Where the device says that memory is short, the chunk is halved, four times at most.
        """
        budget = self.device.largest_buffer
        size = max(step, budget // max(1, bytes_each) // step * step)
        first, halvings = 0, 0
        while first < n_items:
            last = min(n_items, first + size)
            try:
                task(first, last)
                self.finish()
            except DeviceMemoryError:
                if halvings == _HALVINGS or size <= step:
                    raise
                gc.collect()
                halvings, size = halvings + 1, max(step, size // 2 // step * step)
                logger.info("the device's memory is short: chunks of %d items now", size)
                continue
            first = last


class DeviceArray:
    """A buffer with a shape and a type; it keeps the host's array alive as long as the device may read it."""

    def __init__(self, owner: Runtime, buffer, like: np.ndarray):
        self.owner, self.buffer, self._like = owner, buffer, like

    @property
    def shape(self) -> tuple[int, ...]:
        """Its shape."""
        return self._like.shape

    @property
    def dtype(self) -> np.dtype:
        """Its type."""
        return self._like.dtype

    @property
    def nbytes(self) -> int:
        """Its size in bytes."""
        return self._like.nbytes

    def read(self, out: np.ndarray | None = None) -> np.ndarray:
        """Return its values, after all that was started has run; in `out` where that is given."""
        cl, owner = self.owner._cl, self.owner
        out = np.empty(self.shape, self.dtype) if out is None else out
        with owner._errors():
            if out.size and out is self._like:  # the device wrote in place; mapping makes that visible
                mapped, _ = cl.enqueue_map_buffer(
                    owner.queue, self.buffer, cl.map_flags.READ, 0, out.shape, out.dtype, is_blocking=True
                )
                mapped.base.release(owner.queue)
            elif out.size:
                cl.enqueue_copy(owner.queue, out, self.buffer, is_blocking=True)
        owner.finish()
        return out


class _MemoryErrors:
    """Context that tells an error of memory from all others."""

    def __init__(self, owner):
        self._owner = owner

    def __enter__(self):
        return self

    def __exit__(self, kind, error, trace):
        cl = self._owner._cl
        if error is None or not isinstance(error, cl.Error):
            return False
        code = cl.status_code
        if isinstance(error, cl.MemoryError) or error.code in (
            code.MEM_OBJECT_ALLOCATION_FAILURE,
            code.OUT_OF_RESOURCES,
            code.OUT_OF_HOST_MEMORY,
            code.INVALID_BUFFER_SIZE,
        ):
            raise DeviceMemoryError(f"the memory of {self._owner.device} is short: {error}") from error
        return False


def _raw(argument):
    return argument.buffer if isinstance(argument, DeviceArray) else argument
