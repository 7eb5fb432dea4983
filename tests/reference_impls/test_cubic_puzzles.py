"""Space-time cubic puzzles against two independent computations, then against what the paper says."""

import itertools

import pytest
import torch
from torch import nn

from reference_impls import cubic_puzzles
from tests.reference_impls.golden import cases


@pytest.mark.parametrize("case", cases("cubic_puzzles", function="cubic_puzzle"), ids=str)
def test_pieces_and_numbering_equal_the_stored_ones(case):
    pieces = cubic_puzzles.cubic_puzzle(case["clip"], case["perm_ids"], case.params["mode"])
    case.check(pieces=pieces, permutations=cubic_puzzles.PERMUTATIONS)


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def clips(B=4, frames=16, side=32, dtype=torch.float64):
    return torch.rand(B, 3, frames, side, side, dtype=dtype, generator=generator())


# The puzzle


def test_orders_are_numbered_lexicographically():
    assert cubic_puzzles.PERMUTATIONS.tolist() == [list(p) for p in itertools.permutations(range(4))]
    assert cubic_puzzles.PERMUTATIONS[0].tolist() == [0, 1, 2, 3]


def test_quadrants_are_counted_row_by_row_and_quarters_in_time():
    clip = torch.zeros(1, 1, 8, 4, 4)
    clip[..., :2, 2:] = 1                                   # top right
    clip[:, :, 6:] += 10                                    # last quarter
    spatial = cubic_puzzles.cubic_puzzle(clip, torch.tensor([0]), "spatial")[0, :, 0, 0, 0, 0]
    temporal = cubic_puzzles.cubic_puzzle(clip, torch.tensor([0]), "temporal")[0, :, 0, 0, 0, 0]
    assert spatial.tolist() == [0, 1, 0, 0]
    assert temporal.tolist() == [0, 0, 0, 10]


@pytest.mark.parametrize("mode", ["spatial", "temporal"])
def test_the_24_puzzles_of_a_clip_all_differ_and_hold_the_same_pixels(mode):
    clip = clips(1, 8, 4).expand(24, -1, -1, -1, -1)
    pieces = cubic_puzzles.cubic_puzzle(clip, torch.arange(24), mode)
    assert len({tuple(p.flatten().tolist()) for p in pieces}) == 24
    assert len({tuple(p.flatten().sort().values.tolist()) for p in pieces}) == 1


@pytest.mark.parametrize("mode", ["spatial", "temporal"])
def test_a_puzzle_cut_from_the_grid_is_one_line_of_its_sixteen_cells(mode):
    t, y, x = torch.meshgrid(torch.arange(4), torch.arange(2), torch.arange(2), indexing="ij")
    number = (4 * t + 2 * y + x).float()
    clip = number.repeat_interleave(2, 0).repeat_interleave(3, 1).repeat_interleave(3, 2)
    clip = clip.expand(24, 1, 8, 6, 6)
    fixed = torch.arange(24) % 4
    pieces = cubic_puzzles.cells(clip, torch.arange(24), fixed, mode)
    assert pieces.shape == (24, 4, 1, 2, 3, 3)
    step, base = (1, 4 * fixed) if mode == "spatial" else (4, fixed)
    expected = step * cubic_puzzles.PERMUTATIONS + base[:, None]
    assert torch.equal(pieces[:, :, 0, 0, 0, 0].long(), expected)
    assert torch.equal(pieces.amin((2, 3, 4, 5)), pieces.amax((2, 3, 4, 5)))


def test_compiled_without_breaks_the_puzzle_is_the_same():
    compiled = torch.compile(cubic_puzzles.cubic_puzzle, fullgraph=True, backend="aot_eager")
    x, ids = clips(), torch.tensor([3, 0, 23, 7])
    assert torch.equal(compiled(x, ids, "spatial"), cubic_puzzles.cubic_puzzle(x, ids, "spatial"))


# Against shortcuts


def test_colour_is_no_cue_because_one_channel_fills_all():
    x = clips()
    grey = cubic_puzzles.replicate_channel(x, torch.tensor([2, 0, 1, 0]))
    assert torch.equal(grey[:, 0], grey[:, 1])
    assert torch.equal(grey[:, 0], grey[:, 2])
    assert torch.equal(grey[0, 0], x[0, 2])
    assert torch.equal(grey[2, 0], x[2, 1])


def test_each_piece_is_a_window_of_its_cell_at_a_place_of_its_own():
    T, H, W = 4, 8, 6
    number = torch.arange(T * H * W).view(T, H, W)
    cells = number.expand(200, 4, 2, T, H, W)
    pieces = cubic_puzzles.jitter(cells, (3, 5, 4), generator())
    assert pieces.shape == (200, 4, 2, 3, 5, 4)
    corner = pieces[:, :, 0, 0, 0, 0]                       # the window's first pixel
    assert torch.equal(pieces[:, :, 1] - corner[..., None, None, None], (number[:3, :5, :4]).expand(200, 4, 3, 5, 4))
    places = corner // (H * W), corner // W % H, corner % W
    for place, slack in zip(places, (1, 3, 2), strict=True):
        assert set(place.unique().tolist()) == set(range(slack + 1))
        assert not torch.equal(place[:, 0], place[:, 1])


