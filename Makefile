# Two commands: `make demo` sets everything up and runs the main job; `make test` sets everything up and passes the tests.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PACKAGES := services actors protos federation backends solvers store benchmarks
PROTOS := $(wildcard protos/*.proto)

.PHONY: setup demo test test-long check stubs lock peers clean

setup: $(VENV)/.installed

$(VENV)/.installed: requirements.lock pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "Python 3.11 or newer is needed")'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	touch $@

demo: setup
	$(BIN)/python -m examples.demo

# On a clean clone kernels compile beside the first tests, which need few of them: two minutes less on two cores.
WARM := from solvers.registry import KINDS, problem_kind; [problem_kind(name).warm() for name in KINDS]

test: setup
	nice -n 19 $(BIN)/python -c "$(WARM)" >/dev/null 2>&1 & $(BIN)/python -m pytest -m "not long"

test-long: setup
	$(BIN)/python -m pytest -m long

check: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python -m pytest -q tests/test_house.py

stubs: setup
	$(BIN)/python -m protos.build

lock:
	$(BIN)/python -m pip install --quiet uv
	$(BIN)/uv pip compile --quiet --universal --generate-hashes --no-emit-index-url --no-header --python-version 3.11 \
		--extra postgres --extra dev pyproject.toml -o requirements.lock

peers:
	$(PYTHON) -m venv .venv-peers
	.venv-peers/bin/python -m pip install --quiet --disable-pip-version-check -r benchmarks/peers.txt

clean:
	rm -rf $(VENV) .venv-peers build *.egg-info
