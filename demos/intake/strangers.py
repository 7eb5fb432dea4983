"""What arrives in place of a picture, told by its first bytes, and what to do then."""

from __future__ import annotations

from demos.specs import DEMOS, VIDEO_FORMATS

PHONE = ("a HEIC photo", "Export it as JPEG; an iPhone sends JPEG by itself once its "
         "camera format is set to Most Compatible")
CLIPS = ", ".join(demo.title for demo in DEMOS.values() if demo.clip)
FILM = ("a video", "Take a still from it, such as a screenshot, and send that. The "
        f"demos of clips take {', '.join(VIDEO_FORMATS)}: {CLIPS}")
EXPORT = "Export it as PNG or JPEG"
UNPACK = "Take the picture out of it and send that"
# A mark, where it stands (None: anywhere in the first bytes, in any case), what has it,
# and the remedy.
KINDS: tuple[tuple[bytes, int | None, str, str], ...] = (
    (b"ftyphei", 4, *PHONE), (b"ftyphev", 4, *PHONE), (b"ftypmif1", 4, *PHONE),
    (b"ftypmsf1", 4, *PHONE),
    (b"ftypavi", 4, "an AVIF picture", EXPORT),
    (b"ftypcrx", 4, "a camera's raw file", EXPORT),
    (b"ftyp", 4, *FILM), (b"moov", 4, *FILM), (b"mdat", 4, *FILM),
    (b"\0\0\0\x08wide", 0, *FILM), (b"\x1aE\xdf\xa3", 0, *FILM), (b"AVI ", 8, *FILM),
    (b"\x00\x00\x01\xba", 0, *FILM), (b"FLV\x01", 0, *FILM), (b"OggS", 0, *FILM),
    (b"\x30\x26\xb2\x75\x8e\x66\xcf\x11", 0, *FILM),
    (b"\xff\x0a", 0, "a JPEG XL picture", EXPORT),
    (b"JXL ", 4, "a JPEG XL picture", EXPORT),
    (b"jP  ", 4, "a JPEG 2000 picture", EXPORT),
    (b"\xffO\xffQ", 0, "a JPEG 2000 picture", EXPORT),
    (b"8BPS", 0, "a Photoshop file", EXPORT),
    (b"FUJIFILMCCD-RAW", 0, "a camera's raw file", EXPORT),
    (b"\x00\x00\x01\x00", 0, "an icon", EXPORT),
    (b"v/1\x01", 0, "an OpenEXR picture", EXPORT),
    (b"%!PS", 0, "a PostScript drawing", EXPORT),
    (b"PK\x03\x04", 0, "an archive or an office document", UNPACK),
    (b"Rar!", 0, "an archive", UNPACK),
    (b"7z\xbc\xaf", 0, "an archive", UNPACK),
    (b"\x1f\x8b", 0, "a compressed file", "Unpack it first"),
    (b"%PDF", None, "a PDF", "Save the page or the figure as PNG"),
    (b"<svg", None, "an SVG drawing", EXPORT),
    (b"<!doctype html", None, "a web page", "Save the picture itself"),
    (b"<html", None, "a web page", "Save the picture itself"),
)


# FFmpeg's names of what reads those videos that can be clips, by their marks.
READERS = {
    b"ftyp": "mov", b"moov": "mov", b"mdat": "mov", b"\0\0\0\x08wide": "mov",
    b"\x1aE\xdf\xa3": "matroska", b"AVI ": "avi",
}


def stranger(head: bytes) -> str | None:
    """The sentence for a file that begins with these bytes; None for an unknown one."""
    if kind := known(head):
        _, _, what, remedy = kind
        return f"This is {what}, which cannot be read here. {remedy}."
    return None


def reader(head: bytes) -> str | None:
    """What reads the video that begins with these bytes; None for everything else."""
    kind = known(head)
    return READERS.get(kind[0]) if kind else None


def known(head: bytes) -> tuple[bytes, int | None, str, str] | None:
    """The first of the kinds that a file with these first bytes can be."""
    lower = head.lower()
    for kind in KINDS:
        mark, at = kind[:2]
        there = mark.lower() in lower if at is None else head.startswith(mark, at)
        if there:
            return kind
    return None
