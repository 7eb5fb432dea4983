"""The numbers of all papers: narrowing, sorting, comparing, on a desk and on a phone."""

import re

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

PLACES = {
    "all": "/results/",
    "drawn": "/results/?dataset=ImageNet-1k&metric=top-1&protocol=k-NN&protocol=linear+probe&paper=dino&paper=byol",
    "paper": "/results/?paper=byol",
    "nothing": "/results/?paper=byol&dataset=MNIST",
    "budget": "/results/same-budget/",
}


def numbers(page) -> list[float]:
    texts = page.locator("td.value").all_text_contents()
    return [float(text.split(" ")[0]) for text in texts]


@pytest.mark.parametrize("scripts", [True, False])
def test_a_reader_narrows_sorts_and_takes_a_filter_away(visit, scripts):
    page = visit(1440, scripts=scripts)
    page.goto("/results/?paper=dino&paper=byol")
    page.get_by_text("Protocol", exact=True).first.click()
    page.locator(".narrow").get_by_role("link", name=re.compile("^k-NN")).click()
    expect(page.locator("td.protocol").first).to_have_text("k-NN")
    page.get_by_role("columnheader", name="Value").get_by_role("link").click()
    expect(page.get_by_role("columnheader", name="Value")).to_have_attribute("aria-sort", "descending")
    found = numbers(page)
    assert found == sorted(found, reverse=True)
    page.locator(".chips").get_by_role("link", name="k-NN").click()
    expect(page.locator(".chips").get_by_role("link", name="k-NN")).to_have_count(0)
    assert "sort=-value" in page.url


def test_a_method_is_found_by_its_name_within_what_is_chosen(visit):
    page = visit(1440)
    page.goto("/results/?paper=byol&metric=top-5")
    page.get_by_label("Method", exact=True).fill("pirl")
    page.get_by_role("button", name="Find").click()
    expect(page.locator("td.method").first).to_have_text("PIRL")
    assert set(page.locator("td.metric").all_text_contents()) == {"top-5"}


@pytest.mark.parametrize("width", [360, 1440])
def test_every_mark_lies_within_the_drawing_and_its_number_beside_it(visit, shoot, width):
    page = visit(width)
    page.goto(PLACES["drawn"])
    tracks = page.locator("svg.track:not(.scale)")
    assert tracks.count() > 15
    for track in tracks.all():
        frame = track.bounding_box()
        for part in (track.locator(".mark"), track.locator("text")):
            box = part.bounding_box()
            assert box["x"] >= frame["x"] - 1
            assert box["x"] + box["width"] <= frame["x"] + frame["width"] + 1
    shoot(page, f"results_drawn_{width}", full=True)


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("width", [360, 1440])
@pytest.mark.parametrize("dark", [False, True])
def test_no_results_page_breaks_a_rule_of_accessibility_or_overflows(visit, place, width, dark):
    page = visit(width, dark=dark)
    page.goto(PLACES[place])
    for details in page.locator(".narrow summary").all()[:2]:
        details.click()
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    found = Axe().run(page)
    assert found.violations_count == 0, found.generate_report()
