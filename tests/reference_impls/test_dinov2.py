"""DINOv2 against its authors' numbers, then against what the paper says."""

import copy
import math
from dataclasses import replace

import pytest
import torch

from reference_impls import byol, dino, dinov2
from tests.reference_impls.golden import cases
from tests.reference_impls.two_processes import on_two

SMALL = dinov2.Config(
    out_dim=24, hidden=16, bottleneck=8, warmup_teacher_temp_epochs=2, base_momentum=0.9, epochs=5, n_local=2,
    img_size=32, patch_size=8, width=16, depth=2, heads=2, init_values=0.1, drop_path=0.0,
)
VARIANTS = [SMALL, replace(SMALL, separate_head=True, centering="sinkhorn_knopp")]


def check(case, **ours):
    """The outputs that the case's card lists."""
    case.check(**{name: ours[name] for name in case.card["outputs"]})


@pytest.mark.parametrize("case", cases("dinov2", function="dinov2_dino_loss"), ids=str)
def test_image_loss_its_parts_and_the_centre_equal_upstream(case):
    local, across, p = case.leaf("student_local"), case.leaf("student_global"), case.params
    teacher, center = case["teacher_global"], case["center0"]
    loss = dinov2.dinov2_dino_loss(local, across, teacher, center, p["n_local"], p["teacher_temp"], p["student_temp"])
    loss.backward()
    targets = dino.teacher_targets(teacher, center, p["teacher_temp"])
    terms = dinov2.dinov2_dino_terms(local, across, targets, p["student_temp"])
    check(case, loss=loss, local_term=terms[0], global_term=terms[1], grad_student_local=local.grad,
          grad_student_global=across.grad, center=dinov2.update_center(center, teacher, p["center_momentum"]))


@pytest.mark.parametrize("case", cases("dinov2", function="ibot_patch_loss"), ids=str)
def test_patch_loss_and_the_centre_equal_upstream(case):
    student, teacher, center, p = case.leaf("student_logits"), case["teacher_logits"], case["center0"], case.params
    probs = dino.teacher_targets(teacher, center, p["teacher_temp"])
    loss = dinov2.ibot_patch_loss(student, probs, case["mask"], p["student_temp"])
    loss.backward()
    check(case, loss=loss, grad_student=student.grad, teacher_probs=probs,
          center=dinov2.update_center(center, teacher, p["center_momentum"]))


@pytest.mark.parametrize("case", cases("dinov2", function="ibot_patch_loss_dense"), ids=str)
def test_dense_patch_loss_equals_upstream(case):
    student = case.leaf("student_logits")
    loss = dinov2.ibot_patch_loss_dense(student, case["teacher_probs"], case["mask"], case.params["student_temp"])
    loss.backward()
    check(case, loss=loss, grad_student=student.grad)


@pytest.mark.parametrize("case", cases("dinov2", function="koleo_loss"), ids=str)
def test_koleo_equals_upstream(case):
    x = case.leaf("x")
    loss = dinov2.koleo_loss(x, case.params["eps"])
    loss.backward()
    nearest = dinov2.nearest_neighbour(torch.nn.functional.normalize(x, dim=1))
    check(case, loss=loss, grad_x=x.grad, nn_idx=nearest)


@pytest.mark.parametrize("case", cases("dinov2", function="sinkhorn_knopp_teacher"), ids=str)
def test_codes_equal_upstream(case):
    check(case, probs=dinov2.sinkhorn_knopp_teacher(case["teacher_logits"], case.params["teacher_temp"], case.params["n_iters"]))


# The image-level loss


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def normal(*shape, seed=0, dtype=torch.float64):
    return torch.randn(shape, generator=generator(seed), dtype=dtype)


def test_the_two_parts_together_are_dinos_loss():
    local, across, teacher, center = normal(9, 8), normal(6, 8, seed=1), normal(6, 8, seed=2), normal(1, 8, seed=3)
    ours = dinov2.dinov2_dino_loss(local, across, teacher, center, 3, 0.05)
    theirs = dino.dino_loss(torch.cat([across, local]), teacher, center, 5, 0.1, 0.05)
    torch.testing.assert_close(ours, theirs)


