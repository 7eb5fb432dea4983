"""SimSiam against its authors' numbers, then against what the paper says."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from reference_impls import simclr, simsiam
from tests.reference_impls.golden import cases


@pytest.mark.parametrize("case", cases("simsiam", function="simsiam_loss"), ids=str)
def test_loss_and_gradient_equal_upstream(case):
    p1, p2 = case.leaf("p1"), case.leaf("p2")
    loss = simsiam.simsiam_loss(p1, p2, case["z1"], case["z2"])
    loss.backward()
    case.check(loss=loss, grad_p1=p1.grad, grad_p2=p2.grad)


class Encoder(nn.Module):
    """A small backbone, such as the stored trajectory was made with."""

    def __init__(self, dim: int, given: int = 10, width: int = 12):
        super().__init__()
        self.l1, self.fc = nn.Linear(given, width), nn.Linear(width, dim)

    def forward(self, x):
        return self.fc(self.l1(x).relu())


@pytest.mark.parametrize("case", cases("simsiam", function="SimSiam"), ids=str)
def test_every_optimiser_step_equals_upstream(case):
    width, given = case.arrays["w.encoder.l1.weight"].shape
    model = simsiam.SimSiam(lambda dim: Encoder(dim, given, width), case.params["dim"], case.params["pred_dim"])
    case.load(model)
    sgd = torch.optim.SGD(trained(model), case.params["lr"], case.params["sgd_momentum"], weight_decay=case.params["weight_decay"])
    losses, spreads = [], []
    for views in zip(case["x1"], case["x2"], strict=True):
        loss, watched = simsiam.training_step(model, views, len(losses), len(case["x1"]))
        sgd.zero_grad(), loss.backward(), sgd.step()
        losses.append(loss.detach()), spreads.append(watched["spread"])
    case.check(loss=torch.stack(losses), z_std=torch.tensor(spreads, dtype=torch.float64),
               final_l1=model.encoder.l1.weight, final_pred_out=model.predictor[3].weight)


def trained(model):
    return [p for p in model.parameters() if p.requires_grad]


def vectors(n=4, B=6, D=8, seed=0):
    return torch.randn(n, B, D, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


# The loss


def test_loss_is_minus_one_when_all_views_agree_and_one_when_they_oppose():
    z = vectors(1)[0]
    torch.testing.assert_close(simsiam.simsiam_loss(z, z, z, z).item(), -1.0)
    torch.testing.assert_close(simsiam.simsiam_loss(z, z, -z, -z).item(), 1.0)


def test_each_prediction_is_compared_with_the_other_view():
    p1, p2, z1, z2 = vectors()
    torch.testing.assert_close(simsiam.simsiam_loss(p1, p2, p2, p1).item(), -1.0)
    assert not torch.isclose(simsiam.simsiam_loss(p1, p2, z1, z2), simsiam.simsiam_loss(p1, p2, z2, z1))


def test_loss_is_half_the_sum_of_both_directions():
    p1, p2, z1, z2 = vectors()
    one, other = F.cosine_similarity(p1, z2), F.cosine_similarity(p2, z1)
    torch.testing.assert_close(simsiam.simsiam_loss(p1, p2, z1, z2), -(one.mean() + other.mean()) / 2)


def test_no_gradient_reaches_the_projections():
    p1, p2, z1, z2 = (v.clone().requires_grad_() for v in vectors())
    simsiam.simsiam_loss(p1, p2, z1, z2).backward()
    assert p1.grad.abs().sum() > 0
    assert p2.grad.abs().sum() > 0
    assert z1.grad is None
    assert z2.grad is None


def test_loss_ignores_the_length_of_every_vector():
    p1, p2, z1, z2 = vectors()
    scaled = simsiam.simsiam_loss(3 * p1, 0.1 * p2, 7 * z1, 2 * z2)
    torch.testing.assert_close(scaled, simsiam.simsiam_loss(p1, p2, z1, z2))


def test_a_prediction_of_zero_has_no_direction_and_a_finite_gradient():
    p1, p2, z1, z2 = vectors().clone()
    p1[0] = 0
    p1.requires_grad_()
    simsiam.simsiam_loss(p1, p2, z1, z2).backward()
    assert p1.grad.isfinite().all()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_loss_keeps_the_dtype(dtype):
    loss = simsiam.simsiam_loss(*vectors().to(dtype))
    assert loss.dtype == dtype
    torch.testing.assert_close(loss.double(), simsiam.simsiam_loss(*vectors()), rtol=5e-2, atol=5e-3)


def test_loss_stays_near_under_autocast():
    given = vectors(4, 16, 256).float()
    with torch.autocast("cpu", torch.bfloat16):
        rounded = simsiam.simsiam_loss(*given)
    torch.testing.assert_close(rounded.float(), simsiam.simsiam_loss(*given), rtol=5e-2, atol=5e-3)


def test_loss_compiles_as_one_graph():
    compiled = torch.compile(simsiam.simsiam_loss, fullgraph=True, backend="aot_eager")
    torch.testing.assert_close(compiled(*vectors()), simsiam.simsiam_loss(*vectors()))


def test_predictions_of_another_shape_are_refused():
    p1, p2, z1, z2 = vectors()
    for wrong in [(p1[:4], p2, z1, z2), (p1, p2, z1, z2[:, :4]), (p1[0], p2[0], z1[0], z2[0])]:
        with pytest.raises(ValueError, match=r"\(B, D\)"):
            simsiam.simsiam_loss(*wrong)


def test_loss_equals_lightlys():
    from lightly.loss import NegativeCosineSimilarity

    p1, p2, z1, z2 = vectors()
    peer = NegativeCosineSimilarity()
    torch.testing.assert_close(simsiam.simsiam_loss(p1, p2, z1, z2), (peer(p1, z2) + peer(p2, z1)) / 2)


# The network


def test_views_are_simclrs_with_larger_crops_and_weaker_colours():
    images = torch.rand(3, 3, 16, 16, dtype=torch.float64)
    how = simclr.Augmentation(area=(0.2, 1.0), jitter=0.8, brightness=0.4, contrast=0.4, saturation=0.4, hue=0.1, grey=0.2, blur=0.5)
    ours = simsiam.views(images, torch.Generator().manual_seed(3))
    expected = simclr.two_views(images, torch.Generator().manual_seed(3), how)
    assert all(torch.equal(a, b) for a, b in zip(ours, expected, strict=True))
    assert not torch.equal(*ours)


def test_the_projectors_output_has_mean_zero_and_deviation_one_and_no_scale_of_its_own():
    layers = simsiam.projector(12, 8)
    z = layers(torch.randn(64, 12))
    torch.testing.assert_close(z.mean(0), torch.zeros(8), atol=1e-5, rtol=0)
    torch.testing.assert_close(z.std(0, correction=0), torch.ones(8), atol=1e-3, rtol=0)
    assert not list(layers[-1].parameters())


def test_the_predictor_is_a_bottleneck_without_norm_on_its_output():
    layers = simsiam.predictor(16, 4)
    assert [tuple(p.shape) for p in layers.parameters() if p.ndim > 1] == [(4, 16), (16, 4)]
    assert isinstance(layers[-1], nn.Linear)
    assert sum(isinstance(layer, nn.BatchNorm1d) for layer in layers) == 1


def test_both_views_pass_one_encoder_and_one_predictor_one_after_the_other():
    model = simsiam.SimSiam(Encoder, 8, 4)
    x1, x2 = torch.randn(2, 6, 10)
    p1, p2, z1, z2 = model(x1, x2)
    torch.testing.assert_close(z1, model.encoder(x1)), torch.testing.assert_close(z2, model.encoder(x2))
    torch.testing.assert_close(p1, model.predictor(z1)), torch.testing.assert_close(p2, model.predictor(z2))


def test_every_parameter_learns_but_the_idle_bias():
    model = simsiam.SimSiam(Encoder, 8, 4)
    simsiam.training_step(model, torch.randn(2, 6, 10), 0, 1)[0].backward()
    still = [name for name, p in model.named_parameters() if p.grad is None]
    assert still == ["encoder.fc.6.bias"]


def test_an_encoder_without_a_last_layer_called_fc_is_refused():
    with pytest.raises(ValueError, match="`fc` or `head`"):
        simsiam.SimSiam(lambda dim: nn.Linear(10, dim), 8, 4)


def test_without_the_stopped_gradient_features_contract_and_the_loss_looks_better_for_it():
    """Fig. 2: the same training, with and without; batch norm keeps so small a network from collapsing wholly."""
    (healthy, loss), (contracted, better) = (train_a_little(stop_gradient=yes) for yes in (True, False))
    assert healthy > 0.9 / 16**0.5
    assert contracted < 0.75 / 16**0.5
    assert better < loss - 0.15


def train_a_little(*, stop_gradient: bool, steps: int = 160) -> tuple[float, float]:
    """Feature spread (at most 1/sqrt(16)) and loss of the later half of a small training on jittered vectors."""
    torch.manual_seed(0)
    model = simsiam.SimSiam(Encoder, dim=16, pred_dim=8)
    sgd = torch.optim.SGD(trained(model), lr=0.05, momentum=0.9, weight_decay=0.01)
    images, seen = torch.randn(64, 10), []
    for _ in range(steps):
        p1, p2, z1, z2 = model(images + torch.randn_like(images), images + torch.randn_like(images))
        loss = simsiam.simsiam_loss(p1, p2, z1, z2, stop_gradient=stop_gradient)
        sgd.zero_grad(), loss.backward(), sgd.step()
        seen.append((simsiam.feature_spread(z1), loss.item()))
    spread, losses = torch.tensor(seen[steps // 2 :]).mean(0).tolist()
    return spread, losses
