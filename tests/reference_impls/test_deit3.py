"""DeiT III against its authors' numbers and timm's, then against what the paper says."""

import math

import numpy as np
import pytest
import timm
import torch
from PIL import Image, ImageEnhance, ImageFilter, ImageOps
from timm.optim import Lamb as TimmLamb
from torch import nn

from reference_impls import deit3
from tests.reference_impls.golden import cases


def small_vit(**changes) -> deit3.DeiT3ViT:
    torch.manual_seed(0)
    sizes = {"img_size": 32, "patch_size": 8, "dim": 24, "depth": 2, "heads": 3, "num_classes": 5,
             "init_values": 0.1} | changes
    return deit3.DeiT3ViT(**sizes)


def picture(height: int = 60, width: int = 44, seed: int = 0) -> torch.Tensor:
    """A smooth picture with some noise, (H, W, 3) uint8."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width]
    waves = [np.sin(x / 7 + c) + np.cos(y / (5 + c)) for c in range(3)]
    noisy = 127 + 50 * np.stack(waves, -1) + rng.normal(0, 20, (height, width, 3))
    return torch.from_numpy(noisy.clip(0, 255).astype(np.uint8))


def pil(img: torch.Tensor) -> Image.Image:
    return Image.fromarray(img.numpy())


def assert_within_one_level(ours: torch.Tensor, theirs: Image.Image) -> None:
    assert ours.dtype == torch.uint8
    torch.testing.assert_close(ours.int(), torch.from_numpy(np.array(theirs)).int(), rtol=0, atol=1)


# The authors' numbers


@pytest.mark.parametrize("case", cases("deit3", function="drop_path"), ids=str)
def test_drop_path_equals_upstream_with_a_given_mask_and_with_its_seed(case):
    p, scale = case.params["drop_prob"], case.params["scale_by_keep"]
    case.check(y=deit3.drop_path(case["x"], p, True, scale, case["keep_mask"]))
    torch.manual_seed(case.params["seed"])
    case.check(y=deit3.drop_path(case["x"], p, True, scale))


@pytest.mark.parametrize("case", cases("deit3", function="LayerScaleBlock"), ids=str)
def test_block_equals_upstream(case):
    c = case.params
    block = case.load(deit3.LayerScaleBlock(
        c["dim"], c["num_heads"], c["mlp_ratio"], c["init_values"], qkv_bias=c["qkv_bias"], eps=c["ln_eps"],
    ))
    case.check(y=block(case["x"]))


@pytest.mark.parametrize("case", cases("deit3", function="DeiT3ViT"), ids=str)
def test_logits_equal_upstream(case):
    c = case.params
    model = case.load(deit3.DeiT3ViT(
        c["img_size"], c["patch_size"], c["embed_dim"], c["depth"], c["num_heads"], c["mlp_ratio"], c["num_classes"],
    ))
    case.check(logits=model.eval()(case["x"]))
    with torch.no_grad():
        case.check(logits=model(case["x"]))


@pytest.mark.parametrize("case", cases("deit3", function="deit3_bce_loss"), ids=str)
def test_loss_equals_upstream(case):
    logits, targets = case["logits"], case["soft_targets"]
    case.check(loss=deit3.deit3_bce_loss(logits, targets), binary_targets=deit3.binary_targets(targets))


@pytest.mark.parametrize("case", cases("deit3", function="Lamb"), ids=str)
def test_every_lamb_step_equals_upstream(case):
    c = case.params
    n = sum(name.startswith("grad") for name in case.card["inputs"])
    weights = [nn.Parameter(case[f"p{i}"]) for i in range(n)]
    options = {name: c[name] for name in ("betas", "eps", "max_grad_norm", "always_adapt", "trust_clip") if name in c}
    groups = [{"params": weights[:1], "weight_decay": c["wd"]}, {"params": weights[1:], "weight_decay": 0.0}]
    lamb = deit3.Lamb(groups, lr=c["lr"], **options)
    paths = [[] for _ in weights]
    for t in range(c["steps"]):
        for i, p in enumerate(weights):
            p.grad = case[f"grad{i}"][t]
        lamb.step()
        for path, p in zip(paths, weights, strict=True):
            path.append(p.detach().clone())
    case.check(**{f"traj{i}": torch.stack(path) for i, path in enumerate(paths)})


@pytest.mark.parametrize("case", cases("deit3", function="three_augment"), ids=str)
def test_augmentations_equal_upstream_within_one_grey_level(case):
    c, img = case.params, case["img"]
    case.check_pictures(
        gray=deit3.gray(img), solarize=deit3.solarize(img, c.get("threshold", 128)),
        blur=deit3.gaussian_blur(img, c["blur_radius"]), resized=deit3.resize_shorter_side(img, c["size"]),
        src_crop=deit3.simple_random_crop(img, c["size"], c["crop_i"], c["crop_j"]),
    )


# timm as a second witness


def timm_twin() -> tuple[nn.Module, deit3.DeiT3ViT]:
    torch.manual_seed(3)
    theirs = timm.create_model(
        "deit3_small_patch16_224", img_size=32, patch_size=8, embed_dim=24, depth=2, num_heads=3, num_classes=5, init_values=0.1,
    )
    ours = small_vit()
    for p in theirs.parameters():
        nn.init.normal_(p, std=0.2)
    ours.load_state_dict(theirs.state_dict(), strict=True)
    return theirs.eval(), ours.eval()


def test_timms_deit3_loads_strictly_and_gives_the_same_logits():
    theirs, ours = timm_twin()
    x = torch.randn(2, 3, 32, 32)
    torch.testing.assert_close(ours(x), theirs(x), rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(ours.forward_features(x), theirs.forward_features(x), rtol=1e-5, atol=1e-5)


def test_a_state_of_neither_naming_is_refused():
    state = small_vit().state_dict()
    state["blocks.0.gamma"] = state.pop("blocks.0.gamma_1")
    with pytest.raises(RuntimeError, match="gamma_1"):
        small_vit().load_state_dict(state, strict=True)


@pytest.mark.parametrize("options", [{}, {"always_adapt": True, "trust_clip": True}, {"max_grad_norm": None}])
def test_ten_steps_of_lamb_on_a_network_equal_timms(options):
    def run(optimiser: type) -> list[torch.Tensor]:
        torch.manual_seed(0)
        net = nn.Sequential(nn.Linear(6, 8), nn.GELU(), nn.Linear(8, 3)).double()
        decayed, free = [p for p in net.parameters() if p.ndim > 1], [p for p in net.parameters() if p.ndim == 1]
        groups = [{"params": decayed, "weight_decay": 0.05}, {"params": free, "weight_decay": 0.0}]
        opt = optimiser(groups, lr=0.01, **options)
        x, y = torch.randn(16, 6).double(), torch.randn(16, 3).double()
        for _ in range(10):
            opt.zero_grad(), (30 * (net(x) - y).square().mean()).backward(), opt.step()
        return [p.detach() for p in net.parameters()]
    torch.testing.assert_close(run(deit3.Lamb), run(TimmLamb), rtol=1e-9, atol=1e-12)


# Stochastic depth


def test_drop_path_keeps_the_expectation():
    torch.manual_seed(0)
    out = deit3.drop_path(torch.ones(20000, 1, 1, dtype=torch.float64), 0.3)
    assert out.mean().item() == pytest.approx(1, abs=0.02)
    assert set(out.unique().tolist()) == {0.0, 1 / 0.7}


def test_drop_path_drops_whole_samples():
    torch.manual_seed(0)
    out = deit3.drop_path(torch.ones(50, 3, 4), 0.5)
    per_sample = out.flatten(1)
    assert (per_sample == per_sample[:, :1]).all()
    assert 0 < (per_sample[:, 0] == 0).sum() < 50


def test_drop_path_does_nothing_outside_training_or_at_zero_and_everything_at_one():
    x = torch.randn(4, 3, 2)
    assert deit3.drop_path(x, 0.9, training=False) is x
    assert deit3.drop_path(x, 0.0) is x
    assert (deit3.drop_path(x, 1.0) == 0).all()


def test_drop_path_is_the_same_in_every_layer_and_off_in_evaluation():
    model = small_vit(depth=4, drop_path=0.45)
    assert [block.drop_prob for block in model.blocks] == [0.45] * 4
    x = torch.randn(8, 3, 32, 32)
    assert not torch.equal(model.train()(x), model(x))
    assert torch.equal(model.eval()(x), model(x))


# LayerScale and the network


def test_a_block_scaled_by_zero_is_the_identity():
    block, x = deit3.LayerScaleBlock(24, 3, init_values=0.0), torch.randn(2, 5, 24)
    assert torch.equal(block(x), x)


def test_layerscale_scales_and_does_not_normalise():
    """Twice gamma_2 adds twice the branch: nothing divides the gain away again."""
    block, x = deit3.LayerScaleBlock(24, 3, init_values=0.5).double(), torch.randn(2, 5, 24).double()
    nn.init.zeros_(block.gamma_1)
    once = block(x) - x
    block.gamma_2.data.mul_(2)
    torch.testing.assert_close(block(x) - x, 2 * once)


def test_without_scaling_a_block_is_vits():
    from reference_impls.vit import Block
    scaled, plain, x = deit3.LayerScaleBlock(24, 3, init_values=1.0), Block(24, 3), torch.randn(2, 5, 24)
    state = {name: value for name, value in scaled.state_dict().items() if not name.startswith("gamma")}
    plain.load_state_dict(state, strict=True)
    torch.testing.assert_close(scaled(x), plain(x))


def test_positions_touch_patches_and_never_the_class_token():
    model, x = small_vit(), torch.randn(1, 3, 32, 32)
    assert model.pos_embed.shape == (1, 16, 24)
    before = model.embed(x)
    model.pos_embed.data.add_(1.0)
    moved = model.embed(x) - before
    assert (moved[:, 0] == 0).all()
    torch.testing.assert_close(moved[:, 1:], torch.ones(1, 16, 24))


def test_attention_has_a_row_for_the_class_token_and_rows_sum_to_one():
    model, x = small_vit().eval(), torch.randn(2, 3, 32, 32)
    maps = model.get_attention(x)
    assert (len(maps), model.num_prefix, model.patch_size) == (2, 1, 8)
    for weights in maps:
        assert weights.shape == (2, 3, 17, 17)
        torch.testing.assert_close(weights.sum(-1), torch.ones(2, 3, 17))


def test_a_block_that_returns_its_weights_computes_the_same():
    block, x = deit3.LayerScaleBlock(24, 3, init_values=0.5), torch.randn(2, 5, 24)
    with torch.no_grad():
        torch.testing.assert_close(block.attend(x)[0], block(x), rtol=0, atol=1e-6)


def test_a_larger_image_runs_with_interpolated_positions():
    model = small_vit().eval()
    assert model(torch.randn(1, 3, 48, 40)).shape == (1, 5)
    assert model.forward_features(torch.randn(1, 3, 48, 40)).shape == (1, 31, 24)


def test_positions_are_resized_as_the_official_code_does_bicubic_without_antialiasing():
    model = small_vit()
    grid = model.pos_embed.detach().unflatten(1, (4, 4)).permute(0, 3, 1, 2)
    resized = nn.functional.interpolate(grid, size=(2, 3), mode="bicubic").flatten(2).transpose(1, 2)
    torch.testing.assert_close(model.positions((2, 3)), resized)


def test_every_parameter_gets_a_gradient_and_a_lamb_step_lowers_the_loss():
    model, x = small_vit(), torch.randn(8, 3, 32, 32)
    targets = nn.functional.one_hot(torch.arange(8) % 5, 5).float()
    lamb = deit3.Lamb(model.parameters(), lr=0.01)
    before = deit3.deit3_bce_loss(model(x), targets)
    before.backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in model.parameters())
    lamb.step()
    assert deit3.deit3_bce_loss(model(x), targets) < before


def test_the_same_seed_trains_to_the_same_weights():
    def train() -> torch.Tensor:
        model = small_vit(drop_path=0.3)
        lamb = deit3.Lamb(model.parameters())
        for _ in range(2):
            lamb.zero_grad(), deit3.deit3_bce_loss(model(torch.ones(4, 3, 32, 32)), torch.eye(5)[:4]).backward(), lamb.step()
        return torch.cat([p.detach().flatten() for p in model.parameters()])
    assert torch.equal(train(), train())


def test_it_compiles_to_one_graph_and_keeps_dtype():
    model, x = small_vit().double().eval(), torch.randn(1, 3, 32, 32).double()
    compiled = torch.compile(model, fullgraph=True, backend="eager")
    torch.testing.assert_close(compiled(x), model(x))
    assert model(x).dtype == torch.float64
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert model.float()(x.float()).isfinite().all()


def test_tiny_is_a_network_that_runs():
    c = deit3.TINY
    model = deit3.DeiT3ViT(c.img_size, c.patch_size, c.dim, c.depth, c.heads, num_classes=c.num_classes,
                           init_values=c.init_values, drop_path=c.drop_path)
    assert model(torch.randn(2, 3, 32, 32)).shape == (2, 10)


# The loss


def test_binarising_smoothed_targets_makes_every_class_positive():
    """The trap: label smoothing leaves no class at zero, so nothing is a negative any more."""
    hard = torch.eye(4)
    smoothed = hard * 0.9 + 0.1 / 4
    assert torch.equal(deit3.binary_targets(hard), hard)
    assert (deit3.binary_targets(smoothed) == 1).all()


def test_both_pictures_of_a_mix_count_fully():
    mixed = torch.tensor([[0.9, 0.1, 0.0]])
    assert deit3.binary_targets(mixed).tolist() == [[1.0, 1.0, 0.0]]
    logits = torch.tensor([[0.0, 0.0, 0.0]])
    assert deit3.deit3_bce_loss(logits, mixed).item() == pytest.approx(math.log(2))


def test_classes_do_not_compete():
    """Raising one class's logit leaves the other classes' gradients alone, unlike softmax."""
    def gradient(first: float) -> torch.Tensor:
        logits = torch.tensor([[first, 0.3, -0.2]], requires_grad=True)
        deit3.deit3_bce_loss(logits, torch.tensor([[1.0, 0.0, 0.0]])).backward()
        return logits.grad[0]
    assert torch.equal(gradient(0.0)[1:], gradient(9.0)[1:])


def test_float64_loss_stays_float64():
    assert deit3.deit3_bce_loss(torch.randn(2, 3).double(), torch.eye(3)[:2]).dtype == torch.float64


# LAMB


def test_trust_ratio_is_one_where_a_norm_is_zero():
    group = {"weight_decay": 0.1, "always_adapt": False, "trust_clip": False}
    zero, two = torch.zeros(3), torch.full((3,), 2.0)
    assert deit3.trust_ratio(zero, two, group) == 1
    assert deit3.trust_ratio(two, zero, group) == 1
    assert deit3.trust_ratio(two, torch.ones(3), group) == 2


def test_without_weight_decay_a_group_is_not_adapted_unless_asked():
    two, one = torch.full((3,), 2.0), torch.ones(3)
    free = {"weight_decay": 0.0, "always_adapt": False, "trust_clip": False}
    assert deit3.trust_ratio(two, one, free) == 1
    assert deit3.trust_ratio(two, one, free | {"always_adapt": True}) == 2
    assert deit3.trust_ratio(two, one, free | {"always_adapt": True, "trust_clip": True}) == 1


def test_an_adapted_step_is_as_long_as_lr_times_the_weights():
    p = nn.Parameter(torch.tensor([3.0, 4.0], dtype=torch.float64))
    p.grad = torch.tensor([0.2, -0.7], dtype=torch.float64)
    before = p.detach().clone()
    deit3.Lamb([p], lr=0.01, weight_decay=0.05).step()
    assert (p.detach() - before).norm().item() == pytest.approx(0.01 * 5)


def test_gradients_are_clipped_together_over_all_groups():
    """A huge gradient in one group shrinks the other group's: there is one norm for all."""
    def moment(other: float, own: float = 1.0) -> float:
        p, q = nn.Parameter(torch.ones(1)), nn.Parameter(torch.ones(1))
        p.grad, q.grad = torch.tensor([own]), torch.tensor([other])
        lamb = deit3.Lamb([{"params": [p]}, {"params": [q]}])
        lamb.step()
        return lamb.state[p]["m"].item()
    assert moment(0.0) == pytest.approx(0.1)
    assert moment(math.sqrt(99)) == pytest.approx(0.01)
    assert moment(0.0, own=0.5) == pytest.approx(0.05)         # small gradients are not made larger