def test_a_global_view_is_taught_by_the_other_one():
    """The student's first view is right about the teacher's second, and the second about the first."""
    targets = torch.eye(4, dtype=torch.float64)
    right = 50 * targets.roll(2, 0)
    assert dinov2.dinov2_dino_terms(right[:2], right, targets)[1] < 1e-6
    assert dinov2.dinov2_dino_terms(right[:2], 50 * targets, targets)[1] > 1


def test_local_rows_that_fit_no_number_of_views_are_refused():
    with pytest.raises(ValueError, match=r"V\*B"):
        dinov2.dinov2_dino_terms(normal(5, 8), normal(6, 8), normal(6, 8).softmax(-1))
    with pytest.raises(ValueError, match="2 local views"):
        dinov2.dinov2_dino_loss(normal(9, 8), normal(6, 8), normal(6, 8), normal(1, 8), 2, 0.05)


# The patch loss


def holes(seed=0):
    """Three crops of six patches, with 3, 0 and 1 of them hidden."""
    mask = torch.zeros(3, 6, dtype=torch.bool)
    mask[0, [0, 2, 5]] = mask[2, 4] = True
    return normal(4, 8, seed=seed), normal(4, 8, seed=seed + 1).softmax(-1), mask


def test_every_crop_counts_the_same_however_many_patches_it_hides():
    student, probs, mask = holes()
    rows = dinov2.cross_entropy(student, probs, 0.1)
    torch.testing.assert_close(dinov2.ibot_patch_loss(student, probs, mask), (rows[:3].mean() + rows[3]) / 3)


def test_dense_and_selected_patches_give_one_loss():
    student, probs, mask = normal(3, 6, 8), normal(3, 6, 8, seed=1).softmax(-1), holes()[2]
    dense = dinov2.ibot_patch_loss_dense(student, probs, mask)
    torch.testing.assert_close(dense, dinov2.ibot_patch_loss(student[mask], probs[mask], mask))


def test_a_batch_without_holes_has_no_patch_loss():
    none = torch.zeros(2, 6, dtype=torch.bool)
    assert dinov2.ibot_patch_loss(normal(0, 8), normal(0, 8), none) == 0
    assert dinov2.ibot_patch_loss_dense(normal(2, 6, 8), normal(2, 6, 8).softmax(-1), none) == 0


def test_no_gradient_reaches_the_targets():
    student, probs, mask = holes()
    probs.requires_grad_()
    dinov2.ibot_patch_loss(student.requires_grad_(), probs, mask).backward()
    assert student.grad.abs().sum() > 0
    assert probs.grad is None


def test_patch_losses_agree_with_lightly():
    from lightly.loss import IBOTPatchLoss, KoLeoLoss

    student, _, mask = holes()
    teacher = normal(4, 8, seed=9)
    theirs = IBOTPatchLoss(8, 0.05, 0.2)(teacher, student, mask.view(3, 2, 3))
    probs = dino.teacher_targets(teacher, torch.zeros(1, 8), 0.05)
    torch.testing.assert_close(dinov2.ibot_patch_loss(student, probs, mask, 0.2), theirs, rtol=1e-6, atol=0)
    torch.testing.assert_close(dinov2.koleo_loss(student), KoLeoLoss()(student))


def test_patches_that_do_not_fit_the_mask_are_refused():
    student, probs, mask = holes()
    with pytest.raises(ValueError, match=r"logits\[mask\]"):
        dinov2.ibot_patch_loss(student, probs, mask.float())
    with pytest.raises(ValueError, match="shapes are equal"):
        dinov2.ibot_patch_loss(student, probs[:3], mask)
    with pytest.raises(ValueError, match="temperature above 0"):
        dinov2.ibot_patch_loss(student, probs, mask, 0.0)
    with pytest.raises(ValueError, match=r"\(B, N, K\)"):
        dinov2.ibot_patch_loss_dense(normal(3, 5, 8), normal(3, 5, 8), mask)


# KoLeo


def test_koleo_spreads_points_that_lie_together():
    x = (normal(8, 3) * 0.1 + torch.tensor([1.0, 0, 0])).requires_grad_()
    descent = torch.optim.SGD([x], lr=0.1)
    losses = []
    for _ in range(60):
        losses.append(dinov2.koleo_loss(x))
        descent.zero_grad(), losses[-1].backward(), descent.step()
    assert losses[-1] < losses[0] - 1
    similarity = torch.nn.functional.normalize(x.detach(), dim=1) @ torch.nn.functional.normalize(x.detach(), dim=1).T
    assert (similarity - 2 * torch.eye(8)).max() < 0.9


