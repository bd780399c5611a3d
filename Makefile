# `make help` lists the targets. Everything sets itself up: a virtual environment with the pinned
# packages of requirements.lock, made again only when the lock or a pyproject.toml has changed.
PYTHON ?= python3
VENV ?= .venv
# Each test worker starts its own PostgreSQL, so more workers than cores only cost memory.
TEST_WORKERS ?= 2

BIN := $(abspath $(VENV))/bin
STAMP := $(VENV)/.installed
UV_VERSION := 0.13.9

.DEFAULT_GOAL := help
.PHONY: help install demo test check lock clean

help: ## list these targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-8s %s\n", $$1, $$2}' $(firstword $(MAKEFILE_LIST))

install: $(STAMP) ## set the virtual environment up

demo: $(STAMP) ## start everything on 127.0.0.1 with a simulated app (Ctrl-C ends it)
	@$(BIN)/watchkeeper demo

test: $(STAMP) ## run every test, against a real PostgreSQL
	$(BIN)/pytest -n $(TEST_WORKERS) --dist loadfile

check: $(STAMP) ## linters, strict types, direction of imports, house rules
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	cd sdk && $(BIN)/ruff check . && $(BIN)/ruff format --check .
	$(BIN)/mypy
	cd sdk && $(BIN)/mypy --config-file= --strict watchkeeper
	$(BIN)/lint-imports
	$(BIN)/pytest -q tests/test_layout.py

# uv keeps the pinned versions that still fit; `make lock UPGRADE=--upgrade` takes the newest.
lock: ## make requirements.lock again (UPGRADE=--upgrade for the newest versions)
	@scratch=$$(mktemp -d) && trap 'rm -rf "$$scratch"' EXIT && \
	$(PYTHON) -m venv "$$scratch" && \
	"$$scratch/bin/pip" install --quiet uv==$(UV_VERSION) && \
	printf 'hatchling\neditables\n' > "$$scratch/build-requirements.in" && \
	"$$scratch/bin/uv" pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	  --no-emit-index-url --no-header --no-annotate --extra dev --extra parquet \
	  --no-emit-package watchkeeper-sdk $(UPGRADE) --output-file requirements.lock \
	  pyproject.toml sdk/pyproject.toml "$$scratch/build-requirements.in"

clean: ## remove virtual environments, caches and builds; stored samples stay
	rm -rf .venv .ci/.venv dist sdk/dist .mypy_cache .pytest_cache .ruff_cache .hypothesis \
	  .import_linter_cache .schemathesis sdk/.mypy_cache sdk/.ruff_cache
	find . -type d -name __pycache__ -not -path './.git/*' -prune -exec rm -rf {} +

$(STAMP): requirements.lock pyproject.toml sdk/pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "Watchkeeper needs Python 3.11 or newer; '$(PYTHON)' is not. Name another one: make PYTHON=python3.12" >&2; \
	  exit 1; }
	@echo "Installing the pinned packages into $(VENV) (the first time takes a minute or two) ..."
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install -qq --require-hashes -r requirements.lock
	@$(BIN)/python -m pip install -qq --no-deps --no-build-isolation -e . -e sdk
	@touch $@
