"""Linear probes against DINO's and MAE's numbers, then against what their protocols say."""

import re

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from reference_impls import linear_probe
from reference_impls.knn import topk_accuracy
from reference_impls.lars import LARS
from reference_impls.vit import ViT
from tests.reference_impls.golden import cases


@pytest.mark.parametrize("case", cases("linear_probe", function="LinearProbe"), ids=str)
def test_features_and_training_equal_upstream(case):
    how, labels = case.params, case["labels"]
    n, avgpool = how["n_last_blocks"], how["avgpool_patchtokens"]
    features = linear_probe.probe_features(list(case["tokens"]), n, avgpool, interleave=avgpool)
    probe = linear_probe.LinearProbe(features.shape[1], how["num_classes"]).to(features)
    probe.linear.load_state_dict({"weight": case["weight0"], "bias": case["bias0"]})
    sgd = torch.optim.SGD(probe.parameters(), 1.0, how["sgd_momentum"], weight_decay=how["weight_decay"])
    lrs = linear_probe.cosine_lrs(how["base_lr"] * how["batch_size"] / 256, how["total_epochs"])[:how["epochs_run"]]
    losses, weights = [], []
    for lr in lrs:
        losses += linear_probe.train_linear_probe(probe, sgd, features, labels, [lr], how["batch_size"])
        weights.append(probe.linear.weight.detach().clone())
    top1, top5 = topk_accuracy(linear_probe.predict(probe, features), labels)
    case.check(features=features, weight=torch.stack(weights), epoch_loss=torch.tensor(losses, dtype=torch.float64),
               lr=torch.tensor(lrs, dtype=torch.float64), train_acc1=torch.tensor(top1), train_acc5=torch.tensor(top5))


@pytest.mark.parametrize("case", cases("linear_probe", function="BNLinearProbe"), ids=str)
def test_lars_steps_behind_batch_norm_equal_upstream(case):
    classes, dim = case.arrays["w.1.weight"].shape
    probe = case.load(linear_probe.BNLinearProbe(dim, classes))
    if case.params["bn_eps"] != 1e-6:  # the module's own is MAE's
        probe[0].eps = case.params["bn_eps"]
    momentum, trust = (float(n) for n in re.findall(r"0?\.\d+", case.params["optimizer"]))
    lars = LARS(probe.parameters(), case.params["lr"], case.params["weight_decay"], momentum, trust)
    losses = [
        linear_probe.train_one_epoch(probe, lars, [batch]) for batch in zip(case["x"], case["labels"], strict=True)
    ]
    case.check(loss=torch.tensor(losses, dtype=torch.float64), weight=probe[1].weight, bias=probe[1].bias,
               running_mean=probe[0].running_mean, running_var=probe[0].running_var,
               eval_logits=linear_probe.predict(probe, case["x"][0]))


# What the probe sees


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def tokens(blocks=3, B=4, P=5, D=6):
    return list(torch.randn(blocks, B, 1 + P, D, dtype=torch.float64, generator=generator()))


def test_features_are_the_class_tokens_of_the_last_blocks_in_their_order():
    a, b, c = tokens()
    torch.testing.assert_close(linear_probe.probe_features([a, b, c], 2), torch.cat([b[:, 0], c[:, 0]], dim=1))


def test_the_mean_is_over_the_patches_of_the_last_block_without_the_class_token():
    a, b, c = tokens()
    features = linear_probe.probe_features([a, b, c], 2, avgpool=True)
    torch.testing.assert_close(features, torch.cat([b[:, 0], c[:, 0], c[:, 1:].mean(1)], dim=1))


def test_interleaved_features_are_the_same_channels_in_another_order():
    plain = linear_probe.probe_features(tokens(), 1, avgpool=True)
    woven = linear_probe.probe_features(tokens(), 1, avgpool=True, interleave=True)
    D = plain.shape[1] // 2
    torch.testing.assert_close(woven[:, 0::2], plain[:, :D])
    torch.testing.assert_close(woven[:, 1::2], plain[:, D:])


