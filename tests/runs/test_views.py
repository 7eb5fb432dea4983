"""Pages: the form, the result, files, ownership; all of it without JavaScript."""

from __future__ import annotations

import json
import re
import uuid
from dataclasses import replace

import pytest
from django.test import Client
from django.urls import reverse

from demos.intake.images import read
from demos.results import Result
from kb.runs import pages, queue
from kb.runs.models import Run, State
from kb.runs.perform import perform
from tests.runs.conftest import quick_demo

pytestmark = pytest.mark.django_db
FORM = "/papers/mae/run/reconstruction/"


def sent(client: Client, upload, **fields: object) -> Run:
    answer = client.post(FORM, {"image": upload(), "ratio": "0.5", **fields})
    assert answer.status_code == 302, answer.content.decode()
    return Run.objects.get(pk=answer["Location"].split("/")[2])


def finish() -> None:
    run = queue.claim_next()
    assert run is not None
    perform(run, quick_demo)


def test_the_form_offers_every_option_and_gives_a_cookie():
    answer = Client().get(FORM)
    page = answer.content.decode()
    assert 'name="ratio"' in page
    assert 'name="seed"' in page
    cookie = answer.cookies["visitor"]
    assert (cookie["httponly"], cookie["samesite"]) == (True, "Lax")


def test_a_forged_cookie_owns_nothing(ann, upload):
    run = sent(ann, upload)
    thief = Client()
    thief.cookies["visitor"] = ann.cookies["visitor"].value.split(":")[0] + ":x:forged"
    answer = thief.post(reverse("runs:cancel", args=[run.pk]))
    assert answer.status_code == 403


def test_a_good_form_leads_to_the_page_of_the_run(ann, upload):
    run = sent(ann, upload)
    assert run.options == {"ratio": 0.5, "seed": 0}
    page = ann.get(run.get_absolute_url()).content.decode()
    assert "Waiting for a worker." in page
    assert re.search(r'<noscript><meta http-equiv="refresh"', page)


@pytest.mark.parametrize(
    ("fields", "words"),
    [({"ratio": "2"}, "0.1 to 0.95"), ({"seed": "one"}, "a number from 0")],
)
def test_a_wrong_option_comes_back_with_the_remedy(ann, upload, fields, words):
    answer = ann.post(FORM, {"image": upload(), **fields})
    page = answer.content.decode()
    assert answer.status_code == 400
    assert words in page
    assert not Run.objects.exists()


def test_a_form_without_a_picture_says_so(ann):
    answer = ann.post(FORM, {"ratio": "0.5"})
    assert answer.status_code == 400
    assert "Choose a picture" in answer.content.decode()


def test_a_full_queue_comes_back_as_429_with_a_sentence(ann, upload, settings):
    settings.RUN_QUEUE_LIMIT = 0
    answer = ann.post(FORM, {"image": upload()})
    assert answer.status_code == 429
    assert "queue is full" in answer.content.decode()


def test_posting_needs_the_csrf_token(upload):
    client = Client(enforce_csrf_checks=True)
    client.get(FORM)
    assert client.post(FORM, {"image": upload()}).status_code == 403


@pytest.mark.parametrize("path", ["/papers/lars/run/attention/", "/papers/x/run/y/"])
def test_a_demo_that_is_not_offered_is_not_found(path):
    assert Client().get(path).status_code == 404


def test_the_result_page_shows_pictures_weights_and_downloads(ann, upload):
    run = sent(ann, upload)
    finish()
    page = ann.get(run.get_absolute_url()).content.decode()
    for words in ("A picture.", "Untrained weights.", "Hidden share", "0.33", "abc"):
        assert words in page
    assert "http-equiv" not in page
    file = ann.get(reverse("runs:file", args=[run.pk, "picture.png"]))
    assert file["Content-Type"] == "image/png"
    assert file["X-Content-Type-Options"] == "nosniff"
    assert file["Content-Disposition"].startswith("inline")


@pytest.mark.parametrize(
    "name", ["..%2f..%2fdb.sqlite3", "secret_key", "picture.png%00", "out", "picture.PNG"]
)
def test_only_listed_files_are_served(ann, upload, name):
    run = sent(ann, upload)
    finish()
    (run.folder / "secret_key").write_text("secret")
    url = reverse("runs:detail", args=[run.pk]) + f"files/{name}"
    assert ann.get(url).status_code == 404


def test_run_again_is_prefilled_and_reuses_the_picture(ann, upload):
    first = sent(ann, upload)
    page = ann.get(f"{FORM}?from={first.pk}").content.decode()
    assert re.search(r'name="ratio" value="0.5"', page)
    answer = ann.post(FORM, {"from": str(first.pk), "ratio": "0.9"})
    second = Run.objects.exclude(pk=first.pk).get()
    assert answer["Location"] == second.get_absolute_url()
    assert second.options["ratio"] == 0.9
    assert (second.folder / second.images[0]).is_file()


def test_who_has_no_picture_at_hand_takes_the_example(ann):
    answer = ann.post(FORM, {"example": "1", "ratio": "0.5"})
    run = Run.objects.get()
    assert answer["Location"] == run.get_absolute_url()
    assert read(run.folder / run.images[0]).size == (451, 300)


def test_run_again_from_a_run_without_pictures_asks_for_one(ann, upload):
    first = sent(ann, upload)
    Run.objects.filter(pk=first.pk).update(images=[])
    answer = ann.post(FORM, {"from": str(first.pk), "ratio": "0.9"})
    assert answer.status_code == 400


