"""From what a visitor sent to an order that can be run; form and API share it."""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from django.conf import settings
from django.core.files.uploadedfile import UploadedFile

from demos.specs import DEMOS, Demo, OptionError, check_options
from kb.catalogue.library import library
from kb.runs.models import Run
from kb.runs.refusals import Refused
from kb.runs.uploads import store

MAX_KEY = 200


@dataclass(frozen=True)
class Kept:
    """Pictures that are stored already: an earlier run's, or the example."""

    folder: Path
    names: Sequence[str]


EXAMPLE = Kept(settings.BASE_DIR / "static" / "examples", ["cat.png"])


@dataclass(frozen=True)
class Order:
    """What is asked for: checked options, and pictures stored in the run's folder."""

    run_id: uuid.UUID
    demo: str
    paper: str
    options: dict
    images: list[str]
    idempotency_key: str | None = None

    @property
    def folder(self) -> Path:
        """The folder of the run this becomes, or that is removed again."""
        return Run(pk=self.run_id).folder


def image_fields(demo: Demo) -> list[str]:
    """Names of the form fields that carry pictures: image, image2, …"""
    return ["image", *(f"image{n}" for n in range(2, 10))][: demo.images[1]]


def offered(paper: str, demo: str) -> Demo:
    """The demo, if this paper's code can run it. Raises Refused."""
    if demo not in DEMOS:
        known = ", ".join(DEMOS)
        message = f"There is no demo of that name; there are {known}."
        raise Refused(400, "unknown_demo", message, "demo")
    entry = library().get(paper)
    if entry is None:
        message = "There is no paper of that name; /api/papers/ lists them."
        raise Refused(400, "unknown_paper", message, "paper")
    if demo not in {one.name for one in entry.demos}:
        can = ", ".join(one.name for one in entry.demos) or "no demo"
        message = f"{entry.short} cannot run {demo}; it offers {can}."
        raise Refused(400, "not_offered", message, "demo")
    return DEMOS[demo]


def check(demo: Demo, raw: Mapping[str, object]) -> dict:
    """Every option with a valid value. Raises Refused."""
    try:
        return check_options(demo, raw)
    except OptionError as error:
        raise Refused(400, "bad_option", error.message, error.field) from error


def check_key(raw: str | None) -> str | None:
    """The Idempotency-Key, if there is one. Raises Refused."""
    if not raw:
        return None
    if len(raw) > MAX_KEY or not raw.isprintable():
        message = f"The key may have up to {MAX_KEY} printable characters."
        raise Refused(400, "bad_key", message, "Idempotency-Key")
    return raw


def make_order(
    demo: Demo, paper: str, options: dict, files: Mapping[str, UploadedFile], *,
    key: str | None = None, kept: Kept | None = None,
) -> Order:
    """Store the pictures and return the order. Raises Refused, leaving no files.

    kept: what is taken where no new pictures were sent.
    """
    order = Order(uuid.uuid4(), demo.name, paper, options, [], key)
    sent = {name: files[name] for name in image_fields(demo) if name in files}
    if not sent and kept is not None and demo.images[1]:
        return reuse(order, kept)
    check_count(demo, files)
    try:
        for field, upload in sent.items():
            order.images.append(store(upload, order.folder, field))
    except Refused:
        shutil.rmtree(order.folder, ignore_errors=True)
        raise
    return order


def check_count(demo: Demo, files: Mapping[str, UploadedFile]) -> None:
    """Raise Refused where pictures are missing or have nowhere to go."""
    fields = image_fields(demo)
    for field in fields[: demo.images[0]]:
        if field not in files:
            message = "A picture is missing: send one as a file in this field."
            raise Refused(400, "missing", message, field)
    for field in files:
        if field not in fields:
            taken = f"pictures as {', '.join(fields)} only" if fields else "no picture"
            message = f"{demo.name} takes {taken}."
            raise Refused(400, "unexpected", message, field[:40])


def reuse(order: Order, kept: Kept) -> Order:
    """The order with copies of pictures that are stored already. Raises Refused."""
    try:
        order.folder.mkdir(parents=True)
        for name in kept.names:
            shutil.copyfile(kept.folder / name, order.folder / name)
    except FileNotFoundError as error:
        shutil.rmtree(order.folder, ignore_errors=True)
        message = "The picture of that run is no longer kept. Choose it again."
        raise Refused(400, "missing", message, "image") from error
    if not kept.names:
        raise Refused(400, "missing", "Choose a picture.", "image")
    order.images.extend(kept.names)
    return order
