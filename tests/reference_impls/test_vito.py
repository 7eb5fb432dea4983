"""VITO against two independent computations, then against what the paper says."""

import math

import pytest
import torch
import torch.nn.functional as F

from reference_impls import simclr, vito
from tests.reference_impls.golden import cases
from tests.reference_impls.two_processes import on_two


def weights(case):
    return {key[2:]: torch.from_numpy(array.copy()) for key, array in case.arrays.items() if key.startswith("w.")}


@pytest.mark.parametrize("case", cases("vito", function="MultiScaleAttentionPool"), ids=str)
def test_masks_pooled_features_and_losses_equal_the_derivation(case):
    p, w = case.params, weights(case)
    pool = vito.MultiScaleAttentionPool(p["dims"], p["hidden"]).to(w["proj.weight"].dtype)
    pool.load_state_dict({name: value for name, value in w.items() if name.startswith("att")}, strict=True)
    ours, features, means = {}, [], []
    for view in range(2):
        maps = [case[f"view{view}_f{s}"] for s in range(len(p["dims"]))]
        pooled, masks = pool(maps)
        features.append(pooled), means.append(torch.cat([m.mean((2, 3)) for m in maps], dim=1))
        ours |= {f"pooled{view}": pooled} | {f"mask{view}_{s}": mask for s, mask in enumerate(masks)}
    for name, two in [("loss", features), ("loss_avgpool", means)]:
        z = [f @ w["proj.weight"].T for f in two]
        ours[name] = vito.moclr_loss(*(k @ w["pred.weight"].T for k in z), *z, p["tau"])
    case.check(**{name: ours[name] for name in case.card["outputs"]})


@pytest.mark.parametrize("case", cases("vito", function="videonet_keep"), ids=str)
def test_kept_videos_equal_the_derivation(case):
    keep = vito.videonet_keep(
        case["query_class"], case["frame_logits"], case["duration"], case.params["min_seconds"]
    )
    histogram = vito.class_histogram(case["query_class"], keep, case["frame_logits"].shape[-1])
    ours = {"keep": keep, "class_histogram": histogram}
    case.check(**{name: ours[name] for name in case.card["outputs"]})


# The loss


def four(B=6, D=8, dtype=torch.float64):
    g = torch.Generator().manual_seed(0)
    return [torch.randn(B, D, dtype=dtype, generator=g).requires_grad_() for _ in range(4)]


def test_loss_written_out_query_by_query():
    q1, q2, k1, k2 = four()
    terms = []
    for queries, keys in [(q1, k2), (q2, k1)]:
        for i, q in enumerate(queries):
            scores = [torch.exp(F.cosine_similarity(q, k, dim=0) / 0.1) for k in keys]
            terms.append(-torch.log(scores[i] / sum(scores)))
    torch.testing.assert_close(vito.moclr_loss(q1, q2, k1, k2), torch.stack(terms).mean())


def test_a_query_looks_for_the_other_frame_not_for_itself():
    q1, q2, k1, k2 = four()
    g1, = torch.autograd.grad(vito.moclr_loss(q1, q2, k1, k2), q1)
    same, = torch.autograd.grad(vito.moclr_loss(q1, q2, k1.flip(0), k2), q1)
    other, = torch.autograd.grad(vito.moclr_loss(q1, q2, k1, k2.flip(0)), q1)
    torch.testing.assert_close(g1, same)
    assert not torch.allclose(g1, other)


def test_no_gradient_reaches_the_keys():
    q1, q2, k1, k2 = four()
    vito.moclr_loss(q1, q2, k1, k2).backward()
    assert k1.grad is None
    assert k2.grad is None
    assert q1.grad.abs().sum() > 0
    assert q2.grad.abs().sum() > 0


def test_equal_keys_leave_the_loss_of_a_guess():
    q1, q2, k1, _ = four()
    same = k1[:1].expand_as(k1)
    torch.testing.assert_close(vito.moclr_loss(q1, q2, same, same).item(), math.log(6))


def test_loss_ignores_lengths_keeps_dtype_and_compiles():
    args = four()
    loss = vito.moclr_loss(*args)
    assert loss.dtype == torch.float64
    torch.testing.assert_close(vito.moclr_loss(*(a * s for a, s in zip(args, (2, 0.1, 7, 3), strict=True))), loss)
    compiled = torch.compile(vito.moclr_loss, fullgraph=True, backend="aot_eager")
    torch.testing.assert_close(compiled(*args), loss)


