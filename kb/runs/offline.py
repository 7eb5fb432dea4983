"""A result as one HTML file to send to a colleague: opened from disk, it needs nothing.

Pictures are data URIs and the style is inside; there is no script. Its own policy
forbids everything else, because the site's does not reach a file on a disk.
"""

from __future__ import annotations

from base64 import b64encode
from pathlib import Path

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from kb.runs import pages
from kb.runs.models import Run


def self_contained(request: HttpRequest, run: Run) -> HttpResponse:
    """The page of a finished run as an attachment."""
    context = pages.run_context(request, run)
    context["inputs"] = [{"url": data_uri(run.folder / name)} for name in run.images]
    context["pictures"] = [
        {**one, "url": data_uri(run.out / one["file"])} for one in context["pictures"]
    ]
    response = render(request, "runs/page.html", context)
    name = f"{run.paper}_{run.demo}_{str(run.pk)[:8]}.html"
    response["Content-Disposition"] = f'attachment; filename="{name}"'
    response["Cache-Control"] = "no-store"
    return response


def data_uri(path: Path) -> str:
    """The PNG as an address of its own; empty where the file is gone."""
    try:
        return "data:image/png;base64," + b64encode(path.read_bytes()).decode()
    except FileNotFoundError:
        return ""
