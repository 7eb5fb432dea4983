"""Stored files out: only names the row lists, with types that we fix."""

from __future__ import annotations

from pathlib import Path

from django.http import Http404, HttpResponse

from kb.runs.models import Run

# Shown in place; WebP is the example of a clip, which is not decoded anew.
TYPES = {
    ".png": "image/png", ".webp": "image/webp", ".json": "application/json",
}
DOWNLOAD = "application/octet-stream"  # everything else, NPZ first of all
DAY = 24 * 3600


def file_response(run: Run, name: str) -> HttpResponse:
    """The file as a response. Raises Http404 for a name that the row does not list."""
    path = next((p for p in listed(run) if p.name == name), None)
    if path is None or not path.is_file():
        raise Http404("no such file")
    return stored(path, f"{run.paper}_{name}")


def picture_response(path: Path) -> HttpResponse:
    """A picture that no row lists yet. Raises Http404 where it is gone."""
    if not path.is_file():
        raise Http404("no such picture")
    return stored(path, "picture.png")


def stored(path: Path, name: str) -> HttpResponse:
    """The file, under the name that a download gets.

    Kept by browsers for a day: a result never changes, and a picture made on the way
    has another address when it was written again.
    """
    kind = TYPES.get(path.suffix, DOWNLOAD)
    response = HttpResponse(path.read_bytes(), content_type=kind)
    shown = "inline" if path.suffix in TYPES else "attachment"
    response["Content-Disposition"] = f'{shown}; filename="{name}"'
    response["X-Content-Type-Options"] = "nosniff"
    response["Cache-Control"] = f"private, max-age={DAY}"
    return response


def listed(run: Run) -> list[Path]:
    """Paths of all files of the run that may be seen."""
    sent = [run.folder / name for name in run.images]
    # A page that shows partial pictures may ask for one when the run is over already.
    made = [*run.partials, *(run.result["artifacts"] if run.result else ())]
    return sent + [run.out / artifact["file"] for artifact in made]
