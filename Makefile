# The commands of the README, and the chores. Needs Python 3.11 or newer, nothing else.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: run test mutants uploads links campaign lock audit examples gallery clean

run: .venv/installed  ## set up what is missing, then run site and worker
	@$(BIN)/python manage.py serve

test: .venv/installed-dev  ## set up what is missing, then every check and test
	$(BIN)/ruff check
	$(BIN)/mypy
	$(BIN)/python manage.py check --fail-level WARNING
	$(BIN)/pytest -n 3 --dist loadfile

SHARE ?= 0/1
mutants: .venv/installed-dev  ## put classic errors into every paper's code; its tests must find each
	$(BIN)/python -m tests.mutants --share $(SHARE)

uploads: .venv/installed-dev  ## hostile files through form, API and shell: what becomes of each?
	$(BIN)/python -m tests.uploads

links: .venv/installed-dev  ## do a paper's own tests run every line that its entry links to?
	$(BIN)/python -m tests.linked_lines

RUNS ?= 60
campaign: .venv/installed-dev  ## kill, cut and cancel while visitors send; then count what is lost
	$(BIN)/python -m tests.campaigns --runs $(RUNS)

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
	$(BIN)/python .ci/audit.py $(BIN)/pip-audit

examples: .venv/installed  ## make the site's examples anew, by the demos themselves
	$(BIN)/python -m demos.examples

PICTURES ?= $(wildcard static/examples/*.png)
gallery: .venv/installed  ## every demo on three pictures, as contact sheets in var/gallery
	$(BIN)/python -m demos.contact_sheets $(PICTURES)

clean:
	rm -rf .venv var
