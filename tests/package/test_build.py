"""The wheel and the source distribution hold the package, and the wheel works in an empty environment."""

import os
import shutil
import subprocess
import sys
import tarfile
import venv
import zipfile
from pathlib import Path

import pytest

import sparsesolve

ROOT = Path(sparsesolve.__file__).parents[1]
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not (ROOT / "pyproject.toml").exists(), reason="needs the source tree"),
]

TRIAL = """
import numpy as np
from sparsesolve import SketchedLinearRegression
rng = np.random.default_rng(0)
X = rng.standard_normal((3000, 20))
model = SketchedLinearRegression(random_state=0).fit(X, X @ np.arange(20.0) + 1.0)
assert np.allclose(model.coef_, np.arange(20.0)) and model.converged_
"""

# In the installed package and in the zipped one, the kernels' headers are found and written in.
KERNELS_TRIAL = """
import sparsesolve.backends.kernel_sources as sources
assert "sparsesolve/_cl" in sources.kernel_folder().as_posix(), sources.kernel_folder()
assert "self_test.cl" in sources.kernel_files()
assert "#include" not in sources.kernel_source("self_test.cl")
"""


@pytest.fixture(scope="module")
def distributions(tmp_path_factory) -> tuple[Path, Path]:
    """The wheel and the sdist, built in a folder of their own."""
    folder = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-t", "sdist", "-d", str(folder)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    (wheel,) = folder.glob("*.whl")
    (sdist,) = folder.glob("*.tar.gz")
    return wheel, sdist


def sources() -> set[str]:
    """Every file of the package that is no cache."""
    files = (path for path in (ROOT / "sparsesolve").rglob("*") if path.is_file())
    return {path.relative_to(ROOT).as_posix() for path in files if "__pycache__" not in path.parts}


def opencl_kernels() -> dict[str, bytes]:
    """The files of the top level's opencl folder."""
    return {path.name: path.read_bytes() for path in (ROOT / "opencl").iterdir() if path.is_file()}


def test_wheel_holds_the_package_and_nothing_else(distributions):
    with zipfile.ZipFile(distributions[0]) as wheel:
        names = {name for name in wheel.namelist() if ".dist-info/" not in name}
        shipped = {name: wheel.read(f"sparsesolve/_cl/{name}") for name in opencl_kernels()}
    assert names == sources() | {f"sparsesolve/_cl/{name}" for name in shipped}
    assert shipped == opencl_kernels()
    assert {"philox.h", "self_test.cl", "README.md"} <= set(shipped)
    assert {"sparsesolve/py.typed", "sparsesolve/datasets/data/nist_filip.txt"} <= names


def test_sdist_holds_the_package_and_its_tests(distributions):
    with tarfile.open(distributions[1]) as sdist:
        names = {name.partition("/")[2] for name in sdist.getnames()}
    assert sources() | {f"opencl/{name}" for name in opencl_kernels()} <= names
    assert {"pyproject.toml", "README.md", "LICENSE", "CHANGELOG.md", "tests/conftest.py"} <= names
    assert not [name for name in names if name.endswith((".nbi", ".nbc", ".pyc"))]


def test_wheel_works_without_extras(distributions, tmp_path):
    venv.create(tmp_path / "venv", with_pip=True, symlinks=os.name != "nt")
    scripts = tmp_path / "venv" / ("Scripts" if os.name == "nt" else "bin")
    python = str(scripts / "python")
    variables = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}

    def run(*arguments):
        done = subprocess.run(
            [python, *arguments], cwd=tmp_path, env=variables, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    run("-m", "pip", "install", "--quiet", str(distributions[0]))
    installed = run("-m", "pip", "list")
    assert not [name for name in ("matplotlib", "cvxpy", "pyopencl", "rich") if f"{name} " in installed]
    run("-W", "error", "-c", TRIAL)
    run("-W", "error", "-c", KERNELS_TRIAL)
    assert "numba on cpu" in run("-m", "sparsesolve", "doctor")
    shutil.rmtree(tmp_path / "venv")
