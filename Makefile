# Two commands: `make test` and `make book`. On a fresh clone they make .venv and install everything, once.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
READY := $(VENV)/.sccore-installed

.PHONY: book test lowest notebooks readme clean

book: $(READY)
	$(BIN)/jupyter-book build book

test: $(READY)
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n logical --dist worksteal

lowest: $(READY)  # the quick tests with the lowest versions that pyproject.toml allows, in an environment of their own
	$(BIN)/uv venv --quiet --clear --python $(BIN)/python $(VENV)-lowest
	$(BIN)/uv pip install --quiet --python $(VENV)-lowest --resolution lowest-direct -e .
	$(BIN)/uv pip install --quiet --python $(VENV)-lowest pytest psutil piq pytesseract rapidfuzz
	OMP_NUM_THREADS=1 $(VENV)-lowest/bin/python -m pytest tests/core tests/utils tests/data tests/evaluation tests/codecs

notebooks: $(READY)  # brings notebooks/*.ipynb and book/experiments/*.md into agreement; the newer one wins
	$(BIN)/jupytext --sync notebooks/*.ipynb

readme: $(READY)  # writes the recorded results and their figure into README.md
	$(BIN)/python -m sccore.paper.readme

clean:
	rm -rf book/_build data/runs .pytest_cache

$(READY): pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[all]'
	touch $@
