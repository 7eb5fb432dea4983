"""Fixtures of one test process: a small library, pictures, a runner without torch."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from PIL import Image

from demos import specs
from demos.results import Artifact, Progress, Result
from kb.catalogue.golden import GoldenCase
from kb.runs import examples, orders, pages, services, stamped
from kb.runs.models import Run
from kb.runs.visitors import Visitor
from tests.services import postgres_server, redis_server  # noqa: F401


@dataclass(frozen=True)
class Paper:
    """As much of a catalogue entry as runs look at."""

    slug: str
    short: str
    title: str
    demos: list[specs.Demo]
    golden: tuple[GoldenCase, ...] = ()


class Library:
    """One paper that can run every demo, and one that can run none."""

    papers: ClassVar = {
        "mae": Paper(
            "mae", "MAE", "Masked autoencoders", list(specs.DEMOS.values()),
            (GoldenCase("a_case", "mae_loss", "owner/name@abc x.py", 1e-6, 0.0, ""),),
        ),
        "lars": Paper("lars", "LARS", "Large batches", []),
    }

    def get(self, slug: str) -> Paper | None:
        return self.papers.get(slug)


@pytest.fixture
def ann() -> Client:
    """A browser that has seen a form, and so has its cookie."""
    client = Client()
    client.get("/papers/mae/run/reconstruction/")
    return client


@pytest.fixture(autouse=True)
def small_library(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same few papers, whatever is in the repository."""
    for module in (orders, pages, examples, stamped):
        monkeypatch.setattr(module, "library", Library)


@pytest.fixture(autouse=True)
def own_folder(settings, tmp_path: Path) -> Path:
    """Files of runs go to a folder of the test."""
    settings.MEDIA_ROOT = tmp_path / "runs"
    return settings.MEDIA_ROOT


@pytest.fixture(autouse=True)
def woken(monkeypatch: pytest.MonkeyPatch) -> list:
    """Ids that were sent to the workers, instead of sending them."""
    sent: list = []
    monkeypatch.setattr(services, "wake_worker", sent.append)
    return sent


def png(colour: tuple[int, int, int] = (200, 30, 30), size=(64, 48)) -> bytes:
    """A small picture as bytes."""
    file = io.BytesIO()
    Image.new("RGB", size, colour).save(file, "PNG")
    return file.getvalue()


@pytest.fixture
def upload() -> Callable[..., SimpleUploadedFile]:
    """A picture as a form sends it; a new colour is a new picture."""

    def make(colour: tuple[int, int, int] = (200, 30, 30)) -> SimpleUploadedFile:
        return SimpleUploadedFile("photo.png", png(colour), "image/png")

    return make


ANN = Visitor("cookie:ann", "a")
BOB = Visitor("cookie:bob", "b")
EVE = Visitor("cookie:eve", "c")


@pytest.fixture
def submit(settings) -> Callable[..., Run]:
    """Submit a run as the site does; the seed makes runs different."""

    def make(
        visitor: Visitor = ANN, seed: int = 0, key: str | None = None,
        patience: int | None = None,
    ) -> Run:
        demo = specs.DEMOS["reconstruction"]
        options = specs.check_options(demo, {"seed": seed})
        order = orders.Order(
            Run().pk, demo.name, "mae", options, ["picture.png"], key, patience
        )
        order.folder.mkdir(parents=True)
        (order.folder / "picture.png").write_bytes(png())
        return services.submit(order, visitor)[0]

    return make


def quick_demo(demo, paper, images, options, out, report) -> Result:
    """A demo in three steps, with a curve and a picture; no torch."""
    for step in range(3):
        report(Progress(step, 3, f"step {step}", {"loss": [(step, 1 / (step + 1))]}))
    (out / "picture.png").write_bytes(png())
    table = {"columns": ["case", "outcome"], "rows": [["a_case", "equal & proved"]]}
    (out / "cases.json").write_text(json.dumps(table))
    cases = Artifact("cases", "table", "cases.json", "Each case.")
    artifact = Artifact("picture", "image", "picture.png", "A picture.", "red")
    weights = {"name": "none", "source": "", "trained": False, "note": "random"}
    return Result([artifact, cases], {"loss": 0.33}, weights, 0.1, "cpu", 0, "abc")
