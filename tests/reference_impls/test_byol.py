"""BYOL against its authors' numbers, then against what the paper says."""

import copy
import itertools
import math

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from reference_impls import byol, simclr
from tests.reference_impls.golden import cases

SMALL = byol.Config(hidden=32, dim=8, base_tau=0.9, img_size=16, patch_size=8, width=16, depth=1, heads=2)


@pytest.mark.parametrize("case", cases("byol", function="byol_loss"), ids=str)
def test_loss_and_gradient_equal_upstream(case):
    p1, p2 = case.leaf("p1"), case.leaf("p2")
    loss = byol.byol_loss(p1, p2, case["z1_target"], case["z2_target"])
    loss.backward()
    case.check(loss=loss, grad_p1=p1.grad, grad_p2=p2.grad)


@pytest.mark.parametrize("case", cases("byol", function="cosine_tau"), ids=str)
def test_tau_equals_upstream(case):
    base, max_steps = case.params["base"], case.params["max_steps"]
    assert byol.cosine_tau(case["step"], max_steps, base).tolist() == [
        byol.cosine_tau(step, max_steps, base) for step in case["step"].tolist()
    ]
    case.check(tau=byol.cosine_tau(case["step"], max_steps, base))


@pytest.mark.parametrize("case", cases("byol", function="ema_update"), ids=str)
def test_path_of_the_average_equals_upstream(case):
    target = {"w": case["target_w0"], "b": case["target_b0"]}
    path = []
    for i, (w, b) in enumerate(zip(case["online_w"], case["online_b"], strict=True)):
        tau = byol.cosine_tau(case.params["first_step"] + i, case.params["max_steps"], case.params["base"])
        byol.ema_update(target, {"w": w, "b": b}, tau)
        path.append({name: value.clone() for name, value in target.items()})
    case.check(target_w=torch.stack([t["w"] for t in path]), target_b=torch.stack([t["b"] for t in path]))


# The loss


