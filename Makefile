# Each target sets up what it needs. On a fresh machine: Python 3.11 and make.
PYTHON ?= python3.11
BIN := .venv/bin
SHELL := /bin/bash
export RAY_USAGE_STATS_ENABLED := 0
export MLFLOW_DISABLE_TELEMETRY := true

.DEFAULT_GOAL := help
.PHONY: help setup demo test lint format ui bench stale lock clean

help: ## show this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: .venv/ready ## make the virtual environment in .venv with all pinned packages

.venv/ready: requirements.txt
	@command -v $(PYTHON) >/dev/null || { echo "error: $(PYTHON) not found; install Python 3.11, or give make PYTHON=..." >&2; exit 2; }
	$(PYTHON) -m venv .venv
	@command -v uv >/dev/null || $(BIN)/python -m pip install --quiet uv
	VIRTUAL_ENV=.venv PATH="$$PATH:$(BIN)" uv pip sync --quiet --require-hashes requirements.txt
	@touch $@

demo: setup ## the whole way on rendered signs: train, disturb, find thresholds (minutes, no download)
	. $(BIN)/activate && mlflow run . --env-manager local --experiment-name sign-to-noise

test: setup ## run all tests: a file at a time on each of up to 4 cores, then those that start clusters of their own
	$(BIN)/python -m pytest --ignore tests/e2e --numprocesses auto --maxprocesses 4 --dist loadfile
	$(BIN)/python -m pytest tests/e2e

lint: setup ## check style, types and layering
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: setup ## rewrite the code in the project's style
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

ui: setup ## open the MLflow UI of this folder on http://127.0.0.1:5000
	$(BIN)/mlflow ui --backend-store-uri "$${MLFLOW_TRACKING_URI:-sqlite:///mlflow.db}" --host 127.0.0.1 --port 5000

bench: setup ## measure speed against peers and limits; rewrites results/*.json
	@test -d .venv-bench || $(PYTHON) -m venv .venv-bench
	VIRTUAL_ENV=.venv-bench $(BIN)/uv pip sync --quiet --require-hashes benchmarks/requirements.txt
	.venv-bench/bin/python -m benchmarks

stale: setup ## list the result files whose figures were made by other code than today's; fails nothing
	$(BIN)/python -m benchmarks.stale

lock: setup ## pin all dependencies anew after a change of pyproject.toml
	$(BIN)/uv pip compile pyproject.toml --group dev --universal --python-version 3.11 --generate-hashes --no-header --output-file requirements.txt
	$(BIN)/uv pip compile pyproject.toml --group dev --group bench --universal --python-version 3.11 --generate-hashes --no-header --constraint requirements.txt --output-file benchmarks/requirements.txt

clean: ## remove what can be made again (not mlflow.db and output/)
	rm -rf .venv .venv-bench .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -prune -exec rm -rf {} +
