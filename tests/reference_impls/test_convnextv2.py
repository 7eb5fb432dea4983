"""ConvNeXt V2 against its authors' numbers and timm's, then against what the paper says."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from reference_impls import convnextv2
from reference_impls.mae import patchify
from tests.reference_impls.golden import cases


@pytest.mark.parametrize("case", cases("convnextv2", function="GRN"), ids=str)
def test_grn_equals_upstream(case):
    x = case["x"]
    grn = convnextv2.GRN(x.shape[-1], case.params["eps"]).to(x)
    grn.load_state_dict({"gamma": case["gamma"], "beta": case["beta"]})
    case.check(y=grn(x))


@pytest.mark.parametrize("case", cases("convnextv2", function="ConvNeXtV2Block"), ids=str)
def test_block_equals_upstream(case):
    block = case.load(convnextv2.ConvNeXtV2Block(case.params["dim"]))
    case.check(y=block(case["x"]))


@pytest.mark.parametrize("case", cases("convnextv2", function="feature_cosine_distance"), ids=str)
def test_feature_distance_equals_the_formula(case):
    case.check(distance=convnextv2.feature_cosine_distance(case["x"]))


def fcmae(case, grn_over_batch=False):
    """The case's model with its weights; the cards leave out the encoder's own name."""
    how = case.params
    names = ("depths", "dims", "decoder_embed_dim", "decoder_depth", "mask_ratio", "norm_pix_loss")
    model = convnextv2.FCMAE(how["img_size"], 3, *(how[name] for name in names), grn_over_batch)
    assert model.patch_size == how["patch_size"]
    state = {name[2:]: torch.from_numpy(array.copy()) for name, array in case.arrays.items() if name[:2] == "w."}
    inner = ("downsample_layers", "stages")
    state = {f"encoder.{name}" if name.split(".")[0] in inner else name: value for name, value in state.items()}
    model = model.to(case["imgs"].dtype)
    model.load_state_dict(state, strict=True)
    return model


@pytest.mark.parametrize("case", cases("convnextv2", function="FCMAE"), ids=str)
def test_masked_autoencoder_equals_upstream_with_both_norms(case):
    model, pooled = fcmae(case), fcmae(case, grn_over_batch=True)
    loss, pred, mask = model(case["imgs"], case["noise"])
    enc, _ = model.forward_encoder(case["imgs"], case["noise"])
    enc_pooled, _ = pooled.forward_encoder(case["imgs"], case["noise"])
    case.check(loss=loss, pred=pred, mask=mask, enc=enc, enc_batch_pooled_grn=enc_pooled)


def randomise(model, std=0.2):
    """Weights that leave no part idle: GRN is no identity, no bias is zero."""
    torch.manual_seed(0)
    for parameter in model.parameters():
        nn.init.normal_(parameter, std=std)
    return model


@pytest.mark.parametrize("name", ["convnextv2_atto", "convnextv2_tiny"])
def test_the_classifier_equals_timm(name):
    import timm

    kwargs = {"depths": (1, 1, 1, 1), "dims": (8, 12, 16, 20), "num_classes": 7}
    theirs = randomise(timm.create_model(name, **kwargs)).eval()
    ours = convnextv2.ConvNeXtV2(**kwargs).eval()
    ours.load_state_dict(convnextv2.from_timm(theirs.state_dict()), strict=True)
    images = torch.randn(2, 3, 64, 96)
    torch.testing.assert_close(ours(images), theirs(images), rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(ours.encode(images), theirs.forward_features(images), rtol=1e-4, atol=1e-4)


# GRN


def maps(B=2, h=5, w=4, C=6, dtype=torch.float64):
    return torch.randn(B, h, w, C, dtype=dtype, generator=torch.Generator().manual_seed(0))


def trained_grn(C=6, **how):
    grn = convnextv2.GRN(C, **how).double()
    return randomise(grn, std=1.0)


def test_a_fresh_grn_changes_nothing():
    assert torch.equal(convnextv2.GRN(6).double()(maps()), maps())


def test_grn_is_the_algorithm_written_out():
    grn, x = trained_grn(), maps()
    y = torch.empty_like(x)
    for b in range(len(x)):
        norms = x[b].square().sum(dim=(0, 1)).sqrt()
        y[b] = grn.gamma[0, 0, 0] * x[b] * norms / (norms.mean() + 1e-6) + grn.beta[0, 0, 0] + x[b]
    torch.testing.assert_close(grn(x), y)


def test_channels_compete_a_louder_one_quietens_the_others():
    grn = convnextv2.GRN(3).double()
    nn.init.ones_(grn.gamma)
    x = torch.ones(1, 2, 2, 3, dtype=torch.float64)
    loud = x * torch.tensor([1.0, 1.0, 10.0], dtype=torch.float64)
    assert (grn(loud)[..., 0] < grn(x)[..., 0]).all()
    torch.testing.assert_close(grn(x), 2 * x, rtol=1e-5, atol=0)


def test_the_norm_of_one_image_does_not_depend_on_the_others_unless_pooled():
    x = maps()
    apart = torch.cat([trained_grn()(x[:1]), trained_grn()(x[1:])])
    torch.testing.assert_close(trained_grn()(x), apart)
    assert not torch.allclose(trained_grn(over_batch=True)(x), apart)
    pooled = trained_grn(over_batch=True)(x)
    torch.testing.assert_close(pooled.flatten(0, 1), trained_grn()(x.flatten(0, 1)[None])[0])


def test_grn_compiles_as_one_graph_and_bears_autocast():
    grn, x = trained_grn(), maps()
    torch.testing.assert_close(torch.compile(grn, fullgraph=True, backend="aot_eager")(x), grn(x))
    block, x = convnextv2.ConvNeXtV2Block(6), torch.randn(2, 6, 5, 4)
    randomise(block)
    with torch.autocast("cpu", torch.bfloat16):
        halved = block(x)
    torch.testing.assert_close(halved.float(), block(x), rtol=5e-2, atol=5e-2)


def test_older_checkpoints_store_grn_as_a_row():
    grn = convnextv2.GRN(3)
    grn.load_state_dict({"gamma": torch.ones(1, 3), "beta": torch.arange(3.0)[None]})
    assert grn.gamma.shape == (1, 1, 1, 3)
    assert grn.beta.flatten().tolist() == [0, 1, 2]


def test_feature_distance_is_the_mean_over_all_pairs_of_channels():
    x = torch.randn(2, 5, 3, 4, dtype=torch.float64)
    flat = x.flatten(2)
    cosines = F.cosine_similarity(flat[:, :, None], flat[:, None], dim=-1)
    torch.testing.assert_close(convnextv2.feature_cosine_distance(x), ((1 - cosines) / 2).mean(dim=(1, 2)))


def test_equal_channels_have_no_distance_and_opposite_ones_a_half():
    x = torch.rand(1, 1, 4, 4, dtype=torch.float64)
    collapsed, opposed = x.expand(1, 6, 4, 4), torch.cat([x, -x], dim=1)
    assert convnextv2.feature_cosine_distance(collapsed).abs() < 1e-12
    assert convnextv2.feature_cosine_distance(opposed).sub(0.5).abs() < 1e-12


# The block and the encoder


def test_a_block_is_a_residual_of_its_size():
    block = convnextv2.ConvNeXtV2Block(6)
    nn.init.zeros_(block.pwconv2.weight), nn.init.zeros_(block.pwconv2.bias)
    x = torch.randn(2, 6, 5, 4)
    assert torch.equal(block(x), x)


def test_stochastic_depth_drops_whole_images_in_training_only_and_keeps_the_mean():
    block = randomise(convnextv2.ConvNeXtV2Block(4, drop_path=0.25))
    x = torch.randn(1, 4, 3, 3).expand(400, -1, -1, -1)
    change = block.eval()(x[:1]) - x[:1]
    torch.manual_seed(0)
    ratio = (block.train()(x) - x).flatten(1) @ change.flatten() / change.square().sum()
    dropped = ratio.abs() < 1e-4
    assert abs(dropped.float().mean() - 0.25) < 0.08
    torch.testing.assert_close(ratio[~dropped], torch.full_like(ratio[~dropped], 4 / 3), rtol=1e-3, atol=0)


def test_images_that_do_not_divide_and_stages_that_do_not_pair_are_refused():
    with pytest.raises(ValueError, match="multiples of 8"):
        convnextv2.Encoder(depths=(1, 1), dims=(4, 6))(torch.rand(1, 3, 20, 16))
    with pytest.raises(ValueError, match="one of each"):
        convnextv2.Encoder(depths=(1, 1, 1), dims=(4, 6))
    with pytest.raises(ValueError, match="multiple of the stride 8"):
        convnextv2.FCMAE(20, depths=(1, 1), dims=(4, 6))


# Masked autoencoding

SMALL = convnextv2.Config(img_size=48, depths=(1, 1), dims=(6, 8), decoder_embed_dim=12)


def small_model(**changed):
    return randomise(convnextv2.build(SMALL), **changed).double()


def batch(B=2):
    generator = torch.Generator().manual_seed(1)
    return (torch.randn(B, 3, 48, 48, dtype=torch.float64, generator=generator),
            torch.rand(B, 36, dtype=torch.float64, generator=generator))


def test_removed_pixels_cannot_influence_visible_features():
    """Nor do they leave anything in the maps: what is removed stays zero through every bias."""
    model, (imgs, noise) = small_model(), batch()
    enc, mask = model.forward_encoder(imgs, noise)
    hidden = mask.view(2, 1, 6, 6).repeat_interleave(8, 2).repeat_interleave(8, 3)
    other, _ = model.forward_encoder(torch.where(hidden > 0, 100.0, imgs), noise)
    torch.testing.assert_close(other, enc, rtol=0, atol=0)
    assert (enc * mask.view(2, 1, 6, 6) == 0).all()
    assert enc.abs().amax(1).flatten(1)[mask == 0].min() > 0


def test_a_sparse_encoder_would_give_the_same_at_a_lone_site():
    """One visible patch alone in the image is that patch as an image, but for its zero padding."""
    model, (imgs, _) = small_model(), batch(1)
    noise = torch.ones(1, 36, dtype=torch.float64)
    noise[0, 14] = 0
    enc, mask = model.forward_encoder(imgs, noise, mask_ratio=1 - 1.5 / 36)
    assert mask.sum() == 35
    alone = model.encoder.encode(imgs[:, :, 16:24, 16:24])
    torch.testing.assert_close(enc[:, :, 2:3, 2:3], alone)


def test_with_nothing_removed_masking_changes_nothing():
    model, (imgs, noise) = small_model(), batch()
    enc, mask = model.forward_encoder(imgs, noise, mask_ratio=0.0)
    assert not mask.any()
    torch.testing.assert_close(enc, model.encoder.encode(imgs))


def test_the_patches_of_least_noise_are_kept():
    _, mask = small_model().forward_encoder(*batch())
    noise = batch()[1]
    keep = int(36 * 0.4)
    assert mask.sum(1).tolist() == [36 - keep] * 2
    assert (noise[mask == 0].view(2, keep).amax(1) < noise[mask == 1].view(2, -1).amin(1)).all()


def test_the_decoder_sees_the_mask_token_at_removed_sites_alone():
    model, (imgs, noise) = small_model(), batch()
    model.decoder, model.pred = nn.Identity(), nn.Identity()
    enc, mask = model.forward_encoder(imgs, noise)
    seen, removed = model.forward_decoder(enc, mask), mask.view(2, 1, 6, 6) > 0
    expected = torch.where(removed, model.mask_token, model.proj(enc))
    assert torch.equal(seen, expected)


def test_the_loss_is_the_error_of_normalised_removed_patches():
    model, (imgs, noise) = small_model(), batch()
    loss, pred, mask = model(imgs, noise)
    target = patchify(imgs, 8)
    target = (target - target.mean(-1, keepdim=True)) / (target.var(-1, keepdim=True) + 1e-6).sqrt()
    errors = (pred.flatten(2).transpose(1, 2) - target).square().mean(-1)
    torch.testing.assert_close(loss, errors[mask == 1].mean())


def test_noise_of_another_grid_is_refused():
    imgs, noise = batch()
    with pytest.raises(ValueError, match="one number a patch"):
        small_model()(imgs, noise[:, :-1])


def test_a_reconstruction_pastes_the_prediction_into_removed_patches_alone():
    model, (imgs, noise) = small_model(), batch()
    shown = convnextv2.reconstruct(model, imgs, 0.6, noise)
    hidden = shown.mask.view(2, 1, 6, 6).repeat_interleave(8, 2).repeat_interleave(8, 3)
    torch.testing.assert_close(shown.pasted, torch.where(hidden > 0, shown.prediction, imgs))
    torch.testing.assert_close(shown.masked, imgs * (1 - hidden))
    _, pred, _ = model(imgs, noise)
    model.norm_pix_loss = False
    plain = convnextv2.reconstruct(model, imgs, 0.6, noise).prediction
    torch.testing.assert_close(patchify(plain, 8), pred.flatten(2).mT)
    mine, true = patchify(shown.prediction, 8), patchify(imgs, 8)
    scaled = pred.flatten(2).mT * (true.var(-1, keepdim=True) + 1e-6).sqrt() + true.mean(-1, keepdim=True)
    torch.testing.assert_close(mine, scaled)


def test_features_are_one_token_a_site():
    model, (imgs, _) = small_model(), batch()
    tokens = convnextv2.features(model, imgs)
    assert tokens.shape == (2, 36, 8)
    torch.testing.assert_close(tokens.mean(1), model.encoder(imgs))


def test_views_are_normalised_crops_that_the_generator_decides():
    images = torch.rand(4, 3, 48, 48)
    first, again, other = (convnextv2.views(images, torch.Generator().manual_seed(s)) for s in (1, 1, 2))
    assert first.shape == (4, 3, 48, 48)
    assert first.min() < -1
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_a_short_training_lowers_the_loss_and_watches_diversity():
    torch.manual_seed(0)
    model, imgs = convnextv2.build(SMALL), batch(4)[0].float()
    optimiser = torch.optim.AdamW(model.parameters(), 3e-3)
    watched = []
    for step in range(12):
        loss, seen = convnextv2.training_step(model, imgs, step, 12)
        optimiser.zero_grad(), loss.backward(), optimiser.step()
        watched.append(seen)
    assert watched[-1]["loss"] < watched[0]["loss"]
    assert all(0 < seen["diversity"] < 0.6 for seen in watched)
    assert all(p.grad is not None and p.grad.any() for p in model.parameters())


def test_the_wide_channels_are_what_each_block_narrows_and_adds():
    torch.manual_seed(0)
    model = randomise(convnextv2.ConvNeXtV2(depths=(1, 2), dims=(4, 6), num_classes=2), std=0.1).eval()
    images = torch.randn(2, 3, 32, 40)
    wide = convnextv2.wide_channels(model, images)
    assert [m.shape for m in wide] == [(2, 16, 8, 10), (2, 24, 4, 5), (2, 24, 4, 5)]
    x = images
    blocks = iter(wide)
    for down, stage in zip(model.downsample_layers, model.stages, strict=True):
        x = down(x)
        for block in stage:
            x = x + block.pwconv2(next(blocks).permute(0, 2, 3, 1)).permute(0, 3, 1, 2)
    torch.testing.assert_close(x, model.encode(images))
