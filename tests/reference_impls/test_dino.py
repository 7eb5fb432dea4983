"""DINO against its authors' numbers, then against what the paper says."""

import copy
import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from reference_impls import byol, dino
from tests.reference_impls.golden import cases
from tests.reference_impls.two_processes import on_two

SMALL = dino.Config(
    out_dim=24, hidden=16, bottleneck=8, warmup_teacher_temp_epochs=2, base_momentum=0.9, freeze_epochs=1,
    epochs=5, n_local=2, img_size=32, patch_size=8, width=16, depth=2, heads=2,
)


@pytest.mark.parametrize("case", cases("dino", function="dino_loss"), ids=str)
def test_loss_gradient_and_centre_equal_upstream(case):
    losses, grads, centers, center = [], [], [], case["center0"]
    for s, temp in enumerate(case.params["teacher_temps"]):
        student, teacher = case["student_logits"][s].requires_grad_(), case["teacher_logits"][s]
        loss = dino.dino_loss(student, teacher, center, case.params["ncrops"], case.params["student_temp"], temp)
        loss.backward()
        center = dino.update_center(center, teacher, case.params["center_momentum"])
        losses.append(loss), grads.append(student.grad), centers.append(center)
    case.check(loss=torch.stack(losses), grad_student=torch.stack(grads), center=torch.stack(centers))


@pytest.mark.parametrize("case", cases("dino", function="DINOLoss"), ids=str)
def test_four_steps_of_the_loss_module_equal_upstream(case):
    names = ("ncrops", "warmup_teacher_temp", "teacher_temp", "warmup_teacher_temp_epochs", "nepochs", "student_temp", "center_momentum")
    module = dino.DINOLoss(case["center0"].shape[1], **{name: case.params[name] for name in names})
    module.to(case["center0"].dtype).load_state_dict({"center": case["center0"]})
    losses, grads, centers = [], [], []
    for s, epoch in enumerate(case.params["epochs"]):
        student = case["student_logits"][s].requires_grad_()
        loss = module(student, case["teacher_logits"][s], epoch)
        loss.backward()
        losses.append(loss), grads.append(student.grad), centers.append(module.center)
    np.testing.assert_allclose(module.teacher_temp_schedule[case.params["epochs"]], case.params["teacher_temps"])
    case.check(loss=torch.stack(losses), grad_student=torch.stack(grads), center=torch.stack(centers))


@pytest.mark.parametrize("case", cases("dino", function="DINOHead"), ids=str)
def test_head_equals_upstream(case):
    head, x = case.load(dino.DINOHead(**case.params)), case.leaf("x")
    y = head(x)
    y.sum().backward()
    case.check(y=y, grad_x=x.grad)
    assert head.last_layer.weight_g.requires_grad != case.params["norm_last_layer"]


@pytest.mark.parametrize("case", cases("dino", function="DinoVisionTransformer"), ids=str)
def test_transformer_equals_upstream(case):
    names = ("img_size", "patch_size", "embed_dim", "depth", "num_heads", "mlp_ratio", "qkv_bias")
    model = case.load(dino.DinoVisionTransformer(**{name: case.params[name] for name in names}))
    x, layers = case["x"], len(case.expected("intermediate"))
    with torch.no_grad():
        last = model.get_last_selfattention(x)
        torch.testing.assert_close(model.get_attention(x)[-1], last)
        case.check(cls=model(x), last_attention=last, intermediate=torch.stack(model.get_intermediate_layers(x, layers)))


@pytest.mark.parametrize("case", cases("dino", function="cosine_scheduler"), ids=str)
def test_schedule_equals_upstream(case):
    case.check(values=dino.cosine_scheduler(**case.params))


@pytest.mark.parametrize("case", cases("dino", function="teacher_temp_schedule"), ids=str)
def test_teacher_temperature_equals_upstream(case):
    case.check(values=dino.teacher_temp_schedule(**case.params))


