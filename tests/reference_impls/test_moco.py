"""MoCo against its authors' numbers, then against what the paper says."""

import copy
import math

import pytest
import torch
import torch.nn.functional as F
from lightly.loss import NTXentLoss
from torch import nn

from reference_impls import moco
from tests.reference_impls.golden import cases
from tests.reference_impls.two_processes import on_two

SMALL = moco.Config(dim=8, K=24, m=0.9, img_size=16, patch_size=8, width=16, depth=1, heads=2)


@pytest.mark.parametrize("case", cases("moco", function="moco_info_nce"), ids=str)
def test_loss_and_gradient_equal_upstream(case):
    q = case.leaf("q")
    loss = moco.moco_info_nce(q, case["k"], case["queue"], case.params["temperature"], case.params["normalize"])
    loss.backward()
    case.check(loss=loss, grad_q=q.grad)


class Encoder(nn.Module):
    """The small network that the stored trajectories were made with."""

    def __init__(self, dim, ins=10, hidden=12):
        super().__init__()
        self.l1, self.fc = nn.Linear(ins, hidden), nn.Linear(hidden, dim)

    def forward(self, x):
        return self.fc(self.l1(x).relu())


def like(case):
    """The card's encoder, at the widths of its stored weights."""
    hidden, ins = case.arrays["w.encoder_q.l1.weight"].shape
    return lambda dim: Encoder(dim, ins, hidden)


@pytest.mark.parametrize("case", cases("moco", function="MoCo"), ids=str)
def test_optimiser_steps_equal_upstream(case):
    settings = {name: case.params[name] for name in ("dim", "K", "m", "T", "mlp")}
    model = case.load(moco.MoCo(like(case), **settings))
    sgd = torch.optim.SGD(model.encoder_q.parameters(), case.params["lr"], case.params["sgd_momentum"],
                          weight_decay=case.params.get("weight_decay", 0))
    seen = {name: [] for name in ("loss", "logits", "queue", "queue_ptr", "grad_q_l1")}
    for x_q, x_k in zip(case["x_q"], case["x_k"], strict=True):
        logits, labels = model(x_q, x_k)
        loss = F.cross_entropy(logits, labels)
        sgd.zero_grad(), loss.backward(), sgd.step()
        now = (loss, logits, model.queue, model.queue_ptr, model.encoder_q.l1.weight.grad)
        for name, value in zip(seen, now, strict=True):
            seen[name].append(value.detach().clone())
    case.check(**{name: torch.stack(values) for name, values in seen.items()},
               final_q_l1=model.encoder_q.l1.weight, final_k_l1=model.encoder_k.l1.weight)


# The loss


def vectors(*shape, seed=0):
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def unit_queue(D=8, K=20, seed=9):
    return F.normalize(vectors(D, K, seed=seed), dim=0)


def test_loss_equals_a_loop_over_the_own_key_and_the_queue():
    q, k = F.normalize(vectors(2, 5, 8), dim=2)
    queue, total = unit_queue(), 0.0
    for i in range(5):
        own = math.exp(float(q[i] @ k[i]) / 0.2)
        others = sum(math.exp(float(q[i] @ queue[:, j]) / 0.2) for j in range(20))
        total -= math.log(own / (own + others))
    assert moco.moco_info_nce(q, k, queue, 0.2).item() == pytest.approx(total / 5, rel=1e-12)


def test_loss_equals_lightly_with_a_memory_bank():
    q, k = vectors(2, 6, 8).float()
    peer = NTXentLoss(temperature=0.1, memory_bank_size=(20, 8))
    peer(k, k)  # makes the bank
    peer.memory_bank.bank = unit_queue().float() if peer.memory_bank.bank.shape[0] == 8 else unit_queue().float().T
    q.requires_grad_()
    torch.testing.assert_close(moco.moco_info_nce(q, k, unit_queue().float(), 0.1), peer(q, k))


@pytest.mark.parametrize("block", [1, 7, 20, 8192])
def test_reading_the_queue_in_blocks_changes_nothing(block):
    q, k = vectors(2, 5, 8)
    torch.testing.assert_close(
        moco.moco_info_nce(q, k, unit_queue(), block=block), moco.moco_info_nce(q, k, unit_queue())
    )


def test_no_gradient_reaches_the_keys():
    q, k, queue = vectors(5, 8).requires_grad_(), vectors(5, 8).requires_grad_(), unit_queue().requires_grad_()
    moco.moco_info_nce(q, k, queue).backward()
    assert q.grad.any()
    assert k.grad is None
    assert queue.grad is None


