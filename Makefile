# make demo   one prompt, a whole sequence, in napari; leaves demo/labels.tif, demo/screenshot.png, demo/result.json
# make test   ruff, mypy, the order of imports, and the tests
# Both set up .venv first, system libraries included where they are missing and you are root.

VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
DISPLAYED := sh tools/with_display.sh

.PHONY: demo test test-slow lint format clean
.DELETE_ON_ERROR:

demo: $(READY)
	$(DISPLAYED) $(BIN)/napari-medsam2 demo

# The tests open and close many windows: always on a screen in memory.
test: lint
	HEADLESS=1 $(DISPLAYED) $(BIN)/python -m pytest $(PYTEST_ARGS)

test-slow: $(READY)
	HEADLESS=1 $(DISPLAYED) $(BIN)/python -m pytest -m slow --timeout 3600 $(PYTEST_ARGS)

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache --no-logo

format: $(READY)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:
	rm -rf $(VENV) demo build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis

$(READY): pyproject.toml constraints.txt tools/setup.sh
	sh tools/setup.sh $(VENV)
	touch $@
