"""Lines side by side: nothing lost, the like beside the like, equal stretches folded."""

from __future__ import annotations

import re
from html import unescape

from hypothesis import given
from hypothesis import strategies as st

from kb.connections.difference import rows, stretches
from kb.connections.lines import Line, between, of
from kb.connections.painting import Side, paint

LEFT, RIGHT = Side("Elder", "/papers/e/", "a", "del"), Side("New", "/p/n/", "b", "ins")
SOURCE = '''\
def f(x):
    """Says x.

    At length.
    """
    # a comment of its own

    return x  # as it is
'''


def lines(*texts: str) -> list[Line]:
    return [Line(number, (("", text),)) for number, text in enumerate(texts, start=1)]


def shown(left: list[Line], right: list[Line]) -> list[tuple[str, str]]:
    return [
        (row.left.text if row.left else "-", row.right.text if row.right else "-")
        for row in rows(left, right)
    ]


TEXTS = st.lists(st.sampled_from(["", "a = 1", "a = 2", "b = 1", "return a", ")"]))


@given(TEXTS, TEXTS)
def test_every_line_stands_once_and_in_order(left: list[str], right: list[str]) -> None:
    found = rows(lines(*left), lines(*right))
    assert [row.left.text for row in found if row.left] == left
    assert [row.right.text for row in found if row.right] == right


@given(TEXTS, TEXTS)
def test_folding_keeps_every_row(left: list[str], right: list[str]) -> None:
    aligned = rows(lines(*left), lines(*right))
    parts = stretches(aligned)
    assert [row for part in parts for row in part.rows] == aligned
    assert all(row.same == part.same for part in parts for row in part.rows)


def test_lines_that_set_the_same_name_meet() -> None:
    left = lines("width: int = 256", "epochs: int = 1000")
    right = lines("bottleneck: int = 256", "width: int = 65536", "epochs: int = 3")
    assert shown(left, right) == [
        ("-", "bottleneck: int = 256"), ("width: int = 256", "width: int = 65536"),
        ("epochs: int = 1000", "epochs: int = 3"),
    ]


def test_lines_that_have_nothing_in_common_do_not_meet() -> None:
    assert shown(lines("return x"), lines("import math")) == [
        ("return x", "-"), ("-", "import math"),
    ]


def test_the_middle_of_a_long_equal_run_is_folded() -> None:
    texts = [f"line {n}" for n in range(12)]
    parts = stretches(rows(lines("a", *texts, "b"), lines("c", *texts, "d")))
    assert [(len(p.rows), p.same, p.folded) for p in parts if p.same] == [
        (3, True, False), (6, True, True), (3, True, False),
    ]


def test_a_short_equal_run_stays_open() -> None:
    texts = [f"line {n}" for n in range(9)]
    parts = stretches(rows(lines("a", *texts, "b"), lines("c", *texts, "d")))
    assert not any(part.folded for part in parts)


def test_comments_docstrings_and_blank_lines_can_be_left_out() -> None:
    left = between(SOURCE, 1, 8, code_only=True)
    assert [(line.number, line.text) for line in left] == [
        (1, "def f(x):"), (8, "    return x"),
    ]


def test_with_its_prose_every_line_is_there_as_written() -> None:
    assert [line.text for line in of(SOURCE)] == SOURCE.splitlines()


def test_a_changed_word_is_marked_and_its_neighbours_are_not() -> None:
    html = paint(stretches(rows(lines("a = <b> + c"), lines("a = <d> + c"))), LEFT, RIGHT)
    assert re.findall(r"<del>(.*?)</del>", html) == ["b"]
    assert re.findall(r"<ins>(.*?)</ins>", html) == ["d"]
    assert "a = &lt;" in html


def test_padding_in_front_of_a_comment_is_not_marked() -> None:
    html = paint(stretches(rows(lines("x = 1   # n"), lines("x = 22  # n"))), LEFT, RIGHT)
    assert re.findall(r"<(?:del|ins)>(.*?)</", html) == ["1", "22"]


def test_numbers_link_to_the_line_on_the_papers_page() -> None:
    html = paint(stretches(rows(lines("a"), lines("a"))), LEFT, RIGHT)
    assert re.findall(r'href="(.*?)"', html) == ["/papers/e/#L1", "/p/n/#L1"]


@given(TEXTS, TEXTS)
def test_what_is_painted_reads_as_what_was_written(
    left: list[str], right: list[str]
) -> None:
    html = paint(stretches(rows(lines(*left), lines(*right))), LEFT, RIGHT)
    for side, texts in ((LEFT, left), (RIGHT, right)):
        found = re.findall(
            rf'href="{side.url}#L\d+"[^>]*>\d+</a><code>(.*?)</code>', html
        )
        assert [unescape(re.sub("<.*?>", "", code)) for code in found] == texts
