"""Forms as no browser sends them: names that are paths, parts without an end."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from tests.uploads.case import jpeg

EDGE = "----edge"
KIND = f"multipart/form-data; boundary={EDGE}"
FIELDS = {"demo": "reconstruction", "paper": "mae"}
CLIP = {"demo": "time_arrow", "paper": "arrow_of_time"}


@dataclass(frozen=True)
class Form:
    """One POST: more fields that the door asks for come before its own parts.

    taken: the picture in it is good and should make a run.
    """

    name: str
    body: Callable[[Mapping[str, str]], bytes]
    taken: bool = False
    kind: str = KIND
    length: int | None = None  # what is announced, where that is a lie


def part(disposition: bytes, data: bytes, kind: bytes = b"image/jpeg", *more: bytes) -> bytes:
    """One part of a form."""
    head = [b"Content-Disposition: form-data; " + disposition, b"Content-Type: " + kind, *more]
    return b"--" + EDGE.encode() + b"\r\n" + b"\r\n".join(head) + b"\r\n\r\n" + data + b"\r\n"


def whole(fields: Mapping[str, str], *parts: bytes, end: bytes = b"--\r\n") -> bytes:
    """A form of text fields and these parts."""
    texts = (part(b'name="%s"' % n.encode(), v.encode(), b"text/plain") for n, v in fields.items())
    return b"".join((*texts, *parts)) + b"--" + EDGE.encode() + end


def picture(name: bytes, quote: bytes = b'"') -> bytes:
    """A good picture under a file name."""
    return part(b'name="image"; filename=' + quote + name + quote, jpeg())


def named(title: str, name: bytes, taken: bool = True) -> Form:
    """A good picture under a bad name."""
    return Form(title, lambda fields: whole(fields, picture(name)), taken)


NAMES = (
    named("name: up and away", b"../../../../../../tmp/evil.png"),
    named("name: from the root", b"/etc/passwd"),
    named("name: backslashes", b"..\\..\\windows\\system32\\evil.dll"),
    named("name: only dots", b"..", taken=False),
    named("name: NUL", b"evil.png\0.jpg"),
    named("name: NUL in the ending", b"evil.p\0ng"),
    named("name: 5000 characters", b"a" * 5000 + b".jpg", taken=False),
    named("name: 800 characters", b"a" * 800 + b".jpg"),
    named("name: ending of 800 characters", b"a." + b"j" * 800),
    named("name: written from right to left", "photo\u202egpj.exe".encode()),
    named("name: a script", b"<img src=x onerror=alert(1)>.jpg"),
    named("name: not UTF-8", b"\xff\xfe\xfd.jpg", taken=False),
    named("name: a command", b"$(reboot);`id`|cat.jpg"),
    named("name: a device", b"CON.jpg"),
    named("name: a file of the server", b".htaccess"),
    named("name: line breaks", b"a\r\nSet-Cookie: evil=1\r\n\r\n.jpg", taken=False),
    named("name: quotes", b'a\\".jpg"; filename="b.php'),
    named("name: nothing", b"", taken=False),
    Form("name: two names", lambda f: whole(f, part(b'name="image"; filename="a.jpg"; filename*=UTF-8\'\'%2e%2e%2fb', jpeg())), True),
    Form("name: unknown alphabet", lambda f: whole(f, part(b"name=\"image\"; filename*=nothing''a.jpg", jpeg()))),
)
TRICKS = (
    Form("no edge named", lambda f: whole(f, picture(b"a.jpg")), kind="multipart/form-data"),
    Form("another edge", lambda f: whole(f, picture(b"a.jpg")), kind="multipart/form-data; boundary=other"),
    Form("an edge that may not be", lambda f: whole(f, picture(b"a.jpg")), kind="multipart/form-data; boundary=\u00e9"),
    Form("an edge of 5000 characters", lambda f: whole(f, picture(b"a.jpg")), kind="multipart/form-data; boundary=" + "x" * 5000),
    Form("unknown alphabet", lambda f: whole(f, picture(b"a.jpg")), True, KIND + "; charset=nothing"),
    Form("not multipart", lambda f: whole(f, picture(b"a.jpg")), kind="text/plain"),
    Form("JSON", lambda f: b"{}", kind="application/json"),
    Form("nothing at all", lambda f: b""),
    Form("no end", lambda f: whole(f, picture(b"a.jpg"), end=b"")),
    Form("ends in the picture", lambda f: whole(f, picture(b"a.jpg"))[:-500]),
    Form("only edges", lambda f: (b"--" + EDGE.encode() + b"\r\n") * 5000),
    Form("the picture twice", lambda f: whole(f, picture(b"a.jpg"), picture(b"b.jpg")), True),
    Form("five pictures", lambda f: whole(f, *[picture(b"a.jpg")] * 5)),
    Form("1000 fields", lambda f: whole(f | {f"f{n}": "x" for n in range(1000)}, picture(b"a.jpg"))),
    Form("2 MB in a field", lambda f: whole(f | {"options": "x" * (2 << 20)}, picture(b"a.jpg"))),
    Form("a picture as text", lambda f: whole(f | {"image": "GIF89a"})),
    Form("text as a picture", lambda f: whole(f, part(b'name="image"; filename="a.jpg"', b"hello"))),
    Form("a form in the form", lambda f: whole(f, part(b'name="image"', b"--in\r\nContent-Disposition: file; filename=a.jpg\r\n\r\n" + jpeg() + b"\r\n--in--", b"multipart/mixed; boundary=in"))),
    Form("base64 that is none", lambda f: whole(f, part(b'name="image"; filename="a.jpg"', b"=?!" * 999, b"image/jpeg", b"Content-Transfer-Encoding: base64"))),
    Form("a field without a name", lambda f: whole(f, picture(b"a.jpg"), part(b'filename="b.jpg"', jpeg())), True),
    Form("a part without a head", lambda f: whole(f, b"--" + EDGE.encode() + b"\r\n\r\nx\r\n", picture(b"a.jpg")), True),
    Form("a head of 1 MB", lambda f: whole(f, part(b'name="image"; filename="a.jpg"; x="' + b"x" * (1 << 20) + b'"', jpeg()))),
    Form("surrogates in the options", lambda f: whole(f | {"options": '{"seed": "\\ud800"}', "seed": "\\ud800"}, picture(b"a.jpg"))),
    Form("NUL in a field", lambda f: whole(f | {"paper": "mae\0", "from": "\0", "seed": "\0"}, picture(b"a.jpg"))),
    Form("a picture where none belongs", lambda f: whole(f, picture(b"a.jpg"), part(b'name="../x"; filename="a.jpg"', jpeg()))),
    Form("less than announced", lambda f: whole(f, picture(b"a.jpg")), length=10**6),
    Form("more than announced", lambda f: whole(f, picture(b"a.jpg")), length=300),
    Form("100 GB announced", lambda f: whole(f, picture(b"a.jpg")), length=10**11),
    Form("minus one announced", lambda f: whole(f, picture(b"a.jpg")), length=-1),
)
FORMS = (*NAMES, *TRICKS)
