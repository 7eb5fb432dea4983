"""BraVe against its authors' numbers, then against what the paper says."""

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from reference_impls import brave
from tests.reference_impls.golden import cases


def from_haiku(case):
    """The stored weights by our names: (in, out) matrices turned, (1, dim) rows flattened."""
    last = {"w": "weight", "b": "bias", "scale": "weight", "offset": "bias"}
    state = {}
    for key, array in case.arrays.items():
        if key.startswith("w."):
            *path, leaf = key[2:].split("/")
            tensor = torch.from_numpy(array.copy())
            state[".".join([*path, last[leaf]])] = tensor.T if leaf == "w" else tensor.flatten()
    return state


def head_of(case):
    p = case.params
    head = brave.ProjectAndPredict(p["in_dim"], p["hidden"], p["out_dim"])
    state = from_haiku(case)
    head.to(next(iter(state.values())).dtype)
    running = {k: v for k, v in head.state_dict().items() if "running" in k or "num_batches" in k}
    head.load_state_dict(state | running, strict=True)
    for module in head.modules():
        if isinstance(module, nn.BatchNorm1d):
            module.eps = p["bn_eps"]
    return head.train()


@pytest.mark.parametrize("case", cases("brave", function="brave_loss"), ids=str)
def test_projections_predictions_and_losses_equal_upstream(case):
    head = head_of(case)
    seen = {name[3:].removeprefix("f_"): head(case[name[3:]]) for name in case.arrays if name.startswith("in.f_")}
    z_n, h_n = seen.pop("narrow")
    each = [brave.brave_loss(h_b, z_n, h_n, z_b) for z_b, h_b in seen.values()]
    z_b, h_b = seen["broad"]
    ours = {"loss": torch.stack(each).mean(), "z_narrow": z_n, "h_narrow": h_n,
            "loss_b_to_n": brave.regression_loss(h_b, z_n), "loss_n_to_b": brave.regression_loss(h_n, z_b)}
    for name, (z, h) in seen.items():
        ours |= {f"z_{name}": z, f"h_{name}": h}
    case.check(**{name: ours[name] for name in case.card["outputs"]})


# The loss


def four(dtype=torch.float64, B=6, D=8):
    g = torch.Generator().manual_seed(0)
    return [torch.randn(B, D, dtype=dtype, generator=g).requires_grad_() for _ in range(4)]


def test_loss_is_half_the_squared_distance_of_unit_vectors_over_both_directions():
    h_b, z_n, h_n, z_b = four()
    expected = 0.0
    for h, z in [(h_b, z_n), (h_n, z_b)]:
        for a, b in zip(h, z, strict=True):
            expected += ((a / a.norm() - b / b.norm()) ** 2).sum() / 2 / len(h) / 2
    torch.testing.assert_close(brave.brave_loss(h_b, z_n, h_n, z_b), expected)


def test_loss_is_zero_at_agreement_and_two_at_its_worst():
    h_b, z_n, h_n, z_b = four()
    assert brave.brave_loss(3 * z_n, z_n, 0.1 * z_b, z_b).abs() < 1e-12
    torch.testing.assert_close(brave.brave_loss(-z_n, z_n, -5 * z_b, z_b).item(), 2.0)
    assert 0 < brave.brave_loss(h_b, z_n, h_n, z_b) < 2


def test_no_gradient_reaches_the_regression_targets():
    h_b, z_n, h_n, z_b = four()
    brave.brave_loss(h_b, z_n, h_n, z_b).backward()
    assert z_n.grad is None
    assert z_b.grad is None
    assert h_b.grad.abs().sum() > 0
    assert h_n.grad.abs().sum() > 0


