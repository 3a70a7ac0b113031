# Two commands are enough: `make demo` and `make test`. Everything they make lies below var/.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.PHONY: help setup demo test test-fast test-all bench up down status lint format lock clean

VENV := var/venv
BIN := $(VENV)/bin
UV_VERSION := 0.13.9
PEOPLE ?= 52000
SEED ?= 2022
export GX_ANALYTICS_ENABLED := False
export DBT_SEND_ANONYMOUS_USAGE_STATS := False
export SCARF_ANALYTICS := false
export DO_NOT_TRACK := 1
export PYTHONPATH := $(CURDIR)/plugins:$(CURDIR)

help: ## what can be made
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

setup: $(VENV)/.installed ## the environment: uv if missing, then exactly what requirements.lock says

$(VENV)/.installed: requirements.lock
	@python=$$(for name in python3.12 python3.11 python3.13 python3 /usr/bin/python3; do \
	    command -v $$name >/dev/null && $$name -c 'import sys, venv, ensurepip; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' 2>/dev/null \
	      && command -v $$name && break; done || true); \
	if [ -z "$$python" ]; then \
	  echo "No Python 3.11 to 3.13 with its venv module was found. On Debian or Ubuntu: sudo apt-get install python3 python3-venv" >&2; exit 1; \
	fi; \
	uv=$$(command -v uv || true); \
	if [ -z "$$uv" ]; then \
	  uv=var/tools/bin/uv; \
	  if ! [ -x $$uv ]; then \
	    echo "Fetching uv $(UV_VERSION)"; \
	    $$python -m venv --clear var/tools; \
	    var/tools/bin/python -m pip install --quiet --disable-pip-version-check uv==$(UV_VERSION); \
	  fi; \
	fi; \
	echo "Installing the locked environment into $(VENV)"; \
	[ -x $(BIN)/python ] || $$uv venv --quiet --python "$$python" $(VENV); \
	VIRTUAL_ENV=$(CURDIR)/$(VENV) $$uv pip sync --quiet --require-hashes requirements.lock
	@touch $@

demo: setup ## a synthetic county taken from December 2021 to March 2022: files, Airflow, gate, sealed returns
	@./neet demo --people $(PEOPLE) --seed $(SEED)

test: setup ## every test but the longest; Python packages are enough
	@$(BIN)/python -m pytest -m "not system" -q -n 2 --dist loadfile --no-loadscope-reorder

test-fast: setup ## the quick ones, under a minute
	@$(BIN)/python -m pytest -m "not slow and not services and not system" -q -n 2 --dist loadfile

test-all: test ## those, then further seeds, kills, damaged files, OpenSSH, the demonstration, Kent's size (what CI runs; under an hour)
	@$(BIN)/python -m pytest -m system -q -n 2 --dist loadfile --no-loadscope-reorder

bench: setup ## what it costs, as ratios, in some twenty minutes; BENCH="rules xml --keep" for some
	@$(BIN)/python -m benchmarks $(BENCH)

up: setup ## start PostgreSQL and Airflow
	@./neet up

down: setup ## stop them
	@./neet down

status: setup ## what runs, what arrived, what is late, how the gates stand
	@./neet status

lint: setup ## style of Python and of the SQL models
	@$(BIN)/ruff check . && $(BIN)/ruff format --check .
	@$(BIN)/sqlfluff lint dbt_project/models --disable-progress-bar --processes 2

format: setup ## mend the style of Python
	@$(BIN)/ruff check --fix . && $(BIN)/ruff format .

lock: ## resolve the dependencies of pyproject.toml into requirements.lock
	@$$(command -v uv || echo var/tools/bin/uv) pip compile pyproject.toml --group dev --universal --generate-hashes --quiet --upgrade -o requirements.lock

clean: ## stop everything and delete all state: the environment, the databases, landing and packages
	@[ -e $(VENV)/.installed ] && ./neet down || true
	@rm -rf var dbt_project/target dbt_project/logs .pytest_cache .ruff_cache .hypothesis
