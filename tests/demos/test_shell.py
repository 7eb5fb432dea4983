"""`python -m demos`: from a photo to files, and clear ends."""

import json

import pytest
from PIL import Image

from demos import fingerprint
from demos.__main__ import main


def test_a_photo_becomes_files_and_words(photo, tmp_path, capsys):
    code = main(["attention", str(photo), "--paper", "vit", "--out", str(tmp_path / "new" / "dir"), "--size", "64"])
    said = capsys.readouterr()
    assert code == 0
    assert "UNTRAINED" in said.out
    assert (tmp_path / "new" / "dir" / "attention.png").is_file()
    assert "[6/6] Layer 5" in said.err


def test_the_result_as_json(photo, tmp_path, capsys):
    main(["reconstruction", str(photo), "--paper", "mae", "--out", str(tmp_path), "--json", "--ratio", "0.5"])
    result = json.loads(capsys.readouterr().out)
    assert result["numbers"]["visible_patches"] == 32
    assert result["weights"]["trained"] is False


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--mass", "7"], "mass must be a number from 0.05 to 1"),
        (["--size", "63"], "size must be one of auto"),
        (["--paper", "byol"], "does not offer attention"),
    ],
)
def test_wrong_options_end_with_the_remedy(photo, tmp_path, capsys, arguments, message):
    assert main(["attention", str(photo), "--paper", "vit", "--out", str(tmp_path), *arguments]) == 1
    assert message in capsys.readouterr().err


def test_a_missing_or_broken_picture_is_named(tmp_path, capsys):
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"<html>")
    for path, message in ((tmp_path / "none.png", "no such file"), (broken, "a web page")):
        assert main(["attention", str(path), "--paper", "vit", "--out", str(tmp_path)]) == 1
        assert message in capsys.readouterr().err


def test_ctrl_c_is_a_cancel(photo, tmp_path, capsys, monkeypatch):
    from demos import runner

    def interrupted(*args):
        raise KeyboardInterrupt

    monkeypatch.setattr(runner, "run", interrupted)
    assert main(["attention", str(photo), "--paper", "vit", "--out", str(tmp_path)]) == 130
    assert "cancelled" in capsys.readouterr().err


def test_the_list_names_demos_papers_and_options(capsys):
    assert main(["list", "--json"]) == 0
    rows = {row["name"]: row for row in json.loads(capsys.readouterr().out)}
    assert {"vit", "mae", "dino", "deit3"} <= set(rows["attention"]["papers"])
    assert "mae" in rows["reconstruction"]["papers"]
    assert {"mae", "byol", "dino"} <= set(rows["pretraining"]["papers"])
    assert rows["reconstruction"]["options"][0]["name"] == "ratio"
    assert main(["list"]) == 0
    assert "--ratio (0.75)" in capsys.readouterr().out


def test_a_result_is_made_again_from_its_first_picture_alone(photo, tmp_path, capsys):
    first, second = tmp_path / "first", tmp_path / "second"
    main(["reconstruction", str(photo), "--paper", "mae", "--out", str(first), "--ratio", "0.5", "--seed", "3"])
    photo.unlink()
    assert main(["again", str(first / "comparison.png"), "--out", str(second)]) == 0
    for name in ("comparison", "pasted", "masked"):
        assert Image.open(first / f"{name}.png").tobytes() == Image.open(second / f"{name}.png").tobytes()
    options = [json.loads((folder / "params.json").read_text())["options"] for folder in (first, second)]
    assert options[0] == options[1] == {"ratio": 0.5, "seed": 3}
    said = capsys.readouterr().err
    assert "512 pixels a side, lossless" in said
    assert "then" not in said


def test_what_has_changed_since_is_said(photo, tmp_path, capsys, monkeypatch):
    main(["reconstruction", str(photo), "--paper", "mae", "--out", str(tmp_path)])
    monkeypatch.setattr(fingerprint, "code_version", lambda paper, demo: "newer")
    main(["again", str(tmp_path / "comparison.png"), "--out", str(tmp_path)])
    assert " then, newer now" in capsys.readouterr().err


def test_a_picture_that_cannot_be_made_again_says_why(photo, tmp_path, capsys):
    main(["reconstruction", str(photo), "--paper", "mae", "--out", str(tmp_path)])
    for file, remedy in ((tmp_path / "pasted.png", "only the first picture"), (photo, "as it was written")):
        assert main(["again", str(file), "--out", str(tmp_path)]) == 1
        assert remedy in capsys.readouterr().err
