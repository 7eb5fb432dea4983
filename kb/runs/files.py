"""Stored files out: only names the row lists, with types that we fix."""

from __future__ import annotations

from pathlib import Path

from django.http import Http404, HttpResponse

from kb.runs.models import Run

TYPES = {".png": "image/png", ".json": "application/json"}  # shown in place
DOWNLOAD = "application/octet-stream"  # everything else, NPZ first of all
DAY = 24 * 3600


def file_response(run: Run, name: str) -> HttpResponse:
    """The file as a response. Raises Http404 for a name that the row does not list."""
    path = next((p for p in listed(run) if p.name == name), None)
    if path is None or not path.is_file():
        raise Http404("no such file")
    suffix = Path(name).suffix
    response = HttpResponse(
        path.read_bytes(), content_type=TYPES.get(suffix, DOWNLOAD)
    )
    kind = "inline" if suffix in TYPES else "attachment"
    response["Content-Disposition"] = f'{kind}; filename="{run.paper}_{name}"'
    response["X-Content-Type-Options"] = "nosniff"
    # A partial picture may be written again under its name; a result never changes.
    age = DAY if run.is_final else 0
    response["Cache-Control"] = f"private, max-age={age}"
    return response


def listed(run: Run) -> list[Path]:
    """Paths of all files of the run that may be seen."""
    sent = [run.folder / name for name in run.images]
    # A page that shows partial pictures may ask for one when the run is over already.
    made = [*run.partials, *(run.result["artifacts"] if run.result else ())]
    return sent + [run.out / artifact["file"] for artifact in made]
