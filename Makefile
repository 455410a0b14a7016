# The developer's index: `make help`.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
LOCKED := requirements
VERSION = $(shell sed -n 's/^VERSION = "\(.*\)"/\1/p' wire/headrace_wire/version.py)
PHOTOGRAPHS := .demo/photographs
PEERS := .bench/peers
TASKS ?= 100000
MINUTES ?= 5
ROOMS := client coordinator worker services wire
# Those of `make portable` that `make test` runs as well.
PORTABLE_TESTS := tests/unit/worker/launch tests/unit/worker/link tests/unit/wire/system/test_event_loop.py \
	tests/unit/wire/test_log_writer.py tests/integration/worker/test_exit_watch.py tests/integration/client/test_embedded.py
FUZZ_SECONDS ?= 60
HOSTILE_SECONDS ?= 120
# Tests wait more than they compute: more processes than a machine of two cores has.
# SEED=1 repeats the order in which a run that printed `--randomly-seed=1` went through its tests.
PARALLEL := -n 4 --dist loadgroup $(if $(SEED),--randomly-seed=$(SEED))

export PIP_DISABLE_PIP_VERSION_CHECK := 1
# Tests start hundreds of processes: none of them shall compile what another has compiled.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help setup lock demo test check quick portable compose-test swarm-test engines image newest oldest pythons chaos fuzz hostile audit sbom bench bench-peers scale distance bench-engines redis-server api wire-shape format clean

help: ## list what there is
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "%-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(READY) ## make the virtual environment in .venv

$(READY): pyproject.toml $(LOCKED)/development.txt $(LOCKED)/install.sh
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "headrace needs Python 3.11 or newer: make PYTHON=python3.14 ..." >&2; exit 1; }
	sh $(LOCKED)/install.sh $(PYTHON) $(VENV)
	@touch $@

lock: ## lock today's newest versions, with hashes: what `make setup` and the image install
	$(PYTHON) -m venv $(VENV)/lock
	$(VENV)/lock/bin/pip install --quiet --upgrade uv
	PATH="$(CURDIR)/$(VENV)/lock/bin:$$PATH" sh $(LOCKED)/lock.sh

demo: .demo/.ready ## primes and real photographs on this machine, with the speed-up over one process
	@echo "fetching photographs into $(PHOTOGRAPHS)"
	@.demo/environment/bin/python tests/support/photographs.py --debian $(PHOTOGRAPHS) 2>/dev/null \
		|| .demo/environment/bin/python tests/support/photographs.py $(PHOTOGRAPHS)
	@.demo/environment/bin/python examples/demo.py $(PHOTOGRAPHS)

# What it needs and no more: the development environment is ten times as large.
.demo/.ready: pyproject.toml requirements/image.txt $(LOCKED)/install.sh
	@echo "installing headrace into .demo/environment, this once"
	@mkdir -p .demo
	@sh $(LOCKED)/install.sh $(PYTHON) .demo/environment image build
	@touch $@

check: $(READY) ## ruff, mypy, pyright, import layers
	$(BIN)/ruff check --quiet .
	$(BIN)/ruff format --check --quiet .
	$(BIN)/mypy --no-error-summary & mypy=$$!; $(BIN)/pyright --warnings; status=$$?; wait $$mypy && exit $$status
	$(BIN)/lint-imports --no-cache >.venv/lint-imports.log || { cat .venv/lint-imports.log; exit 1; }

quick: $(READY) ## unit tests and guards of cost alone but for the slow ones, in seconds
	$(BIN)/pytest -q $(PARALLEL) -n auto -m "not slow" tests/guard tests/unit

portable: $(READY) ## unit and integration tests without what only some systems have, and mypy for macOS and Windows: docs/platforms.md
	@for system in darwin win32; do \
		$(BIN)/mypy --no-error-summary --platform $$system --cache-dir $(VENV)/mypy-$$system $(ROOMS) || exit 1; \
	done
	HEADRACE_PORTABLE=1 $(BIN)/pytest -ra $(PARALLEL) tests/unit tests/integration

