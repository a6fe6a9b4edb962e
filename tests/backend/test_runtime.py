"""The OpenCL runtime: devices, faults, threads, forks, caches and memory."""

import multiprocessing
import os
import re
import subprocess
import sys
import threading
from dataclasses import replace

import numpy as np
import pytest

from sparsesolve.backends import crossovers, kernel_sources, opencl, select, self_test
from sparsesolve.exceptions import BackendError

DOUBLE = """
import numpy as np
from sparsesolve.backends import opencl, select
runtime = opencl.runtime()
x = np.linspace(0.01, 9.0, 256, dtype=np.float32)
out = np.empty_like(x)
there = runtime.output(out)
runtime.kernel("self_test.cl", "fused_steps", GROUP=64)(x.shape, None, runtime.input(x), there)
there.read(out)
assert abs(out - (x * (x * 0.2 - 0.7) + np.sqrt(x) + np.rint(x))).max() < 1e-5
print("right", flush=True)
"""


def run(code, **variables):
    """Run code in a fresh process, with warnings as errors; what it printed."""
    environment = {**os.environ, **variables}
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


# Devices -------------------------------------------------------------------------------------------------------------


def test_devices_are_found_by_number_name_and_variable(device_runtime, monkeypatch):
    device = device_runtime.device
    assert opencl.find_device(str(device.index)) == device
    assert opencl.find_device(device.name[:7].upper()) == device
    monkeypatch.setenv(opencl.DEVICE_VARIABLE, device.platform)
    assert opencl.find_device() == device
    assert select("opencl", "srht").device == str(device)


@pytest.mark.parametrize("name", ["no such device", "77"])
def test_an_unknown_device_is_refused_with_a_list(device_runtime, name):
    with pytest.raises(BackendError, match=f"{name}.*{re.escape(str(device_runtime.device))}"):
        opencl.find_device(name)


def test_a_machine_without_a_platform(tmp_path):
    code = """
from sparsesolve.backends import opencl, select
from sparsesolve.exceptions import BackendError
assert select("auto", "srht", 1e30).name == "numba"
assert opencl.devices() == ()
try:
    select("opencl", "srht")
except BackendError as error:
    print(error)
"""
    done = run(code, OCL_ICD_VENDORS=str(tmp_path / "none.icd"))
    assert done.returncode == 0, done.stderr
    assert "no OpenCL platform" in done.stdout
    assert "sparsesolve[opencl]" in done.stdout
    assert "doctor" in done.stdout


def test_without_pyopencl_the_message_names_the_extra():
    code = """
import sys
sys.modules["pyopencl"] = None
from sparsesolve.backends import select
from sparsesolve.exceptions import BackendError
assert select("auto", "srht", 1e30).name == "numba"
try:
    select("opencl", "srht")
except BackendError as error:
    print(error)
"""
    assert "pip install 'sparsesolve[opencl]'" in run(code).stdout


def test_float64_is_never_narrowed(device_runtime):
    narrow = object.__new__(opencl.Runtime)
    narrow.device = replace(device_runtime.device, has_float64=False)
    with pytest.raises(BackendError, match="has no float64"):
        narrow.need_float64()


@pytest.mark.parametrize(
    ("broken", "with_", "test"),
    [
        ("0x9E3779B9u", "0x9E3779B8u", "Philox"),
        ("#define FMA_F(a, b, c) __builtin_fmaf(a, b, c)", "#define FMA_F(a, b, c) ((a) * (b) + (c))", "fma"),
    ],
)
def test_a_device_that_computes_wrong_numbers_is_refused_by_name(
    device_runtime, monkeypatch, broken, with_, test
):
    source = kernel_sources.kernel_source("self_test.cl")
    assert broken in source
    monkeypatch.setattr(opencl, "kernel_source", lambda name: source.replace(broken, with_))
    with pytest.raises(
        BackendError, match=f"{re.escape(str(device_runtime.device))} fails the self test '{test}'"
    ):
        self_test.check_device(opencl.Runtime(device_runtime.device, opencl._found()[0][1]))


