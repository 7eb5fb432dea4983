"""The page, its exports and its part of the API, as a client gets them."""

from __future__ import annotations

import csv
import io
import json
import re
from html import unescape

import pytest

from kb.api.results import ReportedNumber, ResultsAnswer
from kb.results import views
from kb.results.table import COLUMNS
from tests.results.conftest import ROWS

PLACES = ["/results/", "/results.csv", "/results.json", "/api/results/"]


def test_every_row_leads_to_its_entry_and_to_its_source_and_says_how_far_it_is_checked(site) -> None:
    html = site.get("/results/").content.decode()
    body = re.search(r"<tbody.*</tbody>", html, re.DOTALL)[0]
    assert body.count("<tr") == 5
    assert body.count('href="/papers/toy/#results"') == 4
    assert 'href="https://github.com/ada/toy/tree/abcdef1"' in body
    assert body.count("read in the source") == 3
    assert body.count("second-hand: notes, a post, a reprint") == 1
    assert body.count("from memory, unverified") == 1


def test_ready_made_views_have_short_addresses_and_other_names_are_refused(site) -> None:
    offers = site.get("/results/").context["questions"]
    assert [offer.query for offer in offers] == ["view=imagenet-linear-probe"]
    page = site.get(f"/results/?{offers[0].query}")
    assert len(page.context["rows"]) == offers[0].count
    refused = site.get("/results/?view=weather")
    assert refused.status_code == 400
    assert "choose imagenet-linear-probe, " in refused.content.decode()


def test_a_heading_sorts_by_its_column_and_the_other_way_round(site) -> None:
    first = site.get("/results/?paper=toy")
    by = {heading.column: heading for heading in first.context["headings"]}
    assert not any(heading.direction for heading in by.values())
    down = site.get(f"/results/?{by['value'].query}")
    assert [row.number for row in down.context["rows"]] == [74.3, 68.0, 40.0, 9.5]
    assert down.content.decode().count('aria-sort="descending"') == 1
    by = {heading.column: heading for heading in down.context["headings"]}
    up = site.get(f"/results/?{by['value'].query}")
    assert [row.number for row in up.context["rows"]] == [9.5, 40.0, 68.0, 74.3]
    assert 'aria-sort="ascending"' in up.content.decode()


def test_no_link_of_the_page_leads_nowhere_and_each_keeps_the_rest_of_the_question(site) -> None:
    html = site.get("/results/?paper=toy&dataset=ImageNet-1k&sort=-value").content.decode()
    links = {unescape(link) for link in re.findall(r'href="(\?[^"]*)"', html)}
    assert len(links) > 15
    for link in links:
        assert site.get(f"/results/{link}").status_code == 200
    # all but those that take away or toggle the paper itself
    assert sum("paper=toy" in link for link in links) >= len(links) - 3


def test_rows_that_compare_are_drawn_with_shapes_and_a_name(site) -> None:
    html = site.get("/results/?dataset=ImageNet-1k").content.decode()
    figure = re.search(r"<figure.*</figure>", html, re.DOTALL)[0]
    assert 'role="img" aria-label="Dot plot of 4 values of top-1 on ImageNet-1k, from 9.5 to 81.80' in figure
    drawing = figure.partition('class="legend"')[0]
    assert drawing.count('class="mark yes"') == 3
    assert drawing.count('class="mark notes"') == 1
    assert drawing.count('class="spread"') == 1
    assert "These rows mix 3 protocols" in figure
    assert "style=" not in html


def test_one_paper_has_its_own_heading_and_a_way_back(site) -> None:
    html = site.get("/results/?paper=toy").content.decode()
    assert "<h1>Results of Toy</h1>" in html
    assert 'The numbers of the entry <a href="/papers/toy/#results">' in html


def test_nothing_found_says_what_to_do(site) -> None:
    html = site.get("/results/?paper=other&dataset=COCO").content.decode()
    assert "There are no such numbers of Other in the table." in html
    assert "<table" not in html


