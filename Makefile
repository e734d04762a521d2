# `make book` builds the site from the chapters after executing them anew and comparing;
# `make test` runs the tests, then nbval on the committed notebooks. Neither changes a tracked file.
# Neither runs an experiment: `make experiments` does, and takes up where it was stopped.

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help install book test chapters experiments serve clean

PYTHON ?= python3
PORT ?= 8000
JOBS ?= 2
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
SITE := _build/html

# Two processes work side by side, each with one thread.
export OMP_NUM_THREADS ?= 1

help:
	@echo "make book                    execute the chapters, compare, build and check the site"
	@echo "make test                    run the tests, then nbval on the committed notebooks"
	@echo "make chapters [NAME=stem]    execute chapters and adopt their outputs (writes files)"
	@echo "make experiments [NAME=name] run heavy experiments into book/results (writes files)"
	@echo "make serve [PORT=8000]       show the built site on this machine"
	@echo "make clean                   remove the site, the caches and $(VENV)"

install: $(STAMP)

$(STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' || { \
	  echo "Python 3.11, 3.12 or 3.13 is needed: name one, as in: make PYTHON=python3.11 ..."; \
	  exit 1; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || { \
	  echo "Python's venv module is missing: install it (Debian, Ubuntu: sudo apt-get install" \
	    "python3-venv), then run make again."; \
	  exit 1; }
	@echo "installing into $(VENV), once; this takes some minutes where nothing is cached"
	@$(PYTHON) -m venv --clear $(VENV)
	@$(BIN)/python -m pip install $$(test -t 1 || echo --quiet) --disable-pip-version-check \
	  -c constraints.txt -e '.[book,test]' || { \
	  echo "The installation failed: if the lines above speak of connections or of no matching" \
	    "distribution, check the network, or name a package index by PIP_INDEX_URL," \
	    "and run make again."; \
	  exit 1; }
	@$(BIN)/python -c 'import matplotlib.font_manager'
	@touch $(STAMP)

book: $(STAMP)
	@$(BIN)/python book/_tools/execute.py --verify
	@$(BIN)/python book/_tools/gates.py
	@$(BIN)/python book/_tools/site.py

test: $(STAMP)
	@echo "unit tests and docstring examples, with coverage"
	@$(BIN)/python -m pytest -n 2 --cov --cov-report=term --doctest-modules src tests
	@echo "the committed notebooks, cell by cell"
	@$(BIN)/python -m pytest -n 2 --nbval book

chapters: $(STAMP)
	@$(BIN)/python book/_tools/execute.py --write $(NAME)

experiments: $(STAMP)
	@$(BIN)/python book/_tools/run_experiments.py --jobs $(JOBS) $(NAME)

serve:
	@test -f $(SITE)/index.html || { echo "There is no site yet: run make book first."; exit 1; }
	@echo "http://127.0.0.1:$(PORT) (stop with Ctrl-C)"
	@$(PYTHON) -m http.server --bind 127.0.0.1 --directory $(SITE) $(PORT)

clean:
	rm -rf _build $(VENV) .coverage* .pytest_cache .ruff_cache .hypothesis src/*.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