test: $(READY) ## all that CI runs: checks, every test, the compose tests where an engine is
	@sh tests/support/system_packages.sh
	@# At the same time: tests wait more than they compute, and each checker takes one core.
	@sh tests/support/pythons.sh newest >$(VENV)/newest.log 2>&1 & newest=$$!; \
	$(MAKE) --no-print-directory check; status=$$?; \
	$(BIN)/pytest -ra $(PARALLEL) tests/guard tests/unit tests/integration tests/acceptance || status=1; \
	HEADRACE_PORTABLE=1 $(BIN)/pytest -q $(PARALLEL) $(PORTABLE_TESTS) || status=1; \
	wait $$newest || { cat $(VENV)/newest.log; status=1; }; exit $$status

newest: $(READY) ## the same tests with today's newest versions instead of those that are locked
	$(PYTHON) -m venv $(VENV)/newest
	$(VENV)/newest/bin/pip install --quiet --upgrade --upgrade-strategy eager --editable '.[dev]' hatchling
	$(VENV)/newest/bin/pip list
	$(VENV)/newest/bin/pytest -ra $(PARALLEL) -m "not compose" tests/guard tests/unit tests/integration tests/acceptance

oldest: $(VENV)/oldest/.ready ## the same tests with the oldest versions that the package promises to run with
	@# The charts of the benchmarks are drawn with one version, which is locked.
	$(VENV)/oldest/bin/pytest -ra $(PARALLEL) -m "not compose" --ignore tests/unit/benchmarks \
		tests/guard tests/unit tests/integration tests/acceptance

$(VENV)/oldest/.ready: pyproject.toml $(LOCKED)/oldest.txt $(LOCKED)/install.sh | $(READY)
	@$(BIN)/python -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' \
		|| { echo "the oldest versions are for Python 3.11: make clean; make PYTHON=python3.11 oldest" >&2; exit 1; }
	sh $(LOCKED)/install.sh $(BIN)/python $(VENV)/oldest oldest
	@touch $@

pythons: $(READY) ## unit and integration tests with each supported Python, or PYTHONS="3.14 3.15", in containers where it is not here
	@sh tests/support/pythons.sh $(or $(PYTHONS),all)

compose-test: $(READY) ## the compose tests alone
	$(BIN)/pytest -ra -m compose tests

swarm-test: $(READY) ## deploy/swarm.yaml in a swarm of this machine alone, in minutes; only where it is in no swarm
	SWARM_TEST=1 $(BIN)/pytest -ra -p no:randomly -p no:xdist tests/swarm

engines: $(VENV)/engines/.ready ## tasks on real clusters of other engines, in minutes, in an environment that has them
	$(VENV)/engines/bin/pytest -ra -p no:randomly -p no:xdist tests/engines

$(VENV)/engines/.ready: pyproject.toml $(LOCKED)/development.txt $(LOCKED)/install.sh | $(READY)
	sh $(LOCKED)/install.sh $(BIN)/python $(VENV)/engines
	$(VENV)/engines/bin/pip install --quiet --editable '.[dask,ray]'
	@touch $@

# It says which commit it is, and whence that was cloned, without the password in that address.
image: ## build the image headrace:VERSION
	docker build --tag "$(or $(HEADRACE_IMAGE),headrace:$(VERSION))" \
		--build-arg "REVISION=$$(git describe --always --dirty --abbrev=40 --exclude '*')" \
		--build-arg "SOURCE=$$(git config --get remote.origin.url | sed -n -e 's|://[^/@]*@|://|' -e '/:/p')" .

chaos: $(READY) ## kill, cut and lie for a while: SEED=1 TASKS=100000 MINUTES=5 replays a run
	PYTHONPATH=tests $(BIN)/python -m support.chaos --tasks $(TASKS) --minutes $(MINUTES) \
		$(if $(SEED),--seed $(SEED))

