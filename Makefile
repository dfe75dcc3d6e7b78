# Two commands do everything, set-up included: `make demo` and `make test`. The second time they are quick.

SHELL := /bin/bash
PYTHON ?= python3
VENV ?= .venv
EXTRAS ?= cpu,mlflow,mri,radiograph,pathology,dev
TASK ?= patches
OUT ?= demo_output$(if $(filter mri slides,$(TASK)),_$(TASK))
DATA ?=
WORKERS ?= 2
TESTS ?= tests
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.DEFAULT_GOAL := help
.PHONY: help demo test lint format types docs api lock clean

help: ## this list
	@echo "usage: make TARGET [NAME=value ...]"
	@awk -F ':.*## ' '/^[a-z]+:.*## /{printf "  %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: $(STAMP) ## prepare, train, distil, evaluate, infer (TASK=patches, mri or slides, DATA=source, OUT=folder, EPOCHS=, PREPARE=, TRAIN=options)
	@TASK="$(TASK)" PYTHON="$(BIN)/python" bash tools/demo.sh "$(OUT)" "$(DATA)"

test: $(STAMP) ## run the tests (TESTS=tests/memory to run some, WORKERS=2)
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n $(WORKERS) $(TESTS)

lint: $(STAMP) ## check style and import order
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

format: $(STAMP) ## mend style and import order
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

types: $(STAMP) ## check annotations
	$(BIN)/mypy

docs: $(STAMP) ## build the pages under docs/ into site/
	$(BIN)/pip install --quiet -e ".[docs]"
	$(BIN)/mkdocs build --strict

api: $(STAMP) ## record the public names after a deliberate change
	$(BIN)/python tests/structure/test_api_surface.py

lock: $(STAMP) ## write constraints.txt anew (Python 3.11, no GPU)
	$(BIN)/pip install --quiet --dry-run --ignore-installed --report - -c constraints-cpu.txt -e ".[all]" \
		| $(BIN)/python tools/lock.py > constraints.txt.new
	mv constraints.txt.new constraints.txt

clean: ## remove what the targets made, the virtual environment included
	rm -rf "$(VENV)" demo_output demo_output_mri demo_output_slides .pytest_cache .ruff_cache .mypy_cache .coverage htmlcov site

$(STAMP): pyproject.toml constraints.txt constraints-cpu.txt tools/setup.sh
	@PYTHON="$(PYTHON)" bash tools/setup.sh "$(VENV)" "$(EXTRAS)"
	@touch "$@"
