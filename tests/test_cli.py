"""The commands run, and tell the truth."""

import logging
import os
import re
import shutil
import subprocess
import sys
import time
import warnings
from pathlib import Path

import numpy as np
import pytest

import sparsesolve
from sparsesolve.backends.crossovers import read_crossovers
from sparsesolve.cli import calibrate, main
from sparsesolve.cli.kernels import cache_folders, kernels
from sparsesolve.cli.progress import progress_bar
from sparsesolve.cli.rows import Stage
from sparsesolve.cli.rows.colour_transfer import colour_transfer
from sparsesolve.cli.table import format_table
from sparsesolve.datasets import hard_transport_problems, make_assignment_problem


def test_doctor_reports_versions_and_the_choice(capsys):
    assert main(["doctor"]) == 0
    printed = capsys.readouterr().out
    for line in (
        rf"numpy +{re.escape(np.__version__)}",
        "threads of a fit +[0-9]+",
        "auto chooses +numba on cpu",
    ):
        assert re.search(line, printed), line
    for folder in cache_folders():
        assert re.search(rf"^ +writable +{re.escape(str(folder))}$", printed, re.MULTILINE)


def test_doctor_names_a_folder_that_is_not_writable(monkeypatch, capsys, tmp_path):
    (tmp_path / "a file").touch()
    monkeypatch.setattr("sparsesolve.cli.kernels.cache_folders", lambda: [tmp_path / "a file"])
    assert main(["doctor"]) == 0
    assert "NOT WRITABLE" in capsys.readouterr().out


def test_calibration_keeps_what_it_measures(tmp_path, monkeypatch, capsys):
    pytest.importorskip("pyopencl")
    monkeypatch.setenv("SPARSESOLVE_CROSSOVERS", str(tmp_path / "crossovers.json"))
    slow, fast = (lambda: time.sleep(2e-3)), (lambda: None)
    races = {
        "srht": lambda: iter([calibrate.Race(10.0, fast, slow), calibrate.Race(20.0, slow, fast)]),
        "hessian": lambda: iter([calibrate.Race(10.0, slow, fast), calibrate.Race(20.0, fast, slow)]),
    }
    monkeypatch.setattr(calibrate, "_races", lambda: races)
    assert main(["doctor", "--calibrate"]) == 0
    (measured,) = read_crossovers().values()
    assert measured == {"srht": 20.0}
    printed = capsys.readouterr().out
    assert re.search("srht +the device wins from 2.0e.01 numbers", printed)
    assert re.search("hessian +the CPU won at every size", printed)


def test_doctor_names_what_is_missing(monkeypatch, capsys):
    monkeypatch.setattr("sparsesolve.cli.doctor._REQUIRED", ("numpy", "no-such-package"))
    assert main(["doctor"]) == 1
    assert "Missing: no-such-package" in capsys.readouterr().out


def test_warmup_leaves_nothing_to_compile(capsys):
    assert main(["warmup"]) == 0
    assert re.search(r"[0-9]+ kernels are ready after", capsys.readouterr().out)
    found = dict(kernels())
    assert len(found) > 10
    for name, kernel in found.items():
        index = f"*{kernel.__name__}-{kernel.py_func.__code__.co_firstlineno}.*.nbi"
        assert list(Path(kernel.stats.cache_path).glob(index)), f"{name} is not in the cache"

    def in_memory():
        return {name: len(kernel.signatures) for name, kernel in found.items()}

    ready = in_memory()
    rng = np.random.default_rng(0)
    A, b = rng.standard_normal((20000, 37)), rng.standard_normal(20000)
    for solver in ("auto", "gram", "cqrrt", "spir", "fossils", "sketch-and-solve", "direct"):
        sparsesolve.SketchedLinearRegression(solver=solver, random_state=0).fit(A, b)
    assert in_memory() == ready
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", sparsesolve.exceptions.ConvergenceWarning)  # some go beyond float64
        for problem in hard_transport_problems(10, random_state=0):
            result = sparsesolve.entropic_transport(
                problem.a, problem.b, problem.cost, problem.reg, max_iter=100
            )
            assert result.solution.dual_gap >= 0
    cost, a, b = make_assignment_problem(50, random_state=0)
    for reg in (1e-1, 1e-3):
        for solver in ("sinkhorn", "newton-dense", "newton-sparse", "paper"):
            sparsesolve.entropic_transport(
                a, b, np.asfortranarray(cost, np.float32), reg, solver=solver, tol=1e-2
            )
    assert in_memory() == ready