def vectors(n=4, B=6, D=8, seed=0):
    return torch.randn(n, B, D, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def test_loss_is_zero_when_all_views_agree_and_eight_when_they_oppose():
    z = vectors(1)[0]
    torch.testing.assert_close(byol.byol_loss(z, 3 * z, 2 * z, z), torch.zeros((), dtype=z.dtype), rtol=0, atol=1e-12)
    torch.testing.assert_close(byol.byol_loss(z, z, -z, -z), torch.tensor(8.0, dtype=z.dtype))


def test_loss_is_the_squared_distance_of_unit_vectors():
    p1, p2, z1, z2 = vectors()
    unit = [F.normalize(v, dim=1) for v in (p1, p2, z1, z2)]
    written_out = ((unit[0] - unit[3]) ** 2).sum(1) + ((unit[1] - unit[2]) ** 2).sum(1)
    torch.testing.assert_close(byol.byol_loss(p1, p2, z1, z2), written_out.mean())


def test_each_prediction_is_compared_with_the_other_view():
    p1, p2, z1, z2 = vectors()
    assert byol.byol_loss(p1, p2, p2, p1) < 1e-12
    assert not torch.isclose(byol.byol_loss(p1, p2, z1, z2), byol.byol_loss(p1, p2, z2, z1))


def test_no_gradient_reaches_the_target_projections():
    p1, p2, z1, z2 = (v.requires_grad_() for v in vectors().clone().unbind())
    byol.byol_loss(p1, p2, z1, z2).backward()
    assert p1.grad.abs().sum() > 0
    assert p2.grad.abs().sum() > 0
    assert z1.grad is None
    assert z2.grad is None


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_loss_keeps_the_dtype(dtype):
    loss = byol.byol_loss(*vectors().to(dtype))
    assert loss.dtype == dtype
    assert loss.isfinite()


def test_loss_compiles_as_one_graph():
    compiled = torch.compile(byol.byol_loss, fullgraph=True, backend="aot_eager")
    torch.testing.assert_close(compiled(*vectors()), byol.byol_loss(*vectors()))


def test_predictions_of_another_shape_are_refused():
    p1, p2, z1, z2 = vectors()
    with pytest.raises(ValueError, match=r"\(B, D\)"):
        byol.byol_loss(p1, p2, z1, z2[:, :4])


# The moving average


def test_tau_starts_at_its_base_grows_and_is_exactly_one_at_the_last_step():
    taus = [byol.cosine_tau(k, 100, 0.996) for k in range(101)]
    assert taus[0] == 0.996
    assert taus[100] == 1.0
    assert taus[99] < 1.0
    assert all(a < b for a, b in itertools.pairwise(taus))
    assert byol.cosine_tau(150, 100) == 1.0


def test_a_schedule_without_steps_is_refused():
    with pytest.raises(ValueError, match="one step or more"):
        byol.cosine_tau(0, 0)


def test_the_average_moves_parameters_and_leaves_batch_statistics_alone():
    target, online = byol.mlp(4, 6, 2), byol.mlp(4, 6, 2)
    online(torch.randn(16, 4) + 5)
    before = copy.deepcopy(target)
    byol.ema_update(target, online, 0.75)
    for name, value in target.named_parameters():
        expected = 0.75 * before.get_parameter(name) + 0.25 * online.get_parameter(name)
        torch.testing.assert_close(value, expected)
    for name, value in target.named_buffers():
        assert torch.equal(value, before.get_buffer(name))
    assert not torch.equal(target[1].running_mean, online[1].running_mean)


def test_tau_one_stops_the_target_and_tau_zero_copies():
    target, online = byol.mlp(4, 6, 2), byol.mlp(4, 6, 2)
    weight = target[0].weight.clone()
    byol.ema_update(target, online, 1.0)
    assert torch.equal(target[0].weight, weight)
    byol.ema_update(target, online, 0.0)
    assert torch.equal(target[0].weight, online[0].weight)


def test_networks_of_two_architectures_are_refused():
    with pytest.raises(ValueError, match="same part"):
        byol.ema_update({"w": torch.ones(1)}, {"w": torch.ones(1), "b": torch.ones(1)}, 0.9)


# The model


def small_batch(B=8, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return byol.views(torch.rand(B, 3, 16, 16, generator=generator), generator)


def small_model(seed=0):
    torch.manual_seed(seed)
    return byol.build(SMALL)


def train(model, steps, lr=0.01):
    optimiser = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=lr)
    watched = []
    for step in range(steps):
        loss, seen = byol.training_step(model, small_batch(), step, steps)
        optimiser.zero_grad(), loss.backward(), optimiser.step()
        byol.after_step(model, step, steps)
        watched.append(seen)
    return watched


def test_every_online_parameter_gets_a_gradient_and_no_target_parameter_does():
    model = small_model()
    byol.training_step(model, small_batch(), 0, 10)[0].backward()
    for name, parameter in model.named_parameters():
        learns = parameter.grad is not None and bool(parameter.grad.any())
        assert learns == parameter.requires_grad != name.startswith("target."), name


def test_an_optimiser_step_lowers_the_loss():
    model = small_model()
    batch = small_batch()
    optimiser = torch.optim.SGD([p for p in model.parameters() if p.requires_grad], lr=0.05)
    before = byol.training_step(model, batch, 0, 10)[0]
    before.backward(), optimiser.step()
    assert byol.training_step(model, batch, 1, 10)[0] < before


def test_the_target_stands_still_in_the_optimiser_step_and_follows_after_it():
    model = small_model()
    model.target.load_state_dict(byol.build(SMALL).target.state_dict())
    start = copy.deepcopy(model.target)
    optimiser = torch.optim.SGD([p for p in model.parameters() if p.requires_grad], lr=0.1)
    byol.training_step(model, small_batch(), 3, 10)[0].backward()
    optimiser.step()
    for name, parameter in model.target.named_parameters():
        assert torch.equal(parameter, start.get_parameter(name)), name
    moved = copy.deepcopy(model.online)
    byol.after_step(model, 3, 10)
    tau = byol.cosine_tau(3, 10, 0.9)
    for name, parameter in model.target.named_parameters():
        expected = tau * start.get_parameter(name) + (1 - tau) * moved.get_parameter(name)
        torch.testing.assert_close(parameter, expected)


def test_views_are_crossed_inside_the_model():
    """With an identity for a predictor and the target equal to the online network, p_i is z_i'."""
    model = small_model()
    model.predictor = nn.Identity()
    p1, p2, z1_target, z2_target = model(*small_batch())
    torch.testing.assert_close(p1, z1_target), torch.testing.assert_close(p2, z2_target)
    loss, _ = byol.training_step(model, small_batch(), 0, 10)
    expected = 4 - 4 * F.cosine_similarity(p1, p2, dim=1).mean()
    torch.testing.assert_close(loss, expected)


def test_the_target_keeps_batch_statistics_of_its_own():
    model = small_model()
    byol.ema_update(model.target, byol.build(SMALL).online, 0.5)
    for view in small_batch():
        model(view, view)
    mine, theirs = (net.projector[1].running_mean for net in (model.target, model.online))
    assert mine.abs().sum() > 0
    assert not torch.allclose(mine, theirs)


def test_a_short_training_lowers_the_loss_without_collapse():
    watched = train(small_model(), 30)
    assert watched[-1]["loss"] < 0.6 * watched[0]["loss"]
    assert watched[-1]["spread"] > 0.3 / math.sqrt(SMALL.dim)


def test_the_same_seed_gives_the_same_training():
    assert train(small_model(), 3) == train(small_model(), 3)


def test_training_runs_under_autocast():
    loss, _ = byol.training_step(small_model(), small_batch(), 0, 10)
    with torch.autocast("cpu", torch.bfloat16):
        halved, _ = byol.training_step(small_model(), small_batch(), 0, 10)
    halved.backward()
    torch.testing.assert_close(halved.float(), loss, rtol=0.03, atol=0)


def test_views_keep_full_precision_under_autocast():
    images = pictures(8, dtype=torch.float32)
    with torch.autocast("cpu", torch.bfloat16):
        halved = byol.views(images, generator())
    for v, same in zip(byol.views(images, generator()), halved, strict=True):
        torch.testing.assert_close(same, v)


def test_features_are_the_patch_tokens():
    model, images = small_model().eval(), torch.rand(2, 3, 16, 16)
    tokens = model.encoder.forward_features(images)
    torch.testing.assert_close(byol.features(model, images), tokens[:, 1:])
    assert byol.features(model, images).shape == (2, 4, 16)


def test_patch_tokens_of_another_encoder_are_refused():
    with pytest.raises(ValueError, match="patch tokens"):
        byol.features(byol.BYOL(nn.Linear(4, 8), 8, 16, 4), torch.rand(1, 4))


def test_projector_and_predictor_have_a_bias_before_the_norm_and_none_at_the_end():
    projector = byol.mlp(4, 6, 2)
    assert projector[0].bias is not None
    assert projector[3].bias is None
    assert isinstance(projector[1], nn.BatchNorm1d)
    assert len(projector) == 4


# The views


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def pictures(B=64, side=24, seed=0, dtype=torch.float64):
    return torch.rand(B, 3, side, side, dtype=dtype, generator=generator(seed))


def test_views_depend_on_the_generator_alone():
    images = pictures(4)
    torch.manual_seed(1)
    first = byol.views(images, generator(7))
    torch.manual_seed(2)
    again, other = byol.views(images, generator(7)), byol.views(images, generator(8))
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
    assert not torch.equal(first[0], other[0])
    assert not torch.equal(first[0], first[1])


def test_views_keep_dtype_and_shape_and_are_normalised():
    v, v_prime = byol.views(pictures(8), generator())
    assert v.shape == v_prime.shape == (8, 3, 24, 24)
    assert v.dtype == torch.float64
    mean, std = (torch.tensor(n, dtype=v.dtype).view(3, 1, 1) for n in (simclr.MEAN, simclr.STD))
    pixels = v * std + mean
    assert -1e-9 < pixels.min() < 0.2
    assert 0.8 < pixels.max() < 1 + 1e-9


def test_views_of_greyscale_files_are_refused():
    with pytest.raises(ValueError, match=r"\(B, 3, H, W\)"):
        byol.views(torch.rand(2, 1, 8, 8), generator())


def test_the_two_views_come_from_two_distributions(monkeypatch):
    asked = []
    monkeypatch.setattr(byol, "augment", lambda x, how, size, g: asked.append(how) or x)
    byol.views(pictures(1), generator())
    assert asked == [byol.T, byol.T_PRIME]


def test_the_first_view_is_always_blurred_and_only_the_second_solarised():
    assert (byol.T.blur, byol.T.solarize) == (1.0, 0.0)
    assert (byol.T_PRIME.blur, byol.T_PRIME.solarize) == (0.1, 0.2)
    images = (torch.arange(24) % 2).double().expand(64, 3, 24, 24)
    blurred = byol.augment(images, only(blur=1.0), 24, generator())
    sharp = byol.augment(images, only(), 24, generator())
    assert blurred.var(dim=-1).mean() < 0.5 * sharp.var(dim=-1).mean()


def only(**chosen):
    """An augmentation that does nothing but what is named (and flip)."""
    return byol.Augmentation(**{"blur": 0.0, "solarize": 0.0, "jitter": 0.0, "grey": 0.0} | chosen)


def test_every_part_of_the_augmentation_is_taken_when_its_probability_is_one():
    images = pictures(32)
    plain = byol.augment(images, only(), 24, generator())
    grey = byol.augment(images, only(grey=1.0), 24, generator())
    torch.testing.assert_close(grey, simclr.greyscale(plain))
    torch.testing.assert_close(byol.augment(images, only(solarize=1.0), 24, generator()), byol.solarize(plain))
    for part in ({"jitter": 1.0}, {"blur": 1.0}):
        changed = (byol.augment(images, only(**part), 24, generator()) - plain).abs().amax(dim=(1, 2, 3))
        assert (changed > 1e-6).double().mean() > 0.8


def test_solarise_inverts_bright_pixels_only():
    images = torch.tensor([0.2, 0.5, 0.9]).view(1, 3, 1, 1)
    torch.testing.assert_close(byol.solarize(images).flatten(), torch.tensor([0.2, 0.5, 0.1]))
