"""CAN against its authors' numbers, then against what the paper says."""

import math

import pytest
import torch

from reference_impls import can, simclr
from reference_impls.mae import mae_loss, patchify
from tests.reference_impls.golden import cases


@pytest.mark.parametrize("case", cases("can", function="nt_xent_loss"), ids=str)
def test_contrastive_loss_and_gradient_equal_upstream(case):
    z1, z2 = case.leaf("z1"), case.leaf("z2")
    loss = can.nt_xent_loss(z1, z2, case.params["temperature"], case.params["normalize"])
    loss.backward()
    case.check(loss=loss, grad_z1=z1.grad, grad_z2=z2.grad)


@pytest.mark.parametrize("case", cases("can", function="noise_level_embedding"), ids=str)
def test_noise_level_embedding_equals_upstream(case):
    case.check(emb=can.noise_level_embedding(case["sigma"], case.params["dim"]))


ARCHITECTURE = ("img_size", "patch_size", "embed_dim", "depth", "num_heads", "decoder_embed_dim",
                "decoder_depth", "decoder_num_heads", "mlp_ratio", "norm_pix_loss", "std", "pe_dims", "proj_dim",
                "temperature")
WEIGHTS = ("weight_noise", "weight_simclr", "weight_mae")


@pytest.mark.parametrize("case", cases("can", function="CAN"), ids=str)
def test_model_and_gradients_equal_upstream(case):
    target = "noisy" if "noisy" in case.params.get("recon_target", "clean") else "clean"
    weights = {name: case.params[name] for name in WEIGHTS}
    settings = {name: case.params[name] for name in ARCHITECTURE if name in case.params}
    model = case.load(can.CAN(target=target, weights=weights, **settings))
    out = model(case["imgs"], case.params["mask_ratio"], case["u"], case["eps"], case["noise"])
    out["loss"].backward()
    case.check(**out, grad_patch_proj=model.patch_embed.proj.weight.grad,
               grad_noise_mlp0=model.noise_pe_mlp[0].weight.grad)


