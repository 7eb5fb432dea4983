"""A finished run's page: controls, the file to send on, how to cite it, its end."""

from __future__ import annotations

import json
import re
import shlex
from base64 import b64decode
from dataclasses import replace
from datetime import timedelta
from html.parser import HTMLParser

import pytest
from django.test import Client
from django.urls import reverse

from demos import __main__ as shell
from demos import specs
from demos.results import Artifact, Result
from kb.runs import controls, examples, queue, reproduce
from kb.runs.models import Run
from kb.runs.perform import perform
from tests.runs.conftest import png, quick_demo

pytestmark = pytest.mark.django_db
ATTENTION = "/papers/mae/run/attention/"
WICKED = '"><script>alert(1)</script>'


def attention(demo, paper, images, options, out, report) -> Result:
    """A result with what a real one counts, and words that mean harm."""
    made = quick_demo(demo, paper, images, options, out, report)
    (out / "map.png").write_bytes(png())
    picture = Artifact("map", "image", "map.png", WICKED, WICKED)
    weights = {"name": WICKED, "source": WICKED, "trained": False, "note": WICKED}
    return replace(
        made, artifacts=[picture], numbers={"layers": 6, "layer": 5}, weights=weights
    )


@pytest.fixture
def done(ann, upload) -> Run:
    """A finished run of ann's, options other than the defaults."""
    ann.post(ATTENTION, {"image": upload(), "mass": "0.25", "size": "128"})
    perform(queue.claim_next(), attention)
    return Run.objects.get()


def test_a_picture_has_one_address_on_the_way_and_at_the_end_until_it_is_written_again(done, ann):
    def shown() -> str:
        page = ann.get(done.get_absolute_url()).content.decode()
        return re.search(r'<figure class="lead"><a[^>]*><img src="([^"]+)"', page)[1]

    at_the_end = shown()
    on_the_way = {"state": "running", "result": None, "partials": done.result["artifacts"]}
    Run.objects.update(**on_the_way)
    assert shown() == at_the_end
    (done.out / "map.png").write_bytes(png() + b"again")
    assert shown() != at_the_end
    assert ann.get(at_the_end).status_code == 200


# Controls


def test_a_result_can_be_moved_in_what_comes_late_and_keeps_the_rest(done):
    named = {one.option.name: one for one in controls.controls(done)}
    late = {option.name for option in specs.DEMOS["attention"].options if option.late}
    assert set(named) == late
    assert dict(controls.fixed(done)) == {"size": "128"}
    assert named["mass"].value == 0.25
    assert (named["mass"].kind, named["view"].kind) == ("range", "choice")


def test_a_layer_is_counted_from_the_front_and_ends_where_the_model_does(done):
    layer = next(one for one in controls.controls(done) if one.option.name == "layer")
    assert (layer.low, layer.high, layer.value, layer.kind) == (0, 5, 5, "range")


def test_a_number_with_too_many_stops_is_typed(done):
    seed = specs.Option("seed", "int", 0, "", low=0, high=1000, step=1, late=True)
    assert controls.control(seed, done).kind == "number"


def test_moving_a_control_without_scripts_leads_to_the_next_result(ann, done):
    page = ann.get(done.get_absolute_url()).content.decode()
    form = page.split("data-live")[1].split("</form>")[0]
    fields = dict(re.findall(r'<input[^>]* name="([^"]+)" value="([^"]+)"', form))
    answer = ann.post(ATTENTION, {"from": str(done.pk), "size": "128", "mass": "0.5", "view": "heads"})
    run = Run.objects.exclude(pk=done.pk).get()
    assert answer["Location"] == run.get_absolute_url()
    assert run.options | {"mass": 0.25, "view": "mean"} == done.options
    assert fields["from"] == str(done.pk)
    assert fields["size"] == "128"
    # The same bytes on the disk, not a copy of them.
    before, after = (one.folder / one.images[0] for one in (done, run))
    assert after.samefile(before)


def test_a_script_that_asks_gets_the_next_result_alone_or_one_sentence(ann, done):
    ask = {"headers": {"HX-Request": "true"}}
    same = {"from": str(done.pk), **done.options}
    answer = ann.post(ATTENTION, same, **ask)
    assert answer["Location"] == reverse("runs:status", args=[done.pk]) + "?wait=1"
    refused = ann.post(ATTENTION, same | {"mass": "9"}, **ask)
    assert (refused.status_code, refused["Content-Type"]) == (400, "text/plain")
    assert refused.content.decode() == "mass must be a number from 0.05 to 1, not '9'"


@pytest.mark.parametrize("state", ["failed", "cancelled", "expired", "running"])
def test_only_a_finished_result_has_controls(done, state):
    done.state = state
    assert controls.controls(done) == []


# The file to send on


class Tags(HTMLParser):
    """What a page would load or run."""

    def __init__(self, text: str):
        super().__init__()
        self.tags: list[str] = []
        self.sources: list[str] = []
        self.handlers: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.handlers += [name for name, _ in attrs if name.startswith("on")]
        self.sources += [v or "" for name, v in attrs if name in ("src", "srcset")]


def test_the_page_as_one_file_needs_nothing_and_runs_nothing(ann, done):
    answer = ann.get(reverse("runs:offline", args=[done.pk]))
    text = answer.content.decode()
    assert answer["Content-Disposition"].startswith('attachment; filename="mae_attention_')
    page = Tags(text)
    assert not {"script", "link", "iframe", "object", "form"} & set(page.tags)
    assert not page.handlers
    assert len(page.sources) == 2
    for source in page.sources:
        head, data = source.split(",")
        assert head == "data:image/png;base64"
        assert b64decode(data).startswith(b"\x89PNG")
    assert WICKED not in text
    assert "&lt;script&gt;" in text
    assert "default-src &#x27;none&#x27;" in text or "default-src 'none'" in text


