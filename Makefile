# make demo: see it work.  make test: everything that has to hold.
# Which Python makes the environment; else the newest that is supported and runs.
PYTHON ?=
VENV ?= .venv
BIN = $(VENV)/bin

# Faults are tried this many times each by `make test`; more is slower and surer.
export TRIALS ?= 5
# Processes that share the tests.
WORKERS ?= 2
# Slips in the code that `make mutants` tries.
SAMPLE ?= 300

.PHONY: help environment demo test lint types docs mutants clean

help:  ## What there is
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/'

# A stamp is newer than what the environment was made from. The tests' set has the demo's in it.
SET = requirements.txt pyproject.toml tools/environment.sh
$(VENV)/demo.stamp: $(SET)
	tools/environment.sh $(VENV) demo $(PYTHON)
	touch $@

$(VENV)/stamp: $(SET)
	tools/environment.sh $(VENV) tests $(PYTHON)
	touch $(VENV)/demo.stamp $@

environment: $(VENV)/stamp  ## Make the environment (.venv) with the full tested set

demo: $(VENV)/demo.stamp  ## See it work: a model, a folder of pictures, what was found in them
	$(BIN)/tfzoo demo

lint: environment  ## Style
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: environment  ## Types
	$(BIN)/mypy

test: lint types  ## Style, types and every test; TFZOO_TEST_DATA adds those on real data
	$(BIN)/python -m pytest --numprocesses $(WORKERS) --dist worksteal \
		--cov --cov-report=term:skip-covered --durations=15

docs: environment  ## The documentation site, into site/: open site/index.html
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict --quiet

mutants: environment  ## Small slips in the code against the tests: which go unseen? (SAMPLE=300)
	$(BIN)/python -m tests.mutants --sample $(SAMPLE)

clean:  ## Remove the environment and what tools left behind
	rm -rf $(VENV) .coverage* .mypy_cache .pytest_cache .ruff_cache .hypothesis build dist site *.egg-info
