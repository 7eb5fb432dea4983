"""The arrow of time against stored answers, then against what the paper says."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from reference_impls import arrow_of_time
from tests.reference_impls.golden import cases


@pytest.mark.parametrize("case", cases("arrow_of_time", function="make_aot_batch"), ids=str)
def test_reversal_logit_map_and_loss_equal_the_stored_ones(case):
    head = arrow_of_time.TCAMHead(case["weight"].shape[1]).to(case["weight"].dtype)
    head.fc.load_state_dict({"weight": case["weight"], "bias": case["bias"]})
    logit, cam = head(case["maps"])
    loss = arrow_of_time.aot_loss(logit, case["labels"])
    case.check(clip_out=arrow_of_time.make_aot_batch(case["clip"], case["labels"]), logit=logit, cam=cam, loss=loss)


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def noise(*shape, seed=0):
    return torch.rand(shape, dtype=torch.float64, generator=generator(seed))


def moving(dx, dy, frames=3, side=32, B=1):
    """A smooth pattern that moves by (dx, dy) pixels a frame."""
    y, x = torch.meshgrid(*[torch.arange(side, dtype=torch.float64)] * 2, indexing="ij")
    pictures = [torch.sin((x - t * dx) / 3) + torch.cos((y - t * dy) / 4) for t in range(frames)]
    return (torch.stack(pictures) / 4 + 0.5).expand(B, 3, frames, side, side)


# Forwards or backwards


def test_only_clips_of_label_0_are_turned_round():
    clip = noise(2, 3, 4, 5, 5)
    out = arrow_of_time.make_aot_batch(clip, torch.tensor([1, 0]))
    assert torch.equal(out[0], clip[0])
    assert torch.equal(out[1], clip[1].flip(1))


def test_reversed_flow_is_negated_too():
    clip = noise(2, 2, 4, 5, 5)
    out = arrow_of_time.make_aot_batch(clip, torch.tensor([1, 0]), flow=True)
    assert torch.equal(out[0], clip[0])
    assert torch.equal(out[1], -clip[1].flip(1))


def test_flow_of_a_reversed_clip_is_the_reversed_negated_flow():
    """Why: a vector from a to b, seen backwards, leads from b to a."""
    clip = noise(2, 3, 5, 16, 16)
    backwards = arrow_of_time.lucas_kanade(clip.flip(2))
    flow = arrow_of_time.lucas_kanade(clip)
    assert flow.shape == (2, 2, 4, 16, 16)
    expected = arrow_of_time.make_aot_batch(flow, torch.zeros(2), flow=True)
    torch.testing.assert_close(backwards, expected)


def test_flow_of_a_mirrored_clip_is_the_mirrored_flow():
    """Only u changes its sign; negating v as well would be another film."""
    clip = noise(2, 3, 3, 16, 16)
    mirrored = arrow_of_time.lucas_kanade(clip.flip(-1))
    torch.testing.assert_close(mirrored, arrow_of_time.flip_flow(arrow_of_time.lucas_kanade(clip)))


# Flow


@pytest.mark.parametrize(("dx", "dy"), [(0.5, 0.0), (0.0, -0.4), (0.3, 0.6)])
def test_flow_finds_the_motion_of_a_pattern(dx, dy):
    flow = arrow_of_time.lucas_kanade(moving(dx, dy), window=9, ridge=1e-6)[..., 6:-6, 6:-6]
    u, v = flow.mean(dim=(0, 2, 3, 4))
    assert abs(u - dx) < 0.05
    assert abs(v - dy) < 0.05


def test_where_nothing_can_be_seen_there_is_no_flow():
    flow = arrow_of_time.lucas_kanade(torch.full((1, 3, 3, 8, 8), 0.4))
    assert torch.equal(flow, torch.zeros_like(flow))


# Artificial cues


def test_black_borders_are_rows_and_columns_black_all_along():
    clips = noise(2, 3, 4, 10, 12) + 0.1
    clips[0, ..., :2, :] = 0
    clips[1, ..., -3:] = 0.01
    clips[1, :, 0, 4] = 0                                   # a row that is dark for one frame
    clips[1, :, :, 5, 5] = 0                                # a dark pixel
    black = arrow_of_time.black_borders(clips)
    assert black[0].nonzero()[:, 0].unique().tolist() == [0, 1]
    assert black[1].nonzero()[:, 1].unique().tolist() == [9, 10, 11]
    assert black.sum() == 2 * 12 + 3 * 10


def test_the_cameraman_s_motion_and_the_borders_leave_the_flow():
    flow, border = noise(2, 2, 3, 8, 8), torch.zeros(2, 8, 8, dtype=torch.bool)
    border[0, :2] = True
    still = arrow_of_time.stabilize(flow, border)
    panned = arrow_of_time.stabilize(flow + torch.tensor([3.0, -2.0]).view(1, 2, 1, 1, 1), border)
    torch.testing.assert_close(panned, still)
    assert not still[0, :, :, :2].any()
    torch.testing.assert_close(still[0, :, :, 2:].mean(dim=(2, 3)), torch.zeros(2, 3, dtype=torch.float64))
    torch.testing.assert_close(still[1].mean(dim=(2, 3)), torch.zeros(2, 3, dtype=torch.float64))


def test_segments_hold_u_and_v_in_turns_in_order_of_time():
    clips = noise(40, 3, 12, 32, 32)
    segments, labels = arrow_of_time.clip_views(clips, generator())
    assert segments.shape == (40, 2, 8, 32, 32)
    flow = arrow_of_time.lucas_kanade(clips[:, :, :9])
    flow = arrow_of_time.stabilize(flow, arrow_of_time.black_borders(clips))
    unseen = 0
    for got, own, label in zip(segments, flow, labels, strict=True):
        u, v = got.flatten(0, 1)[0::2], got.flatten(0, 1)[1::2]
        expected = own if label == 1 else -own.flip(1)
        mirrored = arrow_of_time.flip_flow(expected[None])[0]
        found = [torch.allclose(torch.stack([u, v]), e) for e in (expected, mirrored)]
        assert any(found)
        unseen += found[1]
    assert 8 <= unseen <= 32
    assert 8 <= labels.sum() <= 32


def test_views_depend_on_the_generator_alone():
    clips = noise(4, 3, 9, 32, 32)
    torch.manual_seed(1)
    first = arrow_of_time.clip_views(clips, generator(7))
    torch.manual_seed(2)
    again, other = (arrow_of_time.clip_views(clips, generator(seed)) for seed in (7, 9))
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
    assert not torch.equal(first[0], other[0])


# The network


def test_the_map_adds_up_to_the_unit_on_pooled_maps():
    head, maps = arrow_of_time.TCAMHead(6).double(), noise(3, 2, 3, 5, 4)
    logit, cam = head(maps)
    torch.testing.assert_close(cam.mean(dim=(1, 2)) + head.fc.bias, logit)
    torch.testing.assert_close(logit, head.fc(maps.flatten(1, 2).mean(dim=(2, 3))).squeeze(1))


def test_the_map_shows_where_the_evidence_is():
    head, maps = arrow_of_time.TCAMHead(4), torch.zeros(1, 2, 2, 3, 3)
    nn.init.constant_(head.fc.weight, 1.0)
    maps[0, 1, 0, 2, 1] = 5
    assert head(maps)[1][0].nonzero().tolist() == [[2, 1]]


def test_segments_share_the_encoder_and_meet_behind_it():
    """A change in one segment reaches the fused maps through its own channels alone."""
    seen = []
    model = arrow_of_time.build().eval()
    model.fusion.register_forward_hook(lambda module, args, output: seen.append(args[0].unflatten(1, (2, -1))))
    x = noise(2, 2, 8, 32, 32).float()
    logit, cam = model(x)
    model(x.flip(1))
    assert logit.shape == (2,)
    assert cam.shape == (2, 16, 16)
    torch.testing.assert_close(seen[1], seen[0].flip(1))


def test_the_official_network_keeps_maps_of_14_by_14():
    with torch.device("meta"):
        model = arrow_of_time.build(arrow_of_time.Config())
        cam = model(torch.empty(1, 2, 20, 224, 224))[1]
    assert cam.shape == (1, 14, 14)
    assert sum(isinstance(m, nn.Conv2d) for m in model.encoder) == 13
    kinds = [type(m) for m in model.fusion]
    assert kinds == [nn.Conv2d, nn.ReLU, nn.BatchNorm2d, nn.Dropout] * 2


def test_loss_is_binary_cross_entropy_of_forwards():
    logits = torch.tensor([2.0, -1.0, 0.0], dtype=torch.float64)
    labels = torch.tensor([1, 0, 1])
    expected = F.binary_cross_entropy(logits.sigmoid(), labels.double())
    torch.testing.assert_close(arrow_of_time.aot_loss(logits, labels), expected)
    compiled = torch.compile(arrow_of_time.aot_loss, fullgraph=True, backend="aot_eager")
    torch.testing.assert_close(compiled(logits, labels), expected)


def test_a_short_training_tells_the_direction_of_films_it_saw():
    torch.manual_seed(0)
    model, batch = arrow_of_time.build(), arrow_of_time.clip_views(noise(8, 3, 9, 32, 32).float(), generator())
    adam = torch.optim.Adam(model.parameters(), 3e-3)
    for step in range(12):
        loss, watched = arrow_of_time.training_step(model, batch, step, 12)
        adam.zero_grad(), loss.backward(), adam.step()
    assert watched["accuracy"] == 1


@pytest.mark.parametrize(("call", "remedy"), [
    (lambda: arrow_of_time.make_aot_batch(noise(2, 3, 4, 5, 5), torch.tensor([1])), "one per clip"),
    (lambda: arrow_of_time.lucas_kanade(noise(2, 3, 1, 8, 8)), "two frames or more"),
    (lambda: arrow_of_time.clip_views(noise(2, 3, 8, 32, 32), generator()), "T of 9"),
    (lambda: arrow_of_time.TCAMHead(6)(torch.rand(2, 2, 4, 3, 3)), "T C = 8"),
    (lambda: arrow_of_time.aot_loss(torch.zeros(3, 1), torch.zeros(3)), r"both are \(B,\)"),
])
def test_wrong_calls_are_told_the_remedy(call, remedy):
    with pytest.raises(ValueError, match=remedy):
        call()
