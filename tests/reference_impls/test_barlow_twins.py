"""Barlow Twins against its authors' numbers, then against what the paper says."""

import pytest
import torch
from torch import nn

from reference_impls import barlow_twins, byol
from reference_impls.barlow_twins import barlow_twins_loss, cross_correlation
from tests.reference_impls.golden import cases
from tests.reference_impls.two_processes import on_two


@pytest.mark.parametrize("case", cases("barlow_twins", function="barlow_twins_loss"), ids=str)
def test_loss_matrix_and_gradients_equal_upstream(case):
    z1, z2 = case.leaf("z1"), case.leaf("z2")
    loss = barlow_twins_loss(z1, z2, **case.params)
    loss.backward()
    c = cross_correlation(case["z1"], case["z2"], case.params["eps"])
    case.check(loss=loss, grad_z1=z1.grad, grad_z2=z2.grad, cross_corr=c)


def vectors(n=2, B=12, D=5, seed=0):
    return torch.randn(n, B, D, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def decorrelated(B=16, D=6):
    """Features of mean 0 and variance 1 without any correlation."""
    z = vectors(1, B, D)[0]
    return torch.linalg.qr(z - z.mean(0)).Q * B**0.5


# The matrix


def test_a_feature_correlates_fully_with_itself_and_negatively_with_its_mirror():
    """Biased deviations on both sides: the unbiased would leave (B - 1) / B."""
    z = vectors()[0]
    one = torch.ones(5, dtype=z.dtype)
    torch.testing.assert_close(cross_correlation(z, z, eps=1e-16).diagonal(), one)
    torch.testing.assert_close(cross_correlation(z, -z, eps=1e-16).diagonal(), -one)


def test_the_matrix_is_that_of_pearsons_coefficients():
    z1, z2 = vectors()
    pearson = torch.corrcoef(torch.cat([z1, z2], dim=1).T)[:5, 5:]
    torch.testing.assert_close(cross_correlation(z1, z2, eps=1e-16), pearson)


def test_rows_are_features_of_the_first_view_and_columns_of_the_second():
    z1, z2 = vectors()
    c = cross_correlation(z1, z2)
    torch.testing.assert_close(cross_correlation(z2, z1), c.T)
    torch.testing.assert_close(cross_correlation(z1[:, [1, 0, 2, 3, 4]], z2), c[[1, 0, 2, 3, 4]])


# The loss


def test_loss_is_zero_where_views_agree_and_no_feature_repeats_another():
    z = decorrelated()
    # A sum of 6 minus that of the diagonal: some roundings by 9e-16, times lambda.
    assert barlow_twins_loss(z, z, eps=1e-16).abs() < 1e-16
    assert barlow_twins_loss(z, -z, eps=1e-16) > 23.9


def test_loss_is_the_sum_written_out():
    z1, z2 = vectors()
    c, lambd = cross_correlation(z1, z2).tolist(), 0.3
    on = sum((1 - c[i][i]) ** 2 for i in range(5))
    off = sum(c[i][j] ** 2 for i in range(5) for j in range(5) if i != j)
    assert barlow_twins_loss(z1, z2, lambd).item() == pytest.approx(on + lambd * off)


def test_a_repeated_feature_costs_two_lambda():
    """Once above the diagonal and once below."""
    z = decorrelated()
    repeated = torch.cat([z, z[:, :1]], dim=1)
    torch.testing.assert_close(barlow_twins_loss(repeated, repeated, 0.25, eps=1e-16).item(), 2 * 0.25)


def test_loss_ignores_a_positive_affine_change_of_each_feature():
    z1, z2 = vectors()
    scale, shift = 10 ** vectors(1, 1, 5, seed=1)[0], 100 * vectors(1, 1, 5, seed=2)[0]
    changed = barlow_twins_loss(z1 * scale + shift, z2 * scale.flip(1) - shift, eps=1e-16)
    torch.testing.assert_close(changed, barlow_twins_loss(z1, z2, eps=1e-16))


def test_the_same_output_for_every_image_is_no_way_out():
    """Constant features correlate with nothing, which costs 1 each."""
    z = torch.ones(8, 5, dtype=torch.float64)
    torch.testing.assert_close(barlow_twins_loss(z, z).item(), 5.0)


def test_gradients_reach_both_views():
    z1, z2 = (z.clone().requires_grad_() for z in vectors())
    barlow_twins_loss(z1, z2).backward()
    assert z1.grad.abs().sum() > 0
    assert z2.grad.abs().sum() > 0


def test_many_features_are_added_up_exactly_enough_in_single_precision():
    z1 = torch.randn(64, 1024, generator=torch.Generator().manual_seed(0))
    z2 = z1 + 0.1 * z1.roll(1, 0)
    torch.testing.assert_close(barlow_twins_loss(z1, z2).double(), barlow_twins_loss(z1.double(), z2.double()), rtol=1e-5, atol=0)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_loss_keeps_the_dtype(dtype):
    assert barlow_twins_loss(*vectors().to(dtype)).dtype == dtype


def test_half_precision_comes_close():
    z1, z2 = vectors(2, 32, 16).float()
    with torch.autocast("cpu", torch.bfloat16):
        under_autocast = barlow_twins_loss(z1, z2)
    torch.testing.assert_close(under_autocast, barlow_twins_loss(z1, z2))
    halves = barlow_twins_loss(z1.bfloat16(), z2.bfloat16())
    torch.testing.assert_close(halves, barlow_twins_loss(z1, z2), rtol=5e-2, atol=5e-2)


def test_loss_compiles_as_one_graph():
    compiled = torch.compile(barlow_twins_loss, fullgraph=True, backend="aot_eager")
    torch.testing.assert_close(compiled(*vectors()), barlow_twins_loss(*vectors()))


@pytest.mark.parametrize(("shape", "words"), [((12, 4), r"\(B, D\)"), ((11, 5), r"\(B, D\)")])
def test_views_of_different_shapes_are_refused(shape, words):
    with pytest.raises(ValueError, match=words):
        barlow_twins_loss(torch.zeros(12, 5), torch.zeros(shape))


def test_a_batch_of_one_is_refused():
    with pytest.raises(ValueError, match="larger"):
        barlow_twins_loss(torch.zeros(1, 5), torch.zeros(1, 5))


# Over processes


def loss_and_gradients(z1, z2):
    z1.requires_grad_(), z2.requires_grad_()
    loss = barlow_twins_loss(z1, z2)
    loss.backward()
    return torch.cat([loss[None], z1.grad.flatten(), z2.grad.flatten()])


def test_two_processes_see_the_whole_batch(tmp_path):
    """The loss is everywhere that of the whole batch; gradients add up what both losses say."""
    z1, z2 = vectors()
    answers = on_two(loss_and_gradients, tmp_path, z1, z2)
    whole, *gradients = loss_and_gradients(z1.clone(), z2.clone()).split([1, 60, 60])
    for rank, answer in enumerate(answers):
        torch.testing.assert_close(answer[:1], whole)
        mine = torch.cat([g.view(12, 5).chunk(2)[rank].flatten() for g in gradients])
        torch.testing.assert_close(answer[1:], 2 * mine)


# The network


def test_views_are_byols():
    images = torch.rand(3, 3, 16, 16, dtype=torch.float64)
    ours, theirs = (views(images, torch.Generator().manual_seed(3)) for views in (barlow_twins.views, byol.views))
    assert all(torch.equal(a, b) for a, b in zip(ours, theirs, strict=True))


def test_the_projector_has_no_bias_and_nothing_behind_its_last_layer():
    layers = barlow_twins.projector(4, 8, 6)
    linear = [layer for layer in layers if isinstance(layer, nn.Linear)]
    assert [(layer.in_features, layer.out_features, layer.bias) for layer in linear] == [(4, 8, None), (8, 8, None), (8, 6, None)]
    assert layers[-1] is linear[-1]
    assert sum(isinstance(layer, nn.BatchNorm1d) for layer in layers) == 2


def test_training_brings_views_together_and_features_apart():
    torch.manual_seed(0)
    model = barlow_twins.BarlowTwins(nn.Linear(10, 16), 16, 32, 8, lambd=0.1)
    optimiser, images = torch.optim.Adam(model.parameters(), lr=3e-3), torch.randn(64, 10)
    watched = []
    for step in range(80):
        batch = (images + 0.3 * torch.randn_like(images), images + 0.3 * torch.randn_like(images))
        loss, seen = barlow_twins.training_step(model, batch, step, 80)
        optimiser.zero_grad(), loss.backward(), optimiser.step()
        watched.append(seen)
    assert watched[-1]["loss"] < 0.5 * watched[0]["loss"]
    assert watched[-1]["invariance"] > 0.8
    assert watched[-1]["redundancy"] < 0.25
    assert watched[0]["redundancy"] > watched[-1]["redundancy"]


def test_the_loss_equals_lightlys():
    from lightly.loss import BarlowTwinsLoss

    z1, z2 = vectors()
    torch.testing.assert_close(barlow_twins_loss(z1, z2, 0.02), BarlowTwinsLoss(lambda_param=0.02)(z1, z2))
