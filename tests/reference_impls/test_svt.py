"""SVT against its authors' numbers, then against what the paper says."""

import pytest
import torch
import torch.nn.functional as F

from reference_impls import svt
from tests.reference_impls.golden import cases
from tests.reference_impls.two_processes import on_two


@pytest.mark.parametrize("case", cases("svt", function="svt_loss"), ids=str)
def test_loss_its_parts_and_the_centre_equal_upstream(case):
    p, student = case.params, case.leaf("student")
    loss, center = svt.svt_loss(
        student, case["teacher"], case["center"], p["n_crops"], p["student_temp"], p["teacher_temp"],
        p["center_momentum"],
    )
    K = student.shape[-1]
    q = svt.teacher_targets(case["teacher"], case["center"], p["teacher_temp"])
    log_p = F.log_softmax(student / p["student_temp"], dim=-1)
    motion, cross = svt.view_losses(q.view(2, -1, K), log_p.view(p["n_crops"], -1, K))
    loss.backward()
    ours = {"loss": loss, "new_center": center, "loss_gg_motion": motion, "loss_lg_crossview": cross,
            "grad_student": student.grad}
    case.check(**{name: ours[name] for name in case.card["outputs"]})


# The loss


def logits(V=4, B=3, K=7, dtype=torch.float64):
    g = torch.Generator().manual_seed(0)
    student, teacher = (torch.randn(n * B, K, dtype=dtype, generator=g) for n in (V, 2))
    return student.requires_grad_(), teacher, torch.randn(1, K, dtype=dtype, generator=g), V


def test_loss_is_the_mean_over_all_pairs_of_different_views():
    """Written out as the paper does: for each of the teacher's views, every other of the student's."""
    student, teacher, center, V = logits()
    B, terms = len(teacher) // 2, []
    for t in range(2):
        q = ((teacher[t * B : (t + 1) * B] - center) / 0.04).softmax(-1)
        for v in range(V):
            if v != t:
                log_p = (student[v * B : (v + 1) * B] / 0.1).log_softmax(-1)
                terms.append(-(q * log_p).sum(-1).mean())
    assert len(terms) == 2 * (V - 1)
    loss, _ = svt.svt_loss(student, teacher, center, V)
    torch.testing.assert_close(loss, torch.stack(terms).mean())


def test_two_global_views_alone_learn_from_motion():
    student, teacher, center, _ = logits(V=2)
    q = svt.teacher_targets(teacher, center, 0.04).view(2, 3, 7)
    motion, cross = svt.view_losses(q, F.log_softmax(student / 0.1, -1).view(2, 3, 7))
    assert cross == 0
    torch.testing.assert_close(svt.svt_loss(student, teacher, center, 2)[0], motion)


def test_a_view_is_never_compared_with_itself():
    """The teacher's first view alone decides for the student's second, and the other way round."""
    student, teacher, center, V = logits()
    moved = teacher.clone()
    moved[:3] += torch.randn(3, 7, dtype=torch.float64)
    before, = torch.autograd.grad(svt.svt_loss(student, teacher, center, V)[0], student)
    after, = torch.autograd.grad(svt.svt_loss(student, moved, center, V)[0], student)
    unchanged = [torch.allclose(a, b) for a, b in zip(before.chunk(V), after.chunk(V), strict=True)]
    assert unchanged == [True, False, False, False]


def test_the_centre_is_read_before_this_batch_moves_it():
    student, teacher, center, V = logits()
    loss, moved = svt.svt_loss(student, teacher, center, V, center_momentum=0.8)
    torch.testing.assert_close(moved, 0.8 * center + 0.2 * teacher.mean(0, keepdim=True))
    other, _ = svt.svt_loss(student, teacher, center, V, center_momentum=0.1)
    assert loss == other
    assert not torch.isclose(loss, svt.svt_loss(student, teacher, moved, V)[0])


def test_no_gradient_reaches_teacher_or_centre():
    student, teacher, center, V = logits()
    teacher.requires_grad_(), center.requires_grad_()
    loss, moved = svt.svt_loss(student, teacher, center, V)
    loss.backward()
    assert teacher.grad is None
    assert not moved.requires_grad
    assert student.grad.abs().sum() > 0


def test_loss_keeps_double_precision_compiles_and_stands_autocast():
    student, teacher, center, V = logits()
    loss, moved = svt.svt_loss(student, teacher, center, V)
    assert loss.dtype == moved.dtype == torch.float64
    compiled = torch.compile(svt.svt_loss, fullgraph=True, backend="aot_eager")
    torch.testing.assert_close(compiled(student, teacher, center, V), (loss, moved))
    with torch.autocast("cpu", torch.bfloat16):
        halved, _ = svt.svt_loss(student.to(torch.bfloat16), teacher.to(torch.bfloat16), center.float(), V)
    torch.testing.assert_close(halved.double(), loss, rtol=5e-2, atol=5e-2)


