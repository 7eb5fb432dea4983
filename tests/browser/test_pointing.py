"""A patch chosen by pointing at a picture: in the form, in a result, and without scripts."""

from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from tests.browser.test_runs_live import RUN_MS, example

PHOTO = Path(__file__).parent / "pictures" / "cat.jpg"
QUERY = "/papers/{}/run/query/"


def point(page: Page, selector: str, x: float, y: float) -> None:
    """Click at these shares of a picture's width and height."""
    image = page.locator(selector)
    expect(image).not_to_have_js_property("naturalWidth", 0)
    image.scroll_into_view_if_needed()
    box = image.bounding_box()
    image.click(position={"x": x * box["width"], "y": y * box["height"]})


def made_with(page: Page) -> list[str]:
    return [page.locator(f"dt:text-is('{name}') + dd").inner_text() for name in ("Across", "Down")]


def test_pointing_at_the_preview_fills_the_fields_and_shows_the_place(visit):
    page = visit(360, dark=True)
    page.goto(QUERY.format("dino"))
    page.get_by_label("Picture", exact=True).set_input_files(PHOTO)
    point(page, ".preview", 0.75, 0.25)
    assert float(page.get_by_label("Across").input_value()) == pytest.approx(0.75, abs=0.01)
    assert float(page.get_by_label("Down").input_value()) == pytest.approx(0.25, abs=0.01)
    mark, image = (page.locator(s).bounding_box() for s in (".point", ".preview"))
    assert mark["x"] + mark["width"] / 2 == pytest.approx(image["x"] + 0.75 * image["width"], abs=3)
    assert mark["y"] + mark["height"] / 2 == pytest.approx(image["y"] + 0.25 * image["height"], abs=3)
    assert not Axe().run(page).response["violations"]
    page.get_by_label("Down").fill("0.9")
    page.get_by_label("Down").blur()
    expect(page.locator(".point")).to_have_count(0)


def test_pointing_at_a_result_shows_that_patch_in_place(visit):
    page = visit(1440)
    example(page, QUERY.format("dino"))
    first, before = page.url, page.locator(".lead img").get_attribute("src")
    point(page, ".lead img", 0.2, 0.8)
    expect(page.locator(".lead img")).not_to_have_attribute("src", before, timeout=RUN_MS)
    expect(page).not_to_have_url(first)
    across, down = (float(value) for value in made_with(page))
    assert (across, down) == (pytest.approx(0.2, abs=0.01), pytest.approx(0.8, abs=0.01))
    assert float(page.get_by_label("Across").input_value()) == across
    assert not Axe().run(page).response["violations"]
    page.go_back()
    page.wait_for_url(first)
    expect(page.get_by_label("Down")).to_have_value("0.5")


def test_the_stamp_below_an_untrained_picture_is_no_place(visit):
    page = visit(1440)
    example(page, QUERY.format("registers"))
    image = page.locator(".lead img")
    before = image.get_attribute("src")
    point(page, ".lead img", 0.5, 0.99)
    expect(image).not_to_have_attribute("src", before, timeout=RUN_MS)
    expect(page.locator("dt:text-is('Down') + dd")).to_have_text("1.0")


def test_without_scripts_two_sliders_do_the_same_and_a_picture_is_a_link(visit):
    page = visit(360, scripts=False)
    example(page, QUERY.format("dino"))
    page.get_by_label("Across").fill("0.1")
    page.get_by_role("button", name="Show", exact=True).click()
    expect(page.locator("dt:text-is('Across') + dd")).to_have_text("0.1", timeout=RUN_MS)
    assert page.locator(".lead a").get_attribute("href").endswith("query.png")