def test_long_tables_come_in_pages_and_a_wrong_page_is_the_nearest(site, told) -> None:
    row = ROWS.splitlines()[0]
    told("\n".join(row.replace("Toy", f"Toy {i}") for i in range(views.PAGE_SIZE + 5)))
    first = site.get("/results/?metric=top-1")
    assert len(first.context["shown"]) == views.PAGE_SIZE
    assert 'rel="next" href="?metric=top-1&amp;page=2"' in first.content.decode()
    for page in ("2", "99"):
        assert len(site.get("/results/", {"page": page}).context["shown"]) == 5
    for page in ("0", "x", "-1", "²", "9" * 5000):
        assert site.get("/results/", {"page": page}).status_code == 200


@pytest.mark.parametrize("place", PLACES)
def test_an_unknown_paper_is_404_and_a_wrong_order_400_everywhere(site, place) -> None:
    missing = site.get(place, {"paper": "toi"})
    wrong = site.get(place, {"sort": "colour"})
    assert (missing.status_code, wrong.status_code) == (404, 400)
    assert "sort by paper, method" in wrong.content.decode()


def test_a_mistyped_paper_gets_the_one_that_was_meant(site) -> None:
    html = site.get("/results/?paper=toi").content.decode()
    assert '<a href="/results/?paper=toy">Toy</a>' in html


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("query", ["method=%00", "dataset=%F0%9F%99%82&dataset=<script>", "method=" + "a" * 3000])
def test_no_question_breaks_a_view(site, place, query) -> None:
    answer = site.get(f"{place}?{query}")
    assert answer.status_code == 200
    assert "<script>&" not in answer.content.decode()


@pytest.mark.parametrize("place", PLACES)
def test_the_table_is_only_read(site, place) -> None:
    assert site.post(place).status_code == 405


def test_csv_has_exactly_the_rows_that_were_asked_for(site) -> None:
    answer = site.get("/results.csv?paper=toy&sort=-value")
    assert answer["Content-Type"] == "text/csv; charset=utf-8"
    assert answer["Content-Disposition"] == 'attachment; filename="results.csv"'
    found = list(csv.DictReader(io.StringIO(answer.content.decode(), newline="")))
    assert tuple(found[0]) == COLUMNS
    assert [row["value"] for row in found] == ["74.3", "68.0 ± 0.3", "40.0", "9.5"]


def test_no_cell_of_the_csv_is_a_formula(site, told) -> None:
    told('toy,=1+1,@x,+y,-z,"\tt",AP,-4.5,"=HYPERLINK(""x"")",yes\n')
    (row,) = csv.DictReader(io.StringIO(site.get("/results.csv").content.decode(), newline=""))
    assert row["method"] == "'=1+1"
    assert row["value"] == "-4.5"
    cells = [cell for name, cell in row.items() if name != "value"]
    assert not [cell for cell in cells if cell.startswith(("=", "+", "-", "@", "\t"))]


def test_json_repeats_the_question_and_names_its_fields(site) -> None:
    answer = site.get("/results.json?paper=toy&metric=top-1&method=toy&sort=value")
    assert answer["Content-Type"] == "application/json"
    assert answer["Content-Disposition"] == 'attachment; filename="results.json"'
    found = json.loads(answer.content)
    assert found["query"] == {"metric": ["top-1"], "paper": ["toy"], "method": "toy", "sort": "value"}
    assert found["fields"] == list(COLUMNS)
    assert (found["count"], [row["number"] for row in found["results"]]) == (2, [9.5, 74.3])


def test_the_api_answers_the_same_in_its_documented_shape(site) -> None:
    query = "dataset=ImageNet-1k&sort=value"
    answer = site.get(f"/api/results/?{query}").json()
    assert answer == json.loads(site.get(f"/results.json?{query}").content)
    assert set(answer) == set(ResultsAnswer().fields)
    row = answer["results"][1]
    assert set(row) == set(ReportedNumber().fields)
    assert (row["value"], row["spread"], row["source_url"]) == ("68.0 ± 0.3", 0.3, None)
    assert row["url"] == "/papers/toy/#results"


def test_a_refusal_of_the_api_has_the_common_shape(site) -> None:
    error = site.get("/api/results/?paper=toi").json()["error"]
    assert (error["code"], error["field"]) == ("not_found", "paper")
