# make demo       one prompt, a whole sequence, in napari; leaves demo/labels.tif, demo/screenshot.png, demo/result.json
# make test       ruff, mypy, the order of imports, and the tests
# make coverage   the tests, and which lines they do not reach
# make bench      SAM 2.1 tiny beside its authors' implementation on one core; REFERENCE=DIR is a clone that you have
# All set up .venv first, system libraries included where they are missing and you are root.

REFERENCE ?= .reference
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
DISPLAYED := sh tools/with_display.sh
# One process a core, four at most: each holds torch, Qt and a model. PYTEST_ARGS="-n0 --pdb tests/x.py" is one process.
PYTEST := HEADLESS=1 $(DISPLAYED) $(BIN)/python -m pytest
SIDE_BY_SIDE := -n auto --maxprocesses 4 --dist worksteal

.PHONY: demo bench test test-pyside test-slow soak coverage lint format dist clean
.DELETE_ON_ERROR:

demo: $(READY)
	$(DISPLAYED) $(BIN)/napari-medsam2 demo

# Quarter of an hour. Nothing of the reference is kept here: it is fetched, or yours.
bench: $(READY) $(REFERENCE)
	for side in 512 1024; do for precision in bfloat16 float32; do \
	  OMP_NUM_THREADS=1 $(BIN)/napari-medsam2 bench --model sam2.1-tiny --untrained --image-size $$side \
	    --precision $$precision --reference $(REFERENCE) || exit 1; done; done

.reference:
	git clone --quiet --depth 1 https://github.com/facebookresearch/sam2 $@

# The tests open and close many windows: always on a screen in memory.
test: lint
	$(PYTEST) $(SIDE_BY_SIDE) $(PYTEST_ARGS)

# Ten minutes at a desk: memory, threads and files must not pile up. SOAK_SEED=7 is another desk.
soak: $(READY)
	SOAK_SECONDS=600 $(PYTEST) -m slow --timeout 1800 tests/attacks/test_soak.py $(PYTEST_ARGS)

# The binding is what QT_API says, in tests as in napari.
test-pyside: $(READY)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check PySide6-Essentials
	QT_API=pyside6 $(PYTEST) $(SIDE_BY_SIDE) $(PYTEST_ARGS)

test-slow: $(READY)
	$(PYTEST) -m slow --timeout 3600 $(PYTEST_ARGS)

# What is measured, and the least share of lines, stand in pyproject.toml.
coverage: $(READY)
	$(PYTEST) $(SIDE_BY_SIDE) --cov --timeout 300 $(PYTEST_ARGS)

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache --no-logo

format: $(READY)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# Both distributions, each as a wheel and as an archive of its source.
dist: $(READY)
	$(BIN)/python -m hatchling build -d dist
	cd packaging/client && $(CURDIR)/$(BIN)/python -m hatchling build -d $(CURDIR)/dist

clean:
	rm -rf $(VENV) .reference demo build dist .coverage .coverage.* .pytest_cache .mypy_cache .ruff_cache .hypothesis

$(READY): pyproject.toml constraints.txt tools/setup.sh
	sh tools/setup.sh $(VENV)
	touch $@
