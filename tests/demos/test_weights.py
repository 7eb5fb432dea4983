"""Which weights are taken, in which order, and what is refused."""

import json
import shutil
from dataclasses import asdict

import pytest
import timm
import torch
from safetensors.torch import save_file

from demos import fingerprint, runner, weights
from demos.architecture import WeightsError, construct, implied_by
from reference_impls import (
    can,
    convnextv2,
    deit3,
    dino,
    dinov2,
    mae,
    registers,
    vit,
)

SMALL = {"img_size": 32, "patch_size": 8, "dim": 64, "depth": 1, "heads": 1}
SMALL_MAE = {
    "img_size": 32, "patch_size": 8, "embed_dim": 64, "depth": 1, "num_heads": 1,
    "decoder_embed_dim": 32, "decoder_depth": 1, "decoder_num_heads": 1,
}


@pytest.fixture
def operator(tmp_path, monkeypatch):
    """The operator's folder."""
    monkeypatch.setenv("KB_WEIGHTS_DIR", str(tmp_path))
    return tmp_path


def test_without_any_file_the_weights_are_random_and_say_so():
    first, second = (weights.resolve("vit", "*.get_attention", vit.ViT) for _ in range(2))
    assert (first.card.trained, first.card.name) == (False, "random initialisation")
    for a, b in zip(first.model.parameters(), second.model.parameters(), strict=True):
        assert torch.equal(a, b)
    assert not first.model.training


def test_an_operators_file_describes_itself(operator):
    model = vit.ViT(**SMALL)
    save_file(model.state_dict(), operator / "vit.safetensors")
    loaded = weights.resolve("vit", "*.get_attention", vit.ViT)
    assert loaded.card.name == "vit.safetensors"
    assert loaded.card.trained
    assert loaded.image_side == 32
    x = torch.randn(1, 3, 32, 32)
    torch.testing.assert_close(loaded.model(x), model.eval()(x))


def test_a_card_beside_it_is_believed(operator):
    model = vit.ViT(**{**SMALL, "heads": 4})
    save_file(model.state_dict(), operator / "vit.safetensors")
    card = {"name": "mine", "architecture": {"kwargs": {**SMALL, "heads": 4}}, "mean": [0.5] * 3, "std": [0.25] * 3}
    (operator / "vit.json").write_text(json.dumps(card))
    loaded = weights.resolve("vit", "*.get_attention", vit.ViT)
    assert loaded.card.name == "mine"
    assert loaded.model.blocks[0].attn.heads == 4
    image = torch.rand(3, 8, 8)
    torch.testing.assert_close(loaded.normalise(image), (image - 0.5) / 0.25)
    torch.testing.assert_close(loaded.denormalise(loaded.normalise(image)), image)


def test_an_encoder_only_file_is_refused_for_reconstruction_and_says_why(operator, photo, out):
    encoder = {k: v for k, v in mae.MAE(**SMALL_MAE).state_dict().items() if not k.startswith(("decoder", "mask"))}
    save_file(encoder, operator / "mae.safetensors")
    with pytest.raises(WeightsError, match="encoder only"):
        runner.run("reconstruction", "mae", [photo], {}, out)
    shown = weights.resolve("mae", "*.get_attention", mae.MAE)
    torch.testing.assert_close(shown.model.state_dict()["norm.weight"], encoder["norm.weight"])


def test_a_whole_mae_file_implies_its_decoder(operator):
    save_file(mae.MAE(**SMALL_MAE).state_dict(), operator / "mae.safetensors")
    loaded = weights.resolve("mae", "reconstruct", mae.MAE)
    assert len(loaded.model.decoder_blocks) == 1


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda s: s.pop("blocks.0.norm1.bias"), "1 missing tensors .blocks.0.norm1.bias"),
        (lambda s: s.update(extra=torch.ones(1)), "1 unknown tensors .extra"),
        (lambda s: s.update({"norm.weight": torch.ones(3)}), "does not fit"),
        (lambda s: s.pop("pos_embed"), "not a ViT's weights"),
    ],
)
def test_loading_is_strict(operator, change, message):
    state = vit.ViT(**SMALL).state_dict()
    change(state)
    save_file(state, operator / "vit.safetensors")
    with pytest.raises(WeightsError, match=message):
        weights.resolve("vit", "*.get_attention", vit.ViT)


def test_a_pickle_is_not_opened(operator):
    torch.save(vit.ViT(**SMALL).state_dict(), operator / "vit.safetensors")
    with pytest.raises(WeightsError, match="no safetensors file"):
        weights.resolve("vit", "*.get_attention", vit.ViT)


