# make test   sets up .venv and runs every check and test
# make demo   the main job; ONCE=1 ends with a verdict, ARGS='--port 8400 --data DIR' chooses where

.DEFAULT_GOAL := help
.PHONY: help setup check unit test schema demo bench mutants lock clean

BIN := .venv/bin
CODE := $(wildcard creditchain regulator fixtures tests tools benchmarks)
TYPED := $(patsubst %/__init__.py,%,$(wildcard creditchain/__init__.py regulator/__init__.py)) $(wildcard tools/*.py)
TEST_SECONDS := 720

help:
	@sed -n 's/^# //p' Makefile

setup:
	@tools/setup

check: setup
	$(BIN)/ruff check $(CODE)
	$(BIN)/ruff format --check $(CODE)
	$(BIN)/mypy $(TYPED)
	$(BIN)/python tools/lint_imports.py
ifneq ($(wildcard creditchain/api/schema/__main__.py),)
	$(BIN)/python -m creditchain.api.schema --check
endif
ifneq ($(wildcard regulator/door/schema/__main__.py),)
	$(BIN)/python -m regulator.door.schema --check
endif

# The tests alone; `make unit ARGS='tests/unit/tlog -k proof'` picks some.
unit: setup
	@tools/setup fonts browser
	timeout --foreground --signal=INT $(TEST_SECONDS) $(BIN)/python -m pytest -n 2 $(ARGS)

test: check
	@$(MAKE) --no-print-directory unit

schema: setup
	$(BIN)/python -m creditchain.api.schema
	$(BIN)/python -m regulator.door.schema

demo: setup
	@tools/setup fonts
	$(BIN)/python -m fixtures.demo $(if $(ONCE),--once) $(ARGS)

bench:
	@tools/setup bench
	$(BIN)/python -m benchmarks $(ARGS)

# Not part of test: seven minutes of CPU; `make mutants ARGS=tlog` tries one group. docs/mutants.md
mutants: setup
	$(BIN)/python tools/mutants.py $(ARGS)

lock:
	tools/lock $(ARGS)

clean:
	rm -rf .venv .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache mutants build dist
	find . -name __pycache__ -type d -not -path './.git/*' -prune -exec rm -rf {} +
