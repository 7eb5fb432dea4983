"""Comparisons, concepts and the map in a real browser."""

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

PAGES = [
    "/compare/", "/compare/dino/dinov2/", "/compare/mae/can/?view=file&code=1",
    "/concepts/", "/concepts/collapse/", "/concepts/masking/", "/map/",
]


@pytest.mark.parametrize("width", [360, 1440])
@pytest.mark.parametrize("path", PAGES)
def test_nothing_is_wider_than_the_page(visit, shoot, path, width):
    page = visit(width)
    page.goto(path)
    assert page.evaluate("document.documentElement.scrollWidth") == width
    shoot(page, f"connections{path.partition('?')[0].replace('/', '_')}{width}")


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("path", PAGES)
def test_pages_are_accessible(visit, path, dark):
    page = visit(1440, dark=dark)
    page.goto(path)
    assert Axe().run(page).response["violations"] == []


@pytest.mark.parametrize("path", ["/compare/dino/dinov2/", "/concepts/collapse/", "/map/"])
def test_pages_are_accessible_on_a_phone(visit, path):
    page = visit(360)
    page.goto(path)
    assert Axe().run(page).response["violations"] == []


def test_two_papers_are_chosen_without_a_script(visit):
    page = visit(360, scripts=False)
    page.goto("/compare/")
    page.get_by_label("First paper").select_option("mae")
    page.get_by_label("Second paper").select_option("can")
    page.get_by_role("button", name="Compare").click()
    expect(page).to_have_url("/compare/mae/can/")
    expect(page.get_by_role("heading", level=1)).to_have_text("MAE and CAN")


LEVEL = """() => [...document.querySelectorAll('details[open] > .diff > .hunk')].every(hunk => {
  const rows = name => [...hunk.querySelectorAll(`.side.${name} > .ln`)];
  const tops = name => rows(name).map(row => row.getBoundingClientRect().top);
  return JSON.stringify(tops('a')) === JSON.stringify(tops('b'));
})"""


def test_answering_lines_of_code_stand_level(visit):
    page = visit(1440)
    page.goto("/compare/byol/dino/")
    assert page.locator("#code .ln").count() > 50
    assert page.evaluate(LEVEL)


def test_on_a_phone_each_side_is_labelled(visit):
    page = visit(360)
    page.goto("/compare/byol/dino/")
    hunk = page.locator("details[open] .hunk.differs").first
    expect(hunk.locator(".side.a .of")).to_be_visible()
    assert hunk.locator(".side.a .of").inner_text().startswith("BYOL, line")
    assert hunk.locator(".side.b .of").inner_text().startswith("DINO")


def test_a_line_number_leads_to_the_line_on_the_papers_page(visit):
    page = visit(1440)
    page.goto("/compare/byol/dino/")
    number = page.locator("#code .side.b .no").first
    line = number.inner_text()
    number.click()
    expect(page).to_have_url(f"/papers/dino/#L{line}")
    expect(page.locator(f"#L{line}")).to_be_visible()


def test_comments_and_docstrings_can_be_hidden(visit):
    page = visit(1440, scripts=False)
    page.goto("/compare/byol/dino/")
    assert page.locator("#code .c1").count() > 0
    page.get_by_role("link", name="Without comments and docstrings").click()
    expect(page.locator("#code .c1, #code .sd")).to_have_count(0)


BYOL = ".node:has(a[href='/papers/byol/'])"
DRAWN = """number => [...document.querySelectorAll('.map .own > path')].filter(
  path => getComputedStyle(path).visibility == 'visible').length === number"""


def draws(page: Page, lines: int) -> None:
    """Wait until so many lines of single papers can be seen."""
    page.wait_for_function(DRAWN, arg=lines)


def test_pointing_at_a_paper_brings_out_its_lines(visit):
    page = visit(1440, scripts=False)
    page.goto("/map/")
    draws(page, 0)
    node = page.locator(BYOL)
    node.locator("a").hover()
    assert node.locator(".own > path").count() > 1
    draws(page, node.locator(".own > path").count())


def test_the_keyboard_brings_out_lines_too_and_follows_the_link(visit):
    page = visit(1440)
    page.goto("/map/")
    page.locator(".map a[href='/papers/byol/']").focus()
    draws(page, page.locator(BYOL).locator(".own > path").count())
    page.keyboard.press("Enter")
    expect(page).to_have_url("/papers/byol/")


TEXTS = """() => [...document.querySelectorAll('.map .node')].map(node => {
  const box = node.querySelector('a > rect').getBoundingClientRect();
  return [...node.querySelectorAll('a > text')].every(text => {
    const words = text.getBoundingClientRect();
    return words.left >= box.left && words.right <= box.right && words.bottom <= box.bottom;
  });
})"""


def test_every_name_on_the_map_fits_its_box(visit):
    page = visit(1440)
    page.goto("/map/")
    fits = page.evaluate(TEXTS)
    assert fits
    assert all(fits)


def test_the_header_keeps_all_its_links_within_reach_on_a_phone(visit):
    page = visit(360)
    page.goto("/map/")
    last = page.locator("header.site nav a").last
    last.focus()
    expect(last).to_be_in_viewport(ratio=0.9)
