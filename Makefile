.DEFAULT_GOAL := help
SHELL := /bin/bash
PYTHON ?= python3
BIN := .venv/bin
FILES ?= 20000
BENCH_FILES ?= $(if $(filter command line,$(origin FILES)),$(FILES),5000000)
JOBS ?= auto

.PHONY: test-spark help install install-dev demo serve test check format lock openapi bench clean

help: ## Say what can be made
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-11s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.venv/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=python3.12 …")'
	$(PYTHON) -m venv .venv

.venv/installed: requirements.txt pyproject.toml | .venv/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r requirements.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --editable .
	@touch $@

.venv/installed-dev: requirements-dev.txt .venv/installed
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r requirements-dev.txt
	@touch $@

install: .venv/installed ## Install the service into .venv

install-dev: .venv/installed-dev ## Install it with what tests and checks need

demo: install ## Reconcile a generated archive on the embedded PostgreSQL, and check the reports
	$(BIN)/python -m app.demo --files $(FILES)

serve: install ## Serve on http://127.0.0.1:8000, with the embedded PostgreSQL unless RECONCILE_DATABASE_URL is set
	$(BIN)/orca-reconcile serve

test: install-dev ## Run all tests, in parallel
	$(BIN)/python -m pytest -n $(JOBS) --dist worksteal --ignore tests/spark

.venv-spark/installed: | .venv/bin/python
	$(PYTHON) -m venv .venv-spark
	.venv-spark/bin/python -m pip install --quiet --disable-pip-version-check pyspark==4.2.0
	@touch $@

test-spark: install-dev .venv-spark/installed ## Run the tests of engine spark; they need Java 17 and Debian's libpostgresql-jdbc-java
	SPARK_HOME=$$(.venv-spark/bin/python -c 'import pyspark; print(pyspark.__path__[0])') $(BIN)/python -m pytest tests/spark

check: install-dev ## Lint, types, import arrows, the OpenAPI document and the lock
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	diff -u openapi.json <($(BIN)/orca-reconcile openapi)
	$(BIN)/python -m pip check

format: install-dev ## Format the code
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

openapi: install ## Write openapi.json anew
	$(BIN)/orca-reconcile openapi > openapi.json

lock: install-dev ## Resolve the dependencies anew
	$(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header pyproject.toml -o requirements.txt
	$(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --extra otel --extra sqs -c requirements.txt pyproject.toml -o requirements-sqs.txt
	$(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --extra dev -c requirements.txt pyproject.toml -o requirements-dev.txt

bench: install-dev ## Measure, and write benchmarks/RESULTS.md
	$(BIN)/python -m benchmarks.run --files $(BENCH_FILES)

clean: ## Remove what was installed and the demo's data
	rm -rf .venv .reconcile .pytest_cache .mypy_cache .ruff_cache .hypothesis