def test_koleo_is_minus_the_log_of_the_distance_to_the_nearest_and_ignores_lengths():
    x = torch.tensor([[2.0, 0.0], [0.0, 3.0], [-1.0, 0.0]], dtype=torch.float64)
    torch.testing.assert_close(dinov2.koleo_loss(x).item(), -math.log(math.sqrt(2)))


def test_koleos_epsilon_is_added_to_the_distance_and_not_to_each_coordinate():
    x = torch.tensor([[2.0, 0.0], [0.0, 3.0], [-1.0, 0.0]], dtype=torch.float64)
    torch.testing.assert_close(dinov2.koleo_loss(x, eps=0.1).item(), -math.log(math.sqrt(2) + 0.1))


def test_koleo_moves_the_neighbour_too():
    """The third point is nobody's nearest; the first two are each other's, and the second the third's."""
    x = torch.tensor([[1.0, 0.0], [1.0, 0.1], [0.0, 1.0]], dtype=torch.float64, requires_grad=True)
    assert dinov2.nearest_neighbour(x.detach() / x.detach().norm(dim=1, keepdim=True)).tolist() == [1, 0, 1]
    whole, = torch.autograd.grad(dinov2.koleo_loss(x), x)
    numeric = torch.zeros_like(whole)
    for index in range(6):
        step = torch.zeros(6, dtype=torch.float64)
        step[index] = 1e-6
        high, low = (dinov2.koleo_loss(x + sign * step.view(3, 2)) for sign in (1, -1))
        numeric.view(-1)[index] = (high - low).item() / 2e-6
    torch.testing.assert_close(whole, numeric, rtol=1e-4, atol=1e-6)


def test_a_point_alone_has_no_neighbour():
    with pytest.raises(ValueError, match="2 rows"):
        dinov2.koleo_loss(normal(1, 4))


# Sinkhorn-Knopp, and what crosses processes


def test_codes_are_probabilities_that_use_all_prototypes_equally():
    codes = dinov2.sinkhorn_knopp_teacher(normal(32, 6), 0.5, 100)
    torch.testing.assert_close(codes.sum(1), torch.ones(32, dtype=torch.float64))
    torch.testing.assert_close(codes.sum(0), torch.full((6,), 32 / 6, dtype=torch.float64))


def test_a_favourite_of_all_rows_has_no_effect_on_codes_but_rules_a_softmax():
    logits = normal(64, 6)
    favoured = logits + torch.tensor([5.0, 0, 0, 0, 0, 0])
    codes = [dinov2.sinkhorn_knopp_teacher(t, 0.5) for t in (logits, favoured)]
    torch.testing.assert_close(*codes)
    assert (favoured / 0.5).softmax(-1)[:, 0].mean() > 0.9


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
def test_codes_neither_overflow_nor_starve_in_half_precision(dtype):
    logits = torch.tensor([[300.0, -300.0], [100.0, 299.0], [-200.0, -210.0]], dtype=dtype)
    with torch.autocast("cpu", torch.bfloat16):
        codes = dinov2.sinkhorn_knopp_teacher(logits, 0.05)
    assert codes.dtype == torch.float32
    torch.testing.assert_close(codes.sum(1), torch.ones(3))


def test_no_row_gives_no_code():
    assert dinov2.sinkhorn_knopp_teacher(torch.zeros(0, 4), 0.05).shape == (0, 4)


def test_a_temperature_of_zero_is_refused():
    with pytest.raises(ValueError, match="above 0"):
        dinov2.sinkhorn_knopp_teacher(normal(4, 3), 0.0)


def codes_and_centre(logits):
    center = torch.zeros(1, logits.shape[1], dtype=logits.dtype)
    return torch.cat([dinov2.sinkhorn_knopp_teacher(logits, 0.3), dinov2.update_center(center, logits)])


def test_two_processes_make_the_codes_and_the_centre_of_the_whole_batch(tmp_path):
    """Also with 4 rows in one and 3 in the other, as hidden patches come."""
    logits = normal(7, 5)
    first, second = on_two(codes_and_centre, tmp_path, logits)
    alone = codes_and_centre(logits)
    torch.testing.assert_close(torch.cat([first[:-1], second[:-1]]), alone[:-1])
    for centre in (first[-1], second[-1]):
        torch.testing.assert_close(centre, alone[-1])