def test_lamb_skips_parameters_without_gradient_and_returns_the_closures_loss():
    p, q = nn.Parameter(torch.ones(2)), nn.Parameter(torch.ones(2))
    lamb = deit3.Lamb([p, q])
    def closure() -> torch.Tensor:
        loss = p.square().sum()
        loss.backward()
        return loss
    assert lamb.step(closure).item() == 2
    assert torch.equal(q, torch.ones(2))
    assert not torch.equal(p, torch.ones(2))


# The augmentation, against PIL


def test_gray_is_pils():
    img = picture()
    expected = torch.from_numpy(np.array(ImageOps.grayscale(pil(img))))[..., None].expand(-1, -1, 3)
    assert torch.equal(deit3.gray(img), expected)


def test_solarising_inverts_from_the_threshold_on():
    levels = torch.tensor([0, 127, 128, 255], dtype=torch.uint8).view(1, 4, 1).repeat(1, 1, 3)
    assert deit3.solarize(levels)[0, :, 0].tolist() == [0, 127, 127, 0]
    assert torch.equal(deit3.solarize(picture()), torch.from_numpy(np.array(ImageOps.solarize(pil(picture())))))


@pytest.mark.parametrize("radius", [0.1, 0.4, 0.75, 1.0, 1.3, 2.0, 3.7])
def test_blur_is_pils_within_one_level(radius):
    img = picture()
    assert_within_one_level(deit3.gaussian_blur(img, radius), pil(img).filter(ImageFilter.GaussianBlur(radius)))


