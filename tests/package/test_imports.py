"""Who may import whom: read from the source of every module, and seen in fresh processes."""

import ast
import subprocess
import sys
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import sparsesolve

ROOT = Path(sparsesolve.__file__).parent

# The rooms from the top down: a module imports rooms further down, or its own.
LAYERS = [
    {"__main__"},
    {"cli"},
    {
        "completion",
        "coordinate",
        "dag",
        "kronecker",
        "projection",
        "regression",
        "transport",
    },  # the systems; none imports another
    {"callbacks", "plotting", "datasets", "metrics", "reference"},
    {"sketch"},
    {"driver", "graphs", "operators", "prox", "streams"},
    {"result", "random", "validation"},
    {"backends"},
    {"exceptions"},
    {"__init__"},  # the version
]
SYSTEMS = {"regression", "transport", "coordinate", "completion", "kronecker", "dag", "projection"}

# Packages that only some files may import.
KEPT_APART = {
    "cvxpy": ["reference/"],
    "dask": ["streams/"],
    "distributed": ["streams/"],
    "matplotlib": ["plotting/", "cli/"],
    "pyarrow": ["streams/"],
    "pyopencl": ["backends/opencl.py"],
    "rich": ["cli/"],
    "zarr": ["streams/"],
    "sklearn": ["*estimator.py", "callbacks.py", "exceptions.py", "datasets/", "cli/"],
}
# What every installation has.
REQUIRED = {"joblib", "llvmlite", "numba", "numpy", "scipy", "threadpoolctl"}


def imported_by(path: Path) -> set[str]:
    """Full names of what a file imports, anywhere in it."""
    module = ["sparsesolve", *path.relative_to(ROOT).with_suffix("").parts]
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            origin = module[: len(module) - node.level] if node.level else []
            origin = [*origin, node.module] if node.module else origin
            names |= {".".join([*origin, alias.name]) for alias in node.names}
    return names


FILES = {path.relative_to(ROOT).as_posix(): imported_by(path) for path in sorted(ROOT.rglob("*.py"))}


def room(name: str) -> str:
    """The first part of a file's or an own module's name, below the package."""
    return name.removeprefix("sparsesolve").lstrip(".").replace("/", ".").removesuffix(".py").split(".")[0]


def depth(room_name: str) -> int:
    found = [level for level, rooms in enumerate(LAYERS) if room_name in rooms]
    assert found, f"{room_name} has no place in LAYERS: give it one"
    return found[0]


def own(imports: set[str]) -> set[str]:
    """Rooms of the package among the imports."""
    rooms = {room(name) for name in imports if name.split(".")[0] == "sparsesolve"}
    # `from .. import name` takes a room, or a public name that __init__ defines.
    return {name if any(name in layer for layer in LAYERS) else "__init__" for name in rooms}


def test_the_walk_sees_imports():
    assert "sparsesolve.backends.Choice" in FILES["result.py"]
    assert own(FILES["result.py"]) == {"backends"}


@pytest.mark.parametrize("name", FILES)
def test_imports_go_down_only(name):
    above = {other for other in own(FILES[name]) - {room(name)} if depth(other) <= depth(room(name))}
    assert not above, f"{name} must not import {above}"


@pytest.mark.parametrize("name", FILES)
def test_packages_are_kept_apart(name):
    used = {imported.split(".")[0] for imported in FILES[name]} - {"sparsesolve"}
    for package in used - REQUIRED - set(sys.stdlib_module_names):
        places = KEPT_APART.get(package, [])
        allowed = any(
            name.startswith(place) or (place[0] == "*" and name.endswith(place[1:])) for place in places
        )
        assert allowed, f"{name} imports {package}, which belongs in {places or 'no file'}"


def test_systems_do_not_import_each_other():
    for name, imports in FILES.items():
        if room(name) in SYSTEMS:
            assert not own(imports) & (SYSTEMS - {room(name)}), name


@pytest.mark.parametrize("name", [name for name in FILES if room(name) in SYSTEMS])
def test_only_the_front_of_a_system_imports_its_estimator(name):
    if not name.endswith(("/__init__.py", "estimator.py")):
        assert not any("estimator." in imported for imported in FILES[name])


def test_there_is_no_cycle_between_files():
    def file_of(imported):
        package, *parts = imported.split(".")
        if package != "sparsesolve":
            return None
        candidates = [
            "/".join(parts[:n]) + end for n in range(len(parts), 0, -1) for end in (".py", "/__init__.py")
        ]
        return next((candidate for candidate in candidates if candidate in FILES), None)

    graph = {name: {file_of(one) for one in imports} - {None, name} for name, imports in FILES.items()}
    assert list(TopologicalSorter(graph).static_order())


def modules_after(code: str) -> set[str]:
    """Top-level modules that a fresh interpreter holds after running some code."""
    report = "import sys; print(' '.join(sorted({name.split('.')[0] for name in sys.modules})))"
    run = subprocess.run(
        [sys.executable, "-c", f"{code}\n{report}"],
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT.parent,
    )
    return set(run.stdout.split())


def test_importing_the_package_imports_nothing_else():
    loaded = modules_after("import sparsesolve; dir(sparsesolve)")
    assert not loaded & {"numpy", "scipy", "numba", "sklearn", "matplotlib", "cvxpy"}


def test_functions_leave_sklearn_alone():
    loaded = modules_after(
        "import numpy as np; from sparsesolve import lstsq; lstsq(np.eye(3), np.ones(3), random_state=0)"
    )
    assert "numba" in loaded
    assert not loaded & {"sklearn", "matplotlib", "cvxpy", "rich"}


def test_rooms_import_without_optional_packages():
    optional = ["pyopencl", "cvxpy", "clarabel", "matplotlib", "PIL", "rich", "dask"]
    optional += ["distributed", "pyarrow", "zarr", "networkx", "pandas", "polars"]
    block = f"import sys; sys.modules.update(dict.fromkeys({optional}))\n"
    use = "import sparsesolve\nfor name in sparsesolve.__all__: getattr(sparsesolve, name)"
    assert "sklearn" in modules_after(block + use)


@pytest.mark.parametrize("name", sparsesolve.__all__)
def test_public_names_resolve(name):
    assert getattr(sparsesolve, name) is not None
    assert name in dir(sparsesolve)


def test_star_import():
    names = {}
    exec("from sparsesolve import *", names)
    assert set(sparsesolve.__all__) <= set(names)


def test_a_wrong_name_is_answered_with_the_right_one():
    with pytest.raises(AttributeError, match=r"no attribute 'lstq': did you mean 'lstsq'"):
        _ = sparsesolve.lstq
    with pytest.raises(AttributeError, match=r"its public names are .*lstsq"):
        _ = sparsesolve.entirely_different
