"""What the views demo shows is what the paper's own function made, and where it was cut."""

import math

import numpy as np
import pytest
import torch
from PIL import Image

from demos import runner
from demos.drawing.boards import colour
from demos.offers import papers_with
from demos.pieces import seeing
from demos.pieces.watching import Drawn, read, watcher
from demos.shows import views as show
from demos.specs import DEMOS
from reference_impls import byol, can, mae, simclr

PAPERS = papers_with(DEMOS["views"])
# Of one picture, with the papers' own numbers of small crops.
COUNTS = {"mae": 1, "convnextv2": 1, "jigsaw": 1, "dino": 10, "dinov2": 10, "registers": 10, "swav": 8}


def module(paper):
    return runner.offered("views", paper)[1]


def flat(made):
    parts = [made] if torch.is_tensor(made) else list(made)
    return [t for part in parts for t in ([part] if torch.is_tensor(part) else part)]


def run(file, out, paper, **options):
    return runner.run("views", paper, [file], options, out)


@pytest.mark.parametrize("paper", PAPERS)
def test_watching_changes_nothing_and_every_view_is_accounted_for(paper):
    own, side = module(paper), 224 if paper == "jigsaw" else 112
    pixels = torch.rand(1, 3, side, side, generator=torch.Generator().manual_seed(5))
    told, watched = seeing.settings(own), watcher(3)
    found = seeing.seen(own, pixels, watched, told)
    plain = flat(own.views(pixels, torch.Generator().manual_seed(3), **told))
    for ours, theirs in zip(flat(own.views(pixels, watcher(3), **told)), plain, strict=True):
        assert torch.equal(ours, theirs)
    assert len(found) == len(read(watched.diary)) == COUNTS.get(paper, 2)
    assert torch.equal(found[0].pixels, plain[0][0])


def edges(view, drawn):
    """Left, top, right and bottom that a view of two ramps shows; x in red, y in green."""
    mean, std = (torch.tensor(v, dtype=view.dtype).view(3, 1, 1) for v in (simclr.MEAN, simclr.STD))
    x, y, _ = view * std + mean
    side, middle = x.shape[-1], x.shape[-1] // 2
    step_x = (x[middle, middle + 80] - x[middle, middle - 80]) / 160
    step_y = (y[middle + 80, middle] - y[middle - 80, middle]) / 160
    left, top = x[middle, middle] - step_x * (middle + 0.5), y[middle, middle] - step_y * (middle + 0.5)
    box = [left, top, left + step_x * side, top + step_y * side]
    return [box[2], box[1], box[0], box[3]] if "flip" in drawn.done else box


@pytest.mark.parametrize("own", [mae, simclr], ids=["mae", "simclr"])
def test_a_frame_is_where_the_view_was_cut(own, monkeypatch):
    """A picture of coordinates, and of SimCLR's changes only crop and flip, say what a view shows."""
    plain = simclr.Augmentation(jitter=0, grey=0, blur=0)
    monkeypatch.setattr(simclr, "views", lambda x, g: simclr.two_views(x, g, plain))
    H, W = 224, 300
    y, x = torch.meshgrid((torch.arange(H).double() + 0.5) / H, (torch.arange(W).double() + 0.5) / W, indexing="ij")
    ramps, luck, flips = torch.stack([x, y, x])[None], watcher(0), set()
    for _ in range(4):
        for view in seeing.seen(own, ramps, luck, seeing.settings(own)):
            np.testing.assert_allclose(edges(view.pixels, view.drawn), view.drawn.box, atol=4e-3)
            flips.add("flip" in view.drawn.done)
    assert flips == {False, True}


def test_offsets_and_blur_are_those_that_were_applied():
    luck = watcher(0)
    grey = torch.full((1, 3, 32, 32), 0.5, dtype=torch.float64)
    how = simclr.Augmentation(jitter=1, brightness=0.4, contrast=0, saturation=0, hue=0, grey=0, blur=0)
    view = simclr.augment(grey, how, 32, luck)
    assert view.mean().item() == pytest.approx(0.5 + read(luck.diary)[0].colours[0], abs=1e-6)
    luck.diary.clear()
    point = torch.zeros(1, 3, 64, 64, dtype=torch.float64)
    point[..., 32, 32] = 1
    view = simclr.gaussian_blur(point, luck)[0, 0]
    sigma = read(luck.diary)[0].sigma
    assert math.log(view[32, 32] / view[32, 33]) == pytest.approx(1 / (2 * sigma**2), rel=1e-6)


def test_solarising_is_named_when_the_view_was_inverted():
    how = byol.Augmentation(jitter=0, grey=0, blur=0, solarize=0.5)
    luck, seen = watcher(1), set()
    for _ in range(12):
        luck.diary.clear()
        view = byol.augment(torch.full((1, 3, 16, 16), 0.9), how, 16, luck)
        inverted = bool(view.mean() < 0.5)
        assert ("solarised" in read(luck.diary)[0].said) == inverted
        seen.add(inverted)
    assert seen == {False, True}