@pytest.mark.parametrize("sigma", [0.1, 0.5, 1.0, 2.0, 5.0])
def test_three_boxes_have_a_gaussians_variance(sigma):
    r = deit3.box_radius(sigma)
    whole, edge = int(r), r - int(r)
    one_box = (2 * sum(k * k for k in range(1, whole + 1)) + 2 * edge * (whole + 1) ** 2) / (2 * r + 1)
    assert 3 * one_box == pytest.approx(sigma**2)


@pytest.mark.parametrize("shape", [(60, 44), (44, 60), (50, 50), (150, 31)])
def test_resizing_is_pils_within_one_level(shape):
    img = picture(*shape)
    ours = deit3.resize_shorter_side(img, 32)
    assert min(ours.shape[:2]) == 32
    assert_within_one_level(ours, pil(img).resize((ours.shape[1], ours.shape[0]), Image.Resampling.BICUBIC))


@pytest.mark.parametrize(("change", "enhance"), [(0, ImageEnhance.Brightness), (1, ImageEnhance.Contrast), (2, ImageEnhance.Color)])
@pytest.mark.parametrize("factor", [0.7, 1.0, 1.3])
def test_each_colour_change_is_pils(change, enhance, factor):
    img = picture()
    assert_within_one_level(deit3.blend(deit3.enhancement_base(img, change), img, factor), enhance(pil(img)).enhance(factor))


