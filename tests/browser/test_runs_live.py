"""A run's page and form by hand: sliders, streams that fail, pictures that come back."""

import re
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, Route, expect

PHOTO = Path(__file__).parent / "pictures" / "cat.jpg"
RUN_MS = 90_000
DINO = "/papers/dino/run/attention/"
MAE = "/papers/mae/run/reconstruction/"


def example(page: Page, address: str = DINO) -> None:
    """Run on the example picture, and wait for the result."""
    page.goto(address)
    page.get_by_role("button", name="Run on the example picture").click()
    page.wait_for_url("**/runs/*/")
    expect(page.locator("#made")).to_be_visible(timeout=RUN_MS)


def unhurried(page: Page) -> None:
    """Options of a training that a quick machine cannot end before it is cancelled."""
    page.get_by_label("Steps").fill("400")
    page.get_by_label("Batch").fill("64")


def mass(page: Page) -> str:
    return page.locator("dt:text-is('Attention kept') + dd").inner_text()


def slide(page: Page, value: str) -> None:
    page.get_by_label("Attention kept").fill(value)
    expect(page.locator("dt:text-is('Attention kept') + dd")).to_have_text(value, timeout=RUN_MS)


def test_a_slider_shows_the_next_result_in_place_and_back_leads_to_the_one_before(visit):
    page = visit(1440)
    example(page)
    first, lead = page.url, page.locator(".lead img")
    before = lead.get_attribute("src")
    page.evaluate("window.untouched = true")
    slide(page, "0.3")
    expect(page).not_to_have_url(first)
    expect(lead).not_to_have_attribute("src", before)
    expect(lead).not_to_have_js_property("naturalWidth", 0)
    second = page.url
    page.get_by_label("Attention kept").blur()
    slide(page, "0.9")
    page.go_back()
    page.wait_for_url(second)
    expect(page.get_by_label("Attention kept")).to_have_value("0.3")
    page.go_back()
    page.wait_for_url(first)
    expect(page.get_by_label("Attention kept")).to_have_value("0.6")
    expect(lead).to_have_attribute("src", before)
    assert page.evaluate("window.untouched"), "the page was loaded anew"
    page.goto(second)
    assert mass(page) == "0.3"


def test_a_slider_that_is_held_keeps_the_focus_and_makes_one_step_back(visit):
    page = visit(360, dark=True)
    example(page)
    first, slider = page.url, page.get_by_label("Attention kept")
    slider.focus()
    for value in ("0.65", "0.7"):
        slider.press("ArrowRight")
        expect(page.locator("dt:text-is('Attention kept') + dd")).to_have_text(value, timeout=RUN_MS)
    expect(slider).to_be_focused()
    page.go_back()
    page.wait_for_url(first)


def test_without_scripts_a_control_is_part_of_a_plain_form(visit):
    page = visit(360, scripts=False)
    example(page)
    first = page.url
    page.get_by_label("Show first").select_option("rollout")
    page.get_by_role("button", name="Show", exact=True).click()
    page.wait_for_url(lambda url: "/runs/" in url and url != first)
    expect(page.locator("#made")).to_be_visible(timeout=RUN_MS)
    assert page.locator("dt:text-is('Show first') + dd").inner_text() == "rollout"
    page.get_by_role("link", name="Delete").click()
    page.get_by_role("button", name="Delete now").click()
    page.wait_for_url(f"**{DINO}")


def is_stream(route: Route) -> bool:
    return "event-stream" in route.request.headers.get("accept", "")


def test_a_stream_that_a_proxy_holds_back_gives_way_to_polling(visit):
    page = visit(1440)
    # Neither answered nor refused: what a proxy that buffers looks like from here.
    page.route("**/events*", lambda route: None if is_stream(route) else route.continue_())
    example(page, MAE)


def test_a_stream_that_breaks_off_is_taken_up_again_or_replaced(visit):
    page = visit(1440)
    cut = "retry: 10\n\nevent: beat\ndata: {}\n\n"
    page.route(
        "**/events*",
        lambda route: route.fulfill(body=cut, content_type="text/event-stream")
        if is_stream(route) else route.continue_(),
    )
    example(page, "/papers/can/run/attention/")


def test_a_picture_can_be_dropped_and_is_shown_before_it_is_sent(visit):
    page = visit(1440)
    page.goto(MAE)
    # Beside the field: anywhere on the page is good enough.
    page.evaluate(
        """async (address) => {
          const blob = await (await fetch(address)).blob();
          const data = new DataTransfer();
          data.items.add(new File([blob], "cat.png", { type: "image/png" }));
          document.querySelector("h1").dispatchEvent(
            new DragEvent("drop", { dataTransfer: data, bubbles: true, cancelable: true }));
        }""",
        page.locator(".send img").get_attribute("src"),
    )
    expect(page.locator("img.preview")).to_be_visible()
    page.get_by_role("button", name="Run", exact=True).click()
    page.wait_for_url("**/runs/*/")


