"""Log lines that say which request and which run they belong to."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import UTC, datetime

from django.core.exceptions import BadRequest, PermissionDenied, SuspiciousOperation
from django.http import HttpRequest


@dataclass(frozen=True)
class About:
    """What is being worked on; empty where it is none."""

    request_id: str = ""
    run_id: str = ""


_request: ContextVar[HttpRequest | None] = ContextVar("request", default=None)
_about: ContextVar[About | None] = ContextVar("about", default=None)


def serving(request: HttpRequest | None) -> None:
    """From here on, lines of this thread of control belong to `request`, or to none."""
    _request.set(request)


@contextmanager
def about(run_id: object, request_id: str = "") -> Iterator[None]:
    """Lines inside belong to this run, and to the request that asked for it."""
    before = _about.set(About(request_id or origin().request_id, str(run_id)))
    try:
        yield
    finally:
        _about.reset(before)


def origin() -> About:
    """What is being worked on right here: a named run, else the request's own."""
    if said := _about.get():
        return said
    request = _request.get()
    if request is None:
        return About()
    match = getattr(request, "resolver_match", None)
    run = str(match.kwargs.get("run_id", "")) if match else ""
    return About(getattr(request, "id", ""), run)


class Origin(logging.Filter):
    """Puts request_id and run_id on every record, and both as words for plain lines."""

    def filter(self, record: logging.LogRecord) -> bool:
        found = origin()
        record.request_id, record.run_id = found.request_id, found.run_id
        named = {"request": found.request_id, "run": found.run_id}
        said = " ".join(f"{name} {value}" for name, value in named.items() if value)
        record.origin = f" [{said}]" if said else ""
        return True


class Refusals(logging.Filter):
    """Takes the traceback off what was refused on purpose: nothing broke there."""

    def filter(self, record: logging.LogRecord) -> bool:
        raised = record.exc_info[1] if record.exc_info else None
        if isinstance(raised, PermissionDenied | SuspiciousOperation | BadRequest):
            record.exc_info = record.exc_text = None
        return True


class AsJson(logging.Formatter):
    """One JSON object a line; `extra={"said": {…}}` adds fields."""

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            "request_id": getattr(record, "request_id", ""),
            "run_id": getattr(record, "run_id", ""),
            **getattr(record, "said", {}),
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str)