def test_other_images_of_the_batch_are_no_negatives():
    """Only the queue is contrasted against: a query's loss does not see its neighbours."""
    q, k = vectors(2, 5, 8)
    each = [moco.moco_info_nce(q[i:i + 1], k[i:i + 1], unit_queue()) for i in range(5)]
    torch.testing.assert_close(moco.moco_info_nce(q, k, unit_queue()), torch.stack(each).mean())


def test_length_matters_only_without_normalisation():
    q, k = vectors(2, 5, 8)
    plain = moco.moco_info_nce(q, k, unit_queue(), 1.0)
    torch.testing.assert_close(moco.moco_info_nce(3 * q, 0.2 * k, unit_queue(), 1.0), plain)
    raw = moco.moco_info_nce(F.normalize(q), F.normalize(k), unit_queue(), 1.0, normalize=False)
    torch.testing.assert_close(raw, plain)
    assert not torch.isclose(moco.moco_info_nce(q, k, unit_queue(), 1.0, normalize=False), plain)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_dtype_is_kept(dtype):
    assert moco.moco_info_nce(*vectors(2, 4, 8).to(dtype), unit_queue().to(dtype)).dtype == dtype


def test_loss_compiles_without_a_graph_break():
    compiled = torch.compile(moco.moco_info_nce, fullgraph=True, backend="aot_eager")
    q, k = vectors(2, 4, 8)
    torch.testing.assert_close(compiled(q, k, unit_queue()), moco.moco_info_nce(q, k, unit_queue()))


def test_half_precision_contrasts_as_well_as_full():
    (q, k), queue = vectors(2, 4, 8).bfloat16(), unit_queue().float()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        halved = moco.moco_info_nce(q, k, queue)
    torch.testing.assert_close(halved, moco.moco_info_nce(q.float(), k.float(), queue))


@pytest.mark.parametrize(
    ("wrong", "remedy"),
    [
        (lambda: moco.moco_info_nce(vectors(3, 4), vectors(2, 4), vectors(4, 9)), r"both \(B, D\)"),
        (lambda: moco.moco_info_nce(vectors(3, 4), vectors(3, 4), vectors(9, 4)), r"queue \(D, K\)"),
        (lambda: moco.moco_info_nce(vectors(3, 4), vectors(3, 4), vectors(4, 9), 0), "above 0"),
        (lambda: moco.MoCo(lambda dim: nn.Flatten(), mlp=True), "`fc` or `head`"),
        (lambda: small()(vectors(99, 10), vectors(99, 10)), "larger than the whole batch"),
    ],
)
def test_wrong_calls_say_what_to_do(wrong, remedy):
    with pytest.raises(ValueError, match=remedy):
        wrong()


def test_keys_that_do_not_fit_behind_the_end_go_to_the_beginning():
    model = small()
    K = model.K
    model.queue_ptr[0] = K - 2
    keys = F.normalize(vectors(5, model.queue.shape[0]), dim=1).to(model.queue)
    before = model.queue.clone()
    model.dequeue_and_enqueue(keys)
    torch.testing.assert_close(model.queue[:, [K - 2, K - 1, 0, 1, 2]], keys.T)
    assert torch.equal(model.queue[:, 3 : K - 2], before[:, 3 : K - 2])
    assert model.queue_ptr.item() == 3


# The model


def small(**chosen):
    torch.manual_seed(0)
    return moco.MoCo(Encoder, **{"dim": 8, "K": 12, "m": 0.9} | chosen).double()


def test_both_encoders_start_equal_and_the_queue_on_the_sphere():
    model = small()
    for a, b in zip(model.encoder_q.parameters(), model.encoder_k.parameters(), strict=True):
        assert torch.equal(a, b)
        assert a.requires_grad
        assert not b.requires_grad
    torch.testing.assert_close(model.queue.norm(dim=0), torch.ones(12, dtype=torch.float64))


def test_keys_come_from_the_encoder_after_its_update_and_with_the_old_queries_weights():
    model = small()
    with torch.no_grad():
        model.encoder_q.l1.weight.add_(0.5)
    expected = copy.deepcopy(model.encoder_k)
    with torch.no_grad():
        expected.l1.weight.mul_(0.9).add_(0.1 * model.encoder_q.l1.weight)
    x_q, x_k = vectors(2, 4, 10)
    model(x_q, x_k)
    torch.testing.assert_close(model.encoder_k.l1.weight, expected.l1.weight)
    torch.testing.assert_close(model.queue[:, :4], F.normalize(expected(x_k), dim=1).T)


def test_logits_are_those_of_the_loss_against_the_queue_before_this_batch():
    model, (x_q, x_k) = small(m=1.0), vectors(2, 4, 10)
    before = model.queue.clone()
    loss = F.cross_entropy(*model(x_q, x_k))
    torch.testing.assert_close(
        loss, moco.moco_info_nce(model.encoder_q(x_q), model.encoder_k(x_k), before, 0.07)
    )
    assert not torch.equal(model.queue, before)


