# The whole of Pulseboard behind a few words; `make` alone lists them. Logic lives in `xtask` and `web`, not here.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.NOTPARALLEL:
MAKEFLAGS += --no-print-directory

# Where cargo builds. Continuous integration points this outside of the clone.
TARGET_DIR := $(or $(CARGO_TARGET_DIR),target)
# All members at once, always: the features of a dependency then never change, and DataFusion is compiled once.
BUILD := cargo build --workspace --bin pulseboard $(if $(CI),--locked)
section = @printf '\n=== %s\n' '$(1)'

# Directories count too, so that a file that went away is noticed.
APP_SOURCES := $(shell find web/app/src web/app/public web/packages/*/src web/packages/react/styles) \
	$(wildcard web/*.json web/app/*.json web/app/*.ts web/app/*.html web/packages/*/*.json)
NODE_MODULES := web/node_modules/.package-lock.json
APP := web/app/dist/index.html

.PHONY: help run demo build test e2e nightly fuzz check bench bench-web dev need-build need-test

help: ## list these words
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "make %-9s %s\n", $$1, $$2 }' Makefile

run: need-build $(APP) ## build what is missing and start on http://127.0.0.1:8080; ARGS="--listen …" goes to the server
	@$(BUILD) --profile quick
	@exec "$(TARGET_DIR)/quick/pulseboard" serve $(ARGS)

demo: need-build $(APP) ## the same with a simulated shop and trading desk, on boards of their own
	@$(BUILD) --profile quick
	@exec "$(TARGET_DIR)/quick/pulseboard" demo $(ARGS)

build: need-build $(APP) ## the release binary, with the app inside: target/release/pulseboard
	@$(BUILD) --release
	@cmp -s "$(TARGET_DIR)/release/pulseboard" target/release/pulseboard \
		|| install -D "$(TARGET_DIR)/release/pulseboard" target/release/pulseboard

test: need-test $(NODE_MODULES) ## everything that must hold before a change goes in
	$(call section,Formatting)
	@cargo fmt --all --check
	$(call section,House rules and licences)
	@cargo xtask tidy
	@cargo xtask licences
	$(call section,Web: types and lints)
	@npm --prefix web run --silent check
	$(call section,Web: tests)
	@npm --prefix web run --silent test
	$(call section,Web: build and size of the first page)
	@$(MAKE) $(APP)
	@npm --prefix web run --silent size
	$(call section,Rust: lints)
	@cargo clippy --workspace --all-targets $(if $(CI),--locked) --quiet -- -D warnings
	$(call section,Rust: tests)
	@cargo test --workspace $(if $(CI),--locked) --no-fail-fast
	@$(MAKE) e2e
	$(call section,All of it passed)

# Built together with the tests, so that it shares what they were built from: their features differ from a plain build.
e2e: need-test $(APP) ## the built server in a real browser: the last part of test
	$(call section,The built server in a real browser)
	@cargo build --workspace --tests --bin pulseboard $(if $(CI),--locked)
	@PULSEBOARD_BIN="$(abspath $(TARGET_DIR))/debug/pulseboard" npm --prefix web run --silent e2e

# CASES and ROUNDS say how many of each.
nightly: need-test ## 10,000 new cases of live against batch, 50 crashes at each stage of the log and of the archive
	$(call section,Live against batch)
	@PULSEBOARD_DIFFERENTIAL_CASES=$(or $(CASES),10000) cargo test --workspace --lib -- _batch
	$(call section,Crashes at each stage)
	@PULSEBOARD_CRASH_ROUNDS=$(or $(ROUNDS),50) cargo test --workspace --test it -- crash_points:: archive_crash::
	@PULSEBOARD_ARCHIVE_ROUNDS=$(or $(ROUNDS),50) cargo test --workspace --test it what_was_acknowledged

# CASES says how many of each, SEED which.
fuzz: need-test $(NODE_MODULES) ## 20,000 bodies, queries, messages, cursors, tokens and packets by chance, against the built server
	$(call section,Whatever is sent)
	@PULSEBOARD_FUZZ_CASES=$(or $(CASES),20000) PULSEBOARD_TEST_SEED=$(or $(SEED),$$RANDOM$$RANDOM) \
		cargo test --workspace --test it properties:: -- --nocapture

check: need-test $(APP) ## the fast part of test
	$(call section,Formatting and house rules)
	@cargo fmt --all --check
	@cargo xtask tidy
	$(call section,Web: types and lints and tests)
	@npm --prefix web run --silent check
	@npm --prefix web run --silent test
	$(call section,Rust: lints)
	@cargo clippy --workspace --all-targets --quiet -- -D warnings

# With ARGS only the server is measured.
bench: build ## measure this machine: server, then page; prints a table of each
	@target/release/pulseboard bench $(ARGS)
	@$(if $(ARGS),:,$(MAKE) bench-web)

# ONLY="long table" measures one part, MINUTES=30 says for how long the heap is watched.
bench-web: build need-test ## the page in a real browser: frames, heap, how soon it shows
	@PULSEBOARD_BIN="$(abspath target/release/pulseboard)" npm --prefix web run --silent bench

dev: need-build $(APP) ## server and app, each built again when its sources change
	@scripts/dev "$(TARGET_DIR)"

need-build:
	@scripts/need cc cargo node

need-test: need-build
	@scripts/need rustfmt clippy chromium nginx

$(NODE_MODULES): web/package-lock.json
	@npm --prefix web ci --no-audit --no-fund --loglevel=error
	@touch $@

$(APP): $(NODE_MODULES) $(APP_SOURCES)
	@npm --prefix web run --silent build