def test_cans_chances_are_named_too():
    picture, luck = torch.rand(1, 3, 64, 64), watcher(2)
    words = set()
    for _ in range(10):
        for view in seeing.seen(can, picture, luck, {}):
            words |= set(view.drawn.said)
            red, green, _ = np.asarray(view.picture, dtype=int).transpose(2, 0, 1)
            assert ("made grey" in view.drawn.said) == (np.abs(red - green).max() < 4)
    assert words == {"mirrored", "colours changed", "made grey", "blurred"}


def test_how_the_two_distributions_differ_is_read_from_them(photo, out):
    byols = run(photo, out, "byol", draws=1).artifacts[0].caption
    assert "blur, probability 1, then 0.1; solarising, probability 0, then 0.2." in byols
    assert "drawn alike" not in run(photo, out, "simclr", draws=1).artifacts[0].caption
    swavs = run(photo, out, "swav", draws=1).artifacts[0].caption
    assert "0.14 to 1 (2 times), then 0.05 to 0.14 (6 times)" in swavs
    assert "224 pixels (2 times), then 96 pixels (6 times)" in swavs


def test_the_picture_shows_frames_in_their_colours_and_the_view_itself(photo, out):
    result = run(photo, out, "mae", draws=1)
    assert [a.name for a in result.artifacts][:3] == ["draw_1", "drawn", "numbers"]
    drawn = np.load(out / "numbers.npz")["drawn"][0, 0]
    board = np.asarray(Image.open(out / "draw_1.png")).astype(int)
    orange = np.array([int(colour(0)[i : i + 2], 16) for i in (1, 3, 5)])
    columns = np.nonzero((np.abs(board[:, :486] - orange) < 30).all(-1))[1]
    # The picture's cell is 462 pixels wide and stands on the same line as the view's.
    left, right = (columns.min() - 12) / 462, (columns.max() - 12) / 462
    np.testing.assert_allclose([left, right], drawn[[0, 2]], atol=0.01)
    view = seeing.seen(mae, seeing.pixels_of(Image.open(photo)), watcher(0), seeing.settings(mae))[0]
    shown = np.asarray(view.picture.resize((462, 462))).astype(int)
    assert np.abs(board[12:474, 486:948] - shown).mean() < 2


def test_numbers_agree_with_table_and_arrays(photo, out):
    result = run(photo, out, "simclr", draws=2)
    drawn = np.load(out / "numbers.npz")["drawn"]
    assert drawn.shape == (2, 2, 14)
    shares = (drawn[..., 2] - drawn[..., 0]) * (drawn[..., 3] - drawn[..., 1])
    np.testing.assert_allclose(shares, result.numbers["crop_shares"], atol=1e-3)
    assert result.numbers["views"] == 2


def test_what_dinov2_hides_is_grey(photo):
    own = module("dinov2")
    pixels, luck = seeing.pixels_of(Image.open(photo)), watcher(0)
    told = seeing.settings(own)
    for _ in range(2):
        state = luck.get_state()
        views = seeing.seen(own, pixels, luck, told)
        masks = own.views(pixels, torch.Generator().set_state(state), **told)[1]
        for view, mask in zip(views, masks, strict=False):
            grid = mask.view(14, 14).repeat_interleave(16, 0).repeat_interleave(16, 1).numpy()
            flat_grey = (np.asarray(view.picture) == (115, 120, 130)).all(-1)
            assert flat_grey[grid].all()
            assert flat_grey[~grid].mean() < 0.05


def test_the_seed_draws(photo, out):
    boxes = []
    for seed in (0, 0, 1):
        run(photo, out, "byol", draws=1, seed=seed)
        boxes.append(np.load(out / "numbers.npz")["drawn"])
    np.testing.assert_array_equal(boxes[0], boxes[1])
    assert (boxes[0] != boxes[2]).any()


@pytest.mark.parametrize("paper", ["pirl", "jigsaw", "dinov2", "mae"])
@pytest.mark.parametrize("size", [(8, 8), (500, 9)])
def test_specks_and_strips_are_cut_as_well(picture, out, tmp_path, paper, size):
    picture.resize(size).save(tmp_path / "awkward.png")
    result = run(tmp_path / "awkward.png", out, paper, draws=1)
    assert result.numbers["views"] == COUNTS.get(paper, 2)


def test_how_much_of_a_box_lies_in_another():
    assert seeing.shared((0, 0, 0.5, 1), (0.25, 0, 1, 1)) == pytest.approx(0.5)
    assert seeing.shared((0, 0, 0.5, 0.5), (0.5, 0, 1, 1)) == 0
    assert show.common([Drawn()]) == 1


def test_a_part_of_a_mirrored_view_is_found_on_the_other_side():
    plain, mirrored = Drawn(box=(0.2, 0, 0.6, 1)), Drawn(box=(0.2, 0, 0.6, 1), done=["flip"])
    part = (0, 0, 10, 20)
    assert plain.inside(part, (40, 40)) == pytest.approx((0.2, 0, 0.3, 0.5))
    assert mirrored.inside(part, (40, 40)) == pytest.approx((0.5, 0, 0.6, 0.5))