@pytest.mark.parametrize("case", cases("dino", function="attention_mass_threshold"), ids=str)
def test_attention_mask_equals_upstream(case):
    flat = dino.attention_mass_threshold(case["attn"], case.params["threshold"])
    mask, side = flat.unflatten(-1, case.params["grid"]), case.params["patch_size"]
    upsampled = mask.repeat_interleave(side, 1).repeat_interleave(side, 2)
    case.check(mask=mask, mask_upsampled=upsampled.to(torch.uint8), kept_fraction=flat.float().mean(-1))


# The loss


def logits(V=4, B=3, K=8, seed=0):
    rand = torch.Generator().manual_seed(seed)
    student, teacher, center = (torch.randn(n, K, dtype=torch.float64, generator=rand) for n in (V * B, 2 * B, 1))
    return student, teacher, center


def written_out(student, teacher, center, V, student_temp, teacher_temp):
    """Eq. 3 as two loops over views."""
    total, pairs = 0, 0
    for i, t in enumerate(teacher.chunk(2)):
        for v, s in enumerate(student.chunk(V)):
            if v != i:
                q = ((t - center) / teacher_temp).softmax(-1)
                total, pairs = total - (q * (s / student_temp).log_softmax(-1)).sum(-1).mean(), pairs + 1
    return total / pairs


@pytest.mark.parametrize("V", [2, 3, 10])
def test_crossing_the_globals_and_adding_up_the_locals_is_the_double_loop(V):
    student, teacher, center = logits(V)
    ours = dino.dino_loss(student, teacher, center, V, 0.2, 0.05)
    torch.testing.assert_close(ours, written_out(student, teacher, center, V, 0.2, 0.05))


def test_a_view_is_never_compared_with_itself():
    """With two crops, moving the teacher's first view cannot touch the student's first."""
    student, teacher, center = logits(2)
    student.requires_grad_()
    moved = teacher + torch.cat([torch.randn(3, 8, dtype=torch.float64), torch.zeros(3, 8, dtype=torch.float64)])
    grads = [torch.autograd.grad(dino.dino_loss(student, t, center, 2), student)[0] for t in (teacher, moved)]
    torch.testing.assert_close(grads[0][:3], grads[1][:3])
    assert not torch.allclose(grads[0][3:], grads[1][3:])


def test_no_gradient_reaches_the_teacher():
    student, teacher, center = (t.requires_grad_() for t in logits())
    dino.dino_loss(student, teacher, center.detach(), 4).backward()
    assert student.grad.abs().sum() > 0
    assert teacher.grad is None


def test_loss_cannot_fall_below_the_teachers_entropy():
    """Cross-entropy is entropy plus divergence, so the student that copies the targets reaches it exactly."""
    _, teacher, center = logits(2)
    same = torch.cat([teacher[:3], teacher[:3]])
    q = dino.teacher_targets(same, center, 0.5)
    entropy = torch.special.entr(q).sum(-1).mean()
    torch.testing.assert_close(dino.dino_loss((same - center) * 0.2, same, center, 2, 0.1, 0.5), entropy)
    assert dino.dino_loss(logits(2, seed=1)[0], same, center, 2, 0.1, 0.5) > entropy


def test_a_lower_temperature_sharpens_and_the_centre_takes_the_favourite_away():
    teacher = torch.tensor([[2.0, 1.0, 0.0]])
    cold, warm = (dino.teacher_targets(teacher, torch.zeros(1, 3), t) for t in (0.1, 1.0))
    assert cold.max() > 0.99 > warm.max()
    torch.testing.assert_close(dino.teacher_targets(teacher, teacher, 0.1), torch.full((1, 3), 1 / 3))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_loss_and_centre_keep_the_dtype(dtype):
    student, teacher, center = (t.to(dtype) for t in logits())
    loss = dino.dino_loss(student, teacher, center, 4)
    assert loss.dtype == dtype
    assert loss.isfinite()
    assert dino.update_center(center, teacher).dtype == dtype


