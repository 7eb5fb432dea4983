"""The listing: one element per line, complete, escaped, small."""

from __future__ import annotations

import html
import re

from hypothesis import given
from hypothesis import strategies as st

from kb.catalogue.library import Paper
from kb.catalogue.listing import highlight

TAG = re.compile(r"<[^>]+>")


def words(line: str) -> str:
    return html.unescape(TAG.sub("", line))


def test_every_line_keeps_its_text(toy: Paper) -> None:
    assert [words(line) for line in toy.module.html_lines] == toy.module.lines


def test_a_token_over_several_lines_is_closed_on_each() -> None:
    lines = highlight('x = """a\n\n<b>"""\ny = 1\n')
    assert len(lines) == 4
    assert lines[1] == ""
    assert lines[2] == '<span class="s2">&lt;b&gt;"""</span>'


@given(st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Zl", "Zp"])))
def test_any_text_comes_back_and_is_well_nested(text: str) -> None:
    source = f"x = 1\n{text}\ny = 2\n"
    lines = highlight(source)
    assert [words(line) for line in lines] == source.splitlines()
    assert all(line.count("<span") == line.count("</span>") for line in lines)


def test_a_line_has_a_number_an_anchor_and_shows_that_text_points_to_it(
    toy: Paper,
) -> None:
    found = re.findall(r'<div class="([^"]*)" id="L(\d+)">(.*)', toy.listing)
    lines = {int(number): rest for _, number, rest in found}
    assert len(lines) == len(toy.module.lines)
    division = toy.module.find("softened#x / tau").first
    assert f'<a href="#L{division}" tabindex="-1">{division}</a>' in lines[division]
    told = {int(number) for kind, number, _ in found if kind == "line told"}
    assert told == set(toy.pointing)
    assert toy.pointing[division] == ["eq-1", "tldr"]
    forward = toy.module.symbol("Toy.forward").first
    assert '<code id="def-Toy.forward">' in lines[forward]


def test_plain_names_and_brackets_carry_no_spans(toy: Paper) -> None:
    assert not re.search(r'<span class="(n|p|o|w|)">', toy.listing)
