"""Odd files in: the right picture, or an error with its code."""

import contextlib
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from demos.intake import images, pixels
from demos.intake.images import ImageError


def saved(tmp_path, name, image, **options):
    image.save(tmp_path / name, **options)
    return tmp_path / name


def grey(value, mode="L", size=(20, 12)):
    return Image.new(mode, size, value)


def plain(image):
    return np.asarray(pixels.to_rgb(pixels.smooth(image)))


@pytest.mark.parametrize("kind", ["jpg", "png", "webp", "gif", "bmp", "tif"])
def test_every_allowed_format_is_read(tmp_path, picture, kind):
    read = images.read(saved(tmp_path, f"a.{kind}", picture))
    assert read.mode == "RGB"
    assert read.size == picture.size
    error = np.asarray(read, dtype=float) - np.asarray(picture, dtype=float)
    assert np.abs(error).mean() < 8


def test_the_name_of_a_file_means_nothing(tmp_path, picture):
    path = saved(tmp_path, "really_a_png.jpg", picture, format="PNG")
    assert images.read(path).tobytes() == picture.tobytes()


@pytest.mark.parametrize("mode", ["I;16", "I;16B", "I;16L"])
def test_sixteen_bits_are_scaled_not_clipped(mode):
    order = ">u2" if mode.endswith("B") else "<u2"
    half = np.full((12, 20), 32768, dtype=order)
    image = Image.frombytes(mode, (20, 12), half.tobytes())
    assert plain(image).mean() == 128


def test_a_dark_sixteen_bit_picture_stays_dark():
    image = Image.fromarray(np.full((12, 20), 100, dtype=np.uint16))
    assert plain(image).max() == 0


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (np.full((9, 9), 0.5, np.float32), 128),
        (np.full((9, 9), 51.0, np.float32), 51),
        (np.full((9, 9), 200, np.int32), 200),
        (np.full((9, 9), 65535, np.int32), 255),
        (np.full((9, 9), np.nan, np.float32), 0),
    ],
)
def test_floats_and_long_integers_find_their_scale(values, expected):
    assert plain(Image.fromarray(values)).max() == expected


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        (grey((0, 0, 0, 0), "RGBA"), (255, 255, 255)),
        (grey((200, 0, 0, 128), "RGBA"), (227, 127, 127)),
        (grey((0, 0), "LA"), (255, 255, 255)),
        (grey((0, 0, 0, 255), "CMYK"), (0, 0, 0)),
        (grey(1, "1"), (255, 255, 255)),
        (grey(77, "L"), (77, 77, 77)),
    ],
)
def test_other_modes_become_rgb_on_white(image, expected):
    assert plain(image)[3, 3] == pytest.approx(expected, abs=1)


def test_a_transparent_palette_entry_becomes_white(tmp_path):
    image = grey(0, "P")
    image.putpalette([10, 200, 30])
    path = saved(tmp_path, "p.png", image, transparency=0)
    assert images.read(path).getpixel((3, 3)) == (255, 255, 255)


def test_a_photo_taken_sideways_is_turned_upright(tmp_path):
    sideways = grey((0, 0, 255), "RGB", (40, 20))
    sideways.paste((255, 0, 0), (0, 0, 20, 20))
    exif = Image.Exif()
    exif[0x0112] = 6
    upright = images.read(saved(tmp_path, "s.jpg", sideways, exif=exif, quality=95))
    assert upright.size == (20, 40)
    assert upright.getpixel((10, 5))[0] > 200


def test_of_an_animation_the_first_frame_is_read(tmp_path):
    frames = [grey(c, "RGB") for c in ("red", "blue")]
    path = saved(tmp_path, "a.gif", frames[0], save_all=True, append_images=frames[1:])
    assert images.read(path).getpixel((2, 2)) == (255, 0, 0)


def test_a_large_photo_is_reduced_while_reading(tmp_path):
    read = images.read(saved(tmp_path, "l.jpg", grey("green", "RGB", (5000, 3000))))
    assert read.size == (1321, 793)
    assert read.width * read.height <= images.WORKING_PIXELS


def test_a_long_strip_keeps_its_height(tmp_path):
    assert images.read(saved(tmp_path, "l.png", grey("green", "RGB", (5000, 100)))).size == (5000, 100)


def test_a_large_palette_is_mixed_when_it_is_reduced(tmp_path):
    checks = Image.fromarray((np.indices((1500, 1500)).sum(0) % 2).astype(np.uint8), "L").convert("P")
    checks.putpalette([0, 0, 0, 255, 255, 255])
    shades = np.asarray(images.read(saved(tmp_path, "p.png", checks)))
    assert 100 < np.median(shades) < 155


