"""MAE against its authors' numbers, then against what the paper says."""

import pytest
import timm
import torch
from torch import nn

from reference_impls import mae
from tests.reference_impls.golden import cases


@pytest.mark.parametrize("case", cases("mae", function="patchify"), ids=str)
def test_patches_equal_upstream_and_go_back(case):
    imgs, p = case["imgs"], case.params["patch_size"]
    patches = mae.patchify(imgs, p)
    case.check(patches=patches)
    assert torch.equal(mae.unpatchify(patches, p), imgs)


@pytest.mark.parametrize("case", cases("mae", function="random_masking"), ids=str)
def test_masking_equals_upstream(case):
    kept, mask, ids_restore = mae.random_masking(case["x"], case.params["mask_ratio"], case["noise"])
    case.check(x_masked=kept, mask=mask, ids_restore=ids_restore)


@pytest.mark.parametrize("case", cases("mae", function="get_2d_sincos_pos_embed"), ids=str)
def test_positions_equal_upstream(case):
    case.check(pos_embed=mae.get_2d_sincos_pos_embed(**case.params))


@pytest.mark.parametrize("case", cases("mae", function="mae_loss"), ids=str)
def test_loss_and_gradient_equal_upstream(case):
    pred = case.leaf("pred")
    loss = mae.mae_loss(case["imgs"], pred, case["mask"], **case.params)
    loss.backward()
    case.check(loss=loss, grad_pred=pred.grad)


ARCHITECTURE = ("img_size", "patch_size", "embed_dim", "depth", "num_heads", "decoder_embed_dim",
                "decoder_depth", "decoder_num_heads", "mlp_ratio", "norm_pix_loss")


@pytest.mark.parametrize("case", cases("mae", function="MAE"), ids=str)
def test_model_and_gradients_equal_upstream(case):
    model = case.load(mae.MAE(**{name: case.params[name] for name in ARCHITECTURE}))
    imgs, ratio, noise = case["imgs"], case.params["mask_ratio"], case["noise"]
    latent, _, ids_restore = model.forward_encoder(imgs, ratio, noise)
    loss, pred, mask = model(imgs, ratio, noise)
    loss.backward()
    case.check(loss=loss, pred=pred, mask=mask, latent=latent, ids_restore=ids_restore,
               grad_patch_proj=model.patch_embed.proj.weight.grad, grad_mask_token=model.mask_token.grad)


