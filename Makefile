# make env | demo | test | lint | clean      Everything happens in .venv; the second call of each is quick.
.DEFAULT_GOAL := demo
.PHONY: env env-dev demo test lint clean

# Python 3.11 or newer; say PYTHON=... to choose another.
PYTHON ?= $(shell for p in python3.11 python3.12 python3.13 python3; do \
	"$$p" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1 && echo "$$p" && break; done)
# faiss-gpu only where an NVIDIA driver is.
REQUIREMENTS := $(if $(shell command -v nvidia-smi 2>/dev/null)$(wildcard /proc/driver/nvidia/version),requirements.txt,requirements-cpu.txt)
ROOT := $(if $(filter 0,$(shell id -u)),,sudo)
STAMP := .venv/.installed-$(basename $(REQUIREMENTS))
PY := .venv/bin/python
INSTALL := $(PY) -m pip install --quiet --disable-pip-version-check

env: $(STAMP)
env-dev: .venv/.installed-dev

# The two kinds of faiss must never be installed over each other: the other kind's environment is made anew.
$(STAMP): $(REQUIREMENTS)
	@test -n "$(PYTHON)" || { echo "umr needs Python 3.11 or newer: install it, or say make PYTHON=/path/to/python"; exit 1; }
	@test -e $@ || ! ls .venv/.installed-requirements* >/dev/null 2>&1 || rm -rf .venv
	@echo "umr: installing $(REQUIREMENTS) into .venv (a few minutes the first time)"
	test -x $(PY) || $(PYTHON) -m venv .venv || { rm -rf .venv; \
		$(ROOT) apt-get update -qq && $(ROOT) apt-get install -y -qq python3-venv && $(PYTHON) -m venv .venv; }
	$(INSTALL) -r $(REQUIREMENTS)
	touch $@

.venv/.installed-dev: requirements-dev.txt $(STAMP)
	$(INSTALL) -r requirements-dev.txt
	touch $@

demo: env
	$(PY) app.py

# Rules first, then model-free tests; then the ones that need the bundled encoder and a browser.
test: env-dev lint
	@command -v chromium >/dev/null || { $(ROOT) apt-get update -qq && \
		$(ROOT) env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium; }
	$(PY) -m pytest -q --ignore=tests/browser --ignore=tests/golden
	$(PY) -m pytest -q tests/browser $(wildcard tests/golden)

lint: env-dev
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/mypy

clean:
	rm -rf .venv test-artifacts .pytest_cache .ruff_cache .mypy_cache .coverage
