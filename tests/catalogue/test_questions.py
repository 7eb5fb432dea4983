"""A question of an entry has an address of its own."""

from __future__ import annotations

from collections.abc import Callable

from kb.catalogue.library import Paper

Tell = Callable[[str], Paper]


def test_a_question_in_bold_is_a_place(told: Tell) -> None:
    paper = told("**Why $\\tau$ and `x`?** Because.\n\nAnd so on.\n\n**How?** Like *this*.")
    first, second = paper.page.questions
    assert (first.id, first.text) == ("q-why-and-x", "Because. And so on.")
    assert (second.id, second.title, second.text) == ("q-how", "How?", "Like this.")
    html = str(paper.sections[0].html)
    assert '<p id="q-how"><strong><a class="here" href="#q-how">How?</a></strong>' in html


def test_the_same_question_twice_has_two_addresses(told: Tell) -> None:
    paper = told("**Why?** One.\n\n**Why?** Two.")
    assert [q.id for q in paper.page.questions] == ["q-why", "q-why-2"]


def test_bold_words_that_ask_nothing_are_no_question(told: Tell) -> None:
    paper = told("**Note.** Text.\n\nText with **a question?** inside.")
    assert paper.page.questions == []


def test_a_question_keeps_its_markup(told: Tell) -> None:
    html = str(told("**Why `x` and *y*?** So.").sections[0].html)
    assert "<code>x</code> and <em>y</em>?</a></strong> So." in html
