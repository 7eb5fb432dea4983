"""Pictures that are stored already: a run's, the example, or a form's that came back.

A form that comes back cannot have its file fields filled in, so what was sent stays in
a folder that no row stands for, and the form carries a signed token that names it. The
sweep removes such folders after an hour.
"""

from __future__ import annotations

import os
import shutil
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from django.conf import settings
from django.core import signing
from django.core.files.uploadedfile import UploadedFile

from kb.runs.models import Run
from kb.runs.refusals import Refused
from kb.runs.uploads import store

SALT = "kb.runs.kept"


@dataclass(frozen=True)
class Kept:
    """Stored pictures, one name for each field of a form, "" where there is none."""

    folder: Path
    names: Sequence[str]

    @property
    def token(self) -> str:
        """What a form carries, so that the next try finds these pictures."""
        return signing.dumps([self.folder.name, list(self.names)], salt=SALT)

    def files(self) -> list[Path]:
        """Paths of the pictures."""
        return [self.folder / name for name in self.names if name]


# As many are taken as a form has fields.
EXAMPLE = Kept(
    settings.BASE_DIR / "static" / "examples", ["cat.png", "abyssinian.png"]
)
EXAMPLE_CLIP = Kept(EXAMPLE.folder, ["rabbit.webp"])


def from_token(token: str) -> Kept | None:
    """The pictures that a token of ours names; None for anything else."""
    try:
        folder, names = signing.loads(token, salt=SALT)
    except signing.BadSignature:
        return None
    return Kept(Path(settings.MEDIA_ROOT) / folder, names)


def keep(
    fields: Sequence[str], sent: Mapping[str, UploadedFile], before: Kept | None,
    clip: bool,
) -> Kept | None:
    """Keep what a form brought for its next try; None for nothing. Raises Refused."""
    folder = Run(pk=uuid.uuid4()).folder
    names = collect(fields, sent, before, folder, clip)
    return Kept(folder, names) if any(names) else None


def collect(
    fields: Sequence[str], sent: Mapping[str, UploadedFile], kept: Kept | None,
    folder: Path, clip: bool,
) -> list[str]:
    """Names of the pictures put into `folder`, one for each field, "" for none.

    A picture that was sent is stored anew; where none was, the kept one is taken.
    clip: with all frames of what moves. Raises Refused, leaving no files.
    """
    known = dict(zip(fields, kept.names if kept else (), strict=False))
    names = []
    try:
        for field in fields:
            if field in sent:
                names.append(store(sent[field], folder, field, clip))
            else:
                names.append(reuse(kept, known.get(field, ""), folder, field))
    except Refused:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    return names


def reuse(kept: Kept | None, name: str, folder: Path, field: str) -> str:
    """The kept picture of that name in another folder as well. Raises Refused."""
    if kept is None or not name:
        return ""
    folder.mkdir(parents=True, exist_ok=True)
    try:
        link(kept.folder / name, folder / name)
    except FileNotFoundError as error:
        message = "The picture is no longer kept. Choose it again."
        raise Refused(400, "missing", message, field) from error
    return name


def link(source: Path, target: Path) -> None:
    """A second name for the same bytes costs nothing; between two disks, a copy.

    Stored pictures are never written again, so two runs may share one.
    """
    try:
        os.link(source, target)
    except FileNotFoundError:
        raise
    except OSError:
        shutil.copyfile(source, target)
