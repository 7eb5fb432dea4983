"""A stranger's first visit: search, read, send a picture, watch the result arrive."""

from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.browser.test_runs_live import unhurried

PHOTO = Path(__file__).parent / "pictures" / "cat.jpg"
RUN_MS = 90_000
COLD_MS = 30_000  # the first request of a fresh server reads papers and index


@pytest.mark.parametrize("width", [360, 1440])
def test_from_a_search_to_a_reconstruction(visit, shoot, width):
    page = visit(width)
    page.goto("/")
    shoot(page, f"home_{width}")

    box = page.get_by_role("combobox").first
    box.fill("masked autoencoder")
    expect(page.get_by_role("option").first).to_contain_text("Masked Autoencoders", timeout=COLD_MS)
    shoot(page, f"typing_{width}")
    box.press("Enter")
    first = page.locator(".hits .hit").first
    expect(first).to_contain_text("Masked Autoencoders", timeout=COLD_MS)
    shoot(page, f"results_{width}")
    first.get_by_role("link").first.click()

    expect(page.get_by_role("heading", level=1)).to_contain_text("Masked Autoencoders")
    expect(page.locator("#L1")).to_be_attached()
    shoot(page, f"mae_{width}")

    page.get_by_role("link", name="reconstruction").first.click()
    page.get_by_label("Picture", exact=True).set_input_files(PHOTO)
    expect(page.locator("img.preview")).to_be_visible()
    shoot(page, f"form_{width}", full=True)
    page.get_by_role("button", name="Run", exact=True).click()
    page.wait_for_url("**/runs/*/")
    expect(page.get_by_role("heading", name="How it was made")).to_be_visible(timeout=RUN_MS)
    page.reload()
    expect(page.locator("[data-pictures] img")).not_to_have_count(0)
    for picture in page.locator("[data-pictures] img").all():
        picture.scroll_into_view_if_needed()
        assert picture.get_attribute("alt")
        expect(picture).to_have_js_property("complete", True, timeout=COLD_MS)
        assert picture.evaluate("image => image.naturalWidth") > 0
    shoot(page, f"reconstruction_{width}", full=True)


@pytest.mark.parametrize("width", [360, 1440])
def test_an_attention_map_arrives(visit, shoot, width):
    page = visit(width, dark=True)
    page.goto("/papers/dino/run/attention/")
    page.get_by_label("Picture", exact=True).set_input_files(PHOTO)
    page.get_by_role("button", name="Run", exact=True).click()
    page.wait_for_url("**/runs/*/")
    expect(page.get_by_role("heading", name="How it was made")).to_be_visible(timeout=RUN_MS)
    shoot(page, f"attention_{width}_dark", full=True)


def test_pretraining_draws_its_curve_and_stops_when_told(visit, shoot):
    page = visit(1440)
    page.goto("/papers/byol/run/pretraining/")
    unhurried(page)
    page.get_by_label("Picture", exact=True).set_input_files(PHOTO)
    page.get_by_role("button", name="Run", exact=True).click()
    page.wait_for_url("**/runs/*/")
    expect(page.locator("[data-curves] svg").first).to_be_visible(timeout=RUN_MS)
    shoot(page, "pretraining_running")
    page.get_by_role("button", name="Cancel").click()
    expect(page.locator(".state-cancelled")).to_be_visible(timeout=RUN_MS)


def test_a_result_is_a_page_that_anybody_can_open(visit):
    page = visit(1440)
    page.goto("/papers/mae/run/reconstruction/")
    page.get_by_label("Picture", exact=True).set_input_files(PHOTO)
    page.get_by_role("button", name="Run", exact=True).click()
    page.wait_for_url("**/runs/*/")
    expect(page.get_by_role("heading", name="How it was made")).to_be_visible(timeout=RUN_MS)
    other = visit(360)
    other.goto(page.url)
    expect(other.get_by_role("heading", name="How it was made")).to_be_visible()
    expect(other.get_by_role("link", name="Delete")).to_have_count(0)


def test_without_scripts_the_page_refreshes_itself_until_the_result(visit):
    page = visit(360, scripts=False)
    page.goto("/papers/vit/run/attention/")
    page.get_by_role("button", name="Run on the example picture").click()
    page.wait_for_url("**/runs/*/")
    expect(page.get_by_role("heading", name="How it was made")).to_be_visible(timeout=RUN_MS)


def test_a_stream_that_is_cut_gives_way_to_polling(visit):
    page = visit(1440)
    # A proxy that closes every stream: the browser asks again, and is cut off again.
    page.route("**/events*", lambda route: route.fulfill(status=204) if "event-stream" in route.request.headers.get("accept", "") else route.continue_())
    page.goto("/papers/can/run/attention/")
    page.get_by_role("button", name="Run on the example picture").click()
    page.wait_for_url("**/runs/*/")
    expect(page.get_by_role("heading", name="How it was made")).to_be_visible(timeout=RUN_MS)
