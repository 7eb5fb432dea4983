"""rho-MoCo, rho-BYOL, SimCLR and SwAV on video: upstream's numbers, then what the paper says."""

import math
from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from reference_impls import rho_video_ssl as rho
from tests.reference_impls.golden import cases
from tests.reference_impls.two_processes import on_two

METHODS = {
    "moco": replace(rho.TINY, rho=3),
    "byol": replace(rho.TINY, method="byol", temperature=0.5, layers=2, norm=True),
    "simclr": replace(rho.TINY, method="simclr"),
    "swav": replace(rho.TINY, method="swav", rho=3),
}


@pytest.mark.parametrize("case", cases("rho_video_ssl", function="rho_moco_loss"), ids=str)
def test_the_four_losses_equal_upstream(case):
    n, p = case.params["rho"], case.params
    z, k, q = ([case[f"{name}{i}"] for i in range(n)] for name in ("z", "k", "p"))
    scores = [F.linear(v, case["prototypes"]) for v in z[:2]]
    codes = [rho.sinkhorn_knopp(s, p["sinkhorn_eps"], p["sinkhorn_iters"]) for s in scores]
    ours = {
        "moco_per_query": rho.moco_per_query(z, k, case["queue"], p["T"]),
        "moco_mean": rho.rho_moco_loss(z, k, case["queue"], p["T"]),
        "byol_per_query": rho.byol_per_query(q, k, p["T_byol"]),
        "byol_mean": rho.rho_byol_loss(q, k, p["T_byol"]),
        "simclr_z0_z1": rho.video_simclr_loss(z[0], z[1], p["T"]),
        "swav_code0": codes[0],
        "swav_code1": codes[1],
        "swav": rho.video_swav_loss(*scores, p["T"], p["sinkhorn_eps"], p["sinkhorn_iters"]),
    }
    case.check(**{name: ours[name] for name in case.card["outputs"]})


