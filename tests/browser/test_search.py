"""The search box by keyboard: suggestions, hits, focus, and what is said aloud."""

from __future__ import annotations

from urllib.parse import unquote

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

# The answer to what is typed has come once it stands in the address.
SHOWS = "text => new URLSearchParams(location.search).get('q') === text"
FOCUSED = """name => {
  const { className, id } = document.activeElement;
  return (className || id) === name;
}"""


def typed(page: Page, text: str) -> None:
    page.keyboard.press("/")
    page.keyboard.type(text)


def test_slash_focuses_the_box_and_takes_up_its_text(visit):
    page = visit()
    page.goto("/search/?q=byol")
    page.keyboard.press("/")
    expect(page.locator("#q")).to_be_focused()
    page.keyboard.type("mae/")  # replaces the text, and in the box it is a letter
    expect(page.locator("#q")).to_have_value("mae/")


@pytest.mark.parametrize("key", ["Control+/", "Alt+/", "Meta+/"])
def test_slash_with_another_key_is_left_alone(visit, key):
    page = visit()
    page.goto("/papers/")
    page.keyboard.press(key)
    expect(page.locator("#q")).not_to_be_focused()


def test_suggestions_come_by_kind_and_the_arrows_walk_round_them(visit, shoot):
    page = visit()
    page.goto("/papers/")
    typed(page, "moment")
    box, options = page.locator("#q"), page.get_by_role("option")
    expect(options.first).to_be_visible()
    expect(box).to_have_attribute("aria-expanded", "true")
    assert page.locator(".suggestion-kind").all_inner_texts()[:2] == ["Papers", "Concepts"]
    shoot(page, "suggestions_1440")
    for at in (0, 1):
        page.keyboard.press("ArrowDown")
        expect(options.nth(at)).to_have_attribute("aria-selected", "true")
        expect(box).to_have_attribute(
            "aria-activedescendant", options.nth(at).get_attribute("id")
        )
    page.keyboard.press("ArrowUp")
    page.keyboard.press("ArrowUp")  # the text itself again
    expect(page.locator("[aria-selected=true]")).to_have_count(0)
    page.keyboard.press("ArrowUp")  # and round to the last
    expect(options.last).to_have_attribute("aria-selected", "true")
    expect(box).to_be_focused()


def test_enter_opens_the_chosen_suggestion(visit):
    page = visit()
    page.goto("/papers/")
    typed(page, "random_mask")
    option = page.get_by_role("option").first
    expect(option).to_be_visible()
    target = option.get_attribute("href")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    page.wait_for_url(f"**{target}")


def test_enter_without_a_choice_searches(visit):
    page = visit()
    page.goto("/papers/")
    typed(page, "masked autoencoder")
    page.keyboard.press("Enter")
    page.wait_for_url("**/search/?q=masked+autoencoder")
    expect(page.locator(".hit-title").first).to_contain_text("Masked Autoencoders")


def test_escape_closes_the_list_then_the_text_then_the_box(visit):
    page = visit()
    page.goto("/papers/")
    typed(page, "dino")
    box, shown = page.locator("#q"), page.locator("#suggestions")
    expect(shown).to_be_visible()
    page.keyboard.press("Escape")
    expect(shown).to_be_hidden()
    expect(box).to_have_value("dino")
    expect(box).to_have_attribute("aria-expanded", "false")
    page.keyboard.press("Escape")
    expect(box).to_have_value("")
    page.keyboard.press("Escape")
    expect(box).not_to_be_focused()


def test_arrows_walk_the_hits_and_enter_opens_one_at_its_place(visit):
    page = visit()
    page.goto("/search/?q=random_masking")
    hits = page.locator(".hit-title")
    page.keyboard.press("/")
    page.keyboard.press("ArrowDown")
    expect(hits.nth(0)).to_be_focused()
    page.keyboard.press("ArrowDown")
    expect(hits.nth(1)).to_be_focused()
    page.keyboard.press("ArrowUp")
    page.keyboard.press("ArrowUp")
    expect(page.locator("#q")).to_be_focused()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    page.wait_for_url("**#def-random_masking")
    expect(page.locator("#def-random_masking")).to_be_in_viewport()


def test_escape_on_a_hit_leads_back_to_the_box(visit):
    page = visit()
    page.goto("/search/?q=momentum")
    page.locator(".hit-title").nth(3).focus()
    page.keyboard.press("Escape")
    expect(page.locator("#q")).to_be_focused()


@pytest.mark.parametrize(("more", "stays"), [("s", "hit-title"), (" kind:result", "q")])
def test_a_swap_never_loses_the_focus(visit, more, stays):
    """The focus goes to a hit while the answer to the last letters is on its way."""
    page = visit()
    page.goto("/search/?q=random_mask")
    held = []
    page.route("**/search/?q=*", lambda route: held.append(route))
    with page.expect_request("**/search/?q=*"):
        page.locator("#q").fill(f"random_mask{more}")
    page.locator(".hit-title").first.focus()
    held.pop().continue_()
    page.wait_for_function(SHOWS, arg=f"random_mask{more}")
    page.wait_for_function(FOCUSED, arg=stays)


