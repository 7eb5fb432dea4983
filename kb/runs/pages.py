"""What the run's templates show; the page and its live part get the same."""

from __future__ import annotations

import json

from django.conf import settings
from django.urls import reverse

from demos.specs import DEMOS, IMAGE_FORMATS, MAX_BYTES, MAX_PIXELS, Demo
from kb.catalogue.library import Paper, library
from kb.runs import queue, services
from kb.runs.models import Run, State
from kb.runs.visitors import Visitor

SENTENCES = {
    State.QUEUED: "Waiting for a worker.",
    State.RUNNING: "Running.",
    State.CANCELLING: "Stopping at the next step.",
    State.DONE: "Done.",
    State.FAILED: "Failed.",
    State.CANCELLED: "Cancelled.",
    State.EXPIRED: "Expired: the pictures were removed after the keeping time.",
}


def form_context(paper: Paper, demo: Demo, source: Run | None) -> dict:
    """Everything that new.html uses, but for the form itself."""
    return {
        "paper": paper, "demo": demo, "source": source,
        "usual": usual_time(demo.name),
        "queued": queue.waiting().count(),
        "formats": ", ".join(IMAGE_FORMATS),
        "max_bytes": MAX_BYTES, "megabytes": MAX_BYTES // 10**6,
        "megapixels": MAX_PIXELS // 10**6,
    }


def usual_time(demo: str) -> str:
    """How long past runs took, as a range of whole seconds; empty where none were."""
    known = queue.seconds_of(demo)
    if known is None:
        return ""
    low, high = (max(1, round(seconds)) for seconds in known)
    return f"{low} s" if low == high else f"{low} to {high} s"


def run_context(run: Run, visitor: Visitor) -> dict:
    """Everything that detail.html and _status.html use."""
    entry = library().get(run.paper)
    demo = DEMOS.get(run.demo)
    artifacts = [with_url(run, artifact) for artifact in run.artifacts]
    return {
        "run": run,
        "paper": entry,
        "demo": demo,
        "sentence": SENTENCES[State(run.state)],
        "position": queue.position(run),
        "eta": queue.eta(run),
        "percent": 100 * run.step // run.total if run.total else 0,
        "owned": services.owns(run, visitor),
        "inputs": [reverse("runs:file", args=[run.pk, name]) for name in run.images],
        "pictures": [a for a in artifacts if a["kind"] == "image"],
        "downloads": artifacts,
        "tables": [table(run, a) for a in artifacts if a["kind"] == "table"],
        "result": run.result,
        "numbers": [(n, shown(v)) for n, v in numbers(run)],
        "options": labelled(run),
        "keep_days": settings.RUN_KEEP_DAYS,
    }


def with_url(run: Run, artifact: dict) -> dict:
    """The artifact with the address of its file.

    A picture made on the way may be written again under its name; the step behind its
    address makes browsers fetch it again.
    """
    url = reverse("runs:file", args=[run.pk, artifact["file"]])
    return {**artifact, "url": url if run.is_final else f"{url}?step={run.step}"}


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
