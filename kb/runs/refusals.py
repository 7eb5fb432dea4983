"""A request that is turned down: one shape for the form, the API and the uploads."""

from __future__ import annotations

from kb.runs.counters import REFUSED


class Refused(ValueError):
    """Says why in words; `status` is the HTTP status, `field` what to change.

    retry_after: seconds until another try makes sense, for 429.
    """

    def __init__(
        self, status: int, code: str, message: str, field: str = "", *,
        retry_after: int | None = None,
    ):
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.field = field
        self.retry_after = retry_after
        REFUSED.labels(code).inc()  # one is made to be shown, and for nothing else
