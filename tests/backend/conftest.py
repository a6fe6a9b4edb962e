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