def test_cancel_and_delete_are_for_the_owner_alone(ann, upload):
    run = sent(ann, upload)
    stranger = Client()
    stranger.get(FORM)
    for name in ("cancel", "delete", "pin"):
        url = reverse(f"runs:{name}", args=[run.pk])
        assert stranger.post(url).status_code == 403
    for name in ("cancel", "pin"):
        assert ann.get(reverse(f"runs:{name}", args=[run.pk])).status_code == 405
    ann.post(reverse("runs:cancel", args=[run.pk]))
    assert Run.objects.get().state == State.CANCELLED
    ann.post(reverse("runs:delete", args=[run.pk]))
    assert not Run.objects.exists()


def test_pinning_keeps_and_lets_go(ann, upload):
    run = sent(ann, upload)
    finish()
    for keep, expected in (("1", True), ("0", False)):
        ann.post(reverse("runs:pin", args=[run.pk]), {"keep": keep})
        assert Run.objects.get().pinned is expected


def test_the_queue_page_names_only_own_runs(ann, upload):
    run = sent(ann, upload)
    assert run.get_absolute_url() in ann.get("/queue/").content.decode()
    assert str(run.pk) not in Client().get("/queue/").content.decode()


def test_the_live_part_is_the_same_as_on_the_page(ann, upload):
    run = sent(ann, upload)
    finish()

    def without_tokens(page: str) -> str:
        return re.sub(r'value="\w{64}"', "", page)

    part = ann.get(reverse("runs:status", args=[run.pk])).content.decode()
    page = ann.get(run.get_absolute_url()).content.decode()
    assert without_tokens(part) in without_tokens(page)


@pytest.mark.parametrize("name", ["detail", "status", "events"])
def test_an_unknown_run_is_not_found(name):
    url = reverse(f"runs:{name}", args=[uuid.uuid4()])
    assert Client().get(url).status_code == 404


def test_events_can_be_polled_as_json(ann, upload):
    run = sent(ann, upload)
    finish()
    url = reverse("runs:events", args=[run.pk])
    headers = {"Accept": "application/json"}
    everything = ann.get(url, headers=headers).json()
    assert everything["over"] is True
    later = ann.get(url, {"after": "1"}, headers=headers).json()
    assert later["events"] == everything["events"][1:]


@pytest.mark.parametrize("after", ["x", "-1", "9" * 40, "²"])
def test_a_senseless_event_id_starts_from_the_beginning(ann, upload, after):
    run = sent(ann, upload)
    url = reverse("runs:events", args=[run.pk])
    answer = ann.get(url, {"after": after}, headers={"Accept": "application/json"})
    assert [event["seq"] for event in answer.json()["events"]] == [1]


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(None, ""), ((0.2, 0.3), "1 s"), ((7.6, 8.4), "8 s"), ((2.4, 9.9), "2 to 10 s")],
)
def test_the_usual_time_is_said_in_whole_seconds(monkeypatch, seconds, words):
    monkeypatch.setattr(queue, "seconds_of", lambda demo: seconds)
    assert pages.usual_time("attention") == words


# The demo that takes no picture

CHECK = "/papers/mae/run/verify/"


def test_the_check_asks_for_nothing_and_shows_what_it_will_compare():
    page = Client().get(CHECK).content.decode()
    assert 'type="file"' not in page
    assert "example picture" not in page
    assert "a_case" in page
    assert "owner/name" in page


def test_the_check_starts_with_one_press_and_ends_in_a_table(ann):
    answer = ann.post(CHECK)
    run = Run.objects.get(pk=answer["Location"].split("/")[2])
    assert (run.demo, run.images, run.options) == ("verify", [], {})
    finish()
    page = ann.get(run.get_absolute_url()).content.decode()
    assert "equal &amp; proved" in page
    assert "<p>Each case.</p>" in page


def test_a_check_is_done_anew_each_time_but_joined_while_it_runs(ann):
    first, second = (ann.post(CHECK)["Location"] for _ in range(2))
    assert first == second
    finish()
    assert ann.post(CHECK)["Location"] != first


def test_a_check_can_be_run_again_from_its_page(ann):
    first = ann.post(CHECK)["Location"]
    finish()
    again = ann.post(CHECK, {"from": first.split("/")[2]})
    assert again.status_code == 302
    assert again["Location"] != first


def test_a_table_whose_file_is_gone_leaves_the_page_whole(ann):
    address = ann.post(CHECK)["Location"]
    finish()
    (Run.objects.get().out / "cases.json").unlink()
    assert ann.get(address).status_code == 200


def checked(demo, paper, images, options, out, report) -> Result:
    """Two cases of three agree."""
    made = quick_demo(demo, paper, images, options, out, report)
    rows = [["a_case", "equal"], ["<far>", "DIFFERS: 2 of 3 numbers"], ["last", "equal"]]
    (out / "cases.json").write_text(json.dumps({"columns": ["case", "outcome"], "rows": rows}))
    return replace(made, numbers={"cases": 3, "equal": 2})


def test_the_first_thing_said_of_a_check_is_its_verdict(ann):
    address = ann.post(CHECK)["Location"]
    perform(queue.claim_next(), checked)
    page = ann.get(address).content.decode()
    said = "2 of 3 cases agree with the stored answers. Not &lt;far&gt;."
    state = page.partition('role="status" data-final>')[2].partition("</p>")[0]
    assert said in state
    assert "Done." not in state
    assert said in ann.get(f"{address}page.html").content.decode()
    Run.objects.update(state="expired")
    assert said not in ann.get(address).content.decode()


def test_a_single_picture_is_asked_for_once_and_several_are_a_group(ann):
    one, two = (
        ann.get(f"/papers/mae/run/{demo}/").content.decode() for demo in ("attention", "correspondences")
    )
    assert re.findall(r"<legend>(.*)</legend>", one) == ["Options"]
    assert re.findall(r"<legend>(.*)</legend>", two)[0] == "Pictures"