def vectors(n, B=4, D=8, seed=0):
    drawn = torch.randn(n, B, D, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
    return list(drawn.unbind())


def queue(K=10, D=8):
    return F.normalize(vectors(1, K, D, seed=5)[0], dim=1)


# The losses


def test_each_positive_competes_with_the_queue_alone():
    """Written out as upstream does: one softmax per query and key, the key first."""
    z, k = vectors(3), vectors(3, seed=1)
    total = []
    for i in range(3):
        for j in range(3):
            if i != j:
                q, key = F.normalize(z[i], dim=1), F.normalize(k[j], dim=1)
                logits = torch.cat([(q * key).sum(1, keepdim=True), q @ queue().T], dim=1) / 0.1
                total.append(F.cross_entropy(logits, torch.zeros(4, dtype=torch.long)))
    torch.testing.assert_close(rho.rho_moco_loss(z, k, queue()), torch.stack(total).mean())


def test_a_clip_is_never_its_own_positive():
    z, k = vectors(3), vectors(3, seed=1)
    others = rho.moco_per_query(z, [vectors(1, seed=9)[0], *k[1:]], queue())
    same = rho.moco_per_query(z, k, queue())
    torch.testing.assert_close(others[0], same[0])
    assert not torch.isclose(others[1], same[1])


def test_two_clips_of_rho_moco_are_the_symmetric_loss():
    z, k = vectors(2), vectors(2, seed=1)
    first = rho.moco_per_query(z, k, queue())[0]
    swapped = rho.moco_per_query(z[::-1], k[::-1], queue())[0]
    torch.testing.assert_close(rho.rho_moco_loss(z, k, queue()), (first + swapped) / 2)


def test_byol_at_half_temperature_is_minus_two_cosine():
    p, k = vectors(2), vectors(2, seed=1)
    cosines = [F.cosine_similarity(p[0], k[1]).mean(), F.cosine_similarity(p[1], k[0]).mean()]
    torch.testing.assert_close(rho.rho_byol_loss(p, k), -2 * torch.stack(cosines).mean())
    torch.testing.assert_close(rho.rho_byol_loss(p, p[::-1]), torch.tensor(-2.0, dtype=torch.float64))


@pytest.mark.parametrize("loss", [lambda q, k: rho.rho_moco_loss(q, k, queue()), rho.rho_byol_loss])
def test_keys_get_no_gradient(loss):
    q, k = ([v.requires_grad_() for v in vectors(3, seed=s)] for s in (0, 1))
    loss(q, k).backward()
    assert all(v.grad.abs().sum() > 0 for v in q)
    assert all(v.grad is None for v in k)


def test_codes_use_all_prototypes_alike_even_where_scores_prefer_one():
    scores = torch.randn(64, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(0)) / 10
    scores[:, 0] += 0.3
    codes = rho.sinkhorn_knopp(scores, n_iters=50)
    torch.testing.assert_close(codes.sum(dim=1), torch.ones(64, dtype=torch.float64))
    torch.testing.assert_close(codes.sum(dim=0), torch.full((5,), 64 / 5, dtype=torch.float64), rtol=1e-3, atol=0)
    assert scores.argmax(dim=1).bincount(minlength=5)[0] > 50


def test_codes_are_targets_without_a_gradient_and_views_are_swapped():
    s1, s2 = vectors(2, D=6)
    first = -(rho.sinkhorn_knopp(s1) * (s2 / 0.1).log_softmax(dim=1)).sum(dim=1).mean()
    second = -(rho.sinkhorn_knopp(s2) * (s1 / 0.1).log_softmax(dim=1)).sum(dim=1).mean()
    torch.testing.assert_close(rho.video_swav_loss(s1, s2), (first + second) / 2)
    s1.requires_grad_()
    rho.video_swav_loss(s1, s2).backward()
    by_hand = torch.autograd.grad(-(rho.sinkhorn_knopp(s2) * (s1 / 0.1).log_softmax(dim=1)).sum() / 8, s1)[0]
    torch.testing.assert_close(s1.grad, by_hand)


QUEUE = queue()


def moco(a, b):
    return rho.rho_moco_loss([a, b], [b, a], QUEUE)


def byol(a, b):
    return rho.rho_byol_loss([a, b], [b, a])


@pytest.mark.parametrize("loss", [moco, byol, rho.video_simclr_loss, rho.video_swav_loss])
def test_losses_keep_the_dtype_compile_and_bear_half_precision(loss):
    a, b = vectors(2)
    exact = loss(a, b)
    assert exact.dtype == torch.float64
    compiled = torch.compile(loss, fullgraph=True, backend="aot_eager")
    torch.testing.assert_close(compiled(a, b), exact)
    with torch.autocast("cpu", torch.bfloat16):
        half = loss(a.bfloat16(), b.bfloat16())
    torch.testing.assert_close(half.double(), exact, rtol=0.05, atol=0.02)


def test_wrong_calls_are_refused():
    z = vectors(3)
    with pytest.raises(ValueError, match="two clips or more"):
        rho.rho_moco_loss(z[:1], z[:1], queue())
    with pytest.raises(ValueError, match="above 0"):
        rho.rho_byol_loss(z, z, T=0)
    with pytest.raises(ValueError, match="same videos"):
        rho.video_swav_loss(z[0], z[1][:2])
    with pytest.raises(ValueError, match="smaller stride"):
        rho.sample_clips(torch.zeros(1, 3, 6, 8, 8), rho.TINY, torch.Generator())


# Clips


def test_clips_start_at_random_places_and_step_by_the_stride():
    time = torch.arange(16.0).view(1, 1, 16, 1, 1).expand(200, 3, 16, 2, 2)
    clips = rho.sample_clips(time, METHODS["moco"], torch.Generator().manual_seed(0))
    assert len(clips) == 3
    for clip in clips:
        assert clip.shape == (200, 3, 4, 2, 2)
        assert (clip.diff(dim=2) == 2).all()
        assert clip[:, 0, 0, 0, 0].unique().tolist() == list(range(10))
    assert (clips[0] != clips[1]).any()


def test_one_augmentation_holds_for_all_frames_of_a_clip():
    still = torch.rand(6, 3, 1, 40, 40, generator=torch.Generator().manual_seed(0)).expand(-1, -1, 5, -1, -1)
    how = replace(rho.AUGMENTATION, jitter=1.0, blur=1.0)
    clip = rho.augment_clips(still, how, 32, torch.Generator().manual_seed(1))
    torch.testing.assert_close(clip, clip[:, :, :1].expand_as(clip), rtol=0, atol=1e-5)
    moving = rho.augment_clips(torch.rand(2, 3, 5, 40, 40), how, 32, torch.Generator().manual_seed(1))
    assert (moving.diff(dim=2).abs().mean(dim=(0, 1, 3, 4)) > 0.01).all()


def test_pixels_come_out_with_mean_and_deviation_of_video(monkeypatch):
    monkeypatch.setattr(rho, "AUGMENTATION", replace(rho.AUGMENTATION, jitter=0.0))
    for brightness in (0.0, 1.0):
        (view, _) = rho.clip_views(torch.full((2, 3, 16, 32, 32), brightness), torch.Generator())
        torch.testing.assert_close(view, torch.full_like(view, (brightness - 0.45) / 0.225))


def batch(config, seed=0):
    video = torch.rand(4, 3, 16, 8, 8, generator=torch.Generator().manual_seed(seed))
    video = video.repeat_interleave(4, dim=3).repeat_interleave(4, dim=4)
    return rho.clip_views(video, torch.Generator().manual_seed(seed), config)


def test_views_are_rho_normalised_clips_and_repeat_with_the_seed():
    views = batch(METHODS["moco"])
    assert [tuple(v.shape) for v in views] == [(4, 3, 4, 32, 32)] * 3
    assert min(v.min() for v in views) >= -2
    assert max(v.max() for v in views) <= 2.45
    assert all(torch.equal(a, b) for a, b in zip(views, batch(METHODS["moco"]), strict=True))
    assert not torch.equal(views[0], views[1])


# The memory and the slow copy


def test_the_queue_takes_all_clips_keys_and_drops_the_oldest():
    old, keys = queue(K=6, D=4), vectors(2, B=2, D=4)
    new = rho.enqueue(old, keys)
    torch.testing.assert_close(new[:4], F.normalize(torch.cat(keys), dim=1))
    torch.testing.assert_close(new[4:], old[:2])
    assert new.data_ptr() != old.data_ptr()


def queue_behind(keys):
    return rho.enqueue(torch.zeros(8, 4), list(keys.unbind(1)))


def test_two_processes_have_one_queue_with_the_keys_of_both(tmp_path):
    keys = torch.randn(4, 2, 4)
    first, second = on_two(queue_behind, tmp_path, keys)
    torch.testing.assert_close(first, second)
    whole = queue_behind(keys)
    torch.testing.assert_close(first.sort(dim=0).values, whole.sort(dim=0).values)


def small(method, seed=0):
    torch.manual_seed(seed)
    return rho.build(METHODS[method])


def test_the_loss_reads_the_queue_as_it_was_before_this_step():
    model = small("moco")
    before = model.queue.clone()
    x = batch(model.config)
    with torch.no_grad():
        z, k = model(x)
    loss, _ = rho.training_step(model, x, 0, 10)
    torch.testing.assert_close(loss, rho.rho_moco_loss(z, k, before))
    torch.testing.assert_close(model.queue[:12], F.normalize(torch.cat(k), dim=1))
    torch.testing.assert_close(model.queue[12:], before[:-12])


@pytest.mark.parametrize("method", ["moco", "byol"])
def test_the_key_encoder_follows_slower_and_slower(method):
    model = small(method)
    with torch.no_grad():
        for p in model.online.parameters():
            p.add_(1.0)
    name = "projector.0.weight"
    online = model.online.get_parameter(name).clone()
    gap = model.online.get_parameter(name) - model.keys.get_parameter(name)
    torch.testing.assert_close(gap, torch.ones_like(gap))
    rho.after_step(model, 5, 10)
    assert torch.equal(model.online.get_parameter(name), online)
    left = (model.online.get_parameter(name) - model.keys.get_parameter(name)).mean()
    m = 1 - (1 - model.config.momentum) * (math.cos(math.pi * 0.5) + 1) / 2
    torch.testing.assert_close(left, torch.tensor(m), rtol=0, atol=1e-6)
    rho.after_step(model, 10, 10)
    after = (model.online.get_parameter(name) - model.keys.get_parameter(name)).mean()
    torch.testing.assert_close(after, left)


# Training


@pytest.mark.parametrize("method", METHODS)
def test_every_method_trains_what_it_should_and_learns(method):
    model = small(method)
    x = batch(model.config)
    learner = torch.optim.SGD([p for p in model.parameters() if p.requires_grad], lr=0.01)
    frozen = model.queue.clone() if method == "moco" else None
    losses = []
    for step in range(3):
        loss, watched = rho.training_step(model, x, step, 10)
        losses.append(loss.item())
        learner.zero_grad(), loss.backward()
        for name, p in model.named_parameters():
            assert (p.grad is not None) == p.requires_grad == (not name.startswith("keys.")), name
        learner.step()
        if method == "moco":
            model.queue = frozen
        if method == "swav":
            rho.after_step(model, step, 10)
            torch.testing.assert_close(model.prototypes.weight.norm(dim=1), torch.ones(16))
    assert losses[-1] < losses[0]
    assert watched["spread"] > 0


def test_only_the_method_that_needs_it_has_a_part():
    parts = {m: {n for n, _ in small(m).named_children()} - {"online"} for m in METHODS}
    assert parts == {"moco": {"keys"}, "byol": {"keys", "predictor"}, "simclr": set(), "swav": {"prototypes"}}
    byol_parts, moco_parts = ([type(x) for x in small(m).online.projector] for m in ("byol", "moco"))
    assert byol_parts == [nn.Linear, nn.BatchNorm1d, nn.ReLU, nn.Linear]
    assert moco_parts == [nn.Linear, nn.ReLU, nn.Linear, nn.ReLU, nn.Linear]
