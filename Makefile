# Every target sets up what it needs in .venv; a second call finds it there.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.edgeguard-ready
TYPES := build/types
# Workers of the test suite.
JOBS ?= 2
# The core of the emulated device: cortex-a53 (Raspberry Pi 3, Zero 2 W), cortex-a72 (4) or cortex-a76 (5).
CORE ?= cortex-a76

.PHONY: help setup demo test test-long device device-tools lint type format clean

help:
	@echo "make demo     train, export, verify and measure a small network: the whole story"
	@echo "make test     the test suite"
	@echo "make test-long  what takes too long for every change: kills at every moment, boots of whole images"
	@echo "make device   build and start the emulated Raspberry Pi (CORE=$(CORE)); again: the one that runs"
	@echo "make lint     ruff"
	@echo "make type     mypy, strict"
	@echo "make format   let ruff rewrite what it can"
	@echo "make clean    remove what make made"

setup: $(READY)

# torch comes first: resolved together with the rest, pip may fetch several of its large wheels before it settles.
$(READY): setup.cfg pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "edgeguard needs Python 3.11 or later; name one with: make PYTHON=python3.13"; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' || \
		{ echo "this Python cannot make virtual environments; on Debian: apt install python3-venv"; exit 1; }
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet -c constraints.txt torch
	$(BIN)/python -m pip install --quiet -c constraints.txt -e '.[test]'
	@touch $@

demo: $(READY)
	$(BIN)/edgeguard demo

# Tests that measure time run alone, before the others share the cores.
test: $(READY)
	@if grep -rqs --include='*.py' 'mark\.serial' tests; then $(BIN)/python -m pytest -m serial; fi
	$(BIN)/python -m pytest -m "not serial and not long" -n $(JOBS) --dist worksteal
	$(BIN)/python -m pytest -m "not long" device_tests

test-long: $(READY)
	$(BIN)/python -m pytest -m long -n $(JOBS) --dist worksteal
	$(BIN)/python -m pytest -m long device_tests

device: $(READY)
	$(BIN)/python -m device_tests.emulator start --core $(CORE)

# What the emulated device needs of Debian: installed when root, else named.
device-tools: $(READY)
	$(BIN)/python -m device_tests.emulator tools

lint: $(READY)
	$(BIN)/ruff check .

# mypy does not know package_dir: it sees the packages where they are imported from, through a tree of links.
type: $(READY)
	@rm -rf $(TYPES) && mkdir -p $(TYPES)/edgeguard
	@for entry in edgeguard/*; do ln -s "$(CURDIR)/$$entry" "$(TYPES)/$$entry"; done
	@for package in calibration export runtimes; do ln -s "$(CURDIR)/$$package" "$(TYPES)/edgeguard/$$package"; done
	@ln -s "$(CURDIR)/device_tests" "$(TYPES)/device_tests"
	cd $(TYPES) && $(CURDIR)/$(BIN)/python -m mypy --config-file $(CURDIR)/pyproject.toml \
		--cache-dir $(CURDIR)/.mypy_cache -p edgeguard -p device_tests.emulator

format: $(READY)
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

clean:
	rm -rf $(VENV) build dist demo-out *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
