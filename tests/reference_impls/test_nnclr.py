"""NNCLR against solo-learn's numbers, then against what the paper says."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from reference_impls import byol, nnclr, simclr
from reference_impls.nnclr import NNQueue, nearest_neighbours, nnclr_loss
from tests.reference_impls.golden import cases
from tests.reference_impls.two_processes import on_two


@pytest.mark.parametrize("case", cases("nnclr", function="nnclr_loss"), ids=str)
def test_loss_neighbours_and_gradients_equal_upstream(case):
    p1, p2, temperature = case.leaf("p1"), case.leaf("p2"), case.params["temperature"]
    loss = nnclr_loss(case["z1"], case["z2"], p1, p2, case["queue"], temperature)
    loss.backward()
    idx1, idx2 = (nearest_neighbours(case[z], case["queue"]) for z in ("z1", "z2"))
    ways = ((case["queue"][idx1], p2), (case["queue"][idx2], p1))
    simclrs = sum(simclr.nt_xent_loss(nn, p, temperature) for nn, p in ways) / 2
    case.check(loss=loss, grad_p1=p1.grad, grad_p2=p2.grad, nn_idx1=idx1, nn_idx2=idx2, lightly_variant_loss=simclrs)


@pytest.mark.parametrize("case", cases("nnclr", function="NNQueue"), ids=str)
def test_every_step_of_the_queue_equals_upstream(case):
    support, seen = NNQueue(**case.params).to(case["queue0"].dtype), []
    support.queue.copy_(case["queue0"])
    for z in case["z"]:
        index, nearest = support.nearest(z)
        assert torch.equal(nearest, support.queue[index])
        support.enqueue(z)
        seen.append((index, support.queue.clone(), support.queue_ptr.clone()))
    index, queue, ptr = (torch.stack(column) for column in zip(*seen, strict=True))
    case.check(nn_idx=index, queue=queue, ptr=ptr)


def vectors(n=4, B=6, D=8, seed=0):
    return torch.randn(n, B, D, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def support_set(K=20, D=8, seed=1):
    return F.normalize(vectors(1, K, D, seed)[0], dim=1)


# The neighbours


def test_the_neighbour_is_the_row_at_the_smallest_distance():
    z, queue = vectors(1, 50)[0], support_set()
    distances = torch.cdist(F.normalize(z, dim=1), queue)
    assert torch.equal(nearest_neighbours(z, queue), distances.argmin(1))
    assert torch.equal(nearest_neighbours(100 * z, queue), distances.argmin(1))


def test_the_first_view_is_looked_up_before_it_joins():
    """Otherwise every neighbour would be the image itself."""
    torch.manual_seed(0)
    model = small_model()
    before, batch = model.support.queue.clone(), torch.randn(2, 6, 10)
    z1, z2, p1, p2 = model(*batch)
    loss, _ = nnclr.training_step(model, batch, 0, 1)
    torch.testing.assert_close(loss, nnclr_loss(z1, z2, p1, p2, before, model.temperature))
    torch.testing.assert_close(model.support.queue[:6], F.normalize(z1, dim=1))
    assert torch.equal(model.support.queue[6:], before[6:])


def test_the_queue_is_a_ring_that_forgets_the_oldest_rows():
    support = NNQueue(10, 8).double()
    batches = vectors(3, 4)
    for z in batches:
        support.enqueue(z)
    unit = F.normalize(batches.flatten(0, 1), dim=1)
    torch.testing.assert_close(support.queue, torch.cat([unit[10:], unit[2:10]]))
    assert support.queue_ptr.tolist() == [2]


def test_the_queue_starts_with_random_rows_of_unit_length():
    torch.manual_seed(0)
    queue = NNQueue(50, 8).queue
    torch.testing.assert_close(queue.norm(dim=1), torch.ones(50))
    assert (queue @ queue.T).fill_diagonal_(0).max() < 1 - 1e-3


def test_the_queue_is_saved_with_the_model():
    assert {"support.queue", "support.queue_ptr"} <= small_model().state_dict().keys()


# The loss


def test_loss_is_the_papers_fraction_written_out():
    z1, z2, p1, p2 = vectors()
    queue, total = support_set(), 0.0
    for z, p in ((z1, F.normalize(p2, dim=1)), (z2, F.normalize(p1, dim=1))):
        for i in range(6):
            neighbour = queue[(F.normalize(z[i], dim=0) - queue).norm(dim=1).argmin()]
            scores = torch.exp(p @ neighbour / 0.2)
            total -= torch.log(scores[i] / scores.sum()).item() / 12
    assert nnclr_loss(z1, z2, p1, p2, queue, 0.2).item() == pytest.approx(total)


def test_negatives_are_predictions_and_never_neighbours():
    """With predictions all alike the loss is log B, wherever the neighbours lie."""
    z1, z2, p, _ = vectors()
    same = p[:1].expand(6, -1)
    torch.testing.assert_close(nnclr_loss(z1, z2, same, same, support_set(), 0.1).exp().item(), 6.0)


def test_an_image_among_the_support_set_is_contrasted_like_in_simclr():
    """Where neighbours are the images themselves, this is InfoNCE between the views."""
    z1, z2, p1, p2 = vectors()
    queue = F.normalize(torch.cat([z1, z2]), dim=1)
    logits = F.normalize(z1, dim=1) @ F.normalize(p2, dim=1).T, F.normalize(z2, dim=1) @ F.normalize(p1, dim=1).T
    expected = sum(F.cross_entropy(x / 0.3, torch.arange(6)) for x in logits) / 2
    torch.testing.assert_close(nnclr_loss(z1, z2, p1, p2, queue, 0.3), expected)


def test_no_gradient_reaches_projections_or_support_set():
    z1, z2, p1, p2 = (v.clone().requires_grad_() for v in vectors())
    queue = support_set().requires_grad_()
    nnclr_loss(z1, z2, p1, p2, queue).backward()
    assert z1.grad is None
    assert z2.grad is None
    assert queue.grad is None
    assert p1.grad.abs().sum() > 0
    assert p2.grad.abs().sum() > 0


def test_loss_ignores_the_length_of_projections_and_predictions():
    z1, z2, p1, p2 = vectors()
    scaled = nnclr_loss(3 * z1, 0.1 * z2, 7 * p1, 2 * p2, support_set())
    torch.testing.assert_close(scaled, nnclr_loss(z1, z2, p1, p2, support_set()))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_loss_keeps_the_dtype(dtype):
    assert nnclr_loss(*vectors().to(dtype), support_set().to(dtype)).dtype == dtype


def test_loss_stays_near_in_half_precision():
    given, queue = vectors().float(), support_set().float()
    exact = nnclr_loss(*given, queue)
    with torch.autocast("cpu", torch.bfloat16):
        torch.testing.assert_close(nnclr_loss(*given, queue), exact)
    torch.testing.assert_close(nnclr_loss(*given.bfloat16(), queue), exact, rtol=5e-2, atol=5e-2)


def test_loss_compiles_as_one_graph():
    compiled = torch.compile(nnclr_loss, fullgraph=True, backend="aot_eager")
    torch.testing.assert_close(compiled(*vectors(), support_set()), nnclr_loss(*vectors(), support_set()))


def test_wrong_calls_are_refused_with_the_remedy():
    z1, z2, p1, p2 = vectors()
    with pytest.raises(ValueError, match=r"\(B, D\)"):
        nnclr_loss(z1, z2, p1[:4], p2, support_set())
    with pytest.raises(ValueError, match="transpose"):
        nnclr_loss(z1, z2, p1, p2, support_set().T)
    with pytest.raises(ValueError, match="above 0"):
        nnclr_loss(z1, z2, p1, p2, support_set(), 0.0)
    with pytest.raises(ValueError, match="several batches"):
        NNQueue(4, 8).double().enqueue(z1)


# The network


def small_model():
    return nnclr.NNCLR(nn.Linear(10, 12), 12, dim=8, proj_hidden=16, pred_hidden=16, queue_size=24)


def test_every_parameter_learns_and_training_finds_the_other_view():
    torch.manual_seed(0)
    model, images = small_model(), torch.randn(12, 10)
    optimiser, watched = torch.optim.Adam(model.parameters(), lr=0.01), []
    for step in range(60):
        batch = (images + 0.1 * torch.randn_like(images), images + 0.1 * torch.randn_like(images))
        loss, seen = nnclr.training_step(model, batch, step, 60)
        optimiser.zero_grad(), loss.backward(), optimiser.step()
        watched.append(seen)
    assert all(p.grad is not None for p in model.parameters())
    assert watched[-1]["loss"] < 0.7 * watched[0]["loss"]


def test_batch_norm_is_on_every_layer_of_the_projector_but_not_on_predictions():
    names = [[type(layer).__name__ for layer in layers] for layers in (nnclr.projector(4, 6, 8), nnclr.predictor(8, 6))]
    assert names[0] == ["Linear", "BatchNorm1d", "ReLU"] * 2 + ["Linear", "BatchNorm1d"]
    assert names[1] == ["Linear", "BatchNorm1d", "ReLU", "Linear"]


def test_views_are_byols():
    images = torch.rand(3, 3, 16, 16, dtype=torch.float64)
    ours, theirs = (views(images, torch.Generator().manual_seed(3)) for views in (nnclr.views, byol.views))
    assert all(torch.equal(a, b) for a, b in zip(ours, theirs, strict=True))


def test_lightly_finds_the_same_neighbours():
    from lightly.models.modules import NNMemoryBankModule

    torch.manual_seed(0)
    peer, z = NNMemoryBankModule((32, 8)), vectors(1)[0].float()
    torch.testing.assert_close(peer(z), peer.bank[nearest_neighbours(z, peer.bank)])


# Over processes


def on_each(z1, z2, p1, p2):
    """Loss, gradients and the support set after one step."""
    p1.requires_grad_(), p2.requires_grad_()
    support = NNQueue(20, 8).double()
    support.queue.copy_(support_set())
    loss = nnclr_loss(z1, z2, p1, p2, support.queue)
    loss.backward()
    support.enqueue(z1)
    return torch.cat([loss.detach()[None], p1.grad.flatten(), p2.grad.flatten(), support.queue.flatten()])


def test_two_processes_give_what_one_gives_on_the_whole_batch(tmp_path):
    given = vectors()
    first, second = on_two(on_each, tmp_path, *(v.clone() for v in given))
    whole = on_each(*given.clone())
    torch.testing.assert_close((first[0] + second[0]) / 2, whole[0])
    halves = torch.cat([answer[1:49].view(2, 3, 8) for answer in (first, second)], dim=1)
    torch.testing.assert_close(halves / 2, whole[1:97].view(2, 6, 8))
    for answer in (first, second):
        torch.testing.assert_close(answer[49:], whole[97:])