def test_loss_and_centre_agree_with_lightly():
    from lightly.loss import DINOLoss

    student, teacher, _, V = logits()
    peer = DINOLoss(7, warmup_teacher_temp=0.04, teacher_temp=0.04, warmup_teacher_temp_epochs=1).double()
    loss, moved = svt.svt_loss(student, teacher, torch.zeros(1, 7, dtype=torch.float64), V)
    expected = peer(list(teacher.chunk(2)), list(student.chunk(V)), epoch=0)
    torch.testing.assert_close(loss, expected)
    torch.testing.assert_close(moved, peer.center.view(1, -1).to(moved))


def new_center(*views):
    """Halves of each teacher view, put together as one process would have them."""
    teacher = torch.cat(views)
    return svt.svt_loss(teacher, teacher, torch.zeros(1, teacher.shape[-1]), 2)[1]


def test_two_processes_share_the_centre_of_the_whole_batch(tmp_path):
    first, second = torch.randn(2, 4, 5)
    one, other = on_two(new_center, tmp_path, first, second)
    assert torch.equal(one, other)
    torch.testing.assert_close(one, new_center(first, second))


# The network


def tiny(**changed):
    torch.manual_seed(0)
    given = {"img_size": 16, "patch_size": 8, "embed_dim": 12, "depth": 2, "num_heads": 3, "num_frames": 4} | changed
    net = svt.SpaceTimeTransformer(**given).double()
    torch.nn.init.normal_(net.time_embed, std=0.5)
    return net


def attend(layer, x):
    """One sequence (T, C) through an attention layer, by torch's own function."""
    q, k, v = layer.qkv(x).view(len(x), 3, layer.heads, -1).permute(1, 2, 0, 3)
    return layer.proj(F.scaled_dot_product_attention(q, k, v).transpose(0, 1).flatten(1))


def test_a_block_attends_along_time_then_around_each_frame():
    """Token by token: patch n sees its own T frames; then each frame its N patches and the class token."""
    torch.manual_seed(0)
    block, N, T = svt.SpaceTimeBlock(12, 3).double(), 4, 3
    x = torch.randn(2, 1 + N * T, 12, dtype=torch.float64)
    for given, ours in zip(x, block(x, T), strict=True):
        cls, grid = given[0], given[1:].view(N, T, 12).clone()
        for n in range(N):
            grid[n] += block.temporal_fc(attend(block.temporal_attn, block.temporal_norm1(grid[n])))
        answers = []
        for t in range(T):
            frame = torch.cat([cls[None], grid[:, t]])
            answer = attend(block.attn, block.norm1(frame))
            answers.append(answer[0])
            grid[:, t] += answer[1:]
        tokens = torch.cat([(cls + torch.stack(answers).mean(0))[None], grid.flatten(0, 1)])
        torch.testing.assert_close(ours, tokens + block.mlp(block.norm2(tokens)))


def test_an_image_is_a_clip_of_one_frame_and_frames_in_other_order_are_another_clip():
    net = tiny()
    clip = torch.randn(2, 3, 4, 16, 16, dtype=torch.float64)
    assert net(clip[:, :, :1]).shape == (2, 12)
    assert not torch.allclose(net(clip), net(clip.flip(2)))
    torch.nn.init.zeros_(net.time_embed)
    torch.testing.assert_close(net(clip), net(clip.flip(2)))


def test_positions_say_where_and_when():
    net = tiny()
    table = net.positions(4, (2, 2))[0]
    torch.testing.assert_close(table[0], net.pos_embed[0, 0])
    for n in range(4):
        for t in range(4):
            expected = net.pos_embed[0, 1 + n] + net.time_embed[0, t]
            torch.testing.assert_close(table[1 + 4 * n + t], expected)


