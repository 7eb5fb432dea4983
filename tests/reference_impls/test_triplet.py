"""Triplet and pair losses against their authors' numbers, then against what the papers say."""

import math

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from reference_impls import triplet
from tests.reference_impls.golden import cases


@pytest.mark.parametrize("case", cases("triplet", function="triplet_loss"), ids=str)
def test_triplet_loss_and_gradients_equal_upstream(case):
    leaves = {name: case.leaf(name) for name in ("anchor", "positive", "negative")}
    loss = triplet.triplet_loss(**leaves, **case.params)
    loss.backward()
    outputs = {"loss": loss} | {f"grad_{name}": leaf.grad for name, leaf in leaves.items()}
    if "out.active_fraction" in case.arrays:
        each = triplet.triplet_loss(**leaves, **case.params | {"reduction": "none"})
        outputs["active_fraction"] = (each > 0).double().mean()
    case.check(**outputs)


@pytest.mark.parametrize("case", cases("triplet", function="contrastive_pair_loss"), ids=str)
def test_pair_loss_and_gradients_equal_upstream(case):
    z1, z2 = case.leaf("z1"), case.leaf("z2")
    loss = triplet.contrastive_pair_loss(z1, z2, case["same"], **case.params)
    loss.backward()
    case.check(loss=loss, grad_z1=z1.grad, grad_z2=z2.grad)


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def noise(*shape, seed=0):
    return torch.randn(shape, dtype=torch.float64, generator=generator(seed))


# The losses


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
def test_unsquared_it_is_torch_s_own(reduction):
    a, p, n = noise(3, 8, 5)
    ours = triplet.triplet_loss(a, p, n, 0.7, squared=False, reduction=reduction)
    torch.testing.assert_close(ours, F.triplet_margin_loss(a, p, n, 0.7, reduction=reduction))


def test_distances_are_squared_by_default():
    a, p, n = torch.tensor([[0.0]]), torch.tensor([[3.0]]), torch.tensor([[2.0]])
    assert triplet.triplet_loss(a, p, n, margin=1.0) == 9 - 4 + 1
    assert triplet.triplet_loss(a, p, n, margin=1.0, squared=False).item() == pytest.approx(2, abs=1e-5)


def test_a_triplet_that_keeps_its_margin_teaches_nothing_but_counts_in_the_mean():
    a = torch.zeros(2, 1, requires_grad=True)
    p, n = torch.tensor([[1.0], [1.0]]), torch.tensor([[5.0], [1.0]])
    loss = triplet.triplet_loss(a, p, n, margin=0.5)
    loss.backward()
    assert loss == 0.25
    assert a.grad[0] == 0


def test_equal_embeddings_cost_the_margin_and_have_finite_gradients():
    z1, z2 = torch.ones(4, 3, requires_grad=True), torch.ones(4, 3)
    assert triplet.triplet_loss(z1, z2, z2, margin=0.2).item() == pytest.approx(0.2)
    triplet.contrastive_pair_loss(z1, z2, torch.tensor([0, 0, 1, 1])).backward()
    assert z1.grad.isfinite().all()


def test_pairs_of_one_kind_attract_and_others_repel_up_to_the_margin():
    z1 = torch.zeros(3, 1, requires_grad=True)
    z2 = torch.tensor([[0.5], [0.5], [2.0]])
    triplet.contrastive_pair_loss(z1, z2, torch.tensor([1, 0, 0]), margin=1.0).backward()
    towards, away, still = z1.grad.flatten().tolist()
    assert towards == pytest.approx(-0.5 / 3)
    assert away == pytest.approx(0.5 / 3, rel=1e-4)
    assert still == 0


@pytest.mark.parametrize("dtype", [torch.int64, torch.bool, torch.float64])
def test_whether_a_pair_is_the_same_may_be_of_any_type(dtype):
    z1, z2, same = noise(4, 3), noise(4, 3, seed=1), torch.tensor([1, 0, 1, 0])
    expected = triplet.contrastive_pair_loss(z1, z2, same)
    assert triplet.contrastive_pair_loss(z1, z2, same.to(dtype)) == expected
    assert expected.dtype == torch.float64