# Threads, forks, caches ----------------------------------------------------------------------------------------------


def test_eight_threads_at_once_do_not_meet(device_runtime):
    data = [np.full(512, 1.0 + i, np.float32) for i in range(8)]
    outs, wrong = [np.empty(512, np.float32) for _ in data], []

    def work(i):
        for _ in range(20):
            there = device_runtime.output(outs[i])
            start = device_runtime.kernel("self_test.cl", "fused_steps", GROUP=64)
            start((512,), None, device_runtime.input(data[i]), there)
            there.read(outs[i])
            x = 1.0 + i
            if abs(outs[i] - (x * (0.2 * x - 0.7) + np.sqrt(x) + x)).max() > 1e-5:
                wrong.append(i)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_memory_that_a_thread_lets_go_of_is_its_own(device_runtime):
    """Its kernels may still use it, and other threads' queues do not wait for them."""
    gpu = replace(device_runtime.device, kind="gpu")
    runtime = opencl.Runtime(gpu, opencl._found()[gpu.index][1])
    places = []

    def work():
        places.append(runtime.empty(1 << 12, np.float32).buffer.int_ptr)

    work()
    work()
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert places[0] == places[1], "what is let go of is not used again: the test tests nothing"
    assert places[2] != places[0]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_a_forked_child_is_told_and_can_go_on_without(device_runtime):
    context = multiprocessing.get_context("fork")
    told = context.SimpleQueue()

    def child():
        try:
            select("opencl", "srht")
        except BackendError as error:
            told.put(str(error))
        told.put(select("auto", "srht", 1e30).name)

    process = context.Process(target=child)
    process.start()
    process.join(20)
    alive = process.is_alive()
    process.kill()
    assert not alive, "the child hangs"
    assert "forked" in told.get()
    assert told.get() == "numba"


