# The commands of the README, and the chores. Needs Python 3.11 or newer, nothing else.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: run test mutants links lock audit examples clean

run: .venv/installed  ## set up what is missing, then run site and worker
	@$(BIN)/python manage.py serve

test: .venv/installed-dev  ## set up what is missing, then every check and test
	$(BIN)/ruff check
	$(BIN)/mypy
	$(BIN)/python manage.py check --fail-level WARNING
	$(BIN)/pytest -n 2 --dist loadfile

mutants: .venv/installed-dev  ## put classic errors into every paper's code; its tests must find each
	$(BIN)/python -m tests.mutants

links: .venv/installed-dev  ## do a paper's own tests run every line that its entry links to?
	$(BIN)/python -m tests.linked_lines

.venv/installed: requirements.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Vitrine needs Python 3.11 or newer; say which with: make run PYTHON=python3.12")'
	test -d .venv || $(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --require-hashes --requirement requirements.txt
	touch $@

.venv/installed-dev: requirements-dev.txt .venv/installed
	$(BIN)/pip install --quiet --require-hashes --requirement requirements-dev.txt
	touch $@

LOCK = $(BIN)/uv pip compile --quiet --universal --python-version 3.11 \
	--generate-hashes --no-emit-index-url --no-header --no-config pyproject.toml

lock: .venv/installed-dev  ## write the three locks anew from pyproject.toml
	$(LOCK) --output-file requirements-site.txt
	$(LOCK) --extra models --constraint requirements-site.txt --output-file requirements.txt
	$(LOCK) --extra models --extra dev --constraint requirements.txt --output-file requirements-dev.txt

audit: .venv/installed-dev  ## known vulnerabilities in the locked versions
	$(BIN)/pip-audit --requirement requirements.txt --disable-pip

WEBP = $(BIN)/python -c 'import sys; from PIL import Image; Image.open(sys.argv[1]).save(sys.argv[2], quality=84)'

examples: .venv/installed  ## make the home page's pictures anew, by the demos themselves
	mkdir -p var/examples
	$(BIN)/python -m demos attention static/examples/cat.png --paper dino --out var/examples
	$(WEBP) var/examples/attention.png static/examples/attention.webp
	$(BIN)/python -m demos reconstruction static/examples/cat.png --paper mae --out var/examples
	$(WEBP) var/examples/comparison.png static/examples/reconstruction.webp

clean:
	rm -rf .venv var
