"""The page of a paper: text and code, each lighting the other."""

import re
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Locator, Page, expect

ROOT = Path(__file__).parents[2]
PAPERS = sorted(path.stem for path in (ROOT / "papers").glob("*.md"))


LIT = """lines => {
  const lit = [...document.querySelectorAll('.line.lit')].map(line => Number(line.id.slice(1)));
  return JSON.stringify(lit) === JSON.stringify(lines);
}"""
IN_VIEW = """number => {
  const pane = document.querySelector('.listing').getBoundingClientRect();
  const line = document.getElementById('L' + number).getBoundingClientRect();
  return line.top >= pane.top - 1 && line.bottom <= pane.bottom + 1;
}"""


def lines_of(element: Locator) -> list[int]:
    """Numbers of the lines that an equation or a link speaks of."""
    first, last = map(int, element.get_attribute("data-lines").split("-"))
    return list(range(first, last + 1))


def lights(page: Page, lines: list[int]) -> None:
    """Wait until these lines are lit and no other, and the first can be seen."""
    page.wait_for_function(LIT, arg=lines)
    if lines:
        page.wait_for_function(IN_VIEW, arg=lines[0])


def test_an_equation_lights_the_lines_that_compute_it(visit):
    page = visit(1440)
    page.goto("/papers/mae/")
    equation = page.locator("figure.equation").last
    equation.hover()
    lights(page, lines_of(equation))
    page.mouse.move(0, 0)
    lights(page, [])


def test_scrolling_a_little_does_not_lead_the_code_away_from_what_is_pointed_at(visit):
    page = visit(1440)
    page.goto("/papers/mae/")
    equation = page.locator("figure.equation").last
    equation.hover()
    lights(page, lines_of(equation))
    # To where another link stands at the reading height and the pointer still rests here.
    page.evaluate("window.scrollBy(0, -8)")
    page.evaluate("new Promise(done => setTimeout(() => requestAnimationFrame(done), 50))")
    lights(page, lines_of(equation))


def test_an_equation_lights_its_lines_for_the_keyboard_too(visit):
    page = visit(1440)
    page.goto("/papers/mae/")
    equation = page.locator("figure.equation").first
    equation.focus()
    lights(page, lines_of(equation))


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
    expect(page.locator("#eq-1")).to_be_in_viewport()
    lights(page, lines_of(page.locator("#eq-1")))


def test_a_line_lights_the_text_that_speaks_of_it(visit):
    page = visit(1440)
    page.goto("/papers/mae/")
    line = page.locator(f"#L{lines_of(page.locator('#eq-1'))[0]}")
    line.scroll_into_view_if_needed()
    line.hover()
    expect(page.locator("#eq-1")).to_have_class("equation lit")


def test_reading_on_brings_the_code_along(visit):
    page = visit(1440)
    page.goto("/papers/mae/")
    before = page.evaluate("document.querySelector('.listing').scrollTop")
    page.locator("#equations").scroll_into_view_if_needed()
    page.mouse.move(2, 500)  # in the margin: what is pointed at would lead instead
    page.mouse.wheel(0, 500)
    page.wait_for_function(
        "before => document.querySelector('.listing').scrollTop > before", arg=before
    )
    expect(page.locator(".line.near")).not_to_have_count(0)


def test_code_and_reference_are_copied_as_they_are(visit):
    page = visit(1440)
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.goto("/papers/mae/")
    for name, wanted in (
        ("Copy", (ROOT / "reference_impls" / "mae.py").read_text()),
        ("Copy BibTeX", page.locator("pre.bibtex").text_content()),
    ):  # fmt: skip
        button = page.locator("button", has_text=re.compile(f"^{name}$"))
        button.click()
        expect(page.locator("#copied")).to_have_text("Copied")
        assert page.evaluate("navigator.clipboard.readText()") == wanted
        expect(page.get_by_role("button", name=name, exact=True)).to_be_visible()


def test_on_a_phone_a_tap_raises_the_code_and_escape_lowers_it(visit, shoot):
    page = visit(360)
    page.goto("/papers/mae/")
    pane = page.locator(".case")
    assert pane.bounding_box()["height"] < 80
    link = page.locator("a.to-code").first
    link.click()
    page.wait_for_function("document.querySelector('.case').offsetHeight > 300")
    lights(page, lines_of(link))
    shoot(page, "peek_360")
    page.keyboard.press("Escape")
    page.wait_for_function("document.querySelector('.case').offsetHeight < 80")


@pytest.mark.parametrize("place", ["first", "last"])
def test_on_a_phone_an_equation_stays_in_sight_beside_its_code(visit, place):
    page = visit(360)
    page.goto("/papers/mae/")
    equation = getattr(page.locator("figure.equation[data-lines]"), place)
    link = equation.get_by_role("link")
    link.evaluate("link => link.scrollIntoView({ block: 'end' })")
    link.click()
    page.wait_for_function("""figure => {
      const pane = document.querySelector('.case').getBoundingClientRect();
      const header = document.querySelector('header.site').getBoundingClientRect();
      const { top, bottom } = figure.getBoundingClientRect();
      return pane.height > 300 && top >= header.bottom && bottom <= pane.top;
    }""", arg=equation.element_handle())


def test_on_a_phone_the_whole_navigation_is_in_sight(visit):
    page = visit(360)
    page.goto("/")
    links = page.get_by_role("navigation", name="Site").get_by_role("link")
    rights = links.evaluate_all("links => links.map(link => link.getBoundingClientRect().right)")
    assert len(rights) == 7
    assert max(rights) <= 360


def test_without_scripts_a_link_jumps_to_its_line(visit):
    page = visit(1440, scripts=False)
    page.goto("/papers/mae/")
    link = page.locator("a.to-code").first
    target = link.get_attribute("href")
    link.click()
    page.wait_for_url(f"**{target}")
    expect(page.locator(target)).to_be_in_viewport()


def test_a_search_hit_opens_at_its_place_with_its_words_marked(visit):
    page = visit(1440)
    page.goto("/search/?q=random_masking")
    page.locator(".hits .hit").first.get_by_role("link").first.click()
    page.wait_for_url("**#def-random_masking")
    expect(page.locator("#def-random_masking")).to_be_in_viewport()
    page.wait_for_function("CSS.highlights.get('found')?.size > 0")


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
