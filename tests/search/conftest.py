"""A shelf of three small papers, and an index of its own for each test."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from kb.search.generations import IndexBusy
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


@pytest.fixture
def real_papers(settings) -> Callable[[str], None]:
    """real_papers(engine): search in the project's own papers.

    All processes of a test run share one index for each engine: the first builds it.
    """

    def use(engine: str) -> None:
        settings.SEARCH_ENGINE = engine
        settings.VAR_DIR = Path(os.environ["KB_VAR_DIR"]) / "real_papers" / engine
        while True:
            with suppress(IndexBusy):
                live_index().refresh()
                return

    return use


@pytest.fixture
def library_of(engine: str, real_papers: Callable[[str], None]) -> str:
    """The project's own papers, under each engine; its name."""
    real_papers(engine)
    return engine