def numbers(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def uniform(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.rand(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


# Patches


def test_unpatchify_inverts_patchify_on_any_grid():
    imgs = numbers(2, 3, 8, 20)
    assert torch.equal(mae.unpatchify(mae.patchify(imgs, 4), 4, (2, 5)), imgs)


def test_patches_are_read_row_by_row_with_the_colour_fastest():
    imgs = torch.arange(3 * 4 * 4).view(1, 3, 4, 4)
    patches = mae.patchify(imgs, 2)
    assert patches[0, 1].tolist() == [imgs[0, c, y, x].item() for y in (0, 1) for x in (2, 3) for c in range(3)]


# Masking


@pytest.mark.parametrize(("N", "ratio", "kept"), [(196, 0.75, 49), (16, 0.75, 4), (25, 0.6, 10), (10, 0.33, 6), (16, 0.0, 16), (10, 0.9, 0)])
def test_exactly_the_whole_part_of_the_rest_is_kept(N, ratio, kept):
    """int(10 * (1 - 0.9)) is 0, not 1: floats, and upstream's own behaviour."""
    x, mask, _ = mae.random_masking(numbers(3, N, 4), ratio)
    assert x.shape == (3, kept, 4)
    assert mask.sum(1).tolist() == [N - kept] * 3


def test_mask_is_one_where_the_noise_was_high():
    noise = uniform(4, 16)
    _, mask, _ = mae.random_masking(numbers(4, 16, 2), 0.75, noise)
    for row, hidden in zip(noise, mask.bool(), strict=True):
        assert row[~hidden].max() < row[hidden].min()


def test_kept_tokens_come_in_order_of_their_noise_and_ids_restore_puts_them_back():
    x, noise = numbers(2, 9, 4), uniform(2, 9)
    kept, mask, ids_restore = mae.random_masking(x, 0.5, noise)
    assert torch.equal(kept[0], x[0][noise[0].argsort()[:4]])
    everywhere = torch.cat([kept, torch.zeros(2, 5, 4)], 1).gather(1, ids_restore[..., None].expand(-1, -1, 4))
    assert torch.equal(everywhere, x * (1 - mask)[..., None])


def test_every_image_is_masked_in_its_own_way_and_every_patch_equally_often():
    torch.manual_seed(0)
    _, mask, _ = mae.random_masking(torch.zeros(4000, 16, 1), 0.75)
    assert len(mask.unique(dim=0)) > 1000
    torch.testing.assert_close(mask.mean(0), torch.full((16,), 0.75), atol=0.03, rtol=0)


# Positions


def test_first_half_of_the_channels_tells_the_column_and_the_second_the_row():
    table = mae.get_2d_sincos_pos_embed(16, 3).reshape(3, 3, 16)
    assert (table[0, :, :8] == table[2, :, :8]).all()
    assert (table[:, 0, 8:] == table[:, 2, 8:]).all()
    assert (table[0, 0, :8] != table[0, 1, :8]).any()


def test_positions_are_frozen_but_saved():
    model = small()
    assert not model.pos_embed.requires_grad
    assert not model.decoder_pos_embed.requires_grad
    assert {"pos_embed", "decoder_pos_embed"} <= set(model.state_dict())


# The loss


def test_loss_ignores_visible_patches():
    imgs, pred, mask = numbers(2, 3, 8, 8), numbers(2, 4, 48, seed=1), torch.tensor([[1, 0, 0, 1], [0, 0, 1, 0.0]])
    moved = pred + 100 * (1 - mask)[..., None]
    assert mae.mae_loss(imgs, moved, mask, 4) == mae.mae_loss(imgs, pred, mask, 4)
    moved = pred + 100 * mask[..., None]
    assert mae.mae_loss(imgs, moved, mask, 4) > mae.mae_loss(imgs, pred, mask, 4)


def test_loss_is_the_mean_over_hidden_patches_of_the_whole_batch():
    imgs, pred, mask = numbers(2, 3, 8, 8), numbers(2, 4, 48, seed=1), torch.tensor([[1, 1, 0, 1], [0, 0, 1, 0.0]])
    hidden = mask.bool()
    expected = (mae.patchify(imgs, 4) - pred)[hidden].square().mean()
    torch.testing.assert_close(mae.mae_loss(imgs, pred, mask, 4, norm_pix_loss=False), expected)


def test_normalised_target_ignores_brightness_and_contrast_of_a_patch():
    imgs, pred, mask = uniform(2, 3, 8, 8), numbers(2, 4, 48), torch.ones(2, 4)
    gain, offset = (uniform(2, 4, 1, seed=s) + 0.5 for s in (1, 2))
    relit = mae.unpatchify(mae.patchify(imgs, 4) * gain + offset, 4)
    torch.testing.assert_close(mae.mae_loss(relit, pred, mask, 4), mae.mae_loss(imgs, pred, mask, 4), rtol=1e-4, atol=0)
    raw = mae.mae_loss(imgs, pred, mask, 4, norm_pix_loss=False)
    assert not torch.isclose(mae.mae_loss(relit, pred, mask, 4, norm_pix_loss=False), raw, rtol=1e-2)


def test_patches_are_normalised_with_the_unbiased_variance():
    target = mae.patchify(uniform(1, 3, 8, 8), 4)
    mean, deviation = mae.patch_statistics(target)
    by_hand = ((target[0, 0] - target[0, 0].mean()).square().sum() / 47 + 1e-6).sqrt()
    torch.testing.assert_close(deviation[0, 0, 0], by_hand)
    torch.testing.assert_close(mean[0, 0, 0], target[0, 0].mean())


def test_a_flat_patch_gives_a_finite_loss_and_gradient():
    imgs = torch.full((1, 3, 8, 8), 0.5, requires_grad=True)
    loss = mae.mae_loss(imgs, torch.zeros(1, 4, 48), torch.ones(1, 4), 4)
    loss.backward()
    assert loss.item() == 0
    assert imgs.grad.isfinite().all()


# The model

SMALL = {"img_size": 16, "patch_size": 4, "embed_dim": 16, "depth": 2, "num_heads": 2,
         "decoder_embed_dim": 12, "decoder_depth": 1, "decoder_num_heads": 2}


def small(**settings) -> mae.MAE:
    torch.manual_seed(0)
    return mae.MAE(**(SMALL | settings)).double()


def pixels(mask: torch.Tensor, p: int = 4) -> torch.Tensor:
    """A square patch mask (B, N) spread over pixels: (B, 1, H, W)."""
    side = int(mask.shape[1] ** 0.5)
    return mask.view(-1, 1, side, side).repeat_interleave(p, 2).repeat_interleave(p, 3)


def test_hidden_pixels_cannot_reach_the_prediction():
    """No mask tokens in the encoder: what was removed is not there, and attention runs over visible tokens only."""
    model, imgs, noise = small(), numbers(2, 3, 16, 16), uniform(2, 16)
    _, pred, mask = model(imgs, 0.75, noise)
    repainted = imgs + pixels(mask) * numbers(2, 3, 16, 16, seed=1)
    assert torch.equal(model(repainted, 0.75, noise)[1], pred)
    repainted = imgs + (1 - pixels(mask)) * numbers(2, 3, 16, 16, seed=1)
    assert not torch.allclose(model(repainted, 0.75, noise)[1], pred)


def test_encoder_works_on_a_quarter_of_the_tokens_and_the_decoder_on_all():
    model, lengths = small(), []
    for block in [*model.blocks, *model.decoder_blocks]:
        block.register_forward_pre_hook(lambda _, args: lengths.append(args[0].shape[1]))
    model(numbers(1, 3, 16, 16), 0.75)
    assert lengths == [1 + 4, 1 + 4, 1 + 16]


def test_positions_are_added_before_masking():
    """A kept token carries its own place: its latent does not depend on where it stands in the shuffled row."""
    model, imgs = small(), numbers(1, 3, 16, 16)
    noise = uniform(1, 16)
    swapped = noise.clone()
    first, second = noise[0].argsort()[:2]
    swapped[0, first], swapped[0, second] = noise[0, second], noise[0, first]
    latent, _, restore = model.forward_encoder(imgs, 0.75, noise)
    other, _, other_restore = model.forward_encoder(imgs, 0.75, swapped)
    torch.testing.assert_close(other[:, [0, 2, 1, 3, 4]], latent)
    torch.testing.assert_close(model.forward_decoder(other, other_restore), model.forward_decoder(latent, restore))


def test_equal_patches_in_different_places_are_told_apart():
    model, imgs = small(), torch.ones(1, 3, 16, 16, dtype=torch.float64)
    latent, _, _ = model.forward_encoder(imgs, 0.75, uniform(1, 16))
    assert not torch.allclose(latent[0, 1], latent[0, 2], atol=1e-3)


def test_every_gap_gets_the_same_mask_token_and_only_its_position_differs():
    model = small()
    model.decoder_pos_embed.data.zero_()
    _, pred, mask = model(numbers(1, 3, 16, 16), 0.75, uniform(1, 16))
    gaps = pred[0][mask[0].bool()]
    torch.testing.assert_close(gaps, gaps[:1].expand_as(gaps))


def test_visible_tokens_return_to_their_own_places():
    """With every decoder layer but the last map taken out, a patch's prediction depends on that patch alone."""
    model = small()
    model.decoder_blocks = nn.ModuleList()
    latent, _, ids_restore = model.forward_encoder(numbers(1, 3, 16, 16), 0.5, uniform(1, 16))
    pred = model.forward_decoder(latent, ids_restore)
    nudged = latent.clone()
    nudged[:, 1] += numbers(16)                       # the kept patch with the least noise
    moved = (model.forward_decoder(nudged, ids_restore) - pred).abs().sum(-1)[0]
    assert moved.nonzero().flatten().tolist() == [uniform(1, 16)[0].argmin().item()]


def test_same_noise_same_result_and_same_seed_same_mask():
    model, imgs = small(), numbers(2, 3, 16, 16)
    runs = []
    for seed in (0, 0, 1):
        torch.manual_seed(seed)
        runs.append(model(imgs)[2])
    assert torch.equal(runs[0], runs[1])
    assert not torch.equal(runs[0], runs[2])


# Loading weights


def test_encoder_equals_timm_with_the_same_weights():
    """timm's MAE checkpoints hold the encoder under the same names."""
    torch.manual_seed(0)
    theirs = timm.create_model("vit_base_patch16_224", pretrained=False, img_size=16, patch_size=4, embed_dim=16,
                               depth=2, num_heads=2, num_classes=0, global_pool="").double().eval()
    ours, state = small(), theirs.state_dict()
    missing, unexpected = ours.load_state_dict(state, strict=False)
    assert not unexpected
    assert all(name.startswith(("decoder", "mask_token")) for name in missing)
    imgs = numbers(2, 3, 16, 16)
    with torch.no_grad():
        torch.testing.assert_close(mae.features(ours, imgs), theirs(imgs)[:, 1:])


def test_an_encoder_alone_is_refused():
    state = {k: v for k, v in small().state_dict().items() if not k.startswith(("decoder", "mask_token"))}
    with pytest.raises(RuntimeError, match=r"Missing key.*decoder_embed"):
        small().load_state_dict(state)


# Looking at it


class Oracle(mae.MAE):
    """Predicts every patch perfectly: the target itself, normalised where the loss asks for that."""

    def forward(self, imgs, mask_ratio=0.75, noise=None):
        _, _, mask = super().forward(imgs, mask_ratio, noise)
        target = mae.patchify(imgs, self.patch_size)
        mean, deviation = mae.patch_statistics(target)
        pred = (target - mean) / deviation if self.norm_pix_loss else target
        return mae.mae_loss(imgs, pred, mask, self.patch_size, self.norm_pix_loss), pred, mask


@pytest.mark.parametrize("norm_pix_loss", [True, False])
def test_a_perfect_prediction_is_the_image_once_the_normalisation_is_undone(norm_pix_loss):
    imgs = uniform(2, 3, 16, 16)
    oracle = Oracle(**SMALL, norm_pix_loss=norm_pix_loss).double()
    picture = mae.reconstruct(oracle, imgs)
    torch.testing.assert_close(picture.prediction, imgs)
    torch.testing.assert_close(picture.pasted, imgs)
    assert oracle(imgs)[0] < 1e-20


@pytest.mark.parametrize("norm_pix_loss", [True, False])
def test_pasted_is_the_input_where_visible_and_the_prediction_where_hidden(norm_pix_loss):
    model, imgs, noise = small(norm_pix_loss=norm_pix_loss), uniform(2, 3, 16, 16), uniform(2, 16)
    picture = mae.reconstruct(model, imgs, 0.75, noise)
    hidden = pixels(picture.mask).bool().expand_as(imgs)
    assert torch.equal(picture.pasted[~hidden], imgs[~hidden])
    assert torch.equal(picture.pasted[hidden], picture.prediction[hidden])
    assert torch.equal(picture.masked[~hidden], imgs[~hidden])
    assert (picture.masked[hidden] == 0).all()
    assert picture.mask.sum(1).tolist() == [12.0, 12.0]


def test_reconstruction_takes_the_mask_it_is_given():
    noise = torch.ones(1, 16).double()
    noise[0, [0, 5, 10, 15]] = torch.arange(4).double() / 10
    picture = mae.reconstruct(small(), uniform(1, 3, 16, 16), 0.75, noise)
    assert (picture.mask[0] == 0).nonzero().flatten().tolist() == [0, 5, 10, 15]


def test_attention_is_over_all_patches_of_any_size():
    model = small()
    maps = model.get_attention(numbers(2, 3, 24, 16))
    assert [m.shape for m in maps] == [(2, 2, 25, 25)] * 2
    torch.testing.assert_close(maps[1].sum(-1), torch.ones(2, 2, 25).double())


def test_features_equal_the_encoder_with_nothing_hidden():
    model, imgs = small(), numbers(1, 3, 16, 16)
    model.pos_embed.data[:, 0] = numbers(16)          # zero as made, but a checkpoint's to say
    ordered = torch.arange(16).double()[None]
    latent, _, _ = model.forward_encoder(imgs, 0.0, ordered)
    torch.testing.assert_close(mae.features(model, imgs), latent[:, 1:])


# Training


def test_every_parameter_but_the_positions_gets_a_gradient():
    model = small(norm_pix_loss=True)
    model(numbers(2, 3, 16, 16))[0].backward()
    without = {n for n, p in model.named_parameters() if p.grad is None or not p.grad.abs().sum()}
    assert without == {"pos_embed", "decoder_pos_embed"}


def test_one_optimiser_step_lowers_the_loss():
    model, imgs, noise = small(norm_pix_loss=True), numbers(4, 3, 16, 16), uniform(4, 16)
    adam = torch.optim.AdamW(model.parameters(), lr=1e-3, betas=(0.9, 0.95))
    before = model(imgs, 0.75, noise)[0]
    before.backward()
    adam.step()
    assert model(imgs, 0.75, noise)[0] < before


def test_it_learns_to_continue_what_it_sees():
    """Images of one colour: a hidden patch can be told only from the visible ones."""
    torch.manual_seed(0)
    model = mae.MAE(**SMALL, norm_pix_loss=False)
    adam = torch.optim.AdamW(model.parameters(), lr=3e-3)
    for _ in range(150):
        imgs = torch.randn(32, 3, 1, 1).expand(-1, -1, 16, 16)
        loss = model(imgs)[0]
        adam.zero_grad(), loss.backward(), adam.step()
    assert loss < 0.3                                  # 1 is what a blind guess of the mean pays


def test_a_short_training_runs_on_its_own_views():
    torch.manual_seed(0)
    generator = torch.Generator().manual_seed(0)
    batch = mae.views(torch.rand(4, 3, 80, 96, generator=generator), generator)
    assert batch.shape == (4, 3, 64, 64)
    model, losses = mae.build(mae.TINY), []
    adam = torch.optim.AdamW(model.parameters(), lr=1e-3)
    for step in range(4):
        loss, watched = mae.training_step(model, batch, step, 4)
        adam.zero_grad(), loss.backward(), adam.step()
        losses.append(watched["loss"])
    assert losses[-1] < losses[0]
    assert mae.features(model, batch).shape == (4, 64, 192)


def crops_of(images: torch.Tensor, seed: int = 0) -> torch.Tensor:
    return mae.random_crop(images, torch.Generator().manual_seed(seed))


def rise(ramp: torch.Tensor) -> torch.Tensor:
    """How steeply 400 crops of one ramp along x climb: the share of the side that each shows, negative if mirrored."""
    crops = crops_of(ramp.expand(400, 3, 64, 64))
    return (crops[:, 0, 32, 40] - crops[:, 0, 32, 24]) * 63 / 16


def test_views_are_mirrored_half_of_the_time():
    assert 0.4 < (rise(torch.linspace(0, 1, 64)) < 0).float().mean() < 0.6


def test_views_show_a_fifth_to_all_of_the_area_nearly_square():
    along_y = crops_of(torch.linspace(0, 1, 64)[:, None].expand(400, 3, 64, 64))
    h = (along_y[:, 0, 40, 32] - along_y[:, 0, 24, 32]) * 63 / 16
    w = rise(torch.linspace(0, 1, 64)).abs()
    assert 0.19 < (w * h).min() < 0.25
    assert 0.95 < (w * h).max() < 1.02
    assert 0.5 < (w * h).mean() < 0.65
    assert (w / h).min() > 0.7
    assert (w / h).max() < 1.4


def test_views_stay_inside_the_picture_and_repeat_with_the_generator():
    images = torch.rand(64, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    crops = crops_of(images, seed=1)
    assert crops.min() >= 0
    assert crops.max() <= 1
    assert torch.equal(crops, crops_of(images, seed=1))
    assert not torch.equal(crops, crops_of(images, seed=2))


def test_views_of_double_precision_stay_so_and_are_the_same():
    images = torch.rand(4, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    crops = crops_of(images.double())
    assert crops.dtype == torch.float64
    torch.testing.assert_close(crops.float(), crops_of(images), atol=1e-4, rtol=0)


def test_views_are_normalised_as_the_encoder_wants_them():
    grey = torch.full((1, 3, 64, 64), 0.5)
    crops = mae.views(grey, torch.Generator().manual_seed(0))
    torch.testing.assert_close(crops[0, :, 0, 0], (0.5 - torch.tensor([0.485, 0.456, 0.406])) / torch.tensor([0.229, 0.224, 0.225]))


# Where it runs


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_dtype_is_kept(dtype):
    out = small().to(dtype)(numbers(1, 3, 16, 16).to(dtype))
    assert {t.dtype for t in out} == {dtype}


def test_runs_under_autocast():
    model, imgs, noise = small(norm_pix_loss=True).float(), numbers(2, 3, 16, 16).float(), uniform(2, 16)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        loss, _, _ = model(imgs, 0.75, noise)
    loss.backward()
    torch.testing.assert_close(loss.float(), model(imgs, 0.75, noise)[0], rtol=0.05, atol=0.02)


def test_loss_compiles_without_a_graph_break():
    call = numbers(2, 3, 8, 8), numbers(2, 4, 48), torch.ones(2, 4), 4
    compiled = torch.compile(mae.mae_loss, fullgraph=True, backend="aot_eager")
    torch.testing.assert_close(compiled(*call), mae.mae_loss(*call))


@pytest.mark.parametrize(
    ("wrong", "remedy"),
    [
        (lambda: mae.patchify(torch.zeros(1, 3, 9, 8), 4), "multiples"),
        (lambda: mae.unpatchify(torch.zeros(1, 6, 48), 4), "hw="),
        (lambda: mae.random_masking(torch.zeros(1, 4, 2), 1.0), "mask_ratio"),
        (lambda: mae.random_masking(torch.zeros(1, 4, 2), -0.1), "mask_ratio"),
        (lambda: mae.get_2d_sincos_pos_embed(10, 4), "multiple of 4"),
        (lambda: mae.mae_loss(torch.zeros(1, 3, 8, 8), torch.zeros(1, 16, 12), torch.ones(1, 4), 4), "patch_size=4"),
        (lambda: small()(torch.zeros(1, 3, 17, 16).double()), "multiples"),
        (lambda: small()(torch.zeros(1, 3, 24, 24).double()), "resize them to 16x16"),
        (lambda: small()(numbers(1, 3, 16, 16), noise=torch.rand(1, 9)), "noise"),
        (lambda: small()(numbers(1, 3, 16, 16), 0.0), "hides none of"),
    ],
)
def test_wrong_calls_say_what_to_do(wrong, remedy):
    with pytest.raises(ValueError, match=remedy):
        wrong()
