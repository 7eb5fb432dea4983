"""A database that does not answer or a disk that takes nothing: 503 in words.

`/readyz` and `manage.py doctor` say which of the two it is.
"""

from __future__ import annotations

import errno
import logging

from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse
from django.utils.deprecation import MiddlewareMixin

from kb.gate.later import later

log = logging.getLogger(__name__)

RETRY_AFTER = 30  # seconds
NO_DISK = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO)
MESSAGE = (
    "The site's database or disk cannot be used just now. Runs that were sent before "
    "are kept; send yours again in a minute."
)


def disk_is_away(error: BaseException) -> bool:
    """True where the disk is full, or cannot be written to at all."""
    return isinstance(error, OSError) and error.errno in NO_DISK


class Outages(MiddlewareMixin):
    """Answers where a view ended in what is the machine's fault, and will pass."""

    def process_exception(
        self, request: HttpRequest, error: Exception
    ) -> HttpResponse | None:
        """None leaves every other exception to be the 500 that it is."""
        away = isinstance(error, OperationalError | InterfaceError)
        if not away and not disk_is_away(error):
            return None
        log.error("%s: %s", request.path, error)
        return later(
            request, 503, "unavailable", "Not just now", MESSAGE, RETRY_AFTER
        )
