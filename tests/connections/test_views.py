"""The pages, as a browser without JavaScript gets them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from django.test import Client

PAGES = [
    "/compare/", "/compare/elder/younger/", "/compare/elder/younger/?view=file",
    "/compare/younger/elder/?code=1", "/concepts/", "/concepts/stop/",
    "/concepts/far/", "/map/",
]


def words(html: str) -> str:
    return re.sub("<[^>]*>", "", html)


def marked(html: str, tag: str) -> str:
    """The first stretch of code that is marked as one side's alone."""
    found = re.search(rf'<code>(?:(?!</code>).)*?:.*?<{tag}>(.*?)</{tag}>', html)
    return words(found[1]) if found else ""


@pytest.mark.parametrize("path", PAGES)
def test_every_page_answers_and_its_own_links_have_their_places(
    client: Client, path: str
) -> None:
    response = client.get(path)
    html = response.content.decode()
    places = re.findall(r'\bid="([^"]+)"', html)
    assert response.status_code == 200
    assert len(places) == len(set(places))
    assert set(re.findall(r'href="#([^"]+)"', html)) <= set(places)
    assert " style=" not in html


@pytest.mark.parametrize("path", PAGES)
def test_pages_are_only_read(client: Client, path: str) -> None:
    assert client.post(path).status_code == 405


def test_both_papers_stand_in_the_order_asked_for(client: Client) -> None:
    context = client.get("/compare/younger/elder/").context
    assert (context["a"].slug, context["b"].slug) == ("younger", "elder")
    assert context["shared"] == ["Mean"]


def test_equations_that_bear_the_same_landmark_meet(client: Client) -> None:
    rows = client.get("/compare/elder/younger/").context["meetings"]
    assert [row.landmark for row in rows] == ["distance", ""]


def test_recipes_show_what_differs_and_fold_what_does_not(client: Client) -> None:
    recipes = client.get("/compare/elder/younger/").context["recipes"]
    assert [row.name for row in recipes.differing] == ["optimiser"]
    assert [row.name for row in recipes.equal] == ["batch"]
    assert [one.name for one in recipes.only_left] == ["decay"]
    assert "<math" in recipes.only_left[0].html


def test_code_is_compared_symbol_by_symbol(client: Client) -> None:
    answers = client.get("/compare/elder/younger/").context["answers"]
    assert [answer.id for answer in answers] == ["code-Config", "code-loss"]
    assert (marked(answers[0].html, "del"), marked(answers[0].html, "ins")) == ("4", "8")


def test_prose_in_the_code_can_be_hidden(client: Client) -> None:
    shown = client.get("/compare/elder/younger/").context["answers"][1].html
    hidden = client.get("/compare/elder/younger/?code=1").context["answers"][1].html
    assert "How far" in words(shown)
    assert "How far" not in words(hidden)
    assert "stop-gradient" not in hidden


def test_whole_files_are_compared_on_demand(client: Client) -> None:
    context = client.get("/compare/elder/younger/?view=file").context
    assert context["answers"] == []
    assert 'href="/papers/elder/#L1"' in context["whole"]
    assert 'href="/papers/younger/#L1"' in context["whole"]


def test_an_edited_module_is_compared_anew(client: Client, site: Path) -> None:
    from kb.catalogue import library

    before = client.get("/compare/elder/younger/").context["answers"][0].html
    module = site / "reference_impls/elder.py"
    module.write_text(module.read_text().replace("width: int = 4", "width: int = 5"))
    library._cache.library = None
    after = client.get("/compare/elder/younger/").context["answers"][0].html
    assert (marked(before, "del"), marked(after, "del")) == ("4", "5")


def test_quoted_sections_link_to_their_own_page(client: Client) -> None:
    (_, texts), _ = client.get("/compare/elder/younger/").context["ideas"]
    assert re.search(r'href="/papers/elder/#L\d+"', texts[1])
    assert 'href="/papers/elder/#questions"' in texts[1]