def test_a_picture_that_is_chosen_before_the_script_has_come_is_shown_then(visit):
    page, late = visit(1440), []
    page.route("**/send*.js", lambda route: late.append(route))
    with page.expect_request("**/send*.js"):
        page.goto(MAE, wait_until="commit")
    page.get_by_label("Picture", exact=True).set_input_files(PHOTO)
    expect(page.locator("img.preview")).to_be_hidden()
    late[0].continue_()
    expect(page.locator("img.preview")).to_be_visible()


@pytest.mark.parametrize("width", [360, 1440])
def test_the_button_is_in_sight_however_many_options_there_are(visit, width):
    page = visit(width)
    page.goto("/papers/vit/run/attention/")
    assert page.evaluate("document.documentElement.scrollHeight > 1.3 * innerHeight")
    expect(page.get_by_role("button", name="Run", exact=True)).to_be_in_viewport(ratio=1)
    last = page.get_by_label("Give up after")
    last.focus()
    box, bar = last.bounding_box(), page.locator(".send").bounding_box()
    assert box["y"] + box["height"] <= bar["y"]


def test_pressing_twice_sends_once(visit):
    page = visit(1440)
    page.goto("/papers/simsiam/run/verify/")
    posts = []
    page.on("request", lambda request: posts.append(request) if request.method == "POST" else None)
    page.get_by_role("button", name="Run", exact=True).dblclick()
    page.wait_for_url("**/runs/*/")
    assert len(posts) == 1


@pytest.mark.parametrize("scripts", [True, False])
def test_a_result_that_is_sent_offers_to_be_run_again(visit, tmp_path, scripts):
    page = visit(1440, scripts=scripts)
    example(page)
    file = tmp_path / "result.png"
    source = page.locator(".lead img").get_attribute("src")
    file.write_bytes(page.request.get(source).body())
    page.goto(MAE)
    page.get_by_label("Picture", exact=True).set_input_files(file)
    page.get_by_role("button", name="Run", exact=True).click()
    expect(page.get_by_text("is a result of Attention maps with DINO")).to_be_visible()
    page.locator("form[data-send]").get_by_role("button", name="Run", exact=True).click()
    page.wait_for_url("**/runs/*/")
    expect(page.locator("#made")).to_be_visible(timeout=RUN_MS)
    expect(page.get_by_role("heading", level=1)).to_have_text("Attention maps with DINO")


def test_the_page_as_one_file_opens_from_the_disk(visit, tmp_path):
    page = visit(360)
    example(page)
    with page.expect_download() as download:
        page.get_by_role("link", name="Save as one file").click()
    file = tmp_path / "result.html"
    download.value.save_as(file)
    page = page.context.new_page()  # the site's policy does not reach it
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(file.as_uri())
    for picture in page.locator("img").all():
        expect(picture).to_have_js_property("complete", True)
        expect(picture).not_to_have_js_property("naturalWidth", 0)
    assert not [url for url in asked if not url.startswith(("data:", file.as_uri()))]
    assert page.evaluate("document.documentElement.scrollWidth") <= 360


@pytest.mark.parametrize("width", [360, 1440])
@pytest.mark.parametrize("dark", [False, True])
def test_no_page_of_a_run_breaks_a_rule_of_accessibility_or_overflows(visit, shoot, width, dark):
    page = visit(width, dark=dark)

    def looked_at(name: str) -> None:
        shoot(page, f"run_{name}_{width}{'_dark' * dark}", full=True)
        assert page.evaluate("document.documentElement.scrollWidth") <= width, name
        found = Axe().run(page)
        assert found.violations_count == 0, f"{name}: {found.generate_report()}"

    page.goto(DINO)
    looked_at("form")
    page.get_by_label("Layer").fill("40")
    page.get_by_role("button", name="Run on the example picture").click()
    expect(page.locator(".state-failed")).to_be_visible(timeout=RUN_MS)
    looked_at("failed")
    example(page)
    looked_at("done")
    page.get_by_role("link", name=re.compile("Delete")).click()
    looked_at("delete")
    page.goto("/papers/byol/run/pretraining/")
    unhurried(page)
    page.get_by_role("button", name="Run on the example picture").click()
    page.wait_for_url("**/runs/*/")
    expect(page.locator("[data-curves] svg").first).to_be_visible(timeout=RUN_MS)
    looked_at("running")
    page.get_by_role("button", name="Cancel").click()
    expect(page.locator(".state-cancelled")).to_be_visible(timeout=RUN_MS)
    looked_at("cancelled")
