"""An answer for who may ask again: in the shape of the API, or as a page."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render


def later(
    request: HttpRequest, status: int, code: str, title: str, message: str, wait: int
) -> HttpResponse:
    """code: for programs. title, message: for people. wait: seconds."""
    if request.path.startswith("/api/"):
        error = {"code": code, "message": message, "field": None}
        response: HttpResponse = JsonResponse({"error": error}, status=status)
    else:
        words = {"title": title, "message": message}
        response = render(request, "later.html", words, status=status)
    response["Retry-After"] = str(wait)
    return response
