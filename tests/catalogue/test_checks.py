"""`manage.py check` names the file, the line and the remedy."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from django.core.checks import ERROR, WARNING, CheckMessage

from kb.catalogue import checks
from kb.catalogue.checks import entries_are_sound, messages
from kb.catalogue.library import Library, Paper

Shelves = Callable[[], Library]


def found(shelves: Shelves) -> list[CheckMessage]:
    return list(messages(shelves()))


def test_a_sound_collection_has_nothing_to_report(shelves: Shelves) -> None:
    assert found(shelves) == []


@pytest.mark.parametrize(
    ("old", "new", "message", "hint"),
    [
        ("year: 2020", "yaer: 2020", "toy.md:5: unknown front matter key 'yaer'", "'year'"),
        ("short: Toy\n", "", "toy.md:1: front matter has no 'short'", "add `short:`"),
        ("part: self-supervised", "part: selfsup", "toy.md:9: unknown part", "parts are"),
        ('arxiv: "2001.00001"', "arxiv: 2001.10", "toy.md:7: arxiv is 2001.1", "quote it"),
        ("year: 2020", "year: soon", "toy.md:5: year is no number", "year: 2021"),
        ("[toy model]", "toy model", "toy.md:11: aliases is no list", "[a, b]"),
        ("title: A Toy", "title: a: b", "toy.md:2: front matter: mapping values", "quote"),
        ("code:Toy)", "code:Tyo)", "toy.md:20: no code 'Tyo'", "name a symbol"),
        (r"\tau}", r"\tua}", r"toy.md:27: LaTeX: 15: Unknown command", "math-core"),
    ],
)
def test_a_fault_of_ours_is_an_error(
    root: Path, shelves: Shelves, old: str, new: str, message: str, hint: str
) -> None:
    entry = root / "papers/toy.md"
    assert entry.read_text().count(old) == 1
    entry.write_text(entry.read_text().replace(old, new))
    texts = [f"{m.msg} ({m.hint})" for m in found(shelves)]
    assert any(text.startswith(message) and hint in text for text in texts), texts
    assert all(m.level == ERROR for m in found(shelves))


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("title: A Toy", "title: a: b", "toy.md:2: front matter: mapping values"),
        ("[toy model]", "[toy model", "toy.md:12: front matter: "),
        ("---\ntitle: A Toy", "title: A Toy", "toy.md:1: no front matter"),
    ],
)
def test_front_matter_that_cannot_be_read_is_one_fault_and_not_one_for_each_key(
    root: Path, shelves: Shelves, old: str, new: str, message: str
) -> None:
    entry = root / "papers/toy.md"
    entry.write_text(entry.read_text().replace(old, new, 1))
    (fault,) = [m for m in found(shelves) if "front matter" in m.msg]
    assert fault.msg.startswith(message)


def test_a_file_whose_name_is_no_slug_is_an_error(root: Path, shelves: Shelves) -> None:
    (root / "papers/other.md").rename(root / "papers/Other-Paper.md")
    messages = [f"{m.msg} ({m.hint})" for m in found(shelves)]
    (fault,) = [m for m in messages if "no name for an entry" in m]
    assert fault.startswith("Other-Paper.md:1: 'Other-Paper'")
    assert "lower case, digits, underscores" in fault


def test_a_module_that_is_no_python_is_an_error_at_its_line(
    root: Path, shelves: Shelves
) -> None:
    module = root / "reference_impls/toy.py"
    module.write_text(module.read_text().replace("def softened(", "def softened((", 1))
    other = root / "papers/other.md"
    other.write_text(other.read_text() + "\n[too](code:toy/softened)\n")
    (fault,) = found(shelves)  # and not every link into it besides
    assert fault.level == ERROR
    assert fault.msg.startswith("toy.py:18: is no Python: ")


def test_a_broken_module_hides_no_dead_link_into_another(root: Path, shelves: Shelves) -> None:
    (root / "reference_impls/toy.py").write_text("def (:\n")
    entry = root / "papers/toy.md"
    entry.write_text(entry.read_text() + "\n[gone](code:other/gone)\n")
    messages = [m.msg for m in found(shelves)]
    assert messages[0].startswith("toy.py:1: is no Python")
    assert [m.partition(": ")[2] for m in messages[1:]] == ["no code 'other/gone'"]


@pytest.mark.parametrize(
    ("old", "new", "message", "hint"),
    [
        ("## Deviations", "## Deviation", "toy.md:44: unknown section 'Deviation'", "did you mean 'Deviations'?"),
        ("## TL;DR", "## tldr", "toy.md:13: unknown section 'tldr'", "did you mean 'TL;DR'?"),
        ("## Sources", "## Weather", "toy.md:48: unknown section 'Weather'", "sections are TL;DR, Key idea"),
        ("## Recipe\n\n## Results", "", "toy.md:1: no section Recipe, Results", "add `## Recipe`, `## Results`"),
    ],
)
def test_a_section_of_another_name_and_one_that_is_missing_are_errors(
    root: Path, shelves: Shelves, old: str, new: str, message: str, hint: str
) -> None:
    entry = root / "papers/toy.md"
    assert entry.read_text().count(old) == 1
    entry.write_text(entry.read_text().replace(old, new))
    messages = found(shelves)
    assert messages[0].level == ERROR
    assert messages[0].msg == message
    assert hint in str(messages[0].hint)
    # What nearly has its name stands for the missing one; what has not, does not.
    assert [m.msg for m in messages[1:]] == ["toy.md:1: no section Sources"] * (new == "## Weather")


@pytest.mark.parametrize("card", ["{", "[]", "{}", '{"function": "f", "tolerance": 1}'])
def test_a_broken_card_of_a_case_is_an_error_and_the_other_cases_stay(
    root: Path, shelves: Shelves, card: str
) -> None:
    (root / "reference_impls/golden/toy/broken.json").write_text(card)
    (error,) = found(shelves)
    assert error.level == ERROR
    assert error.msg.startswith("broken.json:1: no card of a case: ")
    assert [case.case for case in shelves().papers["toy"].golden] == ["plain"]


def test_a_landmark_twice_in_a_symbol_is_an_error(root: Path, shelves: Shelves) -> None:
    module = root / "reference_impls/toy.py"
    source = module.read_text().replace("y = y + 1\n", "y = y + 1  # -- two steps\n")
    module.write_text(source)
    (error,) = found(shelves)
    assert error.msg.startswith("toy.py:")
    assert "'two steps' stands twice in Toy.forward" in error.msg


def test_a_fault_of_a_note_is_a_warning(note: Callable[..., Paper], shelves: Shelves) -> None:
    note("---\nwhatever: 1\n---\n[a](paper:gone)\n")
    (warning,) = found(shelves)
    assert warning.level == WARNING
    assert "My note.md:4: no entry 'gone'" in warning.msg


@pytest.fixture
def started(shelves: Shelves, monkeypatch, settings, tmp_path) -> Callable[[], list[CheckMessage]]:
    """The check as each start runs it, with a memory of its own."""
    settings.VAR_DIR = tmp_path
    monkeypatch.setattr(checks, "library", shelves)
    return lambda: entries_are_sound(None)


def test_a_sound_library_is_not_read_again_at_the_next_start(started, monkeypatch) -> None:
    assert started() == []
    monkeypatch.setattr(checks, "messages", lambda shelves: pytest.fail("it was read again"))
    assert started() == []


def test_a_fault_made_after_a_sound_start_is_found(root: Path, started) -> None:
    assert started() == []
    entry = root / "papers/toy.md"
    entry.write_text(entry.read_text().replace("year: 2020", "yaer: 2020"))
    assert any("yaer" in str(message.msg) for message in started())
    assert any("yaer" in str(message.msg) for message in started())


def test_a_card_broken_after_a_sound_start_is_found(root: Path, started, settings) -> None:
    settings.IMPLS_DIR = root / "reference_impls"
    assert started() == []
    (root / "reference_impls/golden/toy/plain.json").write_text("{")
    assert any("plain.json" in str(message.msg) for message in started())


def test_a_figure_that_goes_missing_is_found(root: Path, started, settings) -> None:
    settings.PAPERS_DIR = root / "papers"
    figure = root / "papers/figures/toy_pipeline.svg"
    figure.parent.mkdir(exist_ok=True)
    figure.write_text("<svg xmlns='http://www.w3.org/2000/svg'/>")
    entry = root / "papers/toy.md"
    entry.write_text(entry.read_text().replace("## Key idea", "## Key idea\n\n![pipeline](toy_pipeline.svg)\n"))
    assert started() == []
    figure.unlink()
    assert any("toy_pipeline" in str(message.msg) for message in started())