def test_loss_compiles_as_one_graph():
    compiled = torch.compile(dino.dino_loss, fullgraph=True, backend="aot_eager")
    torch.testing.assert_close(compiled(*logits(), 4), dino.dino_loss(*logits(), 4))


@pytest.mark.parametrize("ncrops", [1, 3, 5])
def test_rows_that_are_not_whole_crops_are_refused(ncrops):
    with pytest.raises(ValueError, match="views of one batch"):
        dino.dino_loss(*logits(), ncrops)


# The centre


def test_the_centre_is_the_running_mean_of_both_teacher_views():
    center = torch.tensor([[1.0, 0.0]])
    teacher = torch.tensor([[0.0, 2.0], [0.0, 4.0]])
    torch.testing.assert_close(dino.update_center(center, teacher, 0.9), torch.tensor([[0.9, 0.3]]))
    assert torch.equal(center, torch.tensor([[1.0, 0.0]]))


def test_the_loss_uses_the_centre_from_before_the_batch():
    student, teacher, center = logits()
    module = dino.DINOLoss(8, 4, 0.04, 0.04, 0, 3).double()
    module.center.copy_(center)
    torch.testing.assert_close(module(student, teacher, 0), dino.dino_loss(student, teacher, center, 4))
    torch.testing.assert_close(module.center, dino.update_center(center, teacher))


def test_sums_and_rows_of_all_processes_make_the_mean(monkeypatch):
    """The other process's sum comes in by all-reduce; here it is added by hand."""
    mine, others = torch.randn(2, 4, 5, dtype=torch.float64)
    alone = centre_of(torch.cat([mine, others]))
    monkeypatch.setattr(dino.dist, "is_initialized", lambda: True)
    monkeypatch.setattr(dino.dist, "get_world_size", lambda: 2)
    monkeypatch.setattr(dino.dist, "all_reduce", lambda total: total.add_(others.sum(0)))
    torch.testing.assert_close(centre_of(mine), alone)


def centre_of(teacher):
    return dino.update_center(torch.zeros(1, 5, dtype=teacher.dtype), teacher)


def test_two_processes_share_one_centre(tmp_path):
    teacher = torch.randn(8, 5, dtype=torch.float64)
    for center in on_two(centre_of, tmp_path, teacher):
        torch.testing.assert_close(center, centre_of(teacher))


# The two collapses


def small_training(*, center_momentum, teacher_temp, steps=60):
    """How many of 16 prototypes 64 noisy points use, and one target spreads over, at the end."""
    torch.manual_seed(0)
    head = dino.DINOHead(16, 16, hidden_dim=32, bottleneck_dim=8)
    loss = dino.DINOLoss(16, 2, teacher_temp, teacher_temp, 0, 1, center_momentum=center_momentum)
    model = dino.DINO(nn.Linear(8, 16, bias=False), head, loss, base_momentum=0.99, freeze_epochs=0)
    optimiser = torch.optim.AdamW(model.student.parameters(), lr=0.003)
    points = torch.randn(64, 8)
    for step in range(steps):
        batch = [points + 0.1 * torch.randn_like(points) for _ in range(2)]
        loss, watched = dino.training_step(model, batch, step, steps)
        optimiser.zero_grad(), loss.backward(), optimiser.step()
        dino.after_step(model, step, steps)
    return watched


def test_with_centring_and_sharpening_many_prototypes_are_used_and_each_target_picks_few():
    watched = small_training(center_momentum=0.9, teacher_temp=0.04)
    assert watched["used"] > 8
    assert watched["spread"] < 0.7 * watched["used"]


def test_without_centring_one_dimension_dominates():
    """Fig. 7 and Sec. 5.3: a centre that never moves from zero."""
    assert small_training(center_momentum=1.0, teacher_temp=0.04)["used"] < 2


def test_without_sharpening_targets_become_uniform():
    """The other collapse: targets softer than the student's own guesses."""
    assert small_training(center_momentum=0.9, teacher_temp=0.5)["spread"] > 15


