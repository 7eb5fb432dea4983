"""Clip views demo: where and when a view was cut is found without asking the method."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image

from demos import runner
from demos.offers import papers_with
from demos.pieces import reach
from demos.shows import clip_views
from demos.specs import DEMOS
from tests.demos.filmed import film

PAPERS = papers_with(DEMOS["clip_views"])


def run(paper, paths, out, **options):
    return runner.run("clip_views", paper, paths, options, out)


@pytest.mark.parametrize("paper", PAPERS)
def test_every_method_of_video_shows_its_views_by_name(paper, tmp_path, out):
    numbers = run(paper, [film(tmp_path)], out).numbers
    words = clip_views.WORDS[paper]
    assert numbers["views"] == list(words.names)
    covered = zip(numbers["first_frame"], numbers["last_frame"], strict=True)
    assert all(1 <= first <= last <= 18 for first, last in covered)
    assert all(0 < share <= 1 for share in numbers["share_of_frame"])


def test_what_a_window_reads_is_found_to_the_pixel():
    def make(clips, generator):
        x, y, t = (int(torch.randint(9, (1,), generator=generator)) for _ in range(3))
        part = clips[:, :, t : t + 5 : 2, y : y + 7, x : x + 8]
        return [2 * part.flip(-1) - 1, torch.arange(3)]

    generator = torch.Generator().manual_seed(4)
    x, y, t = (int(torch.randint(9, (1,), generator=generator)) for _ in range(3))
    split = lambda batch: list(reach.tensors(batch))  # noqa: E731
    (found,) = reach.reaches(make, torch.zeros(3, 16, 20, 20), 4, split)
    assert np.flatnonzero(found.times).tolist() == [t, t + 2, t + 4]
    assert found.box == (x, y, x + 8, y + 7)


def test_the_two_tempi_span_the_same_stretch_and_place(tmp_path, out):
    run("vthcl", [film(tmp_path)], out)
    kept = np.load(out / "views.npz")
    slow, fast = (np.flatnonzero(row) for row in kept["frames"])
    assert np.diff(slow).tolist() == [4] * 3
    assert np.diff(fast).tolist() == [2] * 7
    assert slow[0] == fast[0]
    assert kept["boxes"][0].tolist() == kept["boxes"][1].tolist()
    assert np.array_equal(kept["view1"], kept["view2"][:, ::2])


def test_blocks_follow_one_another(tmp_path, out):
    run("dpc", [film(tmp_path)], out)
    rows = np.load(out / "views.npz")["frames"]
    assert [np.flatnonzero(row).tolist() for row in rows] == [
        [4 * n + i for i in range(4)] for n in range(4)
    ]


def test_another_seed_gives_other_windows_and_the_same_seed_the_same(tmp_path, out):
    path, boxes = film(tmp_path), []
    for seed in (1, 1, 2):
        run("brave", [path], out, seed=seed)
        boxes.append(np.load(out / "views.npz")["boxes"].tolist())
    assert boxes[0] == boxes[1] != boxes[2]


def test_bars_of_the_timeline_are_filled_where_frames_are_read(tmp_path, out):
    run("brave", [film(tmp_path)], out)
    with Image.open(out / "where.png") as drawn:
        pixels = np.asarray(drawn.convert("RGB"), dtype=int)
    rows = np.load(out / "views.npz")["frames"]
    top = pixels.shape[0] - clip_views.ROW * 3
    line = pixels[top + clip_views.ROW // 2, clip_views.NAME : clip_views.WIDTH - 12]
    orange = abs(line - [247, 161, 62]).sum(-1) < 10
    middles = (len(line) * (np.arange(18) + 0.5) / 18).astype(int)
    assert orange[middles].tolist() == rows[0].tolist()


@pytest.mark.parametrize("size", [(8, 8), (600, 20)])
def test_awkward_pictures_have_views(tmp_path, out, size):
    Image.new("L", size, 90).save(tmp_path / "a.png")
    assert run("svt", [tmp_path / "a.png"], out).numbers["panned"] == "yes"
