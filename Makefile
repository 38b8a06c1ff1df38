# The contributor's index: `make` alone prints it.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
VOICE := voice-service/.venv
VOICE_INSTALLED := $(VOICE)/.installed
ARGS ?=

# Modules are compiled once, and not again in each of the many processes that the tests start, whatever the caller's shell says.
unexport PYTHONDONTWRITEBYTECODE

heading = printf '\n\033[1m== %s\033[0m\n' "$(1)"
# $(call told,name,command,what of its output is worth telling when all is well): told once it is over, so that what runs beside
# each other does not mix.
told = out=$$($(2) 2>&1) && code=0 || code=$$?; test $$code != 0 || { shown=$$(grep "$(or $(3),.)" <<<"$$out") && out=$$shown || code=1; }; \
	$(call heading,$(1)); printf '%s\n' "$$out"; exit $$code

.PHONY: help demo demo-voice up test test-voice faults-voice check format bench bench-voice chaos chaos-voice lock lock-voice new-event schemas prove-guards install clean style types types-voice tests-voice

help: ## Print this index
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  \033[1mmake %-13s\033[0m %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: $(INSTALLED) ## Run the whole loop once, from an overdue invoice to a settled follow-up (no account needed)
	@$(BIN)/converse demo $(ARGS)

demo-voice: $(INSTALLED) $(VOICE_INSTALLED) ## Call the customer of the overdue invoice: Hinglish, WhatsApp during the call, the promise recorded (no account needed)
	@$(BIN)/converse demo --channel voice $(ARGS)

up: $(INSTALLED) ## Run everything on port 8000 and keep its data
	@exec $(BIN)/converse up $(ARGS)

test: ## Run all that CI runs: the checks, then every test; ARGS='-k name' for some
	@$(if $(ARGS),$(MAKE) check,$(MAKE) -s -j2 $(INSTALLED) $(VOICE_INSTALLED) && $(MAKE) -s -j2 types types-voice style)
	@$(call heading,pytest)
	@$(BIN)/python -m pytest $(ARGS)
	@$(if $(ARGS),,$(MAKE) tests-voice VOICE_ARGS="-m 'not long'")

test-voice: types-voice tests-voice ## Check the voice service's types and run its tests in its own environment; VOICE_ARGS='-k name' for some

tests-voice: $(INSTALLED) $(VOICE_INSTALLED)
	@$(call heading,pytest (voice))
	@cd voice-service && .venv/bin/python -m pytest -q -n 4 --no-loadscope-reorder $(VOICE_ARGS)

faults-voice: $(INSTALLED) $(VOICE_INSTALLED) ## Make 500 calls in which each provider is killed, slowed, muted and rate-limited; ARGS='--calls 25' for fewer
	@cd voice-service && .venv/bin/python -m faults $(ARGS)

check: $(INSTALLED) ## Check format, lint, types and import contracts
	@$(MAKE) -s -j2 types style

style: $(INSTALLED) # what `check` looks at beside the types
	@$(call told,ruff format,$(BIN)/ruff format --check .)
	@$(call told,ruff check,$(BIN)/ruff check .)
	@$(call told,lint-imports,$(BIN)/lint-imports,^Contracts:)
	@cd voice-service && $(call told,lint-imports (voice),PYTHONPATH=.. ../$(BIN)/lint-imports,^Contracts:)

types: $(INSTALLED)
	@$(call told,mypy,$(BIN)/mypy)

types-voice: $(INSTALLED) $(VOICE_INSTALLED)
	@cd voice-service && $(call told,mypy (voice),MYPYPATH=.:.. ../$(BIN)/mypy --config-file ../pyproject.toml \
		--cache-dir ../.mypy_cache/voice --python-executable .venv/bin/python -p voice_service)

format: $(INSTALLED) ## Format the code and mend what ruff can mend
	@$(BIN)/ruff check --fix --quiet . || true
	@$(BIN)/ruff format .

bench: $(INSTALLED) ## Measure decisions, append, relay, webhooks, rebuild, the loop and a dialogue beside LangGraph against the bars
	@$(BIN)/python -m bench $(ARGS)

bench-voice: $(INSTALLED) $(VOICE_INSTALLED) ## Measure phone calls beside Pipecat, bolna and livekit-agents; ARGS='--calls 1,10 --seconds 20' for a short one
	@$(BIN)/python -m bench.voice $(ARGS)

chaos: $(INSTALLED) ## Kill and pause everything at random, then count what was lost or doubled
	@$(BIN)/python -m tests.chaos $(ARGS)

new-event: $(INSTALLED) ## Begin a fact: NAME=family.fact writes its struct, sample and schema
	@test -n "$(NAME)" || { echo "Say which: make new-event NAME=conversation.reopened" >&2; exit 2; }
	@$(BIN)/python -m tools.new_event "$(NAME)"

schemas: $(INSTALLED) ## Generate JSON Schema, AsyncAPI and missing samples from the vocabulary
	@$(BIN)/python -m tools.schemas

prove-guards: $(INSTALLED) ## Break each guard and each channel's handling of faults on purpose, and see it noticed
	@$(BIN)/python -m tools.prove_guards
	@$(BIN)/python -m pytest -m mutants

chaos-voice: $(INSTALLED) $(VOICE_INSTALLED) ## Restart and kill voice workers under fifty calls, then count what was cut, lost or doubled (about 15 minutes)
	@cd voice-service && PYTHONPATH=tests .venv/bin/python -m load $(ARGS)

lock: ## Write requirements.lock from pyproject.toml; UPGRADE=1 takes newer versions
	@uv=$$(command -v uv || echo $(BIN)/uv); \
	if ! test -x "$$uv"; then \
		test -x $(BIN)/python || $(MAKE) install; \
		$(BIN)/python -m pip install --quiet --disable-pip-version-check uv; \
	fi; \
	UV_SYSTEM_CERTS=1 "$$uv" pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate \
		--no-emit-package converse-agent $(if $(UPGRADE),--upgrade) pyproject.toml --group dev -o requirements.lock
	@echo "requirements.lock: $$(grep -c '==' requirements.lock) packages"

lock-voice: $(INSTALLED) ## Write voice-service/requirements.lock from its pyproject.toml; UPGRADE=1 takes newer versions
	@uv=$$(command -v uv || echo $(BIN)/uv); \
	test -x "$$uv" || $(BIN)/python -m pip install --quiet --disable-pip-version-check uv; \
	UV_SYSTEM_CERTS=1 "$$uv" pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate \
		--no-emit-package converse-voice $(if $(UPGRADE),--upgrade) voice-service/pyproject.toml --group voice-service/pyproject.toml:dev \
		-o voice-service/requirements.lock

install: $(INSTALLED) ## Make .venv and install what requirements.lock names (every target does so first)

clean: ## Remove .venv, caches and the data of `make up`
	@rm -rf $(VENV) $(VOICE) .data .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis

# With uv on PATH and no PIP_ variable set, uv installs; otherwise pip does, and reads its PIP_ variables.
# $(call installed,folder,lock file,projects)
define installed
	@python=; for candidate in python3 python3.13 python3.12 python3.11 python3.14 python; do \
		if "$$candidate" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; then \
			python=$$candidate; break; \
		fi; \
	done; \
	test -n "$$python" || { \
		echo "No Python 3.11 or newer with its venv module was found on PATH." >&2; \
		echo "Install one (Debian, Ubuntu: apt install python3 python3-venv) and run make again." >&2; exit 1; }; \
	mkdir -p $(1); log=$(1)/install.log; \
	fail() { cat "$$log" >&2; echo "The installation failed; what it said stands above and in $$log." >&2; exit 1; }; \
	if command -v uv >/dev/null && ! env | grep -q '^PIP_'; then \
		echo "Installing $$(grep -c '==' $(2)) packages into $(1) with uv"; \
		export UV_SYSTEM_CERTS=1; \
		{ test -x $(1)/bin/python || uv venv --quiet --allow-existing --python "$$python" $(1); } >"$$log" 2>&1 || fail; \
		install="uv pip install --python $(1)/bin/python"; \
	else \
		echo "Installing $$(grep -c '==' $(2)) packages into $(1) with pip (a minute or two)"; \
		{ test -x $(1)/bin/pip || "$$python" -m venv $(1); } >"$$log" 2>&1 || fail; \
		install="$(1)/bin/python -m pip install --disable-pip-version-check --no-compile"; \
	fi; \
	$$install --require-hashes -r $(2) >>"$$log" 2>&1 || fail; \
	$$install --no-deps --no-build-isolation $(3) >>"$$log" 2>&1 || fail; \
	echo "Installed."; touch $@
endef

$(INSTALLED): requirements.lock pyproject.toml
	$(call installed,$(VENV),$<,-e .)

# Pipecat needs versions of some libraries that the other services do not: an environment of its own beside theirs.
$(VOICE_INSTALLED): voice-service/requirements.lock voice-service/pyproject.toml
	$(call installed,$(VOICE),$<,-e . -e voice-service)
