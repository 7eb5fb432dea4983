"""What the run's templates show; the page and its live part get the same."""

from __future__ import annotations

import json
from datetime import datetime, timedelta

from django.conf import settings
from django.http import HttpRequest
from django.urls import reverse

from demos.specs import (
    CLIP_FRAMES,
    DEMOS,
    IMAGE_FORMATS,
    MAX_BYTES,
    MAX_PIXELS,
    VIDEO_FORMATS,
    Demo,
)
from kb.catalogue.library import library
from kb.runs import controls, queue, reproduce, services
from kb.runs.examples import example_of
from kb.runs.models import UNFINISHED, Run, State
from kb.runs.verdict import verdict
from kb.runs.visitors import visitor_of

SENTENCES = {
    State.QUEUED: "Waiting for a worker.",
    State.RUNNING: "Running.",
    State.CANCELLING: "Stopping at the next step.",
    State.DONE: "Done.",
    State.FAILED: "Failed.",
    State.CANCELLED: "Cancelled.",
    State.EXPIRED: "Expired: the pictures were removed after the keeping time.",
}

DEADLINES = [
    ("", "no limit"), ("60", "a minute"), ("300", "5 minutes"), ("3600", "an hour"),
]


def form_context(slug: str, demo: Demo) -> dict:
    """Everything that new.html uses, but for the form and the pictures it keeps."""
    return {
        "paper": library().get(slug), "demo": demo,
        "usual": usual_time(demo.name),
        "queued": queue.waiting().count(),
        "alive": queue.workers_alive(),
        "example": example_of(demo.name, slug),
        "deadlines": DEADLINES,
        "formats": ", ".join(IMAGE_FORMATS),
        "max_bytes": MAX_BYTES, "megabytes": MAX_BYTES // 10**6,
        "megapixels": MAX_PIXELS // 10**6, "clip_frames": CLIP_FRAMES,
        "videos": ", ".join(VIDEO_FORMATS),
    }


def usual_time(demo: str) -> str:
    """How long past runs took, as a range of whole seconds; empty where none were."""
    known = queue.seconds_of(demo)
    if known is None:
        return ""
    low, high = (max(1, round(seconds)) for seconds in known)
    return f"{low} s" if low == high else f"{low} to {high} s"


def run_context(request: HttpRequest, run: Run) -> dict:
    """Everything that detail.html and its parts use."""
    artifacts = [with_url(run, artifact) for artifact in run.artifacts]
    # With its version on the way and at the end: what was seen to grow stays as it is.
    pictures = [
        {**a, "source": versioned(run, a)} for a in artifacts if a["kind"] == "image"
    ]
    return {
        "run": run, "paper": library().get(run.paper), "demo": DEMOS.get(run.demo),
        "address": request.build_absolute_uri(run.get_absolute_url()),
        "sentence": SENTENCES[State(run.state)],
        "owned": services.owns(run, visitor_of(request)),
        "inputs": [
            {"name": name, "url": reverse("runs:file", args=[run.pk, name])}
            for name in run.images
        ],
        "pictures": pictures,
        "options": labelled(run),
        "expires": expiry(run),
        **(waiting(run) if run.state in UNFINISHED else {}),
        **(finished(request, run, artifacts) if run.result else {}),
    }


def waiting(run: Run) -> dict:
    """Of a run that is not over: where it stands, and what to see meanwhile."""
    queued = run.state == State.QUEUED
    return {
        "position": queue.position(run), "eta": queue.eta(run),
        "percent": 100 * run.step // run.total if run.total else 0,
        "alive": not queued or queue.workers_alive(),
        "example": example_of(run.demo, run.paper) if queued else None,
    }


def finished(request: HttpRequest, run: Run, artifacts: list[dict]) -> dict:
    """Of a run with a result: numbers, tables, controls, and how to make it again."""
    tables = [table(run, a) for a in artifacts if a["kind"] == "table"]
    address = request.build_absolute_uri(run.get_absolute_url())
    api = request.build_absolute_uri(reverse("api:runs"))
    return {
        "result": run.result, "downloads": artifacts,
        "numbers": [(n, shown(v)) for n, v in numbers(run)],
        "tables": tables, "verdict": verdict(run, tables),
        "controls": controls.controls(run), "fixed": controls.fixed(run),
        "snippets": [
            ("shell", "In a copy of this repository", reproduce.shell(run)),
            ("python", "The same in Python", reproduce.python(run)),
            ("http", "Through this site", reproduce.http(run, api)),
        ],
        "citation": reproduce.citation(run, library().get(run.paper), address),
        "waited": waited(run),
    }


def expiry(run: Run) -> datetime | None:
    """When pictures and results are removed; None for those that are kept."""
    over = run.is_final and run.state != State.EXPIRED and not run.pinned
    if not over or run.finished is None:
        return None
    return run.finished + timedelta(days=settings.RUN_KEEP_DAYS)


def waited(run: Run) -> float:
    """Seconds between the order and the start of the attempt that ended it."""
    return (run.started - run.created).total_seconds() if run.started else 0.0


def with_url(run: Run, artifact: dict) -> dict:
    """The artifact with the address of its file, which is plain once it is final."""
    address = plain if run.is_final else versioned
    return {**artifact, "url": address(run, artifact)}


def plain(run: Run, artifact: dict) -> str:
    """The lasting address of the artifact's file."""
    return reverse("runs:file", args=[run.pk, artifact["file"]])


def versioned(run: Run, artifact: dict) -> str:
    """The same for what may be written again under its name.

    The time of its file makes browsers fetch it again then, and only then.
    """
    return f"{plain(run, artifact)}?of={written(run, artifact)}"


def written(run: Run, artifact: dict) -> int:
    """When the artifact's file was last written, in nanoseconds; 0 without a file."""
    try:
        return (run.out / artifact["file"]).stat().st_mtime_ns
    except FileNotFoundError:
        return 0


def table(run: Run, artifact: dict) -> dict:
    """A table's caption, columns and rows; empty where its file is gone."""
    try:
        content = json.loads((run.out / artifact["file"]).read_text(encoding="utf-8"))
    except FileNotFoundError:
        content = {"columns": [], "rows": []}
    return {"caption": artifact["caption"], **content}


def labelled(run: Run) -> list[tuple[str, object]]:
    """Options under the names that the form shows."""
    demo = DEMOS.get(run.demo)
    labels = {o.name: o.label or o.name for o in demo.options} if demo else {}
    return [(labels.get(name, name), value) for name, value in run.options.items()]


def numbers(run: Run) -> list[tuple[str, object]]:
    """The result's numbers, with names as words."""
    found = run.result["numbers"] if run.result else {}
    return [(name.replace("_", " "), value) for name, value in found.items()]


def shown(value: object) -> str:
    """A number in four digits, a list as its members."""
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, list):
        return ", ".join(shown(member) for member in value)
    return str(value)