def test_only_measurements_of_both_stand_side_by_side(
    client: Client, site: Path
) -> None:
    (site / "papers/results.csv").write_text(
        "paper,method,backbone,pretraining,protocol,dataset,metric,value,source,verified\n"
        "elder,Elder,,,k-NN,Toys,top-1,50.0,T1,yes\n"
        "younger,Younger,,,k-NN,Toys,top-1,60.0,T1,yes\n"
        "younger,Younger,,,linear,Toys,top-1,70.0,T1,yes\n"
        "elder,Elder,,,linear,Toys,top-1,65.0,T1,no\n"
    )
    (one,) = client.get("/compare/elder/younger/").context["contests"]
    assert (one.protocol, one.left[0].value, one.right[0].value) == ("k-NN", "50.0", "60.0")


def test_the_form_leads_to_the_comparison(client: Client) -> None:
    response = client.get("/compare/?a=elder&b=younger")
    assert (response.status_code, response["Location"]) == (
        302, "/compare/elder/younger/",
    )


def test_one_choice_is_kept(client: Client) -> None:
    html = client.get("/compare/?a=elder").content.decode()
    assert html.count('value="elder" selected') == 1


def test_suggestions_say_why(client: Client) -> None:
    (pair,) = client.get("/compare/").context["suggestions"]
    assert (pair.a.slug, pair.b.slug) == ("elder", "younger")
    assert pair.reasons == ["Younger builds on and answers Elder", "both contrastive"]


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("/compare/elder/elder/", "does not differ from itself"),
        ("/compare/eldr/younger/", "no paper with code named eldr"),
        ("/compare/elder/mine/", "no paper with code named mine"),
        ("/compare/qqqqqq/zzzzzz/", "qqqqqq or zzzzzz"),
    ],
)
def test_what_cannot_be_compared_gets_a_page_to_choose_on(
    client: Client, path: str, words: str
) -> None:
    response = client.get(path)
    assert response.status_code == 404
    assert words in response.content.decode()
    assert response.context["suggestions"]


def test_the_pair_that_was_probably_meant_is_offered(client: Client) -> None:
    html = client.get("/compare/eldr/younger/").content.decode()
    assert 'Did you mean <a href="/compare/elder/younger/">' in html


def test_other_spellings_of_names_are_moved(client: Client) -> None:
    response = client.get("/compare/Elder/YOUNGER/")
    assert (response.status_code, response["Location"]) == (
        301, "/compare/elder/younger/",
    )
    response = client.get("/concepts/Stop/")
    assert (response.status_code, response["Location"]) == (301, "/concepts/stop/")


def test_an_unknown_concept_gets_the_nearest(client: Client) -> None:
    response = client.get("/concepts/stopp/")
    assert response.status_code == 404
    assert 'href="/concepts/stop/"' in response.content.decode()


def test_a_concept_counts_its_places_and_knows_its_neighbours(client: Client) -> None:
    context = client.get("/concepts/stop/").context
    assert context["count"] == sum(use.count for use in context["uses"]) == 8
    assert context["previous"].name == "far"
    assert context["next"] is None
    assert [one.name for one in context["related"]] == ["far"]


def test_the_map_has_each_paper_once_and_no_notes(client: Client) -> None:
    response = client.get("/map/")
    nodes = [node.paper.slug for node in response.context["drawing"].nodes]
    assert nodes == ["elder", "younger"]
    ties = {
        row["paper"].slug: [[p.slug for p in papers] for papers in row["ties"]]
        for row in response.context["rows"]
    }
    assert ties == {
        "elder": [[], ["younger"], [], ["younger"]],
        "younger": [["elder"], [], ["elder"], []],
    }


def test_papers_that_answer_each_other_do_not_break_the_map(
    client: Client, site: Path
) -> None:
    entry = site / "papers/elder.md"
    text = entry.read_text().replace("follows: []", "follows: [younger, elder, nobody]")
    entry.write_text(text)
    response = client.get("/map/")
    assert response.status_code == 200
    assert len(response.context["drawing"].lines) == 2