def test_pieces_do_not_touch_where_cells_did():
    """On average the gap between neighbours is the share that each lost."""
    ramp = torch.arange(56.0).expand(300, 1, 4, 56, 56)
    cells = cubic_puzzles.cubic_puzzle(ramp, torch.zeros(300, dtype=torch.long), "spatial")
    pieces = cubic_puzzles.jitter(cells, (4, 20, 20), generator())
    gap = pieces[:, 1, 0, 0, 0, 0] - pieces[:, 0, 0, 0, 0, -1] - 1
    assert abs(gap.mean() - 8) < 0.5
    assert gap.min() == 0
    assert gap.max() == 16


def test_clips_become_puzzles_of_both_kinds_and_all_orders():
    B = 600
    t = torch.arange(8.0).view(1, 1, 8, 1, 1) // 2
    pieces, perm_ids, rotated = cubic_puzzles.clip_views(t.expand(B, 3, 8, 4, 4) / 4, generator())
    assert pieces.shape == (B, 4, 3, 1, 1, 1)
    assert set(perm_ids.tolist()) == set(range(24))
    assert abs(rotated.float().mean() - 0.5) < 0.07
    seen = ((pieces * cubic_puzzles.STD + cubic_puzzles.MEAN) * 4).round().long()[:, :, 0, 0, 0, 0]
    temporal = (seen != seen[:, :1]).any(dim=1)             # a spatial puzzle shows one time
    assert abs(temporal.float().mean() - 0.5) < 0.07
    assert torch.equal(seen[temporal], cubic_puzzles.PERMUTATIONS[perm_ids[temporal]])
    assert set(seen[~temporal].flatten().tolist()) == {0, 1, 2, 3}


def test_a_rotated_clip_stands_on_its_head_before_it_is_cut():
    y, x = torch.meshgrid(torch.arange(2.0), torch.arange(2.0), indexing="ij")
    quadrant = (2 * y + x).repeat_interleave(2, 0).repeat_interleave(2, 1)
    pieces, perm_ids, rotated = cubic_puzzles.clip_views((quadrant / 4).expand(200, 3, 4, 4, 4), generator())
    seen = ((pieces * cubic_puzzles.STD + cubic_puzzles.MEAN) * 4).round().long()[:, :, 0, 0, 0, 0]
    spatial = (seen != seen[:, :1]).any(dim=1)
    expected = cubic_puzzles.PERMUTATIONS[perm_ids]
    expected = torch.where(rotated[:, None] == 1, 3 - expected, expected)
    assert torch.equal(seen[spatial], expected[spatial])


def test_puzzles_depend_on_the_generator_alone_and_keep_the_dtype():
    torch.manual_seed(1)
    first = cubic_puzzles.clip_views(clips(), generator(7))
    torch.manual_seed(2)
    again, other = (cubic_puzzles.clip_views(clips(), generator(seed)) for seed in (7, 8))
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
    assert not torch.equal(first.pieces, other.pieces)
    assert first.pieces.dtype == torch.float64


# The network


class Means(nn.Module):
    """An encoder that knows a clip's mean colour alone."""

    def forward(self, x):
        return x.mean(dim=(2, 3, 4), keepdim=True)


def test_pieces_meet_behind_the_encoder_alone():
    """The same piece in another place has the same features: one encoder, late concat."""
    seen = []
    model = cubic_puzzles.CubicPuzzles(Means(), width=3, hidden=8).double()
    model.head.register_forward_hook(lambda module, args, output: seen.append(args[0]))
    pieces = torch.rand(2, 4, 3, 2, 5, 5, dtype=torch.float64)
    order, rotation = model(pieces)
    model(pieces.flip(1))
    assert order.shape == (2, 24)
    assert rotation.shape == (2, 2)
    torch.testing.assert_close(seen[0], pieces.mean((3, 4, 5)).flatten(1))
    torch.testing.assert_close(seen[1], pieces.flip(1).mean((3, 4, 5)).flatten(1))


def test_guessing_costs_log_24_and_log_2():
    order, rotation = torch.zeros(5, 24, dtype=torch.float64), torch.zeros(5, 2, dtype=torch.float64)
    ids, rotated = torch.arange(5), torch.tensor([0, 1, 1, 0, 1])
    loss = cubic_puzzles.puzzle_loss(order, rotation, ids, rotated)
    torch.testing.assert_close(loss, torch.tensor(48.0, dtype=torch.float64).log())
    sure = cubic_puzzles.puzzle_loss(1e3 * torch.eye(24)[ids].double(), rotation, ids, rotated)
    torch.testing.assert_close(sure, torch.tensor(2.0, dtype=torch.float64).log())