def test_each_view_predicts_the_other_and_not_itself():
    """A prediction of one's own projection changes nothing in the loss."""
    h_b, z_n, h_n, z_b = four()
    g_b, = torch.autograd.grad(brave.brave_loss(h_b, z_n, h_n, z_b), h_b)
    other, = torch.autograd.grad(brave.brave_loss(h_b, z_n, h_n, z_b.flip(0)), h_b)
    torch.testing.assert_close(g_b, other)
    moved, = torch.autograd.grad(brave.brave_loss(h_b, z_n.flip(0), h_n, z_b), h_b)
    assert not torch.allclose(g_b, moved)


def test_loss_keeps_double_precision_and_ignores_lengths():
    h_b, z_n, h_n, z_b = four()
    loss = brave.brave_loss(h_b, z_n, h_n, z_b)
    assert loss.dtype == torch.float64
    torch.testing.assert_close(brave.brave_loss(2 * h_b, 9 * z_n, 0.1 * h_n, 5 * z_b), loss)


def test_loss_under_autocast_and_compiled_is_the_same():
    args = four(torch.float32)
    with torch.autocast("cpu", torch.bfloat16):
        halved = brave.brave_loss(*(a.to(torch.bfloat16) for a in args))
    torch.testing.assert_close(halved.float(), brave.brave_loss(*args), rtol=5e-2, atol=5e-2)
    compiled = torch.compile(brave.brave_loss, fullgraph=True, backend="aot_eager")
    torch.testing.assert_close(compiled(*args), brave.brave_loss(*args))


def test_loss_agrees_with_lightly():
    from lightly.loss import NegativeCosineSimilarity

    h_b, z_n, h_n, z_b = four()
    cosine = NegativeCosineSimilarity()
    expected = 1 + (cosine(h_b, z_n) + cosine(h_n, z_b)) / 2
    torch.testing.assert_close(brave.brave_loss(h_b, z_n, h_n, z_b), expected)


# The networks


def test_projections_are_normed_over_the_batch_and_predictions_are_not():
    torch.manual_seed(0)
    z, h = brave.ProjectAndPredict(12, 20, 8).double()(torch.randn(50, 12, dtype=torch.float64) * 3 + 1)
    torch.testing.assert_close(z.mean(0), torch.zeros(8, dtype=z.dtype), atol=1e-9, rtol=0)
    torch.testing.assert_close(z.var(0, unbiased=False), torch.ones(8, dtype=z.dtype), rtol=1e-3, atol=0)
    assert (h.std(0) - 1).abs().max() > 0.1


def test_a_shift_brings_one_share_from_the_next_frame_and_one_from_the_last():
    x = torch.randn(2, 16, 5, 3, 3)
    shifted = brave.temporal_shift(x)
    assert torch.equal(shifted[:, :2, :-1], x[:, :2, 1:])
    assert not shifted[:, :2, -1].any()
    assert torch.equal(shifted[:, 2:4, 1:], x[:, 2:4, :-1])
    assert not shifted[:, 2:4, 0].any()
    assert torch.equal(shifted[:, 4:], x[:, 4:])


def test_only_the_shift_lets_a_frame_see_its_neighbours():
    torch.manual_seed(0)
    net = brave.tsm_resnet((16, 16), (1, 1), brave.SMALL_STEM).eval()
    clip = torch.randn(1, 3, 8, 8, 8, requires_grad=True)
    seen = torch.autograd.grad(net(clip)[:, :, 4].sum(), clip)[0].abs().sum((0, 1, 3, 4)) > 0
    assert seen.tolist() == [False, False, True, True, True, True, True, False]
    for module in net.modules():
        if isinstance(module, brave.BasicBlock):
            module.conv1 = module.conv1[1]
    alone = torch.autograd.grad(net(clip)[:, :, 4].sum(), clip)[0].abs().sum((0, 1, 3, 4)) > 0
    assert alone.tolist() == [i == 4 for i in range(8)]


def test_the_views_have_backbones_of_their_own():
    model = brave.build()
    narrow, broad = model.backbones
    assert model.encoder is narrow
    assert not {id(p) for p in narrow.parameters()} & {id(p) for p in broad.parameters()}
    assert broad.width < narrow.width


