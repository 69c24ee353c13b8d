# trawler: what one types. `make help` lists it.
# Written for people: every target is a line or two that call a piece under hack/ or a tool in .venv.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
PYTHON ?= python3
BIN := .venv/bin
PYTEST := $(BIN)/python -m pytest

-include hack/*/*.mk

.PHONY: help
help: ## what there is
	@awk -F ':.*## ' '/^[a-zA-Z0-9_-]+:.*## /{printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST) | sort

.PHONY: venv
venv:
	@PYTHON=$(PYTHON) hack/python/venv

.PHONY: check
check: lint types unit ## while you work: lint, types, import rules, unit and contract tests

.PHONY: lint
lint: venv
	$(BIN)/ruff check --no-cache .
	$(BIN)/ruff format --check .
	PYTHONPATH=operator:downloader $(BIN)/lint-imports --no-cache --no-logo

.PHONY: types
types: venv
	$(BIN)/mypy operator downloader tests/site

# The pure core: every branch of it is taken by a unit test.
COVERED := trawler_operator.domain trawler_downloader.contract trawler_downloader.library

.PHONY: unit
unit: venv
	$(PYTEST) -q -n auto --dist worksteal tests/unit $(COVERED:%=--cov=%) --cov-branch --cov-fail-under=100
	$(PYTEST) -q tests/contract

.PHONY: component
component: venv ## before a commit: several modules together, and the chart: no root, no Docker, no cluster (ARGS="-k line")
	$(PYTEST) -q -n auto --dist worksteal -m "not e2e and not image" tests --ignore=tests/unit --ignore=tests/contract $(ARGS)

.PHONY: test
test: ## make check, make component, the tests inside the downloader image, the end-to-end suite on kind (TRAWLER_LONG=1: the longest too)
	hack/test

.PHONY: e2e
e2e: venv ## the end-to-end suite on a kind cluster of its own (ARGS="-k deletion", KEEP=1 leaves the cluster up)
	hack/e2e/run $(ARGS)

.PHONY: image-tests
image-tests: venv ## the tests that need ffmpeg and deno, inside the downloader image
	hack/image-tests $(ARGS)

.PHONY: bench
bench: venv ## the benchmarks of docs/benchmarks.md on a kind cluster
	hack/bench/run $(ARGS)

.PHONY: demo
demo: venv ## the whole thing on kind, with videos at the end (URL=https://… for your own channel)
	@hack/demo/up $(URL)

.PHONY: demo-down
demo-down: ## take the demo's cluster away; files stay in media/library
	@hack/demo/down

.PHONY: images
images: ## build both images and print their sizes (TAG, REGISTRY, PLATFORM; PUSH=1 pushes)
	@TAG="$(TAG)" REGISTRY="$(REGISTRY)" PLATFORM="$(PLATFORM)" PUSH="$(PUSH)" hack/images/build

.PHONY: reload
reload: ## a changed line of one program onto the cluster (PROGRAM=operator or downloader)
	@hack/images/reload $(PROGRAM)

.PHONY: crds
crds: venv ## generate crds/ and the chart's copy from the pydantic models
	PYTHONPATH=operator:downloader $(BIN)/python -m trawler_operator.api.crd

.PHONY: format
format: venv ## let ruff format the code
	$(BIN)/ruff check --fix -q . && $(BIN)/ruff format -q .

LOCK = $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --custom-compile-command 'make lock'
.PHONY: lock
lock: venv ## lock the Python dependencies anew (UPGRADE=--upgrade for newer ones)
	$(LOCK) $(UPGRADE) operator/pyproject.toml --no-emit-package trawler-downloader -o requirements/operator.txt
	$(LOCK) $(UPGRADE) downloader/pyproject.toml --extra engine -o requirements/downloader.txt
	$(LOCK) $(UPGRADE) requirements/build.in -o requirements/build.txt
	$(LOCK) $(UPGRADE) requirements/tools.in -o requirements/tools.txt
	$(LOCK) $(UPGRADE) operator/pyproject.toml downloader/pyproject.toml --extra engine requirements/dev.in requirements/build.in --no-emit-package trawler-downloader -o requirements/dev.txt
