# Everything a checkout can do, on a Debian 12 or 13 machine that has git, make and python3.
# Each target sets up what it needs; Debian packages come by apt-get, as root or by sudo.

PYTHON ?= python3
BIN := .venv/bin
PIP := -m pip --disable-pip-version-check --require-virtualenv

# Debian keeps brokers and network tools where a user's PATH does not look.
export PATH := $(PATH):/usr/sbin:/sbin

# Only `make demo SECONDS=40` counts: bash has a variable of that name, too.
ifneq ($(origin SECONDS),command line)
override SECONDS :=
endif

COMPILE := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	--no-emit-index-url --no-emit-find-links --no-header

.PHONY: help venv demo test check pytest proof bench docs lock image-arm clean

help: ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' Makefile

venv: .venv/project ## set up .venv with edge-agent, edge-backend and edgectl in .venv/bin

demo: venv ## the whole path without hardware; SECONDS=40 prints one JSON summary instead
	$(BIN)/edge-agent demo $(if $(SECONDS),--seconds $(SECONDS) --json,)

test: check pytest ## style, types and all tests but the heavy ones

check: venv
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

pytest: venv .venv-judge/stamp
	.ci/need mosquitto=mosquitto strace=strace mbpoll=mbpoll ModemManager=modemmanager dbus-daemon=dbus "cc=gcc libc6-dev"
	$(BIN)/python -m pytest -m "not proof"

proof: venv .venv-judge/stamp ## the heavy proofs: kills, cuts, long fuzz
	.ci/need mosquitto=mosquitto strace=strace mbpoll=mbpoll
	$(BIN)/python -m pytest -m proof -s

bench: venv .venv-judge/stamp ## time to the first reading, memory, bytes per reading, decode rates
	.ci/need mosquitto=mosquitto
	$(BIN)/python -m bench

docs: venv ## write docs/meters.md anew from the catalogue
	$(BIN)/python -m config.meters_page > docs/meters.md.new
	mv docs/meters.md.new docs/meters.md

lock: venv ## write the lock files from requirements*.in, keeping versions; UPGRADE=1 takes newer ones
	for name in requirements requirements-dev requirements-judge; do \
		$(COMPILE) $(if $(UPGRADE),--upgrade,) --output-file $$name.lock $$name.in || exit 1; \
	done

image-arm: venv ## build Dockerfile.arm for linux/arm64 and try it out (as root)
	image/build-arm.sh

clean: ## remove environments, caches and build leftovers
	rm -rf .venv .venv-judge build dist demo-state *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# An environment is made again from nothing when its lock has changed: nothing old stays in it.
.venv/stamp: requirements-dev.lock
	@$(create-environment)
	$(BIN)/python $(PIP) install --quiet --require-hashes -r requirements-dev.lock
	touch $@

.venv/project: .venv/stamp pyproject.toml requirements.in
	$(BIN)/python $(PIP) install --quiet --no-deps --no-build-isolation -e .
	touch $@

.venv-judge/stamp: requirements-judge.lock
	@$(create-environment)
	$(@D)/bin/python $(PIP) install --quiet --require-hashes -r requirements-judge.lock
	touch $@

define create-environment
set -e; \
"$(PYTHON)" -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	|| { echo "$(PYTHON) is older than 3.11. Use Debian 12 or later, or set PYTHON=/path/to/python3.11" >&2; exit 1; }; \
"$(PYTHON)" -c 'import ensurepip' 2>/dev/null || .ci/need =python3-venv; \
"$(PYTHON)" -c 'import ensurepip' \
	|| { echo "$(PYTHON) cannot make virtual environments: install its venv package" >&2; exit 1; }; \
echo "Setting up $(@D)"; \
"$(PYTHON)" -m venv --clear $(@D)
endef
