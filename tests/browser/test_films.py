"""A video as a visitor sends it: seen, and pointed at, before it goes."""

from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.browser.test_pointing import point
from tests.browser.test_runs_live import RUN_MS
from tests.recorded import greys, video

CLIP = "/papers/colorization/run/pointer/"


@pytest.fixture
def film(tmp_path: Path) -> Path:
    """One that every build of Chromium plays."""
    path = tmp_path / "film.webm"
    path.write_bytes(video(greys(40), "webm", "libvpx"))
    return path


def test_a_video_is_seen_and_pointed_at_before_it_is_sent_and_its_result_says_what_was_taken(visit, film):
    page = visit(360)
    page.goto(CLIP)
    page.get_by_label("Clip or picture").set_input_files(film)
    expect(page.locator("img.preview")).to_be_visible()
    point(page, ".preview", 0.25, 0.75)
    assert float(page.get_by_label("Mark: across").input_value()) == pytest.approx(0.25, abs=0.01)
    page.get_by_label("Training steps").fill("10")
    page.get_by_role("button", name="Run", exact=True).click()
    page.wait_for_url("**/runs/*/")
    expect(page.get_by_text("Done.", exact=True)).to_be_visible(timeout=RUN_MS)
    expect(page.get_by_text("evenly picked from 1.3 s of video").first).to_be_visible()
