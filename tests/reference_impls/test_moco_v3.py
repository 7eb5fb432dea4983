"""MoCo v3 against its authors' numbers, then against what the paper says."""

import copy
import math

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from reference_impls import byol, mae, moco_v3
from tests.reference_impls.golden import cases
from tests.reference_impls.two_processes import on_two

SMALL = moco_v3.Config(dim=8, mlp_dim=16, m=0.9, img_size=16, patch_size=8, width=16, depth=1, heads=2)


@pytest.mark.parametrize("case", cases("moco_v3", function="moco_v3_loss"), ids=str)
def test_loss_and_gradients_equal_upstream(case):
    q1, q2 = case.leaf("q1"), case.leaf("q2")
    loss = moco_v3.moco_v3_loss(q1, q2, case["k1"], case["k2"], case.params["temperature"])
    loss.backward()
    case.check(loss=loss, grad_q1=q1.grad, grad_q2=q2.grad)


class Encoder(nn.Module):
    """The small network that the stored trajectory was made with."""

    def __init__(self, classes, ins=10, hidden=12):
        super().__init__()
        self.l1, self.fc = nn.Linear(ins, hidden), nn.Linear(hidden, classes)

    def forward(self, x):
        return self.fc(self.l1(x).relu())


def like(case):
    """The card's encoder, at the widths of its stored weights."""
    hidden, ins = case.arrays["w.base_encoder.l1.weight"].shape
    return lambda classes: Encoder(classes, ins, hidden)


@pytest.mark.parametrize("case", cases("moco_v3", function="MoCoV3"), ids=str)
def test_optimiser_steps_equal_upstream(case):
    p, stored = case.params, case.arrays
    layers = sum(array.ndim == 2 for name, array in stored.items() if name.startswith("w.base_encoder.fc."))
    model = moco_v3.MoCoV3(like(case), p["dim"], p["mlp_dim"], p["T"], projector_layers=layers,
                           predictor_norm="w.predictor.4.running_mean" in stored)
    model = case.load(model).train()
    trained = [p for p in model.parameters() if p.requires_grad]
    sgd = torch.optim.SGD(trained, case.params["lr"], case.params.get("sgd_momentum", 0),
                          weight_decay=case.params.get("weight_decay", 0))
    losses = []
    for x1, x2 in zip(case["x1"], case["x2"], strict=True):
        loss = model(x1, x2, case.params["m"])
        sgd.zero_grad(), loss.backward(), sgd.step()
        losses.append(loss.detach())
    case.check(loss=torch.stack(losses), final_base_l1=model.base_encoder.l1.weight,
               final_momentum_l1=model.momentum_encoder.l1.weight,
               momentum_bn_running_mean=model.momentum_encoder.fc[1].running_mean)


# The loss


def vectors(*shape, seed=0):
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def cosine(a, b):
    return float(F.cosine_similarity(a, b, dim=0))


def test_loss_equals_a_loop_over_all_keys_of_the_batch():
    """B candidates: the own key of the other view and those of all other images."""
    q, k, total = vectors(2, 5, 8), vectors(2, 5, 8, seed=1), 0.0
    for mine, theirs in ((q[0], k[1]), (q[1], k[0])):
        for i in range(5):
            scores = [math.exp(cosine(mine[i], theirs[j]) / 0.2) for j in range(5)]
            total -= 2 * 0.2 * math.log(scores[i] / sum(scores)) / 5
    assert moco_v3.moco_v3_loss(*q, *k, 0.2).item() == pytest.approx(total, rel=1e-12)


def test_the_views_are_crossed():
    """A query that equals the key of its own view is worth nothing."""
    a, b = torch.eye(8, dtype=torch.float64).chunk(2)
    assert moco_v3.moco_v3_loss(a, b, b, a, 0.1) < 1e-3
    assert moco_v3.moco_v3_loss(a, b, a, b, 0.1).item() == pytest.approx(4 * 0.1 * math.log(4))


