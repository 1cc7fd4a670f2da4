# Needs make and Python 3.11 to 3.14; everything else is brought. PYTHON names another interpreter.
.DEFAULT_GOAL := help
.PHONY: run test setup setup-dev chromium format lint types imports unit integration js e2e browser faults staging bench lock clean help

BIN := .venv/bin
PYTEST := $(BIN)/python -m pytest
SOURCES := worker web tests celeryconfig.py
SEEDS := 200
PROCESSES := 2

run: setup ## Run everything on this machine until Ctrl-C; data stays in .data
	@$(BIN)/python -m worker.local

test: setup-dev chromium lint types imports ## Check everything: style, types, import rules, all tests
	@$(PYTEST) -n 2

setup: ## Make .venv and install what running needs
	@bin/setup requirements-local.txt

setup-dev: ## Make .venv and install what working on the code needs
	@bin/setup requirements-dev.txt

chromium: setup-dev ## Find a Chromium for the browser tests, or install one
	@$(BIN)/python -m tests.support.chromium

format: setup-dev ## Format the code
	@$(BIN)/ruff format $(SOURCES)
	@$(BIN)/ruff check --fix $(SOURCES)

lint: setup-dev ## Check format and style
	@$(BIN)/ruff format --check $(SOURCES)
	@$(BIN)/ruff check $(SOURCES)

types: setup-dev ## Check types
	@$(BIN)/mypy

imports: setup-dev ## Check who may import whom
	@$(BIN)/lint-imports

unit: setup-dev ## Tests without network
	@$(PYTEST) tests/unit

integration: setup-dev ## Tests with a real Redis
	@$(PYTEST) tests/integration

js: setup-dev ## Tests of the browser's modules
	@$(PYTEST) tests/unit/test_js.py

e2e: setup-dev ## Tests of the processes of the Procfile
	@$(PYTEST) tests/e2e

browser: setup-dev chromium ## Tests in a real Chromium
	@$(PYTEST) tests/browser

faults: setup-dev ## Kill, stop and cut things under load, for SEEDS=200 seeds, and print what came of it
	@$(BIN)/python -m tests.faults.run --seeds $(SEEDS) --processes $(PROCESSES) --mutants

staging: setup-dev chromium ## Deploy the committed files to a platform on this machine and check it; or URL=https://… elsewhere
	@$(BIN)/python -m tests.staging.run $(if $(URL),--url $(URL)) $(if $(CA),--authority $(CA)) $(if $(WITHOUT),--without $(WITHOUT)) $(if $(FRESH),--fresh)

bench: setup-dev ## Measurements; not part of the tests
	@$(PYTEST) tests/benchmarks -m benchmark -s

lock: setup-dev ## Write the lock files anew from pyproject.toml
	@bin/lock

clean: ## Remove what was built; the data in .data stays
	rm -rf .venv .staging .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis test-artifacts build *.egg-info
	find worker web tests -name __pycache__ -type d -prune -exec rm -rf {} +

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## /{printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