fuzz: $(READY) $(VENV)/fuzz/.ready ## try hostile inputs: FUZZ_SECONDS=60 for each target, TARGETS="frames values" for some
	PYTHONPATH=tests:$(VENV)/fuzz $(BIN)/python -m support.fuzzing --seconds $(FUZZ_SECONDS) --folder .fuzz $(TARGETS)

# Beside .venv and not in it: where there is no wheel for this machine, hypothesis does without.
$(VENV)/fuzz/.ready: $(LOCKED)/fuzz.txt | $(READY)
	@rm -rf $(VENV)/fuzz && mkdir -p $(VENV)/fuzz
	@$(BIN)/pip install --quiet --target $(VENV)/fuzz --only-binary :all: --require-hashes --requirement $(LOCKED)/fuzz.txt \
		|| echo "atheris cannot be installed here" >&2
	@touch $@

hostile: $(READY) ## peers that mean ill against a cluster at work: HOSTILE_SECONDS=120, HOSTILE_ANSWER_MS=100, HOSTILE_ROWS=together
	@rm -f .hostile-table
	@HOSTILE_SECONDS=$(HOSTILE_SECONDS) $(BIN)/pytest -q -p no:randomly -p no:xdist tests/hostile; \
	status=$$?; cat .hostile-table; exit $$status

audit: $(VENV)/audit/.ready ## known weaknesses of what the image and its build install, where PyPI tells
	@$(VENV)/audit/bin/python $(LOCKED)/audit.py $(LOCKED)/image.txt $(LOCKED)/build.txt

sbom: .demo/.ready $(VENV)/audit/.ready ## the parts list of what the image installs, in CycloneDX: dist/sbom.cdx.json
	@mkdir -p dist && .demo/environment/bin/python -I $(LOCKED)/sbom.py >dist/sbom.cdx.json
	@$(VENV)/audit/bin/python $(LOCKED)/audit.py --sbom dist/sbom.cdx.json

$(VENV)/audit/.ready: $(LOCKED)/audit.txt
	@$(PYTHON) -m venv $(VENV)/audit
	@$(VENV)/audit/bin/pip install --quiet --require-hashes --requirement $(LOCKED)/audit.txt
	@touch $@

bench: $(READY) ## measure headrace and the local pools, in minutes, to .bench/results.json
	$(BIN)/python -m benchmarks run --json .bench/results.json

bench-peers: $(READY) redis-server $(PEERS)/.ready ## measure all systems (half an hour), and show it in README and chart
	$(BIN)/python -m benchmarks run --peers
	$(BIN)/python -m benchmarks render

scale: $(READY) ## measure what one coordinator carries, in minutes, and put it into docs/scale.md
	$(BIN)/python -m benchmarks.scale --page

distance: $(READY) ## measure what distance costs, in minutes, and put it into docs/scale.md
	$(BIN)/python -m benchmarks.distance --page

bench-engines: $(VENV)/engines/.ready ## measure a pool over each engine, in minutes, and put it into docs/scale.md
	$(VENV)/engines/bin/python -m benchmarks.engines --page

redis-server:
	@command -v $@ >/dev/null || { echo "redis-server is not here, and most peers need it:" \
		"sudo apt-get install redis-server, or dnf install redis" >&2; exit 1; }

# With the same Python as .venv: what is measured is the system, and the probe compares both.
$(PEERS)/.ready: benchmarks/peers.txt | $(READY) redis-server
	$(BIN)/python -m venv --clear $(PEERS)
	$(PEERS)/bin/pip install --quiet --requirement benchmarks/peers.txt
	@touch $@

api: $(READY) ## write docs/api.md from the docstrings
	PYTHONPATH=tests $(BIN)/python -m support.api_page

wire-shape: $(READY) ## note what crosses the wire, when a version is released
	PYTHONPATH=tests $(BIN)/python -m support.wire_shape

format: $(READY) ## format the code
	$(BIN)/ruff check --fix --quiet .
	$(BIN)/ruff format .

clean: ## remove what these commands made
	rm -rf $(VENV) .demo .bench .fuzz .hostile-table dist build
