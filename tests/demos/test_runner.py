"""The runner knows no demo by name: what a demo may ask for and bring along."""

import types

import numpy as np
import pytest
import torch
from PIL import Image

from demos import offers, runner, specs
from demos.offers import papers_with
from demos.scene import Card
from demos.specs import Demo, Option
from demos.specs.demo import MAE, VIT

SHADE = Option("shade", "int", 3, "A shade.", low=0, high=9)
LATE = Option("width", "int", 2, "A width.", low=1, high=9, late=True)


@pytest.fixture
def stage(monkeypatch):
    """Put a demo of our own beside the others, for one paper."""

    def put(show, **other):
        fields = {"images": (1, 1), "options": (SHADE, LATE), "needs": (), **other}
        demo = Demo(name="own", title="", summary="", seconds=9, unit="step", **fields)
        module = types.ModuleType("demos.shows.own")
        module.show = show
        monkeypatch.setitem(specs.DEMOS, "own", demo)
        monkeypatch.setitem(__import__("sys").modules, "demos.shows.own", module)
        offers.demos_of.cache_clear()
        return module

    yield put
    offers.demos_of.cache_clear()


def test_a_demo_without_pictures_runs_and_draws(stage, out):
    def show(scene):
        assert scene.pictures == []
        scene.recorder.picture("one", Image.new("RGB", (20, 10)), "A caption.", "Alt.")
        return {"shade": scene.options["shade"]}

    stage(show, images=(0, 0))
    result = runner.run("own", "lars", [], {"shade": "7"}, out)
    assert result.numbers == {"shade": 7}
    assert [a.name for a in result.artifacts] == ["one", "params"]
    assert result.weights["name"] == "no weights"


def test_a_demo_of_two_pictures_gets_both_in_order(stage, out, photo, picture, tmp_path):
    picture.transpose(0).save(tmp_path / "other.png")

    def show(scene):
        first, second = scene.pictures
        assert second.transpose(0).tobytes() == first.tobytes() == scene.picture.tobytes()
        return {}

    stage(show, images=(2, 2))
    runner.run("own", "lars", [photo, tmp_path / "other.png"], {}, out)
    with pytest.raises(ValueError, match="own takes two pictures, not 1"):
        runner.run("own", "lars", [photo], {}, out)


@pytest.mark.parametrize(
    ("images", "given", "words"),
    [((0, 0), 1, "no picture, not 1"), ((1, 1), 2, "one picture, not 2"), ((1, 4), 5, "1 to 4 pictures, not 5"), ((3, 3), 2, "3 to 3 pictures")],
)
def test_a_wrong_number_of_pictures_is_refused_with_the_right_one(stage, out, photo, images, given, words):
    stage(lambda scene: {}, images=images)
    with pytest.raises(ValueError, match=words):
        runner.run("own", "lars", [photo] * given, {}, out)


def test_a_demo_says_on_what_it_runs(stage, out, photo):
    stage(lambda scene: {}).WEIGHTS = Card("its own", "here", False)
    assert runner.run("own", "lars", [photo], {}, out).weights["name"] == "its own"


@pytest.mark.parametrize(
    ("need", "paper", "name"),
    [
        ("reconstruct", "mae", "MAE"), ("*.get_attention", "registers", "RegisterViT"),
        ("dense_descriptors", "deep_vit_features", "ViT"),
    ],
)
def test_a_demo_names_its_model_by_a_function_or_a_method(stage, out, photo, need, paper, name):
    stage(lambda scene: {"model": type(scene.loaded.model).__name__}, needs=(need,), model=need)
    assert runner.run("own", paper, [photo], {}, out).numbers == {"model": name}


def test_the_model_is_on_the_device_whatever_the_demo_does_with_it(stage, out, photo, monkeypatch):
    monkeypatch.setattr(runner, "device", lambda: torch.device("meta"))

    def show(scene):
        return {"devices": sorted({str(p.device) for p in scene.loaded.model.parameters()})}

    stage(show, needs=("*.get_attention",), model="*.get_attention")
    assert runner.run("own", "vit", [photo], {}, out).numbers == {"devices": ["meta"]}
    runner.warm.cache_clear()


def test_a_stage_is_computed_again_for_early_options_and_other_pictures_alone(stage, out, photo, picture, tmp_path):
    done = []

    def show(scene):
        def work():
            done.append(scene.options["shade"])
            return {"x": np.full(3, scene.options["shade"], np.float32)}

        return {"x": float(scene.stage("fill", work)["x"][0]), "width": scene.options["width"]}

    stage(show)
    picture.transpose(0).save(tmp_path / "other.png")
    runs = [({"shade": 1}, photo), ({"shade": 1, "width": 5}, photo), ({"shade": 2}, photo), ({"shade": 1}, tmp_path / "other.png"), ({"width": 1, "shade": 1}, photo)]
    numbers = [runner.run("own", "lars", [file], options, out).numbers for options, file in runs]
    assert done == [1, 2, 1]
    assert [n["x"] for n in numbers] == [1, 1, 2, 1, 1]
    assert [n["width"] for n in numbers] == [2, 5, 2, 2, 1]


def test_the_caller_names_the_folder_of_the_stages(stage, out, photo, tmp_path):
    stage(lambda scene: {"x": int(scene.stage("s", lambda: {"x": np.ones(1)})["x"][0])})
    runner.run("own", "lars", [photo], {}, out, cache=tmp_path / "here")
    assert len(list((tmp_path / "here").iterdir())) == 1


@pytest.mark.parametrize("demo", specs.DEMOS.values(), ids=lambda demo: demo.name)
def test_every_demo_has_its_module_a_paper_and_an_example(demo):
    assert callable(__import__(f"demos.shows.{demo.name}", fromlist=["show"]).show)
    papers = papers_with(demo)
    assert papers
    assert demo.example in ("", *papers)
    assert demo.model in ("", VIT, MAE, *demo.needs)
    if demo.model:
        for paper in papers:
            assert runner.needed_class(paper, demo.model)


def test_a_demo_that_looks_for_weights_without_naming_a_model_is_told(stage, out, photo):
    stage(lambda scene: {"side": scene.loaded.image_side})
    with pytest.raises(AssertionError, match="own names no model"):
        runner.run("own", "lars", [photo], {}, out)


def test_a_picture_is_written_before_it_is_reported_and_before_the_end(stage, out):
    seen = []

    def show(scene):
        big = Image.effect_noise((600, 600), 90).convert("RGB")
        for nth in range(3):  # the same name thrice: the last one stays
            scene.recorder.picture("same", big.rotate(90 * nth), "A caption.", "Alt.")
        early = scene.recorder.picture("early", big, "A caption.", "Alt.", partial=True)
        scene.recorder.progress(1, 2, "Early", artifact=early)
        scene.recorder.picture("last", big, "A caption.", "Alt.")
        return {}

    def report(progress):
        seen.append((out / progress.artifact.file).is_file())

    stage(show, images=(0, 0))
    runner.run("own", "lars", [], {}, out, report)
    assert seen == [True]
    with Image.open(out / "same.png") as same, Image.open(out / "last.png") as last:
        assert same.convert("RGB") == last.convert("RGB").rotate(180)


def test_a_picture_that_cannot_be_written_ends_the_demo(stage, out):
    def show(scene):
        folder = scene.recorder.out / "away.png"
        folder.mkdir()
        scene.recorder.picture("away", Image.new("RGB", (9, 9)), "A caption.", "Alt.")
        return {}

    stage(show, images=(0, 0))
    with pytest.raises(OSError, match="directory"):
        runner.run("own", "lars", [], {}, out)
