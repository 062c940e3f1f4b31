# Two commands do everything on a fresh machine with Python 3.11 or later: `make demo` and `make test`.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
DEMO := demo
NATIVE := $(wildcard nksim/kinetics/native/*)

.PHONY: demo test lint lock bench clean

demo: $(VENV)/.run
	@mkdir -p $(DEMO)
	$(BIN)/nksim calendar nkaml --weight 25kg --height 128cm --age 8y --day0 2027-03-01 --tz Asia/Shanghai --assume
	$(BIN)/nksim calendar nkaml --weight 25kg --height 128cm --age 8y --day0 2027-03-01 --tz Asia/Shanghai --assume \
		-o $(DEMO)/calendar.ics -o $(DEMO)/calendar.csv --force
	$(BIN)/nksim simulate nkaml -n 200 --assume -o $(DEMO)/chimerism.svg -o $(DEMO)/chimerism.png -o $(DEMO)/summary.csv --force

test: $(VENV)/.dev
	$(BIN)/python -m pytest --numprocesses auto --dist loadfile

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# What a user needs: the package with charts.
$(VENV)/.run: pyproject.toml setup.py $(NATIVE)
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[charts]'
	@touch $@

# What a developer needs: exactly the locked versions.
$(VENV)/.dev: pyproject.toml setup.py requirements-dev.lock $(NATIVE)
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --requirement requirements-dev.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --editable .
	@touch $@

lock: $(VENV)/.dev
	$(BIN)/python -m pip install --quiet uv
	$(BIN)/uv pip compile --quiet --universal --no-emit-index-url --no-header --extra dev pyproject.toml --output-file requirements-dev.lock
	$(BIN)/uv pip compile --quiet --universal --no-emit-index-url --no-header --resolution lowest-direct --python-version 3.11 \
		--extra dev pyproject.toml --output-file requirements-lowest.lock

bench: $(VENV)/.dev
	$(BIN)/python -m benchmarks

clean:
	rm -rf $(VENV) $(DEMO) build dist *.egg-info nksim/kinetics/_native*
