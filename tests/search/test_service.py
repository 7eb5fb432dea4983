"""The door: what an answer holds, how it narrows, corrects and marks."""

from __future__ import annotations

from dataclasses import asdict
from urllib.parse import parse_qs, urlsplit

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kb.search import snippets
from kb.search.service import PAGE_SIZE, search
from tests.search.test_language import HOSTILE

pytestmark = pytest.mark.usefixtures("shelf")


def slugs(q: str, **narrowed: str) -> set[str]:
    return {hit.slug for hit in search(q, **narrowed).results}


def test_an_answer_has_the_shape_that_the_api_promises() -> None:
    answer = asdict(search("masked"))
    assert set(answer) == {"count", "took_ms", "query", "facets", "results"}
    assert set(answer["query"]) == {"understood", "corrected", "exact_url"}
    assert set(answer["results"][0]) == {
        "kind", "slug", "title", "url", "section", "snippet", "score",
    }
    assert answer["facets"]["kind"]["paper"] >= 1
    scores = [hit["score"] for hit in answer["results"]]
    assert scores == sorted(scores, reverse=True)


@pytest.mark.parametrize("query", HOSTILE, ids=lambda t: ascii(t[:12]))
def test_hostile_queries_are_answered(query: str) -> None:
    assert search(query).count >= 0


