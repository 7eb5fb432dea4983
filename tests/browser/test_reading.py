"""The page of a paper: text and code, each lighting the other."""

from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

PAPERS = sorted(path.stem for path in (Path(__file__).parents[2] / "papers").glob("*.md"))


def lit(page) -> list[int]:
    """Numbers of the lines that are lit."""
    return page.eval_on_selector_all(
        ".line.lit", "lines => lines.map(line => Number(line.id.slice(1)))"
    )


IN_VIEW = """number => {
  const pane = document.querySelector('.listing').getBoundingClientRect();
  const line = document.getElementById('L' + number).getBoundingClientRect();
  return line.top >= pane.top - 1 && line.bottom <= pane.bottom + 1;
}"""


def in_view(page, line: int) -> bool:
    return page.evaluate(IN_VIEW, line)


def test_an_equation_lights_the_lines_that_compute_it(visit):
    page = visit(1440)
    page.goto("/papers/mae/")
    equation = page.locator("figure.equation").last
    first, last = map(int, equation.get_attribute("data-lines").split("-"))
    equation.hover()
    assert lit(page) == list(range(first, last + 1))
    assert in_view(page, first)
    page.mouse.move(0, 0)
    assert lit(page) == []


def test_scrolling_a_little_does_not_lead_the_code_away_from_what_is_pointed_at(visit):
    page = visit(1440)
    page.goto("/papers/mae/")
    equation = page.locator("figure.equation").last
    equation.hover()
    # To where another link stands at the reading height and the pointer still rests here.
    page.evaluate("window.scrollBy(0, -8)")
    page.evaluate("new Promise(done => setTimeout(() => requestAnimationFrame(done), 50))")
    assert in_view(page, lit(page)[0])


def test_an_equation_lights_its_lines_for_the_keyboard_too(visit):
    page = visit(1440)
    page.goto("/papers/mae/")
    equation = page.locator("figure.equation").first
    equation.focus()
    first, last = map(int, equation.get_attribute("data-lines").split("-"))
    assert lit(page) == list(range(first, last + 1))


@pytest.mark.parametrize("slug", PAPERS)
def test_every_equation_is_laid_out_as_mathematics(visit, slug):
    """A stylesheet that makes a formula an ordinary block stacks its letters on each other."""
    page = visit(1440)
    page.goto(f"/papers/{slug}/")
    shown = page.eval_on_selector_all(
        "figure.equation math", "all => all.map(m => [getComputedStyle(m).display, m.getBoundingClientRect().height])"
    )
    assert shown
    assert {display for display, _ in shown} == {"block math"}
    assert max(height for _, height in shown) < 260


def test_an_address_opens_an_equation_and_its_code(visit):
    page = visit(1440)
    page.goto("/papers/dino/#eq-1")
    first, _ = map(int, page.locator("#eq-1").get_attribute("data-lines").split("-"))
    expect(page.locator("#eq-1")).to_be_in_viewport()
    expect(page.locator(f"#L{first}.lit")).to_be_in_viewport()
    page.wait_for_function(IN_VIEW, arg=first)


def test_a_line_lights_the_text_that_speaks_of_it(visit):
    page = visit(1440)
    page.goto("/papers/mae/")
    line = page.locator("#L" + page.locator("#eq-1").get_attribute("data-lines").split("-")[0])
    line.scroll_into_view_if_needed()
    line.hover()
    expect(page.locator("#eq-1")).to_have_class("equation lit")


def test_reading_on_brings_the_code_along(visit):
    page = visit(1440)
    page.goto("/papers/mae/")
    before = page.evaluate("document.querySelector('.listing').scrollTop")
    page.locator("#equations").scroll_into_view_if_needed()
    page.mouse.move(300, 500)
    page.mouse.wheel(0, 500)
    page.wait_for_function(
        "before => document.querySelector('.listing').scrollTop > before", arg=before
    )
    assert page.locator(".line.near").count() > 0


def test_on_a_phone_a_tap_raises_the_code_and_escape_lowers_it(visit, shoot):
    page = visit(360)
    page.goto("/papers/mae/")
    pane = page.locator(".case")
    assert pane.bounding_box()["height"] < 80
    page.locator("a.to-code").first.click()
    page.wait_for_function("document.querySelector('.case').offsetHeight > 300")
    page.wait_for_function(IN_VIEW, arg=lit(page)[0])
    shoot(page, "peek_360")
    page.keyboard.press("Escape")
    page.wait_for_function("document.querySelector('.case').offsetHeight < 80")


def test_without_scripts_a_link_jumps_to_its_line(visit):
    page = visit(1440, scripts=False)
    page.goto("/papers/mae/")
    link = page.locator("a.to-code").first
    target = link.get_attribute("href")
    link.click()
    assert page.url.endswith(target)
    expect(page.locator(target)).to_be_in_viewport()


def test_a_search_hit_opens_at_its_place_with_its_words_marked(visit):
    page = visit(1440)
    page.goto("/search/?q=random_masking")
    page.locator(".hits .hit").first.get_by_role("link").first.click()
    assert "#def-random_masking" in page.url
    expect(page.locator("#def-random_masking")).to_be_in_viewport()
    assert page.evaluate("CSS.highlights.get('found').size") > 0


@pytest.mark.parametrize("slug", PAPERS)
def test_a_paper_is_small_and_fits_every_width(visit, slug):
    page = visit(360)
    answer = page.goto(f"/papers/{slug}/")
    assert len(answer.body()) < 150_000
    assert page.evaluate("document.documentElement.scrollWidth") <= 360


@pytest.mark.parametrize("address", ["/", "/papers/", "/papers/dinov2/", "/search/?q=attention", "/queue/", "/api/"])
@pytest.mark.parametrize("dark", [False, True])
def test_no_page_breaks_a_rule_of_accessibility_or_overflows(visit, shoot, address, dark):
    page = visit(360, dark=dark)
    page.goto(address)
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    found = Axe().run(page)
    assert found.violations_count == 0, found.generate_report()


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("width", [360, 1440])
def test_a_paper_breaks_no_rule_of_accessibility(visit, shoot, dark, width):
    page = visit(width, dark=dark)
    page.goto("/papers/mae/")
    found = Axe().run(page)
    assert found.violations_count == 0, found.generate_report()
    shoot(page, f"paper_{width}_{'dark' if dark else 'light'}")