# The model


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def small_batch(B=4):
    return dino.views(torch.rand(B, 3, 32, 32, generator=generator()), generator(1), SMALL.n_local)


def small_model(seed=0):
    torch.manual_seed(seed)
    return dino.build(SMALL)


def train(model, steps):
    optimiser = torch.optim.AdamW(model.student.parameters(), lr=0.005)
    watched = []
    for step in range(steps):
        loss, seen = dino.training_step(model, small_batch(), step, steps)
        optimiser.zero_grad(), loss.backward(), optimiser.step()
        dino.after_step(model, step, steps)
        watched.append(seen)
    return watched


@pytest.mark.parametrize("norm_last_layer", [True, False])
def test_every_student_parameter_gets_a_gradient_and_no_teacher_parameter_does(norm_last_layer):
    torch.manual_seed(0)
    model = dino.build(dino.replace(SMALL, norm_last_layer=norm_last_layer))
    dino.training_step(model, small_batch(), 9, 10)[0].backward()
    for name, parameter in model.named_parameters():
        learns = parameter.grad is not None and bool(parameter.grad.any())
        fixed = name.startswith("teacher.") or (norm_last_layer and name.endswith("weight_g"))
        assert learns == parameter.requires_grad != fixed, name


def test_prototypes_stand_still_in_the_first_epoch():
    model = small_model()
    last_layer = model.student.head.last_layer
    for step, frozen in [(0, True), (1, True), (2, False), (9, False)]:
        model.zero_grad()
        dino.training_step(model, small_batch(), step, 10)[0].backward()
        assert (last_layer.weight_v.grad is None) == frozen
        assert (last_layer.weight_g.grad is None) == frozen


def test_an_optimiser_step_lowers_the_loss():
    model, batch = small_model(), small_batch()
    optimiser = torch.optim.AdamW(model.student.parameters(), lr=1e-5)
    before, _ = dino.training_step(model, batch, 9, 10)
    before.backward(), optimiser.step()
    model.loss.center.zero_()
    assert dino.training_step(model, batch, 9, 10)[0] < before


def test_the_teacher_stands_still_in_the_optimiser_step_and_follows_after_it():
    model = small_model()
    model.teacher.load_state_dict(dino.build(SMALL).teacher.state_dict())
    start = copy.deepcopy(model.teacher)
    optimiser = torch.optim.SGD(model.student.parameters(), lr=0.5)
    dino.training_step(model, small_batch(), 3, 10)[0].backward()
    optimiser.step()
    for name, parameter in model.teacher.named_parameters():
        assert torch.equal(parameter, start.get_parameter(name)), name
    dino.after_step(model, 3, 10)
    momentum = dino.cosine_scheduler(0.9, 1.0, 1, 10)[3]
    for name, parameter in model.teacher.named_parameters():
        expected = momentum * start.get_parameter(name) + (1 - momentum) * model.student.get_parameter(name)
        torch.testing.assert_close(parameter, expected)


def test_rows_are_crop_by_crop_and_the_teacher_sees_the_global_crops_alone():
    model, crops = small_model(), small_batch()
    student, teacher = model(crops)
    assert teacher.shape == (8, 24)
    for crop, rows in zip(crops, student.chunk(4), strict=True):
        torch.testing.assert_close(rows, model.student([crop]))
    for crop, rows in zip(crops[:2], teacher.chunk(2), strict=True):
        torch.testing.assert_close(rows, model.teacher([crop]))


def test_the_teachers_temperature_follows_the_epochs_over_the_training(monkeypatch):
    model, temps = small_model(), []
    honest = dino.teacher_targets
    monkeypatch.setattr(dino, "teacher_targets", lambda t, c, temp: temps.append(temp) or honest(t, c, temp))
    for step in range(10):
        dino.training_step(model, small_batch(1), step, 10)
    np.testing.assert_allclose(temps[::4], [0.04, 0.07, 0.07, 0.07, 0.07])
    assert temps[0::2] == temps[1::2]


