"""An engine whose package is missing; an engine whose files go while it is open."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from kb.search import engine as engines
from kb.search import generations
from kb.search import index as live
from kb.search.checks import engine_is_there
from kb.search.generations import IndexUnwritable
from kb.search.index import LiveIndex
from kb.search.service import search
from tests.search.test_faults import examined

PROJECT = Path(__file__).resolve().parents[2]


@pytest.mark.django_db
def test_an_engine_whose_package_is_missing_is_told_with_the_remedy(
    shelf: None, settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.SEARCH_ENGINE = "tantivy"
    monkeypatch.setitem(sys.modules, "tantivy", None)
    with pytest.raises(IndexUnwritable, match=r"needs its package: .*pip install"):
        search("masked autoencoders")
    assert "BAD search    search engine 'tantivy' needs its package" in examined()
    with pytest.raises(CommandError, match="set KB_SEARCH_ENGINE to 'whoosh' or 'fts5'"):
        call_command("index")
    assert not (settings.VAR_DIR / "index" / generations.POINTER).exists()


@pytest.mark.django_db
def test_the_index_of_another_engine_answers_until_the_package_is_there(
    shelf: None, settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = live.live_index().generation()
    settings.SEARCH_ENGINE = "tantivy"
    monkeypatch.setitem(sys.modules, "tantivy", None)
    assert search("masked autoencoders").results
    assert live.live_index().generation().documents == old.documents
    assert "needs its package" in examined()


def test_a_file_cut_short_under_an_open_index_kills_nothing(
    shelf: None, tmp_path: Path, engine: str
) -> None:
    """Searched in a process of its own: it would die of a bus error."""
    index = LiveIndex(tmp_path / "own", engine)
    folder = index.generation().folder
    done = subprocess.run(
        [sys.executable, "-c", CUT_SHORT, folder, engine], check=False,
        capture_output=True, text=True, cwd=PROJECT,
    )
    assert (done.returncode, done.stdout) == (0, "open\nalive\n"), done.stderr


CUT_SHORT = """
import os, sys
from pathlib import Path
from kb.search.engine import Request, Term, engine_class

folder, name = Path(sys.argv[1]), sys.argv[2]
engine = engine_class(name)(folder)
if engine.health().ok:
    print("open")
for file in folder.iterdir():
    os.truncate(file, 0)
try:
    engine.search(Request(Term("text", "mask"), {}), 10)
except Exception:
    pass
print("alive")
"""


@pytest.mark.parametrize("name", ["tantivy", "lucene"])
def test_the_sites_check_names_an_engine_that_cannot_run(name, settings, monkeypatch):
    settings.SEARCH_ENGINE = name
    monkeypatch.setattr(engines, "find_spec", lambda module: None)
    (fault,) = engine_is_there(None)
    assert "KB_SEARCH_ENGINE" in fault.msg
    settings.SEARCH_ENGINE = "whoosh"
    assert engine_is_there(None) == []
