"""The examples that ship: one for each demo that has a lasting result, small, and well-formed."""

import json

import numpy as np
import pytest
from PIL import Image

from demos import examples, specs

KEPT = [demo for demo in specs.DEMOS.values() if not demo.fresh]


@pytest.mark.parametrize("demo", KEPT, ids=lambda demo: demo.name)
def test_every_demo_has_its_example_made_by_make_examples(demo):
    folder, paper = examples.EXAMPLES / demo.name, examples.paper_of(demo)
    stored = json.loads((folder / f"{paper}.json").read_text())
    assert (stored["demo"], stored["paper"]) == (demo.name, paper)
    assert specs.check_options(demo, stored["options"]) == stored["options"]
    assert {"name", "source", "trained", "note"} == set(stored["weights"])
    assert stored["numbers"]
    assert stored["seconds"] > 0
    assert stored["pictures"]
    files = {one["file"] for one in stored["pictures"]}
    assert files == {path.name for path in folder.glob("*.webp")}
    for one in stored["pictures"]:
        assert one["alt"]
        assert one["caption"]
        assert (folder / one["file"]).stat().st_size <= examples.MAX_BYTES
        with Image.open(folder / one["file"]) as picture:
            assert picture.format == "WEBP"


def test_an_example_is_made_from_the_demos_own_result(tmp_path):
    demo = specs.DEMOS["reconstruction"]
    (tmp_path / "example").mkdir()
    (tmp_path / "example" / "old.webp").write_bytes(b"of another paper")
    examples.make(demo, tmp_path / "example")
    stored = json.loads((tmp_path / "example" / "mae.json").read_text())
    assert [one["file"] for one in stored["pictures"]] == [f"mae_{n}.webp" for n in ("comparison", "original", "masked", "reconstruction", "pasted")]
    assert not (tmp_path / "example" / "old.webp").exists()
    assert stored["weights"]["trained"] is False


def test_noise_too_is_made_small_enough():
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 255, (900, 1200, 3), np.uint8))
    assert len(examples.small(noise)) <= examples.MAX_BYTES


def test_the_cat_comes_first_and_a_demo_of_two_gets_two():
    one, two = specs.DEMOS["attention"], specs.Demo("t", "", "", (2, 2), (), (), 1, "")
    assert [path.name for path in examples.inputs(one)] == ["cat.png"]
    assert len(examples.inputs(two)) == 2