@pytest.mark.parametrize("model_class", [vit.ViT, dino.DinoVisionTransformer])
def test_the_bundled_vit_fits_its_two_classes(checkpoints, model_class):
    model = vit.ViT(**SMALL)
    save_file({k: v.half() for k, v in model.state_dict().items()}, checkpoints / "vit_tiny64_distilled.safetensors")
    card = {
        "name": "small", "source": "made here", "trained": True, "note": "n",
        "architecture": {"class": "reference_impls.vit.ViT", "kwargs": SMALL},
        "mean": [0.5] * 3, "std": [0.5] * 3,
    }
    (checkpoints / "vit_tiny64_distilled.json").write_text(json.dumps(card))
    loaded = weights.resolve("vit", "*.get_attention", model_class)
    assert loaded.card == weights.Card("small", "made here", True, "n")
    assert loaded.model.state_dict()["pos_embed"].dtype == torch.float32
    torch.testing.assert_close(loaded.model.state_dict()["cls_token"], model.cls_token.detach(), atol=1e-3, rtol=1e-2)


REAL = fingerprint.ROOT / "demos" / "checkpoints"


# test_captions.py loads the other, which is no encoder.
ENCODERS = sorted(set(REAL.glob("*.json")) - {REAL / "capdec_prose.json"})


@pytest.mark.parametrize("card", ENCODERS, ids=lambda path: path.stem)
def test_every_checkpoint_that_ships_loads_strictly(card, checkpoints):
    for file in REAL.glob(f"{card.stem}.*"):
        shutil.copy(file, checkpoints)
    classes = {"reference_impls.mae.MAE": [mae.MAE], "reference_impls.vit.ViT": [vit.ViT, dino.DinoVisionTransformer]}
    for model_class in classes[json.loads(card.read_text())["architecture"]["class"]]:
        assert weights.bundled(model_class).card.trained


def fill_hub_cache(home, name, state):
    """What a download by huggingface_hub leaves behind."""
    repository = home / "hub" / f"models--timm--{name}"
    (repository / "refs").mkdir(parents=True)
    (repository / "refs" / "main").write_text("c0ffee")
    snapshot = repository / "snapshots" / "c0ffee"
    snapshot.mkdir(parents=True)
    if state:
        save_file(state, snapshot / "model.safetensors")
    else:
        (snapshot / "model.safetensors").write_bytes(b"")


@pytest.mark.parametrize(
    ("paper", "model_class"),
    [
        ("dino", dino.DinoVisionTransformer), ("deit3", deit3.DeiT3ViT),
        ("dinov2", dinov2.DinoVisionTransformer), ("registers", registers.RegisterViT),
        ("convnextv2", convnextv2.ConvNeXtV2), ("deep_vit_features", vit.ViT),
    ],
)
def test_official_weights_in_the_hub_cache_arrive_and_compute_as_timm_does(tmp_path, paper, model_class):
    torch.manual_seed(1)
    name = fingerprint.HUB_NAMES[paper]
    theirs = timm.create_model(name, pretrained=False).eval()
    for key, value in theirs.state_dict().items():
        if "gamma" in key or "grn" in key or key in ("cls_token", "reg_token"):
            value.uniform_(-0.5, 0.5)
    fill_hub_cache(tmp_path / "hub", name, theirs.state_dict())
    loaded = weights.resolve(paper, "*.get_attention", model_class)
    assert (loaded.card.name, loaded.card.trained) == (name, True)
    side = theirs.default_cfg["input_size"][1]
    x = torch.randn(1, 3, side, side)
    with torch.no_grad():
        torch.testing.assert_close(loaded.model(x), theirs(x), atol=1e-4, rtol=1e-4)
    assert loaded.image_side == side


@pytest.mark.parametrize(("paper", "model_class"), [("mae", mae.MAE), ("convnextv2", convnextv2.FCMAE)])
def test_official_encoders_are_not_taken_for_reconstruction(tmp_path, paper, model_class):
    fill_hub_cache(tmp_path / "hub", fingerprint.HUB_NAMES[paper], None)
    loaded = weights.resolve(paper, "reconstruct", model_class)
    assert not loaded.card.trained
    assert "encoder only" in loaded.card.note


def test_a_broken_file_in_the_cache_falls_back_and_says_so(tmp_path):
    fill_hub_cache(tmp_path / "hub", fingerprint.HUB_NAMES["dino"], None)
    loaded = weights.resolve("dino", "*.get_attention", dino.DinoVisionTransformer)
    assert not loaded.card.trained
    assert "Official weights not used" in loaded.card.note


def test_arguments_keep_their_meaning_under_another_name():
    model = construct(mae.MAE, {**asdict(mae.TINY), "lr": 1}, {})
    assert len(model.blocks) == mae.TINY.depth
    assert construct(mae.MAE, {**SMALL, "decoder_num_heads": 4, "decoder_embed_dim": 32}, {}).patch_size == 8
    assert len(construct(can.CAN, SMALL_MAE, {}).blocks) == 1


def test_a_vits_shape_is_read_off_its_tensors():
    state = vit.ViT(img_size=48, patch_size=16, dim=128, depth=2, heads=2, num_classes=10).state_dict()
    assert implied_by(state) == {
        "img_size": 48, "patch_size": 16, "dim": 128, "depth": 2, "heads": 2,
        "mlp_ratio": 4.0, "num_classes": 10,
    }