def test_the_simple_crop_shows_nearly_the_whole_picture():
    """At corner (4, 4) of a square picture the crop is the resized picture, nothing less."""
    img = picture(64, 64)
    assert torch.equal(deit3.simple_random_crop(img, 32, 4, 4), deit3.resize_shorter_side(img, 32))


@pytest.mark.parametrize("src", [False, True])
def test_three_augment_draws_from_its_generator_alone(src):
    def draw(seed: int) -> torch.Tensor:
        return deit3.three_augment(picture(), 24, torch.Generator().manual_seed(seed), src=src)
    assert draw(1).shape == (24, 24, 3)
    assert draw(1).dtype == torch.uint8
    assert torch.equal(draw(1), draw(1))
    assert len({tuple(draw(seed).flatten().tolist()) for seed in range(10)}) == 10


def test_exactly_one_of_the_three_is_applied_each_equally_often(monkeypatch):
    """Each of the three is replaced by a paint of its own; every result wears one paint."""
    for name, level in (("gray", 10), ("solarize", 20), ("gaussian_blur", 30)):
        monkeypatch.setattr(deit3, name, lambda img, *_, level=level: torch.full_like(img, level))
    generator = torch.Generator().manual_seed(0)
    seen = [deit3.three_augment(picture(9, 9), 8, generator, jitter=0).unique().tolist() for _ in range(600)]
    counts = [seen.count([level]) for level in (10, 20, 30)]
    assert sum(counts) == 600
    assert min(counts) > 160