def test_loss_is_computed_in_full_precision_under_autocast():
    args = [a.float() for a in four()]
    with torch.autocast("cpu", torch.bfloat16):
        full, halved = vito.moclr_loss(*args), vito.moclr_loss(*(a.to(torch.bfloat16) for a in args))
    torch.testing.assert_close(full, vito.moclr_loss(*args))
    torch.testing.assert_close(halved, full, rtol=5e-2, atol=5e-2)


def loss_and_gradient(q1, q2, k1, k2):
    q1, q2 = q1.clone().requires_grad_(), q2.clone().requires_grad_()
    loss = vito.moclr_loss(q1, q2, k1, k2)
    loss.backward()
    return torch.cat([loss.detach().view(1), q1.grad.flatten(), q2.grad.flatten()])


def test_negatives_come_from_all_processes(tmp_path):
    args = [a.detach() for a in four()]
    halves = on_two(loss_and_gradient, tmp_path, *args)
    whole = loss_and_gradient(*args)
    torch.testing.assert_close((halves[0][0] + halves[1][0]) / 2, whole[0])
    # DistributedDataParallel takes the mean of both, so each is twice the whole's.
    gradients = torch.cat([h[1:].view(2, 3, 8) for h in halves], dim=1) / 2
    torch.testing.assert_close(gradients, whole[1:].view(2, 6, 8))


def test_the_second_process_finds_its_own_keys_behind_the_first_ones(monkeypatch):
    q1, q2, k1, k2 = four()
    theirs = iter(four(B=6)[::-1])
    expected, keys = 0.0, []
    for q, k in [(q1, k2), (q2, k1)]:
        keys.append(F.normalize(next(theirs).detach(), dim=1))
        cosines = F.normalize(q, dim=1) @ torch.cat([keys[-1], F.normalize(k, dim=1)]).T
        expected += F.cross_entropy(cosines / 0.1, torch.arange(6, 12)) / 2
    monkeypatch.setattr(vito, "gather", lambda own: torch.cat([keys.pop(0), own]))
    monkeypatch.setattr(simclr, "rank_and_world", lambda: (1, 2))
    torch.testing.assert_close(vito.moclr_loss(q1, q2, k1, k2), expected)


# The pool


def pool_of(dims=(5, 7), hidden=6):
    torch.manual_seed(0)
    return vito.MultiScaleAttentionPool(dims, hidden).double()


def test_a_mask_is_one_share_per_position_for_all_channels():
    maps = [torch.randn(2, 5, 4, 3, dtype=torch.float64), torch.randn(2, 7, 2, 2, dtype=torch.float64)]
    pooled, masks = pool_of()(maps)
    assert [m.shape for m in masks] == [(2, 4, 3), (2, 2, 2)]
    for mask in masks:
        torch.testing.assert_close(mask.sum((1, 2)), torch.ones(2, dtype=mask.dtype))
    expected = torch.cat([(m * mask[:, None]).sum((2, 3)) for m, mask in zip(maps, masks, strict=True)], 1)
    torch.testing.assert_close(pooled, expected)


def test_a_map_without_preference_is_the_mean_and_a_strong_one_picks_a_place():
    pool = pool_of((5,))
    maps = torch.randn(2, 5, 4, 4, dtype=torch.float64)
    torch.nn.init.zeros_(pool.att0.fc2.weight)
    torch.testing.assert_close(pool([maps])[0], maps.mean((2, 3)))
    pool.att0.fc1.weight.data.fill_(0.0)[0, 0] = 1.0
    pool.att0.fc2.weight.data[0, 0] = 1e4
    best = maps[:, 0].flatten(1).argmax(1)
    picked = maps.flatten(2)[torch.arange(2), :, best]
    torch.testing.assert_close(pool([maps])[0], picked)


def test_where_a_patch_stands_does_not_matter_to_the_pooled_features():
    pool, maps = pool_of((5,)), torch.randn(2, 5, 4, 4, dtype=torch.float64)
    torch.testing.assert_close(pool([maps])[0], pool([maps.flip(2).transpose(2, 3)])[0])


def test_the_bias_that_the_softmax_takes_away_is_not_trained():
    pool, maps = pool_of((5,)), torch.randn(2, 5, 4, 4, dtype=torch.float64)
    before = pool([maps])[0]
    assert not pool.att0.fc2.bias.requires_grad
    pool.att0.fc2.bias.data += 5
    torch.testing.assert_close(pool([maps])[0], before)


