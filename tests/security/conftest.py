"""A site whose reader's notes are all attacks, beside two small papers of its own."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.search.conftest import SHELF
from tests.security.attacks import write_notes
from tests.services import chromium  # noqa: F401


@pytest.fixture(scope="module")
def notes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of notes."""
    folder = tmp_path_factory.mktemp("notes")
    write_notes(folder)
    return folder


@pytest.fixture(scope="module")
def var(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the index of this shelf goes, built once."""
    return tmp_path_factory.mktemp("var")


@pytest.fixture
def attacked(settings, notes: Path, var: Path) -> None:
    """The settings point there."""
    settings.PAPERS_DIR, settings.IMPLS_DIR = SHELF / "papers", SHELF / "impls"
    settings.EXTRA_PAPERS_DIRS = [notes]
    settings.VAR_DIR = var
    settings.SEARCH_ENGINE = "fts5"
