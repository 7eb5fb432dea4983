"""References out: files over HTTP, tags in the page, the command."""

from __future__ import annotations

import json
from io import StringIO
from pathlib import Path

import pytest
import rispy
from django.core.management import call_command
from django.core.management.base import CommandError
from django.test import Client
from pytest_django import Settings

from tests.exchange.conftest import PAPERS

TYPES = {
    "bib": "application/x-bibtex; charset=utf-8",
    "ris": "application/x-research-info-systems; charset=utf-8",
    "json": "application/vnd.citationstyles.csl+json",
}


@pytest.mark.parametrize("suffix", TYPES)
def test_a_reference_is_a_file_of_its_type(client: Client, suffix: str) -> None:
    answer = client.get(f"/papers/mae/cite.{suffix}")
    assert answer.status_code == 200
    assert answer["Content-Type"] == TYPES[suffix]
    assert answer["Content-Disposition"] == f'attachment; filename="mae.{suffix}"'


@pytest.mark.parametrize("suffix", TYPES)
def test_all_references_are_one_file(client: Client, suffix: str) -> None:
    answer = client.get(f"/references.{suffix}")
    assert answer["Content-Type"] == TYPES[suffix]
    assert answer["Content-Disposition"] == f'attachment; filename="references.{suffix}"'
    text = answer.content.decode()
    for _, _, author, year, *_ in PAPERS.values():
        assert f"{author.split()[-1].lower().replace('á', 'a')}{year}" in text


def test_bibtex_writes_accents_and_signs_for_latex(client: Client) -> None:
    answer = client.get("/papers/mae/cite.bib")
    assert answer.content.decode() == (
        "@inproceedings{dollar2022mae,\n"
        "  title = {{Masked Autoencoders Are Scalable Vision Learners}},\n"
        "  author = {Piotr Doll{\\'a}r and Laurens van der Maaten},\n"
        "  booktitle = {CVPR},\n  year = {2022},\n  eprint = {2111.06377},\n"
        "  archivePrefix = {arXiv}\n}\n"
    )


@pytest.mark.parametrize(
    ("slug", "bib", "ris", "csl"),
    [
        ("dino", "@inproceedings{", "CPAPER", "paper-conference"),
        ("dinov2", "@article{", "JOUR", "article-journal"),
        ("lars", "@misc{", "UNPB", "article"),
    ],
)
def test_conferences_journals_and_preprints_are_told_apart(
    client: Client, slug: str, bib: str, ris: str, csl: str
) -> None:
    assert client.get(f"/papers/{slug}/cite.bib").content.decode().startswith(bib)
    (row,) = rispy.loads(client.get(f"/papers/{slug}/cite.ris").content.decode())
    assert row["type_of_reference"] == ris
    (item,) = json.loads(client.get(f"/papers/{slug}/cite.json").content)
    assert item["type"] == csl


def test_ris_is_read_back_with_names_in_order(client: Client) -> None:
    text = client.get("/papers/mae/cite.ris").content.decode()
    assert text.startswith("TY  - CPAPER\n")
    (row,) = rispy.loads(text)
    assert row["authors"] == ["Dollár, Piotr", "van der Maaten, Laurens"]
    assert (row["title"], row["year"]) == (PAPERS["mae"][0], "2022")
    assert (row["secondary_title"], row["id"]) == ("CVPR", "dollar2022mae")
    assert row["urls"] == ["https://arxiv.org/abs/2111.06377"]


def test_csl_json_knows_particles_and_dates(client: Client) -> None:
    (item,) = json.loads(client.get("/papers/mae/cite.json").content)
    assert item == {
        "id": "dollar2022mae", "type": "paper-conference", "title": PAPERS["mae"][0],
        "author": [
            {"family": "Dollár", "given": "Piotr"},
            {"family": "Maaten", "given": "Laurens", "non-dropping-particle": "van der"},
        ],
        "issued": {"date-parts": [[2022]]}, "container-title": "CVPR",
        "archive": "arXiv", "archive_location": "2111.06377",
        "URL": "https://arxiv.org/abs/2111.06377",
    }  # fmt: skip


@pytest.mark.parametrize("suffix", TYPES)
def test_an_unknown_paper_is_404_with_a_suggestion(client: Client, suffix: str) -> None:
    answer = client.get(f"/papers/maee/cite.{suffix}")
    assert answer.status_code == 404
    assert b"/papers/mae/" in answer.content


def test_a_readers_note_has_no_reference(
    client: Client, tmp_path: Path, settings: Settings
) -> None:
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes/mine.md").write_text("# Mine\n\nWords.\n")
    settings.EXTRA_PAPERS_DIRS = [tmp_path / "notes"]
    assert client.get("/papers/mine/").status_code == 200
    assert client.get("/papers/mine/cite.bib").status_code == 404
    assert b"mine" not in client.get("/references.bib").content.lower()
    assert b"citation_" not in client.get("/papers/mine/").content


def test_only_reading_is_allowed(client: Client) -> None:
    assert client.post("/references.bib").status_code == 405
    assert client.head("/papers/mae/cite.ris").status_code == 200


def test_the_page_carries_tags_for_reference_managers(client: Client) -> None:
    page = client.get("/papers/mae/").content.decode()
    for name, value in [
        ("title", PAPERS["mae"][0]), ("author", "Piotr Dollár"),
        ("author", "Laurens van der Maaten"), ("publication_date", "2022"),
        ("conference_title", "CVPR"), ("arxiv_id", "2111.06377"),
        ("public_url", "https://arxiv.org/abs/2111.06377"),
    ]:  # fmt: skip
        assert f'<meta name="citation_{name}" content="{value}">' in page
    assert 'citation_journal_title" content="TMLR"' in client.get("/papers/dinov2/").content.decode()
    assert "citation_conference_title" not in client.get("/papers/lars/").content.decode()


def test_the_page_offers_the_reference_in_each_format(client: Client) -> None:
    page = client.get("/papers/mae/").content.decode()
    for suffix in TYPES:
        assert f'href="/papers/mae/cite.{suffix}"' in page
    assert "Doll{\\&#x27;a}r" in page
    assert '<button type="button" data-copy="bibtex">' in page


@pytest.mark.parametrize("style", ["bibtex", "ris", "csl-json"])
def test_the_command_writes_what_the_site_does(client: Client, style: str) -> None:
    suffix = {"bibtex": "bib", "ris": "ris", "csl-json": "json"}[style]
    out = StringIO()
    call_command("export_references", "mae", "dino", "--format", style, stdout=out)
    single = client.get(f"/papers/dino/cite.{suffix}").content.decode()
    assert "caron2021dino" in single
    assert "caron2021dino" in out.getvalue()
    everything = StringIO()
    call_command("export_references", "--format", style, stdout=everything)
    assert everything.getvalue() == client.get(f"/references.{suffix}").content.decode()


def test_an_unknown_slug_is_refused_with_a_suggestion() -> None:
    with pytest.raises(CommandError, match="no paper 'maee'; did you mean mae"):
        call_command("export_references", "maee")