def test_the_chosen_suggestion_stays_chosen_when_more_is_typed(visit):
    page = visit()
    page.goto("/papers/")
    typed(page, "bootstrap")
    expect(page.get_by_role("option").first).to_be_visible()
    page.keyboard.press("ArrowDown")
    chosen = page.locator("[aria-selected=true]").get_attribute("href")
    with page.expect_response("**/search/suggest/**"):
        page.keyboard.type(" your")
    expect(page.locator("[aria-selected=true]")).to_have_attribute("href", chosen)


def test_numbers_of_suggestions_and_hits_are_said_aloud(visit):
    page = visit()
    said = page.locator("#search-said")
    page.goto("/papers/")
    typed(page, "random_masking")
    expect(said).to_have_text("1 suggestion.")
    page.goto("/search/")
    typed(page, "def:patchify")
    expect(said).to_have_text("1 hit.")
    page.keyboard.type("qqqq")
    expect(said).to_have_text("0 hits.")


def test_filters_stay_while_the_query_changes(visit):
    page = visit()
    page.goto("/search/?q=momentum&kind=equation")
    page.keyboard.press("/")
    page.keyboard.type("temperature")
    page.wait_for_function(SHOWS, arg="temperature")
    assert "kind=equation" in page.url
    assert set(page.locator(".hit-kind").all_inner_texts()) == {"equation"}
    page.keyboard.press("Enter")
    page.wait_for_load_state()
    assert "kind=equation" in page.url
    page.get_by_role("link", name="Without filters").click()
    page.wait_for_url("**/search/?q=temperature")


def test_everything_is_a_link_or_a_form_without_scripts(visit):
    page = visit(scripts=False)
    page.goto("/papers/")
    page.locator("#q").fill("stop gradient")
    page.locator("#q").press("Enter")
    page.wait_for_url("**/search/?q=stop+gradient")
    page.get_by_role("link", name="code", exact=True).last.click()  # checked against
    page.get_by_role("link", name="symbol", exact=True).click()
    page.wait_for_url("**kind=symbol**")
    page.locator("#q").fill("random masking")
    page.locator("#q").press("Enter")
    page.wait_for_url("**kind=symbol**")
    page.locator(".hit-title").first.click()
    expect(page.locator("#def-random_masking")).to_be_in_viewport()


@pytest.mark.parametrize(("query", "place"), [
    ("76.5 simclr linear probe", "[id^=row-]:target"), ("mae eq:mu", "[id^=eq-]:target"),
    ("koleo kind:section", "#q-what-is-koleo-for"), ("mae figure", "#fig-1"),
])  # fmt: skip
def test_a_hit_opens_at_its_place_with_its_words_marked(visit, query, place):
    page = visit()
    page.goto(f"/search/?q={query}")
    page.locator(f'.hit-title[href*="{"#row" if "row" in place else "#"}"]').first.click()
    expect(page.locator(place)).to_be_in_viewport()
    page.wait_for_function(ANY_MARKED)


ANY_MARKED = "CSS.highlights.get('found')?.size > 0"
MARKED = """() => [...CSS.highlights.get('found')].map(range => range.toString())"""


def test_words_are_marked_in_all_their_endings_and_short_ones_only_whole(visit):
    page = visit()
    page.goto("/concepts/masking/?h=mask+is")
    page.wait_for_function(ANY_MARKED)
    marked = {text.lower() for text in page.evaluate(MARKED)}
    assert {"mask", "masking", "is"} <= marked
    assert all(text == "is" or text.startswith("mask") for text in marked)
    page.goto("/papers/mae/?h=" + unquote("%5B%28+75+%2A"))  # signs of a pattern
    page.wait_for_function(ANY_MARKED)
    assert {"75"} <= set(page.evaluate(MARKED))


@pytest.mark.parametrize(("width", "dark"), [(360, True), (1440, False)])
def test_the_pages_break_no_rule_of_accessibility(visit, shoot, dark, width):
    page = visit(width, dark=dark)
    name = f"{width}_{'dark' if dark else 'light'}"
    for what, address in (
        ("hits", "/search/?q=dino+imagenet+top-1"), ("narrowed", "/search/?q=loss&kind=equation"),
        ("nothing", "/search/?q=zzzzqqqq"), ("empty", "/search/"),
    ):  # fmt: skip
        page.goto(address)
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        found = Axe().run(page)
        assert found.violations_count == 0, found.generate_report()
        shoot(page, f"search_{what}_{name}")
    typed(page, "mas")
    expect(page.get_by_role("option").first).to_be_visible()
    found = Axe().run(page)
    assert found.violations_count == 0, found.generate_report()
    shoot(page, f"search_suggestions_{name}")
