"""Every word of a file of notes comes out once, in a draft or among the unplaced.

NOTES_DIR names a folder of real notes to hold to the same.
"""

from __future__ import annotations

import os
import re
from collections import Counter
from pathlib import Path

import pytest

from kb.exchange import importing
from kb.exchange.notes import source
from tests.exchange.conftest import SAMPLES

OWN = sorted(SAMPLES.glob("*.txt"))
REAL = sorted(Path(os.environ["NOTES_DIR"]).glob("*")) if "NOTES_DIR" in os.environ else []
WORD = re.compile(r"\w+")


def words_of(path: Path) -> Counter[str]:
    return Counter(WORD.findall("\n".join(source.read(path).lines)))


def words_in(folder: Path) -> Counter[str]:
    """Of all drafts, without their front matter, and not of the report."""
    files = (f for f in folder.glob("*.md") if f.stem != importing.REPORT)
    return Counter(
        word for file in files
        for word in WORD.findall(file.read_text(encoding="utf-8").split("\n---\n", 1)[1])
    )


@pytest.mark.parametrize("path", [*OWN, *REAL], ids=lambda path: path.name)
def test_words_in_are_words_out(path: Path, into: Path) -> None:
    report = importing.run([path], into)
    assert words_in(into) == words_of(path)
    assert report["files"][0]["words"] == words_of(path).total()
    assert report["files"][0]["words_lost"] == 0


def test_several_files_share_the_draft_of_a_paper(into: Path) -> None:
    importing.run(OWN, into)
    assert words_in(into) == sum((words_of(path) for path in OWN), Counter())
    draft = (into / "mae.md").read_text()
    assert "book.txt, lines 29-32" in draft
    assert "slides.txt, lines 1-7" in draft


@pytest.mark.parametrize("path", [*OWN, *REAL], ids=lambda path: path.name)
def test_each_line_is_placed_once(path: Path, into: Path) -> None:
    (file,) = importing.run([path], into, dry_run=True)["files"]
    passages = [p for paper in file["papers"] for p in paper["passages"]]
    spans = sorted(passage["lines"] for passage in [*passages, *file["unplaced"]])
    lines = source.read(path).lines
    covered = Counter(n for first, last in spans for n in range(first, last + 1))
    rule = re.compile(r"^(-{3,})?\s*$")
    worded = {n for n, line in enumerate(lines, start=1) if not rule.match(line)}
    assert worded <= set(covered)
    assert set(covered.values()) == {1}
