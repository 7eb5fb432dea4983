"""The query language never fails, and reads what its help says."""


import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from kb.search import language, wording
from kb.search.analysis import STOP_WORDS
from kb.search.language import Filter, Phrase, Prefix, Word, parse

HOSTILE = [
    "a*", "*", "s* OR p*", "[a TO m]", '"', '""', '"""', "-", "--", "-*", ":", "title:",
    "year:", "year:..", "year:9999999", "has=", "AND OR NOT", "((((", "a" * 10_000,
    "title:" * 2000, "word " * 1000, '"never closed', "\x00\ud800\u202e", "é" * 500,
    "\\frac{a}{b}" * 300, "-" * 10_000, "year:2022..2020", "<script>", "%s %d {}",
]

pieces = st.sampled_from(
    [*'"-*:=.', " ", "title:", "year:", "has=", "eq:", "2020..", "mae", "τ", "\\tau", "a_b"]
)


def rarer(word: str) -> bool:
    return word.lower() not in STOP_WORDS


@settings(deadline=None)
@given(st.one_of(st.text(max_size=300), st.lists(pieces).map("".join)))
@example("\ud800")
def test_any_text_is_a_query_and_can_be_told_in_words(text: str) -> None:
    query = parse(text)
    said = wording.sentence(query, {}, loosened=True, complete=False)
    assert isinstance(said, str)
    rare = [w for word in query.words for w in word.text.split() if rarer(w)]
    assert len(rare) <= language.MAX_TERMS
    assert all(word.text for word in query.words)


@pytest.mark.parametrize("text", HOSTILE, ids=lambda t: ascii(t[:12]))
def test_hostile_queries_are_read(text: str) -> None:
    assert len(parse(text).words) <= language.MAX_TERMS


@pytest.mark.parametrize(("text", "expected"), [
    ("masked autoencoder", (Word("masked"), Word("autoencoder"))),
    ('"stop gradient"', (Phrase("stop gradient"),)),
    ("“stop gradient”", (Phrase("stop gradient"),)),
    ('"single"', (Word("single"),)),
    ("-video", (Word("video", negated=True),)),
    ('-"no negatives"', (Phrase("no negatives", negated=True),)),
    ("enc*", (Prefix("enc"),)),
    ("a*", (Word("a"),)),
    ("title:vision", (Word("vision", "title"),)),
    ("TITLE: vision", (Word("vision", "title"),)),
    ("def:MAE.forward", (Word("MAE.forward", "def"),)),
    (r"eq:\tau", (Word(r"\tau", "eq"),)),
    ("stop-gradient", (Word("stop"), Word("gradient"))),
    ("note:this", (Word("note"), Word("this"))),
    ("[a TO m]", (Word("a"), Word("TO"), Word("m"))),
    ("loss loss", (Word("loss"),)),
])  # fmt: skip
def test_words_are_read_as_the_help_says(text: str, expected: tuple[Word, ...]) -> None:
    assert parse(text).words == expected


@pytest.mark.parametrize(("text", "expected"), [
    ("year:2020..2022", Filter("year", "2020..2022")),
    ("part:video", Filter("part", "video")),
    ("-part:video", Filter("part", "video", negated=True)),
    ("has=demo", Filter("has", "demo")),
    ('author:"Kaiming He"', Filter("author", "kaiming he")),
    ("author:Gümüş", Filter("author", "gumus")),
])  # fmt: skip
def test_properties_of_papers_are_filters(text: str, expected: Filter) -> None:
    assert parse(text).filters == (expected,)


def test_a_year_that_is_none_is_read_as_words_and_said() -> None:
    query = parse("year:soon")
    assert query.words == (Word("soon"),)
    assert "not a year" in query.notes[0]


def test_a_missing_quotation_mark_is_said() -> None:
    query = parse('"stop gradient')
    assert query.words == (Phrase("stop gradient"),)
    assert "never closed" in query.notes[0]


def test_only_so_many_words_count_and_stop_words_are_free() -> None:
    query = parse("the of " + " ".join(f"word{i}" for i in range(1000)))
    assert len(query.words) == 2 + language.MAX_TERMS
    assert any(f"first {language.MAX_TERMS} words" in note for note in query.notes)


@pytest.mark.parametrize(("text", "asks"), [
    ("why does it not collapse", True), ("Keys are stable (Why?)", True),
    ("mask ratio?", True), ("random masking", False), ("can loss", False),
    ("title:why does it", False), ("?", False),
])  # fmt: skip
def test_a_question_is_told_by_its_mark_or_its_beginning(text: str, asks: bool) -> None:
    assert parse(text).asks == asks


def test_a_shouted_query_means_what_it_means_in_small_letters() -> None:
    assert parse("WHY NOT COLLAPSE??") == parse("why not collapse??")
    assert parse("CAN").words == (Word("CAN"),)


@pytest.mark.parametrize(("text", "latex"), [
    (r"\tau", True), ("τ", True), ("1/sqrt d", True), ("x^2", True), ("√d", True),
    ("tau", False), ("sqrtm", False), ("naïve", False), ("1/2", False),
])  # fmt: skip
def test_a_formula_is_told_by_a_command_or_what_is_written_for_one(
    text: str, latex: bool
) -> None:
    assert parse(text).latex == latex


@pytest.mark.parametrize("text", [
    "L = -log exp", r"-\log p", r"-log \frac{a}{b}", r"\sqrt{d} -log",
    'L = -"log softmax"',
])  # fmt: skip
def test_a_minus_in_a_formula_excludes_nothing(text: str) -> None:
    assert parse(text).words
    assert parse(text).unwanted == ()


@pytest.mark.parametrize("text", [
    "loss -log", "has=demo -log", r"eq:\tau -log", "L = x -code:log", "sqrt d -log",
    "L = x -part:video -title:log",
])  # fmt: skip
def test_a_minus_beside_words_or_fields_excludes(text: str) -> None:
    assert [word.text for word in parse(text).unwanted] == ["log"]


@pytest.mark.parametrize("text", ["1/sqrt d", "1 / sqrt d", "√d", "sqrt d", r"\sqrt{d}"])
def test_a_root_is_one_word_however_it_is_written(text: str) -> None:
    assert parse(text).words == (Word("sqrt"), Word("d"))


@pytest.mark.parametrize("text", ["who wrote MAE", "Who invented MAE?", "who proposed MAE"])
def test_who_did_it_asks_for_the_paper(text: str) -> None:
    assert parse(text).words == (Word("MAE"),)


@pytest.mark.parametrize(("value", "expected"), [
    ("2021", (2021, 2021)), ("2020..2022", (2020, 2022)), ("2020..", (2020, 9999)),
    ("..2022", (0, 2022)), ("..", None), ("20202021", None), ("", None),
])  # fmt: skip
def test_years_and_spans_of_years(value: str, expected: tuple[int, int] | None) -> None:
    assert language.years(value) == expected


def test_the_sentence_names_every_part_of_the_query() -> None:
    query = parse('mae "stop gradient" enc* -video year:2020.. has:demo def:patchify')
    said = wording.sentence(query, {}, loosened=False, complete=True)
    assert said == (
        "Looking for “mae”, the phrase “stop gradient”, words that begin with “enc” and "
        "“patchify” defined in code, without “video”, since 2020, with a demo."
    )
