"""The documentation page, made from the same schema that machines read."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from functools import lru_cache

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

METHODS = ("get", "post", "put", "patch", "delete")
# drf-spectacular loads its extensions at first use, and breaks where two threads do.
_generating = threading.Lock()


@require_safe
def docs(request: HttpRequest) -> HttpResponse:
    """Every call on one page, with an example to copy."""
    return render(request, "api/docs.html", documented())


@require_safe
def schema(request: HttpRequest) -> HttpResponse:
    """OpenAPI, as YAML or JSON."""
    from drf_spectacular.views import SpectacularAPIView  # slow to import

    with _generating:
        return SpectacularAPIView.as_view()(request)


@lru_cache(maxsize=1)
def documented() -> dict:
    """The schema as the template walks through it."""
    from drf_spectacular.generators import SchemaGenerator  # slow to import

    with _generating:
        schema = SchemaGenerator().get_schema(request=None, public=True)
    shapes = schema["components"]["schemas"]
    return {
        "info": schema["info"],
        "operations": list(operations(schema)),
        "shapes": [
            {"name": name, "about": shape.get("description", ""),
             "fields": list(fields(shape))}
            for name, shape in sorted(shapes.items()) if shape.get("properties")
        ],
    }


def operations(schema: dict) -> Iterator[dict]:
    """Each call: method, path, what it does, what it takes and answers."""
    for path, calls in schema["paths"].items():
        for method in METHODS:
            call = calls.get(method)
            if call is None:
                continue
            yield {
                "id": call["operationId"], "method": method.upper(), "path": path,
                "about": call.get("description", ""),
                "parameters": [
                    {**one, "type": kind(one["schema"])}
                    for one in call.get("parameters", ())
                ],
                "body": body(call.get("requestBody", {})),
                "answers": [
                    {"status": status, "shape": body(answer)}
                    for status, answer in sorted(call["responses"].items())
                ],
            }


def fields(shape: dict) -> Iterator[dict]:
    """The fields of one shape."""
    for name, field in shape["properties"].items():
        about = field.get("description", "")
        yield {"name": name, "type": kind(field), "about": about}


def body(part: dict) -> str:
    """The type of a request's or an answer's body, empty where there is none."""
    content = next(iter(part.get("content", {}).values()), None)
    return kind(content["schema"]) if content else ""


def kind(field: dict) -> str:
    """A type in words: `string`, `list of Hit`, `Eta or null`."""
    if "$ref" in field:
        return field["$ref"].rpartition("/")[2]
    for word, joint in (("oneOf", " or "), ("anyOf", " or "), ("allOf", " and ")):
        if word in field:
            return joint.join(kind(one) for one in field[word])
    if field.get("type") == "array":
        return f"list of {kind(field['items'])}"
    if "enum" in field:
        return " | ".join(str(one) for one in field["enum"])
    if isinstance(field.get("type"), list):
        return " or ".join(field["type"])
    return field.get("format") or field.get("type", "anything")