@settings(
    max_examples=40, deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(st.text(max_size=120))
def test_any_text_is_answered(text: str) -> None:
    assert search(text).count >= 0


def test_nothing_asked_is_nothing_found() -> None:
    answer = search("  ")
    assert (answer.count, answer.query.understood) == (0, "")


@pytest.mark.parametrize(("narrowed", "expected"), [
    ({"part": "video"}, {"arrow_of_time"}),
    ({"year": "2020"}, {"byol"}),
    ({"year": "2020..2022"}, {"byol", "mae"}),
    ({"family": "masked"}, {"mae"}),
    ({"has": "nothing"}, set()),
])  # fmt: skip
def test_keywords_narrow_the_hits(narrowed: dict[str, str], expected: set[str]) -> None:
    assert slugs("network patches loss video", **narrowed) == expected


@pytest.mark.parametrize(("query", "expected"), [
    ("kind:paper year:2018", {"arrow_of_time"}),
    ("kind:paper -part:video", {"mae", "byol"}),
    ("kind:paper author:he", {"mae"}),
    ('kind:paper tag:"no negatives"', {"byol"}),
    ("kind:paper has:code", {"mae", "byol", "arrow_of_time"}),
    ("masked -mae", {"byol"}),
    ("-masked kind:paper", {"arrow_of_time"}),
])  # fmt: skip
def test_fields_in_the_query_narrow_likewise(query: str, expected: set[str]) -> None:
    assert slugs(query) == expected


def test_a_year_that_is_none_narrows_nothing_and_is_said() -> None:
    answer = search("masked", year="soon")
    assert answer.count == search("masked").count
    assert "not a year" in answer.query.understood


def test_a_facet_counts_its_other_values_too() -> None:
    counted = search("loss", part="video").facets
    assert set(counted["part"]) == {"video", "self-supervised"}
    assert set(counted["year"]) == {"2018"}


def test_facet_counts_are_what_choosing_them_gives() -> None:
    for kind, count in search("masked").facets["kind"].items():
        assert search("masked", kind=kind).count == count


@pytest.mark.parametrize(("typed", "meant"), [
    ("autoncoder", "autoencoder"), ("exponental", "exponential"),
    ("netwrok", "network"), ("patchfy", "patchify"),
])  # fmt: skip
def test_a_slip_is_corrected_and_said(typed: str, meant: str) -> None:
    answer = search(f"{typed} kind:symbol")
    assert answer.query.corrected == f"{meant} kind:symbol"
    assert f"Nothing here says “{typed}”" in answer.query.understood
    assert answer.count == search(f"{meant} kind:symbol").count


def test_the_exact_form_is_one_link_away() -> None:
    url = urlsplit(search("autoncoder", part="video").query.exact_url or "")
    asked = parse_qs(url.query)
    assert asked == {"q": ["autoncoder"], "part": ["video"], "exact": ["1"]}
    exact = search("autoncoder", exact=True)
    assert (exact.count, exact.query.corrected) == (0, None)


@pytest.mark.parametrize("word", ["masked", "mask", "tau", "byol", "zzz", "x1y2z3"])
def test_known_short_and_hopeless_words_are_left_alone(word: str) -> None:
    assert search(word).query.corrected is None


def test_a_word_that_nothing_says_is_left_out_and_that_is_said() -> None:
    answer = search("bootstrap qqq zzz")
    assert answer.count == search("bootstrap").count > 0
    assert "Nothing here says “qqq” or “zzz”, so that was left out." in (
        answer.query.understood
    )
    assert "left out" not in search("bootstrap qqq", exact=True).query.understood


@pytest.mark.parametrize("query", ["qqq", "qqq the of", "def:qqq byol", "mae tldr"])
def test_nothing_is_left_out_of_a_name_a_field_or_where_nothing_would_remain(
    query: str,
) -> None:
    assert "left out" not in search(query).query.understood


def test_a_correction_touches_whole_words_only() -> None:
    answer = search("los patchfy patchfying kind:symbol")
    assert answer.query.corrected
    assert answer.query.corrected.startswith("los patchify patchfying")


def test_a_beginning_is_completed_and_not_corrected() -> None:
    answer = search("autoenc")
    assert answer.query.corrected is None
    assert "begin with “autoenc”" in answer.query.understood
    assert answer.results[0].slug == "mae"


def test_half_an_identifier_is_a_beginning() -> None:
    answer = search("random_mas")
    assert "begin with “random_mas”" in answer.query.understood
    assert answer.results[0].title == "random_masking"


def test_an_alias_finds_texts_that_use_the_other_name() -> None:
    hits = search("mae", kind="section").results
    assert "byol" in {hit.slug for hit in hits}  # its text says "masked autoencoder"


def test_places_with_all_words_stand_above_places_with_some() -> None:
    answer = search("exponential decoder")
    assert "a part of it" in answer.query.understood
    together = search("moving target", kind="section").results[0]
    assert {"moving", "target"} <= set(together.snippet.lower().replace("<mark>", "")
                                       .replace("</mark>", "").split())


def test_a_phrase_that_stands_nowhere_is_loosened_and_said() -> None:
    answer = search('"decoder patches"')
    assert answer.count > 0
    assert "a part of it" in answer.query.understood


def test_common_words_alone_are_explained() -> None:
    assert "not indexed" in search("the of").query.understood


def test_pages_join_without_repeat() -> None:
    whole = search("network patches loss video mae")
    assert whole.count > PAGE_SIZE
    second = search("network patches loss video mae", page=2)
    urls = [hit.url for hit in whole.results + second.results]
    assert len(urls) == len(set(urls)) == min(whole.count, 2 * PAGE_SIZE)
    assert search("network patches loss video mae", page=99).results == []


def test_snippets_mark_the_words_and_escape_the_text() -> None:
    hit = search("alert others", kind="section").results[0]
    assert "<mark>" in hit.snippet
    assert "<script" not in hit.snippet


def test_a_snippet_escapes_what_the_text_holds() -> None:
    text = 'a <b onload="x">loss</b> & <mark>fake</mark> loss'
    cut = snippets.snippet(text, {"loss"})
    assert cut == (
        "a &lt;b onload=&quot;x&quot;&gt;<mark>loss</mark>&lt;/b&gt; &amp; "
        "&lt;mark&gt;fake&lt;/mark&gt; <mark>loss</mark>"
    )


def test_a_snippet_is_cut_where_most_words_stand_together() -> None:
    text = "loss " + "filler " * 200 + "the loss of the target network " + "end " * 200
    cut = snippets.snippet(text, {"loss", "target", "network"})
    assert "<mark>target</mark> <mark>network</mark>" in cut
    assert cut.startswith("… ")
    assert cut.endswith(" …")
    assert len(cut) < 2 * snippets.LENGTH


def test_only_telling_words_go_with_the_address() -> None:
    url = urlsplit(search("what is random masking of the image").results[0].url)
    assert not {"what", "the", "of"} & set(parse_qs(url.query)["h"][0].split())


def test_the_words_go_with_the_address_in_front_of_the_anchor() -> None:
    url = urlsplit(search("random masking").results[0].url)
    assert parse_qs(url.query) == {"h": ["random masking"]}
    assert url.fragment == "def-random_masking"
