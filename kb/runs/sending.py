"""The form of a demo: what was sent, what is kept for the next try, what comes back."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from uuid import UUID

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_safe

from demos.specs import Demo
from kb.runs import kept, orders, pages, services, stamped
from kb.runs.files import picture_response
from kb.runs.forms import RunForm
from kb.runs.models import Run
from kb.runs.refusals import Refused
from kb.runs.visitors import introduce, visitor_of


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def new(request: HttpRequest, slug: str, demo: str) -> HttpResponse:
    """The form of a demo for a paper; a good POST leads to the run's own page."""
    try:
        spec = orders.offered(slug, demo)
    except Refused as refused:
        raise Http404(refused.message) from refused
    if request.method == "POST":
        return received(request, slug, spec)
    source = source_run(request)
    pictures = kept.Kept(source.folder, source.images) if source else None
    form = RunForm(
        spec, initial=source.options if source else None, reuse=pictures is not None
    )
    return page(request, slug, form, pictures)


def received(request: HttpRequest, slug: str, spec: Demo) -> HttpResponse:
    """What a sent form leads to: a run, another try, or an offer to repeat a result."""
    before = kept_pictures(request, spec)
    if found := stamped.find(request.FILES):
        return offer(request, slug, spec, found)
    form = RunForm(spec, request.POST, request.FILES, reuse=before is not None)
    if not form.is_valid():
        return again(request, slug, form, before, 400)
    try:
        order = orders.make_order(
            spec, slug, form.cleaned_data["options"], request.FILES, kept=before,
            key=orders.check_key(request.POST.get("key")),
            patience=orders.check_deadline(request.POST.get("deadline")),
        )
        run, _ = services.submit(order, visitor_of(request))
    except Refused as refused:
        field = refused.field if refused.field in form.fields else None
        form.add_error(field, refused.message)
        return again(request, slug, form, before, refused.status)
    if request.htmx:  # type: ignore[attr-defined]
        # The page of a result asks so, and wants only the part that changes.
        return redirect(reverse("runs:status", args=[run.pk]) + "?wait=1")
    return redirect(run)


def source_run(request: HttpRequest) -> Run | None:
    """The run named in `from`, whose options and pictures are taken over."""
    raw = request.POST.get("from") or request.GET.get("from", "")
    try:
        return Run.objects.filter(pk=UUID(raw)).first()
    except ValueError:
        return None


def kept_pictures(request: HttpRequest, spec: Demo) -> kept.Kept | None:
    """What to use where no picture was sent: the example, or what was kept before."""
    if "example" in request.POST:
        return kept.EXAMPLE_CLIP if spec.clip else kept.EXAMPLE
    if token := request.POST.get("kept"):
        return kept.from_token(token)
    source = source_run(request)
    return kept.Kept(source.folder, source.images) if source else None


def again(
    request: HttpRequest, slug: str, form: RunForm, before: kept.Kept | None,
    status: int,
) -> HttpResponse:
    """The form once more, with what is wrong beside its field and nothing lost."""
    if request.htmx:  # type: ignore[attr-defined]
        said = next(iter(form.errors.values()))[0]
        return HttpResponse(said, status=status, content_type="text/plain")
    pictures = held(request, form, before)
    if wrong := next((name for name in form.fields if form.has_error(name)), None):
        form.fields[wrong].widget.attrs["autofocus"] = True
    return page(request, slug, form, pictures, status=status)


def held(
    request: HttpRequest, form: RunForm, before: kept.Kept | None
) -> kept.Kept | None:
    """The pictures that the next try need not bring again."""
    fields = orders.image_fields(form.demo)
    readable = {n: file for n, file in request.FILES.items() if not form.has_error(n)}
    sent: list[Mapping] = [readable, {}]  # what cannot be read is not kept
    for files in sent:
        try:
            return kept.keep(fields, files, before, form.demo.clip)
        except Refused as refused:
            if refused.field in form.fields and not form.has_error(refused.field):
                form.add_error(refused.field, refused.message)
    return None


def offer(
    request: HttpRequest, slug: str, spec: Demo, found: stamped.Found
) -> HttpResponse:
    """The form that made the picture that was sent, filled in as it was then."""
    form = RunForm(found.demo, initial=found.options, reuse=found.pictures is not None)
    fields = orders.image_fields(spec)
    sent = kept.keep(fields, request.FILES, None, spec.clip)
    context = {
        "stamp": found, "sent": sent,
        "sent_to": reverse("runs:new", args=[slug, spec.name]),
        "chosen": [(o.name, request.POST.get(o.name, "")) for o in spec.options],
    }
    return page(request, found.paper, form, found.pictures, context)


def page(
    request: HttpRequest, slug: str, form: RunForm, pictures: kept.Kept | None,
    more: dict | None = None, status: int = 200,
) -> HttpResponse:
    """new.html with this form, and with the pictures that it need not ask for."""
    known = zip(
        orders.image_fields(form.demo), pictures.names if pictures else (), strict=False
    )
    names = {field: name for field, name in known if name}
    for field in names:  # or the browser would insist on what is there already
        form.fields[field].required = False
    context = {
        **pages.form_context(slug, form.demo), **(more or {}), "form": form,
        "action": reverse("runs:new", args=[slug, form.demo.name]),
        "key": secrets.token_urlsafe(16),
        "deadline": request.POST.get("deadline", ""),
        "token": pictures.token if pictures and names else "",
        "kept": [picture_address(pictures, n) for n in names.values() if pictures],
    }
    return introduce(request, render(request, "runs/new.html", context, status=status))


def picture_address(pictures: kept.Kept, name: str) -> str:
    """Where a kept picture can be seen."""
    return reverse("runs:kept", args=[pictures.token, name])


@require_safe
def kept_picture(request: HttpRequest, token: str, name: str) -> HttpResponse:
    """A picture that a form keeps, for whoever has the form."""
    pictures = kept.from_token(token)
    if pictures is None or name not in pictures.names:
        raise Http404("no such picture")
    return picture_response(pictures.folder / name)
