"""POST /api/runs/ and what can be done with its answer."""

from __future__ import annotations

import json
import uuid

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from kb.api.shapes import RunAnswer, Submitted
from kb.runs import queue
from kb.runs.models import Run
from kb.runs.perform import perform
from tests.runs.conftest import quick_demo, small_library  # noqa: F401

pytestmark = pytest.mark.django_db


@pytest.fixture
def client() -> Client:
    return Client(raise_request_exception=True)


@pytest.fixture
def other() -> Client:
    """A client at another address."""
    return Client(REMOTE_ADDR="10.0.0.9")


@pytest.fixture
def send(client, upload):
    """Submit a run; keyword arguments replace fields, None leaves one out."""

    def call(by: Client = client, headers: dict | None = None, **changed: object):
        fields = {"demo": "reconstruction", "paper": "mae", "image": upload()}
        kept = {n: v for n, v in {**fields, **changed}.items() if v is not None}
        return by.post("/api/runs/", kept, headers=headers)

    return call


def finish() -> None:
    run = queue.claim_next()
    assert run is not None
    perform(run, quick_demo)


def test_a_new_run_is_201_with_id_address_and_position(send):
    answer = send(options='{"ratio": 0.5}')
    assert answer.status_code == 201
    data = answer.json()
    assert set(data) == set(Submitted().fields)
    assert data["url"] == f"/runs/{data['id']}/"
    assert (data["state"], data["position"], data["eta"]) == ("queued", 1, None)
    assert answer["Location"] == f"/api/runs/{data['id']}/"


def test_the_same_again_is_200_with_the_same_id_waiting_or_done(send, other):
    first = send()
    again = send()
    assert (again.status_code, again.json()["id"]) == (200, first.json()["id"])
    finish()
    cached = send(by=other)
    assert (cached.status_code, cached.json()["id"]) == (200, first.json()["id"])
    assert cached.json()["state"] == "done"


def test_the_same_key_is_the_same_run_whatever_else_is_sent(send):
    key = {"Idempotency-Key": "k1"}
    first = send(headers=key)
    again = send(headers=key, options='{"seed": 5}')
    assert (again.status_code, again.json()["id"]) == (200, first.json()["id"])
    assert Run.objects.count() == 1


def test_a_done_run_shows_result_weights_and_addresses_of_files(client, send):
    run_id = send().json()["id"]
    finish()
    data = client.get(f"/api/runs/{run_id}/").json()
    assert set(data) == set(RunAnswer().fields)
    artifact, cases = data["result"]["artifacts"]
    assert (artifact["kind"], cases["kind"]) == ("image", "table")
    assert client.get(artifact["url"]).status_code == 200
    assert data["result"]["weights"]["trained"] is False
    assert data["progress"] == {"step": 2, "total": 3, "message": "step 2"}


@pytest.mark.parametrize(
    ("changed", "code", "field"),
    [
        ({"demo": None}, "missing", "demo"),
        ({"demo": "nothing"}, "unknown_demo", "demo"),
        ({"paper": "nothing"}, "unknown_paper", "paper"),
        ({"paper": "lars"}, "not_offered", "demo"),
        ({"image": None}, "missing", "image"),
        ({"image": "text"}, "missing", "image"),
        ({"options": "{"}, "bad_options", "options"),
        ({"options": "[1]"}, "bad_options", "options"),
        ({"options": "[" * 100_000}, "bad_options", "options"),
        ({"options": '{"ratio": 7}'}, "bad_option", "ratio"),
        ({"options": '{"ratio": NaN}'}, "bad_option", "ratio"),
        ({"options": '{"ratio": [1]}'}, "bad_option", "ratio"),
        ({"options": '{"nothing": 1}'}, "bad_option", "nothing"),
        ({"options": '{"seed": 1e400}'}, "bad_option", "seed"),
    ],
)
def test_bad_input_is_400_with_code_and_field(send, changed, code, field):
    answer = send(**changed)
    error = answer.json()["error"]
    assert answer.status_code == 400
    assert (error["code"], error["field"]) == (code, field)
    assert len(error["message"]) > 20


