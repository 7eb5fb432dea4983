"""The corpus in short, at a real web server: what takes seconds is left to `make uploads`."""

from __future__ import annotations

from collections.abc import Iterator

import psutil
import pytest

from tests.runs.stack import Stack
from tests.uploads.case import TAKEN
from tests.uploads.corpus import CLIPS, CORPUS
from tests.uploads.doors import Api, upload
from tests.uploads.forms import CLIP, FORMS

MANY = dict.fromkeys(
    ("KB_RUN_WAITING_PER_VISITOR", "KB_RUN_PER_ADDRESS", "KB_RUN_QUEUE_LIMIT"), "100000"
)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A web server with nobody to do the runs."""
    stack = Stack(tmp_path_factory.mktemp("site"), **MANY)
    stack.start_web()
    yield stack
    stack.stop()


def family(site: Stack) -> list[int]:
    """The web process and its decoder."""
    web = psutil.Process(site.processes[0].pid)
    return [web.pid, *(child.pid for child in web.children())]


def test_hostile_files_end_as_they_should_and_harm_nobody(site: Stack):
    before, wrong = family(site), {}
    for case in CORPUS:
        if case.slow:
            continue
        answer = Api(site.port).send(upload(case.name, case.make()))
        right = answer.end in case.ends and answer.status < 500
        if not right or not (answer.end == TAKEN or answer.said.count(".") >= 1):
            wrong[case.name] = answer
    assert not wrong
    assert family(site) == before


def test_hostile_clips_end_as_they_should_and_harm_nobody(site: Stack):
    before, wrong = family(site), {}
    for case in CLIPS:
        if case.slow:
            continue
        answer = Api(site.port).send(upload(case.name, case.make()), CLIP)
        right = answer.end in case.ends and answer.status < 500
        if not right or not (answer.end == TAKEN or answer.said.count(".") >= 1):
            wrong[case.name] = answer
    assert not wrong
    assert family(site) == before


def test_odd_forms_are_answered_and_harm_nobody(site: Stack):
    before = family(site)
    answers = {form.name: Api(site.port).send(form) for form in FORMS}
    assert all(answer.status < 500 for answer in answers.values()), answers
    taken = [form.name for form in FORMS if form.taken]
    assert {answers[name].end for name in taken} == {TAKEN}
    assert answers["100 GB announced"].status == 413
    assert family(site) == before


def test_the_corpus_is_large_and_its_names_differ():
    assert len({case.name for case in CORPUS}) == len(CORPUS) >= 150
    assert len({case.name for case in CLIPS}) == len(CLIPS) >= 150
