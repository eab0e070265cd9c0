# make env | demo | test | coverage | lint | audit | space-test | clean      Everything happens in .venv; the second call of each is quick.
.DEFAULT_GOAL := demo
.PHONY: env env-dev demo test chromium coverage lint audit space-test clean
# Where it is set, every process compiles torch and gradio anew: half a minute in place of ten seconds.
unexport PYTHONDONTWRITEBYTECODE

# Python 3.11 or newer; say PYTHON=... to choose another.
PYTHON ?= $(shell for p in python3.11 python3.12 python3.13 python3; do \
	"$$p" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1 && echo "$$p" && break; done)
# faiss-gpu only where an NVIDIA driver is.
REQUIREMENTS := $(if $(shell command -v nvidia-smi 2>/dev/null)$(wildcard /proc/driver/nvidia/version),requirements.txt,requirements-cpu.txt)
ROOT := $(if $(filter 0,$(shell id -u)),,sudo)
STAMP := .venv/.installed-$(basename $(REQUIREMENTS))
PY := .venv/bin/python
AT_ONCE := --dist worksteal
# Python compiles what is imported when it is first imported: the half of it that is not never is.
INSTALL := $(PY) -m pip install --quiet --disable-pip-version-check --no-compile

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

# Rules first, while the browser is installed, then model-free tests; then the ones that need the bundled encoder and a
# browser. In two processes, and in three where tests wait for a browser: they wait for each other, and for slow lines.
test:
	+@$(MAKE) --no-print-directory --jobs 2 lint chromium
	$(PY) -m pytest -q $(AT_ONCE) --numprocesses 2 --ignore=tests/browser --ignore=tests/golden
	$(PY) -m pytest -q $(AT_ONCE) --numprocesses 3 tests/browser $(wildcard tests/golden)

chromium: env
	@command -v chromium-headless-shell >/dev/null || { $(ROOT) timeout 300 apt-get update -qq && \
		$(ROOT) env DEBIAN_FRONTEND=noninteractive timeout 300 apt-get install -y -qq --no-install-recommends \
		$$(apt-cache search --names-only '^chromium-headless-shell$$' | grep -q . && echo chromium-headless-shell \
		|| echo chromium); } || command -v chromium >/dev/null || { echo "the browser tests need Chromium: install it"; exit 1; }

# Branch coverage of the model-free tests, without the processes that they start. The last line has the total.
coverage: env-dev
	$(PY) -m coverage run -m pytest -q --ignore=tests/browser --ignore=tests/golden
	$(PY) -m coverage report

lint: env-dev
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/oxlint umr
	.venv/bin/mypy

# Licences as the packages state them, and known weaknesses of the versions in .venv, where a service that knows them is
# reached; pip-audit lies in an environment of its own. Red for a known weakness alone, never for want of a network.
audit: env
	$(PY) -m umr.bench licences --requirements $(REQUIREMENTS)
	@test -x .audit/bin/pip-audit || { $(PYTHON) -m venv .audit && .audit/bin/pip install --quiet \
		--disable-pip-version-check --retries 1 --timeout 10 pip-audit; } || { rm -rf .audit; \
		echo "audit: no registry is reached, so nothing was asked about known weaknesses"; exit 0; }; \
	said=$$(.audit/bin/pip-audit --path .venv/lib/python*/site-packages --progress-spinner off --timeout 10 2>&1); \
	status=$$?; echo "$$said" | grep -v "could not be audited"; \
	echo "audit: $$(echo "$$said" | grep -c "could not be audited") packages could not be looked up: nothing is known of them"; \
	case "$$status $$said" in 0*) ;; *"Found "*known*) exit 1;; *) echo "audit: the service was not reached";; esac

# The Space's own requirements alone in a new Python 3.12, where one is at hand; the page is opened and asked.
space-test: env
	$(PY) -m umr.bench space

clean:
	rm -rf .venv .audit test-artifacts .pytest_cache .ruff_cache .mypy_cache .coverage
