"""Who is asking: a random signed cookie from our forms, else the hashed address."""

from __future__ import annotations

import secrets
from dataclasses import dataclass

from django.conf import settings
from django.core import signing
from django.http import HttpRequest, HttpResponse
from django.utils.crypto import salted_hmac

from kb.gate.address import address_of, neighbourhood

COOKIE = "visitor"
YEAR = 365 * 24 * 3600


@dataclass(frozen=True)
class Visitor:
    """`id` owns runs and takes turns; `address` is a keyed hash of where it comes from.

    Whoever drops the cookie is somebody else by `id`, and the same by `address`.
    """

    id: str
    address: str

    @property
    def names(self) -> tuple[str, str]:
        """What its runs may be under: it may have come without a cookie at first."""
        return self.id, f"address:{self.address}"


def visitor_of(request: HttpRequest) -> Visitor:
    """The visitor behind a request; a cookie we did not sign counts for nothing."""
    place = neighbourhood(address_of(request))
    address = salted_hmac("kb.runs.address", place).hexdigest()[:32]
    try:
        own = request.get_signed_cookie(COOKIE, default="")
    except signing.BadSignature:
        own = ""
    return Visitor(f"cookie:{own}" if own else f"address:{address}", address)


def introduce(request: HttpRequest, response: HttpResponse) -> HttpResponse:
    """Give a visitor of an HTML form a cookie, so the runs made there are theirs."""
    if visitor_of(request).id.startswith("address:"):
        response.set_signed_cookie(
            COOKIE, secrets.token_urlsafe(16), max_age=YEAR, httponly=True,
            samesite="Lax", secure=settings.SESSION_COOKIE_SECURE,
        )
    return response
