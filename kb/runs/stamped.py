"""A result sent as a picture: what made it, read from inside and trusted in nothing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from tempfile import TemporaryFile

from django.core.files.uploadedfile import UploadedFile

from demos.specs import MAX_BYTES, Demo, OptionError, check_options
from kb.catalogue.library import Paper, library
from kb.runs import kept, orders
from kb.runs.refusals import Refused


@dataclass(frozen=True)
class Found:
    """What a stamp says that still holds here: demo and paper are ones of ours."""

    demo: Demo
    paper: str
    options: dict
    pictures: kept.Kept | None  # what the result was made from, where the stamp has it
    code_version: str
    weights: str

    @property
    def entry(self) -> Paper | None:
        """The paper's entry."""
        return library().get(self.paper)


def find(files: Mapping[str, UploadedFile]) -> Found | None:
    """The first of the uploads that carries a stamp that can be used."""
    return next(filter(None, map(read, files.values())), None)


def read(upload: UploadedFile) -> Found | None:
    """What the upload's stamp says, checked as if a stranger had typed it."""
    from demos import stamps  # Pillow: not needed for any page

    if (upload.size or 0) > MAX_BYTES:
        return None
    upload.seek(0)
    stamp = stamps.read(upload.read())
    if stamp is None:
        return None
    try:
        demo = orders.offered(stamp.paper, stamp.demo)
    except Refused:
        return None
    pictures = keep(demo, [stamp.picture, *stamp.others] if stamp.picture else [])
    options = dict(usable(demo, stamp.options))
    return Found(
        demo, stamp.paper, options, pictures, stamp.code_version, stamp.weights
    )


def usable(demo: Demo, options: Mapping) -> Iterable[tuple[str, object]]:
    """The options that the demo takes today, each checked by itself."""
    for option in demo.options:
        try:
            checked = check_options(demo, {option.name: options.get(option.name)})
        except OptionError:
            continue  # its default is as good as what an older version took
        yield option.name, checked[option.name]


def keep(demo: Demo, pictures: Sequence[bytes]) -> kept.Kept | None:
    """The pictures inside, stored as every upload is; None where one cannot be."""
    fields = orders.image_fields(demo)
    with ExitStack() as files:
        sent = {}
        for field, data in zip(fields, pictures, strict=False):
            file = files.enter_context(TemporaryFile())
            file.write(data)
            sent[field] = UploadedFile(file, "picture", "image/png", len(data))
        try:
            return kept.keep(fields, sent, None, demo.clip)
        except Refused:
            return None
