"""SwAV against its authors' numbers, then against what the paper says."""

import itertools
from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from reference_impls import simclr, swav
from reference_impls.swav import sinkhorn_knopp, swav_loss, swav_step
from tests.reference_impls.golden import cases
from tests.reference_impls.two_processes import on_two


@pytest.mark.parametrize("case", cases("swav", function="sinkhorn_knopp"), ids=str)
def test_codes_equal_upstream(case):
    codes = sinkhorn_knopp(case["scores"], **case.params)
    case.check(codes=codes, row_sums=codes.sum(1), col_sums=codes.sum(0))


@pytest.mark.parametrize("case", cases("swav", function="swav_loss") + cases("swav", function="swav_step"), ids=str)
def test_every_step_equals_upstream(case):
    """Prototypes take plain steps of gradient descent; the projections are given."""
    options = {name: case.params[name] for name in ("crops_for_assign", "temperature", "epsilon", "n_iters")}
    weight, batch = nn.Parameter(case["prototypes0"]), case.params["batch"]
    queue, seen = (case["queue0"] if case.params["queue_length"] else None), []
    for step, z in enumerate(case["z"].requires_grad_().unbind()):
        swav.normalize_rows(weight)
        weight.requires_grad_(step >= case.params["freeze_prototypes_niters"])
        loss, scores, after = swav_step(z, weight, batch, queue, **options)
        if queue is None:
            torch.testing.assert_close(swav_loss(scores.split(batch), batch, **options), loss)
        queue, weight.grad = after, None
        to_z, = torch.autograd.grad(loss, z, retain_graph=True)
        if weight.requires_grad:
            loss.backward(inputs=[weight])
        to_weight = torch.zeros_like(weight) if weight.grad is None else weight.grad
        seen.append((loss.detach(), to_z, to_weight.clone()))
        with torch.no_grad():
            weight -= case.params["lr"] * to_weight
    loss, to_z, to_weight = (torch.stack(column) for column in zip(*seen, strict=True))
    kept = {} if queue is None else {"queue": queue}
    case.check(loss=loss, grad_z=to_z, grad_prototypes=to_weight, final_prototypes=weight, **kept)


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def cosines(V=4, B=6, K=10, D=8, seed=0):
    """Scores of V crops of B images, as unit vectors give them."""
    z = F.normalize(torch.randn(V * B + K, D, dtype=torch.float64, generator=generator(seed)), dim=1)
    return z[: V * B] @ z[V * B :].T


# Codes


def test_every_sample_has_one_unit_of_code_and_every_prototype_an_equal_share():
    scores = cosines(1, 12, 5)
    few, many = sinkhorn_knopp(scores), sinkhorn_knopp(scores, n_iters=500)
    for codes in (few, many):
        torch.testing.assert_close(codes.sum(1), torch.ones(12, dtype=codes.dtype))
    torch.testing.assert_close(many.sum(0), torch.full((5,), 12 / 5, dtype=many.dtype))
    assert (few.sum(0) - 12 / 5).abs().max() > 1e-3


def test_codes_are_the_kernel_scaled_by_one_number_per_row_and_per_column():
    """Q* = Diag(u) exp(s / eps) Diag(v): what is left of log Q after s / eps has rank two at most."""
    scores = cosines(1, 12, 5)
    left = sinkhorn_knopp(scores, 0.1).log() - scores / 0.1
    assert (left - left[:1] - left[:, :1] + left[0, 0]).abs().max() < 1e-9


def test_a_batch_on_one_prototype_is_spread_over_all_of_them():
    scores = cosines(1, 12, 4)
    scores[:, 0] += 5
    assert F.softmax(scores / 0.05, dim=1).sum(0)[1:].max() < 1e-6
    assert sinkhorn_knopp(scores, n_iters=100).sum(0).min() > 2.9


def test_a_larger_epsilon_gives_softer_codes():
    sharp, soft = (torch.special.entr(sinkhorn_knopp(cosines(1, 12, 5), eps)).sum() for eps in (0.05, 0.5))
    assert soft > sharp


def test_codes_do_not_change_with_the_zero_of_the_scores():
    scores = cosines(1, 12, 5)
    torch.testing.assert_close(sinkhorn_knopp(scores + 3), sinkhorn_knopp(scores))


def test_no_scores_are_too_large_or_too_far_apart():
    """exp(60 / 0.05) is more than any float; upstream's rows become not-a-number."""
    scores = 60 * cosines(1, 12, 5).float()
    scores[0] += 500
    scores[:, 3] -= 500
    codes = sinkhorn_knopp(scores)
    torch.testing.assert_close(codes.sum(1), torch.ones(12))
    assert codes.min() >= 0