def test_every_block_passes_the_final_norm():
    torch.manual_seed(0)
    encoder, images = ViT(16, 8, 12, depth=3, heads=2).eval(), torch.randn(2, 3, 16, 16)
    blocks = linear_probe.last_blocks(encoder, images, 3)
    torch.testing.assert_close(blocks[-1], encoder.forward_features(images))
    for x in blocks:
        torch.testing.assert_close(x.mean(-1), torch.zeros(2, 5), rtol=0, atol=1e-5)
    assert not blocks[0].requires_grad
    assert not torch.allclose(blocks[0], blocks[1])


@pytest.mark.parametrize("n", [0, 4])
def test_blocks_that_do_not_exist_are_refused(n):
    with pytest.raises(ValueError, match="3 blocks"):
        linear_probe.probe_features(tokens(), n)
    with pytest.raises(ValueError, match="3 blocks"):
        linear_probe.last_blocks(ViT(16, 8, 12, depth=3, heads=2), torch.randn(1, 3, 16, 16), n)


def test_training_crops_are_mirrored_half_of_the_time_and_normalised():
    ramp = torch.linspace(0, 1, 32).expand(400, 3, 32, 32)
    crops = linear_probe.training_crops(ramp, 16, generator())
    assert crops.shape == (400, 3, 16, 16)
    rising = crops.diff(dim=-1).mean(dim=(1, 2, 3)) > 0
    assert abs(rising.double().mean() - 0.5) < 0.08
    assert crops.min() < -1
    assert torch.equal(crops, linear_probe.training_crops(ramp, 16, generator()))


# The probe and its training


def clusters(N=96, D=6, C=3, spread=1.0, dtype=torch.float64):
    g = generator()
    centres, labels = torch.randn(C, D, dtype=dtype, generator=g), torch.randint(C, (N,), generator=g)
    return centres[labels] + spread * torch.randn(N, D, dtype=dtype, generator=g), labels


@pytest.mark.parametrize("kind", [linear_probe.LinearProbe, linear_probe.BNLinearProbe])
def test_a_fresh_probe_is_small_and_has_no_bias(kind):
    torch.manual_seed(0)
    weight, bias = list(kind(512, 64).parameters())
    assert abs(weight.std().item() - 0.01) < 5e-4
    assert not bias.any()


def test_batch_norm_makes_the_loss_ignore_scale_and_offset_of_features():
    features, labels = clusters()
    torch.manual_seed(0)
    probe = linear_probe.BNLinearProbe(6, 3).double()
    loss, moved = (F.cross_entropy(probe(x), labels) for x in (features, 100 * features + 7))
    torch.testing.assert_close(loss, moved, rtol=1e-6, atol=0)
    assert [name for name, _ in probe.named_parameters()] == ["1.weight", "1.bias"]


def test_a_fully_trained_probe_is_the_regression_that_scikit_learn_finds():
    from sklearn.linear_model import LogisticRegression

    features, labels = clusters()
    decay = 0.02
    peer = LogisticRegression(C=1 / (decay * len(labels)), fit_intercept=False, tol=1e-10, max_iter=1000)
    peer.fit(features.numpy(), labels.numpy())
    probe = linear_probe.LinearProbe(6, 3).double()
    probe.linear.bias.requires_grad_(False)
    sgd = torch.optim.SGD([probe.linear.weight], 1.0, 0.9, weight_decay=decay)
    linear_probe.train_linear_probe(probe, sgd, features, labels, [0.3] * 400, len(labels))
    torch.testing.assert_close(probe.linear.weight.detach(), torch.from_numpy(peer.coef_), rtol=0, atol=1e-5)


def test_the_rate_starts_at_its_base_after_the_warm_up_and_ends_near_zero():
    lrs = linear_probe.cosine_lrs(2.0, 10)
    assert lrs[0] == 2.0
    assert lrs[5] == pytest.approx(1.0)
    assert 0 < lrs[9] < 0.1
    warm = linear_probe.cosine_lrs(2.0, 12, warmup_epochs=2)
    assert warm == [1.0, 2.0, *lrs]


