"""How much of a module its entry explains."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from django.core.management import call_command

from kb.catalogue import coverage
from kb.catalogue.checks import messages
from kb.catalogue.library import Library, Paper


def test_lines_that_a_text_points_to_are_explained(told: Callable[[str], Paper]) -> None:
    one = coverage.of(told("[a](code:softened#x / tau) [b](code:Config)"))
    assert (one.equations, one.linked) == (0, 0)
    assert one.explained == 1 + 3  # the statement; the class without its blank line
    assert one.silent == ("Toy",)


def test_a_link_into_a_symbol_speaks_of_it(told: Callable[[str], Paper]) -> None:
    one = coverage.of(told("[a](code:Toy.forward) [b](code:softened) [c](code:Config)"))
    assert one.silent == ()


def test_check_warns_of_what_nothing_is_said_of(
    root: Path, shelves: Callable[[], Library]
) -> None:
    entry = root / "papers/toy.md"
    entry.write_text(entry.read_text().replace("[`Toy`](code:Toy)", "Toy"))
    entry.write_text(entry.read_text().replace("[its steps](code:Toy#two steps)", "steps"))
    said = entry.read_text().replace("[x'](code:Toy.get_attention#x'(t), as it is)", "x")
    entry.write_text(said)
    told = [str(m.msg) for m in messages(shelves())]
    assert "toy.md: nothing is said of Toy" in told


def test_check_prints_a_row_for_every_paper_and_the_totals(capsys) -> None:
    call_command("check", tags=[])
    printed = capsys.readouterr().out
    assert "\nmae " in printed
    assert printed.rstrip().splitlines()[-1].split()[1] == "papers"
