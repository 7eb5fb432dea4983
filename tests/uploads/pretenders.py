"""Files that are two things at once, half a thing, or something else altogether."""

from __future__ import annotations

import io
import os
import zipfile
import zlib
from functools import partial

from demos.specs import MAX_BYTES
from tests.uploads.case import TAKEN, Case, case, encoded, gif, jpeg, scene
from tests.uploads.films import riff
from tests.uploads.pngs import png

FORMATS = {"PNG": {}, "JPEG": {}, "WEBP": {}, "GIF": {}, "BMP": {}, "TIFF": {"compression": "tiff_lzw"}}
HTML = b"<!DOCTYPE html><html><script>alert(document.cookie)</script></html>"
SVG = b'<svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"/>'
LAUGHS = b'<?xml version="1.0"?><!DOCTYPE a [<!ENTITY b "' + b"ha" * 99 + b'"><!ENTITY c "&b;&b;&b;&b;&b;">]><svg>&c;&c;</svg>'
PDF = b"%PDF-1.7\n1 0 obj<</OpenAction<</S/JavaScript/JS(app.alert(1))>>>>endobj\n"


def archive() -> bytes:
    """A zip with a member that wants to be elsewhere."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as made:
        made.writestr("../../evil.sh", "echo evil")
    return file.getvalue()


def cut(format: str, share: float) -> bytes:
    """The first part of a good file."""
    whole = encoded(scene((320, 240)), format, **FORMATS[format])
    return whole[: max(1, int(len(whole) * share))]


def truncated() -> list[Case]:
    """Every format, cut off early, in the middle and near the end."""
    ends = ("truncated", "not_an_image", TAKEN)
    return [
        case(f"cut_at_{share:.0%}.{format.lower()}", partial(cut, format, share), *(ends if share < 0.2 or share > 0.9 or format in ("WEBP", "TIFF") else ends[:1]))
        for format in FORMATS for share in (0.03, 0.5, 0.97)
    ]


def polyglots() -> list[Case]:
    """A picture to one reader, something else to another."""
    return [
        case("gif_and_jar.gif", lambda: gif() + archive()),
        case("png_and_html.png", lambda: png() + HTML),
        case("jpeg_and_zip.jpg", lambda: jpeg() + archive()),
        case("jpeg_and_pdf.jpg", lambda: jpeg() + PDF),
        case("pdf_and_jpeg.jpg", lambda: PDF + jpeg(), "unsupported"),
        case("html_and_png.png", lambda: HTML + png(), "unsupported"),
        case("gif_and_script.gif", lambda: b"GIF89a/*" + gif()[8:] + b"*/=alert(1)", TAKEN, "truncated", "not_an_image", "too_large", "too_small"),
        case("webp_and_script.webp", lambda: encoded(scene(), "WEBP") + b"<script>alert(1)</script>"),
        case("jpeg_named.png", jpeg),
        case("png_named.exe", png),
        case("gif_without_a_name", gif),
    ]


def impostors() -> list[Case]:
    """No picture, or none of the allowed kinds, under a picture's name."""
    other = {
        "zip.jpg": archive(), "html.jpg": HTML, "svg.png": SVG, "entity_bomb.png": LAUGHS,
        "svg_after_a_long_comment.png": b"<!--" + b"x" * 3000 + b"-->" + SVG, "pdf.jpg": PDF,
        "svgz.png": b"\x1f\x8b\x08" + zlib.compress(SVG),
        "phone.heic": b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(99),
        "film.mp4": b"\0\0\0\x18ftypisom\0\0\2\0isomiso2" + bytes(99),
        "film.webm": b"\x1aE\xdf\xa3" + bytes(99), "film.avi": riff().replace(b"WEBP", b"AVI LIST"),
        "picture.jxl": b"\xff\x0a" + bytes(99), "icon.ico": b"\0\0\1\0\1\0\x10\x10" + bytes(99),
        "drawing.eps": b"%!PS-Adobe-3.0 EPSF-3.0\n(%pipe%id) (w) file", "drawing.psd": b"8BPS\0\1" + bytes(99),
        "picture.avif": encoded(scene(), "AVIF"), "picture.jp2": encoded(scene(), "JPEG2000"),
    }
    nothing = {
        "empty_byte.jpg": b"x", "zeros.png": bytes(99_999), "ones.jpg": b"\xff" * 10**6,
        "random.jpg": os.urandom(10**5), "programme.jpg": b"MZ" + bytes(999), "elf.png": b"\x7fELF" + bytes(999),
        "php.jpg": b"<?php system($_GET[0]); ?>", "huge.ppm": b"P6 99999 99999 255\n", "picture.tga": encoded(scene(), "TGA"),
        "picture.xbm": b"#define x_width 9999999\n#define x_height 9999999\nstatic char x[] = {", "picture.dds": b"DDS " + bytes(124),
        "utf16.svg": SVG.decode().encode("utf-16"),
    }
    return [
        case("empty.jpg", bytes, "empty"),
        case("too_many_bytes.png", lambda: bytes(MAX_BYTES + 1), "too_large"),
        *(case(name, lambda data=data: data, "unsupported") for name, data in other.items()),
        *(case(name, lambda data=data: data, "not_an_image", "truncated") for name, data in nothing.items()),
    ]


def cases() -> list[Case]:
    """All of them."""
    return [*polyglots(), *impostors(), *truncated()]