def test_the_oldest_keys_leave_first_and_the_pointer_wraps_around():
    model = small()
    for step in range(4):
        model.dequeue_and_enqueue(torch.full((4, 8), float(step), dtype=torch.float64))
    assert model.queue[0].tolist() == [3.0] * 4 + [1.0] * 4 + [2.0] * 4
    assert model.queue_ptr.tolist() == [4]


def test_the_average_moves_parameters_and_leaves_batch_statistics_alone():
    model = moco.MoCo(lambda dim: nn.Sequential(), dim=2, K=4)
    model.encoder_q, model.encoder_k = nn.BatchNorm1d(3), nn.BatchNorm1d(3)
    model.encoder_q(torch.randn(8, 3) + 4)
    model.encoder_q.weight.data.fill_(2)
    model.momentum_update()
    torch.testing.assert_close(model.encoder_k.weight, torch.full((3,), 1 + 0.001))
    assert model.encoder_k.running_mean.tolist() == [0, 0, 0]


def test_version_2_puts_a_hidden_layer_before_the_last():
    head = small(mlp=True).encoder_q.fc
    assert [type(layer) for layer in head] == [nn.Linear, nn.ReLU, nn.Linear]
    assert (head[0].out_features, head[2].out_features) == (12, 8)


def test_version_2_blurs_and_keeps_a_fifth_of_the_image_or_more(monkeypatch):
    asked = []
    monkeypatch.setattr(moco, "two_views", lambda images, generator, how: asked.append(how))
    moco.views(None, None)
    assert (asked[0].blur, asked[0].area, asked[0].brightness, asked[0].hue) == (0.5, (0.2, 1.0), 0.4, 0.1)


def test_features_are_the_patch_tokens_of_the_query_encoder():
    model, images = moco.build(SMALL).eval(), torch.rand(2, 3, 16, 16)
    tokens = model.encoder_q.forward_features(images)
    torch.testing.assert_close(moco.features(model, images), tokens[:, 1:])


def test_a_vit_is_trained_end_to_end_with_its_head():
    torch.manual_seed(0)
    model, g = moco.build(SMALL), torch.Generator().manual_seed(0)
    batch = moco.views(torch.rand(8, 3, 16, 16, generator=g), g)
    sgd = torch.optim.SGD(model.encoder_q.parameters(), 0.1)
    loss, watched = moco.training_step(model, batch, 0, 2)
    loss.backward(), sgd.step()
    assert all(p.grad.any() for p in model.encoder_q.parameters())
    assert watched["loss"] == loss.item()
    model.queue_ptr.zero_()
    assert 0 <= watched["accuracy"] <= 1


# Two processes


def state_after(x_q, x_k):
    """Logits without batch norm, then the queue, side by side."""
    model = small()
    with torch.no_grad():
        model.encoder_q.l1.weight.add_(0.5)
    logits, _ = model(x_q, x_k)
    return torch.cat([logits.flatten(), model.queue.flatten(), model.queue_ptr.double()])


def test_two_processes_give_what_one_gives_on_the_whole_batch(tmp_path):
    x = vectors(2, 6, 10)
    first, second = on_two(state_after, tmp_path, *x)
    whole, n = state_after(*x), 3 * 13
    torch.testing.assert_close(torch.cat([first[:n], second[:n]]), whole[:2 * n])
    torch.testing.assert_close(first[n:], whole[2 * n:])
    torch.testing.assert_close(second[n:], whole[2 * n:])


class Counting(nn.Module):
    """Keys that tell the mean of the batch they were computed in."""

    def __init__(self, dim):
        super().__init__()
        self.fc = nn.Linear(1, dim)

    def forward(self, x):
        return torch.cat([x, x.mean().expand(len(x), 1)], dim=1)


def keys_of_two(x):
    return moco.MoCo(Counting, dim=2, K=4).keys(x)


def test_keys_are_computed_in_batches_mixed_over_the_devices_and_come_home(tmp_path):
    """Each device normalises by a batch drawn from both, and gets the keys of its own images."""
    torch.manual_seed(0)
    x = torch.tensor([1.0, 2, 3, 4, 5, 6, 101, 102, 103, 104, 105, 106])[:, None]
    k = torch.cat(on_two(keys_of_two, tmp_path, x))
    means = x[:, 0] * k[:, 1] / k[:, 0]
    home = {3.5, 103.5}
    assert not home & set(means.round(decimals=2).tolist())
    assert len(set(means.round(decimals=1).tolist())) == 2
    torch.testing.assert_close(means.mean(), x.mean(), rtol=0.5, atol=0)
