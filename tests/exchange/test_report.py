"""The report: errors in the notes, mentions, and files that could not be read."""

from __future__ import annotations

import json
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError

from kb.exchange import importing
from tests.exchange.conftest import SAMPLES


def file_of(name: str, into: Path) -> dict[str, Any]:
    (file,) = importing.run([SAMPLES / name], into, dry_run=True)["files"]
    found: dict[str, Any] = file
    return found


def test_errors_of_a_post_are_told_with_their_lines(into: Path) -> None:
    faults = [(f["line"], f["what"]) for f in file_of("post.txt", into)["faults"]]
    assert faults == [
        (12, "[code] looks like a link and has no address"),
        (14, "a citation without a number: []"),
        (14, "cited from here on, not among the references: [3]"),
        (25, "left to do: TODO: add the schedule"),
        (38, "reference [2] has no title"),
    ]


def test_a_link_to_another_paper_than_it_says_is_told(into: Path) -> None:
    file = file_of("slides.txt", into)
    assert [(f["line"], f["what"]) for f in file["faults"]] == [
        (17, "the link “MAE” leads to Emerging Properties in Self-Supervised Vision Transformers")
    ]
    assert [(r["line"], r["what"]) for r in file["repaired"]] == [
        (10, "link with a double parenthesis repaired")
    ]


def test_papers_only_cited_get_no_draft_and_are_listed(into: Path) -> None:
    cited = {(one["slug"], one["title"]) for one in file_of("book.txt", into)["cited"]}
    assert {slug for slug, _ in cited} == {"dino", None}
    assert (None, "A Paper Nobody Speaks About") in cited


def test_the_report_stays_beside_the_drafts(into: Path) -> None:
    report = importing.run([SAMPLES / "post.txt"], into)
    text = (into / "report.md").read_text()
    assert report["report"] == str(into / "report.md")
    assert "## post.txt\n\nRead as post; " in text
    assert "none lost" in text
    assert "| DeiT III: Revenge of the ViT | `deit3` | lines 16-26 |" in text
    assert r"- line 14: a citation without a number: \[\]" in text


def test_the_command_prints_a_table(into: Path) -> None:
    out = StringIO()
    call_command("import_notes", SAMPLES / "lecture.txt", "--into", into, stdout=out)
    assert "lecture.txt: lecture, " in out.getvalue()
    assert "  moco                     known  lines 28-36\n" in out.getvalue()
    assert f"draft {into}/moco.md\n" in out.getvalue()


def test_one_bad_file_fails_the_command_and_stops_no_other(
    into: Path, tmp_path: Path
) -> None:
    out, bad = StringIO(), tmp_path / "gone.txt"
    with pytest.raises(CommandError, match="1 of 2 could not be read"):
        call_command(
            "import_notes", bad, SAMPLES / "post.txt", "--into", into, "--json", stdout=out
        )
    report = json.loads(out.getvalue())
    assert report["errors"] == [
        {"file": str(bad), "what": "does not exist; check the name"}
    ]
    assert (into / "can.md").is_file()


def test_the_terminal_names_the_bad_file_and_the_remedy(tmp_path: Path) -> None:
    out = StringIO()
    with pytest.raises(CommandError):
        call_command("import_notes", tmp_path, "--dry-run", stdout=out)
    assert f"not read: {tmp_path} is a folder; name its files" in out.getvalue()


def test_a_file_in_place_of_the_folder_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("x")
    with pytest.raises(CommandError, match="is a file; name a folder with --into"):
        call_command("import_notes", SAMPLES / "post.txt", "--into", file)
