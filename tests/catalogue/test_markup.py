"""Entries become safe HTML: formulas, links into the code, and nothing else."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kb.catalogue.library import Paper

Tell = Callable[[str], Paper]


def only(paper: Paper) -> str:
    (section,) = paper.sections
    return str(section.html)


def test_the_example_is_without_fault(toy: Paper) -> None:
    assert toy.problems == []
    assert [s.id for s in toy.sections][:4] == ["tldr", "key-idea", "equations", "recipe"]


def test_a_code_link_leads_to_its_lines(toy: Paper) -> None:
    line = toy.module.find("softened#x / tau").first
    assert re.search(
        rf'<a (?=.*class="to-code")(?=.*data-lines="{line}-{line}")(?=.*href="#L{line}")'
        r"[^>]*>the temperature</a>",
        toy.section("tldr").html,
    )


def test_a_link_may_hold_quotes_brackets_and_blanks(toy: Paper) -> None:
    line = toy.module.find("Toy.get_attention#x'(t), as it is").first
    assert f'href="#L{line}"' in toy.section("key-idea").html


def test_a_paper_link_leads_to_the_entry(toy: Paper) -> None:
    assert '<a href="/papers/other/">Other</a>' in toy.section("tldr").html


def test_an_equation_is_a_figure_that_names_its_code(toy: Paper) -> None:
    html = toy.section("equations").html
    first, second = toy.equations
    assert f'id="eq-1" tabindex="0" data-lines="{first.first}-{first.last}"' in html
    assert f'<figcaption><a href="#L{first.first}">softened#x / tau · line ' in html
    assert f"lines {second.first}–{second.last}" in html
    assert '<math display="block">' in html
    assert (first.id, first.section_id) == ("eq-1", "equations")


def test_an_equation_knows_its_letters(toy: Paper) -> None:
    first, second = toy.equations
    assert [(w.letter, w.variable, w.shape) for w in first.words] == [
        (r"\tau", "tau", "()"), ("x_i", "x", "(B, D)"),
    ]
    assert second.words == []


def test_columns_of_aligned_equations_need_no_style_attribute(toy: Paper) -> None:
    html = toy.section("equations").html
    assert 'class="right"' in html
    assert " style=" not in html


def test_dollars_in_code_and_behind_a_backslash_are_no_formula(toy: Paper) -> None:
    html = toy.section("key-idea").html
    assert "the price is $5 and <code>$HOME</code> stays; <math>" in html
    assert html.count("<math") == 1


def test_a_formula_is_safe_from_markdown(toy: Paper) -> None:
    html = toy.section("key-idea").html
    assert "<em>" not in html
    assert "&lt;</mo><mi>j</mi>" in html


@pytest.mark.parametrize("body", ["from $5 to $10", "$5-$10", "$ x $", "cost: 3$"])
def test_prices_are_no_formulas(told: Tell, body: str) -> None:
    assert "<math" not in only(told(body))


def test_a_code_block_keeps_its_dollars(told: Tell) -> None:
    paper = told("```\n$$\nx\n$$\n```\n\n    $$\n    y\n    $$\n")
    assert paper.equations == []
    assert paper.problems == []
    assert only(paper).count("$$") == 4


def test_text_around_an_equation_stays(told: Tell) -> None:
    paper = told("before\n$$\na\n\n+ b\n$$ {code=Toy}\nafter\n")
    assert len(paper.equations) == 1
    assert re.search(r"<p>before</p>\s*<figure.*</figure>\s*<p>after</p>", only(paper))


def test_an_equation_in_a_list_stays_in_it(told: Tell) -> None:
    html = only(told("1. one\n\n    $$\n    a\n    $$ {code=Toy}\n\n2. two\n"))
    assert re.search(r"<ol>.*<figure.*</figure>.*two.*</ol>", html, re.DOTALL)


@pytest.mark.parametrize(
    ("body", "message", "line"),
    [
        ("x\n[a](code:Gone)", "no code 'Gone'", 15),
        ("x\n\n[a](code:softened#gone)", "no code 'softened#gone'", 16),
        ("[a](paper:gone)", "no entry 'gone'", 14),
        ("[a](compare:toy)", "no page compare 'toy'", 14),
        ("[a](concept:gone)", "no page concept 'gone'", 14),
        ("![a](figures/gone.svg)", "no figure 'figures/gone.svg'", 14),
        ("x\n\n$$\nx + y\n$$", "equation without code", 17),
        ("$$\nx\n$$ {code=Gone}", "no code 'Gone'", 16),
        ("$$\nx\n", "`$$` is never closed", 14),
        ("a $\\gone{x}$ b", 'LaTeX: 0: Unknown command "\\gone".', 14),
    ],
)
def test_what_is_dead_is_reported_with_its_line(
    told: Tell, body: str, message: str, line: int
) -> None:
    (problem,) = told(body).problems
    assert (problem.message, problem.line) == (message, line)
    assert str(problem).startswith("toy.md:")
    assert problem.remedy


@pytest.mark.parametrize("kind", ["code:Gone", "paper:gone", "results:gone", "code:gone/f", "gone:x"])
def test_a_dead_link_is_shown_as_text(told: Tell, kind: str) -> None:
    html = only(told(f"a [word]({kind}) b"))
    assert re.search(r'a <span class="dead" title="[^"]+">word</span> b', html)


def test_latex_that_fails_stays_readable(told: Tell) -> None:
    assert '<code class="dead">\\gone{x}</code>' in only(told("$\\gone{x}$"))


def test_a_figure_of_the_project_is_shown(told: Tell, toy: Paper) -> None:
    (toy.home / "figures" / "toy_view.svg").write_text("<svg/>")
    html = only(told("![A view](figures/toy_view.svg)"))
    assert 'src="/papers/figures/toy_view.svg"' in html
    assert 'alt="A view"' in html


@pytest.mark.parametrize(
    "attack",
    [
        "<script>alert(1)</script>",
        '<img src="x" onerror="alert(1)">',
        "[x](javascript:alert(1))",
        '<a href="javascript:alert(1)">x</a>',
        '<iframe src="https://example.org"></iframe>',
        '<form action="/x"><input name="y"></form>',
        '<p style="position:fixed">x</p>',
        r"$\text{<script>alert(1)</script>}$",
        "[x](code:<script>alert(1)</script>)",
        "![<script>alert(1)</script>](x.svg)",
    ],
)
def test_nothing_that_runs_comes_through(note: Callable[..., Paper], attack: str) -> None:
    html = only(note(f"# t\n\n{attack}\n"))
    assert not re.search(
        r"<script|<[^>]*\son\w+=|href=\"javascript|<iframe|<form|<input| style=", html
    )


def test_an_empty_corner_of_a_table_is_no_heading(told: Tell) -> None:
    html = only(told("| | B |\n|---|---|\n| top-1 | 83.6 |"))
    assert "<th></th>" not in html
    assert "<td></td>\n<th>B</th>" in html


def test_wide_tables_scroll_by_keyboard(toy: Paper) -> None:
    assert '<div class="table" tabindex="0"><table>' in toy.section("equations").html


def test_section_text_has_words_and_inline_letters_only(toy: Paper) -> None:
    text = toy.section("equations").text
    assert text.startswith("Softened by τ: paper variable")
    assert "aligned" not in text


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None,
          max_examples=150)
@given(st.lists(st.sampled_from([
    "$", "$$", "\n", "\n\n", "`", "```", "[", "]", "(code:", ")", "{code=", "}", "\\", "*",
    "_", "#", "## ", "> ", "- ", "    ", "<b>", "<", "&", "|", "![", "[[", "x", "\x02", "1. ",
])).map("".join))
def test_no_text_breaks_the_page(note: Callable[..., Paper], text: str) -> None:
    paper = note(text)
    assert all("\x02" not in section.html for section in paper.sections)


def test_deep_nesting_is_shown_as_it_is(note: Callable[..., Paper]) -> None:
    assert only(note("> " * 3000 + "deep")).count("deep") == 1


def test_a_link_into_another_papers_code_leads_to_its_page(told: Tell) -> None:
    assert 'href="/papers/other/#L6"' in only(told("[a](code:other/Other)"))


def test_links_lead_to_the_other_pages_of_the_site(told: Tell, root: Path) -> None:
    (root / "papers/concepts").mkdir()
    (root / "papers/concepts/heat.md").write_text("Heat.")
    html = only(told("[a](concept:heat) [b](compare:toy,other) [c](results:toy)"))
    for address in ("/concepts/heat/", "/compare/toy/other/", "/results/?paper=toy"):
        assert f'href="{address}"' in html


def test_a_drawing_stands_in_the_page_and_its_boxes_are_links(told: Tell, root: Path) -> None:
    folder = root / "papers/figures"
    (folder / "toy_view.svg").write_text("<svg/>")
    (folder / "toy_view.toml").write_text(
        'title = "T"\nalt = "A box."\n[[node]]\nid = "a"\nat = [0, 0]\nkind = "op"\n'
        'text = "softened"\ncode = "softened"\n'
    )
    paper = told("before\n\n![What it *does*.](figures/toy_view.svg)\n\nafter")
    html, line = only(paper), paper.module.find("softened")
    assert '<figure class="drawn" id="fig-1" tabindex="0"><svg ' in html
    assert f'href="#L{line.first}" data-lines="{line}"' in html
    caption = "<figcaption>What it <em>does</em>.</figcaption>"
    assert re.search(rf"{caption}\s*</figure>\s*<p>after", html)
    assert ("tldr", line) in paper.page.code_links
    assert paper.sections[0].text == "before What it does. after"


def test_a_drawing_that_names_code_which_is_gone_is_reported(told: Tell, root: Path) -> None:
    folder = root / "papers/figures"
    (folder / "toy_view.svg").write_text("<svg/>")
    (folder / "toy_view.toml").write_text(
        'title = "T"\nalt = "A"\n[[node]]\nid = "a"\nat = [0, 0]\nkind = "op"\ncode = "gone"\n'
    )
    (problem,) = told("![x](figures/toy_view.svg)").problems
    assert "no code 'gone' in it" in str(problem)