def test_the_same_seed_gives_the_same_training():
    assert train(small_model(), 2) == train(small_model(), 2)


def test_training_runs_under_autocast():
    loss, _ = dino.training_step(small_model(), small_batch(), 9, 10)
    with torch.autocast("cpu", torch.bfloat16):
        halved, _ = dino.training_step(small_model(), small_batch(), 9, 10)
    halved.backward()
    torch.testing.assert_close(halved.float(), loss, rtol=0.03, atol=0)


def test_features_are_the_teachers_patch_tokens():
    model, images = small_model(), torch.rand(2, 3, 32, 48)
    with torch.no_grad():
        model.student.backbone.cls_token.add_(1)
        tokens = model.teacher.backbone.forward_features(images)
    torch.testing.assert_close(dino.features(model, images), tokens[:, 1:])
    assert dino.features(model, images).shape == (2, 24, 16)


def test_patch_tokens_of_another_backbone_are_refused():
    model = small_model()
    model.teacher.backbone = nn.Linear(8, 16)
    with pytest.raises(ValueError, match="patch tokens"):
        dino.features(model, torch.rand(1, 3, 32, 32))


@pytest.mark.parametrize("nlayers", [1, 2, 4])
def test_a_head_has_the_layers_asked_for(nlayers):
    head = dino.DINOHead(6, 9, nlayers=nlayers, hidden_dim=7, bottleneck_dim=5)
    assert sum(isinstance(m, nn.Linear) for m in head.mlp.modules()) == nlayers
    assert head(torch.randn(2, 6)).abs().max() <= 1 + 1e-6


def test_prototypes_are_torchs_weight_norm():
    ours = dino.Prototypes(5, 9)
    ours.weight_g.data.uniform_(0.5, 2)
    theirs = nn.utils.parametrizations.weight_norm(nn.Linear(5, 9, bias=False))
    theirs.load_state_dict(ours.state_dict())
    x = torch.randn(3, 5)
    torch.testing.assert_close(ours(x), theirs(x))


def test_a_head_without_layers_is_refused():
    with pytest.raises(ValueError, match="one layer"):
        dino.DINOHead(6, 9, nlayers=0)


# Attention


def test_attention_on_an_oblong_image_keeps_rows_and_columns_apart():
    """The last row of patches lies at the end of the tokens, not the last column."""
    model = small_model().encoder
    images = torch.rand(1, 3, 32, 48)
    changed = images.clone()
    changed[..., 24:, :] += 1
    difference = (model.embed(changed) - model.embed(images)).abs().sum(-1)[0, 1:].view(4, 6)
    assert (difference[3] > 0).all()
    assert (difference[:3] == 0).all()
    weights = model.get_last_selfattention(images)
    assert weights.shape == (1, 2, 25, 25)
    torch.testing.assert_close(weights.sum(-1), torch.ones(1, 2, 25))


def test_position_embeddings_of_an_oblong_grid_are_resampled_row_by_row():
    """A table that grows with the row only must do so on a grid of 4 by 6, and be constant along each row."""
    model = dino.DinoVisionTransformer(32, 8, 16, 1, 2)
    model.pos_embed.data[0, 1:] = torch.arange(4.0).repeat_interleave(4)[:, None]
    grid = model.positions((4, 6))[0, 1:, 0].view(4, 6)
    assert (grid.diff(dim=0) > 0.5).all()
    torch.testing.assert_close(grid, grid[:, :1].expand(4, 6))


def test_there_are_only_as_many_layers_as_there_are():
    with pytest.raises(ValueError, match="2 layers"):
        small_model().encoder.get_intermediate_layers(torch.rand(1, 3, 32, 32), 3)