def test_each_prediction_teaches_its_own_predictor_projector_and_backbone():
    torch.manual_seed(0)
    model = brave.build()
    (z_n, h_n), (z_b, h_b) = model([torch.randn(3, 3, 4, 16, 16), torch.randn(3, 3, 4, 8, 8)])
    for i, (h, z) in enumerate([(h_n, z_b), (h_b, z_n)]):
        model.zero_grad()
        brave.regression_loss(h, z).backward(retain_graph=True)
        taught = [p.grad is not None and bool(p.grad.any()) for p in model.parameters()]
        own = {id(p) for part in (model.backbones[i], model.heads[i]) for p in part.parameters() if p.ndim > 1}
        assert all(t for t, p in zip(taught, model.parameters(), strict=True) if id(p) in own)
        assert not any(p.grad is not None and p.grad.any() for p in model.backbones[1 - i].parameters())


def test_predictors_learn_ten_times_as_fast_and_nothing_is_left_out():
    model = brave.build()
    slow, fast = brave.parameter_groups(model, lr=0.2)
    assert fast["lr"] == 10 * slow["lr"] == 2.0
    assert {id(p) for h in model.heads for p in h.predictor.parameters()} == {id(p) for p in fast["params"]}
    assert len(slow["params"]) + len(fast["params"]) == len(list(model.parameters()))


def test_every_broad_view_counts_alike():
    torch.manual_seed(0)
    nets = [brave.tsm_resnet((8,), (1,), brave.SMALL_STEM) for _ in range(3)]
    model = brave.BraVe(nets, [brave.ProjectAndPredict(8, 8, 4) for _ in nets])
    narrow, one, two = torch.randn(3, 4, 3, 2, 8, 8)
    (z_n, h_n), (z_1, h_1), (z_2, h_2) = model([narrow, one, two])
    loss, _ = brave.training_step(model, (narrow, [one, two]), 0, 1)
    expected = (brave.brave_loss(h_1, z_n, h_n, z_1) + brave.brave_loss(h_2, z_n, h_n, z_2)) / 2
    torch.testing.assert_close(loss, expected)


def test_training_brings_the_views_together_without_collapse():
    torch.manual_seed(0)
    model = brave.build()
    adam = torch.optim.Adam(brave.parameter_groups(model, lr=1e-3))
    batch = brave.clip_views(torch.rand(4, 3, 16, 32, 32, generator=generator()), generator())
    watched = []
    for step in range(12):
        loss, seen = brave.training_step(model, batch, step, 12)
        adam.zero_grad(), loss.backward(), adam.step()
        watched.append(seen)
    assert watched[-1]["loss"] < 0.3 * watched[0]["loss"]
    assert watched[-1]["spread"] > 0.3 / brave.TINY.dim**0.5


# The views


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def numbered(B=64, T=16, side=8):
    """Clips whose pixels say which frame they are of: frame t is t / T."""
    return (torch.arange(T) / T).view(1, 1, T, 1, 1).expand(B, 3, T, side, side).double()


def test_windows_step_evenly_and_start_anywhere_that_fits():
    cut = brave.cut_window(numbered(B=400), 4, 3, generator()) * 16
    frames = cut[:, 0, :, 0, 0].round().long()
    assert (frames.diff(dim=1) == 3).all()
    assert set(frames[:, 0].tolist()) == set(range(16 - 9))


def test_the_broad_view_sees_more_time_at_a_lower_resolution():
    c = brave.TINY
    narrow, (broad,) = brave.clip_views(torch.rand(2, 3, c.frames, c.img_size, c.img_size), generator())
    assert narrow.shape == (2, 3, c.narrow_frames, c.narrow_size, c.narrow_size)
    assert broad.shape == (2, 3, c.broad_frames, c.broad_size, c.broad_size)
    for config in (c, brave.Config()):
        assert config.broad_frames * config.broad_step > config.narrow_frames * config.narrow_step
        assert config.broad_size < config.narrow_size
        assert config.broad_frames * config.broad_step <= config.frames


