# The two commands a stranger needs: `make run` and `make test`. Everything is kept in this folder.
SHELL := /bin/bash
VENV := .venv
BIN := $(VENV)/bin
STAMPS := .stamps
STATIC := aetherd/web/static/index.html
UI_SOURCES := $(shell find ui -type f -not -path '*/node_modules/*' 2>/dev/null)

.PHONY: install run system test test-images test-runtimes check fix gen ui bench conformance runtimes lock clean

install: $(STAMPS)/run $(STATIC)  ## make .venv with everything but test tools, and build the console

run: install system  ## start the daemon, follow the first agent to its result
	@$(BIN)/aetherctl up
	@$(BIN)/aetherctl first-agent

system:
	@scripts/system-packages run

test: $(STAMPS)/test $(STAMPS)/mcp-suite $(STATIC) check  ## check everything, then run all tests
	@scripts/system-packages test
	@scripts/tests
	@$(MAKE) --no-print-directory conformance

test-images: $(STAMPS)/test  ## build the images for Docker that tests use; without them some are skipped
	$(BIN)/python -m tests.docker_engine

test-runtimes: $(STAMPS)/test  ## install the runtimes that tests drive (2.5 GB); without them some are skipped
	$(BIN)/python -m tests.installed

check: $(STAMPS)/test $(STAMPS)/ui-modules  ## format, lint, types, import contracts, generated files, file sizes
	$(BIN)/ruff format --check -q .
	$(BIN)/ruff check -q .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo | tail -n 8
	$(BIN)/python -m aetherd.daemon.catalog --check
	$(BIN)/python scripts/file_sizes.py
	$(BIN)/python scripts/menus.py
	$(BIN)/python -m tests.conformance_runtimes.matrix
	scripts/node npm --prefix ui run --silent check

fix: $(STAMPS)/test  ## format and mend what can be mended
	$(BIN)/ruff check -q --fix .
	$(BIN)/ruff format -q .

gen: $(STAMPS)/run  ## catalog.json, tools.md, the TypeScript client
	$(BIN)/python -m aetherd.daemon.catalog

ui: $(STATIC)  ## build the console

bench: $(STAMPS)/test $(STATIC)  ## the figures of the README, ours and a peer's in one run
	$(BIN)/python benchmarks/all.py

conformance: $(STAMPS)/test $(STAMPS)/mcp-suite  ## the official MCP conformance suite, on our HTTP stack
	$(BIN)/python -m tests.conformance_mcp.run

runtimes: $(STAMPS)/test  ## every installed runtime, the same task and behaviours, one table (ARGS="codex --write")
	$(BIN)/python -m tests.conformance_runtimes.run $(ARGS)

lock:  ## renew the locked requirements (no index addresses in them)
	scripts/lock

clean:
	rm -rf $(VENV) $(STAMPS) aetherd/web/static ui/node_modules tests/conformance_mcp/node_modules

$(BIN)/python:
	scripts/venv $(VENV)

$(STAMPS)/run: $(BIN)/python requirements/run.txt pyproject.toml
	$(BIN)/pip install -q --disable-pip-version-check --require-hashes -r requirements/run.txt
	$(BIN)/pip install -q --disable-pip-version-check --no-deps --no-build-isolation -e .
	@mkdir -p $(STAMPS) && touch $@

$(STAMPS)/test: $(STAMPS)/run requirements/test.txt
	$(BIN)/pip install -q --disable-pip-version-check --require-hashes -r requirements/test.txt
	@mkdir -p $(STAMPS) && touch $@

$(STAMPS)/ui-modules: $(BIN)/python ui/package-lock.json
	scripts/node npm --prefix ui ci --silent --no-fund --no-audit
	@mkdir -p $(STAMPS) && touch $@

$(STAMPS)/mcp-suite: $(BIN)/python tests/conformance_mcp/package-lock.json
	AETHER_WHEEL_NODE=1 scripts/node npm --prefix tests/conformance_mcp ci --silent --no-fund --no-audit
	@mkdir -p $(STAMPS) && touch $@

$(STATIC): $(STAMPS)/ui-modules $(UI_SOURCES)
	scripts/node npm --prefix ui run --silent build
	@touch $@