def test_codes_carry_no_gradient():
    assert not sinkhorn_knopp(cosines(1).requires_grad_()).requires_grad


# The loss


def log_softmax_loss(scores, temperature=0.1):
    """The paper's sum over pairs, written out."""
    V, total = len(scores), 0.0
    for i in (0, 1):
        q = sinkhorn_knopp(scores[i])
        others = [v for v in range(V) if v != i]
        total += sum(-(q * F.log_softmax(scores[v] / temperature, 1)).sum(1).mean() for v in others) / (V - 1)
    return total / 2


@pytest.mark.parametrize("V", [2, 5])
def test_each_crop_predicts_the_codes_of_the_other_large_crops(V):
    scores = cosines(V)
    torch.testing.assert_close(swav_loss(scores, 6), log_softmax_loss(scores.view(V, 6, -1)))


def test_small_crops_are_predicted_from_but_give_no_codes():
    scores = cosines(4).view(4, 6, -1)
    swapped = scores[[0, 1, 3, 2]].flatten(0, 1)
    torch.testing.assert_close(swav_loss(swapped, 6), swav_loss(scores.flatten(0, 1), 6))
    assert not torch.isclose(swav_loss(scores[[2, 1, 0, 3]].flatten(0, 1), 6), swav_loss(scores.flatten(0, 1), 6))


def test_no_gradient_runs_through_the_codes():
    """The gradient is that of a cross-entropy to fixed targets."""
    scores = cosines(2, 6).requires_grad_()
    fixed = [sinkhorn_knopp(part) for part in scores.detach().split(6)]
    logits = F.log_softmax(scores / 0.1, 1).split(6)
    expected = torch.autograd.grad(-sum((fixed[i] * logits[1 - i]).sum(1).mean() for i in (0, 1)) / 2, scores)
    torch.testing.assert_close(torch.autograd.grad(swav_loss(scores, 6), scores), expected)


def test_the_queue_takes_part_in_the_assignment_alone():
    scores, queue = cosines(2), cosines(2, 15, seed=1).split(15)
    parts, losses = scores.split(6), []
    for i in (0, 1):
        q = sinkhorn_knopp(torch.cat([queue[i], parts[i]]))[15:]
        losses.append(-(q * F.log_softmax(parts[1 - i] / 0.1, 1)).sum(1).mean())
    torch.testing.assert_close(swav_loss(scores, 6, queue_scores=queue), sum(losses) / 2)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_loss_keeps_the_dtype(dtype):
    loss = swav_loss(cosines().to(dtype), 6)
    assert loss.dtype == dtype
    torch.testing.assert_close(loss.double(), swav_loss(cosines(), 6), rtol=5e-2, atol=0)


def test_loss_stays_near_under_autocast():
    with torch.autocast("cpu", torch.bfloat16):
        loss = swav_loss(cosines().float(), 6)
    torch.testing.assert_close(loss, swav_loss(cosines().float(), 6), rtol=5e-2, atol=0)


def test_loss_compiles_as_one_graph():
    compiled = torch.compile(swav_loss, fullgraph=True, backend="aot_eager")
    torch.testing.assert_close(compiled(cosines(), 6), swav_loss(cosines(), 6))


def test_wrong_calls_are_refused_with_the_remedy():
    for scores, batch in [(cosines(2), 5), (cosines(1), 6), (cosines(2), 12)]:
        with pytest.raises(ValueError, match=r"pass \(V\*B, K\)"):
            swav_loss(scores, batch)
    with pytest.raises(ValueError, match="each has its own"):
        swav_loss(cosines(2), 6, queue_scores=[cosines(1)])
    with pytest.raises(ValueError, match="above 0"):
        swav_loss(cosines(2), 6, temperature=0.0)
    with pytest.raises(ValueError, match="above 0"):
        sinkhorn_knopp(cosines(1), epsilon=0.0)
    with pytest.raises(ValueError, match="local crop"):
        swav.views(torch.zeros(2, 3, 16, 16), generator())


# A step


def test_the_queue_is_read_when_full_and_keeps_the_newest_in_front():
    prototypes = F.normalize(torch.randn(10, 8, dtype=torch.float64, generator=generator()), dim=1)
    queue, losses, alone = torch.zeros(2, 9, 8, dtype=torch.float64), [], []
    batches = torch.randn(4, 12, 8, dtype=torch.float64, generator=generator(1))
    for z in batches:
        alone.append(swav_step(z, prototypes, 6)[0])
        loss, _, queue = swav_step(z, prototypes, 6, queue)
        losses.append(loss)
    same = [torch.equal(a, b) for a, b in zip(losses, alone, strict=True)]
    assert same == [True, True, False, False]
    unit = F.normalize(batches, dim=2)
    torch.testing.assert_close(queue, torch.stack([torch.cat([unit[3, i : i + 6], unit[2, i : i + 3]]) for i in (0, 6)]))
    assert not queue.requires_grad