def test_the_centre_is_a_running_mean_and_changes_nothing_in_place():
    center = torch.tensor([[1.0, 0.0]])
    torch.testing.assert_close(dinov2.update_center(center, torch.tensor([[0.0, 2.0], [0.0, 4.0]])), torch.tensor([[0.9, 0.3]]))
    assert torch.equal(center, torch.tensor([[1.0, 0.0]]))


# All losses


LOSSES = {
    "dino": (dinov2.dinov2_dino_loss, (normal(9, 8), normal(6, 8), normal(6, 8, seed=1), normal(1, 8), 3, 0.05)),
    "ibot": (dinov2.ibot_patch_loss, holes()),
    "dense": (dinov2.ibot_patch_loss_dense, (normal(3, 6, 8), normal(3, 6, 8).softmax(-1), holes()[2])),
    "koleo": (dinov2.koleo_loss, (normal(6, 4),)),
}


@pytest.mark.parametrize("name", LOSSES)
def test_losses_keep_the_dtype_compile_as_one_graph_and_run_under_autocast(name):
    loss, given = LOSSES[name]
    single = [x.float() if torch.is_tensor(x) and x.is_floating_point() else x for x in given]
    exact = loss(*given)
    assert exact.dtype == torch.float64
    assert loss(*single).dtype == torch.float32
    torch.testing.assert_close(torch.compile(loss, fullgraph=True, backend="aot_eager")(*given), exact)
    with torch.autocast("cpu", torch.bfloat16):
        torch.testing.assert_close(loss(*single).double(), exact, rtol=5e-2, atol=0)


# Masks and views


def test_masks_cover_about_half_of_the_crops_at_ratios_from_low_to_high():
    masks = dinov2.random_masks(64, (14, 14), generator(), 0.5, (0.1, 0.5))
    share = masks.double().mean(1)
    hidden = share[share > 0].sort().values
    assert masks.shape == (64, 196)
    assert len(hidden) == 32
    torch.testing.assert_close(hidden, 0.1 + 0.4 * (torch.arange(32) + 0.5) / 32, rtol=0, atol=0.03, check_dtype=False)
    assert share[:32].count_nonzero() not in (0, 32)


def test_masks_are_blocks_and_not_scattered_patches():
    """A hidden patch's right neighbour is hidden far more often than chance has it."""
    masks = torch.stack([dinov2.block_mask((14, 14), 60, generator(seed)) for seed in range(20)])
    assert (masks.sum((1, 2)) <= 60).all()
    assert (masks.sum((1, 2)) >= 50).all()
    together = (masks[..., 1:] & masks[..., :-1]).sum() / masks[..., :-1].sum()
    assert together > 0.7 > 2 * 60 / 196


def test_every_patch_is_hidden_sometimes():
    often = torch.stack([dinov2.block_mask((6, 8), 16, generator(seed)) for seed in range(300)]).double().mean(0)
    assert often.min() > 0.03


def test_a_mask_of_nothing_and_shares_beyond_the_whole():
    assert not dinov2.block_mask((4, 4), 0, generator()).any()
    with pytest.raises(ValueError, match="from 0 to 1"):
        dinov2.random_masks(4, (4, 4), generator(), 50)


def test_views_are_two_large_crops_small_ones_and_masks_for_the_large():
    crops, masks = dinov2.views(torch.rand(2, 3, 64, 64, dtype=torch.float64), generator(), 3)
    assert [tuple(crop.shape) for crop in crops] == 2 * [(2, 3, 64, 64)] + 3 * [(2, 3, 24, 24)]
    assert masks.shape == (4, 64)
    assert masks.any(1).sum() == 2
    assert dinov2.views(torch.rand(1, 3, 224, 224), generator(), 1, 14)[0][2].shape[-1] == 84


def test_local_views_show_small_areas_and_global_ones_large(monkeypatch):
    asked = []
    monkeypatch.setattr(byol, "augment", lambda x, how, size, g: asked.append(how) or x)
    dinov2.views(torch.rand(1, 3, 64, 64), generator(), 1)
    assert [how.area for how in asked] == [(0.32, 1.0), (0.32, 1.0), (0.05, 0.32)]
    assert [how.solarize for how in asked] == [0.0, 0.2, 0.0]


