"""Pages of the catalogue. Each view lists what its template gets."""

from __future__ import annotations

import base64
import hashlib
import mimetypes
import re
from collections import Counter
from datetime import UTC, datetime
from functools import cache
from itertools import groupby
from pathlib import Path

from django.conf import settings
from django.http import (
    Http404,
    HttpRequest,
    HttpResponse,
    HttpResponseBase,
    HttpResponseRedirect,
)
from django.shortcuts import redirect, render
from django.views.decorators.http import condition, require_safe

from kb.catalogue import facets
from kb.catalogue.library import Library, library
from kb.catalogue.papers import Paper
from kb.catalogue.parts import PARTS

HERE = Path(__file__).parent
STYLE = re.compile(rb"<style[^>]*>(.*?)</style>", re.DOTALL)


@require_safe
def home(request: HttpRequest) -> HttpResponse:
    """`catalogue/home.html`

    shelves: list of {part, label, papers}, in the order of the parts
    runnable: papers with at least one demo
    count: number of papers
    """
    papers = library().papers.values()
    shelves = [
        {"part": part, "label": PARTS[part], "papers": list(group)}
        for part, group in groupby(papers, key=lambda paper: paper.part)
    ]
    runnable = [paper for paper in papers if paper.picture_demos]
    context = {"shelves": shelves, "runnable": runnable, "count": len(papers)}
    return render(request, "catalogue/home.html", context)


@require_safe
def papers(request: HttpRequest) -> HttpResponse:
    """`catalogue/list.html`; GET parameters part, family, year, demo, each repeatable.

    papers: the matching ones
    facets: list of Facet(name, label, options); Option(value, label, count, selected,
            query), where `?{{ option.query }}` toggles it
    total: number of papers before narrowing
    narrowed: whether any facet is chosen
    """
    everything = library().papers
    found, offered = facets.choose(everything.values(), request.GET)
    narrowed = any(option.selected for facet in offered for option in facet.options)
    context = {
        "papers": found, "facets": offered, "total": len(everything),
        "narrowed": narrowed,
    }
    return render(request, "catalogue/list.html", context)


@cache
def _look() -> tuple[str, float]:
    """Hash and newest time of what makes a page: templates, styles, this code."""
    folders = (settings.BASE_DIR / "templates", settings.BASE_DIR / "static", HERE)
    found = (path for folder in folders for path in folder.rglob("*"))
    files = sorted(p for p in found if p.is_file() and p.suffix != ".pyc")
    digest = hashlib.sha256()
    for path in files:
        digest.update(path.read_bytes())
    return digest.hexdigest(), max((p.stat().st_mtime for p in files), default=0.0)


def _etag(request: HttpRequest, slug: str) -> str | None:
    """Over all the papers: a page also shows who builds on it. None with DEBUG."""
    if settings.DEBUG or library().get(slug) is None:
        return None
    state = _look()[0] + library().fingerprint
    return f'"{hashlib.sha256(state.encode()).hexdigest()[:24]}"'


def _last_modified(request: HttpRequest, slug: str) -> datetime | None:
    shelves = library()
    if settings.DEBUG or shelves.get(slug) is None:
        return None
    return datetime.fromtimestamp(max(_look()[1], shelves.modified), UTC)


@require_safe
@condition(etag_func=_etag, last_modified_func=_last_modified)
def paper(request: HttpRequest, slug: str) -> HttpResponseBase:
    """`catalogue/paper.html`; `404.html` with `suggestion` (Paper or None) otherwise.

    paper: Paper. Of use: title, short, authors, year, venue, arxiv, code_url, tags,
           bibtex, demos, golden, module (path, lines, outline), is_note
    sections: list of Section(id, title, html, text), html is safe
    equations: list of Equation(number, id, latex, target, first, last, words)
    listing: safe HTML of the code's lines; empty without a module
    builds_on, built_on_by, follows: lists of Paper
    relatives: what it is worth comparing with
    proofs: list of (repository, number of golden cases), most first, those that were
           derived ("") last
    linked: number of equations that have code
    """
    shelves = library()
    found = shelves.get(slug)
    if found is None:
        return _not_found(request, shelves, slug)
    counts = Counter(case.repository for case in found.golden)
    proofs = sorted(counts.items(), key=lambda one: (not one[0], -one[1]))
    context = {
        "paper": found,
        "sections": found.sections,
        "equations": found.equations,
        "listing": found.listing,
        "builds_on": _papers(shelves, found.builds_on),
        "built_on_by": _papers(shelves, found.built_on_by),
        "follows": _papers(shelves, found.follows),
        "relatives": _relatives(shelves, found),
        "proofs": proofs,
        "linked": sum(bool(equation.first) for equation in found.equations),
    }
    return render(request, "catalogue/paper.html", context)


def _papers(shelves: Library, slugs: list[str]) -> list[Paper]:
    return [shelves.papers[slug] for slug in slugs if slug in shelves.papers]


def _relatives(shelves: Library, paper: Paper) -> list[Paper]:
    """The papers that it answers, and those of its own part that its code builds on."""
    near = [p.slug for p in _papers(shelves, paper.builds_on) if p.part == paper.part]
    return _papers(shelves, list(dict.fromkeys([*paper.follows, *near])))


def _not_found(
    request: HttpRequest, shelves: Library, slug: str
) -> HttpResponse | HttpResponseRedirect:
    """`MAE` and `knowledge-distillation` are moved; the rest gets the nearest name."""
    plain = slug.lower().replace("-", "_")
    if plain in shelves.papers:
        return redirect("catalogue:paper", plain, permanent=True)
    context = {"suggestion": shelves.nearest(slug)}
    return render(request, "404.html", context, status=404)


@require_safe
def figure(request: HttpRequest, name: str) -> HttpResponseBase:
    """One of our own drawings in papers/figures/."""
    folder = settings.PAPERS_DIR / "figures"
    # `<str:name>` holds no slash; compared with the folder, `..` is no file in it.
    path = next((p for p in folder.glob("*") if p.name == name and p.is_file()), None)
    if path is None:
        raise Http404(f"no figure {name}")
    kind = mimetypes.guess_type(name)[0] or "application/octet-stream"
    content = path.read_bytes()
    response = HttpResponse(content, content_type=kind)
    response["Cache-Control"] = "public, max-age=3600"
    # A drawing brings its colours in a <style>: that very text is allowed, no other.
    styles = " ".join(hash_of(style) for style in STYLE.findall(content)) or "'none'"
    response["Content-Security-Policy"] = (
        f"default-src 'none'; style-src {styles}; frame-ancestors 'none'; sandbox"
    )
    return response


def hash_of(style: bytes) -> str:
    """What a policy calls a piece of style by."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(style).digest()).decode()}'"