def test_half_of_the_pictures_are_flipped(monkeypatch):
    for name in ("gray", "solarize", "gaussian_blur"):
        monkeypatch.setattr(deit3, name, lambda img, *_: img)
    ramp = torch.arange(8, dtype=torch.uint8).mul(20).view(1, 8, 1).repeat(8, 1, 3)
    generator = torch.Generator().manual_seed(0)
    drawn = [deit3.three_augment(ramp, 8, generator, jitter=0, src=True) for _ in range(200)]
    flipped = sum((img[0, 2, 0] > img[0, 5, 0]).item() for img in drawn)
    assert 70 < flipped < 130


def test_a_random_box_keeps_8_to_100_percent_nearly_square_and_is_what_the_crop_shows():
    generator = torch.Generator().manual_seed(0)
    boxes = [deit3.random_box(60, 80, generator) for _ in range(300)]
    shares = [h * w / 4800 for _, _, h, w in boxes]
    assert 0.07 < min(shares) < 0.15
    assert 0.85 < max(shares) <= 1
    assert all(0.7 < w / h < 1.4 and i + h <= 60 and j + w <= 80 for i, j, h, w in boxes)
    i, j, h, w = deit3.random_box(60, 80, torch.Generator().manual_seed(5))
    img = picture(60, 80)
    crop = deit3.random_resized_crop(img, 16, torch.Generator().manual_seed(5))
    assert torch.equal(crop, deit3.resize(img[i:i + h, j:j + w], 16, 16))