def test_every_image_is_seen_once_an_epoch_in_a_shuffled_order():
    x = torch.arange(10.0)[:, None]
    seen = [list(linear_probe.batches(x, torch.arange(10), 4, g)) for g in (None, generator(1), generator(1), generator(2))]
    assert [len(labels) for _, labels in seen[0]] == [4, 4, 2]
    orders = [torch.cat([labels for _, labels in epoch]).tolist() for epoch in seen]
    assert orders[0] == list(range(10))
    assert orders[1] == orders[2] != orders[3]
    assert sorted(orders[1]) == orders[0]
    assert all(torch.equal(f[:, 0].long(), labels) for epoch in seen for f, labels in epoch)


def test_no_gradient_leaves_the_probe():
    encoder = nn.Linear(6, 6)
    features, labels = clusters(dtype=torch.float32)
    probe = linear_probe.LinearProbe(6, 3)
    sgd = torch.optim.SGD(probe.parameters(), 0.1)
    linear_probe.train_one_epoch(probe, sgd, [(encoder(features), labels)])
    assert encoder.weight.grad is None
    assert probe.linear.weight.grad.any()


def test_test_images_are_judged_by_running_statistics():
    features, labels = clusters()
    torch.manual_seed(0)
    probe = linear_probe.BNLinearProbe(6, 3).double()
    sgd = torch.optim.SGD(probe.parameters(), 0.1)
    linear_probe.train_linear_probe(probe, sgd, features, labels, [0.1] * 20, 96)
    before = probe[0].running_mean.clone()
    alone = torch.cat([linear_probe.predict(probe, x[None]) for x in features[:5]])
    torch.testing.assert_close(linear_probe.predict(probe, features)[:5], alone)
    assert torch.equal(probe[0].running_mean, before)


@pytest.mark.parametrize("batch_norm", [False, True])
def test_a_whole_evaluation_finds_classes_that_a_line_parts_and_only_those(batch_norm):
    lr = 50.0 if batch_norm else 1.0  # LARS moves in units of a thousandth of the weights
    config = linear_probe.Config(batch_norm=batch_norm, lr=lr, epochs=70, batch=32)
    torch.manual_seed(0)
    features, labels = clusters(N=120, spread=0.3)
    train, test = (features[:80], labels[:80]), (features[80:], labels[80:])
    top1, top5 = linear_probe.linear_evaluation(train, test, config, generator())
    assert top1 > 95
    assert top5 == 100
    squares = torch.randn(400, 2, generator=generator())
    xor = (squares.sign().prod(1) > 0).long()
    assert linear_probe.linear_evaluation((squares[:300], xor[:300]), (squares[300:], xor[300:]), config)[0] < 70


def test_the_rate_is_scaled_by_the_batch(monkeypatch):
    asked = []
    monkeypatch.setattr(linear_probe, "train_linear_probe", lambda *args: asked.append(args[4]))
    linear_probe.linear_evaluation(clusters(), clusters(), linear_probe.Config(lr=0.5, batch=512, epochs=2))
    assert asked == [[1.0, 0.5]]


def test_training_runs_under_autocast_and_keeps_float64():
    features, labels = clusters(dtype=torch.float32)
    losses = []
    for x, half in [(features, False), (features, True), (features.double(), False)]:
        torch.manual_seed(0)
        probe = linear_probe.BNLinearProbe(6, 3).to(x)
        with torch.autocast("cpu", torch.bfloat16, enabled=half):
            losses.append(linear_probe.train_one_epoch(probe, LARS(probe.parameters(), 1.0), [(x, labels)] * 3))
        assert probe[1].weight.dtype == x.dtype
    assert losses[1] == pytest.approx(losses[0], rel=5e-2)
    assert losses[2] == pytest.approx(losses[0], rel=1e-5)


def test_wrong_calls_are_refused():
    features, labels = clusters()
    with pytest.raises(ValueError, match="do not fit"):
        linear_probe.cosine_lrs(1.0, 5, warmup_epochs=5)
    with pytest.raises(ValueError, match="labels"):
        list(linear_probe.batches(features, labels[:-1], 8))
    probe = linear_probe.LinearProbe(6, 3)
    with pytest.raises(ValueError, match="no batches"):
        linear_probe.train_one_epoch(probe, torch.optim.SGD(probe.parameters(), 0.1), [])
