"""What tests of devices share."""

import pytest


@pytest.fixture
def device_runtime():
    """The runtime of this machine's OpenCL device; PoCL, which `pip install "sparsesolve[opencl]"` brings, is one."""
    pytest.importorskip("pyopencl", reason="pyopencl is not installed: pip install 'sparsesolve[opencl]'")
    from sparsesolve.backends import opencl

    if not opencl.devices():
        pytest.skip("NO OPENCL PLATFORM on this machine: nothing of OpenCL is tested")
    return opencl.runtime()


@pytest.fixture(params=["cpu", "gpu"])
def each_form(request, monkeypatch):
    """Both forms of the kernels, on whatever device there is."""
    from sparsesolve.backends import opencl

    monkeypatch.setenv(opencl.FORM_VARIABLE, request.param)
    return request.param


@pytest.fixture
def poisoned(device_runtime, monkeypatch):
    """New memory on the device holds NaN: what is read before it was written is seen."""
    import numpy as np

    empty, fill = type(device_runtime).empty, device_runtime._cl.enqueue_fill_buffer

    def full_of_nan(self, shape, dtype):
        made = empty(self, shape, dtype)
        if made.nbytes:
            fill(self.queue, made.buffer, np.uint8(255), 0, made.nbytes)
        return made

    monkeypatch.setattr(type(device_runtime), "empty", full_of_nan)