# The data


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def test_a_video_is_kept_where_the_class_wins_once_and_the_clip_is_long():
    logits = torch.zeros(4, 3, 5)
    logits[:, :, 0] = 1.0
    logits[1:, 1, 2] = 2.0                     # class 2 wins in the middle frame, but not in video 0
    logits[3, :, 4] = 3.0                      # and is beaten in video 3
    keep = vito.videonet_keep(torch.full((4,), 2), logits, torch.tensor([20.0, 10.0, 9.9, 20.0]))
    assert keep.tolist() == [False, True, False, False]
    assert vito.class_histogram(torch.full((4,), 2), keep, 5).tolist() == [0, 0, 1, 0, 0]


def numbered(B=2000, T=10):
    return torch.arange(T).view(1, 1, T, 1, 1).expand(B, 3, T, 1, 1).double()


def test_frames_of_a_pair_lie_within_the_gap_in_either_order():
    one, other = vito.frame_pair(numbered(), 0.3, generator())[..., 0, 0, 0].long()
    assert set(one.tolist()) == set(other.tolist()) == set(range(10))
    gap = other - one
    assert gap.abs().max() == 3
    assert gap.min() < 0 < gap.max()


def test_both_frames_come_from_the_same_clip():
    clips = torch.arange(6).view(6, 1, 1, 1, 1).expand(6, 3, 4, 2, 2).double()
    one, other = vito.frame_pair(clips, 1.0, generator())
    assert torch.equal(one, clips[:, :, 0])
    assert torch.equal(other, clips[:, :, 0])


def test_views_are_crops_of_two_frames_and_never_small(monkeypatch):
    asked = []
    monkeypatch.setattr(vito.byol, "augment", lambda x, how, size, g: asked.append((how, x)) or x)
    vito.clip_views(torch.rand(2, 3, 8, 32, 32), generator())
    (first, one), (second, other) = asked
    assert first.area == second.area == (0.4, 1.0)
    assert (first.solarize, second.solarize) == (0.0, 0.2)
    assert not torch.equal(one, other)


# Training


def test_every_scale_reaches_the_projector_and_the_target_starts_equal():
    torch.manual_seed(0)
    model = vito.build().eval()
    x = torch.randn(2, 3, 32, 32)
    maps = model.encoder(x)
    assert [tuple(m.shape) for m in maps] == [(2, 32, 8, 8), (2, 64, 4, 4)]
    q1, _, k1, k2 = model(x, x)
    assert torch.equal(k1, k2)
    assert torch.equal(k1, model.online(x))
    assert not k1.requires_grad
    torch.testing.assert_close(q1, model.predictor(k1))


def test_the_target_follows_after_the_step_alone():
    torch.manual_seed(0)
    model = vito.build()
    before = {n: p.clone() for n, p in model.target.named_parameters()}
    vito.training_step(model, vito.clip_views(torch.rand(4, 3, 8, 32, 32), generator()), 0, 10)[0].backward()
    assert all(torch.equal(before[n], p) for n, p in model.target.named_parameters())
    with torch.no_grad():
        for p in model.online.parameters():
            p += 1
    vito.after_step(model, 0, 10)
    for n, p in model.target.named_parameters():
        torch.testing.assert_close(p, before[n] + 1 - vito.TINY.base_tau, rtol=0, atol=1e-5)


def test_training_lowers_the_loss_and_finds_the_other_frame():
    torch.manual_seed(0)
    model = vito.build()
    batch = vito.clip_views(torch.rand(8, 3, 8, 32, 32, generator=generator()), generator())
    adam = torch.optim.Adam([p for p in model.parameters() if p.requires_grad], 1e-3)
    watched = []
    for step in range(15):
        loss, seen = vito.training_step(model, batch, step, 15)
        adam.zero_grad(), loss.backward(), adam.step()
        vito.after_step(model, step, 15)
        watched.append(seen)
    assert watched[-1]["loss"] < 0.7 * watched[0]["loss"]
    assert watched[-1]["accuracy"] > watched[0]["accuracy"] or watched[-1]["accuracy"] == 1


@pytest.mark.parametrize(
    ("call", "remedy"),
    [
        (lambda: vito.moclr_loss(*four()[:3], torch.zeros(5, 8)), r"all are \(B, D\)"),
        (lambda: vito.moclr_loss(*four(), tau=0.0), "above 0"),
        (lambda: pool_of()([torch.zeros(1, 5, 2, 2)]), "made for 2"),
        (lambda: vito.videonet_keep(torch.zeros(3), torch.zeros(2, 4, 5), torch.zeros(3)), "frames, classes"),
        (lambda: vito.clip_views(torch.rand(2, 3, 8, 8), generator()), r"\(B, 3, T, H, W\)"),
    ],
)
def test_wrong_calls_say_what_to_do(call, remedy):
    with pytest.raises(ValueError, match=remedy):
        call()
