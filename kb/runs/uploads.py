"""Pictures from strangers: capped while they stream, checked, written anew as PNG."""

from __future__ import annotations

import json
import secrets
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from django.core.files.uploadedfile import TemporaryUploadedFile, UploadedFile
from django.core.files.uploadhandler import TemporaryFileUploadHandler

from demos.specs import DEMOS, MAX_BYTES
from kb.runs.refusals import Refused

# As many pictures as any demo takes, and the form around them.
MAX_BODY = max(demo.images[1] for demo in DEMOS.values()) * MAX_BYTES + (1 << 20)
TOO_LARGE = f"The picture is larger than {MAX_BYTES // 10**6} MB. Send a smaller one."
STATUS = {
    "empty": 400, "truncated": 400, "too_small": 400,
    "too_large": 413, "not_an_image": 415, "unsupported": 415,
}


class CappedFile(TemporaryFileUploadHandler):
    """Writes at most MAX_BYTES of a file to disk, and only counts what follows.

    The size tells the view that the file was too large, so it answers 413 with a
    sentence; an exception here would end as a bare 400.
    """

    def new_file(self, *args: Any, **kwargs: Any) -> None:
        """Start counting again for each file of the form."""
        super().new_file(*args, **kwargs)
        self.received = 0

    def receive_data_chunk(self, raw_data: bytes, start: int) -> None:
        """Keep the chunk while the file is within the cap."""
        self.received += len(raw_data)
        if self.received <= MAX_BYTES:
            super().receive_data_chunk(raw_data, start)


def store(upload: UploadedFile, folder: Path, field: str) -> str:
    """Check the upload and write its pixels as PNG into `folder`; returns the name.

    Raises Refused. Nothing of the file but its pixels is kept: upright, RGB, no
    metadata, under a random name.
    """
    from demos import images  # Pillow and NumPy: not needed for any page

    if (upload.size or 0) > MAX_BYTES:
        raise Refused(413, "too_large", TOO_LARGE, field)
    assert isinstance(upload, TemporaryUploadedFile), "CappedFile makes no other"
    try:
        picture = images.read(Path(upload.temporary_file_path()))
    except images.ImageError as error:
        status = STATUS[error.code]
        raise Refused(status, error.code, error.message, field) from error
    folder.mkdir(parents=True, exist_ok=True)
    name = f"{secrets.token_hex(8)}.png"
    picture.info.clear()  # a colour profile would be written along
    # Level 1: five times as fast as the default, and the files are short-lived.
    picture.save(folder / name, "PNG", compress_level=1)
    return name


class BodyLimit:
    """ASGI wrapper that stops reading a body at the cap.

    Django's ASGI handler writes a whole body to a temporary file before any upload
    handler sees it, so the cap has to stand in front of it.
    """

    def __init__(self, app: Callable[..., Awaitable[None]], limit: int = MAX_BODY):
        self.app = app
        self.limit = limit

    async def __call__(
        self, scope: dict, receive: Callable[[], Awaitable[dict]],
        send: Callable[[dict], Awaitable[None]],
    ) -> None:
        """Answer 413 where the body is, or turns out to be, larger than the cap."""
        declared = dict(scope.get("headers", ())).get(b"content-length", b"0")
        if declared.isdigit() and int(declared) > self.limit:
            await refuse(scope, send)
            return
        received = 0

        async def counted() -> dict:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > self.limit:
                raise BodyTooLarge
            return message

        try:
            await self.app(scope, counted, send)
        except BodyTooLarge:
            await refuse(scope, send)


class BodyTooLarge(Exception):
    """More bytes came than the cap allows."""


async def refuse(scope: dict, send: Callable[[dict], Awaitable[None]]) -> None:
    """Send 413: JSON to clients of the API, a sentence to a browser."""
    kind, body = "text/plain; charset=utf-8", TOO_LARGE
    if scope["path"].startswith("/api/"):
        kind = "application/json"
        error = {"code": "too_large", "message": TOO_LARGE, "field": "image"}
        body = json.dumps({"error": error})
    headers = [(b"content-type", kind.encode()), (b"connection", b"close")]
    start = {"type": "http.response.start", "status": 413, "headers": headers}
    await send(start)
    await send({"type": "http.response.body", "body": body.encode()})