def test_a_picture_too_many_is_refused(send, upload):
    answer = send(image2=upload((1, 2, 3)))
    assert answer.json()["error"]["field"] == "image2"


def test_a_demo_without_pictures_needs_none_and_takes_none(send):
    answer = send(demo="verify", image=None)
    assert answer.status_code == 201
    error = send(demo="verify").json()["error"]
    assert error["field"] == "image"
    assert "takes no picture" in error["message"]


def test_text_instead_of_a_picture_is_415(send):
    page = SimpleUploadedFile("cat.jpg", b"<html>", "image/jpeg")
    assert send(image=page).status_code == 415


def test_json_instead_of_a_form_is_415(client):
    answer = client.post("/api/runs/", "{}", content_type="application/json")
    assert answer.status_code == 415
    assert answer.json()["error"]["code"] == "unsupported_media_type"


def test_a_broken_form_is_400(client):
    kind = "multipart/form-data; boundary=x"
    answer = client.post("/api/runs/", b"--y\r\n", content_type=kind)
    assert answer.status_code == 400
    kind = "multipart/form-data"
    answer = client.post("/api/runs/", b"", content_type=kind)
    assert answer.status_code == 400
    assert set(answer.json()["error"]) == {"code", "message", "field"}


def test_too_many_fields_are_400(client):
    answer = client.post("/api/runs/", {f"f{n}": "1" for n in range(200)})
    assert answer.status_code == 400


def test_too_many_runs_are_429_with_retry_after(send):
    for seed in range(3):
        assert send(options=json.dumps({"seed": seed})).status_code == 201
    answer = send(options='{"seed": 3}')
    assert answer.status_code == 429
    assert int(answer["Retry-After"]) > 0
    assert answer.json()["error"]["code"] == "visitor_limit"


@pytest.mark.parametrize("key", ["x" * 201, "a\tb"])
def test_a_key_that_cannot_be_stored_is_400(send, key):
    assert send(headers={"Idempotency-Key": key}).status_code == 400


def test_cancelling_is_idempotent_and_for_the_owner_alone(client, other, send):
    url = f"/api/runs/{send().json()['id']}/"
    assert other.post(url + "cancel/").status_code == 403
    for _ in range(2):
        answer = client.post(url + "cancel/")
        assert (answer.status_code, answer.json()["state"]) == (200, "cancelled")


def test_deleting_is_for_the_owner_and_then_it_is_gone(client, other, send):
    url = f"/api/runs/{send().json()['id']}/"
    assert other.delete(url).status_code == 403
    assert client.delete(url).status_code == 204
    assert client.get(url).status_code == 404
    assert client.delete(url).status_code == 404


def test_a_run_stays_its_senders_when_a_cookie_comes_later(client, send):
    url = f"/api/runs/{send().json()['id']}/"
    client.get("/papers/mae/run/reconstruction/")
    assert "visitor" in client.cookies
    assert client.post(url + "cancel/").json()["state"] == "cancelled"
    assert client.delete(url).status_code == 204


def test_a_failed_run_says_why(client, send):
    run_id = send().json()["id"]

    def broken(*args):
        raise ValueError("Choose a larger picture.")

    perform(queue.claim_next(), broken)
    data = client.get(f"/api/runs/{run_id}/").json()
    assert data["state"] == "failed"
    assert data["error"]["message"] == "Choose a larger picture."


@pytest.mark.parametrize("path", ["/api/runs/", f"/api/runs/{uuid.UUID(int=7)}/cancel/"])
def test_a_wrong_method_is_405_in_the_same_shape(client, path):
    answer = client.get(path)
    assert answer.status_code == 405
    assert answer.json()["error"]["code"] == "method_not_allowed"


@pytest.mark.parametrize("path", ["/api/runs/17/", "/api/nothing", "/api/runs/x/y/z/", "/api/papers/%0Ax%0A/", "/api/x%0A"])
def test_an_unknown_address_is_404_in_the_same_shape(client, path):
    answer = client.get(path)
    assert answer.status_code == 404
    assert answer.json()["error"]["code"] == "not_found"
