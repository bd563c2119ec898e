# Frontline. `make` alone lists the targets. All that must be there: make, and python3 (3.11 or newer) with venv and pip.

PYTHON ?= python3
# Passed to the command behind a target, for example: make test ARGS="tests/unit -k outbox" (then without the checks)
ARGS ?=

# How many processes share the tests where all run, each with servers of its own
TEST_PROCESSES ?= 2

MEMBERS := $(wildcard libs/*/pyproject.toml services/*/pyproject.toml)
# Quick ones first; those of the whole installation stay in one process, which must not be the last to begin with them.
TESTS := $(wildcard tests/unit tests/simulation tests/planted tests/contracts tests/e2e tests/faults tests/integration)
BIN := .venv/bin

# A caller's Python settings must not lead our programs to other packages than the locked ones.
unexport PYTHONPATH PYTHONHOME PYTHONSAFEPATH PYTHONDONTWRITEBYTECODE VIRTUAL_ENV CONDA_PREFIX

# The stamp holds the folder it was made in: in a moved or copied checkout the environment is made anew.
ifneq ($(shell cat .venv/.installed 2>/dev/null),$(CURDIR))
.PHONY: .venv/.installed
endif

.PHONY: help run down test test-asyncapi test-pages test-containers faults soak planted check image format bench bench-full lock hooks clean
.DEFAULT_GOAL := help

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-16s %s\n", $$1, $$2 }' Makefile

run: .venv/.installed ## Start the local stack, then print its addresses, a key and a first request
	@$(BIN)/frontline up $(ARGS)

down: .venv/.installed ## Stop the local stack (ARGS=--wipe also removes its data)
	@$(BIN)/frontline down $(ARGS)

test: $(if $(filter tests/%,$(ARGS)),.venv/.installed,check) ## Run the checks, then every test, on a real PostgreSQL and Kafka (ARGS= for pytest)
	@$(BIN)/python -m pytest $(if $(filter tests/%,$(ARGS)),,$(TESTS) -n $(TEST_PROCESSES) --dist loadfile \
	    --no-loadscope-reorder) $(ARGS)

test-asyncapi: .venv/.installed tests/asyncapi/node_modules/.installed ## Hold the contract to the official AsyncAPI parser; needs Node and npm (ARGS= for pytest)
	@$(BIN)/python -m pytest tests/asyncapi $(ARGS)

tests/asyncapi/node_modules/.installed: tests/asyncapi/package.json tests/asyncapi/package-lock.json
	@cd tests/asyncapi && npm ci --no-progress --loglevel=error
	@touch $@

test-pages: .venv/.installed ## Look at the customers' pages in a headless Chromium, which must be installed (ARGS= for pytest)
	@$(BIN)/python -m pytest tests/pages $(ARGS)

test-containers: .venv/.installed ## Run the platform in containers as its manifests say; a container engine must answer (ARGS= for pytest)
	@$(BIN)/python -m tests.containers.engine
	@$(BIN)/python -m pytest tests/containers $(ARGS)

faults: .venv/.installed ## Make faults to a running installation under load, minutes long, and judge it (ARGS="--only NAME --seed N")
	@$(BIN)/python -m tests.faults $(ARGS)

soak: .venv/.installed ## The same for hours, faults drawn and mixed (ARGS="--minutes 30 --report FILE")
	@$(BIN)/python -m tests.faults --minutes 480 $(ARGS)

planted: .venv/.installed ## Plant each classic error of event backbones and say which schedule of the simulation finds it
	@$(BIN)/python -m tests.planted $(ARGS)

check: .venv/.installed ## Run everything that needs no server: lint, types, layers, rules, generated documents
	@$(BIN)/python -m tools.check

image: .venv/.installed ## Build the image of all services (ARGS="--tag NAME --base IMAGE")
	@$(BIN)/python -m tools.image build $(ARGS)

format: .venv/.installed ## Mend what ruff can mend, then format
	@$(BIN)/python -m ruff check --quiet --fix-only .
	@$(BIN)/python -m ruff format .

bench: .venv/.installed ## Run the quick benchmarks (under five minutes) and write benchmarks/RESULTS.md
	@$(BIN)/python -m benchmarks.run $(ARGS)

bench-full: .venv/.installed ## Run all benchmarks at full size and write benchmarks/RESULTS.md
	@$(BIN)/python -m benchmarks.run --full $(ARGS)

lock: .venv/.installed ## Resolve the dependencies again into requirements.lock (ARGS=--upgrade for newer ones)
	@tools/lock $(ARGS)

hooks: .venv/.installed ## Install the git hook that runs the fast checks before each commit
	@$(BIN)/python -m pre_commit install

clean: ## Remove the environment and every cache (the local stack's data stays; see make down)
	@rm -rf .venv .tools tests/asyncapi/node_modules .pytest_cache .ruff_cache .hypothesis .import_linter_cache .schemathesis
	@find . -name __pycache__ -type d -not -path './.frontline/*' -prune -exec rm -rf {} +

# The environment: rebuilt when the lock, a member or the way of building it changed.
.venv/.installed: requirements.lock tools/uv.txt tools/bootstrap.py $(MEMBERS)
	@command -v "$(PYTHON)" >/dev/null || { echo "frontline: there is no $(PYTHON); install Python 3.11 or newer" >&2; exit 1; }
	@"$(PYTHON)" -c "import sys; sys.exit(sys.version_info < (3, 11))" || { echo "frontline: Python 3.11 or newer is" \
	    "needed and $(PYTHON) is older; say make PYTHON=/path/to/python3.11" >&2; exit 1; }
	@"$(PYTHON)" tools/bootstrap.py