def vectors(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


# The noise embedding


def test_embedding_at_zero_noise_is_all_sines_zero_and_all_cosines_one():
    assert can.noise_level_embedding(torch.zeros(1), 8).tolist() == [[0.0] * 4 + [1.0] * 4]


def test_frequencies_reach_one_and_a_ten_thousandth():
    sines = can.noise_level_embedding(torch.tensor([0.01], dtype=torch.float64), 8)[0, :4]
    assert sines[0].item() == pytest.approx(math.sin(0.01))
    assert sines[-1].item() == pytest.approx(math.sin(0.01 / 10_000))


# The whole

SMALL = {"img_size": 16, "patch_size": 4, "embed_dim": 16, "depth": 1, "num_heads": 2,
         "decoder_embed_dim": 12, "decoder_depth": 1, "decoder_num_heads": 2, "pe_dims": 8, "proj_dim": 8}


def model(**settings) -> can.CAN:
    torch.manual_seed(0)
    return can.CAN(**(SMALL | settings)).double()


@pytest.fixture
def call() -> dict[str, torch.Tensor]:
    """Two images as two views, and everything random fixed."""
    g = torch.Generator().manual_seed(1)
    draw = {"generator": g, "dtype": torch.float64}
    return {"imgs": torch.randn(4, 3, 16, 16, **draw), "u": torch.rand(4, **draw),
            "eps": torch.randn(4, 3, 16, 16, **draw), "noise": torch.rand(4, 16, **draw)}


def pixels(mask: torch.Tensor) -> torch.Tensor:
    """A patch mask (B, 16) spread over the pixels of a 16x16 image: (B, 1, 16, 16)."""
    return mask.view(-1, 1, 4, 4).repeat_interleave(4, 2).repeat_interleave(4, 3)


def test_half_of_both_views_is_hidden(call):
    assert model()(**call)["mask"].sum(1).tolist() == [8.0] * 4


def test_reconstruction_looks_at_hidden_patches_and_denoising_at_visible_ones(call):
    net, added = model(), 0.05 * call["u"][:, None, None, None] * call["eps"]
    out = net(**call)
    pred, mask = out["pred"].detach(), out["mask"]
    elsewhere = vectors(4, 16, 48, seed=2)
    base = net.losses(call["imgs"], added, pred, mask)
    visible_changed = net.losses(call["imgs"], added, pred + elsewhere * (1 - mask)[..., None], mask)
    hidden_changed = net.losses(call["imgs"], added, pred + elsewhere * mask[..., None], mask)
    assert visible_changed[0] == base[0]
    assert hidden_changed[1] == base[1]
    assert visible_changed[1] > base[1]
    assert hidden_changed[0] > base[0]


def test_denoising_asks_for_the_scaled_noise_of_visible_patches(call):
    out = model()(**call, mask_ratio=0.75)
    visible = out["mask"] == 0
    added = patchify(0.05 * call["u"][:, None, None, None] * call["eps"], 4)
    expected = (out["pred"] - added)[visible].square().mean()
    torch.testing.assert_close(out["loss_noise"], expected)


def test_denoising_is_never_normalised_per_patch(call):
    plain, normalised = model(norm_pix_loss=False)(**call), model(norm_pix_loss=True)(**call)
    assert normalised["loss_noise"] == plain["loss_noise"]
    assert normalised["loss_rec"] != plain["loss_rec"]


def test_decoder_is_told_the_noise_level(call):
    """u and eps are rescaled so that the noisy image stays bit for bit the same: only the told level changes."""
    net = model()
    once = net(**call)["pred"]
    # Halving u and doubling eps are exact in binary floating point.
    retold = net(**(call | {"u": call["u"] / 2, "eps": call["eps"] * 2}))["pred"]
    assert (once - retold).abs().max() > 1e-6


def test_noise_level_stays_out_of_the_contrastive_branch(call):
    net = model()
    retold = net(**(call | {"u": call["u"] / 2, "eps": call["eps"] * 2}))
    assert retold["loss_contrastive"] == net(**call)["loss_contrastive"]


def test_clean_and_noisy_targets_differ_by_the_noise_on_hidden_patches(call):
    clean, noisy = model(target="clean"), model(target="noisy")
    a, b = clean(**call), noisy(**call)
    hidden = a["mask"] == 1
    x = patchify(call["imgs"], 4)
    added = patchify(0.05 * call["u"][:, None, None, None] * call["eps"], 4)
    torch.testing.assert_close(a["pred"], b["pred"])
    torch.testing.assert_close(a["loss_rec"], (a["pred"] - x)[hidden].square().mean())
    torch.testing.assert_close(b["loss_rec"], (a["pred"] - x - added)[hidden].square().mean())
    assert a["loss_rec"] != b["loss_rec"]


def test_clean_is_what_one_gets_without_asking():
    assert can.CAN(**SMALL).target == "clean"


def test_noise_under_a_mask_changes_nothing_of_a_clean_target(call):
    """The encoder never sees hidden patches and the clean target holds no noise."""
    net = model()
    out = net(**call)
    hidden = pixels(out["mask"])
    other = net(**(call | {"eps": call["eps"] + hidden * vectors(4, 3, 16, 16, seed=3)}))
    for name in ("pred", "loss", "loss_rec", "loss_noise", "loss_contrastive"):
        torch.testing.assert_close(other[name], out[name])


def test_the_image_handed_in_is_left_alone(call):
    before = call["imgs"].clone()
    model(target="noisy")(**call)
    assert torch.equal(call["imgs"], before)


def test_without_noise_the_pixel_losses_are_those_of_mae(call):
    out = model(norm_pix_loss=True)(**(call | {"u": torch.zeros(4).double()}))
    assert out["loss_rec"] == mae_loss(call["imgs"], out["pred"], out["mask"], 4, True)


def test_contrast_is_on_the_mean_of_the_visible_tokens(call):
    net = model()
    noisy = call["imgs"] + 0.05 * call["u"][:, None, None, None] * call["eps"]
    latent, _, _ = net.forward_encoder(noisy, 0.5, call["noise"])
    z1, z2 = net.projection_head(latent.mean(1)).chunk(2)
    torch.testing.assert_close(net(**call)["loss_contrastive"], can.nt_xent_loss(z1, z2))


def test_two_views_of_one_image_contrast_to_less_than_strangers():
    net, g = model(), torch.Generator().manual_seed(0)
    images = torch.randn(8, 3, 16, 16, dtype=torch.float64, generator=g)
    quiet = {"u": torch.zeros(16).double(), "eps": torch.zeros(16, 3, 16, 16).double(),
             "noise": torch.rand(8, 16, dtype=torch.float64, generator=g).repeat(2, 1)}
    paired = net(torch.cat([images, images]), **quiet)["loss_contrastive"]
    quiet["noise"] = torch.cat([quiet["noise"][:8], quiet["noise"][:8].flip(0)])
    strangers = net(torch.cat([images, images.flip(0)]), **quiet)["loss_contrastive"]
    assert paired < strangers


@pytest.mark.parametrize(
    ("weights", "expected"),
    [({}, 0.97 * (0.3 * 20 + 0.7 * 10) + 0.03 * 30), ({"weight_noise": 0.0}, 0.97 * 10 + 0.03 * 30),
     ({"weight_noise": 1.0, "weight_simclr": 0.0, "weight_mae": 1.0}, 20.0)],
)
def test_three_parts_are_weighed(weights, expected):
    parts = [torch.tensor(v, dtype=torch.float64) for v in (10.0, 20.0, 30.0)]
    assert can.can_loss(*parts, **weights).item() == pytest.approx(expected)


def test_randomness_that_is_not_given_is_drawn_and_repeats_with_the_seed(call):
    net, losses = model(), []
    for seed in (0, 0, 1):
        torch.manual_seed(seed)
        losses.append(net(call["imgs"])["loss"].item())
    assert losses[0] == losses[1] != losses[2]


def test_sigma_is_at_most_its_maximum_and_one_for_each_image():
    """The noise that was drawn, seen as the gap between a noisy and a clean target."""
    net = model(std=0.5, target="noisy")
    seen = []
    judge = net.losses
    net.losses = lambda imgs, added, pred, mask: seen.append(added) or judge(imgs, added, pred, mask)
    torch.manual_seed(0)
    net(torch.zeros(64, 3, 16, 16, dtype=torch.float64))
    spread = seen[0].flatten(1).std(1)
    assert spread.max() < 0.5 * 1.1
    assert 0.2 < spread.mean() < 0.3          # uniform up to 0.5
    assert spread.std() > 0.1


# Training


def test_every_parameter_gets_a_gradient(call):
    net = model()
    net(**call)["loss"].backward()
    without = {n for n, p in net.named_parameters() if p.grad is None or not p.grad.abs().sum()}
    assert without == {"pos_embed", "decoder_pos_embed"}


def test_one_step_lowers_each_of_the_three_losses(call):
    """Each on its own, so that none hides behind another."""
    for part in ("loss", "loss_rec", "loss_noise", "loss_contrastive"):
        net = model()
        sgd = torch.optim.SGD([p for p in net.parameters() if p.requires_grad], lr=1e-3)
        before = net(**call)[part]
        before.backward()
        sgd.step()
        assert net(**call)[part] < before, part


def test_a_short_training_runs_on_its_own_views():
    torch.manual_seed(0)
    generator = torch.Generator().manual_seed(0)
    images = torch.rand(4, 3, 64, 64, generator=generator)
    net = can.build(can.TINY)
    batch = can.views(images, generator)
    adam = torch.optim.AdamW(net.parameters(), lr=3e-4)
    watched = []
    for step in range(4):
        loss, now = can.training_step(net, batch, step, 4)
        adam.zero_grad(), loss.backward(), adam.step()
        watched.append(now)
    assert watched[-1]["loss"] < watched[0]["loss"]
    assert set(watched[0]) == {"loss", "loss_rec", "loss_noise", "loss_contrastive"}
    assert can.features(net, batch[:2]).shape == (2, 64, 192)


def test_views_are_two_different_normalised_pictures_of_one_image():
    images = torch.rand(3, 3, 80, 80, generator=torch.Generator().manual_seed(0))
    both = can.views(images, torch.Generator().manual_seed(1))
    assert both.shape == (6, 3, 64, 64)
    assert not torch.allclose(both[:3], both[3:])
    back = both * torch.tensor(simclr.STD).view(3, 1, 1) + torch.tensor(simclr.MEAN).view(3, 1, 1)
    assert back.min() > -1e-5
    assert back.max() < 1 + 1e-5
    assert torch.equal(both, can.views(images, torch.Generator().manual_seed(1)))


def test_views_are_scaled_by_the_statistics_of_imagenet():
    black = can.views(torch.zeros(2, 3, 64, 64), torch.Generator().manual_seed(0))
    for channel, (mean, std) in enumerate(zip(simclr.MEAN, simclr.STD, strict=True)):
        torch.testing.assert_close(black[:, channel], torch.full((4, 64, 64), -mean / std))


def test_jitter_leaves_a_grey_image_grey():
    grey = torch.rand(4, 1, 8, 8, generator=torch.Generator().manual_seed(0)).expand(4, 3, 8, 8)
    g = torch.Generator().manual_seed(1)
    out = can.jitter(grey, lambda low, high: low + (high - low) * torch.rand(4, 1, 1, 1, generator=g))
    torch.testing.assert_close(out, out[:, :1].expand_as(out))


def test_hue_turns_red_towards_yellow_or_magenta_and_keeps_the_mean():
    red = torch.tensor([0.6, 0.3, 0.3]).view(1, 3, 1, 1).expand(1, 3, 4, 4)
    fixed = {(0.6, 1.4): 1.0, (-0.1, 0.1): 0.1}
    turned = can.jitter(red, lambda low, high: torch.full((1, 1, 1, 1), fixed[low, high]))[0, :, 0, 0]
    assert turned.mean().item() == pytest.approx(0.4, abs=1e-6)
    assert turned[1] > turned[2] + 0.1


def test_blur_keeps_a_flat_image_and_smooths_a_spike():
    assert torch.allclose(can.blur(torch.full((2, 3, 16, 16), 0.3), torch.tensor([0.1, 2.0]).view(2, 1, 1, 1)), torch.tensor(0.3))
    spike = torch.zeros(2, 3, 33, 33)
    spike[:, :, 16, 16] = 1
    soft = can.blur(spike, torch.tensor([0.1, 2.0]).view(2, 1, 1, 1))
    assert soft[0, 0, 16, 16] > 0.99
    assert soft[1, 0, 16, 16] == pytest.approx(1 / (2 * math.pi * 4), rel=0.02)
    torch.testing.assert_close(soft.sum((2, 3)), torch.ones(2, 3))


# Where it runs


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_dtype_is_kept(call, dtype):
    out = model().to(dtype)(**{name: value.to(dtype) for name, value in call.items()})
    assert {out[name].dtype for name in out} == {dtype}


def test_runs_under_autocast(call):
    net, single = model().float(), {name: value.float() for name, value in call.items()}
    with torch.autocast("cpu", dtype=torch.bfloat16):
        loss = net(**single)["loss"]
    loss.backward()
    torch.testing.assert_close(loss.float(), net(**single)["loss"], rtol=0.05, atol=0.02)


def test_the_noise_embedding_compiles_without_a_graph_break():
    sigma = torch.rand(4, generator=torch.Generator().manual_seed(0))
    embed = torch.compile(can.noise_level_embedding, fullgraph=True, backend="aot_eager")
    torch.testing.assert_close(embed(sigma, 8), can.noise_level_embedding(sigma, 8))


def test_attention_of_a_whole_image_is_inherited():
    maps = model().get_attention(torch.randn(2, 3, 16, 16).double())
    assert [m.shape for m in maps] == [(2, 2, 17, 17)]
    torch.testing.assert_close(maps[0].sum(-1), torch.ones(2, 2, 17).double())


@pytest.mark.parametrize(
    ("wrong", "remedy"),
    [
        (lambda: can.noise_level_embedding(torch.zeros(2), 7), "even"),
        (lambda: can.noise_level_embedding(torch.zeros(2), 2), "4 or more"),
        (lambda: can.can_loss(*torch.zeros(3), weight_noise=1.2), "share"),
        (lambda: can.CAN(**SMALL, target="dirty"), "choose"),
        (lambda: model()(torch.zeros(3, 3, 16, 16).double()), "stack second views"),
        (lambda: model()(torch.zeros(4, 3, 16, 16).double(), 0.0), "hides all or none"),
        (lambda: model()(torch.zeros(4, 3, 16, 16).double(), 0.99), "hides all or none"),
    ],
)
def test_wrong_calls_say_what_to_do(wrong, remedy):
    with pytest.raises(ValueError, match=remedy):
        wrong()
