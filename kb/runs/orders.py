"""From what a visitor sent to an order that can be run; form and API share it."""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from django.core.files.uploadedfile import UploadedFile

from demos.specs import DEMOS, Demo, OptionError, check_options
from kb.catalogue.library import library
from kb.runs.kept import Kept, collect
from kb.runs.models import Run
from kb.runs.refusals import Refused

MAX_KEY = 200
PATIENCE = (5, 24 * 3600)  # seconds: what a visitor may choose as the limit


@dataclass(frozen=True)
class Order:
    """What is asked for: checked options, and pictures stored in the run's folder."""

    run_id: uuid.UUID
    demo: str
    paper: str
    options: dict
    images: list[str]
    idempotency_key: str | None = None
    patience: int | None = None  # seconds after which it is not wanted any more

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


def check_deadline(raw: object) -> int | None:
    """Seconds after which to give up, if any were chosen. Raises Refused."""
    text = str(raw or "").strip()
    if not text:
        return None
    low, high = PATIENCE
    number = int(text) if text.isascii() and text.isdigit() and len(text) < 10 else 0
    if low <= number <= high:
        return number
    message = (
        f"The deadline is a whole number of seconds from {low} to {high}, or nothing."
    )
    raise Refused(400, "bad_deadline", message, "deadline")


def make_order(
    demo: Demo, paper: str, options: dict, files: Mapping[str, UploadedFile], *,
    key: str | None = None, kept: Kept | None = None, patience: int | None = None,
) -> Order:
    """Store the pictures and return the order. Raises Refused, leaving no files.

    kept: what is taken for fields without a new picture.
    """
    order = Order(uuid.uuid4(), demo.name, paper, options, [], key, patience)
    check_fields(demo, files)
    fields = image_fields(demo)
    names = collect(fields, files, kept, order.folder, demo.clip)
    for field, name in zip(fields[: demo.images[0]], names, strict=False):
        if not name:
            shutil.rmtree(order.folder, ignore_errors=True)
            message = "A picture is missing: send one as a file in this field."
            raise Refused(400, "missing", message, field)
    order.images.extend(filter(None, names))
    return order


def check_fields(demo: Demo, files: Mapping[str, UploadedFile]) -> None:
    """Raise Refused where a picture has nowhere to go."""
    fields = image_fields(demo)
    for field in files:
        if field not in fields:
            taken = f"pictures as {', '.join(fields)} only" if fields else "no picture"
            message = f"{demo.name} takes {taken}."
            raise Refused(400, "unexpected", message, field[:40])