SMALL = replace(swav.TINY, prototypes=12, dim=8, hidden=16, width=10, queue_length=0)


def small_model(config=SMALL):
    torch.manual_seed(0)
    return swav.SwAV(nn.Flatten(), config)


def small_batch(sizes=((2, 5), (2, 5), (5, 2)), seed=0):
    return [torch.randn(6, *size, generator=generator(seed + n)) for n, size in enumerate(sizes)]


def test_prototypes_stay_for_their_share_of_the_steps_and_then_move_on_the_sphere():
    model, batch = small_model(replace(SMALL, freeze_epochs=2, epochs=4)), small_batch()
    sgd, path = torch.optim.SGD(model.parameters(), lr=1.0), []
    for step in range(4):
        loss, _ = swav.training_step(model, batch, step, 4)
        path.append(model.prototypes.weight.detach().clone())
        sgd.zero_grad(), loss.backward(), sgd.step()
    for weight in path:
        torch.testing.assert_close(weight.norm(dim=1), torch.ones(12))
    moved = [(a - b).abs().max() > 1e-4 for a, b in itertools.pairwise(path)]
    assert moved == [False, False, True]


def test_crops_of_one_size_pass_together_and_stay_in_order():
    model, batch = small_model().eval(), small_batch()
    torch.testing.assert_close(model(batch), torch.cat([model([crop]) for crop in batch]))
    sizes = []
    model.encoder.register_forward_hook(lambda module, given, out: sizes.append(len(out)))
    model(batch)
    assert sizes == [12, 6]


def test_training_lowers_the_loss_and_uses_many_prototypes():
    model = small_model(replace(SMALL, queue_length=12))
    adam, watched = torch.optim.Adam(model.parameters(), lr=0.01), []
    for step in range(60):
        noise = torch.randn(3, 6, 2, 5, generator=generator(step))
        loss, seen = swav.training_step(model, list(small_batch()[0] + 0.1 * noise), step, 60)
        adam.zero_grad(), loss.backward(), adam.step()
        watched.append(seen)
    assert watched[-1]["loss"] < watched[0]["loss"] - 0.3
    assert watched[-1]["used"] > 4
    assert model.queue.any()


def test_the_count_of_prototypes_runs_from_one_to_all():
    one = torch.zeros(6, 10)
    one[:, 3] = 100
    assert swav.prototypes_used(one, 0.1) == pytest.approx(1)
    assert swav.prototypes_used(torch.zeros(6, 10), 0.1) == pytest.approx(10)
    assert swav.prototypes_used(torch.eye(10), 1e-3) == pytest.approx(10)


def test_crops_are_two_large_ones_of_large_areas_and_small_ones_of_small_areas(monkeypatch):
    asked = []
    monkeypatch.setattr(swav, "augment", lambda images, how, size, g: asked.append((how, size)) or images[..., :size, :size])
    crops = swav.views(torch.rand(2, 3, 56, 56), generator(), n_local=3)
    how = simclr.Augmentation(brightness=0.8, contrast=0.8, saturation=0.8, hue=0.2, blur=0.5)
    large, small = (replace(how, area=(0.14, 1.0)), 56), (replace(how, area=(0.05, 0.14)), 24)
    assert asked == [large, large, small, small, small]
    assert [crop.shape[-1] for crop in crops] == [56, 56, 24, 24, 24]
    assert all(crop.mean() < 0.4 for crop in crops), "not normalised"


def test_codes_and_loss_equal_lightlys():
    from lightly.loss import SwaVLoss
    from lightly.loss.swav_loss import sinkhorn

    scores = cosines()
    torch.testing.assert_close(sinkhorn_knopp(scores[:6]), sinkhorn(scores[:6]))
    high, low = scores[:12].split(6), scores[12:].split(6)
    torch.testing.assert_close(swav_loss(scores, 6), SwaVLoss()(list(high), list(low))[0])


# Over processes


def codes_of(scores):
    return sinkhorn_knopp(scores)


def test_two_processes_assign_as_one_does_on_the_whole_batch(tmp_path):
    scores = cosines(1, 12, 5)
    torch.testing.assert_close(torch.cat(on_two(codes_of, tmp_path, scores)), codes_of(scores))
