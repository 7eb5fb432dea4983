"""One shape for every error: {"error": {"code", "message", "field"}}."""

from __future__ import annotations

from django.core.exceptions import SuspiciousOperation
from django.http import Http404, HttpRequest, JsonResponse
from rest_framework import exceptions
from rest_framework.response import Response
from rest_framework.views import exception_handler

from kb.runs.refusals import Refused

CODES = {404: "not_found", 405: "method_not_allowed", 415: "unsupported_media_type"}


def body(code: str, message: str, field: str = "") -> dict:
    """The JSON of one error; `field` is null where no single field is to blame."""
    return {"error": {"code": code, "message": message, "field": field or None}}


def handler(error: Exception, context: dict) -> Response | None:
    """Answer for an exception in a view; None lets a bug be the 500 it is."""
    if isinstance(error, Refused):
        refusal = Response(
            body(error.code, error.message, error.field), status=error.status
        )
        if error.retry_after is not None:
            refusal["Retry-After"] = str(error.retry_after)
        return refusal
    if isinstance(error, SuspiciousOperation):  # too many fields, a broken boundary, …
        return Response(body("bad_request", str(error)), status=400)
    if isinstance(error, Http404):
        error = exceptions.NotFound("There is nothing at this address.")
    response = exception_handler(error, context)
    if response is not None:
        code = CODES.get(response.status_code, "bad_request")
        response.data = body(code, str(getattr(error, "detail", error)))
    return response


def no_such_address(request: HttpRequest, path: str = "") -> JsonResponse:
    """404 in the same shape for addresses below /api/ that do not exist."""
    message = "There is nothing at this address; /api/ lists what there is."
    return JsonResponse(body("not_found", message), status=404)
