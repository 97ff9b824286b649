# Everything from a clean clone with git, make and Python >= 3.11: the first target that
# needs it makes .venv from the locked requirements.
#
#   PYTHON=python3.13   the interpreter .venv is made of
#   ARGS="-k lease"     more arguments for pytest (`-n 0`: all by one process, for -s and --pdb)
#   KEEP=1              `make demo` leaves everything up, DOWN=1 takes it down again

PYTHON ?= python3
ARGS   ?=
KEEP   ?=
ROUNDS ?= 3
MINUTES ?= 20
SEED   ?=

bin   := .venv/bin
ready := .venv/.ready
uv    := $(bin)/uv pip compile pyproject.toml --quiet --universal --python-version 3.11 \
         --generate-hashes --custom-compile-command 'make lock'

measure := PYTHONPATH=examples/demo:. $(bin)/python -m bench

.DEFAULT_GOAL := help
.PHONY: help check test demo bench soak load matrix inspects fmt lock clean
.DELETE_ON_ERROR:

help: ## this list
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 16

check: $(ready) ## format, lint, types, import contracts, spelling
	$(bin)/ruff format --check
	$(bin)/ruff check
	$(bin)/mypy
	$(bin)/lint-imports
	$(bin)/interrogate --quiet tests
	$(bin)/codespell

test: $(ready) ## every test, on a real engine and a real Postgres
	$(bin)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder $(ARGS)

demo: $(ready) ## the main job, live, on real parts (KEEP=1 leaves it up)
	KEEP=$(KEEP) $(bin)/python examples/demo

bench: $(ready) .venv-bench/.ready ## fidelity, latency, cost at rest, recovery after faults, beside others (ROUNDS=3)
	$(measure).fidelity
	$(measure).latency
	$(measure).rest --peers .venv-bench/bin/python
	$(measure).recovery --peers .venv-bench/bin/python --rounds $(ROUNDS) --json .cache/bench/recovery.json

load: $(ready) ## what users see of replacements under load, beside docker restart and compose
	$(bin)/python -m pytest tests/load/load.py -s -p no:randomly $(ARGS)

matrix: $(ready) ## whoever dies at whichever call of a replacement (hours; ARGS="-k overlap")
	$(bin)/python -m pytest tests/matrix/matrix.py -s -p no:randomly $(ARGS)

soak: $(ready) ## a long run with faults at random (MINUTES=20 SEED=1)
	MINUTES=$(MINUTES) SEED=$(SEED) $(bin)/python -m pytest tests/chaos/soak.py -s -p no:randomly $(ARGS)

inspects: $(ready) ## record anew what engines of three versions show, for tests/core
	PYTHONPATH=examples/demo:. $(bin)/python -m tests.adapters.docker.clones.record

fmt: $(ready) ## format, and mend what ruff can mend
	$(bin)/ruff format
	$(bin)/ruff check --fix

lock: $(ready) ## the newest releases into requirements/*.txt, with hashes
	$(uv) --upgrade -o requirements/run.txt
	$(uv) --upgrade --group dev -o requirements/dev.txt
	$(uv) --upgrade --group bench -o requirements/bench.txt

clean: ## away with .venv, caches and builds
	rm -rf .venv .venv-bench .cache .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis
	rm -rf .coverage* dist build
	find . -name __pycache__ -not -path './.git/*' -prune -exec rm -rf {} +

# -- .venv ---------------------------------------------------------------------------------------
# The stamp is newer than the lock and pyproject.toml once both are installed. The project itself
# is editable, and built with what the lock holds: nothing outside the lock is ever fetched.

pip := $(bin)/python -m pip --disable-pip-version-check --quiet

$(ready): requirements/dev.txt pyproject.toml | $(bin)/pip
	@echo "installing the locked requirements into .venv"
	@$(pip) install --require-hashes -r requirements/dev.txt
	@$(pip) install --no-deps --no-build-isolation --editable .
	@touch $@

.venv-bench/.ready: requirements/bench.txt | $(bin)/pip
	@echo "installing what refitd is measured beside into .venv-bench"
	@$(bin)/python -m venv .venv-bench
	@.venv-bench/bin/python -m pip --disable-pip-version-check --quiet install --require-hashes -r requirements/bench.txt
	@touch $@

# Debian cuts venv out of python3; root there may put it back, all others are told what to do.
$(bin)/pip:
	@command -v $(PYTHON) >/dev/null || { \
	  echo "refitd needs Python 3.11 or newer: no $(PYTHON) here; make PYTHON=/path/to/python3" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "refitd needs Python 3.11 or newer; $(PYTHON) is $$($(PYTHON) -V 2>&1);" \
	       "make PYTHON=/path/to/a/newer/python3" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
	  if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	    echo "this python3 has no venv: installing Debian's python3-venv"; \
	    apt-get -qq update && DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends python3-venv; \
	  else \
	    echo "$(PYTHON) has no venv: install it (Debian, Ubuntu: apt install python3-venv)" >&2; exit 1; \
	  fi; }
	@rm -rf .venv
	@$(PYTHON) -m venv .venv
