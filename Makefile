# The same names as CI: `make results/table1.csv` and `make test` work from a bare clone.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.PHONY: help venv nnunet report test test-browser test-nnunet check FORCE
.PRECIOUS: results/% results/%.csv results/leaderboard/%.csv

VENV := .venv
INSTALLED := $(VENV)/.installed
export PATH := $(CURDIR)/$(VENV)/bin:$(PATH)

# The first Python that is new enough (3.11.4 unpacks archives safely) and can make a virtual environment.
FITS := import ensurepip, sys; sys.exit(sys.version_info < (3, 11, 4))
PYTHON ?= $(shell for p in python3.11 python3.12 python3.13 python3; do $$p -c '$(FITS)' 2> /dev/null && echo $$p && break; done)

# Conda is used where Snakemake can use it, else the virtual environment.
USE_CONDA = $(shell $(VENV)/bin/python -c 'from voxelbench.preflight import *; check_conda(True)' 2> /dev/null && echo --use-conda)
# More words for Snakemake, e.g. `make results/table1.csv FLAGS="--resources gpu=1"`.
FLAGS ?=

help: ## say what can be made
	@echo "make results/table1.csv   the main table; results/<table>.csv for any table of config/config.yaml"
	@sed -n 's/^\([a-z-]*\):.*## /make \1\t/p' Makefile | expand -t 26

venv: $(INSTALLED) ## make the virtual environment, .venv

nnunet: $(VENV)-nnunet/.installed ## make the environment of nnU-Net, .venv-nnunet

$(INSTALLED): EXTRAS := engine,test
$(VENV)-nnunet/.installed: EXTRAS := engine,nnunet

$(INSTALLED) $(VENV)-nnunet/.installed: pyproject.toml constraints.txt
	@test -n "$(PYTHON)" || { echo "voxelbench needs Python 3.11.4 or later, with venv; none is on PATH." >&2; exit 1; }
	test -x $(@D)/bin/python || $(PYTHON) -m venv $(@D)
	@echo "Installing into $(@D), about two minutes and 2 GB ..."
	$(@D)/bin/python -m pip install -qq -c constraints.txt -e '.[$(EXTRAS)]'
	@touch $@

# Snakemake decides what there is to do. After a failure the table is made all the same: it says what is missing, and why.
# The target comes first: `--config` and `--resources` in FLAGS take every word after them.
SNAKEMAKE = snakemake $@ --cores all --keep-going $(USE_CONDA) $(FLAGS)

results/%.csv: $(INSTALLED) FORCE
	@$(SNAKEMAKE) || { \
	  voxelbench table $(*F) --allow-missing && voxelbench place $(*F) && voxelbench show $@; exit 1; }
	@voxelbench show $@

# Made of several tables, or of none: there is no table to fall back on.
results/delta.csv results/cost.csv: $(INSTALLED) FORCE
	@$(SNAKEMAKE)

results/leaderboard/%.csv: $(INSTALLED) FORCE
	@$(SNAKEMAKE)

results/%: $(INSTALLED) FORCE
	@$(SNAKEMAKE)

report: $(INSTALLED) ## make what a report shows, and results/report.html: one page to pass on
	@snakemake evidence --cores all --keep-going $(USE_CONDA) $(FLAGS)
	@snakemake evidence --report results/report.html $(USE_CONDA) $(FLAGS)

test: $(INSTALLED) ## run all tests; one BLAS thread each, one process a core
	OMP_NUM_THREADS=1 MKL_NUM_THREADS=1 pytest --numprocesses auto --maxprocesses 8 --ignore tests/browser $(FLAGS)

test-browser: $(INSTALLED) ## run the tests of the site in a headless Chromium, where there is one
	pytest tests/browser $(FLAGS)

test-nnunet: nnunet ## run the tests that need nnU-Net, in its environment
	$(VENV)-nnunet/bin/python -m pip install -qq -c constraints.txt pytest hypothesis
	OMP_NUM_THREADS=1 MKL_NUM_THREADS=1 $(VENV)-nnunet/bin/python -m pytest -m nnunet methods/nnunet

check: $(INSTALLED) ## run the linters, the formatters in check mode, and the type checker
	ruff check .
	ruff format --check .
	mypy
	snakefmt --check Snakefile workflow
	snakemake --lint