def png_header(width, height):
    """A PNG that announces a size and holds nothing."""
    def chunk(kind, body):
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", b"") + chunk(b"IEND", b"")


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"", "empty"),
        (b"hello" * 20, "not_an_image"),
        (b"<html>hello</html>" * 20, "unsupported"),
        (b"\x00" * 50, "not_an_image"),
        (b'<svg xmlns="http://www.w3.org/2000/svg"/>', "unsupported"),
        (b"%PDF-1.7 ...", "unsupported"),
        (b"\x00\x00\x00\x18ftypheic\x00\x00\x00\x00", "unsupported"),
        (png_header(20000, 20000), "too_large"),
        (png_header(9000, 9000), "too_large"),
        (png_header(7, 400), "too_small"),
        (png_header(2000, 20), "too_small"),
        (png_header(64, 64), "truncated"),
    ],
)
def test_what_cannot_be_used_is_refused_by_code(tmp_path, content, code):
    path = tmp_path / "file.png"
    path.write_bytes(content)
    with pytest.raises(ImageError) as caught:
        images.read(path)
    assert caught.value.code == code
    assert caught.value.message.endswith(".")


@pytest.mark.parametrize("kind", ["jpg", "png", "webp", "gif", "bmp", "tif"])
def test_a_file_cut_anywhere_never_raises_anything_else(tmp_path, picture, kind):
    whole = saved(tmp_path, f"w.{kind}", picture).read_bytes()
    path = tmp_path / f"cut.{kind}"
    for share in (0.01, 0.1, 0.3, 0.6, 0.95):
        path.write_bytes(whole[: max(1, int(share * len(whole)))])
        with contextlib.suppress(ImageError):
            images.read(path)


def test_too_many_bytes_are_refused_unread(tmp_path, photo, monkeypatch):
    monkeypatch.setattr(images, "MAX_BYTES", 100)
    with pytest.raises(ImageError, match="MB") as caught:
        images.read(photo)
    assert caught.value.code == "too_large"


@pytest.mark.parametrize("size", [(64, 64), (100, 63), (31, 250), (2000, 40), (8, 8), (120, 9)])
@pytest.mark.parametrize("patch", [8, 14, 16])
def test_fitting_gives_whole_patches_and_cuts_less_than_one_off_the_longer_side(size, patch):
    fitted = images.fit(Image.new("RGB", size), 112, patch)
    w, h = fitted.image.size
    assert w % patch == 0
    assert h % patch == 0
    assert fitted.display.size == (w * fitted.zoom, h * fitted.zoom)
    scale = min(w, h) / min(size)
    assert 0 <= max(size) * scale - max(w, h) < patch
    rows, columns = fitted.grid(patch)
    assert rows * columns <= 2 * max((112 / patch) ** 2, 50)


def test_fitting_keeps_the_middle_and_says_what_was_lost():
    image = Image.new("RGB", (110, 60), "white")
    image.paste("red", (0, 0, 3, 60))
    fitted = images.fit(image, 64, 16)
    assert fitted.image.size == (80, 48)
    assert min(fitted.image.getpixel((0, 20))) > 240
    assert "was cut off, at left and right" in fitted.note
    assert images.square(image, 64).image.getpixel((0, 0)) == (255, 255, 255)


def test_a_bomb_is_refused_before_a_pixel_is_decoded(tmp_path, monkeypatch):
    monkeypatch.setattr("PIL.ImageFile.ImageFile.load", lambda *args: pytest.fail("pixels were decoded"))
    (tmp_path / "bomb.png").write_bytes(png_header(20000, 20000))
    with pytest.raises(ImageError, match="60 million pixels"):
        images.read(tmp_path / "bomb.png")


def test_what_needs_too_much_memory_is_refused_with_the_remedy(photo, monkeypatch):
    def load(*args):
        raise MemoryError

    monkeypatch.setattr("PIL.ImageFile.ImageFile.load", load)
    with pytest.raises(ImageError, match="memory") as caught:
        images.read(photo)
    assert caught.value.code == "too_large"


def test_a_tiny_picture_is_enlarged_and_the_caption_says_so():
    assert images.fit(Image.new("RGB", (8, 8)), 64, 8).note.startswith("Enlarged from 8 × 8 to 64 × 64")


def test_arrays_there_and_back(picture):
    array = images.to_array(picture)
    assert array.shape == (3, 90, 120)
    assert images.from_array(array).tobytes() == picture.tobytes()