def test_no_gradient_reaches_the_keys():
    q1, q2, k1, k2 = (x.requires_grad_() for x in vectors(4, 5, 8).unbind())
    moco_v3.moco_v3_loss(q1, q2, k1, k2).backward()
    assert q1.grad.any()
    assert q2.grad.any()
    assert k1.grad is None
    assert k2.grad is None


def test_loss_ignores_the_length_of_every_vector():
    q1, q2, k1, k2 = vectors(4, 5, 8)
    torch.testing.assert_close(
        moco_v3.moco_v3_loss(3 * q1, 0.1 * q2, 7 * k1, 2 * k2), moco_v3.moco_v3_loss(q1, q2, k1, k2)
    )


def test_the_gradient_keeps_its_size_over_temperatures():
    """The factor 2 tau undoes the logits' 1 / tau: without it, tau = 0.1 would be ten times tau = 1."""
    sizes = []
    for temperature in (0.1, 1.0):
        q1, q2, k1, k2 = vectors(4, 16, 8)
        moco_v3.moco_v3_loss(q1.requires_grad_(), q2, k1, k2, temperature).backward()
        sizes.append(float(q1.grad.norm()))
    assert 0.5 < sizes[0] / sizes[1] < 2


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_dtype_is_kept(dtype):
    assert moco_v3.moco_v3_loss(*vectors(4, 5, 8).to(dtype)).dtype == dtype


def test_loss_compiles_without_a_graph_break():
    compiled = torch.compile(moco_v3.moco_v3_loss, fullgraph=True, backend="aot_eager")
    torch.testing.assert_close(compiled(*vectors(4, 5, 8)), moco_v3.moco_v3_loss(*vectors(4, 5, 8)))


def test_half_precision_contrasts_as_well_as_full():
    x = vectors(4, 5, 8).bfloat16()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        halved = moco_v3.moco_v3_loss(*x, 0.05)
    torch.testing.assert_close(halved, moco_v3.moco_v3_loss(*x.float(), 0.05))


@pytest.mark.parametrize(
    ("wrong", "remedy"),
    [
        (lambda: moco_v3.moco_v3_loss(*vectors(3, 5, 8), vectors(4, 8)), r"all are \(B, D\)"),
        (lambda: moco_v3.moco_v3_loss(*vectors(4, 5, 8), 0.0), "above 0"),
        (lambda: moco_v3.MoCoV3(lambda classes: nn.Flatten()), "`fc` or `head`"),
        (lambda: moco_v3.sincos_pos_embed(2, 2, 6), "multiple of 4"),
    ],
)
def test_wrong_calls_say_what_to_do(wrong, remedy):
    with pytest.raises(ValueError, match=remedy):
        wrong()


# The model


def small():
    torch.manual_seed(0)
    return moco_v3.MoCoV3(Encoder, dim=6, mlp_dim=16).double()


def test_momentum_encoder_moves_before_the_keys_and_only_its_parameters():
    model, (x1, x2) = small(), vectors(2, 8, 10)
    with torch.no_grad():
        model.base_encoder.l1.weight.add_(0.5)
    expected = copy.deepcopy(model.momentum_encoder)
    byol.ema_update(expected, model.base_encoder, 0.9)
    _, _, k1, k2 = model.embed(x1, x2, 0.9)
    torch.testing.assert_close(k1, expected(x1))
    torch.testing.assert_close(k2, expected(x2))
    for ours, theirs in zip(model.momentum_encoder.buffers(), expected.buffers(), strict=True):
        torch.testing.assert_close(ours, theirs)


def test_queries_pass_the_predictor_and_keys_do_not():
    model, (x1, x2) = small().eval(), vectors(2, 8, 10)
    q1, q2, k1, _ = model.embed(x1, x2, 1.0)
    torch.testing.assert_close(q1, model.predictor(k1))
    assert not torch.allclose(q1, k1)
    torch.testing.assert_close(q2, model.predictor(model.base_encoder(x2)))