def test_only_the_broad_view_is_convolved(monkeypatch):
    seen = []
    monkeypatch.setattr(brave, "random_convolution", lambda x, g: seen.append(x) or x)
    _narrow, (broad,) = brave.clip_views(torch.rand(2, 3, 16, 32, 32), generator())
    assert len(seen) == 1
    assert seen[0] is broad


def test_all_frames_of_a_clip_share_one_draw_and_clips_do_not():
    still = torch.rand(1, 3, 1, 24, 24, generator=generator()).expand(16, 3, 4, 24, 24).double()
    views = brave.augment_clips(still, brave.Augmentation(), 16, generator(1))
    torch.testing.assert_close(views, views[:, :, :1].expand_as(views), rtol=0, atol=1e-9)
    assert len({round(float(view.sum()), 6) for view in views}) == 16


def test_every_part_of_the_augmentation_is_taken():
    clips = torch.rand(16, 3, 2, 24, 24, generator=generator()).double()
    none = brave.Augmentation(jitter=0, grey=0, blur=0)
    plain = brave.augment_clips(clips, none, 16, generator())
    for part in ("jitter", "grey", "blur"):
        changed = brave.augment_clips(clips, replace(none, **{part: 1.0}), 16, generator())
        assert ((changed - plain).abs().amax((1, 2, 3, 4)) > 1e-6).double().mean() > 0.8
    grey = brave.augment_clips(clips, replace(none, grey=1.0), 16, generator())
    r, g, b = grey.unbind(1)
    torch.testing.assert_close(r, g), torch.testing.assert_close(g, b)


def test_random_convolution_is_one_filter_per_clip_and_keeps_the_scale():
    clips = torch.randn(1, 3, 2, 12, 12, generator=generator()).double().expand(200, 3, 2, 12, 12)
    out = brave.random_convolution(clips, generator(1))
    assert out.shape == clips.shape
    assert 0.8 < out[..., 1:-1, 1:-1].var() / clips.var() < 1.25
    assert len({round(float(o.sum()), 6) for o in out}) == 200
    same = brave.random_convolution(clips[:, :, :1].expand(-1, -1, 2, -1, -1), generator(2))
    torch.testing.assert_close(same[:, :, 0], same[:, :, 1])


def test_random_convolution_is_linear_and_local():
    point = torch.zeros(1, 3, 1, 9, 9, dtype=torch.float64)
    point[0, 0, 0, 4, 4] = 1
    out = brave.random_convolution(point, generator())
    assert out[..., 3:6, 3:6].abs().min() > 0
    torch.testing.assert_close(brave.random_convolution(3 * point, generator()), 3 * out)
    out[..., 3:6, 3:6] = 0
    assert not out.any()


@pytest.mark.parametrize(
    ("call", "remedy"),
    [
        (lambda: brave.brave_loss(*torch.randn(3, 4, 8), torch.randn(4, 6)), r"all are \(B, D\)"),
        (lambda: brave.cut_window(torch.rand(1, 3, 8, 4, 4), 4, 3, generator()), "longer clips"),
        (lambda: brave.augment_clips(torch.rand(2, 8, 3, 4, 4), brave.Augmentation(), 4, generator()), "give"),
        (lambda: brave.BraVe([nn.Identity()] * 2, [brave.ProjectAndPredict(4, 4, 4)]), "one of each"),
        (lambda: brave.build()([torch.rand(2, 3, 4, 8, 8)]), "1 views for 2"),
    ],
)
def test_wrong_calls_say_what_to_do(call, remedy):
    with pytest.raises(ValueError, match=remedy):
        call()


def test_no_gradient_points_along_a_prediction():
    """Its length is free: the loss looks at directions only."""
    h_b, z_n, h_n, z_b = four()
    brave.brave_loss(h_b, z_n, h_n, z_b).backward()
    assert F.cosine_similarity(h_b.grad, h_b, dim=1).abs().max() < 1e-9