def test_compiled_losses_equal_eager_and_half_precision_stays_near():
    a, p, n = noise(3, 8, 5).float()
    same = torch.arange(8) % 2
    for loss, args in ((triplet.triplet_loss, (a, p, n)), (triplet.contrastive_pair_loss, (a, p, same))):
        compiled = torch.compile(loss, fullgraph=True, backend="aot_eager")
        torch.testing.assert_close(compiled(*args), loss(*args))
        with torch.autocast("cpu", torch.bfloat16):
            torch.testing.assert_close(loss(*args).float(), loss(*args), rtol=0.05, atol=0.05)


# Which triplets


def by_loops(z, labels):
    """Definition: among negatives farther than the positive the nearest, else the farthest of all."""
    found = []
    for a in range(len(z)):
        for p in range(len(z)):
            if p == a or labels[p] != labels[a]:
                continue
            negatives = [n for n in range(len(z)) if labels[n] != labels[a]]
            d = {n: math.dist(z[a], z[n]) for n in negatives}
            beyond = [n for n in negatives if d[n] > math.dist(z[a], z[p])]
            found.append((a, p, min(beyond, key=d.get) if beyond else max(negatives, key=d.get)))
    return found


@pytest.mark.parametrize("kinds", [2, 3, 5])
def test_negatives_are_the_nearest_beyond_the_positive(kinds):
    z, labels = noise(20, 2, seed=kinds), torch.arange(20) % kinds
    ours = torch.stack(triplet.semi_hard_triplets(z, labels), dim=1)
    assert [tuple(t) for t in ours.tolist()] == by_loops(z.tolist(), labels.tolist())


def test_semi_hard_means_beyond_the_positive_wherever_one_is():
    z, labels = noise(40, 3), torch.arange(40) % 4
    a, p, n = triplet.semi_hard_triplets(z, labels)
    near, far = (z[a] - z[p]).norm(dim=1), (z[a] - z[n]).norm(dim=1)
    farthest = (torch.cdist(z, z) * (labels[:, None] != labels)).max(dim=1).values[a]
    exists = farthest > near
    assert exists.float().mean() > 0.5
    assert (far > near)[exists].all()
    assert (labels[a] == labels[p]).all()
    assert (labels[a] != labels[n]).all()
    assert (a != p).all()


# The model


def small_model():
    torch.manual_seed(0)
    return triplet.FaceNet(nn.Sequential(nn.Flatten(), nn.Linear(12, 16), nn.ReLU()), 16, 4)


def test_embeddings_have_unit_length():
    torch.testing.assert_close(small_model()(torch.randn(5, 3, 2, 2)).norm(dim=1), torch.ones(5))


def test_a_short_training_brings_kinds_together_and_all_weights_learn():
    model, labels = small_model(), torch.arange(16) % 4
    kinds = torch.randn(4, 3, 2, 2, generator=generator())
    images = kinds[labels] + torch.randn(16, 3, 2, 2, generator=generator(1))
    adam, watched = torch.optim.Adam(model.parameters(), 1e-2), []
    for step in range(60):
        loss, seen = triplet.training_step(model, (images, labels), step, 60)
        adam.zero_grad(), loss.backward(), adam.step()
        assert step or all(p.grad.any() for p in model.parameters())
        watched.append(seen)
    assert watched[-1]["loss"] < 0.3 * watched[0]["loss"]
    assert watched[-1]["active"] < watched[0]["active"]


def test_the_tiny_model_trains_on_images():
    model = triplet.build()
    loss, watched = triplet.training_step(model, (torch.rand(4, 3, 64, 64), torch.tensor([0, 0, 1, 1])), 0, 1)
    loss.backward()
    assert watched["loss"] == pytest.approx(loss.item())
    assert model(torch.rand(2, 3, 64, 64)).shape == (2, triplet.TINY.dim)


@pytest.mark.parametrize(("call", "remedy"), [
    (lambda: triplet.triplet_loss(noise(4, 3), noise(4, 3), noise(3, 3)), r"all are \(B, D\)"),
    (lambda: triplet.triplet_loss(*noise(3, 4, 3), margin=0.0), "above 0"),
    (lambda: triplet.contrastive_pair_loss(noise(4, 3), noise(4, 3), torch.ones(4, 1)), "one answer"),
    (lambda: triplet.semi_hard_triplets(noise(4, 3), torch.zeros(3)), "give one each"),
    (lambda: triplet.semi_hard_triplets(noise(4, 3), torch.arange(4)), "two of a label"),
    (lambda: triplet.semi_hard_triplets(noise(4, 3), torch.zeros(4)), "another label"),
])
def test_wrong_calls_are_told_the_remedy(call, remedy):
    with pytest.raises(ValueError, match=remedy):
        call()