def test_a_folder_that_cannot_be_written_does_no_harm(device_runtime, tmp_path):
    (tmp_path / "file").write_text("in the way")
    variables = {name: value for name, value in os.environ.items() if name != "POCL_CACHE_DIR"}
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", DOUBLE],
        env={**variables, "XDG_CACHE_HOME": str(tmp_path / "file")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_a_spoilt_cache_is_emptied_once_and_made_anew(device_runtime, tmp_path):
    assert run(DOUBLE, POCL_CACHE_DIR=str(tmp_path)).returncode == 0
    kept = [path for path in tmp_path.rglob("*") if path.name.endswith((".bc", ".o", ".so"))]
    assert kept, "PoCL kept nothing: the test tests nothing"
    for path in kept:
        path.write_bytes(b"spoilt")
    # PoCL leaks what it could not link, and may abort when such a process ends: what counts is the answer, and that
    # the next process finds a sound cache.
    assert "right" in run(DOUBLE, POCL_CACHE_DIR=str(tmp_path)).stdout
    done = run(DOUBLE, POCL_CACHE_DIR=str(tmp_path))
    assert (done.returncode, done.stderr) == (0, "")


# Memory --------------------------------------------------------------------------------------------------------------


def test_a_buffer_that_is_too_large_is_refused_in_words(device_runtime):
    size = device_runtime.device.largest_buffer + 1
    with pytest.raises(MemoryError, match=f"{size} bytes is larger than the largest"):
        device_runtime.empty(size, np.uint8)


@pytest.mark.parametrize("step", [1, 16])
def test_chunks_are_halved_where_memory_is_short(device_runtime, monkeypatch, step):
    monkeypatch.setattr(device_runtime, "device", replace(device_runtime.device, largest_buffer=1024 * 8))
    seen = []

    def task(first, last):
        if last - first > 300:
            raise opencl.DeviceMemoryError("short")
        seen.append((first, last))

    device_runtime.in_chunks(task, 2000, 8, step)
    assert seen == [(i, min(2000, i + 256)) for i in range(0, 2000, 256)]

    def never(first, last):
        raise opencl.DeviceMemoryError("short")

    with pytest.raises(MemoryError, match="short"):
        device_runtime.in_chunks(never, 2000, 8, step)


def test_the_variable_limits_the_largest_buffer(device_runtime, monkeypatch):
    monkeypatch.setenv(opencl.BYTES_VARIABLE, "4096")
    assert opencl.find_device().largest_buffer == 4096


def test_empty_arrays_and_zeros(device_runtime):
    assert device_runtime.input(np.empty((0, 3))).read().shape == (0, 3)
    assert not device_runtime.zeros((3, 5), np.float64).read().any()
    with pytest.raises(ValueError, match="contiguous"):
        device_runtime.output(np.empty((4, 4)).T[1:])


# Sources -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", sorted(entry.name for entry in kernel_sources.kernel_folder().iterdir()))
def test_no_vector_is_wider_than_256_bits(name):
    text = (kernel_sources.kernel_folder() / name).read_text(encoding="utf-8")
    wide = r"\b(u?(char|short|int|long)|half|float|double)16\b|\b(u?long|double)8\b|v(load|store)16"
    allowed = r"\bu?(char|short)16\b|\bhalf16\b"
    assert not [match[0] for match in re.finditer(wide, text) if not re.fullmatch(allowed, match[0])]
    assert "atomic" not in text.replace("No atomic sums", "")


def test_headers_are_written_in_once():
    source = kernel_sources.kernel_source("self_test.cl")
    assert "#include" not in source
    assert source.count("#define PHILOX_ROUND(") == 1


# What auto chooses ---------------------------------------------------------------------------------------------------


@pytest.fixture
def measured(tmp_path, monkeypatch):
    monkeypatch.setenv("SPARSESOLVE_CROSSOVERS", str(tmp_path / "deep" / "crossovers.json"))
    return tmp_path / "deep" / "crossovers.json"


def test_auto_takes_a_gpu_from_the_measured_size_on(device_runtime, measured, monkeypatch):
    assert select("auto", "srht", 1e30).name == "numba"
    crossovers.write_crossovers(str(device_runtime.device), {"srht": 1e6})
    assert "CPU kernels win" in select("auto", "srht", 1e30).reason
    gpu = replace(device_runtime.device, kind="gpu")
    monkeypatch.setattr(opencl, "find_device", lambda: gpu)
    monkeypatch.setattr(opencl, "runtime", lambda device: device_runtime)
    assert select("auto", "srht", 1e6).name == "opencl"
    assert "too few" in select("auto", "srht", 9e5).reason
    assert select("auto", "hessian", 1e30).name == "numba"  # it never won
    assert select("auto").name == "numba"
    assert select("numba", "srht", 1e30).name == "numba"


def test_auto_falls_back_and_says_so_where_the_gpu_is_refused(device_runtime, measured, monkeypatch):
    def refused(device=None):
        raise BackendError("it computes wrong numbers")

    crossovers.write_crossovers(str(device_runtime.device), {"srht": 1e6})
    monkeypatch.setattr(opencl, "find_device", refused)
    choice = select("auto", "srht", 1e30)
    assert choice.name == "numba"
    assert "wrong numbers" in choice.reason


def test_crossovers_of_several_devices_are_kept(measured, caplog):
    crossovers.write_crossovers("one", {"srht": 1.0})
    crossovers.write_crossovers("two", {"hessian": 2.0})
    assert crossovers.read_crossovers() == {"one": {"srht": 1.0}, "two": {"hessian": 2.0}}
    measured.write_text("no json")
    assert crossovers.read_crossovers() == {}
    assert "calibrate" in caplog.text


def test_a_method_without_opencl_form_says_so():
    with pytest.raises(BackendError, match="no OpenCL form"):
        select("opencl")
