"""Pictures and clips of strangers: capped as they stream, decoded elsewhere."""

from __future__ import annotations

import asyncio
import hashlib
import json
import secrets
import shutil
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, Any

from django.conf import settings
from django.core.files.uploadedfile import UploadedFile
from django.core.files.uploadhandler import FileUploadHandler

from demos.intake.sandbox import SANDBOX, WAIT, Busy
from demos.specs import DEMOS, MAX_BYTES
from kb.runs.refusals import Refused

# As many pictures as any demo takes, and the form around them.
MAX_BODY = max(demo.images[1] for demo in DEMOS.values()) * MAX_BYTES + (1 << 20)
TOO_LARGE = (
    f"The file is larger than {MAX_BYTES // 10**6} MB. Send a smaller one: scale a "
    "picture down, cut a video to the seconds that matter."
)
STATUS = {
    "empty": 400, "truncated": 400, "too_small": 400, "undecodable": 400,
    "too_large": 413, "not_an_image": 415, "unsupported": 415, "no_room": 503,
}

# What became of the latest files, by their hash and whether as clips: the same bytes
# again need no decoding.
KNOWN: OrderedDict[tuple[str, bool], Path] = OrderedDict()
MOST_KNOWN = 1000

LINGER_SECONDS = 30  # as nginx does


class CappedFile(FileUploadHandler):
    """Writes at most MAX_BYTES of a file to disk, and only counts what follows.

    The size tells the view that the file was too large, so it answers 413 with a
    sentence; an exception here would end as a bare 400. The file on disk has no name:
    none that a visitor chose, and none that a killed server could leave behind.
    """

    def new_file(self, *args: Any, **kwargs: Any) -> None:
        """Start again for each file of the form."""
        super().new_file(*args, **kwargs)
        folder = settings.FILE_UPLOAD_TEMP_DIR
        self.file = TemporaryFile(dir=folder)  # noqa: SIM115  the request closes it
        self.received = 0

    def receive_data_chunk(self, raw_data: bytes, start: int) -> None:
        """Keep the chunk while the file is within the cap."""
        self.received += len(raw_data)
        if self.received <= MAX_BYTES:
            self.file.write(raw_data)

    def file_complete(self, file_size: int) -> UploadedFile:
        """What the view finds in request.FILES."""
        self.file.flush()
        return UploadedFile(self.file, "picture", self.content_type, file_size)

    def upload_interrupted(self) -> None:
        """Let go of a file whose end will not come."""
        if not self.file.closed:
            self.file.close()


def store(
    upload: UploadedFile, folder: Path, field: str, clip: bool = False
) -> str:
    """Check the upload and write its pixels as PNG into `folder`; returns the name.

    clip: frames of what moves, a video too, as an animated PNG. Raises Refused. Nothing
    of the file but its pixels is kept: upright, sRGB, no metadata, under a random name.
    The same pixels give the same bytes.
    """
    if (upload.size or 0) > MAX_BYTES:
        raise Refused(413, "too_large", TOO_LARGE, field)
    assert upload.file is not None, "CappedFile gives it one"
    known_as = hashlib.sha256()
    for chunk in upload.chunks():
        known_as.update(chunk)
    known = (known_as.hexdigest(), clip)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{secrets.token_hex(8)}.png"
    try:
        shutil.copyfile(KNOWN[known], path)
    except (KeyError, FileNotFoundError):  # new, or deleted meanwhile
        convert(upload.file, path, field, clip)
    KNOWN.pop(known, None)  # a thread beside this one may have been quicker
    KNOWN[known] = path
    if len(KNOWN) > MOST_KNOWN:
        KNOWN.popitem(last=False)
    return path.name


def convert(file: IO[bytes], path: Path, field: str, clip: bool) -> None:
    """Have a file decoded and written to `path`. Raises Refused."""
    file.seek(0)
    try:
        with path.open("xb") as target:
            wrong = SANDBOX.decode(file, target, clip)
    except Busy as error:
        message = "Many pictures are being read now. Send yours again in a moment."
        raise Refused(429, "busy", message, field, retry_after=WAIT) from error
    if wrong:
        status = STATUS[wrong["code"]]
        raise Refused(status, wrong["code"], wrong["message"], field)


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
            await refuse(scope, receive, send)
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
            await refuse(scope, receive, send)


class BodyTooLarge(Exception):
    """More bytes came than the cap allows."""


async def refuse(
    scope: dict, receive: Callable[[], Awaitable[dict]],
    send: Callable[[dict], Awaitable[None]],
) -> None:
    """Send 413: JSON to clients of the API, a sentence to a browser.

    What is still under way is read and dropped for a while: to close on somebody who
    sends resets the connection, and takes the answer out of their hands.
    """
    kind, body = "text/plain; charset=utf-8", TOO_LARGE.encode()
    if scope["path"].startswith("/api/"):
        kind = "application/json"
        error = {"code": "too_large", "message": TOO_LARGE, "field": "image"}
        body = json.dumps({"error": error}).encode()
    headers = [
        (b"content-type", kind.encode()), (b"connection", b"close"),
        # So that whoever has stopped sending sees the end of it at once.
        (b"content-length", str(len(body)).encode()),
        # The site's own headers are put on further inside.
        (b"content-security-policy", b"default-src 'none'"),
        (b"x-content-type-options", b"nosniff"),
    ]
    start = {"type": "http.response.start", "status": 413, "headers": headers}
    await send(start)
    await send({"type": "http.response.body", "body": body, "more_body": True})
    with suppress(TimeoutError):
        async with asyncio.timeout(LINGER_SECONDS):
            while (await receive()).get("more_body"):
                pass
    await send({"type": "http.response.body", "body": b""})
