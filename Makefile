# Two commands need nothing but Python 3.11+ and make: `make demo` and `make test`.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.DEFAULT_GOAL := help
.PHONY: help demo test check fix faults bench bench-memory schema lock clean

help:  ## list the commands
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

# The interpreter is checked first, so that an old one gets a sentence and not a traceback.
$(STAMP): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Penstock needs Python 3.11 or newer; '$(PYTHON)' is $$($(PYTHON) --version 2>&1). Try: make PYTHON=python3.12"; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "installing the locked dependencies into $(VENV) ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-compile --no-deps --require-hashes -r requirements.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

demo: $(STAMP)  ## index the Python documentation through two workers on embedded servers
	@$(BIN)/python -m examples.demo

# Two at a time, each with servers of its own: most of the time is waiting for leases, restarts and signals.
test: $(STAMP)  ## every test, on real servers that the suite starts
	@$(BIN)/python -m pytest -n 2 --dist loadfile

# Each scenario once for every seed; `make faults SEEDS=2 ONLY=mix` for less. The short version is in `make test`.
SEEDS ?= 20
faults: $(STAMP)  ## the fault suite at length: servers and workers killed, paused, cut, by 20 seeds
	@PENSTOCK_FAULT_SEEDS=$(SEEDS) $(BIN)/python -m pytest tests/faults --timeout 3600 $(if $(ONLY),-k "$(ONLY)")

check: $(STAMP)  ## lint, strict types, import rules, generated files up to date; never writes
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@$(BIN)/python -m jobs.schema --check docs/schema
	@$(BIN)/python -m settings.table --check README.md

fix: $(STAMP)  ## what `check` complains of and a machine can mend
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .
	@$(BIN)/python -m jobs.schema --write docs/schema
	@$(BIN)/python -m settings.table --write README.md

bench: $(STAMP)  ## the table of figures, each beside its reference in one run (ARGS=--quick: fewer documents)
	@$(BIN)/python -m benchmarks $(ARGS)

bench-memory: $(STAMP)  ## a worker's memory over a million jobs and an outage of Elasticsearch
	@$(BIN)/python -m benchmarks.memory $(ARGS)

lock: $(STAMP)  ## write requirements.lock anew from pyproject.toml (needs `uv` on PATH)
	@uv pip compile pyproject.toml --universal --generate-hashes --python-version 3.11 \
		--extra embedded --group dev --no-header --upgrade -q -o requirements.lock

clean:  ## remove the environment and the caches inside this folder
	@rm -rf $(VENV) .cache .pytest_cache .mypy_cache .ruff_cache .import_linter_cache