def test_a_run_without_a_result_has_no_file(ann, upload):
    ann.post(ATTENTION, {"image": upload()})
    run = Run.objects.get()
    assert ann.get(reverse("runs:offline", args=[run.pk])).status_code == 404


def test_the_file_is_made_although_a_picture_is_gone(ann, done):
    (done.out / "map.png").unlink()
    text = ann.get(reverse("runs:offline", args=[done.pk])).content.decode()
    assert len(Tags(text).sources) == 1


# Making it again, citing it


def in_words(command: str) -> list[str]:
    """A command as a shell reads it; shlex would keep the ends of continued lines."""
    return shlex.split(command.replace("\\\n", " "))


def test_the_shell_command_is_one_that_the_shell_takes(done):
    words = in_words(reproduce.shell(done))
    assert words[:3] == ["python", "-m", "demos"]
    args = shell.parser().parse_args(words[3:])
    assert args.paper == "mae"
    given = {name: getattr(args, name) for name in done.options}
    assert specs.check_options(specs.DEMOS["attention"], given) == done.options


def test_the_python_lines_call_the_runner_with_this_run(done, monkeypatch, tmp_path):
    asked: list = []
    lines = reproduce.python(done).replace("from demos import runner\n", "")
    monkeypatch.chdir(tmp_path)

    class Runner:
        @staticmethod
        def run(*args):
            asked.extend(args)
            return Result([], {"layers": 6}, {}, 0.0, "cpu", 0, "c0de")

    exec(lines, {"runner": Runner})
    assert asked[:2] == ["attention", "mae"]
    assert asked[3] == done.options
    assert asked[4].is_dir()


def test_the_call_of_this_site_carries_the_options_as_json(done):
    words = in_words(reproduce.http(done, "https://here/api/runs/"))
    assert words[-1] == "https://here/api/runs/"
    options = next(w for w in words if w.startswith("options="))
    assert json.loads(options.removeprefix("options=")) == done.options


def test_a_citation_names_all_that_the_result_depends_on(done):
    said = reproduce.citation(done, None, "https://here/runs/1/")
    for part in ("Attention maps", "mae", WICKED, "abc", "https://here/runs/1/"):
        assert part in said


# Its end


def test_the_page_says_in_words_when_it_expires(ann, done):
    page = ann.get(done.get_absolute_url()).content.decode()
    day = (done.finished + timedelta(days=7)).strftime("%-d %B %Y")
    assert re.search(rf"removed on {day}, in\s6\sdays", page.replace("\xa0", " "))
    ann.post(reverse("runs:pin", args=[done.pk]), {"keep": "1"})
    page = ann.get(done.get_absolute_url()).content.decode()
    assert "it does not expire" in page


def test_an_expired_run_says_so_and_offers_nothing_that_is_gone(ann, done):
    Run.objects.update(state="expired", result=None, images=[], partials=[], options={})
    page = ann.get(done.get_absolute_url()).content.decode()
    assert "the pictures were removed" in page
    for gone in ("Save as one file", "Run again", "Copy link", "data-live"):
        assert gone not in page


def test_deleting_asks_first_and_a_stranger_is_not_even_asked(ann, done):
    url = reverse("runs:delete", args=[done.pk])
    assert "Delete this run?" in ann.get(url).content.decode()
    assert Run.objects.exists()
    stranger = Client().get(url)
    assert stranger.status_code == 403
    assert "Only who started a run" in stranger.content.decode()
    assert ann.post(url).status_code == 302
    assert not Run.objects.exists()


# While no worker is there


@pytest.fixture
def shelf(tmp_path, monkeypatch, settings):
    """A folder of examples with one of MAE's."""
    settings.STATICFILES_DIRS = [tmp_path / "static"]
    folder = tmp_path / "static" / "examples"
    (folder / "attention").mkdir(parents=True)
    picture = {"file": "mae_map.webp", "alt": "a map", "caption": "The map."}
    stored = {
        "demo": "attention", "paper": "mae", "options": {}, "numbers": {},
        "weights": {"name": "small", "trained": True}, "seconds": 0.4,
        "pictures": [picture],
    }
    (folder / "attention" / "mae.json").write_text(json.dumps(stored))
    monkeypatch.setattr(examples, "FOLDER", folder)
    return folder


def test_without_a_worker_the_form_says_so_and_shows_what_was_made_earlier(ann, shelf):
    page = ann.get(ATTENTION).content.decode()
    assert "No worker is running just now" in page
    assert "examples/attention/mae_map.webp" in page
    assert "has no example of its own" not in page


def test_the_example_of_another_paper_is_called_that(shelf):
    found = examples.example_of("attention", "dino")
    assert found is not None
    assert (found.paper, found.own) == ("mae", False)
    assert examples.example_of("verify", "mae") is None


def test_a_run_that_waits_for_a_worker_shows_the_example_meanwhile(ann, upload, shelf, monkeypatch):
    ann.post(ATTENTION, {"image": upload()})
    run = Run.objects.get()
    page = ann.get(run.get_absolute_url()).content.decode()
    assert "No worker is running just now" in page
    assert "mae_map.webp" in page
    monkeypatch.setattr(queue, "workers_alive", lambda: 1)
    assert "No worker" not in ann.get(run.get_absolute_url()).content.decode()