def test_images_that_are_no_whole_patches_are_refused():
    with pytest.raises(ValueError, match="multiple of the patch size"):
        dinov2.views(torch.rand(1, 3, 60, 60), generator())


# The model


def small_batch(B=4):
    return dinov2.views(torch.rand(B, 3, 32, 32, generator=generator()), generator(1), SMALL.n_local)


def small_model(config=SMALL):
    torch.manual_seed(0)
    return dinov2.build(config)


def test_a_hidden_patch_keeps_its_place_and_loses_its_content():
    net = small_model().encoder
    net.mask_token.data.fill_(3)
    images, masks = torch.rand(2, 3, 32, 48), torch.rand(2, 24) < 0.5
    tokens, plain = net.embed(images, masks), net.embed(images)
    place = net.positions((4, 6))[:, 1:].expand(2, -1, -1)
    torch.testing.assert_close(tokens[:, 1:][masks], place[masks] + 3)
    torch.testing.assert_close(tokens[:, 1:][~masks], plain[:, 1:][~masks])
    torch.testing.assert_close(tokens[:, 0], plain[:, 0])
    torch.testing.assert_close(net.embed(1 - images, masks)[:, 1:][masks], tokens[:, 1:][masks])
    with pytest.raises(ValueError, match=r"\(2, 24\)"):
        net.embed(images, masks[:, :-1])


def test_official_names_load():
    """Those of the released files, with `ls1.gamma` for LayerScale."""
    state = {k.replace("gamma_", "ls"): v for k, v in small_model().encoder.state_dict().items()}
    state = {k + ".gamma" if k[-3:] in ("ls1", "ls2") else k: v + 1 for k, v in state.items()}
    assert {"mask_token", "pos_embed", "blocks.1.ls2.gamma", "blocks.0.attn.qkv.bias"} <= state.keys()
    net = small_model().encoder
    net.load_state_dict(state, strict=True)
    assert torch.equal(net.blocks[1].gamma_2, state["blocks.1.ls2.gamma"])


def test_the_student_sees_holes_and_the_teacher_the_whole():
    model, (crops, masks) = small_model(), small_batch()
    seen = []
    for name in ("student", "teacher"):
        net = getattr(model, name)
        net.tokens = lambda x, m=None, f=net.tokens: seen.append((len(x), m)) or f(x, m)
    out = model(crops, masks)
    assert [(rows, m is not None) for rows, m in seen] == [(8, True), (8, False), (8, False)]
    assert out.student_patches.shape == out.teacher_patches.shape == (int(masks.sum()), 24)
    assert out.student_global.shape == out.teacher_global.shape == (8, 24)
    whole = model.teacher.backbone.forward_features(torch.cat(crops[:2]))[:, 1:]
    torch.testing.assert_close(out.teacher_patches, model.teacher.dino_head(whole[masks]))


@pytest.mark.parametrize("config", VARIANTS, ids=["shared", "untied"])
def test_the_loss_is_the_weighted_sum_of_three(config):
    """KoLeo of each view by itself, before the head; targets of classes and of patches at the step's temperature."""
    config = replace(config, ibot_weight=0.7, koleo_weight=0.3)
    model, (crops, masks) = small_model(config), small_batch()
    model.dino_center, model.ibot_center = normal(2, 1, 24, dtype=torch.float32) / 10
    out = model(crops, masks)
    if config.centering == "softmax":
        q, q_patches = ((t - c).div(0.0625).softmax(-1) for t, c in (
            (out.teacher_global, model.dino_center), (out.teacher_patches, model.ibot_center)))
    else:
        q, q_patches = (dinov2.sinkhorn_knopp_teacher(t, 0.0625) for t in (out.teacher_global, out.teacher_patches))
    image = sum(dinov2.dinov2_dino_terms(out.student_local, out.student_global, q, 0.1))
    patch = dinov2.ibot_patch_loss(out.student_patches, q_patches, masks, 0.1)
    tokens = model.student.backbone.forward_features(torch.cat(crops[:2]), masks)[:, 0]
    apart = dinov2.koleo_loss(tokens[:4]) + dinov2.koleo_loss(tokens[4:])
    loss, watched = dinov2.training_step(model, (crops, masks), 3, 10)
    torch.testing.assert_close(loss, image + 0.7 * patch + 0.3 * apart)
    expected = {"loss": loss, "dino": image, "ibot": patch, "koleo": apart}
    assert {name: watched[name] for name in expected} == pytest.approx({n: p.item() for n, p in expected.items()}, rel=1e-4)


