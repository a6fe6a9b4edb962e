# Each target makes the virtual environment it needs, and brings it up to date when pyproject.toml has changed.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

# Two pip runs in one environment would meet: targets run one after another, also under `make -j`.
.NOTPARALLEL:
.PHONY: help tour test lint docs bench crosscheck package clean

help:
	@echo "make tour        fit real data, print a table, write pictures to tour/"
	@echo "make test        run the tests, quick form; TEST='--full' for the full form, or any options of pytest"
	@echo "make lint        ruff, mypy"
	@echo "make docs        build the documentation into docs/_build/html"
	@echo "make bench       run the benchmarks against other packages, write docs/benchmarks.md; BENCH='--quick --only completion'"
	@echo "make crosscheck  compare with cvxpy on small problems"
	@echo "make package     build wheel and sdist, install the wheel into an empty environment, and try it"
	@echo "make clean       remove the environments and everything that was built"

tour: $(VENV)/.with-plot
	$(BIN)/python -m sparsesolve tour $(TOUR)

test: $(VENV)/.with-test
	$(BIN)/python -m pytest --cov=sparsesolve --numprocesses=auto --dist=loadfile $(TEST)

lint: $(VENV)/.with-lint
	$(BIN)/python -m ruff check
	$(BIN)/python -m ruff format --check
	$(BIN)/python -m mypy

docs: $(VENV)/.with-docs
	OMP_NUM_THREADS=1 $(BIN)/python -m sphinx -W --keep-going -j auto -b html docs docs/_build/html
	@echo "The documentation is in docs/_build/html/index.html"

crosscheck: $(VENV)/.with-test
	@set -e; for script in examples/crosscheck/*.py; do echo "== $$script"; $(BIN)/python $$script; done

package: $(VENV)/.with-test
	$(BIN)/python -m pytest --full tests/package

# The packages that the benchmarks compare with live apart: some of them ask for old versions of numpy.
bench: .venv-bench/.with-bench
	.venv-bench/bin/python benchmarks/page.py $(BENCH)

clean:
	rm -rf .venv .venv-bench build dist docs/_build docs/gallery docs/generated docs/sg_execution_times.rst tour
	rm -rf .coverage htmlcov .hypothesis .mypy_cache .pytest_cache .ruff_cache
	find sparsesolve tests examples benchmarks -name __pycache__ -type d -prune -exec rm -rf {} +

# One stamp for each set of extras in an environment.
$(VENV)/.with-%: pyproject.toml $(VENV)/pyvenv.cfg
	$(BIN)/python -m pip install --quiet --editable ".[$*]"
	@touch $@

.venv-bench/.with-bench: pyproject.toml $(wildcard benchmarks/requirements.txt) .venv-bench/pyvenv.cfg
	.venv-bench/bin/python -m pip install --quiet --editable ".[bench]" $(addprefix --requirement ,$(wildcard benchmarks/requirements.txt))
	@touch $@

%/pyvenv.cfg:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=/path/to/python3.11")'
	$(PYTHON) -m venv $*

.PRECIOUS: %/pyvenv.cfg
