# Every target makes .venv first if it is missing or older than the files that describe it.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.PHONY: help .venv test test-slow lint demo smoke report clean walk pictures

BIN := .venv/bin
STAMP := .venv/.installed
WORKERS ?= 2
# The first interpreter that starts and is new enough (a pyenv shim may exist and not start).
PYTHON ?= $(shell for p in python3.11 python3 python3.12 python3.13; do \
	$$p -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1 && { echo $$p; break; }; done)

help:  ## this list
	@grep -E '^[a-z.-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z.-]+):.*## /\1\t/' | expand -t 12

.venv: $(STAMP)  ## the virtual environment with the lab in it

$(STAMP): pyproject.toml constraints.txt
	@test -n "$(PYTHON)" || { echo "No Python 3.11 or newer with venv found; install one, or say make PYTHON=/path/to/python" >&2; exit 2; }
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || { echo "making .venv with $(PYTHON)"; $(PYTHON) -m venv --clear .venv; }
	@echo "installing the lab into .venv (minutes the first time: PyTorch is large)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev,box2d]'
	@touch $@

test: $(STAMP)  ## the tests, without the slow ones (about 14 minutes on two cores)
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q -n $(WORKERS) -m "not slow"

test-slow: $(STAMP)  ## the slow tests (at most 50 minutes)
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q -n $(WORKERS) -m slow

lint: $(STAMP)  ## ruff and strict types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy --strict core rl generative

demo: $(STAMP)  ## train six algorithms, compare them, write runs/report.html (under 5 minutes)
	$(BIN)/lab demo

smoke: $(STAMP)  ## every cell of the benchmark tables with few steps (about 15 minutes)
	$(BIN)/lab bench agents --tier smoke --root runs/smoke/agents
	$(BIN)/lab bench trainers --tier smoke --root runs/smoke/trainers
	$(BIN)/lab bench networks --tier smoke --root runs/smoke/networks

report: $(STAMP)  ## runs/report.html from whatever is in runs/
	$(BIN)/lab report --out runs/report.html

clean:  ## forget .venv and caches; runs/ stays
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache build dist
	find core rl generative tests -name __pycache__ -type d -prune -exec rm -rf {} +

walk: $(STAMP)  ## docs/comparing.md anew: trains, compares and draws what it shows (about 10 minutes)
	$(BIN)/python docs/walk.py

pictures:  ## docs/pictures from the newest demo in runs/ (needs chromium)
	$(BIN)/python docs/pictures.py