@pytest.mark.parametrize(("frames", "side"), [(2, 16), (8, 16), (4, 24), (3, 8)])
def test_views_of_any_length_and_size_pass_the_same_network(frames, side):
    net = tiny()
    assert net(torch.randn(2, 3, frames, side, side, dtype=torch.float64)).shape == (2, 12)
    hw = (side // 8, side // 8)
    table = net.positions(frames, hw)[0, 1:].view(*hw, frames, 12).mean((0, 1))
    steps = table.diff(dim=0)
    ends = net.time_embed[0, -1] - net.time_embed[0, 0]
    assert (steps.sum(0) * ends).sum() > 0


def test_tokens_meet_the_positions_of_their_own_patch_and_frame():
    net = tiny()
    clip = torch.randn(1, 3, 4, 16, 16, dtype=torch.float64)
    tokens = (net.embed(clip) - net.positions(4, (2, 2)))[0]
    torch.testing.assert_close(tokens[0], net.cls_token[0, 0])
    for t in range(4):
        torch.testing.assert_close(tokens[1 + t :: 4], net.patch_embed(clip[:, :, t])[0])


def test_official_state_dict_names():
    block = [f"{part}.{leaf}" for part in (
        "norm1", "attn.qkv", "attn.proj", "temporal_norm1", "temporal_attn.qkv", "temporal_attn.proj", "temporal_fc",
        "norm2", "mlp.fc1", "mlp.fc2",
    ) for leaf in ("weight", "bias")]
    outside = {"cls_token", "pos_embed", "time_embed", "patch_embed.proj.weight", "patch_embed.proj.bias",
               "norm.weight", "norm.bias"}
    state = tiny().state_dict()
    assert set(state) == outside | {f"blocks.{i}.{name}" for i in range(2) for name in block}
    assert state["pos_embed"].shape == (1, 5, 12)
    assert state["time_embed"].shape == (1, 4, 12)


# Training


def test_the_student_sees_every_view_and_the_teacher_the_global_ones():
    model = svt.build()
    batch = svt.clip_views(torch.rand(2, 3, 8, 32, 32), generator())
    student, teacher = model(batch)
    assert student.shape == (2 * len(batch), svt.TINY.out_dim)
    assert teacher.shape == (4, svt.TINY.out_dim)
    assert not teacher.requires_grad
    torch.testing.assert_close(student[2:4], model.student([batch[1]]))
    torch.testing.assert_close(teacher[2:], model.student(batch[1:2]))


def test_the_teacher_moves_in_after_step_alone_and_the_centre_in_the_step():
    torch.manual_seed(0)
    model = svt.build()
    before = {n: p.clone() for n, p in model.teacher.named_parameters()}
    loss, _ = svt.training_step(model, svt.clip_views(torch.rand(2, 3, 8, 32, 32), generator()), 0, 10)
    loss.backward()
    assert model.center.abs().sum() > 0
    assert all(torch.equal(before[n], p) for n, p in model.teacher.named_parameters())
    with torch.no_grad():
        for p in model.student.parameters():
            p += 1
    svt.after_step(model, 0, 10)
    for n, p in model.teacher.named_parameters():
        torch.testing.assert_close(p, before[n] + 1 - svt.TINY.base_momentum, rtol=0, atol=1e-5)


def test_training_lowers_the_loss():
    torch.manual_seed(0)
    model = svt.build()
    batch = svt.clip_views(torch.rand(4, 3, 8, 32, 32, generator=generator()), generator())
    adam = torch.optim.Adam([p for p in model.parameters() if p.requires_grad], 1e-3)
    losses = []
    for step in range(8):
        loss, _ = svt.training_step(model, batch, step, 8)
        adam.zero_grad(), loss.backward(), adam.step()
        svt.after_step(model, step, 8)
        losses.append(loss.item())
    assert losses[-1] < losses[0] - 0.05


# The views


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def test_frames_are_spread_evenly_over_a_window_that_starts_anywhere():
    clips = torch.arange(17).view(1, 1, 17, 1, 1).expand(300, 3, 17, 2, 2).double()
    whole = svt.sample_frames(clips, 5, 1.0, generator())[:, 0, :, 0, 0]
    assert whole[0].tolist() == [0, 4, 8, 12, 16]
    assert (whole == whole[0]).all()
    part = svt.sample_frames(clips, 3, 0.25, generator())[:, 0, :, 0, 0]
    assert (part.diff(dim=1) == 2).all()
    assert set(part[:, 0].tolist()) == set(range(13))


def test_global_views_differ_in_frame_rate_and_local_ones_are_short_and_small():
    c = svt.TINY
    clips = torch.rand(2, 3, c.frames, c.img_size, c.img_size)
    shapes = [tuple(v.shape[2:]) for v in svt.clip_views(clips, generator())]
    assert shapes[:2] == [(f, c.img_size, c.img_size) for f in c.global_frames]
    assert shapes[2:] == [(f, c.local_size, c.local_size) for f in c.local_frames]
    for config in (c, svt.Config()):
        assert config.global_frames[0] != config.global_frames[1]
        assert config.local_span < 1
        assert config.local_size < config.img_size
    assert len(svt.Config().local_frames) == 8


def test_global_crops_are_large_and_local_ones_small(monkeypatch):
    seen = []
    monkeypatch.setattr(svt, "augment_clips", lambda x, how, size, g: seen.append(how.area) or x)
    monkeypatch.setattr(svt, "sample_frames", lambda x, frames, span, g: seen.append(span) or x)
    svt.clip_views(torch.rand(1, 3, 8, 32, 32), generator())
    assert seen == [1.0, (0.4, 1.0)] * 2 + [svt.TINY.local_span, (0.05, 0.4)] * len(svt.TINY.local_frames)


@pytest.mark.parametrize(
    ("call", "remedy"),
    [
        (lambda: svt.svt_loss(*logits()[:3], 5), "n_crops"),
        (lambda: svt.svt_loss(torch.zeros(3, 4), torch.zeros(6, 4), torch.zeros(1, 4), 1), "at least 2"),
        (lambda: svt.clip_views(torch.rand(2, 3, 4, 32, 32), generator()), "at least 8 frames"),
        (lambda: tiny()(torch.rand(2, 3, 16, 16)), r"\(B, 3, T, H, W\)"),
        (lambda: tiny()(torch.rand(1, 3, 2, 15, 16).double()), "multiples"),
    ],
)
def test_wrong_calls_say_what_to_do(call, remedy):
    with pytest.raises(ValueError, match=remedy):
        call()