def test_heads_have_no_bias_and_the_paper_s_depth():
    """Sec. 3 and 4: ResNet-50 projects in two layers, a ViT in three and with a norm after the predictor."""
    resnet, vit = small(), moco_v3.build(SMALL)
    kinds = lambda head: "".join(type(layer).__name__[0] for layer in head)  # noqa: E731
    assert (kinds(resnet.base_encoder.fc), kinds(resnet.predictor)) == ("LBRLB", "LBRL")
    assert (kinds(vit.base_encoder.head), kinds(vit.predictor)) == ("LBRLBRLB", "LBRLB")
    for layer in [*vit.base_encoder.head, *vit.predictor]:
        assert not isinstance(layer, nn.Linear) or layer.bias is None
    assert not vit.base_encoder.head[-1].affine
    assert vit.base_encoder.head[-4].affine


def test_patch_projection_and_positions_stay_as_they_were_drawn():
    """Sec. 4.1: a frozen random projection takes the dips out of ViT's training curves."""
    model, g = moco_v3.build(SMALL), torch.Generator().manual_seed(0)
    batch = moco_v3.views(torch.rand(8, 3, 16, 16, generator=g), g)
    moco_v3.training_step(model, batch, 0, 10)[0].backward()
    still = {n for n, p in model.base_encoder.named_parameters() if not p.requires_grad}
    assert still == {"pos_embed", "patch_embed.proj.weight", "patch_embed.proj.bias"}
    for name, parameter in model.named_parameters():
        learns = parameter.grad is not None and bool(parameter.grad.any())
        assert learns == parameter.requires_grad, name


def test_positions_are_mae_s_with_the_halves_exchanged():
    """Here the first half of the channels says the row, in MAE the column."""
    ours = moco_v3.sincos_pos_embed(3, 3, 16)[0].double()
    theirs = torch.from_numpy(mae.get_2d_sincos_pos_embed(16, 3, cls_token=True))
    torch.testing.assert_close(ours, theirs.roll(8, dims=1), rtol=0, atol=1e-6)
    assert torch.equal(moco_v3.sincos_pos_embed(2, 3, 8)[0, 1:, :4].view(2, 3, 4)[:, 0], moco_v3.sincos_pos_embed(2, 3, 8)[0, 1:, :4].view(2, 3, 4)[:, 2])


def test_momentum_follows_a_cosine_to_one():
    model, g = moco_v3.build(SMALL), torch.Generator().manual_seed(0)
    batch = moco_v3.views(torch.rand(4, 3, 16, 16, generator=g), g)
    seen = [moco_v3.training_step(model, batch, step, 10)[1]["m"] for step in (0, 5, 10)]
    assert seen == pytest.approx([0.9, 0.95, 1.0])


def test_views_are_those_of_byol():
    images = torch.rand(2, 3, 16, 16)
    ours, theirs = (f(images, torch.Generator().manual_seed(3)) for f in (moco_v3.views, byol.views))
    assert torch.equal(torch.stack(ours), torch.stack(theirs))


def test_features_are_the_patch_tokens_of_the_base_encoder():
    model, images = moco_v3.build(SMALL).eval(), torch.rand(2, 3, 16, 16)
    tokens = model.base_encoder.forward_features(images)
    torch.testing.assert_close(moco_v3.features(model, images), tokens[:, 1:])


# Two processes


def loss_and_gradients(q1, q2, k1, k2):
    q1.requires_grad_(), q2.requires_grad_()
    loss = moco_v3.moco_v3_loss(q1, q2, k1, k2)
    loss.backward()
    return torch.cat([loss[None], q1.grad.flatten(), q2.grad.flatten()])


def test_two_processes_give_what_one_gives_on_the_whole_batch(tmp_path):
    """Keys of both processes are candidates; the mean of the two losses is the whole one's."""
    x = vectors(4, 6, 5)
    first, second = on_two(loss_and_gradients, tmp_path, *x)
    whole = loss_and_gradients(*x)
    torch.testing.assert_close((first[0] + second[0]) / 2, whole[0])
    halves = torch.cat([first[1:].view(2, 3, 5), second[1:].view(2, 3, 5)], dim=1)
    torch.testing.assert_close(halves / 2, whole[1:].view(2, 6, 5))