@pytest.mark.parametrize("config", VARIANTS, ids=["shared", "untied"])
def test_every_student_parameter_gets_a_gradient_and_no_teacher_parameter_does(config):
    model = small_model(config)
    dinov2.training_step(model, small_batch(), 9, 10)[0].backward()
    for name, parameter in model.named_parameters():
        learns = parameter.grad is not None and bool(parameter.grad.any())
        assert learns == parameter.requires_grad == name.startswith("student."), name
    assert ("student.ibot_head.last_layer.weight_v" in dict(model.named_parameters())) == config.separate_head


def test_targets_use_the_centre_from_before_the_batch():
    model, batch = small_model(), small_batch()
    first, _ = dinov2.training_step(model, batch, 9, 10)
    assert model.dino_center.any()
    assert model.ibot_center.any()
    assert not torch.equal(model.dino_center, model.ibot_center)
    fresh = small_model()
    fresh.dino_center, fresh.ibot_center = model.dino_center, model.ibot_center
    assert dinov2.training_step(fresh, batch, 9, 10)[0] != first
    torch.testing.assert_close(model.dino_center, 0.1 * model(*batch).teacher_global.mean(0, keepdim=True))
    torch.testing.assert_close(model.ibot_center, 0.1 * model(*batch).teacher_patches.mean(0, keepdim=True))


def test_with_sinkhorn_the_centres_have_no_say():
    losses = []
    for shift in (0, 5):
        model = small_model(VARIANTS[1])
        model.dino_center += shift * torch.arange(24)
        losses.append(dinov2.training_step(model, small_batch(), 9, 10)[0])
    assert losses[0] == losses[1]


def test_only_the_student_drops_paths():
    model, (crops, masks) = small_model(replace(SMALL, drop_path=0.5)).train(), small_batch()
    first, second = model(crops, masks), model(crops, masks)
    assert not torch.equal(first.student_global, second.student_global)
    assert torch.equal(first.teacher_global, second.teacher_global)


def test_the_teacher_stands_still_in_the_optimiser_step_and_follows_after_it():
    model = small_model()
    start = copy.deepcopy(model.teacher)
    descent = torch.optim.SGD([p for p in model.parameters() if p.requires_grad], lr=0.5)
    dinov2.training_step(model, small_batch(), 3, 10)[0].backward()
    descent.step()
    assert all(torch.equal(p, start.get_parameter(n)) for n, p in model.teacher.named_parameters())
    dinov2.after_step(model, 3, 10)
    momentum = byol.cosine_tau(3, 10, 0.9)
    for name, parameter in model.teacher.named_parameters():
        expected = momentum * start.get_parameter(name) + (1 - momentum) * model.student.get_parameter(name)
        torch.testing.assert_close(parameter, expected)


def test_prototypes_stand_still_in_the_first_epoch_and_temperature_rises_until_the_second():
    model = small_model(VARIANTS[1])
    for step, frozen in [(0, True), (1, True), (2, False), (9, False)]:
        model.zero_grad()
        dinov2.training_step(model, small_batch(), step, 10)[0].backward()
        for head in (model.student.dino_head, model.student.ibot_head):
            assert (head.last_layer.weight_v.grad is None) == frozen
    temps = [dinov2.teacher_temp(step, 10, SMALL) for step in range(6)]
    assert temps == pytest.approx([0.04, 0.0475, 0.055, 0.0625, 0.07, 0.07])


def test_features_are_the_teachers_patch_tokens_and_attention_is_there():
    model, images = small_model(), torch.rand(2, 3, 32, 48)
    with torch.no_grad():
        model.student.backbone.cls_token.add_(1)
    torch.testing.assert_close(dinov2.features(model, images), model.teacher.tokens(images)[1])
    maps = model.encoder.get_attention(images)
    assert [m.shape for m in maps] == 2 * [(2, 2, 25, 25)]
    torch.testing.assert_close(maps[0].sum(-1), torch.ones(2, 2, 25))


def test_crops_without_a_local_one_are_refused():
    with pytest.raises(ValueError, match="1 local"):
        small_model()(small_batch()[0][:2], small_batch()[1])