def test_random_corners_reach_from_one_padded_edge_to_the_other():
    generator = torch.Generator().manual_seed(0)
    corners = [deit3.random_corner(picture(10, 20), 8, generator) for _ in range(600)]
    assert {i for i, _ in corners} == set(range(9))
    assert {j for _, j in corners} == set(range(17))
    assert deit3.simple_random_crop(picture(10, 20), 8, *max(corners)).shape == (8, 8, 3)


def test_a_picture_too_thin_for_the_box_is_cut_in_its_middle():
    """In a 300 x 6 strip hardly any box of allowed proportions fits; the result is still a square."""
    strip = picture(300, 6)
    for seed in range(5):
        assert deit3.three_augment(strip, 16, torch.Generator().manual_seed(seed)).shape == (16, 16, 3)


def test_wrong_calls_name_the_remedy():
    with pytest.raises(ValueError, match="from 0 to 1"):
        deit3.drop_path(torch.ones(2, 1), 1.5)
    with pytest.raises(ValueError, match="one-hot"):
        deit3.deit3_bce_loss(torch.ones(2, 3), torch.ones(2))
    with pytest.raises(ValueError, match="betas"):
        deit3.Lamb([nn.Parameter(torch.ones(1))], betas=(0.9, 1.0))
    with pytest.raises(ValueError, match="rows go to 8"):
        deit3.simple_random_crop(picture(40, 40), 32, 9, 0)
    with pytest.raises(ValueError, match="one uint8 picture"):
        deit3.three_augment(picture().float(), 16)
