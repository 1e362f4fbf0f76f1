.DEFAULT_GOAL := help
SHELL := /bin/bash
PYTHON ?= python3
BIN := .venv/bin
FILES ?= 20000
BENCH_FILES ?= $(if $(filter command line,$(origin FILES)),$(FILES),5000000)
JOBS ?= auto
JDBC_DRIVER := /usr/share/java/postgresql.jar
# 500 MB that are of no use without the other two; the tests say what is missing.
SPARK_SERVER := $(and $(shell command -v java),$(wildcard $(JDBC_DRIVER)),.venv-spark/installed)

.PHONY: help install install-dev demo serve test test-spark check format lock openapi bench bench-spark soak screenshots clean

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

test: install-dev $(SPARK_SERVER) ## Run all tests, in parallel; those of engine spark by themselves, where Java and Debian's libpostgresql-jdbc-java are there
	$(BIN)/python -m pytest -n $(JOBS) --dist worksteal -m "not spark"
	$(BIN)/python -m pytest -m spark

test-spark: install-dev $(SPARK_SERVER) ## Run the tests of engine spark alone
	$(BIN)/python -m pytest -m spark

.venv-spark/installed: requirements-spark-server.txt | .venv/bin/python
	$(PYTHON) -m venv .venv-spark
	.venv-spark/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r $<
	@touch $@

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
	$(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --extra charts pyproject.toml -o requirements.txt
	$(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --extra charts --extra otel --extra sqs -c requirements.txt pyproject.toml -o requirements-sqs.txt
	$(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --extra charts --extra otel --extra sqs --extra spark -c requirements-sqs.txt pyproject.toml -o requirements-spark.txt
	$(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --group spark-server -o requirements-spark-server.txt
	$(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --extra charts --extra dev -c requirements.txt pyproject.toml -o requirements-dev.txt

screenshots: install-dev ## Take the screenshots in docs/ of what make demo left
	$(BIN)/python -m benchmarks.screenshots

bench: install-dev ## Measure, and write benchmarks/RESULTS.md
	$(BIN)/python -m benchmarks.run --files $(BENCH_FILES)

bench-spark: install-dev $(SPARK_SERVER) ## Measure engine spark beside duckdb, and write benchmarks/spark.md
	$(BIN)/python -m benchmarks.spark --files $(BENCH_FILES)

soak: install-dev ## Keep three replicas busy under random faults for SOAK_MINUTES=10, and write benchmarks/soak.md
	$(BIN)/python -m benchmarks.soak

clean: ## Remove what was installed and the demo's data
	rm -rf .venv .venv-spark .reconcile .pytest_cache .mypy_cache .ruff_cache .hypothesis
