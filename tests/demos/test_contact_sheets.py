"""Contact sheets: who runs on what, and what a sheet shows."""

import sys

import pytest
from PIL import Image, ImageColor

from demos import contact_sheets as sheets
from demos import specs
from demos.drawing import pictures

GROUND = ImageColor.getrgb(pictures.GROUND)


@pytest.fixture
def three(tmp_path, picture):
    """Three pictures in files."""
    files = [tmp_path / f"{name}.png" for name in "abc"]
    for turn, file in enumerate(files):
        picture.rotate(90 * turn).save(file)
    return files


def test_a_demo_of_two_pictures_gets_each_with_the_next(three):
    a, b, c = three
    one, two, none = (
        specs.Demo("own", "", "", (low, low), (), (), 1, "") for low in (1, 2, 0)
    )
    assert list(sheets.rows(one, three)) == [("a", [a]), ("b", [b]), ("c", [c])]
    assert list(sheets.rows(two, three)) == [("a", [a, b]), ("b", [b, c]), ("c", [c, a])]
    assert list(sheets.rows(none, three)) == [("own", [])]


def test_a_small_picture_stands_in_the_middle_at_its_own_size(tmp_path):
    Image.new("RGB", (20, 10), "white").save(tmp_path / "small.png")
    cell = sheets.framed(tmp_path / "small.png")
    assert cell.size == (sheets.CELL, sheets.CELL)
    middle = sheets.CELL // 2
    assert cell.getpixel((middle, middle)) == (255, 255, 255)
    assert cell.getpixel((middle, middle - 20)) == GROUND


def test_a_sheet_has_a_column_for_every_picture_that_any_run_drew(tmp_path):
    red, blue = (Image.new("RGB", (sheets.CELL, sheets.CELL), c) for c in ("red", "blue"))
    sheet = sheets.sheet_of({"one": {"map": red}, "two": {"map": red, "mask": blue}})
    assert sheet.width > 2 * sheets.CELL
    assert sheet.height > 2 * sheets.CELL
    right = sheet.width - sheets.CELL // 2
    assert sheet.getpixel((right, sheets.CELL // 2)) == GROUND
    assert sheet.getpixel((right, sheet.height - sheets.CELL // 2)) == (0, 0, 255)


def test_the_shell_draws_all_and_ends_with_a_fault_where_one_failed(
    three, tmp_path, monkeypatch, capsys
):
    def run(*files):
        out = tmp_path / "sheets"
        line = ["sheets", *map(str, files), "--demos", "reconstruction", "--out", str(out)]
        monkeypatch.setattr(sys, "argv", line)
        return sheets.main(), {file.name for file in out.glob("*.png")}

    assert run(three[0]) == (0, {"all.png", "reconstruction.png"})
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"no picture")
    assert run(three[0], broken)[0] == 1
    assert "reconstruction with mae on broken" in capsys.readouterr().err
