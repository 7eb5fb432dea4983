"""Files into sound lines: what is repaired, and what cannot be taken."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from kb.exchange.notes import source
from kb.exchange.notes.source import Unreadable

Note = Callable[..., Path]


@pytest.mark.parametrize(
    ("broken", "sound"),
    [
        ("I‚Äôll say ‚Äúvanilla‚Äù", "I’ll say “vanilla”"),
        ("shrug \uf8ffü§∑‚Äç‚ôÇÔ∏è.", "shrug 🤷‍♂️."),
        ("DollÃ¡r", "Dollár"),
        ("[MAE]((https://arxiv.org/abs/2111.06377) paper", "[MAE](https://arxiv.org/abs/2111.06377) paper"),
        ("[MAE]((https://arxiv.org/abs/2111.06377)) paper", "[MAE](https://arxiv.org/abs/2111.06377) paper"),
    ],
)
def test_a_line_is_repaired_and_the_repair_told(
    note: Note, broken: str, sound: str
) -> None:
    found = source.read(note(f"first\n{broken}\n"))
    assert found.lines == ["first", sound]
    assert [remark.line for remark in found.repaired] == [2]


@pytest.mark.parametrize(
    "line", ["“quoted” – naïve é ∑ θ ≤ ✓", "don't -- \"straight\" ...", "Henaﬀ ½ x²"]
)
def test_sound_text_stays_as_it_is(note: Note, line: str) -> None:
    found = source.read(note(line))
    assert (found.lines, found.repaired) == ([line], [])


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "cp1252"])
def test_other_encodings_are_read(note: Note, encoding: str) -> None:
    found = source.read(note("naïve\r\nDollár".encode(encoding)))
    assert found.lines == ["naïve", "Dollár"]
    assert bool(found.repaired) == (encoding == "cp1252")


@pytest.mark.parametrize(
    ("content", "remedy"),
    [
        (b"", "is empty; name a file that holds notes"),
        (b"\n \n\t\n", "is empty"),
        (b"\x89PNG\r\n\0\0\0\rIHDR", "save it as plain text"),
        (b"%PDF-1.7 all text", "save it as plain text"),
    ],
)
def test_what_is_no_text_is_refused_with_the_remedy(
    note: Note, content: bytes, remedy: str
) -> None:
    with pytest.raises(Unreadable, match=remedy):
        source.read(note(content))


def test_a_missing_file_and_a_folder_are_refused(tmp_path: Path) -> None:
    with pytest.raises(Unreadable, match="does not exist; check the name"):
        source.read(tmp_path / "nothing.txt")
    with pytest.raises(Unreadable, match="is a folder; name its files"):
        source.read(tmp_path)