def test_a_short_training_solves_the_puzzles_it_saw():
    torch.manual_seed(0)
    model, batch = cubic_puzzles.build(), cubic_puzzles.clip_views(clips(8, dtype=torch.float32), generator())
    adam = torch.optim.Adam(model.parameters(), 3e-3)
    for step in range(12):
        loss, watched = cubic_puzzles.training_step(model, batch, step, 12)
        adam.zero_grad(), loss.backward(), adam.step()
    assert watched["accuracy"] > 0.7
    assert watched["rotation_accuracy"] > 0.7


# The 3-D residual network


def test_the_paper_network_has_the_size_of_3d_resnet_18():
    """33.2 million weights without a classifier, and 1/16 of frames, 1/32 of pixels."""
    with torch.device("meta"):
        encoder = cubic_puzzles.ResNet3d()
        maps = encoder.stages(torch.empty(2, 3, 16, 112, 112))
    assert sum(p.numel() for p in encoder.parameters()) == 33_203_904
    assert encoder.width == 512
    assert [tuple(m.shape[1:]) for m in maps] == [(64, 8, 28, 28), (128, 4, 14, 14), (256, 2, 7, 7), (512, 1, 4, 4)]


def small(**changed):
    how = {"widths": (8, 16), "depths": (1, 2), "temporal": (3, 3), "stem": cubic_puzzles.SMALL_STEM}
    return cubic_puzzles.ResNet3d(**how | changed)


def test_the_last_stage_is_what_forward_returns():
    encoder, x = small().eval(), torch.rand(2, 3, 4, 16, 16)
    assert torch.equal(encoder(x), encoder.stages(x)[-1])


def test_a_temporal_kernel_of_one_makes_frames_independent():
    stem = cubic_puzzles.Stem((1, 3, 3), (1, 2, 2), (1, 2, 2))
    encoder = small(temporal=(1, 1), strides=((1, 1), (1, 2)), stem=stem).eval()
    x = torch.rand(2, 3, 4, 16, 16)
    each = torch.cat([encoder(frame) for frame in x.split(1, dim=2)], dim=2)
    torch.testing.assert_close(encoder(x), each)
    mixed = small(temporal=(1, 3), strides=((1, 1), (1, 2)), stem=stem).eval()
    assert not torch.allclose(mixed(x), torch.cat([mixed(f) for f in x.split(1, 2)], dim=2))


def test_blocks_add_to_their_shortcut():
    encoder, x = small(widths=(8, 8), strides=((1, 1), (1, 1))).eval(), torch.rand(1, 3, 4, 8, 8)
    for layer in encoder.layers:
        for block in layer:
            nn.init.zeros_(block.bn2.weight)
    first, last = encoder.stages(x)
    assert first.abs().sum() > 0
    torch.testing.assert_close(last, first)


def test_only_the_very_last_relu_can_be_left_out():
    torch.manual_seed(0)
    bare = small(final_relu=False).eval()
    rectified = small().eval()
    rectified.load_state_dict(bare.state_dict())
    x = torch.rand(2, 3, 4, 16, 16)
    assert bare(x).min() < 0
    torch.testing.assert_close(bare(x).relu(), rectified(x))


def test_without_running_statistics_evaluation_normalises_by_the_batch():
    encoder, x = small(track_running_stats=False), torch.rand(2, 3, 4, 16, 16)
    assert not list(encoder.buffers())
    torch.testing.assert_close(encoder(x), encoder.eval()(x))


# Wrong calls


@pytest.mark.parametrize(("call", "remedy"), [
    (lambda: cubic_puzzles.cubic_puzzle(clips(2, 8, 4), torch.tensor([0, 1]), "diagonal"), "'spatial' or 'temporal'"),
    (lambda: cubic_puzzles.cubic_puzzle(clips(2, 8, 5), torch.tensor([0, 1]), "spatial"), "even sides"),
    (lambda: cubic_puzzles.cubic_puzzle(clips(2, 6, 4), torch.tensor([0, 1]), "temporal"), "multiple of four"),
    (lambda: cubic_puzzles.jitter(torch.rand(1, 4, 3, 2, 4, 4), (3, 4, 4), generator()), "smaller"),
    (lambda: cubic_puzzles.clip_views(torch.rand(2, 3, 2, 8, 8), generator()), "four frames"),
    (lambda: cubic_puzzles.clip_views(torch.rand(2, 3, 8, 8), generator()), r"\(B, C, T, H, W\)"),
    (lambda: cubic_puzzles.build()(torch.rand(2, 3, 3, 2, 8, 8)), "a puzzle has four"),
    (lambda: cubic_puzzles.ResNet3d((8, 16), (1,)), "one of each"),
    (lambda: small()(torch.rand(2, 3, 8, 8)), r"\(B, C, T, H, W\)"),
])
def test_wrong_calls_are_told_the_remedy(call, remedy):
    with pytest.raises(ValueError, match=remedy):
        call()
