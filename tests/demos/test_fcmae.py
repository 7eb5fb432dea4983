"""FCMAE demo: who can reach whom, and that masked layers let nothing through."""

import numpy as np
import pytest
import torch
from PIL import Image

from demos import runner
from demos.pieces import hiding
from demos.shows import fcmae
from reference_impls import convnextv2

ORANGE = (np.array(fcmae.TOUCHED) * 255).round()


def run(photo, out, **options):
    result = runner.run("fcmae", "convnextv2", [photo], options, out)
    return result, np.load(out / "traces.npz")


@pytest.mark.parametrize("grn", [False, True])
def test_masked_layers_never_let_a_trace_through(photo, out, grn):
    result, _ = run(photo, out, grn=grn)
    assert result.numbers["masked_touched_share"] == [0] * 12
    assert result.numbers["ordinary_touched_share"][-1] == 1


def test_the_first_block_reaches_three_sites_across_the_edge(photo, out):
    """A depthwise 7 x 7 window, and nothing else that looks around."""
    _, arrays = run(photo, out)
    gaps = hiding.on_pixels(arrays["hidden"], 56)
    near = torch.nn.functional.max_pool2d(torch.from_numpy(gaps)[None].float(), 7, 1, 3)[0].bool().numpy()
    np.testing.assert_array_equal(arrays["ordinary_0"], near)
    np.testing.assert_array_equal(arrays["masked_0"], np.zeros((56, 56), bool))


def test_grn_carries_a_trace_everywhere_at_once(photo, out):
    silent, _ = run(photo, out)
    speaking, _ = run(photo, out, grn=True)
    assert silent.numbers["ordinary_touched_share"][0] < 1
    assert speaking.numbers["ordinary_touched_share"][0] == 1


def test_a_leak_in_the_modules_masking_would_be_seen(photo, out, monkeypatch):
    """Take the mask away from the blocks: traces appear that the demo must mark."""
    original = convnextv2.ConvNeXtV2Block.forward
    monkeypatch.setattr(convnextv2.ConvNeXtV2Block, "forward", lambda self, x, visible=None: original(self, x))
    monkeypatch.setattr(torch.nn.init, "zeros_", torch.nn.init.normal_)  # biases that write into gaps
    result, _ = run(photo, out, grn=True)
    assert result.numbers["masked_touched_share"][0] == 0           # the input still is masked
    monkeypatch.setattr(convnextv2.F, "interpolate", lambda visible, size: torch.ones(len(visible), 1, *size))
    result, _ = run(photo, out)
    assert result.numbers["masked_touched_share"][0] > 0


def test_the_ratio_and_the_seed_draw_the_mask(photo, out):
    masks = []
    for ratio, seed, hidden in ((0.6, 0, 30), (0.6, 1, 30), (0.1, 0, 5)):
        result, arrays = run(photo, out, ratio=ratio, seed=seed)
        assert result.numbers["hidden_patches"] == arrays["hidden"].sum() == hidden
        masks.append(arrays["hidden"])
    assert (masks[0] != masks[1]).any()
    assert masks[0][masks[2]].all()


def test_sites_are_coloured_by_what_reaches_them(photo, out):
    _, arrays = run(photo, out)
    drawn = fcmae.marked(arrays["ordinary_0"], arrays["hidden"])
    assert drawn.size == (224, 224)
    sites = np.asarray(drawn)[2::4, 2::4]
    gaps = hiding.on_pixels(arrays["hidden"], 56)
    np.testing.assert_array_equal((sites == ORANGE).all(-1), arrays["ordinary_0"] & ~gaps)
    board = np.asarray(Image.open(out / "traces.png").convert("RGB")).astype(int)
    lit = (np.abs(board - ORANGE) < 4).all(-1)
    halves = lit[: len(lit) // 2], lit[len(lit) // 2 :]
    assert halves[0].any()
    assert not halves[1][:, 340:].any()                             # the two masked maps


def test_a_speck_of_a_picture_runs_and_is_not_called_untrained(out, tmp_path):
    Image.new("1", (8, 300), 1).save(tmp_path / "speck.png")
    result, _ = run(tmp_path / "speck.png", out)
    assert "Untrained" not in result.artifacts[0].caption
    assert "random weights" in result.weights["name"]
