"""A shelf of three small papers, and an index of its own for each test."""

from __future__ import annotations

from pathlib import Path

import pytest

from kb.search.index import LiveIndex, live_index

SHELF = Path(__file__).parent / "shelf"


@pytest.fixture(params=["whoosh", "fts5", "tantivy"])
def engine(request: pytest.FixtureRequest) -> str:
    """The name of each engine in turn."""
    return request.param


@pytest.fixture
def shelf(settings, tmp_path: Path) -> None:
    """The settings point to the small papers and to an empty folder for the index."""
    settings.PAPERS_DIR = SHELF / "papers"
    settings.IMPLS_DIR = SHELF / "impls"
    settings.EXTRA_PAPERS_DIRS = []
    settings.VAR_DIR = tmp_path
    settings.SEARCH_ENGINE = "whoosh"


@pytest.fixture
def index(shelf: None) -> LiveIndex:
    """The index of the small papers, not built yet."""
    return live_index()


@pytest.fixture(scope="session")
def real_index(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("real_index")


@pytest.fixture
def library_of(engine: str, real_index: Path, settings) -> str:
    """The project's own papers, indexed once for each engine."""
    settings.SEARCH_ENGINE = engine
    settings.VAR_DIR = real_index / engine
    return engine