def test_read_only_package_keeps_kernels_in_the_users_cache(tmp_path, full):
    """A file in the place of each __pycache__ stops everyone from writing there, root too."""
    source = Path(sparsesolve.__file__).parent
    copy = tmp_path / "sparsesolve"
    shutil.copytree(source, copy, ignore=shutil.ignore_patterns("__pycache__"))
    for folder in [copy, *(path for path in copy.rglob("*") if path.is_dir())]:
        (folder / "__pycache__").touch()
    code = (
        "import numpy as np, sparsesolve.sketch as s; s.CountSketch(8, 0).sample(64).apply(np.ones((64, 9)))"
    )
    variables = os.environ | {"PYTHONPATH": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path / "cache")}
    variables.pop("NUMBA_CACHE_DIR", None)
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=variables, check=True)
    if sys.platform.startswith("linux"):
        assert list((tmp_path / "cache" / "numba").rglob("*.nbi"))


@pytest.mark.parametrize(
    "form", [pytest.param(["--quick"], id="quick"), pytest.param([], marks=pytest.mark.slow)]
)
def test_tour(form, capsys, tmp_path):
    pytest.importorskip("matplotlib")
    pytest.importorskip("PIL")
    out = tmp_path / "pictures"
    assert main(["tour", *form, "--out", str(out)]) == 0
    printed = capsys.readouterr().out
    table = printed.partition("\n\n")[0].splitlines()
    assert len(table) == 9
    exact, sketched, moved, digits, pixels, measured, graph = table[2:]
    assert float(re.search(r"backward error ([0-9.e+-]+)", exact)[1]) < 2.3e-16
    assert float(re.search(r"([0-9.]+) digits", exact)[1]) > 11
    # The simultaneous bars hold with 95 % probability; the seed is fixed.
    assert re.search(r"(\d+) of \1 inside the bars", sketched)
    assert float(re.search(r"marginal error ([0-9.e+-]+)", moved)[1]) <= 1e-9
    assert float(re.search(r"plans differ by ([0-9.e+-]+)", moved)[1]) < 1e-7
    assert float(re.search(r" gap ([0-9.e+-]+)", digits)[1]) <= 1e-8
    assert float(re.search(r"weights differ by ([0-9.e+-]+)", digits)[1]) < 1e-2
    assert float(re.search(r"gradient ([0-9.e+-]+)", pixels)[1]) <= 1e-3
    here, theirs = map(float, re.search(r"at the gaps ([0-9.]+), theirs ([0-9.]+)", pixels).groups())
    assert here < theirs
    here, theirs = map(float, re.search(r"picture ([0-9.]+), theirs ([0-9.]+)", measured).groups())
    assert here < 1.5 * theirs
    assert float(re.search(r"KKT residual ([0-9.e+-]+)", graph)[1]) <= 1e-8
    ours, peers = map(float, re.search(r"has a true gap of (\S+), ours\s+(\S+);", printed).groups())
    assert max(abs(ours), abs(peers)) <= 1e-8
    named = [Path(line.strip()) for line in printed.splitlines() if line.strip().endswith(".png")]
    page = (out / "index.html").read_text(encoding="utf-8")
    assert sorted([*named, out / "index.html"]) == sorted(out.iterdir())
    assert page.count('src="data:image/png;base64,') == len(named)
    assert not re.search(r'(src|href)="(?!data:|#)', page), "the page must not need any other file"
    assert all(f'<td class="number">{ratio}x</td>' in page for ratio in re.findall(r" ([0-9.]+)x ", printed))
    assert len(named) == 10
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in named)


def test_tour_says_when_the_reference_was_stopped(monkeypatch, tmp_path):
    pytest.importorskip("matplotlib")
    pytest.importorskip("PIL")
    monkeypatch.setattr("sparsesolve.cli.rows.colour_transfer._PATIENCE", 1e-9)
    stage = Stage(tmp_path, report=lambda text: None, quick=True)
    row = colour_transfer(stage)
    assert re.fullmatch(r"numpy Sinkhorn, stopped at [0-9e.+-]+", row.reference)
    assert row.agreement == "reference not converged"
    assert any("Plain Sinkhorn did" in note for note in stage.notes)


def test_progress_is_logged_where_rich_is_missing(monkeypatch, caplog):
    monkeypatch.setitem(sys.modules, "rich.console", None)
    caplog.set_level(logging.INFO, logger="sparsesolve")
    with progress_bar(2) as report:
        report("first")
        report("second", done=1)
    assert [record.getMessage() for record in caplog.records] == ["first", "second"]


@pytest.mark.parametrize("arguments", [[], ["no-such-command"]])
def test_wrong_commands_exit_with_status_2(arguments, capsys):
    with pytest.raises(SystemExit, match="2"):
        main(arguments)
    assert "command" in capsys.readouterr().err


def test_module_runs():
    command = [sys.executable, "-m", "sparsesolve", "--version"]
    run = subprocess.run(command, capture_output=True, text=True, check=True)
    assert run.stdout.strip() == f"sparsesolve {sparsesolve.__version__}"


def test_table_is_aligned():
    lines = format_table(["a", "long header"], [["value", "x"], ["y", "z"]]).splitlines()
    assert lines == ["a      long header", "-----  -----------", "value  x", "y      z"]