@pytest.mark.parametrize("keep", [0.3, 0.6, 0.95])
def test_the_mask_is_the_smallest_that_holds_its_share(keep):
    attn = torch.rand(3, 50, dtype=torch.float64, generator=generator()) ** 4
    mask = dino.attention_mass_threshold(attn, keep)
    held = (attn * mask).sum(-1) / attn.sum(-1)
    weakest = torch.where(mask, attn, math.inf).amin(-1) / attn.sum(-1)
    assert (held >= keep).all()
    assert (held - weakest < keep).all()


def test_keeping_everything_keeps_everything_and_more_is_refused():
    assert dino.attention_mass_threshold(torch.rand(2, 9) + 0.1, 1.0).all()
    with pytest.raises(ValueError, match="share of the attention"):
        dino.attention_mass_threshold(torch.rand(2, 9), 60)


# Schedules and views


def test_warm_up_reaches_its_end_and_the_cosine_never_does():
    values = dino.cosine_scheduler(1.0, 0.1, 10, 5, warmup_epochs=2)
    assert values[0] == 0
    assert values[9] == values[10] == 1.0
    assert values[-1] > 0.1
    assert len(values) == 50


def test_momentum_is_byols_schedule():
    ours = dino.cosine_scheduler(0.996, 1.0, 4, 5)
    np.testing.assert_allclose(ours, [byol.cosine_tau(k, 20, 0.996) for k in range(20)])


def test_warm_ups_longer_than_the_training_are_refused():
    with pytest.raises(ValueError, match="do not fit"):
        dino.teacher_temp_schedule(0.04, 0.07, 30, 20)
    with pytest.raises(ValueError, match="do not fit"):
        dino.cosine_scheduler(1.0, 0.0, 5, 10, warmup_epochs=6)


def test_two_global_views_come_first_and_local_ones_are_smaller():
    crops = dino.views(torch.rand(2, 3, 64, 64, dtype=torch.float64), generator(), 3)
    assert [tuple(crop.shape) for crop in crops] == 2 * [(2, 3, 64, 64)] + 3 * [(2, 3, 24, 24)]
    assert all(crop.dtype == torch.float64 for crop in crops)
    assert dino.views(torch.rand(1, 3, 224, 224), generator(), 1)[2].shape[-1] == 96


def test_local_views_show_small_areas_and_global_ones_large(monkeypatch):
    asked = []
    monkeypatch.setattr(byol, "augment", lambda x, how, size, g: asked.append(how) or x)
    dino.views(torch.rand(1, 3, 64, 64), generator(), 2)
    assert [how.area for how in asked] == [(0.4, 1.0), (0.4, 1.0), (0.05, 0.4), (0.05, 0.4)]
    assert [how.blur for how in asked] == [1.0, 0.1, 0.5, 0.5]
    assert [how.solarize for how in asked] == [0.0, 0.2, 0.0, 0.0]


def test_views_depend_on_the_generator_alone():
    images = torch.rand(2, 3, 32, 32)
    first, again = dino.views(images, generator(3)), dino.views(images, generator(3))
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
    assert not torch.equal(first[0], dino.views(images, generator(4))[0])


def test_images_too_small_for_local_views_are_refused():
    with pytest.raises(ValueError, match="at least 24"):
        dino.views(torch.rand(1, 3, 16, 16), generator())


def test_target_use_counts_prototypes():
    one, all_four = torch.eye(4)[[0, 0]], torch.eye(4)
    assert dino.target_use(one) == {"spread": 1.0, "used": 1.0}
    assert dino.target_use(all_four) == pytest.approx({"spread": 1.0, "used": 4.0})
    assert dino.target_use(torch.full((3, 4), 0.25)) == pytest.approx({"spread": 4.0, "used": 4.0})


def test_a_student_that_agrees_pays_least():
    _, teacher, center = logits(2)
    swapped = teacher.roll(3, 0)
    agree, differ = (dino.dino_loss(s, swapped, center * 0, 2, 0.1, 0.1) for s in (teacher, swapped))
    assert agree < differ
    torch.testing.assert_close(agree, F.cross_entropy(teacher / 0.1, (teacher / 0.1).softmax(-1)))
