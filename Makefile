# Everything a newcomer needs: `make app` and `make test`. Both set up what is missing first.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# A process a core and a thread a process: tests are small, and threads would wait for each other.
PYTEST := OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto --dist loadfile --no-loadscope-reorder
export PIP_DISABLE_PIP_VERSION_CHECK := 1
export STREAMLIT_BROWSER_GATHER_USAGE_STATS := false

.PHONY: app test check fast lint setup setup-dev format sample clean

app: setup  ## open the workbench in the browser
	$(BIN)/d2v app

test: setup-dev  ## run every test
	$(PYTEST)

check: lint fast  ## what a commit has to pass: style, types, architecture, fast tests

fast: setup-dev
	$(PYTEST) -m "not slow"

lint: setup-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright

format: setup-dev  ## let ruff mend what it can
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

sample: setup  ## re-make sample_data/: the made world and the small trained runs (about 40 minutes)
	$(BIN)/python sample_data/make.py

setup: $(VENV)/.runtime  ## .venv with what the app needs
setup-dev: $(VENV)/.development  ## .venv with what the tests need too

$(VENV)/.runtime: pyproject.toml constraints.txt
	@echo "Setting up $(VENV): about 2 minutes and 3 GB the first time, nothing after that."
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed, this is " + sys.version.split()[0])'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable .
	@touch $@

$(VENV)/.development: $(VENV)/.runtime
	@echo "Adding the test tools: under a minute."
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --group dev
	@touch $@

clean:
	rm -rf $(VENV) .pytest_cache .ruff_cache
